# Builds by several processes: what each of them found out reaches the catalog
# and the statement's counters, memory is taken when it is needed, and where
# shared memory cannot be had, a build goes on without.
#
# A library preloaded into the server refuses shared memory: posix_fallocate
# fails above a size, or after so many calls of a process, and statvfs says how
# much of /dev/shm is free, all as a file tells it.  It keeps a list of segments.
use strict;
use warnings;

use Index;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $limits = "$dir/limits";

sub refuse
{
	my (%o) = @_;
	my $size = $o{size} // 1 << 60;
	my $calls = $o{calls} // 1 << 30;
	my $free = $o{free} // 1 << 60;

	unlink "$limits.new";
	append_to_file("$limits.new", "$size $calls $free\n");
	rename("$limits.new", $limits) or die "cannot write $limits: $!";
}

append_to_file(
	"$dir/refuse.c", qq{
#define _GNU_SOURCE
#include <errno.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sys/statvfs.h>
#include <unistd.h>

static void
read_limits(long long *size, long *calls, long long *space)
{
	FILE	   *file = fopen("$limits", "r");

	if (file == NULL || fscanf(file, "%lld %ld %lld", size, calls, space) != 3)
		_exit(3);
	fclose(file);
}

int
posix_fallocate64(int fd, off64_t offset, off64_t length)
{
	static int	(*real) (int, off64_t, off64_t);
	static long	count;
	static pid_t counted;
	long long	size, space;
	long		calls;
	char		link[64], name[256] = "";
	FILE	   *list;

	read_limits(&size, &calls, &space);
	if (counted != getpid())
		count = 0;
	counted = getpid();
	if (length > size || ++count > calls)
		return ENOSPC;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	name[readlink(link, name, sizeof(name) - 1)] = 0;
	list = fopen("$dir/segments", "a");
	fprintf(list, "%s\\n", name);
	fclose(list);
	if (real == NULL)
		real = (int (*) (int, off64_t, off64_t)) dlsym(RTLD_NEXT, "posix_fallocate64");
	return real(fd, offset, length);
}

int
posix_fallocate(int fd, off_t offset, off_t length)
{
	return posix_fallocate64(fd, offset, length);
}

int
statvfs64(const char *path, struct statvfs64 *buf)
{
	long long	size, space;
	long		calls;

	read_limits(&size, &calls, &space);
	memset(buf, 0, sizeof(*buf));
	buf->f_frsize = buf->f_bsize = 1;
	buf->f_blocks = buf->f_bavail = space;
	return 0;
}

int
statvfs(const char *path, struct statvfs *buf)
{
	return statvfs64(path, (struct statvfs64 *) buf);
}
});
system_or_bail($ENV{CC} // 'cc', '-shared', '-fPIC', '-O1', '-D_LARGEFILE64_SOURCE', '-o', "$dir/refuse.so", "$dir/refuse.c", '-ldl');
refuse();

my $node = PostgreSQL::Test::Cluster->new('build');
$node->init;
my $statements = -e $node->config_data('--pkglibdir') . '/pg_stat_statements.so';
$node->append_conf(
	'postgresql.conf', q{
autovacuum = off
fsync = off
jit = off
shared_buffers = 64MB
max_worker_processes = 8
max_parallel_maintenance_workers = 2
dynamic_shared_memory_type = posix
});
$node->append_conf('postgresql.conf', 'shared_preload_libraries = pg_stat_statements') if $statements;
{
	local $ENV{LD_PRELOAD} = "$dir/refuse.so";
	$node->start;
}
index_prepare($node);

sub sql
{
	return $node->safe_psql('postgres', shift);
}

my %using = (
	hnsw => 'hnsw (v vector_l2_ops) WITH (m = 4, ef_construction = 16)',
	ivfflat => 'ivfflat (v vector_l2_ops) WITH (lists = 20)',
	ivfpq => 'ivfpq (v vector_l2_ops) WITH (lists = 20)',
	ivfrabitq => 'ivfrabitq (v vector_l2_ops) WITH (lists = 20)');
my @kinds = sort keys %using;

note 'broken HOT chains';

# The table is larger than any sample, and memory for that of an inverted file
# small.  The changed row lies in the block that samples of inverted files come
# to last, and between two of those that hnsw reads, so that the process that
# meets the chain is the one that scans that block, often a worker.
sql(q{
	CREATE TABLE hot (id int, v vector(16)) WITH (fillfactor = 60, parallel_workers = 2);
	INSERT INTO hot SELECT i, item(i, 16) FROM generate_series(1, 30000) i;
	ANALYZE hot});
my $blocks = sql(q{SELECT pg_relation_size('hot') / current_setting('block_size')::int});

sub gcd
{
	my ($x, $y) = @_;
	return $y == 0 ? $x : gcd($y, $x % $y);
}
my $stride = int($blocks * 0.6180339887);
$stride-- while gcd($stride, $blocks) != 1;

# The i-th block from the last of an inverted file's sample which hnsw's leaves out
my @unsampled = grep { my $b = $_; !grep { my $first = int($blocks * $_ / 64); $b == $first || $b == $first + 1 } 0 .. 63 }
	map { ($blocks - $_ * $stride % $blocks) % $blocks } 1 .. 40;

foreach my $kind (@kinds)
{
	foreach my $attempt (1 .. 3)
	{
		my $block = shift @unsampled;
		my $id = sql("SELECT id FROM hot WHERE ctid = '($block,2)'");
		my $old = sql("SELECT v FROM hot WHERE id = $id");
		my $nearest = "SELECT id FROM hot ORDER BY v <-> '$old' LIMIT 1";

		# A snapshot from before the row changes, which waits for the index
		my $gate = close_gate($node);
		my $reader = start_psql(
			$node, qq{
			BEGIN ISOLATION LEVEL REPEATABLE READ;
			SELECT count(*) FROM hot;
			SELECT pg_advisory_lock_shared(7, 7);
			SET LOCAL enable_seqscan = off;
			$nearest;
			COMMIT});
		waiting_at_gate($node, 1);
		sql("UPDATE hot SET v = item($id + 1000000, 16) WHERE id = $id");
		is(sql("SELECT ctid::text LIKE '($block,%' FROM hot WHERE id = $id"), 't', "row $id stays in block $block");
		sql(qq{SET client_min_messages = warning; SET maintenance_work_mem = '2MB'; CREATE INDEX hot_v ON hot USING $using{$kind}})
			if $kind ne 'hnsw';
		sql(qq{CREATE INDEX hot_v ON hot USING $using{$kind}}) if $kind eq 'hnsw';
		open_gate($gate);
		is(finish_psql($reader), '', 'the old snapshot has waited');
		like($reader->{out}, qr/\n$id$/, "$kind: an old snapshot finds the row as it was");
		is(sql(q{SELECT indcheckxmin FROM pg_index WHERE indexrelid = 'hot_v'::regclass}), 't', "$kind: the chain is known, time $attempt");

		# no chain is broken in the eyes of a new build
		sql('DROP INDEX hot_v');
		sql('VACUUM hot');
	}
	sql(qq{CREATE INDEX hot_v ON hot USING $using{$kind}});
	is(sql(q{SELECT indcheckxmin FROM pg_index WHERE indexrelid = 'hot_v'::regclass}), 'f', "$kind: no chain, no mark");
	sql('DROP INDEX hot_v');
}

note 'what workers have used counts for the statement';
SKIP:
{
	skip 'no pg_stat_statements for this server', scalar @kinds if !$statements;

	sql('CREATE EXTENSION pg_stat_statements');
	foreach my $kind (@kinds)
	{
		my @used;

		foreach my $workers (0, 2)
		{
			sql('SELECT pg_stat_statements_reset()');
			sql(qq{SET max_parallel_maintenance_workers = $workers; CREATE INDEX hot_v ON hot USING $using{$kind}});
			push @used, sql(q{SELECT shared_blks_hit + shared_blks_read FROM pg_stat_statements WHERE query LIKE 'CREATE INDEX%'});
			sql('DROP INDEX hot_v');
		}
		cmp_ok($used[1], '>=', $used[0] * 0.9, "$kind: $used[1] buffers with workers, $used[0] without");
	}
}

note 'memory that is not needed is not taken';
sql(q{
	CREATE TABLE many (id int, v vector(32)) WITH (parallel_workers = 2);
	INSERT INTO many SELECT i, item(i, 32) FROM generate_series(1, 10000) i;
	ANALYZE many});
refuse(size => 4 << 20, calls => 30);
foreach my $kind (@kinds)
{
	foreach my $workers (0, 2)
	{
		foreach my $memory ('1GB', '200GB')
		{
			my ($rc, $out, $err) = $node->psql('postgres',
				"SET max_parallel_maintenance_workers = $workers; SET maintenance_work_mem = '$memory'; CREATE INDEX many_v ON many USING $using{$kind} WHERE id % 50 = 1");

			is($err, '', "$kind: 200 of 10,000 rows with $memory, $workers workers");
			is(sql(q{SET enable_seqscan = off; SET ivfflat.probes = 20; SET ivfpq.probes = 20; SET ivfrabitq.probes = 20; SET hnsw.ef_search = 200;
				SELECT count(*) FROM (SELECT FROM many WHERE id % 50 = 1 ORDER BY v <-> item(77, 32) LIMIT 200) s}), 200, 'all are there');
			sql('DROP INDEX many_v');
		}
	}
}
refuse();

note 'workers that have come, built and gone before the leader begins';
foreach my $kind (@kinds)
{
	my ($rc, $out, $err) = $node->psql('postgres', qq{
		SET client_min_messages = warning;
		SET max_parallel_maintenance_workers = 2;
		DO \$\$
		BEGIN
			FOR i IN 1..30 LOOP
				CREATE INDEX many_v ON many USING $using{$kind} WHERE id % 500 = 1;
				DROP INDEX many_v;
			END LOOP;
		END \$\$});

	is($err, '', "$kind: 30 builds of few rows");
}

note 'no shared memory';
my $hint = qr/HINT:  .*--shm-size.*max_parallel_maintenance_workers.*maintenance_work_mem/;
my %many = (hnsw => 'hnsw (v vector_l2_ops) WITH (ef_construction = 32)', ivfflat => 'ivfflat (v vector_l2_ops) WITH (lists = 3000)',
	ivfpq => 'ivfpq (v vector_l2_ops) WITH (lists = 3000)', ivfrabitq => 'ivfrabitq (v vector_l2_ops) WITH (lists = 3000)');

# A build of table many; what it says must match.
sub builds
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($kind, $said, $name) = @_;
	my ($rc, $out, $err) = $node->psql('postgres',
		"SET maintenance_work_mem = '128MB'; CREATE INDEX many_v ON many USING $many{$kind}");

	is($rc, 0, "$kind, $name: it builds");
	like($err, $said, "$kind, $name: what it says");
	if ($kind eq 'hnsw')
	{
		hnsw_ok($node, 'many', "$kind, $name", every => 20);
	}
	else
	{
		ivf_ok($node, 'many', "$kind, $name");
	}
	is(sql(q{SELECT reltuples FROM pg_class WHERE relname = 'many_v'}), 10000, "$kind, $name: rows are counted");
	sql('DROP INDEX many_v');
}

