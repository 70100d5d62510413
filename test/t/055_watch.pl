# What monitoring says where sessions share it: a server that preloads the library,
# indexes beyond the number that there is room for, dropped ones, crashes, a standby,
# damage, locks, empty buffers.  Figures of each access method: test/sql/watch.sql.
use strict;
use warnings;

use Index;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('watched');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'vector'
vector.track_max = 10
shared_buffers = 32MB
autovacuum = off
fsync = off
restart_after_crash = on
max_parallel_workers_per_gather = 0
});
$node->start;

$node->safe_psql('postgres', q{
	CREATE EXTENSION vector;
	CREATE TABLE items AS SELECT i AS id, (SELECT array_agg(sin(i * j)) FROM generate_series(1, 16) j)::vector(16) AS v FROM generate_series(1, 500) i;
	CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops) WITH (m = 4, ef_construction = 16);
	-- so many tables, each with an index
	CREATE PROCEDURE make(first int, last int) LANGUAGE plpgsql AS $$
	BEGIN
		FOR n IN first .. last LOOP
			EXECUTE format('CREATE TABLE t%s (v vector(2)); INSERT INTO t%1$s SELECT ARRAY[i, 1] FROM generate_series(1, 20) i; CREATE INDEX t%1$s_v ON t%1$s USING hnsw (v vector_l2_ops)', n);
		END LOOP;
	END $$;
	CREATE PROCEDURE search(first int, last int, times int) LANGUAGE plpgsql SET enable_seqscan = off SET vector.enable_exact_scan = off AS $$
	BEGIN
		FOR n IN first .. last LOOP
			FOR i IN 1 .. times LOOP
				EXECUTE format('SELECT v FROM t%s ORDER BY v <-> $1 LIMIT 3', n) USING '[1,1]'::vector;
			END LOOP;
		END LOOP;
	END $$;
});
my $search = q{SET enable_seqscan = off; SET vector.enable_exact_scan = off; SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> (SELECT v FROM items WHERE id = 7) LIMIT 5) x;};
my $counters = q{SELECT scans, searches, returned, total_time > 0, shared FROM vector_stat_scans WHERE index = 'items_v'::regclass};

# Each session adds to the same counters, once for each scan.
$node->safe_psql('postgres', $search) foreach 1 .. 3;
is($node->safe_psql('postgres', $counters), '3|3|15|t|t', 'scans of three sessions');
my $pgbench = $node->basedir . '/search.sql';
append_to_file($pgbench, "SET enable_seqscan = off; SET vector.enable_exact_scan = off;\nSELECT id FROM items ORDER BY v <-> (SELECT v FROM items WHERE id = 7) LIMIT 5;\n");
$node->command_ok([ 'pgbench', '-n', '-c', '8', '-j', '2', '-t', '50', '-f', $pgbench, $node->connstr('postgres') ], 'eight sessions at once');
is($node->safe_psql('postgres', $counters), '403|403|2015|t|t', 'no scan is lost, and none counted twice');

# REINDEX keeps the counters, a reset does not.
$node->safe_psql('postgres', 'REINDEX INDEX items_v');
is($node->safe_psql('postgres', $counters), '403|403|2015|t|t', 'after REINDEX');
$node->safe_psql('postgres', "SELECT vector_stat_reset('items_v')");
is($node->safe_psql('postgres', $counters), '', 'after a reset');

# More indexes than there is room for: the sums are kept, in a row for all others.
$node->safe_psql('postgres', 'CALL make(1, 15)');
$node->safe_psql('postgres', 'CALL search(1, 15, 4)');
my $sums = q{SELECT count(*) FILTER (WHERE index IS NOT NULL), sum(scans) FILTER (WHERE index IS NOT NULL), sum(scans) FILTER (WHERE index IS NULL), sum(returned) FROM vector_stat_scans};
is($node->safe_psql('postgres', $sums), '9|36|24|180', 'nine of fifteen indexes beside the first one, and the others');

# Dropped indexes make room; an index of the same name is another one.
$node->safe_psql('postgres', 'DROP TABLE t1, t2, t3, t4');
is($node->safe_psql('postgres', $sums), '5|20|24|132', 'four have gone');
$node->safe_psql('postgres', 'CALL make(1, 1)');
$node->safe_psql('postgres', 'CALL search(1, 1, 2)');
is($node->safe_psql('postgres', "SELECT scans FROM vector_stat_scans WHERE index = 't1_v'::regclass"), '2', 'made again, it begins anew');
$node->safe_psql('postgres', 'CALL search(13, 15, 1)');
is($node->safe_psql('postgres', "SELECT string_agg(index::text || scans, ' ' ORDER BY index::text) FROM vector_stat_scans WHERE index::text ~ '^t1[345]_v'"), 't13_v1 t14_v1 t15_v1',
	'those that had no room have it now');

