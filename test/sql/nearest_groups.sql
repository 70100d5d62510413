-- nearest_groups(): the best rows of each of the nearest groups
SET client_min_messages = warning;
CREATE TABLE group_items (id int PRIMARY KEY, doc int, name text, v vector(3));
INSERT INTO group_items
SELECT i, nullif(i * 7 % 60, 13), 'd' || i * 7 % 60, format('[%s,%s,%s]', i * 31 % 97, i * 17 % 89, i * 5 % 23)::vector
FROM generate_series(1, 3000) i;
CREATE INDEX ON group_items USING hnsw (v vector_l2_ops);
VACUUM ANALYZE group_items;

-- against all rows sorted: the first k groups, n rows of each
CREATE FUNCTION compare_groups(key text, type text, groups int, n int) RETURNS TABLE (rows bigint, differ bigint) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format('
	WITH found AS MATERIALIZED (SELECT g, d FROM nearest_groups($q$SELECT %1$s, v <-> $1, id FROM group_items ORDER BY v <-> $1$q$, %3$s, %4$s, ''[40,40,9]''::vector) AS t(g %2$s, d float8, id int)),
	ranked AS MATERIALIZED (SELECT %1$s AS g, v <-> ''[40,40,9]'' AS d, row_number() OVER (PARTITION BY %1$s ORDER BY v <-> ''[40,40,9]'') AS place, min(v <-> ''[40,40,9]'') OVER (PARTITION BY %1$s) AS best FROM group_items),
	wanted AS (SELECT g, d FROM (SELECT *, dense_rank() OVER (ORDER BY best, g) AS nth FROM ranked) x WHERE place <= %4$s AND nth <= %3$s)
	SELECT (SELECT count(*) FROM found), (SELECT count(*) FROM ((TABLE found EXCEPT ALL TABLE wanted) UNION ALL (TABLE wanted EXCEPT ALL TABLE found)) x)', key, type, groups, n);
END $$;
SELECT groups, n, int_keys.*, text_keys.* FROM (VALUES (1, 1), (10, 1), (10, 3), (59, 2), (60, 50), (1000, 1000)) x(groups, n),
	compare_groups('doc', 'int', groups, n) int_keys, compare_groups('name', 'text', groups, n) text_keys ORDER BY 1, 2;

-- rows come in the query's order; it is read only as far as is needed
SELECT * FROM nearest_groups('SELECT doc, id, v <-> $1 FROM group_items ORDER BY v <-> $1, id', 3, 1, '[1,2,3]'::vector) AS t(doc int, id int, distance float8);
SELECT count(*) FROM nearest_groups('SELECT x, 1 / (2000 - x) FROM generate_series(1, 100000) x', 10, 1) AS t(x int, y int);
SELECT x FROM nearest_groups('SELECT x % 3, x FROM generate_series(1, 100) x WHERE x > $2 AND x < $1', 2, 2, 90, 10) AS t(g int, x int);
SELECT g, x FROM nearest_groups('SELECT nullif(x % 3, 1), x FROM generate_series(1, 100) x', 2, 2, VARIADIC ARRAY[1, 2]) AS t(g int, x int);
SELECT count(*) FROM nearest_groups('SELECT 1 WHERE false', 2, 2) AS t(g int);
-- once for each row of another table
SELECT q, g, x FROM generate_series(1, 2) q, nearest_groups('SELECT x % $1, x FROM generate_series(1, 100) x', 2, 1, q + 2) AS t(g int, x int);

-- what is refused
SELECT * FROM nearest_groups('SELECT 1', 0, 1) AS t(g int);
SELECT * FROM nearest_groups('SELECT 1', 1, -1) AS t(g int);
SELECT * FROM nearest_groups(NULL, 1, 1) AS t(g int);
SELECT * FROM nearest_groups('SELECT 1', 1, 1) AS t(g text);
SELECT * FROM nearest_groups('SELECT 1', 1, 1) AS t(g int, h int);
SELECT * FROM nearest_groups('SELECT ''(1,2)''::point', 1, 1) AS t(g point);
SELECT nearest_groups('SELECT 1', 1, 1);
SELECT * FROM nearest_groups('DELETE FROM group_items', 1, 1) AS t(g int);
SELECT * FROM nearest_groups('WITH x AS (DELETE FROM group_items RETURNING id) SELECT id FROM x', 1, 1) AS t(g int);
SELECT * FROM nearest_groups('SELECT 1; SELECT 2', 1, 1) AS t(g int);
SELECT * FROM nearest_groups('SELECT $1', 1, 1) AS t(g int);
-- as the caller
CREATE ROLE group_reader;
SET ROLE group_reader;
SELECT * FROM nearest_groups('SELECT doc FROM group_items', 1, 1) AS t(g int);
RESET ROLE;
DROP ROLE group_reader;
DROP TABLE group_items;
DROP FUNCTION compare_groups;
