# Recall on unkind data: inner products of rows of all lengths, for queries of
# any direction; rows far from all others; rows far from zero; tight clusters.  By build, by
# insertion into an index made before, after half of the rows have gone.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('unkind');
$node->init;
$node->append_conf('postgresql.conf',
	"autovacuum = off\njit = off\nfsync = off\nshared_buffers = 128MB\nmaintenance_work_mem = 128MB");
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION vector;

	-- uniform in (0, 1), and normal, the same for the same numbers
	CREATE FUNCTION u(a bigint, b bigint) RETURNS float8 IMMUTABLE LANGUAGE sql AS
		'SELECT (hashint8extended($1, $2) / 18446744073709551616.0::float8) + 0.5';
	CREATE FUNCTION g(a bigint, b bigint) RETURNS float8 IMMUTABLE LANGUAGE sql AS
		'SELECT sqrt(-2 * ln(greatest(u($1, $2), 1e-300))) * cos(2 * pi() * u($1, $2 + 1000000007))';
	CREATE FUNCTION numbers(kind text, seed bigint, dims int) RETURNS float8[] IMMUTABLE LANGUAGE sql AS $$
		SELECT CASE kind WHEN 'products' THEN array_agg(u(i, seed) * u(i, seed + 500000))
			ELSE array_agg(g(i, seed)) END
		FROM generate_series(1, dims) i $$;
	CREATE FUNCTION scaled(v float8[], by float8, plus float8) RETURNS float8[] IMMUTABLE LANGUAGE sql AS
		'SELECT array_agg(x * $2 + $3 ORDER BY o) FROM unnest($1) WITH ORDINALITY e(x, o)';
	-- nine of ten are zero
	CREATE FUNCTION thin(v float8[], seed bigint) RETURNS float8[] IMMUTABLE LANGUAGE sql AS
		'SELECT array_agg(CASE WHEN u(o, $2 + 900000) < 0.1 THEN x ELSE 0 END ORDER BY o) FROM unnest($1) WITH ORDINALITY e(x, o)';
	-- one of 20 tight clusters, whose centres have few dimensions in common
	CREATE FUNCTION tight(number int, seed bigint, dims int) RETURNS float8[] IMMUTABLE LANGUAGE sql AS $$
		SELECT array_agg(CASE WHEN u(i, seed % 20 + 700000 + number * 1000) < (ARRAY[2.0, 3.0, 6.0, 20.0])[1 + seed % 4] / dims
			THEN g(i, seed % 20 + number * 1000) + 0.05 * g(i, seed) ELSE 0 END ORDER BY i)
		FROM generate_series(1, dims) i $$;
	CREATE FUNCTION value(kind text, seed bigint, dims int) RETURNS vector IMMUTABLE LANGUAGE sql AS $$
		SELECT (CASE split_part(kind, ' ', 1)
			WHEN 'tight' THEN tight(split_part(kind, ' ', 2)::int, seed, dims)
			WHEN 'sparse' THEN thin(numbers('products', seed, dims), seed)
			WHEN 'mixed' THEN thin(numbers('', seed, dims), seed)
			WHEN 'products' THEN numbers(kind, seed, dims)
			WHEN 'lengths' THEN scaled(numbers('', seed, dims), 1 + 6 * u(0, seed), 0)
			WHEN 'lognormal' THEN scaled(numbers('', seed, dims), exp(g(0, seed)), 0)
			WHEN 'hubs' THEN scaled(numbers('', seed, dims), CASE WHEN seed % 200 = 0 THEN 10 ELSE 1 END, 0)
			WHEN 'far' THEN scaled(numbers('', seed, dims), 1, 10000)
			WHEN 'outliers' THEN scaled(numbers('', seed, dims), CASE WHEN seed % 150 = 0 THEN 1e6 ELSE 1 END, 0)
			WHEN 'largest' THEN scaled(numbers('', seed, dims), CASE WHEN seed % 150 = 0 THEN 5e37 ELSE 1 END, 0)
			WHEN 'heaps' THEN scaled(numbers('', seed, dims), 1, CASE WHEN seed % 7 = 0 THEN 1e6 ELSE 0 END)
			END)::vector $$;

	-- Recall of the ten nearest of 25 queries: like rows, of mixed sign, opposite.
	CREATE FUNCTION recall(t regclass, op text, kind text, dims int, turn int) RETURNS numeric LANGUAGE plpgsql AS $$
	DECLARE
		q vector;
		tenth float8;
		type text := (SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = t AND attname = 'v');
		good int;
		hits int := 0;
	BEGIN
		FOR n IN 1 .. 25 LOOP
			q := value(kind, 1000000 + n, dims);
			IF turn > 0 THEN
				SELECT array_agg(CASE WHEN turn = 1 AND u(o, n) < 0.5 THEN x ELSE -x END ORDER BY o)::vector
				INTO q FROM unnest(q::real[]) WITH ORDINALITY e(x, o);
			END IF;
			EXECUTE format('SELECT max(d) FROM (SELECT (v %2$s $1::%3$s) + 0 AS d FROM %1$s ORDER BY 1 LIMIT 10) f', t, op, type)
				INTO tenth USING q;
			EXECUTE format('SELECT count(*) FROM (SELECT v %2$s $1::%3$s AS d FROM %1$s ORDER BY v %2$s $1::%3$s LIMIT 10) f WHERE d <= $2', t, op, type)
				INTO good USING q, tenth;
			hits := hits + good;
		END LOOP;
		RETURN hits / 250.0;
	END $$;
	});

my $set = 'SET enable_seqscan = off; SET vector.enable_exact_scan = off;';

