# Filter columns of hnsw indexes beside writers and vacuum, on a standby and
# after crashes: what a condition lets through is what a look at the table gives.
use strict;
use warnings;

use Index;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = $ENV{HNSW_SECONDS} // 6;
my $dims = 16;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf(
	'postgresql.conf', q{
autovacuum = off
fsync = off
jit = off
shared_buffers = 8MB
maintenance_work_mem = 64MB
wal_consistency_checking = generic
max_standby_streaming_delay = -1
wal_keep_size = 4GB
restart_after_crash = on
});
$primary->start;
index_prepare($primary);
$primary->safe_psql(
	'postgres', qq{
	CREATE SEQUENCE ids;
	CREATE TABLE problems (what text);
	CREATE TABLE counted (what text, n bigint);
	-- k has few values, and says nothing of v; g groups rows as v does
	CREATE FUNCTION fill(t regclass, count int, distinct_values bigint) RETURNS void LANGUAGE plpgsql AS \$\$
	BEGIN
		EXECUTE format('INSERT INTO %s SELECT n, n %% 50, n %% 40, CASE WHEN n %% 9 > 0 THEN ARRAY[n %% 20, 20 + n %% 3] END, item(n %% %s, $dims)
			FROM (SELECT nextval(''ids'')::int AS n FROM generate_series(1, %s)) s', t, distinct_values, count);
	END \$\$;
	CREATE TABLE t (id int, k int, g int, tags int[], v vector($dims));
	SELECT fill('t', 4000, 1000000);
	CREATE INDEX i ON t USING hnsw (v vector_l2_ops, k, g, tags);

	-- Rows that fulfil a condition, by the index to the end, and by the table
	CREATE FUNCTION compare(t regclass, condition text) RETURNS text LANGUAGE plpgsql
	SET enable_bitmapscan = off SET vector.enable_exact_scan = off SET hnsw.max_scan_tuples = 1000000
	SET hnsw.scan_mem_multiplier = 100 SET hnsw.iterative_scan = relaxed_order AS \$\$
	DECLARE
		statement text := format('SELECT id FROM %s WHERE %s ORDER BY v <-> item(20000000, $dims) LIMIT 1000000', t, condition);
		line text;
		plan text := '';
		found int[];
		expected int[];
	BEGIN
		SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = on;
		FOR line IN EXECUTE 'EXPLAIN ' || statement LOOP
			plan := plan || line;
		END LOOP;
		IF plan NOT LIKE '%Index Cond%' THEN RAISE 'not by the index: %', plan; END IF;
		EXECUTE format('SELECT coalesce(array_agg(id ORDER BY id), ''{}'') FROM (%s) s', statement) INTO found;
		SET LOCAL enable_seqscan = on; SET LOCAL enable_indexscan = off;
		EXECUTE format('SELECT coalesce(array_agg(id ORDER BY id), ''{}'') FROM %s WHERE %s', t, condition) INTO expected;
		RETURN CASE WHEN found = expected THEN 'same' ELSE format('%s: %s rows, not %s', condition, cardinality(found), cardinality(expected)) END;
	END \$\$;});
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

my @conditions = ('k = 7', 'k IN (1, 2, 3) AND g < 20', 'k >= 25', 'k < 10 AND g = 5', q{tags @> '{3}'}, q{tags && '{3,21}' AND k < 30}, 'tags IS NULL', 'k > 100', 'g = 11');

sub filters_ok
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($node, $t, $name) = @_;
	my $values = join(',', map { my $c = $_; $c =~ s/'/''/g; "('$c')" } @conditions);

	is($node->safe_psql('postgres', "SELECT DISTINCT compare('$t', c) FROM (VALUES $values) x (c)"),
		'same', "$name: conditions give the rows that fulfil them");
}

filters_ok($primary, 't', 'built');

# Beside writers and vacuum: a reader's snapshot has the same rows by both ways
my $writer = qq{
	DO \$\$
	DECLARE
		chosen int[];
		n bigint := 0;
	BEGIN
		WHILE working() OR n <= 20 LOOP
			PERFORM fill('t', 20, 1000000);
			chosen := ARRAY(SELECT id FROM (SELECT id FROM t ORDER BY id) s ORDER BY random() LIMIT 20);
			-- in one order, or two writers may wait for each other
			PERFORM FROM t WHERE id = ANY (chosen) ORDER BY id FOR UPDATE;
			IF random() < 0.5 THEN
				UPDATE t SET k = (k + 1) % 50, tags = CASE WHEN random() < 0.5 THEN tags || 5 END WHERE id = ANY (chosen);
			END IF;
			DELETE FROM t WHERE id = ANY (chosen) AND (SELECT count(*) FROM t) > 4000;
			n := n + 20;
			IF random() < 0.1 THEN ROLLBACK; ELSE COMMIT; END IF;
		END LOOP;
		INSERT INTO counted VALUES ('written', n);
	END \$\$;};
my $reader = qq{
	SET default_transaction_isolation = 'repeatable read';
	DO \$\$
	DECLARE
		conditions text[] := ARRAY[} . join(',', map { my $c = $_; $c =~ s/'/''/g; "'$c'" } @conditions) . qq{];
		result text;
		n bigint := 0;
	BEGIN
		WHILE working() OR n <= 20 LOOP
			result := compare('t', conditions[1 + n % cardinality(conditions)]);
			IF result <> 'same' THEN
				INSERT INTO problems VALUES (result);
			END IF;
			n := n + 1;
			COMMIT;
		END LOOP;
		INSERT INTO counted VALUES ('read', n);
	END \$\$;};
workers_begin($primary);
my @sessions = map { start_psql($primary, $_) } ($writer, $writer, $reader, $reader);
my $end = time() + $seconds;
my $vacuums = 0;
while (time() < $end || $vacuums < 2)
{
	$primary->safe_psql('postgres', 'VACUUM t');
	$vacuums++;
}
workers_end($primary);
is(join('', map { finish_psql($_) } @sessions), '', 'writers, readers and vacuum: no errors');
cmp_ok($vacuums, '>', 1, "$vacuums vacuums");
is($primary->safe_psql('postgres', 'SELECT * FROM problems LIMIT 10'), '', 'readers saw no wrong');
my %counted = map { split /\|/ } split /\n/, $primary->safe_psql('postgres', 'SELECT what, sum(n) FROM counted GROUP BY 1');
cmp_ok($counted{$_} // 0, '>', 20, "$_: " . ($counted{$_} // 0)) foreach qw(read written);
filters_ok($primary, 't', 'afterwards');
$primary->wait_for_catchup($standby);
filters_ok($standby, 't', 'on the standby');

# The same few values with all kinds of keys: one element for a value and keys
$primary->safe_psql(
	'postgres', q{
	CREATE TABLE d (LIKE t);
	SELECT fill('d', 3000, 5);
	CREATE INDEX j ON d USING hnsw (v vector_l2_ops, k, g, tags);
	SELECT fill('d', 1000, 5);
	DELETE FROM d WHERE id % 3 = 0;
	VACUUM d;
	SELECT fill('d', 500, 5);});
filters_ok($primary, 'd', 'equal values');

# Crashes: in the middle of inserts, of a vacuum
foreach my $what ('inserts', 'vacuum')
{
	$primary->safe_psql('postgres', 'DELETE FROM t WHERE id % 5 = 0') if $what eq 'vacuum';
	if ($what eq 'inserts')
	{
		workers_begin($primary);
		kill_inserting($primary, 'server', $writer, 't', 200, 'SELECT last_value FROM ids');
	}
	else
	{
		my @vacuum = meet_vacuum($primary, ['t']);

		$primary->stop('immediate');
		$primary->start;
		finish_psql($_) foreach @vacuum;
	}
	filters_ok($primary, 't', "$what, then crash");
	$primary->safe_psql('postgres', q{SELECT fill('t', 200, 1000000)});
	filters_ok($primary, 't', "$what, then crash, then inserts");
	$primary->safe_psql('postgres', 'VACUUM t');
	filters_ok($primary, 't', "$what, then crash, then vacuum");
}
$primary->wait_for_catchup($standby);
filters_ok($standby, $_, "replayed, $_") foreach qw(t d);

# Built under writes, by workers, beyond its memory, empty, unlogged
foreach my $build ('CREATE INDEX CONCURRENTLY c ON t USING hnsw (v vector_l2_ops, k, g, tags)',
	'REINDEX INDEX CONCURRENTLY c')
{
	workers_begin($primary);
	my @writers = map { start_psql($primary, $writer) } 1 .. 2;
	$primary->safe_psql('postgres', "ALTER TABLE t SET (parallel_workers = 2); DROP INDEX IF EXISTS i");
	$primary->safe_psql('postgres', $build);
	workers_end($primary);
	is(join('', map { finish_psql($_) } @writers), '', "$build: writers");
	filters_ok($primary, 't', $build);
}
$primary->safe_psql('postgres', q{SET client_min_messages = warning; SET maintenance_work_mem = '1MB'; REINDEX TABLE t});
filters_ok($primary, 't', 'beyond maintenance_work_mem');
$primary->safe_psql(
	'postgres', q{
	CREATE UNLOGGED TABLE u (LIKE t);
	CREATE INDEX ON u USING hnsw (v vector_l2_ops, k, g, tags);
	SELECT fill('u', 500, 1000000);});
filters_ok($primary, 'u', 'unlogged');
$primary->stop('immediate');
$primary->start;
filters_ok($primary, 'u', 'unlogged, empty after a crash');
$primary->safe_psql('postgres', q{SELECT fill('u', 500, 1000000)});
filters_ok($primary, 'u', 'unlogged, filled again');

$standby->stop;
$primary->stop;
done_testing();
