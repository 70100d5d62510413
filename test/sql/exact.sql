-- Exact search: order, filters, joins, lateral queries, parallel plans
CREATE TABLE items (id int PRIMARY KEY, category int, v vector(8), h halfvec(8), s sparsevec(8), b bit(64));
INSERT INTO items
SELECT i, i % 10, v, v, v, (SELECT string_agg(CASE WHEN sin(i * j * 1.3) > 0 THEN '1' ELSE '0' END, '') FROM generate_series(1, 64) j)::bit(64)
FROM generate_series(1, 3000) i, LATERAL (SELECT array_agg(sin(i * j))::vector AS v FROM generate_series(1, 8) j) x;
ANALYZE items;

-- against distances computed from arrays in double precision
CREATE FUNCTION slow_l2(a vector, b vector) RETURNS float8 LANGUAGE sql IMMUTABLE AS
	'SELECT sqrt(sum((x::float8 - y::float8) ^ 2)) FROM unnest(a::real[], b::real[]) AS e(x, y)';
WITH q AS (SELECT v FROM items WHERE id = 77),
	fast AS (SELECT id FROM items, q ORDER BY items.v <-> q.v, id LIMIT 20),
	slow AS (SELECT id FROM items, q ORDER BY slow_l2(items.v, q.v), id LIMIT 20)
SELECT count(*) FROM fast JOIN slow USING (id);
SELECT max(abs((a.v <-> b.v) - slow_l2(a.v, b.v))) < 1e-5 AS close FROM items a, items b WHERE a.id <= 20 AND b.id <= 20;

EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY v <-> '[1,0,0,0,0,0,0,0]' LIMIT 5;
SELECT id FROM items WHERE category = 3 ORDER BY v <-> (SELECT v FROM items WHERE id = 77), id LIMIT 5;
SELECT id FROM items WHERE category = 3 ORDER BY h <=> (SELECT h FROM items WHERE id = 77), id LIMIT 1;
SELECT id FROM items ORDER BY s <#> (SELECT s FROM items WHERE id = 77), id LIMIT 3;
SELECT id, b <~> (SELECT b FROM items WHERE id = 77) AS bits FROM items ORDER BY 2, 1 LIMIT 3;
SELECT q.id, n.id FROM items q, LATERAL (SELECT id FROM items WHERE id <> q.id ORDER BY v <-> q.v, id LIMIT 1) n WHERE q.id <= 3 ORDER BY 1;
SELECT count(*) FROM items WHERE v <-> (SELECT v FROM items WHERE id = 77) < 0.5;

-- the same rows from a parallel plan
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY v <-> '[1,0,0,0,0,0,0,0]' LIMIT 5;
CREATE TABLE parallel AS SELECT id FROM items ORDER BY v <-> '[1,0,0,0,0,0,0,0]', id LIMIT 50;
SET max_parallel_workers_per_gather = 0;
CREATE TABLE serial AS SELECT id FROM items ORDER BY v <-> '[1,0,0,0,0,0,0,0]', id LIMIT 50;
SELECT count(*) FROM parallel JOIN serial USING (id);