foreach my $kind (@kinds)
{
	my $alone = qr/NOTICE:  $kind index is built by one process, because there is not enough shared memory for more\nDETAIL:  They would share \d+ MB\./;

	builds($kind, qr/^$/, 'as much as it wants');
	if ($kind ne 'hnsw')
	{
		# a segment for the sample, 640 kB, is refused, and smaller ones are not
		refuse(size => 900000);
		builds($kind, qr/NOTICE:  $kind index is trained by one process, because there is not enough shared memory for more\nDETAIL:  They would share \d+ MB\..*\n$hint/, 'no shared memory to train in');
	}
	refuse(free => 100000);
	builds($kind, qr/$alone There are 0 MB free in \/dev\/shm\.\n$hint/, 'little is free');
	refuse(size => 100000);
	builds($kind, qr/$alone could not resize shared memory segment .* No space left on device\.\n$hint/, 'what is free cannot be had');
	refuse();
}

# In the midst of a build: the graph takes some fifteen segments
refuse(calls => 4);
builds('hnsw', qr/^(psql:.* )?NOTICE:  hnsw graph no longer fits into shared memory after \d+ tuples\nDETAIL:  .*\n$hint/, 'memory ends');
refuse();
is(sql(q{SELECT count(*) FROM pg_index WHERE NOT indisvalid}), 0, 'all indexes are valid');

