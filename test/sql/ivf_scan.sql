-- ivfflat, ivfpq, ivfrabitq: scans
CREATE SCHEMA ivf_scan;
SET search_path = ivf_scan, public;
\set ECHO none
\cd `echo ${VECTOR_TEST:-test}`
\i sql/ivf.inc
\set ECHO all
CREATE TABLE items (id int PRIMARY KEY, category int, v vector(8));
INSERT INTO items SELECT i, i % 100, (SELECT array_agg(sin(i * j * 1.7) + cos(i * j * j)) FROM generate_series(1, 8) j)::vector FROM generate_series(1, 2000) i;
CREATE TABLE items_ivfflat (LIKE items INCLUDING ALL);
CREATE TABLE items_ivfpq (LIKE items INCLUDING ALL);
CREATE TABLE items_ivfrabitq (LIKE items INCLUDING ALL);
INSERT INTO items_ivfflat SELECT * FROM items;
INSERT INTO items_ivfpq SELECT * FROM items;
INSERT INTO items_ivfrabitq SELECT * FROM items;
CREATE INDEX flat_index ON items_ivfflat USING ivfflat (v vector_l2_ops) WITH (lists = 20);
CREATE INDEX pq_index ON items_ivfpq USING ivfpq (v vector_l2_ops) WITH (lists = 20);
CREATE INDEX rabitq_index ON items_ivfrabitq USING ivfrabitq (v vector_l2_ops) WITH (lists = 20);
ANALYZE;
SET enable_seqscan = off;
SET vector.enable_exact_scan = off;

-- A search with settings of a kind: (iterative_scan, probes, max_probes, rerank)
CREATE FUNCTION nearest_with(kind text, settings text[], most int DEFAULT 10000, filter text DEFAULT 'true', OUT rows bigint, OUT differences bigint, OUT disorder bigint, OUT twice bigint) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config(kind || '.iterative_scan', settings[1], true), set_config(kind || '.probes', settings[2], true), set_config(kind || '.max_probes', settings[3], true);
	IF kind <> 'ivfflat' THEN
		PERFORM set_config(kind || '.rerank', settings[4], true);
	END IF;
	SELECT r.rows, r.differences, r.disorder, r.twice INTO rows, differences, disorder, twice FROM nearest('items_' || kind, 'v', '<->', 'SELECT v FROM items WHERE id = 7', most, filter) r;
END $$;
CREATE TABLE kinds AS SELECT DISTINCT kind FROM classes;
-- all lists: all rows, and in order
SELECT kind, most, mode, r.* FROM kinds, unnest('{1,199,200,201,1000,2001}'::int[]) most, unnest('{off,relaxed_order}'::text[]) mode, nearest_with(kind, ARRAY[mode, '20', '20', '100000'], most) r ORDER BY kind, most, mode;
-- fewer: no others
SELECT kind, probes, r.rows > 0 AND r.rows < 2000 AS some, r.disorder, r.twice FROM kinds, unnest('{1,3,10}'::int[]) probes, nearest_with(kind, ARRAY['off', probes::text, '20', '100000']) r ORDER BY kind, probes;
SELECT kind, array_agg(r.rows ORDER BY probes) = array_agg(r.rows ORDER BY r.rows) AS more_and_more, max(r.rows) FROM kinds, generate_series(1, 22, 3) probes, nearest_with(kind, ARRAY['off', probes::text, '1', '100000']) r GROUP BY kind ORDER BY kind;
-- or until there are no more: nothing that is found is left out
SELECT kind, probes, rerank, r.rows, r.twice FROM kinds, unnest('{1,3,20}'::int[]) probes, unnest('{0,1,7,100000}'::int[]) rerank, nearest_with(kind, ARRAY['relaxed_order', probes::text, '20', rerank::text]) r ORDER BY kind, probes, rerank;
-- what the first batch has is in order
SELECT kind, rerank, r.rows, r.disorder, r.twice FROM kinds, unnest('{0,10,11,500}'::int[]) rerank, nearest_with(kind, ARRAY['off', '5', '20', rerank::text], 10) r ORDER BY kind, rerank;
-- or until max_probes is used up, which is no bound for the first probes
SELECT kind, max_probes, r.rows = f.rows AS the_same, r.rows < 2000 AS fewer FROM kinds, unnest('{1,2,7,20}'::int[]) max_probes, nearest_with(kind, ARRAY['relaxed_order', '2', max_probes::text, '0']) r, nearest_with(kind, ARRAY['off', greatest(2, max_probes)::text, '1', '100000']) f ORDER BY kind, max_probes;
-- with filters, which need more rows than the first lists have
SELECT kind, mode, filter, CASE mode WHEN 'off' THEN (r.rows < 10)::text ELSE r.rows::text END AS rows, r.twice
FROM kinds, unnest('{off,relaxed_order}'::text[]) mode, (VALUES ('category = 7'), ('category IN (1, 2, 3) AND id % 2 = 1'), ('id + 0 > 1990'), ('false AND id > 0'), ('id <> 7')) f (filter), nearest_with(kind, ARRAY[mode, '1', '20', '0'], 10, filter) r
WHERE mode = 'relaxed_order' OR filter IN ('category = 7')
ORDER BY kind, mode, filter;

