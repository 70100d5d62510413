-- Late interaction: MaxSim against the formula in plain SQL, bad input
CREATE SCHEMA max_sim;
SET search_path = max_sim, public;
SET client_min_messages = warning;
SET extra_float_digits = -3;

SELECT max_sim('{"[1,2]","[3,-1]"}'::vector[], '{"[1,0]","[0,1]","[-1,-1]"}'), '{"[1,2]","[3,-1]"}'::vector[] @# '{"[1,0]","[0,1]","[-1,-1]"}' AS distance,
	max_sim('{"[1,2]","[3,-1]"}'::halfvec[], '{"[1,0]","[0,1]","[-1,-1]"}') AS half, '{"[1,2]","[3,-1]"}'::halfvec[] @# '{"[1,0]","[0,1]","[-1,-1]"}' AS half_distance;
SELECT max_sim(ARRAY['[2]']::vector[], ARRAY['[3]']::vector[]), max_sim('[5:6]={"[1]","[4]"}'::vector[], '{"[-1]"}') AS bounds;

-- The sum, over the query's vectors, of the greatest inner product: numbers of vectors and dimensions around the sizes of blocks
CREATE FUNCTION by_formula(document vector[], query vector[]) RETURNS float8 LANGUAGE sql IMMUTABLE AS $$
	SELECT sum(best) FROM unnest(query) q, LATERAL (SELECT max(inner_product(d, q)) AS best FROM unnest(document) d) x $$;
CREATE FUNCTION some_vectors(count int, dims int, seed int) RETURNS vector[] LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg(v ORDER BY i) FROM (SELECT i, array_agg((hashint4(i * 7919 + j * 31 + seed) % 9)::real ORDER BY j)::vector AS v FROM generate_series(1, count) i, generate_series(1, dims) j GROUP BY i) x $$;
CREATE TABLE shapes AS
SELECT d, q, dims, some_vectors(d, dims, 1) AS document, some_vectors(q, dims, 2) AS query
FROM unnest(ARRAY[1, 2, 63, 64, 65, 130]) d, unnest(ARRAY[1, 31, 33, 257]) q, unnest(ARRAY[1, 3, 16, 33]) dims;
SELECT count(*), count(*) FILTER (WHERE max_sim(document, query) = by_formula(document, query)) AS same, count(*) FILTER (WHERE -(document @# query) = by_formula(document, query)) AS operator,
	count(*) FILTER (WHERE max_sim(document::halfvec[], query::halfvec[]) = by_formula(document, query)) AS half FROM shapes;
-- wide ones, out of line: the query from a table is prepared once, also where it is compressed or changes with each row
CREATE TABLE documents (id int PRIMARY KEY, tokens vector(200)[]);
INSERT INTO documents SELECT i, some_vectors(20 + i % 7, 200, i) FROM generate_series(1, 40) i;
INSERT INTO documents SELECT 41, array_agg('[1]'::vector || array_fill(0, ARRAY[199])::vector) FROM generate_series(1, 200);
SELECT bool_and(max_sim(d.tokens, (SELECT tokens FROM documents WHERE id = 3)) = by_formula(d.tokens, (SELECT tokens FROM documents WHERE id = 3))) FROM documents d;
SELECT bool_and(max_sim(d.tokens, (SELECT tokens FROM documents WHERE id = 41)) = by_formula(d.tokens, (SELECT tokens FROM documents WHERE id = 41))) FROM documents d;
SELECT bool_and(max_sim(d.tokens, q.tokens) = by_formula(d.tokens, q.tokens)) FROM documents d, documents q WHERE d.id + q.id < 12;
DO $$
DECLARE
	query vector[] := (SELECT tokens[1:3] FROM documents WHERE id = 1);
BEGIN
	FOR i IN 1..3 LOOP
		query[i] := l2_normalize(query[i]);
		IF (SELECT bool_or(abs(max_sim(tokens, query) - by_formula(tokens, query)) > 1e-3) FROM documents) THEN
			RAISE 'MaxSim differs from its formula';
		END IF;
	END LOOP;
END $$;

-- Nothing to compare with: null, the last in order; nulls
SELECT max_sim('{}', '{"[1]"}'::vector[]) IS NULL AS empty, '{}'::halfvec[] @# '{"[1]"}' IS NULL AS half, max_sim(NULL, '{"[1]"}'::vector[]) IS NULL AS no_document, max_sim('{"[1]"}'::vector[], NULL) IS NULL AS no_query;
-- sums that leave the range of float32
SELECT max_sim('{"[3e38,3e38]"}'::vector[], '{"[3e38,3e38]"}') AS above, max_sim('{"[-3e38,3e38]","[-3e38,0]"}'::vector[], '{"[3e38,0]"}') AS below;

-- Bad input
SELECT max_sim('{"[1]"}'::vector[], '{}');
SELECT max_sim('{"[1]",NULL}'::vector[], '{"[1]"}');
SELECT max_sim('{"[1]"}'::vector[], '{NULL}');
SELECT max_sim('{{"[1]"},{"[2]"}}'::vector[], '{"[1]"}');
SELECT max_sim('{"[1]"}'::halfvec[], '{{"[1]"}}');
SELECT max_sim('{"[1]","[1,2]"}'::vector[], '{"[1]"}');
SELECT max_sim('{"[1]"}'::vector[], '{"[1]","[1,2]"}');
SELECT max_sim('{"[1]"}'::halfvec[], '{"[1,2]"}');
SELECT max_sim('{"[1]"}'::vector[], '{"[1]"}'::halfvec[]);

DROP SCHEMA max_sim CASCADE;
