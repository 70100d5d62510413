# Inverted files after crashes, on a standby while it replays, after promotion,
# and through dump and restore: every row comes from a scan, and once.  Replay
# checks itself against the pages as they were (wal_consistency_checking).
use strict;
use warnings;

use Index;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rows = 3000;
my $dims = 32;
my %index = (
	flat => 'ivfflat (v vector_l2_ops) WITH (lists = 20)',
	pq => 'ivfpq (v vector_l2_ops) WITH (lists = 20, rerank = index)',
	rabitq => "ivfrabitq (v vector_l2_ops, @{[ivf_filter()]}) WITH (lists = 20, bits = 1)");
my @tables = sort keys %index;
$index{pieces} = "ivfflat (v vector_l2_ops, @{[ivf_filter()]}) WITH (lists = 4)";
my %filter = map { $_ => $index{$_} =~ /noise/ ? 1 : 0 } keys %index;

# codes in pieces, of few rows
my $wide = 2500;
my @all = (map({ [ $_, $dims ] } @tables), [ 'pieces', $wide ]);

my $primary = PostgreSQL::Test::Cluster->new('ivf_primary');
$primary->init(allows_streaming => 1);
$primary->append_conf(
	'postgresql.conf', q{
autovacuum = off
fsync = off
jit = off
shared_buffers = 64MB
maintenance_work_mem = 64MB
wal_consistency_checking = generic
hot_standby_feedback = on
max_standby_streaming_delay = -1
wal_keep_size = 4GB
restart_after_crash = on
client_min_messages = warning
});
$primary->start;
my $node = $primary;
index_prepare($node);

sub sql
{
	return $node->safe_psql('postgres', shift);
}

sub crash
{
	$node->stop('immediate');
	$node->start;
}

sub all_ok
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($on, $name) = @_;

	ivf_ok($on, $_->[0], "$name: $_->[0]", dims => $_->[1], filter => $filter{$_->[0]}) foreach @all;
}

