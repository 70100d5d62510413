# Writers, readers and vacuum side by side on hnsw indexes, builds under writes,
# and cancelled commands: afterwards every row is found, and once.
use strict;
use warnings;

use Index;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = $ENV{HNSW_SECONDS} // 8;
my $dims = 32;

my $node = PostgreSQL::Test::Cluster->new('concurrent');
$node->init;

# A small buffer pool, so that buffers change hands under the scans' guesses
$node->append_conf(
	'postgresql.conf', q{
autovacuum = off
fsync = off
jit = off
shared_buffers = 4MB
maintenance_work_mem = 64MB
});
$node->start;
index_prepare($node);
$node->safe_psql(
	'postgres', qq{
	CREATE SEQUENCE ids;
	CREATE TABLE t (id int, v vector($dims));
	CREATE TABLE d (id int, v vector($dims));
	CREATE TABLE few (id int, v vector($dims));
	INSERT INTO t SELECT n, item(n, $dims) FROM (SELECT nextval('ids') AS n FROM generate_series(1, 3000)) s;
	INSERT INTO d SELECT n, item(n % 7, $dims) FROM (SELECT nextval('ids') AS n FROM generate_series(1, 2000)) s;
	INSERT INTO few SELECT n, item(n, $dims) FROM (SELECT nextval('ids') AS n FROM generate_series(1, 20)) s;
	CREATE TABLE problems (what text);
	CREATE TABLE counted (what text, n bigint);
	CREATE INDEX ON t USING hnsw (v vector_l2_ops);
	CREATE INDEX ON d USING hnsw (v vector_l2_ops);
	CREATE INDEX ON few USING hnsw (v vector_l2_ops);
	CREATE INDEX ON t (id);
	CREATE INDEX ON d (id);
	CREATE INDEX ON few (id);
	ALTER SYSTEM SET enable_seqscan = off;
	ALTER SYSTEM SET vector.enable_exact_scan = off;
	SELECT pg_reload_conf();});

# Insert, delete and update; a table keeps about its size.  distinct: of how
# many values.
sub writer
{
	my ($t, $size, $distinct) = @_;
	return qq{
	DO \$\$
	DECLARE
		stop timestamptz := clock_timestamp() + interval '$seconds s';
		step int := greatest($size / 100, 1);
		n bigint := 0;
		ids int[];
	BEGIN
		WHILE clock_timestamp() < stop LOOP
			INSERT INTO $t SELECT i, item(i % $distinct, $dims) FROM (SELECT nextval('ids') AS i FROM generate_series(1, step)) s;
			ids := ARRAY(SELECT id FROM (SELECT id FROM $t ORDER BY id) s ORDER BY random() LIMIT step);
			-- in one order, or two writers may wait for each other
			PERFORM FROM $t WHERE id = ANY (ids) ORDER BY id FOR UPDATE;
			IF random() < 0.3 THEN
				UPDATE $t SET v = item((id + 1) % $distinct, $dims) WHERE id = ANY (ids);
			END IF;
			DELETE FROM $t WHERE id = ANY (ids) AND (SELECT count(*) FROM $t) > $size;
			n := n + step;
			IF random() < 0.1 THEN ROLLBACK; ELSE COMMIT; END IF;
		END LOOP;
		INSERT INTO counted VALUES ('$t written', n);
	END \$\$;};
}