-- probes that meet a recall
CREATE FUNCTION rows_at(kind text, probes int, recall numeric) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('ivf.target_recall', recall::text, true);
	RETURN (SELECT rows FROM nearest_with(kind, ARRAY['off', probes::text, '20', '100000']));
END $$;
SELECT kind, array_agg(n ORDER BY recall) = array_agg(n ORDER BY n) AS more_and_more, min(n) > 0 AS some, max(n) AS most, min(n) < 2000 AS fewer
FROM (SELECT kind, recall, rows_at(kind, 3, recall) AS n FROM kinds, unnest('{0.01,0.5,0.8,0.9,0.95,0.99,1}'::numeric[]) recall) x GROUP BY kind ORDER BY kind;
-- without one, 0 probes stand for 0.95
SELECT kind, rows_at(kind, 0, 0) >= rows_at(kind, 20, 0.95) AS the_same, rows_at(kind, 0, 0.5) = rows_at(kind, 7, 0.5) AS recall_first FROM kinds WHERE kind <> 'ivfflat' ORDER BY kind;
RESET ivf.target_recall;

-- queries that have no nearest rows
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items_ivfflat ORDER BY v <-> (SELECT NULL::vector) LIMIT 10) x;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items_ivfpq ORDER BY v <-> (SELECT NULL::vector) LIMIT 1000) x;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items_ivfrabitq ORDER BY v <-> (SELECT NULL::vector)) x;
SELECT count(*) FROM (SELECT id FROM items_ivfrabitq ORDER BY v <-> NULL LIMIT 10) x;
CREATE FUNCTION cosine_zero(kind text, OUT index boolean, OUT count bigint, OUT ids bigint) LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	EXECUTE format('CREATE INDEX cosine ON items_%s USING %1$s (v vector_cosine_ops) WITH (lists = 20)', kind);
	index := false;
	FOR line IN EXECUTE format('EXPLAIN SELECT id FROM items_%s ORDER BY v <=> ''[0,0,0,0,0,0,0,0]'' LIMIT 10', kind) LOOP
		index := index OR line LIKE '%Index Scan using cosine%';
	END LOOP;
	EXECUTE format('SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items_%s ORDER BY v <=> ''[0,0,0,0,0,0,0,0]'' LIMIT 300) x', kind) INTO count, ids;
	DROP INDEX cosine;
END $$;
SELECT kind, r.* FROM kinds, cosine_zero(kind) r ORDER BY kind;

