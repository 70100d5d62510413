-- Casts from and to JSON, bit, bigint[] and double precision[]
\set SHOW_CONTEXT never
SELECT '[1, 2.5, -3e0]'::json::vector, ' [1,2.50,-3E-2] '::jsonb::vector(3), '[0.1,65504,-0]'::json::halfvec, '[1e-46,1e-45]'::jsonb::vector;
SELECT '[1,2.5,-3]'::vector::json, '[1e-05,3.4028235e38,-0]'::vector::jsonb, '[0.00006,65504]'::halfvec::json, '[0.1]'::halfvec::jsonb;
SELECT '[1,2]'::json::vector(3);
SELECT '[1,2,3]'::jsonb::halfvec(2);
-- every float comes back
SELECT count(*), count(*) FILTER (WHERE v::json::vector = v), count(*) FILTER (WHERE v::jsonb::vector = v), count(*) FILTER (WHERE h::json::halfvec = h), count(*) FILTER (WHERE h::jsonb::halfvec = h)
FROM (SELECT ARRAY[sin(i) * 10 ^ (i % 77 - 39), i / 3.0, -i]::vector AS v, ARRAY[sin(i) * 10 ^ (i % 11 - 7), i / 3.0, -i]::vector::halfvec AS h FROM generate_series(1, 3000) i) q;
-- refused: what is no array of numbers, has too many, or too large ones
CREATE FUNCTION attempt(value text, cast_to text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE r text;
BEGIN
	EXECUTE format('SELECT (%L::%s)::text', value, cast_to) INTO r;
	RETURN r;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || left(SQLERRM, 70);
END $$;
SELECT value, attempt(value, 'json::vector') AS json, attempt(value, 'jsonb::vector') AS jsonb, attempt(value, 'json::halfvec') AS half
FROM unnest(ARRAY['[]', '{}', '{"a":[1]}', '1', '"[1,2]"', 'null', 'true', '[null]', '[1,null]', '["1"]', '[1,"NaN"]', '[NaN]', '[true]', '[[1]]', '[1,[2]]', '[{}]',
	'[1e39]', '[-1e400]', '[65520]', '[1e-400]', '[1,2', '[1,]', '']) value;
SELECT attempt('[' || repeat('1,', 15999) || '1]', 'jsonb::vector') LIKE '[1,1,%', attempt('[' || repeat('1,', 16000) || '1]', 'json::vector'), attempt(repeat('[', 3000) || repeat(']', 3000), 'jsonb::vector');
SELECT NULL::json::vector, NULL::vector::jsonb, jsonb '{"e":[1,2]}' -> 'x' IS NULL;
-- on assignment
CREATE TABLE assigned (v vector(2), h halfvec(2), j json, b jsonb, f float8[], i bigint[], s sparsevec(2));
INSERT INTO assigned SELECT doc -> 'e', doc -> 'e', '[1,2]'::vector, '[1,2]'::halfvec, '[1.5,2.5]'::vector, '[1.5,2.5]'::halfvec, ARRAY[3, 0]::bigint[] FROM (SELECT '{"e":[1.5,2]}'::jsonb) d(doc);
INSERT INTO assigned (v, h) SELECT ARRAY[1, 2]::bigint[], ARRAY[1, 2]::bigint[];
INSERT INTO assigned (v) SELECT '[1,2,3]'::jsonb;
INSERT INTO assigned (v) SELECT B'10';
SELECT * FROM assigned;
-- what others make of vectors as JSON is as it was: a string; both come back
SELECT to_json(v), to_jsonb(h), row_to_json(r), json_agg(v) FROM (SELECT v, h FROM assigned LIMIT 1) r GROUP BY v, h, r;
SELECT * FROM jsonb_populate_recordset(NULL::assigned, '[{"v":[1,2],"h":"[3,4]"}]');
SELECT * FROM jsonb_to_record('{"v":[1,2]}') AS x(v vector(2));

SELECT B'10110'::vector, B'1'::bit(1)::halfvec, X'8001'::bit(16)::vector(16), repeat('1', 9)::bit(9)::halfvec;
SELECT binary_quantize(B'0110'::vector) = B'0110';
SELECT B'101'::vector(2);
SELECT B''::vector;
SELECT repeat('10', 8000)::bit(16000)::vector IS NOT NULL;
SELECT repeat('1', 16001)::bit(16001)::halfvec;

SELECT ARRAY[1, -2, 9007199254740993]::bigint[]::vector, ARRAY[1, 65504]::bigint[]::halfvec, ARRAY[0, 9223372036854775807, -9223372036854775808]::bigint[]::sparsevec;
SELECT ARRAY[70000]::bigint[]::halfvec;
SELECT ARRAY[1, NULL]::bigint[]::vector;
SELECT '{}'::bigint[]::vector;
SELECT '{{1}}'::bigint[]::vector;
SELECT ARRAY[1, 2]::bigint[]::vector(3);
SELECT '[0.1,-2.5,3.4028235e38]'::vector::float8[], '[0.1,65504]'::halfvec::float8[];
SELECT '[0.5,1.5,2.5,-0.5,-1.5,0.49999997,1e10]'::vector::bigint[], '[0.5,1.5,-65504]'::halfvec::bigint[];
SELECT '[-9.223372e18,9.223371e18]'::vector::bigint[];
SELECT '[9.223372e18]'::vector::bigint[];
SELECT '[-9.3e18]'::vector::bigint[];
SELECT pg_typeof('[1]'::vector::float8[]), ('[1,2]'::vector::float8[])[2], array_length('[1,2,3]'::vector::bigint[], 1);
-- no query that was clear is ambiguous: an unknown literal beside a vector is a vector, a vector where an array is wanted a real[]
SELECT '[1,2]'::vector <-> '[1,2]', '[1,2]'::vector || '[3]', '[1,2]'::vector = '[1,2]', unnest('[1,2]'::vector::real[]), pg_typeof(coalesce('[1]'::vector, '[2]'));