note 'training by several processes';

# The same centroids and the same codes, by however many processes, which is seen by
# the bounds of the same rows' distances being the same.
foreach my $kind ('ivfflat', 'ivfpq', 'ivfrabitq')
{
	my %trained;

	foreach my $workers (0, 1, 2)
	{
		my ($rc, $out, $err) = $node->psql('postgres', qq{
			SET maintenance_work_mem = '128MB';
			SET max_parallel_maintenance_workers = $workers;
			SET client_min_messages = debug1;
			CREATE INDEX many_v ON many USING $many{$kind}});
		my $said = () = $err =~ /training with \d parallel workers/g;

		is($said, $workers > 0 ? 1 : 0, "$kind: trained with $workers workers");
		$trained{$workers} = sql(q{SELECT md5(string_agg(list || ' ' || centroid, ',' ORDER BY list)) FROM ivf_centroids('many_v')})
			. sql(q{SET enable_seqscan = off; SET ivf.probes = 30; SET vector.enable_exact_scan = off;
				SELECT md5(string_agg(id::text, ',' ORDER BY d)) FROM (SELECT id, v <-> item(7, 32) d FROM many ORDER BY v <-> item(7, 32) LIMIT 200) s});
		sql('DROP INDEX many_v');
	}
	is($trained{1}, $trained{0}, "$kind: the same centroids with a worker");
	is($trained{2}, $trained{0}, "$kind: and with two");
}

