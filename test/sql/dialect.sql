-- Answers at the edge, as pgvector 0.8.0 gives them; where ours differ on purpose it is
-- said.
\set VERBOSITY sqlstate
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only
CREATE FUNCTION answer(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE r text;
BEGIN
	EXECUTE 'SELECT (' || query || ')::text' INTO r;
	RETURN coalesce(r, 'null');
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || left(SQLERRM, 80);
END $$;
-- numbers too small: sparsevec refuses what it would not store; others have a zero
SELECT q || ' -> ' || answer(q) FROM (VALUES
	($$'[1e-46,1]'::vector$$),
	($$'{1:1e-46}/2'::sparsevec$$),
	($$'{1:-1e-46,2:1}/2'::sparsevec$$),
	($$'{1:1e-45}/2'::sparsevec$$),
	($$'{1:1e-40}/2'::sparsevec$$),
	($$'[1e-40]'::vector$$),
	($$'{1:1e-300}/2'::sparsevec$$),
	($$'{1:1e-400}/2'::sparsevec$$),
	($$'{1:0e-400}/2'::sparsevec$$),
	($$'[1e-400]'::vector$$),
	($$'[1e-8]'::halfvec$$),
	($$'[1e-46]'::halfvec$$),
	($$ARRAY[1e-46,1]::float8[]::sparsevec$$),
	($$ARRAY[1e-46,1]::float8[]::vector$$),
	($$ARRAY['1e-46',1]::numeric[]::sparsevec$$),
	($$ARRAY['1e-46',1]::numeric[]::vector$$),
	($$ARRAY[1e-46,1]::float8[]::halfvec$$),
	($$ARRAY['1e-46',1]::numeric[]::halfvec$$),
	($$ARRAY[1e300,1]::float8[]::sparsevec$$),
	($$ARRAY[1e300,1]::float8[]::vector$$),
	($$ARRAY['1e300',1]::numeric[]::vector$$),
	($$ARRAY['1e300',1]::numeric[]::halfvec$$),
	($$ARRAY[1e300,1]::float8[]::halfvec$$),
	($$ARRAY[70000,1]::float8[]::halfvec$$),
	($$ARRAY[70000,1]::int[]::halfvec$$),
	($$ARRAY[70000,1]::int[]::sparsevec::halfvec$$),
	($$'{1:1e-8}/2'::sparsevec::halfvec$$),
	($$l2_normalize('{1:1e-40}/2'::sparsevec)$$),
	($$l2_normalize('{1:1e-30,2:1e30}/2'::sparsevec)$$),
	($$l2_normalize('[1e-40,0]'::vector)$$),
	($$l2_normalize('[1e-30,1e30]'::vector)$$)) v(q);
-- states that no aggregate made; an array that cannot be one is 22023 here, XX000 there
SELECT q || ' -> ' || answer(q) FROM (VALUES
	($$vector_avg('{1}')$$),
	($$vector_avg('{0}')$$),
	($$vector_avg('{}')$$),
	($$vector_avg('{0,0}')$$),
	($$vector_avg('{0,1,2}')$$),
	($$vector_avg('{-1,1,2}')$$),
	($$vector_avg('{0.5,1,2}')$$),
	($$vector_avg('{NaN,1,2}')$$),
	($$vector_avg('{Infinity,1,2}')$$),
	($$vector_avg('{1,NaN}')$$),
	($$vector_avg('{1,Infinity}')$$),
	($$vector_avg('{1,1e300}')$$),
	($$vector_avg('{1,NULL}')$$),
	($$vector_avg('{{1,2},{3,4}}')$$),
	($$vector_avg('{{1,2}}')$$),
	($$vector_avg('[0:1]={1,2}')$$),
	($$vector_avg('[5:6]={2,2}')$$),
	($$halfvec_avg('{1}')$$),
	($$halfvec_avg('{0,1}')$$),
	($$halfvec_avg('{1,70000}')$$),
	($$halfvec_avg('{-1,2}')$$),
	($$vector_accum('{0}', '[1,2]')$$),
	($$vector_accum('{1}', '[1,2]')$$),
	($$vector_accum('{}', '[1,2]')$$),
	($$vector_accum('{0,0}', '[1,2]')$$),
	($$vector_accum('{0,0,0}', '[1,2]')$$),
	($$vector_accum('{0,5,6}', '[1,2]')$$),
	($$vector_accum('{1,5}', '[1,2]')$$),
	($$vector_accum('{1,5,6,7}', '[1,2]')$$),
	($$vector_accum('{-1,5,6}', '[1,2]')$$),
	($$vector_accum('{NaN,5,6}', '[1,2]')$$),
	($$vector_accum('{Infinity,5,6}', '[1,2]')$$),
	($$vector_accum('{1,NaN,6}', '[1,2]')$$),
	($$vector_accum('{1,Infinity,6}', '[1,2]')$$),
	($$vector_accum('{1,1.7e308,6}', '[3e38,2]')$$),
	($$vector_accum('{1,NULL,6}', '[1,2]')$$),
	($$vector_accum('{{1,2}}', '[1,2]')$$),
	($$halfvec_accum('{0,0}', '[1,2]')$$),
	($$halfvec_accum('{1,5}', '[1,2]')$$),
	($$halfvec_accum('{0}', '[1,2]')$$),
	($$vector_combine('{0}', '{0}')$$),
	($$vector_combine('{0}', '{1,2}')$$),
	($$vector_combine('{1,2}', '{0}')$$),
	($$vector_combine('{1,2}', '{1,3}')$$),
	($$vector_combine('{0,0}', '{1,2,3}')$$),
	($$vector_combine('{0,1}', '{1,2}')$$),
	($$vector_combine('{1,2}', '{0,1}')$$),
	($$vector_combine('{1}', '{1}')$$),
	($$vector_combine('{1}', '{1,2}')$$),
	($$vector_combine('{0}', '{1}')$$),
	($$vector_combine('{}', '{1,2}')$$),
	($$vector_combine('{1,2}', '{}')$$),
	($$vector_combine('{1,2}', '{1,2,3}')$$),
	($$vector_combine('{-1,2}', '{1,2}')$$),
	($$vector_combine('{NaN,2}', '{1,2}')$$),
	($$vector_combine('{1,NaN}', '{1,2}')$$),
	($$vector_combine('{1,1.7e308}', '{1,1.7e308}')$$),
	($$vector_combine('{1,NULL}', '{1,2}')$$),
	($$halfvec_combine('{1,2}', '{1,3}')$$),
	($$halfvec_combine('{1,2}', '{1,3,4}')$$),
	($$(SELECT vector_avg(array_agg(n)) FROM generate_series(1, 16002) n)$$),
	($$(SELECT vector_accum(array_agg(n), '[1]') FROM generate_series(1, 16002) n)$$),
	($$(SELECT array_length(vector_combine(array_agg(n), array_agg(n)), 1) FROM generate_series(1, 16002) n)$$)) v(q);
-- settings; what iterative_scan is by default differs, and "vector" is a prefix of ours
LOAD 'vector';
CREATE TEMP TABLE given (name text, value text);
INSERT INTO given VALUES ('hnsw.ef_search', '0'), ('hnsw.ef_search', '1'), ('hnsw.ef_search', '1000'), ('hnsw.ef_search', '1001'), ('hnsw.ef_search', '10.4'), ('hnsw.ef_search', 'x'), ('hnsw.ef_search', '10MB'),
	('hnsw.iterative_scan', 'on'), ('hnsw.iterative_scan', 'RELAXED_ORDER'), ('hnsw.iterative_scan', 'strict_order'), ('hnsw.iterative_scan', 'off'), ('hnsw.max_scan_tuples', '0'), ('hnsw.max_scan_tuples', '2147483647'), ('hnsw.max_scan_tuples', '2147483648'),
	('hnsw.scan_mem_multiplier', '0.5'), ('hnsw.scan_mem_multiplier', '1.5'), ('hnsw.scan_mem_multiplier', '1000'), ('hnsw.scan_mem_multiplier', '1001'),
	('ivfflat.probes', '0'), ('ivfflat.probes', '32768'), ('ivfflat.probes', '32769'), ('ivfflat.max_probes', '0'), ('ivfflat.max_probes', '32769'),
	('halfvec.nonsense', '1');
SELECT name || ' = ' || value || ' -> ' || answer(format('set_config(%L, %L, true)', name, value)) FROM given;
SET hnsw.ef_search = 100; SHOW hnsw.ef_search; RESET hnsw.ef_search; SHOW hnsw.ef_search;
SET ivfflat.probes = 5; SET ivfflat.probes TO DEFAULT; SHOW ivfflat.probes;