# In order, no row twice, the distances right, as many as there are: dead rows
# and vacuum take nothing away
sub reader
{
	my ($t, $distinct) = @_;
	return qq{
	SET default_transaction_isolation = 'repeatable read';
	DO \$\$
	DECLARE
		stop timestamptz := clock_timestamp() + interval '$seconds s';
		q vector;
		r record;
		n bigint := 0;
	BEGIN
		WHILE clock_timestamp() < stop LOOP
			q := item(floor(random() * 1000000)::bigint % $distinct, $dims);
			SELECT array_agg(distance ORDER BY place) IS NOT DISTINCT FROM array_agg(distance ORDER BY distance) AS in_order,
				count(*) = count(DISTINCT id) AS distinct_rows,
				count(*) AS count,
				(SELECT count(*) FROM (SELECT FROM $t LIMIT 20) s) AS should
			INTO r
			FROM (SELECT id, v <-> q AS distance, row_number() OVER () AS place
				FROM (SELECT id, v FROM $t ORDER BY v <-> q LIMIT 20) f) s;
			IF NOT (r.in_order AND r.distinct_rows AND r.count = r.should) THEN
				INSERT INTO problems VALUES ('$t: ' || r);
			END IF;
			n := n + 1;
			COMMIT;
		END LOOP;
		INSERT INTO counted VALUES ('$t read', n);
	END \$\$;};
}

# Run sessions with vacuum of tables beside.
sub run_beside
{
	my ($name, $tables, @sql) = @_;
	my @sessions = map { start_psql($node, $_) } @sql;
	my $end = time() + $seconds;
	my $vacuums = 0;

	# one may take all of the time on a busy machine
	while (time() < $end || $vacuums < 2)
	{
		$node->safe_psql('postgres', "SET maintenance_work_mem = '1MB'; VACUUM $tables");
		$vacuums++;
	}
	is(join('', map { finish_psql($_) } @sessions), '', "$name: no errors");
	cmp_ok($vacuums, '>', 1, "$name: $vacuums vacuums");
	is($node->safe_psql('postgres', 'SELECT * FROM problems LIMIT 10'), '', "$name: readers saw no wrong");
	note $node->safe_psql('postgres', 'SELECT what, sum(n) FROM counted GROUP BY 1');
	$node->safe_psql('postgres', 'TRUNCATE problems, counted');
}

run_beside('all together', 't',
	writer('t', 3000, 1000000), writer('t', 3000, 1000000), reader('t', 1000000), reader('t', 1000000));
