-- avg and sum, alone and by parallel workers, as window functions, and with
-- states that no aggregate made
CREATE TABLE a AS SELECT i % 5 AS g, ARRAY[i, -i, i * 0.5]::vector AS v FROM generate_series(1, 1000) i;
SELECT g, avg(v), sum(v), avg(v::halfvec), sum((v * '[0.01,0.01,0.01]')::halfvec) FROM a GROUP BY g ORDER BY g;
SELECT avg(v) OVER (ORDER BY v::real[] ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM a LIMIT 3;
SELECT avg(v), sum(v) FROM a WHERE g < 0;
SELECT avg(h) FROM (VALUES ('[65504]'::halfvec), ('[65504]')) AS t(h);

SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
EXPLAIN (COSTS OFF) SELECT avg(v), sum(v), avg(v::halfvec) FROM a;
SELECT avg(v), sum(v), avg(v::halfvec), sum((v * '[0.001,0.001,0.001]')::halfvec) IS NOT NULL FROM a;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;

-- states by hand: used or refused, never changed in place
SELECT vector_avg('{2,4,6}'), halfvec_avg('{4,4,6}'), vector_avg('{0}'), vector_avg('{0,1,2}');
SELECT vector_accum('{0}', '[1,2]'), vector_accum('{1,1,2}', '[1,2]'), halfvec_accum('{1,1,2}', '[1,2]');
SELECT s, vector_accum(s, '[1,1]'), s FROM (SELECT '{1,1,2}'::float8[] AS s OFFSET 0) q;
SELECT vector_combine('{0}', '{1,2,3}'), vector_combine('{1,2,3}', '{0}'), vector_combine('{1,2,3}', '{2,1,1}'), halfvec_combine('{1,2}', '{1,2}');
SELECT vector_avg('{}');
SELECT vector_avg('{{1,2}}');
SELECT vector_avg('{1,NULL}');
SELECT vector_avg('{1}');
SELECT vector_avg('{-1,2}');
SELECT vector_avg('{NaN,2}');
SELECT vector_avg('{Infinity,2}');
SELECT vector_avg('{1,NaN}');
SELECT vector_avg('{1,1e300}');
SELECT halfvec_avg('{1,65520}');
SELECT halfvec_avg('{}');
SELECT halfvec_avg(array_fill(1::float8, ARRAY[16002]));
SELECT halfvec_combine('{1,1}', '{1}');
SELECT vector_accum('{}', '[1]');
SELECT vector_accum('{{1},{2}}', '[1]');
SELECT vector_accum('{1,2,3}', '[1]');
SELECT vector_accum('{NULL,1}', '[1]');
SELECT vector_accum('{1,1.7976931348623157e308}', '[3e38]');
SELECT vector_accum('{1,Infinity}', '[1]');
SELECT halfvec_accum('{}', '[1]');
SELECT vector_combine('{}', '{}');
SELECT vector_combine('{1,2}', '{1,2,3}');
SELECT vector_combine('{1,1.7976931348623157e308}', '{1,1.7976931348623157e308}');
SELECT vector_combine('{1,2}', '{{1,2}}');
SELECT vector_avg(array_fill(1::float8, ARRAY[16001])) IS NOT NULL;
SELECT vector_avg(array_fill(1::float8, ARRAY[16002]));
SELECT vector_avg('[-3:-2]={2,5}');