# Another database has counters of its own, and loses them with itself.
$node->safe_psql('postgres', 'DROP TABLE t5, t6');
$node->safe_psql('postgres', $sums);
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', q{CREATE EXTENSION vector; CREATE TABLE a (v vector(2)); INSERT INTO a VALUES ('[1,2]'); CREATE INDEX a_v ON a USING ivfflat (v vector_l2_ops) WITH (lists = 1);
	SET enable_seqscan = off; SET vector.enable_exact_scan = off; SELECT * FROM a ORDER BY v <-> '[1,1]' LIMIT 1;});
is($node->safe_psql('other', 'SELECT index, scans FROM vector_stat_scans WHERE index IS NOT NULL'), 'a_v|1', 'only the own database is shown');
$node->safe_psql('other', 'SELECT vector_stat_reset()');
is($node->safe_psql('postgres', q{SELECT scans FROM vector_stat_scans WHERE index = 't1_v'::regclass}), '2', 'and reset');
$node->safe_psql('postgres', 'DROP DATABASE other');

# Who may reset
$node->safe_psql('postgres', 'CREATE ROLE reader; GRANT SELECT ON items TO reader');
my ($rc, $out, $err) = $node->psql('postgres', "SET ROLE reader; SELECT vector_stat_reset('items_v')");
like($err, qr/must be owner of index items_v/, 'a reader may not reset an index');
($rc, $out, $err) = $node->psql('postgres', 'SET ROLE reader; SELECT vector_stat_reset()');
like($err, qr/must be owner of database postgres/, 'nor all');

# A backend that is killed while it adds takes the server down, and the counters
# begin anew; nothing is left locked.
my $loop = start_psql($node, "SET enable_seqscan = off; SET vector.enable_exact_scan = off; DO \$\$ BEGIN LOOP PERFORM id FROM items ORDER BY v <-> '[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]' LIMIT 1; END LOOP; END \$\$");
$node->poll_query_until('postgres', "SELECT scans > 100 FROM vector_stat_scans WHERE index = 'items_v'::regclass") or die;
kill_backend($node, "SELECT pid FROM pg_stat_activity WHERE query LIKE '%LOOP PERFORM id%' AND pid <> pg_backend_pid()", $loop);
is($node->safe_psql('postgres', 'SELECT count(*) FROM vector_stat_scans'), '0', 'after a crash the counters are empty');
$node->safe_psql('postgres', $search);
is($node->safe_psql('postgres', $counters), '1|1|5|t|t', 'and count again');

# A standby counts its own scans.
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$standby->safe_psql('postgres', $search) foreach 1 .. 2;
is($standby->safe_psql('postgres', $counters), '2|2|10|t|t', 'scans on the standby');
is($standby->safe_psql('postgres', "SELECT index, rows, problem FROM vector_indexes WHERE index = 'items_v'::regclass"), 'items_v|500|', 'indexes on the standby');
cmp_ok($standby->safe_psql('postgres', "SELECT vector_prewarm('items_v')"), '>', 1, 'loading on the standby');
is($node->safe_psql('postgres', $counters), '1|1|5|t|t', 'not on the primary');
$standby->stop;

# Nothing is in buffers after a restart, until it is loaded.
$node->restart;
my $cached = "SELECT round(cached::numeric, 2) FROM vector_indexes WHERE index = 'items_v'::regclass";
cmp_ok($node->safe_psql('postgres', $cached), '<', 0.2, 'hardly anything is in buffers');
my $blocks = $node->safe_psql('postgres', "SELECT pg_relation_size('items_v') / current_setting('block_size')::int");
is($node->safe_psql('postgres', "SELECT vector_prewarm('items_v')"), $blocks, 'loading an index returns its blocks');
is($node->safe_psql('postgres', $cached), '1.00', 'now it is there');

