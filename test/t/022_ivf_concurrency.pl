# Writers, readers and vacuum side by side on inverted files, builds under
# writes, and cancelled commands: every row that a reader's snapshot sees comes
# from a scan, and once.
use strict;
use warnings;

use Index;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = $ENV{IVF_SECONDS} // 4;
my $dims = 32;

my $node = PostgreSQL::Test::Cluster->new('ivf_concurrent');
$node->init;

# A small buffer pool, so that buffers change hands under scans
$node->append_conf(
	'postgresql.conf', q{
autovacuum = off
fsync = off
jit = off
shared_buffers = 4MB
maintenance_work_mem = 64MB
client_min_messages = warning
});
$node->start;
index_prepare($node);
$node->safe_psql(
	'postgres', q{
	CREATE SEQUENCE ids;
	CREATE TABLE problems (what text);
	CREATE TABLE counted (what text, n bigint);});

# Insert, delete and update; the table keeps about its size.  Writer w of two
# has its own rows to change, so that there are no deadlocks.
sub writer
{
	my ($t, $dims, $size, $w) = @_;
	my $step = int($size / 100) || 1;

	return qq{
	DO \$\$
	DECLARE
		n bigint := 0;
		mine int[];
	BEGIN
		WHILE working() LOOP
			INSERT INTO $t SELECT i, item(i, $dims) FROM (SELECT nextval('ids') AS i FROM generate_series(1, $step)) s;
			mine := ARRAY(SELECT id FROM $t WHERE id % 2 = $w ORDER BY random() LIMIT $step);
			IF random() < 0.3 THEN
				UPDATE $t SET v = item(id + 1, $dims) WHERE id = ANY (mine);
			END IF;
			DELETE FROM $t WHERE id = ANY (mine) AND (SELECT count(*) FROM $t) > $size;
			-- all of a cluster at once, so that pages leave lists
			IF random() < 0.02 THEN
				DELETE FROM $t WHERE id % 40 = 2 * (n % 20) + $w;
			END IF;
			n := n + $step;
			IF random() < 0.1 THEN ROLLBACK; ELSE COMMIT; END IF;
		END LOOP;
		INSERT INTO counted VALUES ('written', n);
	END \$\$;};
}

# All rows that the snapshot sees, each once.  With as many candidates as there
# are rows, in order.
sub reader
{
	my ($t, $dims, $rerank, $filter) = @_;
	my $filtered = !$filter ? '' : qq{
			m := floor(random() * 51);
			SELECT count(DISTINCT id) FILTER (WHERE id % 50 = m) AS good, count(*) AS found INTO r
			FROM (SELECT id FROM $t WHERE id % 50 = m ORDER BY v <-> q LIMIT 1000000) a;
			SET LOCAL enable_seqscan = on;
			SET LOCAL enable_indexscan = off;
			SELECT count(*) INTO should FROM $t WHERE id % 50 = m;
			SET LOCAL enable_seqscan = off;
			SET LOCAL enable_indexscan = on;
			IF r.good <> should OR r.found <> should THEN
				INSERT INTO problems VALUES ('$t, condition ' || m || ': ' || r || ', should be ' || should);
			END IF;};

	return ivf_settings($rerank) . qq{
	SET default_transaction_isolation = 'repeatable read';
	DO \$\$
	DECLARE
		q vector;
		r record;
		should bigint;
		n bigint := 0;
		m int;
	BEGIN
		WHILE working() LOOP
			q := item(floor(random() * 1000000)::bigint, $dims);
$filtered
			SELECT count(*), count(DISTINCT id) AS ids, count(*) FILTER (WHERE d < before) AS disorder INTO r
			FROM (SELECT id, d, lag(d) OVER (ORDER BY place) AS before FROM
				(SELECT id, d, row_number() OVER () AS place FROM
					(SELECT id, v <-> q AS d FROM $t ORDER BY v <-> q LIMIT 1000000) a) b) c;
			SET LOCAL enable_seqscan = on;
			SET LOCAL enable_indexscan = off;
			SET LOCAL enable_bitmapscan = off;
			SELECT count(*) INTO should FROM $t WHERE id > 0;
			IF r.count <> should OR r.ids <> should OR (r.disorder > 0 AND $rerank > 0) THEN
				INSERT INTO problems VALUES ('$t: ' || r || ', should be ' || should);
			END IF;
			n := n + 1;
			COMMIT;
		END LOOP;
		INSERT INTO counted VALUES ('scans', n);
	END \$\$;};
}