-- what an ordered scan is not for
SELECT plan_of($$SELECT count(*) FROM items_ivfflat WHERE v IS NOT NULL$$);
SELECT plan_of($$SELECT count(*) FROM items_ivfrabitq WHERE v <-> '[1,2,3,4,5,6,7,8]' > 3$$);
-- the distance is computed again, not returned; further columns are sorted
EXPLAIN (VERBOSE, COSTS OFF) SELECT id, v <-> '[1,2,3,4,5,6,7,8]' AS d FROM items_ivfpq ORDER BY d LIMIT 3;
SELECT array_agg(id) FROM (SELECT id FROM items_ivfpq ORDER BY v <-> (SELECT v FROM items WHERE id = 7), id LIMIT 1) x;

CREATE FUNCTION take(name refcursor, count int) RETURNS SETOF int LANGUAGE plpgsql AS $$
DECLARE
	id int;
BEGIN
	FOR i IN 1..count LOOP
		FETCH name INTO id;
		RETURN NEXT id;
	END LOOP;
END $$;
-- cursors go forward only, unless the rows are kept
SET ivfrabitq.rerank = 60;
CREATE TABLE answer AS SELECT row_number() OVER () AS n, id FROM (SELECT id FROM items_ivfrabitq ORDER BY v <-> '[1,2,3,4,5,6,7,8]' LIMIT 200) x;
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM items_ivfrabitq ORDER BY v <-> '[1,2,3,4,5,6,7,8]';
FETCH 0 FROM c;
MOVE 2 IN c;
SELECT count(*) FROM (SELECT row_number() OVER () + 2 AS n, id FROM take('c', 150) id) f JOIN answer USING (n, id);
SAVEPOINT s;
FETCH BACKWARD 1 FROM c;
ROLLBACK TO s;
CLOSE c;
DECLARE c SCROLL CURSOR FOR SELECT id FROM items_ivfrabitq ORDER BY v <-> '[1,2,3,4,5,6,7,8]';
MOVE 60 IN c;
MOVE BACKWARD 20 IN c;
SELECT count(*) FROM (SELECT row_number() OVER () + 40 AS n, id FROM take('c', 50) id) f JOIN answer USING (n, id);
FETCH FIRST FROM c \gset
SELECT :id = id AS first FROM answer WHERE n = 1;
COMMIT;
BEGIN;
DECLARE held CURSOR WITH HOLD FOR SELECT id FROM items_ivfrabitq ORDER BY v <-> '[1,2,3,4,5,6,7,8]' LIMIT 100;
COMMIT;
SELECT count(*) FROM (SELECT row_number() OVER () AS n, id FROM take('held', 100) id) f JOIN answer USING (n, id);
CLOSE held;
SET ivfrabitq.rerank = 100000;

-- one scan again and again: joins, subqueries, a generic plan
CREATE TABLE queries AS SELECT id AS n, v FROM items WHERE id % 40 = 0;
ANALYZE queries;
CREATE FUNCTION exact(query vector, count int) RETURNS int[] LANGUAGE sql STABLE SET enable_indexscan = off SET enable_seqscan = on AS
	'SELECT array_agg(id ORDER BY d, id) FROM (SELECT id, v <-> query AS d FROM items ORDER BY d LIMIT count) x';
CREATE FUNCTION check_joins(kind text, OUT three text, OUT one bigint, OUT common bigint) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SELECT count(*) || '' '' || count(*) FILTER (WHERE found = exact(v, 3)) FROM (
		SELECT n, queries.v, array_agg(x.id ORDER BY d, x.id) AS found FROM queries, LATERAL (SELECT id, items.v <-> queries.v AS d FROM items_%s items ORDER BY items.v <-> queries.v LIMIT 3) x GROUP BY n, queries.v) y', kind) INTO three;
	EXECUTE format('SELECT count(*) FROM queries WHERE n = (SELECT id FROM items_%s items ORDER BY items.v <-> queries.v LIMIT 1)', kind) INTO one;
	-- two at once, of the same index
	EXECUTE format('SELECT count(*) FROM (SELECT id FROM items_%s ORDER BY v <-> ''[1,2,3,4,5,6,7,8]'' LIMIT 50) a JOIN (SELECT id FROM items_%1$s ORDER BY v <-> ''[1,2,3,4,5,6,7,8]'' LIMIT 50) b USING (id)', kind) INTO common;
