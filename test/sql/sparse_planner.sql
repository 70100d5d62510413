-- sparse_inverted is exact: it answers what asks for the whole truth, too

SET client_min_messages = warning;
SET jit = off;
CREATE TABLE docs (id int PRIMARY KEY, v sparsevec(100) NOT NULL, maybe sparsevec(100), n int);
INSERT INTO docs SELECT i, format('{%s:%s,%s:1}/100', 1 + i % 50, 1 + i % 7, 51 + i % 49)::sparsevec,
	CASE WHEN i % 2 = 0 THEN '{1:1}/100'::sparsevec END, i % 5 FROM generate_series(1, 3000) AS i;
CREATE INDEX docs_v ON docs USING sparse_inverted (v, n);
CREATE INDEX docs_maybe ON docs USING sparse_inverted (maybe);
VACUUM ANALYZE docs;
CREATE FUNCTION uses_index(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE line text; result text := '';
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || query LOOP
		result := result || coalesce(substring(line FROM '(?:Index Scan using \w+|Seq Scan|Index Cond.*|Order By.*)'), '');
	END LOOP;
	RETURN result;
END
$$;
SET enable_seqscan = off;
SET enable_sort = off;
SET vector.enable_exact_scan = off;

-- an order without a limit, windows, DISTINCT, GROUP BY
SELECT uses_index($$SELECT id FROM docs ORDER BY v <#> '{3:1}/100'$$);
SELECT uses_index($$SELECT id, rank() OVER (ORDER BY v <#> '{3:1}/100') FROM docs LIMIT 5$$);
SELECT uses_index($$SELECT DISTINCT v <#> '{3:1}/100' FROM docs$$);
SELECT uses_index($$SELECT min(v <#> '{3:1}/100') FROM docs$$);
SELECT d, count(*) FROM (SELECT DISTINCT ON (id) id, v <#> '{3:1}/100' AS d FROM docs) AS distinct_docs GROUP BY d ORDER BY d;
SELECT DISTINCT v <#> '{3:1}/100' FROM docs;
SELECT min(v <#> '{3:1}/100') FROM docs;
SELECT rank() OVER (ORDER BY v <#> '{3:1}/100') FROM docs LIMIT 9;

-- not where there may be nulls, unless they are left out
SELECT uses_index($$SELECT id FROM docs ORDER BY maybe <#> '{3:1}/100'$$);
SELECT uses_index($$SELECT id FROM docs WHERE maybe IS NOT NULL ORDER BY maybe <#> '{3:1}/100'$$);

-- a descending order of what falls as the distance rises begins with NaN, the
-- cosine distance of a zero vector, which an index has last
CREATE TABLE zeros (id int, v sparsevec(100) NOT NULL);
INSERT INTO zeros SELECT i, CASE i % 100 WHEN 0 THEN '{}/100' ELSE format('{%s:%s,3:1}/100', 4 + i % 50, 1 + i % 7) END::sparsevec
FROM generate_series(1, 1000) AS i;
CREATE INDEX zeros_v ON zeros USING sparse_inverted (v sparsevec_cosine_ops);
ANALYZE zeros;
SELECT uses_index($$SELECT id FROM zeros ORDER BY 1 - (v <=> '{3:1}/100') DESC$$);
SELECT uses_index($$SELECT rank() OVER (ORDER BY 1 - (v <=> '{3:1}/100') DESC) FROM zeros$$);
SELECT uses_index($$SELECT id FROM zeros ORDER BY v <=> '{3:1}/100'$$);
SELECT uses_index($$SELECT id FROM zeros ORDER BY 1 - (v <=> '{3:1}/100') DESC LIMIT 3$$);
SELECT count(*) FILTER (WHERE n <= 10 AND s = 'NaN') FROM
	(SELECT row_number() OVER () AS n, s FROM (SELECT 1 - (v <=> '{3:1}/100') AS s FROM zeros ORDER BY s DESC) AS o) AS numbered;
DROP TABLE zeros;

-- ranges and spheres, in statements that change rows, too
SELECT uses_index($$SELECT count(*) FROM docs WHERE v <#> '{3:1}/100' < -5$$);
SELECT count(*) FROM docs WHERE v <#> '{3:1}/100' < -5;
SELECT count(*) FROM docs WHERE (v <#> '{3:1}/100') + 0 < -5;
SELECT uses_index($$UPDATE docs SET n = 7 WHERE v <#> '{3:1}/100' <= -7$$);
UPDATE docs SET n = 7 WHERE v <#> '{3:1}/100' <= -7;
SELECT count(*) FROM docs WHERE n = 7;
SELECT uses_index($$DELETE FROM docs WHERE v <<#>> sphere('{3:1}/100'::sparsevec, -7) AND n = 7$$);
DELETE FROM docs WHERE v <<#>> sphere('{3:1}/100'::sparsevec, -7) AND n = 7;
SELECT count(*) FROM docs WHERE n = 7;

-- a part of the query is dropped for the first rows, and not where all are asked for
SET sparse_inverted.drop_ratio = 0.5;
SELECT uses_index($$SELECT id FROM docs ORDER BY v <#> '{3:1}/100'$$);
SELECT uses_index($$SELECT id FROM docs ORDER BY v <#> '{3:1}/100' LIMIT 5$$);
SELECT count(*), count(*) FILTER (WHERE d < 0) AS found FROM (SELECT v <#> '{3:2,53:1}/100' AS d FROM docs ORDER BY 1 LIMIT 200) AS first;
SELECT count(*), count(*) FILTER (WHERE d < 0) AS found, max(r) FROM (SELECT v <#> '{3:2,53:1}/100' AS d, rank() OVER (ORDER BY v <#> '{3:2,53:1}/100') AS r FROM docs) AS every;
SELECT min(v <#> '{3:2,53:1}/100'), count(*) FROM docs WHERE v <#> '{3:2,53:1}/100' < 0;
-- a plan that is kept is right, whatever the setting was when it was made
SET plan_cache_mode = force_generic_plan;
PREPARE for_all(sparsevec) AS SELECT count(*), count(*) FILTER (WHERE d < 0) AS found, sum(d), max(r) FROM (SELECT v <#> $1 AS d, rank() OVER (ORDER BY v <#> $1) AS r FROM docs) AS every;
PREPARE for_first(sparsevec) AS SELECT count(*), count(*) FILTER (WHERE d < 0) AS found, sum(d) FROM (SELECT v <#> $1 AS d FROM docs ORDER BY v <#> $1 LIMIT 200) AS first;
EXECUTE for_all('{3:2,53:1}/100');
EXECUTE for_first('{3:2,53:1}/100');
RESET sparse_inverted.drop_ratio;
EXECUTE for_all('{3:2,53:1}/100');
EXECUTE for_first('{3:2,53:1}/100');
DEALLOCATE ALL;
PREPARE for_all(sparsevec) AS SELECT count(*), count(*) FILTER (WHERE d < 0) AS found, sum(d), max(r) FROM (SELECT v <#> $1 AS d, rank() OVER (ORDER BY v <#> $1) AS r FROM docs) AS every;
PREPARE for_first(sparsevec) AS SELECT count(*), count(*) FILTER (WHERE d < 0) AS found, sum(d) FROM (SELECT v <#> $1 AS d FROM docs ORDER BY v <#> $1 LIMIT 200) AS first;
EXECUTE for_all('{3:2,53:1}/100');
BEGIN;
DECLARE of_all NO SCROLL CURSOR FOR SELECT v <#> '{3:2,53:1}/100' AS d, rank() OVER (ORDER BY v <#> '{3:2,53:1}/100') FROM docs;
SET LOCAL sparse_inverted.drop_ratio = 0.5;
EXECUTE for_all('{3:2,53:1}/100');
EXECUTE for_first('{3:2,53:1}/100');
MOVE ALL IN of_all;
COMMIT;
DEALLOCATE ALL;
RESET plan_cache_mode;
-- what is dropped costs some of the rows, not their order: 600 rows of 12 random
-- elements, 40 queries of 10, the ten best
CREATE TABLE random_docs (id int, v sparsevec(300) NOT NULL);
CREATE FUNCTION random_item(seed int, elements int) RETURNS sparsevec LANGUAGE sql IMMUTABLE AS $$
	SELECT ('{' || string_agg(d || ':' || w, ',') || '}/300')::sparsevec FROM (SELECT DISTINCT ON (d) d, w FROM (
		SELECT 1 + (300 * power((hashint8extended(i, seed) & 65535) / 65536.0, 2))::int % 300 AS d, exp(((hashint8extended(i, seed + 100000) & 65535) / 65536.0 - 0.5) * 3)::real AS w
		FROM generate_series(1, elements) AS i) AS e) AS d $$;
INSERT INTO random_docs SELECT i, random_item(i, 12) FROM generate_series(1, 600) AS i;
CREATE INDEX ON random_docs USING sparse_inverted (v);
CREATE FUNCTION recall(ratio text, OUT recall numeric, OUT disorder bigint) LANGUAGE plpgsql AS $$
DECLARE
	q sparsevec;
	found float8[];
	best float8;
BEGIN
	recall := 0; disorder := 0;
	FOR i IN 1..40 LOOP
		q := random_item(5000 + i, 10);
		PERFORM set_config('sparse_inverted.drop_ratio', '0', true);
		best := (SELECT max(d) FROM (SELECT v <#> q AS d FROM random_docs ORDER BY v <#> q LIMIT 10) AS s);
		PERFORM set_config('sparse_inverted.drop_ratio', ratio, true);
		found := ARRAY(SELECT v <#> q FROM random_docs ORDER BY v <#> q LIMIT 10);
		recall := recall + (SELECT count(*) FROM unnest(found) AS d WHERE d <= best);
		disorder := disorder + (SELECT count(*) FROM generate_subscripts(found, 1) AS n WHERE n > 1 AND found[n] < found[n - 1]) + 10 - cardinality(found);
	END LOOP;
	recall := round(recall / 400, 3);
END $$;
SELECT ratio, recall > least AS enough, disorder FROM (VALUES ('0', 0.999), ('0.1', 0.99), ('0.3', 0.98), ('0.5', 0.97), ('1', 0.3)) AS x(ratio, least), recall(ratio);
-- 3 is dropped for finding rows, and counts for their order
SET sparse_inverted.drop_ratio = 0.5;
SELECT v <#> '{3:2,53:20}/100' AS d FROM docs ORDER BY v <#> '{3:2,53:20}/100' LIMIT 4;
RESET sparse_inverted.drop_ratio;
SELECT v <#> '{3:2,53:20}/100' AS d FROM docs ORDER BY v <#> '{3:2,53:20}/100' LIMIT 4;

-- costs go by the lengths of lists
CREATE FUNCTION total_cost(query text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
	RETURN (plan->0->'Plan'->>'Total Cost')::float8;
END
$$;
SELECT total_cost($$SELECT id FROM docs ORDER BY v <#> '{100:1}/100' LIMIT 1$$) <
	total_cost($$SELECT id FROM docs ORDER BY v <#> '{1:1,2:1,3:1,4:1,5:1,6:1,7:1,8:1,9:1}/100' LIMIT 1$$);

DROP TABLE docs, random_docs;
DROP FUNCTION total_cost, uses_index, random_item, recall;