sub recall
{
	my ($op, $kind, $dims, $turn) = @_;

	return $node->safe_psql('postgres', "$set SELECT recall('t', '$op', '$kind', $dims, $turn)");
}

# An index of a class on rows of a kind, however they came
sub check
{
	my ($kind, $dims, $rows, $am, $class, $op, $least, @turns) = @_;
	my $name = "$kind, $dims dimensions, $am $class";
	my $index = "CREATE INDEX i ON t USING $am (v $class";
	my $type = $class =~ /^(\w+)_ip_ops/ ? $1 : 'vector';

	$index .= $class =~ /WITH/ ? '' : ')';

	$node->safe_psql(
		'postgres', qq{
		SET client_min_messages = warning; DROP TABLE IF EXISTS t, data;
		CREATE TABLE data AS SELECT i AS id, value('$kind', i, $dims)::$type($dims) AS v FROM generate_series(1, $rows) i;
		CREATE TABLE t (LIKE data); INSERT INTO t SELECT * FROM data; $index;});
	foreach my $turn (@turns)
	{
		my $recall = recall($op, $kind, $dims, $turn);
		cmp_ok($recall, '>=', $least, "$name, build, queries $turn: recall $recall");
	}
	return if $am ne 'hnsw';

	$node->safe_psql('postgres', "TRUNCATE t; INSERT INTO t SELECT * FROM data");
	foreach my $turn (@turns)
	{
		my $recall = recall($op, $kind, $dims, $turn);
		cmp_ok($recall, '>=', $least, "$name, insertion, queries $turn: recall $recall");
	}
	$node->safe_psql('postgres', "DELETE FROM t WHERE u(id, 77) < 0.5");
	$node->safe_psql('postgres', "VACUUM t");
	foreach my $turn (@turns)
	{
		my $recall = recall($op, $kind, $dims, $turn);
		cmp_ok($recall, '>=', $least, "$name, half deleted, queries $turn: recall $recall");
	}
}

check('products', 3, 4000, 'hnsw', 'vector_ip_ops', '<#>', 0.97, 0, 1, 2);
check('products', 32, 4000, 'hnsw', 'vector_ip_ops', '<#>', 0.97, 0, 1, 2);
# without codes, whose elements are compared by themselves
my $none = ") WITH (quantizer = 'none'";
check('products', 3, 2000, 'hnsw', "vector_ip_ops$none)", '<#>', 0.97, 1, 2);
check('products', 16, 3000, 'hnsw', "vector_ip_ops$none)", '<#>', 0.97, 1, 2);
check('products', 16, 3000, 'hnsw', "halfvec_ip_ops$none)", '<#>', 0.97, 1, 2);
check('outliers', 4, 1500, 'hnsw', "vector_ip_ops$none)", '<#>', 0.97, 0);
check('sparse', 200, 2000, 'hnsw', 'sparsevec_ip_ops', '<#>', 0.95, 0, 1, 2);
check('mixed', 200, 2000, 'hnsw', 'sparsevec_ip_ops', '<#>', 0.95, 0);
check('lengths', 32, 4000, 'hnsw', 'vector_ip_ops', '<#>', 0.95, 0);
check('lognormal', 16, 2000, 'hnsw', 'vector_ip_ops', '<#>', 0.97, 0);
check('hubs', 16, 2000, 'hnsw', 'vector_ip_ops', '<#>', 0.95, 0);
check('products', 16, 3000, 'ivfrabitq', 'vector_ip_ops', '<#>', 0.93, 0, 1, 2);
foreach my $class ([ 'vector_l2_ops', '<->' ], [ 'vector_ip_ops', '<#>' ])
{
	foreach my $kind ('outliers', 'largest', 'far')
	{
		check($kind, 4, 1500, 'hnsw', @$class, 0.97, 0);
		check($kind, 4, 1500, 'ivfrabitq', @$class, 0.93, 0)
		  if $kind ne 'largest' || $class->[1] eq '<->';
	}
}

# Sparse values in tight clusters: most products between these are 0, so the way down
# ends in a wrong one.  Without starting points from all over the index the recalls of
# the new indexes are .920, .960 and .960.
foreach my $set (0, 5, 6)
{
	$node->safe_psql(
		'postgres', qq{
		SET client_min_messages = warning; DROP TABLE IF EXISTS t;
		SET max_parallel_maintenance_workers = 0;
		CREATE TABLE t AS SELECT i AS id, value('tight $set', i, 200)::sparsevec(200) AS v FROM generate_series(1, 2000) i;
		CREATE INDEX i ON t USING hnsw (v sparsevec_ip_ops);});
	my $recall = recall('<#>', "tight $set", 200, 0);
	cmp_ok($recall, '>=', 0.99, "tight clusters, set $set, build: recall $recall");
	$node->safe_psql('postgres', 'UPDATE t SET v = v');
	$node->safe_psql('postgres', 'VACUUM t');
	$recall = recall('<#>', "tight $set", 200, 0);
	cmp_ok($recall, '>=', 0.95, "tight clusters, set $set, updated: recall $recall");
}

# Codes cannot tell rows of one heap from each other: the values are kept.
$node->safe_psql(
	'postgres', q{
	TRUNCATE data; INSERT INTO data SELECT i, value('heaps', i, 4) FROM generate_series(1, 2000) i;
	DROP TABLE t; CREATE TABLE t (LIKE data); INSERT INTO t SELECT * FROM data;
	CREATE INDEX i ON t USING hnsw (v vector_l2_ops);});
my $recall = recall('<->', 'heaps', 4, 0);
cmp_ok($recall, '>=', 0.97, "heaps far from each other: recall $recall");

done_testing();
