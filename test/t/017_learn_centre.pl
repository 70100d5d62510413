# An index that was made on an empty table learns the centre of its data after
# 128 rows, and encodes them anew: beside other insertions and readers, on a
# standby, and with the server ending between any two records of WAL.  Every
# row that is committed is found, and once.
use strict;
use warnings;

use Index;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dims = 8;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->append_conf(
	'postgresql.conf', q{
autovacuum = off
fsync = off
jit = off
wal_consistency_checking = generic
hot_standby_feedback = on
max_standby_streaming_delay = -1
wal_keep_size = 1GB
});
$primary->start;
index_prepare($primary);
$primary->safe_psql(
	'postgres', qq{
	-- far from zero, where codes from zero are all alike, and with them the
	-- first links: recall is less than of an index made on the rows
	CREATE FUNCTION far(i bigint) RETURNS vector IMMUTABLE LANGUAGE sql AS
		'SELECT item(\$1, $dims) + array_fill(10000::real, ARRAY[$dims])::vector';
	CREATE FUNCTION check_all(t regclass) RETURNS text LANGUAGE plpgsql AS \$\$
	DECLARE
		hits int := 0;
		q vector;
		tenth float8;
		n int;
	BEGIN
		FOR i IN 1 .. 20 LOOP
			q := far(10000000 + i);
			EXECUTE format('SELECT max(d) FROM (SELECT (v <-> \$1) + 0 AS d FROM %s ORDER BY 1 LIMIT 10) f', t) INTO tenth USING q;
			EXECUTE format('SELECT count(*) FROM (SELECT v <-> \$1 AS d FROM %s ORDER BY v <-> \$1 LIMIT 10) f WHERE d <= \$2', t) INTO n USING q, tenth;
			hits := hits + n;
		END LOOP;
		RETURN whole(t, '<->', $dims) || CASE WHEN hits >= 170 THEN ', good' ELSE ', recall ' || hits / 200.0 END;
	END \$\$;
	CREATE TABLE t (id int, v vector($dims));
	CREATE INDEX i ON t USING hnsw (v vector_l2_ops);
	CREATE TABLE p (id int, v vector($dims));
	CREATE INDEX j ON p USING hnsw (v vector_l2_ops);
	CREATE TABLE s (id int, v sparsevec($dims));
	CREATE INDEX k ON s USING hnsw (v sparsevec_ip_ops);
	INSERT INTO p SELECT i, far(i) FROM generate_series(1, 126) i;
	INSERT INTO s SELECT i, far(i)::sparsevec FROM generate_series(1, 126) i;});
my $set = q{SET enable_seqscan = off; SET vector.enable_exact_scan = off;
	SET hnsw.iterative_scan = relaxed_order; SET hnsw.max_scan_tuples = 2000000;};
$primary->backup('base');

sub all_found
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($node, $t, $name) = @_;

	is($node->safe_psql('postgres', "$set SELECT check_all('$t')"), '0 twice, 0 lost, good', $name);
}

# Clients that insert, readers on both servers
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

# rows that a scan gives: never fewer than before, none twice
my $reader = qq{$set
	DO \$\$ DECLARE n int; twice int; last int := 0; BEGIN
		WHILE last < 400 LOOP
			SELECT count(*), count(*) - count(DISTINCT id) INTO n, twice
			FROM (SELECT id FROM t ORDER BY v <-> far(5) LIMIT 100000) s;
			IF n < last OR twice > 0 THEN RAISE 'rows % after %, % twice', n, last, twice; END IF;
			last := n;
		END LOOP; END \$\$;};
my @readers = map { start_psql($_, $reader) } $primary, $primary, $standby;
my @writers = map {
	start_psql($primary, "DO \$\$ BEGIN FOR n IN 1 .. 100 LOOP INSERT INTO t VALUES ($_ * 1000 + n, far($_ * 1000 + n)); COMMIT; END LOOP; END \$\$")
} 1 .. 4;
is(finish_psql($_), '', 'a client inserts') foreach @writers;
is(finish_psql($_), '', 'a reader sees all rows, and once') foreach @readers;
all_found($primary, 't', 'after 400 insertions by four clients');
$primary->wait_for_catchup($standby);
all_found($standby, 't', 'the same on a standby');

# The rows that make the index learn, and the server's end after each of some
# records that this writes
my $before = $primary->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');
$primary->safe_psql('postgres', "INSERT INTO s SELECT i, far(i)::sparsevec FROM generate_series(127, 129) i");
$primary->safe_psql('postgres', "INSERT INTO p VALUES (127, far(127)); INSERT INTO p VALUES (128, far(128)); INSERT INTO p VALUES (129, far(129));");
my $after = $primary->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');
all_found($primary, 'p', 'after 129 rows');
is($primary->safe_psql('postgres', "$set SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM s ORDER BY v <#> far(5)::sparsevec LIMIT 1000) f"),
	'129|129', 'after 129 sparse rows');
$primary->wait_for_catchup($standby);
all_found($standby, 'p', 'after 129 rows, standby');
$primary->safe_psql('postgres', 'SELECT pg_switch_wal()');
$standby->stop;

my ($records) = run_command([ 'pg_waldump', '-p', $primary->data_dir . '/pg_wal', '-s', $before, '-e', $after, '-r', 'Generic' ]);
my @lsns = $records =~ /lsn: ([0-9A-F]+\/[0-9A-F]+)/g;
cmp_ok(scalar(@lsns), '>', 20, scalar(@lsns) . ' records');
foreach my $part (5 .. 9)
{
	my $lsn = $lsns[int($#lsns * $part / 10)];
	my $node = PostgreSQL::Test::Cluster->new("at$part");

	$node->init_from_backup($primary, 'base', has_streaming => 1);
	$node->append_conf('postgresql.conf', "recovery_target_lsn = '$lsn'\nrecovery_target_action = promote\n");
	$node->start;
	$node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die;
	my $rows = $node->safe_psql('postgres', 'SELECT count(*) FROM p');
	is($node->safe_psql('postgres', "$set SELECT whole('p', '<->', $dims)"),
		'0 twice, 0 lost', "$rows rows, ended at $lsn");
	$node->safe_psql('postgres', 'INSERT INTO p SELECT i, far(i) FROM generate_series(200, 260) i; VACUUM p');
	all_found($node, 'p', 'and goes on');
	$node->stop('immediate');
}

done_testing();