my $columns = ivf_filter();
foreach my $case (
	[ 'flat', 32, 3000, 'ivfflat (v vector_l2_ops) WITH (lists = 30)' ],
	[ 'rabitq', 32, 3000, "ivfrabitq (v vector_l2_ops, $columns) WITH (lists = 30)" ],
	[ 'pq', 32, 3000, "ivfpq (v vector_l2_ops, $columns) WITH (lists = 30, rerank = index)" ],
	[ 'pieces', 2500, 40, "ivfflat (v vector_l2_ops, $columns) WITH (lists = 4)" ])
{
	my ($t, $dims, $size, $index) = @$case;
	my $filter = $index =~ /noise/;

	$node->safe_psql(
		'postgres', qq{
		CREATE TABLE $t (id int, v vector($dims));
		INSERT INTO $t SELECT n, item(n, $dims) FROM (SELECT nextval('ids') AS n FROM generate_series(1, $size)) s;
		CREATE INDEX ${t}_v ON $t USING $index;});

	workers_begin($node);
	my @sessions = map { start_psql($node, $_) }
		(writer($t, $dims, $size, 0), writer($t, $dims, $size, 1), reader($t, $dims, 0, $filter), reader($t, $dims, 100000, $filter));
	my $end = time() + $seconds;
	my $vacuums = 0;
	while (time() < $end || $vacuums < 3)
	{
		$node->safe_psql('postgres', "VACUUM $t");
		$vacuums++;
	}
	workers_end($node);
	is(join('', map { finish_psql($_) } @sessions), '', "$t: no errors");
	cmp_ok($vacuums, '>', 1, "$t: $vacuums vacuums");
	is($node->safe_psql('postgres', 'SELECT * FROM problems LIMIT 10'), '', "$t: readers saw no wrong");
	my $counted = $node->safe_psql('postgres', q{SELECT string_agg(what || ' ' || n, ', ' ORDER BY what) FROM (SELECT what, sum(n) AS n FROM counted GROUP BY 1) s});
	like($counted, qr/scans \d+, written \d+/, "$t: $counted");
	ivf_ok($node, $t, "$t, afterwards", dims => $dims, filter => $filter);
	$node->safe_psql('postgres', "VACUUM $t; TRUNCATE problems, counted");
	ivf_ok($node, $t, "$t, vacuumed", dims => $dims, filter => $filter);

	# Emptied, and filled by several at once
	$node->safe_psql('postgres', "DELETE FROM $t");
	$node->safe_psql('postgres', "VACUUM $t");
	ivf_ok($node, $t, "$t, emptied", dims => $dims, filter => $filter);
	my $gate = close_gate($node);
	@sessions = map {
		start_psql($node, "SELECT pg_advisory_lock_shared(7, 7);
			INSERT INTO $t SELECT n, item(n, $dims) FROM (SELECT nextval('ids') AS n FROM generate_series(1, $size / 10)) s")
	} 1 .. 4;
	waiting_at_gate($node, 4);
	open_gate($gate);
	is(join('', map { finish_psql($_) } @sessions), '', "$t: filled at once");
	ivf_ok($node, $t, "$t, filled at once", dims => $dims, filter => $filter);
}

note 'builds under writes';
my @tables = qw(flat rabitq pq);
my %index = (
	flat => 'ivfflat (v vector_l2_ops) WITH (lists = 30)',
	rabitq => "ivfrabitq (v vector_l2_ops, $columns) WITH (bits = 1)",
	pq => 'ivfpq (v vector_l2_ops) WITH (nbits = 8, rerank = index)');
foreach my $t (@tables)
{
	$node->safe_psql('postgres', "DROP INDEX ${t}_v; ALTER TABLE $t SET (parallel_workers = 2); TRUNCATE $t;
		INSERT INTO $t SELECT n, item(n, $dims) FROM (SELECT nextval('ids') AS n FROM generate_series(1, 3000)) s");
	foreach my $build (
		"CREATE INDEX CONCURRENTLY c_$t ON $t USING $index{$t}",
		"REINDEX INDEX CONCURRENTLY c_$t",
		"DROP INDEX c_$t; CREATE INDEX c_$t ON $t USING $index{$t}")
	{
		my $writer = qq{
			DO \$\$ BEGIN
				WHILE working() LOOP
					INSERT INTO $t SELECT n, item(n, $dims) FROM (SELECT nextval('ids') AS n FROM generate_series(1, 3)) s;
					DELETE FROM $t WHERE id IN (SELECT id FROM $t ORDER BY id OFFSET floor(random() * 2000) LIMIT 3);
					COMMIT;
				END LOOP;
			END \$\$};
		workers_begin($node);
		my @sessions = map { start_psql($node, $writer) } 1 .. 2;
		$node->safe_psql('postgres', $build);
		workers_end($node);
		is(join('', map { finish_psql($_) } @sessions), '', "$build: writers");
		ivf_ok($node, $t, $build, filter => $t eq 'rabitq');
	}
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_index WHERE NOT indisvalid'), 0, 'all indexes are valid');

note 'cancelled, and what comes next works';
foreach my $t (@tables)
{
	$node->safe_psql('postgres', "INSERT INTO $t SELECT n, item(n, $dims) FROM (SELECT nextval('ids') AS n FROM generate_series(1, 2000)) s");
	foreach my $workers (0, 2)
	{
		foreach my $ms (15, 60)
		{
			ok(cancel($node, $ms, "SET max_parallel_maintenance_workers = $workers; CREATE INDEX x_$t ON $t USING $index{$t}", "DROP INDEX x_$t"),
				"$t: build cancelled, $workers workers");
		}
	}
	ivf_ok($node, $t, "$t, builds cancelled");

	foreach my $ms (20, 50, 90)
	{
		ok(cancel($node, $ms, "INSERT INTO $t SELECT n, item(n, $dims) FROM (SELECT nextval('ids') AS n FROM generate_series(1, 20000)) s",
			"DELETE FROM $t WHERE id > (SELECT last_value - 20000 FROM ids)"), "$t: insert cancelled");
	}
	ivf_ok($node, $t, "$t, inserts cancelled");

	$node->safe_psql('postgres', "DELETE FROM $t WHERE id % 2 = 0");
	foreach my $ms (20, 60, 100)
	{
		ok(cancel($node, $ms, "SET vacuum_cost_limit = 10; SET vacuum_cost_delay = '2ms'; VACUUM $t", "DELETE FROM $t WHERE random() < 0.1"),
			"$t: vacuum cancelled");
		$node->safe_psql('postgres', "INSERT INTO $t SELECT n, item(n, $dims) FROM (SELECT nextval('ids') AS n FROM generate_series(1, 100)) s");
	}
	ivf_ok($node, $t, "$t, vacuums cancelled");
	$node->safe_psql('postgres', "VACUUM $t");
	ivf_ok($node, $t, "$t, vacuumed at last", filter => $t eq 'rabitq');
}

note 'space is used again';
foreach my $t (@tables)
{
	$node->safe_psql('postgres', "TRUNCATE $t; INSERT INTO $t SELECT n, item(n, $dims) FROM (SELECT nextval('ids') AS n FROM generate_series(1, 3000)) s; REINDEX INDEX c_$t");
	my $size = $node->safe_psql('postgres', "SELECT pg_relation_size('c_$t')");
	foreach my $round (1 .. 5)
	{
		# scattered rows, whole clusters, all
		my $where = $round == 5 ? 'true' : $round % 2 ? 'noise(id, 3) < 0' : 'id % 40 < 20';

		$node->safe_psql('postgres', "CREATE TABLE gone AS SELECT id FROM $t WHERE $where; DELETE FROM $t WHERE $where");
		$node->safe_psql('postgres', "VACUUM $t");
		$node->safe_psql('postgres', "INSERT INTO $t SELECT id, item(id, $dims) FROM gone; DROP TABLE gone");
	}
	my $grown = $node->safe_psql('postgres', "SELECT round(pg_relation_size('c_$t')::numeric / $size, 2)");
	cmp_ok($grown, '<=', 1.3, "$t: the index grew by $grown");
	ivf_ok($node, $t, "$t, filled again");
}

note 'little memory';
$node->safe_psql('postgres', 'CREATE TABLE wide AS SELECT id, (v || v || v || v || v || v || v || v)::vector(256) AS v FROM pq LIMIT 2000; ALTER TABLE wide SET (parallel_workers = 2)');
foreach my $kind ('ivfflat', 'ivfpq', 'ivfrabitq')
{
	# one list, or as many as there is room for; many
	foreach my $lists (1, 0, 2000)
	{
		my $create = "CREATE INDEX wide_v ON wide USING $kind (v vector_l2_ops) WITH (lists = $lists)";
		my ($rc, $out, $err) = $node->psql('postgres', "SET maintenance_work_mem = '1MB'; $create");
		my $memory = 1;

		if ($lists < 2)
		{
			is($err, '', "$kind, $lists lists in 1 MB");
		}
		else
		{
			like($err, qr/ERROR:  memory required is \d+ MB, maintenance_work_mem is 1 MB\nHINT:  Increase maintenance_work_mem, or use fewer lists/, "$kind, $lists lists in 1 MB");
			($memory) = $err =~ /required is (\d+) MB/;
			($rc, $out, $err) = $node->psql('postgres', "SET maintenance_work_mem = '${memory}MB'; $create");
			is($err, '', "$kind, $lists lists in the $memory MB that it asks for");
		}
		ivf_ok($node, 'wide', "$kind, $lists lists in $memory MB", dims => 256);
		$node->safe_psql('postgres', 'DROP INDEX wide_v');
	}
}

$node->stop;
done_testing();