# Dead rows, by the statistics of the table
$node->safe_psql('postgres', 'DELETE FROM items WHERE id <= 100');
ok($node->poll_query_until('postgres', "SELECT dead = 100 FROM vector_indexes WHERE index = 'items_v'::regclass"), 'dead rows');
$node->safe_psql('postgres', 'VACUUM items');
ok($node->poll_query_until('postgres', "SELECT dead = 0 AND rows = 400 FROM vector_indexes WHERE index = 'items_v'::regclass"), 'after VACUUM');

# How far VACUUM is: seen while it sleeps between pages. One that is done before anybody
# has looked is begun again.
sub vacuum_seen
{
	my ($options, $expected, $what) = @_;
	my $rows = '';

	while ($rows !~ $expected)
	{
		my ($vacuum_in, $vacuum_out, $vacuum_err) = ("SET vacuum_cost_delay = 100; SET vacuum_cost_limit = 1; SET min_parallel_index_scan_size = 0; VACUUM $options items;\n", '', '');
		my $vacuum;

		$node->safe_psql('postgres', 'DELETE FROM items WHERE id IN (SELECT id FROM items ORDER BY id LIMIT 20)');
		die "$what: nobody has seen it" if $node->safe_psql('postgres', 'SELECT count(*) FROM items') < 100;
		$vacuum = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$vacuum_in, '>', \$vacuum_out, '2>', \$vacuum_err);
		while ($vacuum->pumpable && $rows !~ $expected)
		{
			$rows = $node->safe_psql('postgres', q{SELECT format('%s|%s|%s|%s', "table", index, phase, done <= total OR total = 0) FROM vector_vacuum_progress() ORDER BY index});
			$vacuum->pump_nb;
		}
		$node->safe_psql('postgres', q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '%VACUUM%items;%' AND pid <> pg_backend_pid()});
		$vacuum->finish;
	}
	like($rows, $expected, $what);
}
$node->safe_psql('postgres', q{DROP INDEX items_v; INSERT INTO items SELECT 1000 + i, v FROM items, generate_series(1, 5) i; ALTER TABLE items SET (vacuum_index_cleanup = on)});
foreach my $index ([ 'hnsw (v vector_l2_ops) WITH (m = 4, ef_construction = 16)', 'marking dead elements' ], [ 'ivfflat (v vector_l2_ops) WITH (lists = 50)', 'cleaning lists' ])
{
	$node->safe_psql('postgres', "CREATE INDEX items_seen ON items USING $index->[0]");
	vacuum_seen('', qr/^items\|items_seen\|$index->[1]\|t$/m, "VACUUM $index->[1]");
	$node->safe_psql('postgres', 'DROP INDEX items_seen');
}
# by a worker, too, while the leader is in another index
$node->safe_psql('postgres', 'CREATE INDEX items_seen ON items USING hnsw (v vector_l2_ops) WITH (m = 4, ef_construction = 16); CREATE INDEX items_too ON items USING ivfflat (v vector_l2_ops) WITH (lists = 50)');
vacuum_seen('(PARALLEL 1)', qr/^items\|items_seen\|.*\|t\nitems\|items_too\|.*\|t$/m, 'VACUUM by two processes');
$node->safe_psql('postgres', 'DROP INDEX items_seen, items_too');
is($node->safe_psql('postgres', 'SELECT count(*) FROM vector_vacuum_progress()'), '0', 'no VACUUM, no progress');

