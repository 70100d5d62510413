-- The exact scan gives what a sequential scan under a sort gives
CREATE SCHEMA exact_scan;
SET search_path = exact_scan, public;
SET max_parallel_workers_per_gather = 0;
CREATE TABLE items (id int, dropped int, category int, v vector(6), h halfvec(6), s sparsevec(6), b bit(48));
INSERT INTO items
SELECT i, 0, i % 7, v, v, v, (SELECT string_agg(CASE WHEN sin(i * j * 1.3) > 0 THEN '1' ELSE '0' END, '') FROM generate_series(1, 48) j)::bit(48)
FROM generate_series(1, 2000) i, LATERAL (SELECT array_agg(sin(i * j))::vector AS v FROM generate_series(1, 6) j) x;
ALTER TABLE items DROP COLUMN dropped, ADD COLUMN label text DEFAULT 'none', ADD COLUMN w vector(2) DEFAULT '[1,2]';
-- versions that the snapshot does not see, rows without a vector, and rows at no distance (NaN)
DELETE FROM items WHERE id % 11 = 0;
UPDATE items SET label = 'updated', w = '[3,4]' WHERE id % 5 = 0;
INSERT INTO items (id, category, v) VALUES (3001, 1, NULL), (3002, 1, NULL), (3003, 1, '[0,0,0,0,0,0]');
BEGIN;
INSERT INTO items (id, category, v) SELECT i, 1, '[1,0,0,0,0,0]' FROM generate_series(4001, 4050) i;
ROLLBACK;
ANALYZE items;
CREATE TABLE queries (n int, v vector(6), h halfvec(6), s sparsevec(6), b bit(48));
INSERT INTO queries SELECT id, v, h, s, b FROM items WHERE id IN (7, 78, 778);

-- Both plans of a statement; differences in their rows, in order
CREATE FUNCTION compare_plans(statement text, OUT exact boolean, OUT rows bigint, OUT differences bigint) LANGUAGE plpgsql AS $$
DECLARE
	line text;
	fast text[];
	slow text[];
BEGIN
	exact := false;
	PERFORM set_config('vector.enable_exact_scan', 'on', true);
	FOR line IN EXECUTE 'EXPLAIN ' || statement LOOP
		exact := exact OR line LIKE '%VectorExactScan%';
	END LOOP;
	EXECUTE format('SELECT array_agg(r::text ORDER BY n) FROM (SELECT row_number() OVER () AS n, q AS r FROM (%s) q) x', statement) INTO fast;
	PERFORM set_config('vector.enable_exact_scan', 'off', true);
	EXECUTE format('SELECT array_agg(r::text ORDER BY n) FROM (SELECT row_number() OVER () AS n, q AS r FROM (%s) q) x', statement) INTO slow;
	rows := cardinality(fast);
	SELECT count(*) INTO differences FROM unnest(fast, slow) AS d(f, s) WHERE f IS DISTINCT FROM s;
END $$;

