-- sparse_inverted is exact: it answers what asks for the whole truth, too

SET client_min_messages = warning;
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

-- dropping a part of the query is no exact answer
SET sparse_inverted.drop_ratio = 0.5;
SELECT uses_index($$SELECT id FROM docs ORDER BY v <#> '{3:1}/100'$$);
SELECT uses_index($$SELECT id FROM docs ORDER BY v <#> '{3:1}/100' LIMIT 5$$);
-- 3 is dropped for finding rows, and counts for their order
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

DROP TABLE docs;
DROP FUNCTION total_cost, uses_index;