# What builds have taken, in the log: nothing unless it is asked for.
my $logged = -s $node->logfile;
sub new_lines
{
	my $from = $logged;
	my $lines = substr(slurp_file($node->logfile), $from);
	$logged += length $lines;
	return $lines;
}
$node->safe_psql('postgres', 'ALTER TABLE items ADD s sparsevec(20); UPDATE items SET s = v::vector(16)::real[]::vector || array_fill(0, ARRAY[4])::vector; VACUUM FULL items');
$node->safe_psql('postgres', 'CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops) WITH (m = 4, ef_construction = 16)');
unlike(new_lines(), qr/built by/, 'builds are not logged by default');
my $rows = $node->safe_psql('postgres', 'SELECT count(*) FROM items');
sub built
{
	my ($statement, $index, $method, $phases) = @_;
	my $statements = "SET vector.log_build_min_duration = 0; SET ivfflat.probes = 20;";
	my ($kilobytes, $lines);

	$node->command_ok([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', $statements, '-c', $statement ], $statement);
	$lines = new_lines();
	$kilobytes = $node->safe_psql('postgres', "SELECT pg_relation_size('" . ($index =~ s/_ccnew//r) . "') / 1024");
	like($lines, qr/LOG:  index "public\.$index" of table "items" built by $method in \d+\.\d{3} s: $rows rows, $kilobytes kB, recall (1\.000|0\.[89]\d\d) of the 10 nearest of 20 rows\n/, "$statement is logged");
	like($lines, qr/DETAIL:  Phases: .*$phases.*\. Memory: [1-9]\d* kB\. Parallel workers: \d\./, "its phases");
}
built('REINDEX INDEX items_v', 'items_v', 'hnsw', 'sampling table \d\.\d+ s, loading tuples \d+\.\d+ s, writing graph \d+\.\d+ s, writing WAL');
built('REINDEX INDEX CONCURRENTLY items_v', 'items_v_ccnew', 'hnsw', 'loading tuples');
built('CREATE INDEX items_flat ON items USING ivfflat (v vector_l2_ops) WITH (lists = 50)', 'items_flat', 'ivfflat', 'performing k-means \d+\.\d+ s, .*assigning tuples');
built('CREATE INDEX CONCURRENTLY items_pq ON items USING ivfpq (v vector_ip_ops) WITH (lists = 10)', 'items_pq', 'ivfpq', 'training quantizer');
built('CREATE INDEX items_rabitq ON items USING ivfrabitq ((v::halfvec(16)) halfvec_cosine_ops) WITH (lists = 10)', 'items_rabitq', 'ivfrabitq', 'assigning tuples');
built('CREATE INDEX items_s ON items USING sparse_inverted (s)', 'items_s', 'sparse_inverted', 'inverting tuples \d+\.\d+ s, merging runs');
$node->safe_psql('postgres', 'SET vector.log_build_min_duration = 100000000; REINDEX INDEX items_v');
unlike(new_lines(), qr/built by/, 'builds that took less are not logged');
$node->safe_psql('postgres', q{CREATE TABLE words (v vector(3)[]); INSERT INTO words VALUES (ARRAY['[1,2,3]', '[4,5,6]']::vector(3)[]); SET vector.log_build_min_duration = 0;
	CREATE INDEX words_v ON words USING ivfrabitq (v vector_maxsim_ops) WITH (lists = 1); CREATE TABLE nothing (v vector(3)); CREATE INDEX nothing_v ON nothing USING hnsw (v vector_l2_ops);});
like(new_lines(), qr/words_v.* 2 rows, .*recall not measured.*nothing_v.* 0 rows, .*recall not measured/s, 'recall of arrays, and of nothing');
$node->safe_psql('postgres', 'CREATE ROLE builder; GRANT ALL ON SCHEMA public TO builder');
($rc, $out, $err) = $node->psql('postgres', 'SET ROLE builder; SET vector.log_build_min_duration = 0');
like($err, qr/permission denied to set parameter "vector.log_build_min_duration"/, 'what is logged is for superusers to say');

# An index that another session rebuilds has a row that says so, at once.
my ($lock_in, $lock_out) = ("BEGIN; REINDEX INDEX items_v; SELECT 'locked';\n", '');
my $lock = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$lock_in, '>', \$lock_out);
$lock->pump until $lock_out =~ /locked/;
is($node->safe_psql('postgres', "SELECT size, needs_reindex, problem FROM vector_indexes WHERE index = 'items_v'::regclass"), '||index is locked by another session', 'an index that is locked');
$lock_in .= "ROLLBACK;\n\\q\n";
$lock->finish;

# Damage: a row with the reason, not an error; the others are shown all the same.
my $file = $node->data_dir . '/' . $node->safe_psql('postgres', "SELECT pg_relation_filepath('items_v')");
$node->stop;
open(my $handle_of_file, '+<:raw', $file) or die;
seek($handle_of_file, 24, 0);
print $handle_of_file 'damaged!';
close $handle_of_file;
$node->start;
is($node->safe_psql('postgres', "SELECT size > 0, rows, needs_reindex, problem FROM vector_indexes WHERE index = 'items_v'::regclass"),
	't||t|index "items_v" is not an hnsw index', 'a damaged metapage');
is($node->safe_psql('postgres', "SELECT index, rows FROM vector_indexes WHERE index = 't1_v'::regclass"), 't1_v|20', 'another index');
is($node->safe_psql('postgres', "SELECT needs_reindex, problem FROM vector_index_info('{items_v}', walk => true)"),
	't|index "items_v" is not an hnsw index', 'the same by a walk');

$node->stop;
done_testing();
