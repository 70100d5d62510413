# Pages of an index that is searched, and of tables and TOAST that exact scans
# read, are as hot to PostgreSQL as a btree's: a sequential scan of another table
# does not evict them first.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('buffer_usage');
$node->init;
$node->append_conf('postgresql.conf',
	"autovacuum = off\njit = off\nfsync = off\nshared_buffers = 16MB\nmax_parallel_workers_per_gather = 0\nbgwriter_lru_maxpages = 0");
$node->start;

my ($rc) = $node->psql('postgres', 'CREATE EXTENSION pg_buffercache');
plan skip_all => 'needs pg_buffercache' if $rc != 0;

$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION vector;
	CREATE TABLE items AS SELECT i AS id, (SELECT array_agg(sin(i * j * 1.7) + cos(i * j * j)) FROM generate_series(1, 32) j)::vector(32) AS v FROM generate_series(1, 4000) i;
	CREATE INDEX items_id ON items (id);
	CREATE TABLE long AS SELECT i AS id, array_fill(i, ARRAY[1500])::vector(1500) AS v FROM generate_series(1, 300) i;
	CREATE TABLE other AS SELECT i, repeat('x', 500) AS p FROM generate_series(1, 60000) i;
	CREATE INDEX other_i ON other (i);
	VACUUM ANALYZE;

	-- How often the pages of a relation have been used, as far as that is counted: how
	-- many, and the share used at least so often
	CREATE FUNCTION used(relation regclass, at_least int, OUT pages bigint, OUT often numeric) LANGUAGE sql AS
		$$ SELECT count(*), round(avg((usagecount >= at_least)::int), 2) FROM pg_buffercache
		WHERE relfilenode = pg_relation_filenode(relation) AND relforknumber = 0 AND reldatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) $$;
	CREATE FUNCTION search(times int) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		FOR n IN 1 .. times LOOP
			FOR i IN 1 .. 40 LOOP
				PERFORM id FROM items ORDER BY v <-> (SELECT v FROM items WHERE id = i * 100) LIMIT 10;
			END LOOP;
		END LOOP;
	END $$;
	-- As many pages of another table as there are buffers, each once
	CREATE FUNCTION read_other() RETURNS bigint LANGUAGE sql SET enable_seqscan = off SET enable_bitmapscan = off SET enable_indexonlyscan = off AS
		$$ SELECT sum(length(p)) FROM other WHERE i < 30000 $$;
	});

foreach my $index (
	'hnsw (v vector_l2_ops)',
	'hnsw (v vector_l2_ops) WITH (quantizer = none)',
	'ivfflat (v vector_l2_ops) WITH (lists = 20)',
	'ivfpq (v vector_l2_ops) WITH (lists = 20)',
	'ivfrabitq (v vector_l2_ops) WITH (lists = 20)')
{
	my $out = $node->safe_psql(
		'postgres', qq{
		CREATE INDEX searched ON items USING $index;
		SET enable_seqscan = off; SET vector.enable_exact_scan = off;
		SELECT FROM read_other();
		SELECT FROM search(1);
		SELECT FROM search(5);
		SELECT often >= 0.5 FROM used('searched', 5);
		SELECT pages AS before FROM used('searched', 3) \\gset
		SELECT FROM read_other();
		SELECT pages >= 0.5 * :before, :before > 20 FROM used('searched', 0);});
	is($out, "t\nt|t", "$index: searched pages stay") or diag($node->safe_psql('postgres', "SELECT usagecount, count(*) FROM pg_buffercache WHERE relfilenode = pg_relation_filenode('searched') GROUP BY 1 ORDER BY 1"));
	$node->safe_psql('postgres', 'DROP INDEX searched');
}

# an exact scan of a small table, and of values out of line
my $out = $node->safe_psql(
	'postgres', q{
	SET enable_indexscan = off;
	SELECT FROM read_other();
	DO $$ BEGIN FOR n IN 1 .. 8 LOOP PERFORM id FROM long ORDER BY v <-> array_fill(n, ARRAY[1500])::vector LIMIT 5; END LOOP; END $$;
	SELECT often >= 0.9 FROM used('long', 4);
	SELECT often >= 0.9 FROM used((SELECT reltoastrelid FROM pg_class WHERE oid = 'long'::regclass), 4);});
is($out, "t\nt", 'exact scan: the table and its TOAST');

$node->stop;
done_testing();
