# CREATE INDEX puts neighbours on the same pages: a search reads fewer of them than
# in an index that the same rows were inserted into.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('page_order');
$node->init;

# far fewer buffers than an index has pages
$node->append_conf('postgresql.conf',
	"autovacuum = off\njit = off\nfsync = off\nshared_buffers = 1MB\nmax_parallel_workers_per_gather = 0\nmax_parallel_maintenance_workers = 0");
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION vector;

	-- six numbers make 40, so that rows have neighbours; in no order of the table
	CREATE TABLE built AS
		SELECT i AS id, i % 7 AS section,
			(SELECT array_agg(sin(j * x[1 + j % 6]) + x[1 + j % 5]) FROM generate_series(1, 40) j)::vector(40) AS v
		FROM (SELECT i, (SELECT array_agg(hashint4(i * 6 + k) / 2147483648.0) FROM generate_series(0, 5) k) AS x
			FROM generate_series(1, 6000) i) s;
	CREATE TABLE inserted (LIKE built);
	CREATE INDEX inserted_v ON inserted USING hnsw (v vector_l2_ops);
	INSERT INTO inserted SELECT * FROM built;
	CREATE INDEX built_v ON built USING hnsw (v vector_l2_ops);
	VACUUM ANALYZE;

	-- pages that searches for forty rows' values read
	CREATE FUNCTION pages_read(items regclass) RETURNS int LANGUAGE plpgsql
		SET enable_seqscan = off SET vector.enable_exact_scan = off AS $$
	DECLARE
		q vector;
		plan json;
		total int := 0;
	BEGIN
		FOR q IN SELECT v FROM built WHERE id % 150 = 0 LOOP
			EXECUTE format('EXPLAIN (ANALYZE, BUFFERS, FORMAT json) SELECT ctid FROM %s ORDER BY v <-> %L LIMIT 10', items, q) INTO plan;
			total := total + (plan->0->'Plan'->>'Shared Read Blocks')::int;
		END LOOP;
		RETURN total;
	END $$;
	CREATE FUNCTION found(items regclass) RETURNS int LANGUAGE plpgsql
		SET enable_seqscan = off SET vector.enable_exact_scan = off AS $$
	DECLARE
		q record;
		n int := 0;
		id int;
	BEGIN
		FOR q IN SELECT * FROM built b WHERE b.id % 150 = 0 LOOP
			EXECUTE format('SELECT id FROM %s ORDER BY v <-> %L LIMIT 1', items, q.v) INTO id;
			n := n + (id = q.id)::int;
		END LOOP;
		RETURN n;
	END $$;
	});

my ($built, $inserted) =
  split /\|/, $node->safe_psql('postgres', "SELECT pages_read('built'), pages_read('inserted')");
cmp_ok($built, '<', 0.7 * $inserted,
	"pages read by 40 searches: $built where the index was built, $inserted where rows were inserted");
is($node->safe_psql('postgres', "SELECT found('built'), found('inserted')"), '40|40', 'rows are found by their value');
is($node->safe_psql('postgres', "SELECT count(*) FROM vector_index_check('built_v', heapallindexed => true)"),
	'0', 'the index is what it should be');

# by several processes, with filter columns and equal values; then vacuumed and inserted into
$node->safe_psql(
	'postgres', q{
	DROP INDEX built_v;
	INSERT INTO built SELECT id + 10000, section + 1, v FROM built WHERE id % 5 = 0;
	INSERT INTO built SELECT id + 30000, section, v FROM built WHERE id % 7 = 0;
	ALTER TABLE built SET (parallel_workers = 2);
	SET max_parallel_maintenance_workers = 2;
	CREATE INDEX built_v ON built USING hnsw (v vector_l2_ops, section);
	DELETE FROM built WHERE id % 3 = 0;
	VACUUM built;
	INSERT INTO built SELECT id + 60000, section, v FROM inserted WHERE id % 3 = 0;
	});
is($node->safe_psql('postgres', "SELECT count(*) FROM vector_index_check('built_v', heapallindexed => true)"),
	'0', 'with filter columns, equal values, and after changes');
is( $node->safe_psql(
		'postgres', q{
	SET enable_seqscan = off; SET vector.enable_exact_scan = off; SET hnsw.max_scan_tuples = 1000000; SET hnsw.iterative_scan = relaxed_order; SET hnsw.scan_mem_multiplier = 100;
	SELECT count(DISTINCT id) = (SELECT count(*) FROM built WHERE section = 3)
	FROM (SELECT id FROM built WHERE section = 3 ORDER BY v <-> (SELECT v FROM inserted WHERE id = 1) LIMIT 100000) s}),
	't', 'all rows of a section come');

# A condition that depends on the values: a few pages of keys, which lie in the order of
# elements, still tell the share that passes, 30, 35 and 45 of 100.
is( $node->safe_psql(
		'postgres', q{
	CREATE TABLE sections AS
		SELECT i AS id, section,
			(SELECT array_agg(sin(section * j * 1.3) * 5 + hashint4(i * 16 + j) / 2147483648.0) FROM generate_series(1, 12) j)::vector(12) AS v
		FROM (SELECT i, (hashint4(i) & 1073741823) % 20 AS section FROM generate_series(1, 60000) i) s;
	CREATE INDEX ON sections USING hnsw (v vector_l2_ops, section) WITH (m = 8, ef_construction = 24);
	ANALYZE sections;
	SET enable_seqscan = off; SET vector.enable_exact_scan = off;
	SELECT FROM (SELECT id FROM sections WHERE section < 6 ORDER BY v <-> (SELECT v FROM sections WHERE id = 1) LIMIT 10) s;
	SELECT mode FROM vector_last_scan();
	SELECT FROM (SELECT id FROM sections WHERE section < 7 ORDER BY v <-> (SELECT v FROM sections WHERE id = 1) LIMIT 10) s;
	SELECT mode FROM vector_last_scan();
	SELECT FROM (SELECT id FROM sections WHERE section < 9 ORDER BY v <-> (SELECT v FROM sections WHERE id = 1) LIMIT 10) s;
	SELECT mode FROM vector_last_scan();}) =~ s/^\n+//mgr,
	"graph of passing rows\ngraph of passing rows\ngraph",
	'the share of rows that pass is known');

$node->stop;
done_testing();