# A worker that is terminated while it trains ends the build with an error. A session
# builds again and again until another one has met a worker of it: how long a build
# trains, and how long the other one takes to look, does not matter, nor that a worker
# may just be done.
{
	my $session = $node->background_psql('postgres', on_error_stop => 0);

	$session->query_until(qr/begun/, q{
		SET maintenance_work_mem = '128MB';
		\echo begun
		DO $$ BEGIN
			LOOP
				CREATE INDEX many_v ON many USING ivfflat (v vector_l2_ops) WITH (lists = 2000);
				DROP INDEX many_v;
			END LOOP;
		END $$;
		\echo ended
	});
	is(sql(q{
		DO $$
		DECLARE
			met boolean := false;	-- the session's block may not have begun yet
		BEGIN
			LOOP
				PERFORM pg_stat_clear_snapshot();
				PERFORM pg_terminate_backend(a.pid)
				FROM pg_stat_progress_create_index p JOIN pg_stat_activity a ON a.leader_pid = p.pid
				WHERE p.phase LIKE '%k-means%' AND a.pid <> p.pid;
				met := met OR FOUND;
				EXIT WHEN met AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%CREATE INDEX many_v%' AND pid <> pg_backend_pid());
			END LOOP;
		END $$;
		SELECT 'met'}), 'met', 'a worker is terminated while it trains');
	$session->query('');
	$session->quit;
	is(sql(q{SELECT count(*) FROM pg_class WHERE relname = 'many_v'}), 0, 'the build has ended with an error');
	ok($node->log_contains('terminating'), 'as the log says');
	is(sql(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker'}), 0, 'no worker is left');
}

note 'cancelled builds';
foreach my $kind (@kinds)
{
	foreach my $ms (5, 20, 80, 200)
	{
		$node->psql('postgres', "SET statement_timeout = $ms; CREATE INDEX many_v ON many USING $using{$kind}; DROP INDEX many_v");
		sql('DROP INDEX IF EXISTS many_v');
	}
}

# Those left are the server's own: the first one, and what statistics take, by
# the megabyte.
my @left = grep { -e $_ } split(/\n/, slurp_file("$dir/segments"));
cmp_ok(scalar(@left), '>', 0, 'the list of segments is one');
is(join(' ', grep { $_ ne $left[0] && (-s $_) % (1 << 20) } @left), '', 'no segment of a build stays');

$node->stop;
done_testing();