SELECT statement, (compare_plans(statement)).* FROM (VALUES
	('SELECT id FROM items ORDER BY v <-> (SELECT v FROM queries WHERE n = 7) LIMIT 10'),
	('SELECT id, v <-> (SELECT v FROM queries WHERE n = 7) AS d FROM items ORDER BY d LIMIT 10 OFFSET 5'),
	('SELECT id FROM items ORDER BY (SELECT v FROM queries WHERE n = 7) <-> v LIMIT 10'),
	('SELECT * FROM items ORDER BY v <-> ''[1,2,3,4,5,6]'' LIMIT 1'),
	('SELECT id FROM items ORDER BY v <#> ''[1,2,3,4,5,6]'' LIMIT 10'),
	('SELECT v <=> ''[1,2,3,4,5,6]'' AS d FROM items ORDER BY d LIMIT 10'),
	('SELECT id FROM items ORDER BY v <+> ''[1,2,3,4,5,6]'' LIMIT 10'),
	('SELECT id FROM items ORDER BY l2_distance(v, ''[1,2,3,4,5,6]'') LIMIT 10'),
	('SELECT id FROM items ORDER BY h <-> (SELECT h FROM queries WHERE n = 78) LIMIT 10'),
	('SELECT id FROM items ORDER BY h <=> (SELECT h FROM queries WHERE n = 78) LIMIT 10'),
	('SELECT id FROM items ORDER BY s <-> (SELECT s FROM queries WHERE n = 78) LIMIT 10'),
	('SELECT id FROM items ORDER BY s <#> (SELECT s FROM queries WHERE n = 78) LIMIT 10'),
	('SELECT id, label, w FROM items WHERE category = 3 ORDER BY v <-> ''[1,2,3,4,5,6]'' LIMIT 10'),
	('SELECT id FROM items WHERE category = 3 AND label = ''updated'' ORDER BY v <-> ''[1,2,3,4,5,6]'' LIMIT 100'),
	('SELECT id FROM items WHERE v <-> ''[1,2,3,4,5,6]'' < 9 ORDER BY v <-> ''[1,2,3,4,5,6]'' LIMIT 10'),
	('SELECT id FROM items WHERE category = 99 ORDER BY v <-> ''[1,2,3,4,5,6]'' LIMIT 10'),
	('SELECT id IS NULL FROM items ORDER BY v <-> NULL LIMIT 3'),
	-- fewer rows than asked for: NaN and nulls come last
	('SELECT id, v <=> ''[1,2,3,4,5,6]'' AS d FROM items WHERE category = 1 ORDER BY d, id LIMIT 1000'),
	-- equal distances: more rows than LIMIT says must be looked at
	('SELECT id FROM items ORDER BY w <-> ''[1,2]'', id LIMIT 10'),
	('SELECT id FROM items ORDER BY w <-> ''[3,4]'', id LIMIT 500'),
	('SELECT count(*) FROM (SELECT id FROM items ORDER BY w <-> ''[3,4]'' FETCH FIRST 2 ROWS WITH TIES) x'),
	('SELECT * FROM (SELECT id, v <-> ''[1,2,3,4,5,6]'' AS d FROM items) x ORDER BY d LIMIT 4'),
	('SELECT * FROM queries q, LATERAL (SELECT i.id FROM items i ORDER BY i.v <-> q.v LIMIT 3) x ORDER BY q.n, x.id'),
	-- not for the exact scan
	('SELECT id FROM items ORDER BY v <-> ''[1,2,3,4,5,6]'' DESC NULLS LAST, id LIMIT 10'),
	('SELECT id FROM items WHERE v IS NOT NULL ORDER BY v <-> ''[1,2,3,4,5,6]'' NULLS FIRST LIMIT 10'),
	('SELECT id FROM items ORDER BY v <-> ''[1,2,3,4,5,6]'''),
	('SELECT id FROM items ORDER BY v <-> v, id LIMIT 2'),
	('SELECT id FROM items WHERE id > 0 ORDER BY 1 - (v <=> ''[1,2,3,4,5,6]'') DESC NULLS LAST, id LIMIT 4'),
	('SELECT i.id FROM items i JOIN queries q ON i.category = q.n ORDER BY i.v <-> ''[1,2,3,4,5,6]'' LIMIT 5'),
	('SELECT category FROM items GROUP BY category, v <-> ''[1,2,3,4,5,6]'' ORDER BY v <-> ''[1,2,3,4,5,6]'' LIMIT 5'),
	('SELECT id FROM items TABLESAMPLE system (100) ORDER BY v <-> ''[1,2,3,4,5,6]'' LIMIT 5')) AS c(statement);
SELECT count(*) FROM (SELECT b <~> (SELECT b FROM queries WHERE n = 7) AS d FROM items ORDER BY d LIMIT 9) x;
SELECT (compare_plans('SELECT b <~> (SELECT b FROM queries WHERE n = 7) AS d FROM items ORDER BY d LIMIT 30')).*;
SELECT (compare_plans('SELECT b <%> (SELECT b FROM queries WHERE n = 7) AS d FROM items ORDER BY d LIMIT 30')).*;