END $$;
SELECT plan_of($$SELECT n, x.id FROM queries, LATERAL (SELECT id FROM items_ivfpq items ORDER BY items.v <-> queries.v LIMIT 3) x$$);
SELECT kind, r.* FROM kinds, check_joins(kind) r ORDER BY kind;
SET plan_cache_mode = force_generic_plan;
PREPARE nearest_ids(vector, int) AS SELECT array_agg(id) FROM (SELECT id FROM items_ivfrabitq ORDER BY v <-> $1 LIMIT $2) x;
EXPLAIN (COSTS OFF) EXECUTE nearest_ids('[1,2,3,4,5,6,7,8]', 5);
EXECUTE nearest_ids('[1,2,3,4,5,6,7,8]', 1) \gset one_
EXECUTE nearest_ids('[8,7,6,5,4,3,2,1]', 5) \gset five_
SELECT :'one_array_agg' = exact('[1,2,3,4,5,6,7,8]', 1) AS one, :'five_array_agg' = exact('[8,7,6,5,4,3,2,1]', 5) AS five;
EXECUTE nearest_ids('[1,2]', 5);
-- the index was built anew
REINDEX INDEX rabitq_index;
EXECUTE nearest_ids('[8,7,6,5,4,3,2,1]', 5) \gset five_
SELECT :'five_array_agg' = exact('[8,7,6,5,4,3,2,1]', 5) AS five;
RESET plan_cache_mode;

-- more rows than work_mem has room for
CREATE TABLE many AS SELECT i AS id, ARRAY[sin(i), cos(i * 0.7), sin(i * i)]::vector(3) AS v FROM generate_series(1, 12000) i;
CREATE FUNCTION check_many(kind text, rerank text, most int, OUT rows bigint, OUT differences bigint, OUT disorder bigint, OUT twice bigint) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE INDEX many_index ON many USING %s (v vector_l2_ops) WITH (lists = 5)', kind);
	PERFORM set_config('work_mem', '64kB', true);
	PERFORM set_config(kind || '.rerank', rerank, true) WHERE kind <> 'ivfflat';
	SELECT r.rows, r.differences, r.disorder, r.twice INTO rows, differences, disorder, twice FROM nearest('many', 'v', '<->', 'SELECT v FROM many WHERE id = 7', most) r;
	DROP INDEX many_index;
END $$;
SELECT kind, most, r.* FROM kinds, unnest('{150,1000}'::int[]) most, check_many(kind, '100000', most) r ORDER BY kind, most;
-- the first rows are the nearest ones; codes do not tell the order of the others
SELECT kind, r.rows, r.twice FROM kinds, check_many(kind, '10', 1000) r ORDER BY kind;

-- in parallel workers
CREATE FUNCTION nearest_id(query vector) RETURNS int LANGUAGE plpgsql STABLE PARALLEL SAFE SET enable_seqscan = off AS $$
BEGIN
	RETURN (SELECT id FROM items_ivfrabitq ORDER BY v <-> query LIMIT 1);
END $$;
CREATE TABLE many_queries AS SELECT n, v FROM queries, generate_series(1, 20);
ANALYZE many_queries;
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET enable_seqscan = on;
EXPLAIN (COSTS OFF) SELECT count(*) FROM many_queries WHERE n = nearest_id(v);
SELECT count(*) FROM many_queries WHERE n = nearest_id(v);

DROP SCHEMA ivf_scan CASCADE;