sql('CREATE SEQUENCE ids');
foreach my $t (@tables)
{
	sql("CREATE TABLE $t (id int, v vector($dims)) WITH (parallel_workers = 2); ALTER TABLE $t ALTER v SET STORAGE PLAIN;
		INSERT INTO $t SELECT n, item(n, $dims) FROM (SELECT nextval('ids') AS n FROM generate_series(1, $rows)) s");
}
sql("CREATE TABLE pieces (id int, v vector($wide));
	INSERT INTO pieces SELECT n, item(n, $wide) FROM (SELECT nextval('ids') AS n FROM generate_series(1, 60)) s");

note 'builds';
foreach my $workers (0, 2)
{
	# again and again, so that a crash comes upon one
	my $build = start_psql($node, "SET max_parallel_maintenance_workers = $workers; " .
		join(' ', map { "CREATE INDEX i_${_}_$workers ON $_ USING $index{$_};" } @tables) .
		join(' ', map { "REINDEX INDEX i_${_}_$workers;" } (@tables) x 50));
	$node->poll_query_until('postgres', "SELECT count(*) = 3 FROM pg_class WHERE relname LIKE 'i\\__%\\_$workers'") or die;
	select(undef, undef, undef, 0.1);
	crash();
	isnt(finish_psql($build), '', "builds with $workers workers ended");
	ivf_ok($node, $_, "crash while building with $workers workers: $_", filter => $filter{$_}) foreach @tables;
	sql(join('', map { "DROP INDEX i_${_}_$workers;" } @tables));
}
sql("CREATE INDEX i_$_ ON $_ USING $index{$_}") foreach @tables;
sql("CREATE INDEX i_pieces ON pieces USING $index{pieces}");
crash();
all_ok($node, 'built, then crash');

note 'inserts';
my $insert = qq{
	DO \$\$ BEGIN
		LOOP
			} . join('', map { "INSERT INTO $_->[0] SELECT n, item(n, $_->[1]) FROM (SELECT nextval('ids') AS n FROM generate_series(1, 3)) s;" } @all) . qq{
			IF random() < 0.1 THEN ROLLBACK; ELSE COMMIT; END IF;
		END LOOP;
	END \$\$};
foreach my $how ('server', 'backend')
{
	kill_inserting($node, $how, $insert, 'pq', 60);
	all_ok($node, "inserts, $how killed");
}

note 'vacuum';
foreach my $step (1 .. 4)
{
	# scattered rows, and whole clusters, so that pages leave lists
	my $where = $step % 2 ? "id % 3 = $step % 3" : "id % 40 < 10 * $step";

	sql("DELETE FROM $_->[0] WHERE $where") foreach @all;
	my @vacuums = meet_vacuum($node, [ map { $_->[0] } @all ], phase => 'cleaning lists', part => 0.15 * $step);
	if ($step % 2)
	{
		crash();
		finish_psql($_) foreach @vacuums;
	}
	else
	{
		kill_backend($node, 'SELECT max(pid) FROM pg_stat_progress_vacuum', @vacuums);
	}
	all_ok($node, "vacuum $step, then crash");
	sql("INSERT INTO $_->[0] SELECT n, item(n, $_->[1]) FROM (SELECT nextval('ids') AS n FROM generate_series(1, 6000 / $_->[1])) s") foreach @all;
	all_ok($node, "vacuum $step, then crash, then inserts");
	$node->safe_psql('postgres', "VACUUM $_->[0]") foreach @all;
	all_ok($node, "vacuum $step, then crash, then vacuum");
}

note 'unlogged';
foreach my $t (@tables)
{
	sql("CREATE UNLOGGED TABLE u_$t (id int, v vector($dims));
		INSERT INTO u_$t SELECT id, v FROM $t ORDER BY id LIMIT 1000;
		CREATE INDEX ON u_$t USING $index{$t};
		INSERT INTO u_$t SELECT -id, v FROM $t ORDER BY id LIMIT 500");
	ivf_ok($node, "u_$t", "unlogged $t", filter => $filter{$t});
}
crash();
foreach my $t (@tables)
{
	is(sql("SELECT count(*) FROM u_$t"), 0, "unlogged $t: empty after a crash");
	ivf_ok($node, "u_$t", "unlogged $t, empty", filter => $filter{$t});
	sql("INSERT INTO u_$t SELECT id, v FROM $t ORDER BY id LIMIT 1000; DELETE FROM u_$t WHERE id % 2 = 0");
	$node->safe_psql('postgres', "VACUUM u_$t");
	ivf_ok($node, "u_$t", "unlogged $t, filled again", filter => $filter{$t});
	is(sql("SELECT trained FROM pg_index, ivf_drift(indexrelid) WHERE indrelid = 'u_$t'::regclass"), 'f', "unlogged $t: not trained");
}

note 'a standby';
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('ivf_standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby);
all_ok($standby, 'standby');

# Readers while it replays: all rows of the snapshot, each once; in order, as
# there are as many candidates as rows.
my $seconds = $ENV{IVF_SECONDS} // 6;
workers_begin($primary);
$primary->wait_for_catchup($standby);
my @readers;
foreach my $of ([ @all[0, 1] ], [ @all[2, 3] ])
{
	push @readers, start_psql(
		$standby,
		ivf_settings(100000) . q{
		SET default_transaction_isolation = 'repeatable read';
		DO $$
		DECLARE
			r text;
			n int := 0;
		BEGIN
			WHILE working() LOOP
				} . join(' ', map { qq{
				r := scan_to_end('$_->[0]', '<->', item(20000000 + n, $_->[1]));
				IF r <> '0 twice, 0 lost, 0 out of order' THEN RAISE '$_->[0]: %, after % scans', r, n; END IF;} } @$of) .
				join(' ', map { qq{
				r := scan_to_end('$_->[0]', '<->', item(20000000 + n, $_->[1]), format('id %% 50 = %s AND (noise(id, 7) < 0) IS NOT NULL', n % 51));
				IF r <> '0 twice, 0 lost, 0 out of order' THEN RAISE '$_->[0], with a condition: %, after % scans', r, n; END IF;} } grep { $filter{$_->[0]} } @$of) . q{
				n := n + 1;
				COMMIT;
			END LOOP;
			RAISE WARNING '% scans', n;
		END $$});
}
my $end = time() + $seconds;
my $rounds = 0;
while (time() < $end || $rounds < 3)
{
	$rounds++;
	foreach (@all)
	{
		my ($t, $d) = @$_;
		my $where = $rounds % 2 ? "id % 40 = 3 * $rounds % 40" : 'random() < 0.1';

		$node->safe_psql('postgres', "CREATE TEMP TABLE gone AS SELECT id FROM $t WHERE $where;
			DELETE FROM $t WHERE id IN (SELECT id FROM gone);
			INSERT INTO $t SELECT n, item(n, $d) FROM (SELECT nextval('ids') AS n FROM gone) s");
		$node->safe_psql('postgres', "VACUUM $t");
		sql("REINDEX INDEX i_$t") if $rounds % 5 == 0;
		sql("CREATE INDEX again ON $t USING $index{$t}; DROP INDEX i_$t; ALTER INDEX again RENAME TO i_$t") if $rounds % 7 == 0;
	}
}
workers_end($standby);
foreach my $reader (@readers)
{
	my $err = finish_psql($reader);
	like($err, qr/^\S*: WARNING:  \d+ scans\n$/, "a reader while $rounds rounds of changes are replayed: $err");
}
$primary->wait_for_catchup($standby);
all_ok($standby, 'standby, afterwards');

note 'dump and restore';
my %options = (
	flat => 'ivfflat (v vector_cosine_ops) WITH (lists = 7)',
	pq => 'ivfpq (v vector_cosine_ops) WITH (lists = 8, m = 16, nbits = 8, opq = on, rerank = index)',
	rabitq => 'ivfrabitq (v vector_cosine_ops) WITH (bits = 2, rerank = index, centroids = \'public.centroids\')');
my $dump = $primary->basedir . '/dump';
my $definitions = q{SELECT string_agg(pg_get_indexdef(indexrelid), E'\n' ORDER BY relname) FROM pg_index JOIN pg_class ON oid = indexrelid WHERE relname LIKE 'o\_%'};
sql("CREATE TABLE centroids AS SELECT centroid FROM vector_kmeans('rabitq', 9)");
sql("CREATE INDEX o_$_ ON $_ USING $options{$_}") foreach @tables;
sql('CREATE DATABASE restored');
$primary->command_ok([ 'pg_dump', '-Fc', '-f', $dump, 'postgres' ], 'dump');
$primary->command_ok([ 'pg_restore', '--exit-on-error', '-j', '3', '-d', 'restored', $dump ], 'restore');
is($primary->safe_psql('restored', $definitions), sql($definitions), 'the indexes are restored');
like(sql($definitions), qr/lists='?7'?.*m='?16'?.*nbits='?8'?.*opq='?on'?.*rerank='?index'?.*bits='?2'?.*centroids='?public.centroids'?/s, 'with their options');
is($primary->safe_psql('restored', q{SELECT lists, trained FROM ivf_drift('o_rabitq')}), '9|t', 'and centroids');
foreach my $t (@tables)
{
	ivf_ok($primary, $t, "restored $t, cosine", db => 'restored', op => '<=>');
	ivf_ok($primary, $t, "restored $t", db => 'restored');
}
sql("DROP INDEX o_$_") foreach @tables;

note 'promotion';
$primary->wait_for_catchup($standby);
$primary->stop;
$standby->promote;
$node = $standby;
all_ok($node, 'promoted');
foreach (@all)
{
	my ($t, $d) = @$_;

	sql("DELETE FROM $t WHERE id % 3 = 0");
	$node->safe_psql('postgres', "VACUUM $t");
	sql("INSERT INTO $t SELECT n, item(n, $d) FROM (SELECT nextval('ids') AS n FROM generate_series(1, 10000 / $d)) s");
}
all_ok($node, 'changed after promotion');
crash();
all_ok($node, 'and crashed');

$node->stop;
done_testing();