-- A plan, without what PostgreSQL's versions print differently
CREATE FUNCTION plan(options text, statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE format('EXPLAIN (COSTS OFF, %s) %s', options, statement) LOOP
		line := regexp_replace(line, '\(InitPlan \w+\)\.col1', '$0', 'g');
		line := replace(line, 'InitPlan expr_1', 'InitPlan 1');
		line := replace(line, ' (returns $0)', '');
		RETURN NEXT regexp_replace(line, 'rows=(\d+)\.00', 'rows=\1');
	END LOOP;
END $$;
SELECT plan('VERBOSE OFF', 'SELECT id FROM items WHERE category = 3 ORDER BY v <-> ''[1,2,3,4,5,6]'' LIMIT 10');
SELECT plan('ANALYZE, TIMING OFF, SUMMARY OFF, BUFFERS OFF', 'SELECT id FROM items WHERE category = 3 ORDER BY v <-> ''[1,2,3,4,5,6]'' LIMIT 10');
SELECT plan('VERBOSE', 'SELECT id FROM items ORDER BY v <-> (SELECT v FROM queries WHERE n = 7), id LIMIT 10');
-- rows that will be locked or changed go by the plain plan
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY v <-> '[1,2,3,4,5,6]' LIMIT 10 FOR UPDATE;
-- an order of numbers that a user defined
CREATE FUNCTION by_fraction(float8, float8) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT $1 - floor($1) < $2 - floor($2)';
CREATE FUNCTION by_fraction_eq(float8, float8) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT $1 - floor($1) = $2 - floor($2)';
CREATE FUNCTION by_fraction_cmp(float8, float8) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT sign(($1 - floor($1)) - ($2 - floor($2)))::int';
CREATE OPERATOR <% (LEFTARG = float8, RIGHTARG = float8, FUNCTION = by_fraction);
CREATE OPERATOR =% (LEFTARG = float8, RIGHTARG = float8, FUNCTION = by_fraction_eq);
CREATE OPERATOR CLASS fraction_ops FOR TYPE float8 USING btree AS
	OPERATOR 1 <%, OPERATOR 3 =%, FUNCTION 1 by_fraction_cmp(float8, float8);
SELECT (compare_plans('SELECT id FROM items WHERE v IS NOT NULL ORDER BY v <-> ''[1,2,3,4,5,6]'' USING <% LIMIT 10')).*;
-- and so does everything where sequential scans are not wanted
SET enable_seqscan = off;
SELECT (compare_plans('SELECT id FROM items ORDER BY v <-> ''[1,2,3,4,5,6]'' LIMIT 10')).exact;
RESET enable_seqscan;
-- more rows than work_mem holds
SET work_mem = '64kB';
SELECT (compare_plans('SELECT id FROM items ORDER BY v <-> ''[1,2,3,4,5,6]'' LIMIT 100000')).exact;
SELECT (compare_plans('SELECT count(*) FROM (SELECT id FROM items ORDER BY w <-> ''[1,2]'', id LIMIT 1500) x')).*;
RESET work_mem;

-- the error is the operator's
SELECT id FROM items ORDER BY v <-> '[1,2]' LIMIT 1;
SELECT id FROM items ORDER BY b <~> B'101' LIMIT 1;

-- prepared, with a cursor, in a function, in a serializable transaction, over a temporary table
PREPARE nearest(vector) AS SELECT id FROM items ORDER BY v <-> $1, id LIMIT 3;
EXECUTE nearest('[1,2,3,4,5,6]');
EXECUTE nearest('[-1,0,0,0,0,0]');
SET plan_cache_mode = force_generic_plan;
EXECUTE nearest('[1,2,3,4,5,6]');
EXPLAIN (COSTS OFF) EXECUTE nearest('[1,2,3,4,5,6]');
RESET plan_cache_mode;
BEGIN ISOLATION LEVEL SERIALIZABLE;
DECLARE c SCROLL CURSOR FOR SELECT id FROM items ORDER BY v <-> '[1,2,3,4,5,6]', id LIMIT 3;
FETCH 2 FROM c;
DELETE FROM items WHERE id IN (SELECT id FROM items ORDER BY v <-> '[1,2,3,4,5,6]' LIMIT 3);
FETCH 2 FROM c;
FETCH BACKWARD ALL FROM c;
SELECT mode, relation::regclass FROM pg_locks WHERE mode = 'SIReadLock' AND relation = 'items'::regclass AND page IS NULL;
ROLLBACK;
CREATE TEMP TABLE temporary AS SELECT * FROM items;
SELECT (compare_plans('SELECT id FROM temporary ORDER BY v <-> ''[1,2,3,4,5,6]'' LIMIT 10')).*;
CREATE MATERIALIZED VIEW materialized AS SELECT * FROM items;
SELECT (compare_plans('SELECT id FROM materialized ORDER BY v <-> ''[1,2,3,4,5,6]'' LIMIT 10')).*;
-- all pages marked all-visible
VACUUM items;
SELECT (compare_plans('SELECT id FROM items ORDER BY v <-> ''[1,2,3,4,5,6]'' LIMIT 10')).*;
-- values out of line, and an empty table
CREATE TABLE wide AS SELECT i AS id, (SELECT array_agg(sin(i * j)) FROM generate_series(1, 3000) j)::vector AS v FROM generate_series(1, 40) i;
CREATE INDEX wide_id ON wide (id);
SELECT (compare_plans('SELECT id FROM wide ORDER BY v <-> (SELECT v FROM wide WHERE id = 3) LIMIT 10')).*;
-- in any order: rows changed, removed and added, values shared between versions
UPDATE wide SET v = (SELECT array_agg(cos(id * j)) FROM generate_series(1, 3000) j)::vector WHERE id % 3 = 0;
UPDATE wide SET id = id + 100 WHERE id % 4 = 1;
DELETE FROM wide WHERE id % 7 = 2;
INSERT INTO wide SELECT i, (SELECT array_agg(sin(i * j)) FROM generate_series(1, 2500 + i) j)::vector FROM generate_series(200, 205) i;
ALTER TABLE wide ADD COLUMN note text DEFAULT repeat('x', 3000);
SELECT (compare_plans('SELECT id FROM wide WHERE vector_dims(v) = 3000 ORDER BY v <-> (SELECT v FROM wide WHERE id = 3) LIMIT 100')).*;
VACUUM wide;
INSERT INTO wide SELECT i, (SELECT array_agg(sin(i * j)) FROM generate_series(1, 3000) j)::vector FROM generate_series(300, 320) i;
CLUSTER wide USING wide_id;
SELECT (compare_plans('SELECT id FROM wide WHERE vector_dims(v) = 3000 ORDER BY v <-> (SELECT v FROM wide WHERE id = 303) LIMIT 100')).*;
-- compressed, in line and out of line, beside plain ones
ALTER TABLE wide ALTER v SET STORAGE EXTENDED;
INSERT INTO wide SELECT i, (SELECT array_agg(i % 5 + j * 0) FROM generate_series(1, 3000) j)::vector FROM generate_series(401, 410) i;
INSERT INTO wide SELECT i, (SELECT array_agg(sin(i * j) * (j % 2)) FROM generate_series(1, 3000) j)::vector FROM generate_series(411, 420) i;
SELECT (compare_plans('SELECT v <-> (SELECT v FROM wide WHERE id = 303) AS d FROM wide WHERE vector_dims(v) = 3000 ORDER BY d LIMIT 100')).*;
SELECT count(*) FROM (SELECT v FROM wide WHERE id >= 300 ORDER BY v <-> (SELECT v FROM wide WHERE id = 303) LIMIT 100) x WHERE vector_dims(v) = 3000;
CREATE TEMP TABLE wide_temporary AS SELECT * FROM wide;
SELECT (compare_plans('SELECT v <-> (SELECT v FROM wide WHERE id = 303) AS d FROM wide_temporary WHERE vector_dims(v) = 3000 ORDER BY d LIMIT 100')).*;
CREATE TABLE nothing (v vector(2));
SELECT (compare_plans('SELECT v FROM nothing ORDER BY v <-> ''[1,2]'' LIMIT 10')).*;

-- each partition by itself, merged
CREATE TABLE parts (LIKE items) PARTITION BY LIST (category);
CREATE TABLE parts_12 PARTITION OF parts FOR VALUES IN (1, 2);
CREATE TABLE parts_34 (gone text, LIKE items);
ALTER TABLE parts_34 DROP COLUMN gone;
ALTER TABLE parts ATTACH PARTITION parts_34 FOR VALUES IN (3, 4);
CREATE TABLE parts_rest PARTITION OF parts DEFAULT;
INSERT INTO parts (id, category, v, h, s, b, label, w) SELECT id, category, v, h, s, b, label, w FROM items;
ANALYZE parts;
EXPLAIN (COSTS OFF) SELECT id FROM parts ORDER BY v <-> '[1,2,3,4,5,6]' LIMIT 10;
SELECT (compare_plans('SELECT id, label FROM parts ORDER BY v <-> ''[1,2,3,4,5,6]'' LIMIT 100')).*;
SELECT (compare_plans('SELECT id, label FROM parts WHERE category IN (2, 3) ORDER BY v <-> ''[1,2,3,4,5,6]'' LIMIT 10')).*;

-- shared by parallel workers
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET seq_page_cost = 0.01;
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY v <-> '[1,2,3,4,5,6]' LIMIT 10;
SELECT (compare_plans('SELECT id FROM items ORDER BY v <-> ''[1,2,3,4,5,6]'' LIMIT 10')).*;
SELECT (compare_plans('SELECT id FROM items WHERE category = 3 AND label = ''updated'' ORDER BY v <-> ''[1,2,3,4,5,6]'' LIMIT 100')).*;
SELECT (compare_plans('SELECT id FROM queries q, LATERAL (SELECT i.id FROM items i WHERE i.id > 0 ORDER BY i.v <-> q.v LIMIT 3) x ORDER BY q.n, x.id')).*;
-- versions differ in what they take the rows of a table without statistics for
SET enable_sort = off;
SELECT (compare_plans('SELECT v <-> (SELECT v FROM wide WHERE id = 303) AS d FROM wide WHERE id > 0 AND vector_dims(v) = 3000 ORDER BY d LIMIT 100')).*;
RESET enable_sort;
SELECT (compare_plans('SELECT n, (SELECT count(*) FROM (SELECT FROM items ORDER BY w <-> ''[3,4]'' FETCH FIRST 2 ROWS WITH TIES) x) FROM queries ORDER BY n')).*;
-- an estimated limit may turn out to be more when the query runs
CREATE FUNCTION three() RETURNS int STABLE LANGUAGE plpgsql AS 'BEGIN RETURN 3; END';
EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY v <-> '[1,2,3,4,5,6]' LIMIT three();
RESET max_parallel_workers_per_gather;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET seq_page_cost;

-- row security: the filter comes before the distance, so an error tells nothing
CREATE TABLE secret (id int, v vector);
INSERT INTO secret VALUES (1, '[1,2]'), (2, '[1,2,3]');
ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
CREATE POLICY two ON secret USING (id = 1);
CREATE ROLE regress_vector_reader;
GRANT USAGE ON SCHEMA exact_scan TO regress_vector_reader;
GRANT SELECT ON secret TO regress_vector_reader;
SET ROLE regress_vector_reader;
SELECT id FROM secret ORDER BY v <-> '[1,2]' LIMIT 5;
RESET ROLE;
DROP TABLE secret;
REVOKE USAGE ON SCHEMA exact_scan FROM regress_vector_reader;
DROP ROLE regress_vector_reader;