# dozens of vacuums beside thousands of writes, in clusters far apart
hnsw_ok($node, 't', 'after all together');
$node->safe_psql('postgres', "VACUUM t; CREATE TABLE fresh (LIKE t); INSERT INTO fresh SELECT * FROM t;
	CREATE INDEX ON fresh USING hnsw (v vector_l2_ops)");
my ($recall, $fresh) = map { index_recall($node, $_) } ('t', 'fresh');
cmp_ok($recall, '>=', $fresh - 0.01, "recall afterwards $recall, of a fresh build $fresh");
hnsw_ok($node, 't', 'and after vacuum');

# The same few values again and again
my $size = $node->safe_psql('postgres', q{SELECT pg_relation_size('d_v_idx')});
run_beside('duplicates', 'd',
	writer('d', 2000, 7), writer('d', 2000, 7), reader('d', 7), reader('d', 7));
hnsw_ok($node, 'd', 'duplicates');
my $growth = $node->safe_psql('postgres', "SELECT round(pg_relation_size('d_v_idx')::numeric / $size, 1)");
note "duplicates: the index grew by $growth";

# An index of few rows, so that the entry point comes and goes
run_beside('few rows', 'few',
	writer('few', 20, 1000000), writer('few', 20, 1000000), writer('few', 20, 1000000), reader('few', 1000000));
hnsw_ok($node, 'few', 'few rows', every => 1);

# Emptied and filled by several at once
for my $round (1 .. 8)
{
	$node->safe_psql('postgres', 'DELETE FROM few; ' . ($round % 2 ? 'VACUUM few' : ''));
	my $gate = close_gate($node);
	my @sessions = map {
		start_psql($node, "SELECT pg_advisory_lock_shared(7, 7);
			INSERT INTO few SELECT n, item(n, $dims) FROM (SELECT nextval('ids') AS n FROM generate_series(1, 3)) s")
	} 1 .. 6;
	waiting_at_gate($node, 6);
	open_gate($gate);
	is(join('', map { finish_psql($_) } @sessions), '', "filled at once, round $round");
	hnsw_ok($node, 'few', "filled at once, round $round", every => 1);
}

# Builds under writes
foreach my $build (
	'CREATE INDEX CONCURRENTLY c ON t USING hnsw (v vector_l2_ops)',
	'REINDEX INDEX CONCURRENTLY c',
	'SET max_parallel_maintenance_workers = 0; REINDEX INDEX CONCURRENTLY c',
	'DROP INDEX c; CREATE INDEX c ON t USING hnsw (v vector_l2_ops)')
{
	$node->safe_psql('postgres', 'SET client_min_messages = warning; DROP INDEX IF EXISTS t_v_idx; ALTER TABLE t SET (parallel_workers = 2)');
	my $writer = qq{
		DO \$\$ BEGIN
			WHILE working() LOOP
				INSERT INTO t SELECT n, item(n, $dims) FROM (SELECT nextval('ids') AS n FROM generate_series(1, 3)) s;
				DELETE FROM t WHERE id IN (SELECT id FROM t ORDER BY id OFFSET floor(random() * 2000) LIMIT 3);
				COMMIT;
			END LOOP;
		END \$\$};
	workers_begin($node);
	my @sessions = map { start_psql($node, $writer) } 1 .. 2;
	$node->safe_psql('postgres', $build);
	workers_end($node);
	is(join('', map { finish_psql($_) } @sessions), '', "$build: writers");
	hnsw_ok($node, 't', $build);
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_index WHERE NOT indisvalid'), 0, 'all indexes are valid');

# Cancelled in the middle; what comes next works.
$node->safe_psql('postgres', "INSERT INTO t SELECT n, item(n, $dims) FROM (SELECT nextval('ids') AS n FROM generate_series(1, 3000)) s");
foreach my $workers (0, 2)
{
	foreach my $memory ('64MB', '1MB')
	{
		ok( cancel($node, 700, qq{
			SET max_parallel_maintenance_workers = $workers;
			SET maintenance_work_mem = '$memory';
			CREATE INDEX x ON t USING hnsw (v vector_l2_ops) WITH (ef_construction = 1000, m = 40)}, 'DROP INDEX x'),
			"build with $workers workers and $memory cancelled");
		hnsw_ok($node, 't', 'after that');
	}
}
foreach my $n (1 .. 5)
{
	ok(cancel($node, 100 * $n, "INSERT INTO t SELECT n, item(n, $dims) FROM (SELECT nextval('ids') AS n FROM generate_series(1, 100000)) s",
		'DELETE FROM t WHERE id > (SELECT last_value - 100000 FROM ids)'), "insert cancelled");
}
hnsw_ok($node, 't', 'inserts cancelled');
$node->safe_psql('postgres', 'DELETE FROM t WHERE id % 2 = 0');
foreach my $n (1 .. 5)
{
	ok(cancel($node, 100 * $n, q{
		SET maintenance_work_mem = '1MB';
		SET vacuum_cost_limit = 10;
		SET vacuum_cost_delay = '2ms';
		VACUUM t}, 'DELETE FROM t WHERE random() < 0.1'), "vacuum cancelled");
	hnsw_ok($node, 't', 'vacuum cancelled');
	$node->safe_psql('postgres', "INSERT INTO t SELECT n, item(n, $dims) FROM (SELECT nextval('ids') AS n FROM generate_series(1, 100)) s");
}
$node->safe_psql('postgres', 'VACUUM t');
hnsw_ok($node, 't', 'vacuumed at last');
$size = $node->safe_psql('postgres', q{SELECT pg_relation_size('c')});
$node->safe_psql('postgres', "INSERT INTO t SELECT n, item(n, $dims) FROM (SELECT nextval('ids') AS n FROM generate_series(1, 3000)) s");
is($node->safe_psql('postgres', q{SELECT pg_relation_size('c')}), $size, 'the freed slots are used again');
hnsw_ok($node, 't', 'filled again');

$node->stop;
done_testing();
