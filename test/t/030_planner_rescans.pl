# A join that searches an index for each row of another table, a hundred thousand
# times: what a scan holds is used again, so the backend does not grow.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'needs /proc' unless -r "/proc/$$/status";

my $node = PostgreSQL::Test::Cluster->new('rescans');
$node->init;
$node->append_conf('postgresql.conf',
	"autovacuum = off\njit = off\nfsync = off\nshared_buffers = 128MB\nmax_parallel_workers_per_gather = 0");
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION vector;
	CREATE TABLE items AS SELECT i AS id, i % 3 AS category, ARRAY[sin(i), cos(i * 1.7), sin(i * 0.3), cos(i * 0.9)]::vector(4) AS v FROM generate_series(1, 2000) i;
	CREATE TABLE queries AS SELECT i AS id, ARRAY[sin(i * 1.1), cos(i), sin(i * 0.7), 1]::vector(4) AS v FROM generate_series(1, 100000) i;
	ANALYZE items, queries;

	-- Kilobytes of this backend that are its own
	CREATE FUNCTION resident() RETURNS int LANGUAGE sql AS
		$$ SELECT substring(pg_read_file('/proc/self/status') FROM 'RssAnon:\s*(\d+)')::int $$;
	CREATE FUNCTION searches(most int, condition text, OUT rows bigint, OUT searches bigint, OUT resident int) LANGUAGE plpgsql AS $$
	BEGIN
		EXECUTE format('SELECT count(x.id) FROM (SELECT * FROM queries WHERE id <= %s) q, LATERAL (SELECT i.id FROM items i WHERE %s ORDER BY i.v <-> q.v LIMIT 2) x', most, condition) INTO rows;
		searches := (vector_last_scan()).searches;
		resident := resident();
	END $$;});

foreach my $case (
	[ 'hnsw', 'USING hnsw (v vector_l2_ops)', 'true', 200000 ],
	[ 'hnsw, a range', 'USING hnsw (v vector_l2_ops)', 'i.v <-> q.v < 100', 200000 ],
	[ 'hnsw, a filter column', 'USING hnsw (v vector_l2_ops, category)', 'i.category = 1', 200000 ],
	[ 'ivfflat', 'USING ivfflat (v vector_l2_ops) WITH (lists = 20)', 'true', 200000 ],
	[ 'ivfrabitq', 'USING ivfrabitq (v vector_l2_ops) WITH (lists = 20)', 'true', 200000 ])
{
	my ($name, $index, $condition, $expected) = @$case;

	# a tenth first: whatever is kept for a session is there then
	my $out = $node->safe_psql(
		'postgres', qq{
		CREATE INDEX items_index ON items $index;
		SET enable_seqscan = off; SET enable_sort = off; SET hnsw.ef_search = 10;
		SELECT resident FROM searches(10000, '$condition');
		SELECT * FROM searches(100000, '$condition');
		DROP INDEX items_index;});
	my ($first, $all) = split /\n/, $out;
	my ($rows, $searches, $resident) = split /\|/, $all;

	is($rows, $expected, "$name: rows of each search");
	is($searches, 100000, "$name: one scan, begun anew for each row");
	cmp_ok($resident - $first, '<', 1024, "$name: kilobytes in the first tenth $first, in the end $resident");
}

# from 18 on, EXPLAIN tells what a scan did
my $explained = $node->safe_psql(
	'postgres', q{
	CREATE INDEX ON items USING hnsw (v vector_l2_ops, category); SET enable_seqscan = off;
	EXPLAIN (ANALYZE) SELECT id FROM items WHERE category = 1 ORDER BY v <-> '[1,1,1,1]' LIMIT 2;});
like($explained, qr/Vector Search.*: all passing rows, batches=1 visited=667 filtered=1333 distances=/, 'EXPLAIN shows counters');

$node->stop;
done_testing();
