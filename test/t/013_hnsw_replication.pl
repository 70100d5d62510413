# hnsw indexes on a standby, while it replays and after promotion; through dump
# and restore; and within their memory.
use strict;
use warnings;

use Index;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rows = 5000;
my $dims = 32;
my $index = 'USING hnsw (v vector_l2_ops)';

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf(
	'postgresql.conf', q{
autovacuum = off
fsync = off
jit = off
maintenance_work_mem = 64MB
wal_consistency_checking = generic
hot_standby_feedback = on
max_standby_streaming_delay = -1
wal_keep_size = 4GB
});
$primary->start;
index_prepare($primary);
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

# The ten nearest for 50 queries, as one value
sub answers
{
	my ($node, $t, $db) = @_;
	return $node->safe_psql(
		$db // 'postgres', qq{
		SET enable_seqscan = off; SET vector.enable_exact_scan = off;
		SELECT md5(string_agg(ids, ';' ORDER BY n)) FROM generate_series(1, 50) n,
			LATERAL (SELECT string_agg(id::text, ',') AS ids FROM
				(SELECT id FROM $t ORDER BY v <-> item(10000000 + n, $dims) LIMIT 10) f) s});
}

sub same_answers
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($name) = @_;

	$primary->wait_for_catchup($standby);
	is(answers($standby, 't'), answers($primary, 't'), "$name: the standby answers the same");
	hnsw_ok($standby, 't', "$name, standby");
}

$primary->safe_psql(
	'postgres', qq{
	CREATE TABLE t (id int, v vector($dims));
	INSERT INTO t SELECT i, item(i, $dims) FROM generate_series(1, $rows) i;
	CREATE INDEX i ON t $index;});
same_answers('build');
$primary->safe_psql('postgres', "INSERT INTO t SELECT i, item(i, $dims) FROM generate_series($rows + 1, $rows + 1000) i");
same_answers('inserts');
$primary->safe_psql('postgres', 'DELETE FROM t WHERE id % 2 = 0');
same_answers('deletes');

# What scans find dead on the primary is not in WAL; pages are changed after it.
index_recall($primary, 't');
$primary->safe_psql('postgres', "INSERT INTO t SELECT i, item(i, $dims) FROM generate_series($rows + 1001, $rows + 1300) i");
same_answers('inserts beside dead rows');
$primary->safe_psql('postgres', 'VACUUM t');
same_answers('vacuum');
$primary->safe_psql('postgres', "INSERT INTO t SELECT i, item(i, $dims) FROM generate_series(2, $rows, 2) i; REINDEX INDEX i");
same_answers('reindex');

# Readers on the standby while it replays inserts and vacuum
workers_begin($primary);
$primary->wait_for_catchup($standby);
my $reader = qq{
	SET enable_seqscan = off; SET vector.enable_exact_scan = off;
	SET default_transaction_isolation = 'repeatable read';
	DO \$\$
	DECLARE
		r numeric;
		n int := 0;
	BEGIN
		WHILE working() OR n < 3 LOOP
			r := recall('t', '<->', 20, $dims);
			n := n + 1;
			IF r < 0.9 THEN RAISE 'recall % while replaying', r; END IF;
			COMMIT;
		END LOOP;
	END \$\$};
my @readers = map { start_psql($standby, $reader) } 1 .. 2;
my $end = time() + 8;
my $rounds = 0;
while (time() < $end || $rounds < 3)
{
	my $from = 10000 + 200 * $rounds++;
	$primary->safe_psql('postgres',
		"INSERT INTO t SELECT i, item(i, $dims) FROM generate_series($from, $from + 199) i;
		 DELETE FROM t WHERE id IN (SELECT id FROM t ORDER BY id LIMIT 200);");
	$primary->safe_psql('postgres', 'VACUUM t');
}
workers_end($standby);
is(join('', map { finish_psql($_) } @readers), '', "right answers while $rounds rounds of changes are replayed");
same_answers('afterwards');

# Dump and restore
my $dump = $primary->basedir . '/dump';
my $definition = q{SELECT pg_get_indexdef('o'::regclass)};
$primary->safe_psql('postgres',
	q{DROP INDEX i; CREATE INDEX o ON t USING hnsw (v vector_cosine_ops) WITH (m = 8, ef_construction = 40, quantizer = rabitq8, rerank = heap, ef_search = 100); CREATE DATABASE restored});
$primary->command_ok([ 'pg_dump', '-Fc', '-f', $dump, 'postgres' ], 'dump');
$primary->command_ok([ 'pg_restore', '--exit-on-error', '-j', '2', '-d', 'restored', $dump ], 'restore');
is($primary->safe_psql('restored', $definition), $primary->safe_psql('postgres', $definition), 'the index is restored');
like($primary->safe_psql('restored', $definition), qr/quantizer=rabitq8/, 'with its options');
hnsw_ok($primary, 't', 'restored', db => 'restored', op => '<=>');
$primary->safe_psql('postgres', "DROP INDEX o; CREATE INDEX i ON t $index");

# Promotion
$primary->wait_for_catchup($standby);
my $answers = answers($primary, 't');
$primary->stop;
$standby->promote;
is(answers($standby, 't'), $answers, 'the same answers after promotion');
$standby->safe_psql('postgres', "DELETE FROM t WHERE id % 3 = 0");
$standby->safe_psql('postgres', "VACUUM t");
$standby->safe_psql('postgres', "INSERT INTO t SELECT i, item(i, $dims) FROM generate_series(20000, 21000) i");
hnsw_ok($standby, 't', 'changed after promotion');

# When memory runs out during a build, it goes on with pages.
my $node = $standby;
my $fresh = index_recall($node, 't');
foreach my $workers (0, 2)
{
	$node->safe_psql('postgres', "DROP INDEX i; ALTER TABLE t SET (parallel_workers = $workers)");
	my ($rc, $out, $err) = $node->psql('postgres', "SET maintenance_work_mem = '1MB'; CREATE INDEX i ON t $index");
	is($rc, 0, "build with $workers workers in 1 MB");
	like($err, qr/NOTICE:  hnsw graph no longer fits into maintenance_work_mem after \d+ tuples.*HINT:  Set maintenance_work_mem to \d+ MB or more/s,
		'says so');
	my ($needed) = $err =~ /to (\d+) MB or more/;
	hnsw_ok($node, 't', "build with $workers workers in 1 MB");
	my $recall = index_recall($node, 't');
	cmp_ok($recall, '>=', $fresh - 0.01, "recall $recall");

	$node->safe_psql('postgres', 'DROP INDEX i');
	($rc, $out, $err) = $node->psql('postgres', "SET maintenance_work_mem = '${needed}MB'; CREATE INDEX i ON t $index");
	is($err, '', "the memory asked for, $needed MB, suffices");
	$node->safe_psql('postgres', 'CHECKPOINT');
}

# A hundred thousand equal values
$node->safe_psql(
	'postgres', q{
	CREATE TABLE equal (id int, v vector(16));
	INSERT INTO equal SELECT i, item(1, 16) FROM generate_series(1, 100000) i;
	CREATE INDEX equal_v ON equal USING hnsw (v vector_l2_ops);});
hnsw_ok($node, 'equal', 'equal values', dims => 16, every => 10000);
my $size = $node->safe_psql('postgres', q{SELECT pg_relation_size('equal_v')});
$node->safe_psql('postgres', 'DELETE FROM equal WHERE id % 2 = 0');
$node->safe_psql('postgres', 'VACUUM equal');
hnsw_ok($node, 'equal', 'equal values, half deleted', dims => 16, every => 10000);
$node->safe_psql('postgres', 'DELETE FROM equal');
$node->safe_psql('postgres', 'VACUUM equal');
my $plan = $node->safe_psql('postgres', 'EXPLAIN (ANALYZE, BUFFERS, TIMING off) INSERT INTO equal SELECT i, item(1, 16) FROM generate_series(1, 100000) i');
hnsw_ok($node, 'equal', 'equal values, inserted again', dims => 16, every => 10000);
my $grown = $node->safe_psql('postgres', "SELECT round(pg_relation_size('equal_v')::numeric / $size, 2)");
cmp_ok($grown, '<', 1.5, "equal values: the index grew by $grown");
my ($hit) = $plan =~ /shared hit=(\d+)/;
my $each = ($hit + ($plan =~ /read=(\d+)/ ? $1 : 0)) / 100000;
cmp_ok($each, '<', 60, "equal values: $each buffers for each of them");

$node->stop;
done_testing();
