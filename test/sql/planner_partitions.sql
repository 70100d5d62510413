-- Partitions that share a search: the nearest of all, in order, none twice, none lost
SET client_min_messages = warning;
SET max_parallel_workers_per_gather = 0;
CREATE TABLE pp_one (id int, kind int, v vector(8) NOT NULL);
SELECT setseed(.25);
INSERT INTO pp_one SELECT i, i % 3, array(SELECT random() + i % 4 FROM generate_series(1, 8) WHERE i > 0)::vector
FROM generate_series(1, 6000) i;
CREATE TABLE pp_hash (id int, kind int, v vector(8) NOT NULL) PARTITION BY HASH (id);
SELECT format('CREATE TABLE pp_hash_%s PARTITION OF pp_hash FOR VALUES WITH (MODULUS 8, REMAINDER %1$s)', i)
FROM generate_series(0, 7) i \gexec
-- by content: all of a query's nearest are in one partition; one is partitioned again, one is empty
CREATE TABLE pp_list (id int, kind int, v vector(8) NOT NULL, c int) PARTITION BY LIST (c);
CREATE TABLE pp_list_0 PARTITION OF pp_list FOR VALUES IN (0);
CREATE TABLE pp_list_1 PARTITION OF pp_list FOR VALUES IN (1);
CREATE TABLE pp_list_2 (c int, v vector(8) NOT NULL, kind int, id int);
ALTER TABLE pp_list ATTACH PARTITION pp_list_2 FOR VALUES IN (2);
CREATE TABLE pp_list_3 PARTITION OF pp_list FOR VALUES IN (3) PARTITION BY HASH (id);
CREATE TABLE pp_list_3a PARTITION OF pp_list_3 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE pp_list_3b PARTITION OF pp_list_3 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE pp_list_9 PARTITION OF pp_list FOR VALUES IN (9);
INSERT INTO pp_hash SELECT * FROM pp_one;
INSERT INTO pp_list SELECT *, id % 4 FROM pp_one;
CREATE INDEX ON pp_one USING hnsw (v vector_l2_ops);
CREATE INDEX ON pp_hash USING hnsw (v vector_l2_ops);
CREATE INDEX ON pp_list USING hnsw (v vector_l2_ops);
ANALYZE pp_one, pp_hash, pp_list;
SET enable_seqscan = off;
SET vector.enable_exact_scan = off;

-- The node, and partitions that need no row
EXPLAIN (COSTS OFF, VERBOSE) SELECT id FROM pp_list ORDER BY v <-> '[1,1,1,1,1,1,1,1]' LIMIT 3;
EXPLAIN (COSTS OFF, ANALYZE, TIMING OFF, SUMMARY OFF) SELECT id, v <-> '[0,0,0,0,0,0,0,0]' AS d FROM pp_list ORDER BY d LIMIT 3
\g (format=unaligned tuples_only=on) | grep -c 'never executed'

-- Exactly the nearest, in order, for many queries and limits; hidden and shown
CREATE FUNCTION pp_wrong(partitioned regclass, n int, clause text DEFAULT 'true') RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	q vector;
	found int[];
	shown float8[];
	truth float8[];
	of_found float8[];
	wrong int := 0;
BEGIN
	FOR i IN 1 .. 25 LOOP
		SELECT v INTO q FROM pp_one WHERE id = i * 37;
		EXECUTE format('SELECT array_agg(id) FROM (SELECT id FROM %s WHERE %s ORDER BY v <-> $1 LIMIT $2) s', partitioned, clause) INTO found USING q, n;
		EXECUTE format('SELECT array_agg(d) FROM (SELECT v <-> $1 AS d FROM %s WHERE %s ORDER BY d LIMIT %s) s', partitioned, clause, n) INTO shown USING q;
		EXECUTE format('SELECT array_agg(d) FROM (SELECT (v <-> $1) + 0 AS d FROM pp_one WHERE %s ORDER BY d LIMIT $2) s', clause) INTO truth USING q, n;
		SELECT array_agg(o.v <-> q ORDER BY place) INTO of_found FROM unnest(found) WITH ORDINALITY f(id, place) JOIN pp_one o USING (id);
		-- in order, none twice, all of them
		wrong := wrong + (SELECT count(*) FROM unnest(of_found, truth, shown) t(f, t, s) WHERE f IS DISTINCT FROM t OR s IS DISTINCT FROM t)
			+ n - (SELECT count(DISTINCT id) FROM unnest(found) id);
	END LOOP;
	RETURN wrong;
END $$;
SET hnsw.ef_search = 100;
SELECT t, n, pp_wrong(t, n) FROM unnest('{pp_hash,pp_list}'::regclass[]) t, unnest('{1,2,10,40,200}'::int[]) n;
SELECT t, pp_wrong(t, 10, 'kind = 1'), pp_wrong(t, 10, 'id % 50 = 1') FROM unnest('{pp_hash,pp_list}'::regclass[]) t;

-- All rows come, in order: a partition's share is no limit
CREATE FUNCTION pp_all(query text) RETURNS TABLE (n bigint, ids bigint, in_order bool) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT count(*), count(DISTINCT id), bool_and(d >= before OR before IS NULL)
		FROM (SELECT id, d, lag(d) OVER () AS before FROM (%s) s) t', query);
END $$;
SET hnsw.max_scan_tuples = 100000;
SET hnsw.iterative_scan = relaxed_order;
SELECT n, ids FROM pp_all('SELECT id, v <-> ''[1,1,1,1,1,1,1,1]'' AS d FROM pp_list ORDER BY d LIMIT 10000');
SET hnsw.iterative_scan = strict_order;
SELECT n > 5900, n = ids, in_order FROM pp_all('SELECT id, v <-> ''[1,1,1,1,1,1,1,1]'' AS d FROM pp_hash ORDER BY d LIMIT 10000');
-- without iterative scans, each partition gives ef_search rows, as ever
SET hnsw.iterative_scan = off;
SET hnsw.ef_search = 40;
SELECT n, ids, in_order FROM pp_all('SELECT id, v <-> ''[1,1,1,1,1,1,1,1]'' AS d FROM pp_hash ORDER BY d LIMIT 10000');
RESET hnsw.iterative_scan;
RESET hnsw.max_scan_tuples;
SET hnsw.ef_search = 100;

-- Ranges: what is beyond is no row of any partition, what is inside is there
SELECT count(*), (SELECT count(*) FROM pp_one WHERE (v <-> '[1.5,1.5,1.5,1.5,1.5,1.5,1.5,1.5]') + 0 < .6) AS truth
FROM (SELECT id FROM pp_list WHERE v <-> '[1.5,1.5,1.5,1.5,1.5,1.5,1.5,1.5]' < .6 ORDER BY v <-> '[1.5,1.5,1.5,1.5,1.5,1.5,1.5,1.5]' LIMIT 1000) s;

-- Parameters: a generic plan with the limit, and with partitions that are left out when it runs (PostgreSQL's merge)
SET plan_cache_mode = force_generic_plan;
PREPARE pp_limit(vector, int) AS SELECT id FROM pp_list ORDER BY v <-> $1 LIMIT $2;
EXPLAIN (COSTS OFF) EXECUTE pp_limit('[1,1,1,1,1,1,1,1]', 3) \g (format=unaligned tuples_only=on) | grep -o 'VectorMergeAppend'
EXECUTE pp_limit('[0,0,0,0,0,0,0,0]', 3);
PREPARE pp_pruned(vector, int) AS SELECT id, c FROM pp_list WHERE c = $2 ORDER BY v <-> $1 LIMIT 3;
EXPLAIN (COSTS OFF) EXECUTE pp_pruned('[1,1,1,1,1,1,1,1]', 2);
EXECUTE pp_pruned('[0,0,0,0,0,0,0,0]', 2);
RESET plan_cache_mode;
SELECT id FROM pp_one WHERE id % 4 = 2 ORDER BY (v <-> '[0,0,0,0,0,0,0,0]') + 0 LIMIT 3;

-- For each row of another table, with and without a change of the query
SELECT count(*) FROM pp_one q, LATERAL (SELECT id FROM pp_list ORDER BY v <-> q.v LIMIT 1) n WHERE q.id <= 200 AND n.id <> q.id;
SELECT count(*) FROM generate_series(1, 50) i, LATERAL (SELECT id FROM pp_hash ORDER BY v <-> (SELECT v FROM pp_one WHERE id = i % 5 + 1) LIMIT 1) n WHERE n.id <> i % 5 + 1;

-- A cursor goes on where it stopped; ties; an order that is not the distance alone; rows that are locked
BEGIN;
DECLARE pp_cursor CURSOR FOR SELECT id, v <-> '[0,0,0,0,0,0,0,0]' AS d FROM pp_hash ORDER BY d LIMIT 500;
CREATE TEMP TABLE pp_fetched (place serial, id int, d float8);
DO $$
DECLARE
	r record;
	c refcursor := 'pp_cursor';
BEGIN
	LOOP
		FETCH c INTO r;
		EXIT WHEN NOT FOUND;
		INSERT INTO pp_fetched (id, d) VALUES (r.id, r.d);
	END LOOP;
END $$;
COMMIT;
SELECT count(*), count(DISTINCT id), (SELECT bool_and(f.d >= g.d) FROM pp_fetched f JOIN pp_fetched g ON f.place = g.place + 1) FROM pp_fetched;
INSERT INTO pp_hash SELECT 6000 + i, 0, '[9,9,9,9,9,9,9,9]' FROM generate_series(1, 30) i;
SELECT count(*) FROM (SELECT id FROM pp_hash ORDER BY v <-> '[9,9,9,9,9,9,9,9]' FETCH FIRST 3 ROWS WITH TIES) s;
SELECT id FROM pp_hash ORDER BY v <-> '[9,9,9,9,9,9,9,9]', id LIMIT 3;
SELECT count(*) FROM (SELECT id FROM pp_hash ORDER BY v <-> '[9,9,9,9,9,9,9,9]' LIMIT 5 FOR UPDATE) s;
-- which PostgreSQL merges, and each partition is searched with all of ef_search
EXPLAIN (COSTS OFF, ANALYZE, TIMING OFF, SUMMARY OFF) SELECT id FROM pp_hash ORDER BY v <-> '[1,1,1,1,1,1,1,1]' LIMIT 3 FOR UPDATE
\g (format=unaligned tuples_only=on) | grep -c ' ef=100$'
EXPLAIN (COSTS OFF, ANALYZE, TIMING OFF, SUMMARY OFF) SELECT id FROM pp_hash ORDER BY v <-> '[1,1,1,1,1,1,1,1]' FETCH FIRST 3 ROWS WITH TIES
\g (format=unaligned tuples_only=on) | grep -c ' ef=100$'
-- where all are equally far, all are found
SELECT count(DISTINCT id) FROM (SELECT id FROM pp_hash WHERE id > 6000 ORDER BY v <-> '[9,9,9,9,9,9,9,9]' LIMIT 40) s;
DELETE FROM pp_hash WHERE id > 6000;

-- Tables that inherit, and branches of UNION ALL
CREATE TABLE pp_parent (id int, kind int, v vector(8) NOT NULL);
CREATE TABLE pp_child (extra text) INHERITS (pp_parent);
INSERT INTO pp_parent SELECT * FROM pp_one WHERE id % 2 = 0;
INSERT INTO pp_child SELECT * FROM pp_one WHERE id % 2 = 1;
CREATE INDEX ON pp_parent USING hnsw (v vector_l2_ops);
CREATE INDEX ON pp_child USING hnsw (v vector_l2_ops);
ANALYZE pp_parent, pp_child;
SELECT pp_wrong('pp_parent', 10);
EXPLAIN (COSTS OFF) SELECT id FROM (SELECT id, v FROM pp_parent UNION ALL SELECT id, v FROM ONLY pp_hash_0) u ORDER BY v <-> '[1,1,1,1,1,1,1,1]' LIMIT 3;
SELECT count(DISTINCT id), count(*) FROM (SELECT id FROM (SELECT id, v FROM pp_parent UNION ALL SELECT id + 10000, v FROM pp_hash_0) u ORDER BY v <-> '[1,1,1,1,1,1,1,1]' LIMIT 50) s;

-- Functions of the distance: the same for all branches, or PostgreSQL's to merge
SELECT bool_and(d <= before) FROM (SELECT d, lag(d) OVER () AS before FROM (
	SELECT 3 - (v <-> '[1,1,1,1,1,1,1,1]') AS d FROM pp_hash ORDER BY 3 - (v <-> '[1,1,1,1,1,1,1,1]') DESC LIMIT 100) s) t;
SELECT array_agg(id) = (SELECT array_agg(id) FROM (SELECT id FROM pp_hash ORDER BY v <-> '[1,1,1,1,1,1,1,1]' LIMIT 100) s)
FROM (SELECT id FROM pp_hash ORDER BY 3 - (v <-> '[1,1,1,1,1,1,1,1]') DESC LIMIT 100) s;
EXPLAIN (COSTS OFF) SELECT id FROM (SELECT id, 3 - (v <-> '[1,1,1,1,1,1,1,1]') AS s FROM ONLY pp_parent
	UNION ALL SELECT id, 4 - (v <-> '[1,1,1,1,1,1,1,1]') FROM pp_child) u ORDER BY s DESC LIMIT 3;

-- Codes have the order of rows in narrow heaps wrong: a share reads all that it has found
CREATE TABLE pp_heaps (id int, v vector(32) NOT NULL) PARTITION BY HASH (id);
SELECT format('CREATE TABLE pp_heaps_%s PARTITION OF pp_heaps FOR VALUES WITH (MODULUS 8, REMAINDER %1$s)', i)
FROM generate_series(0, 7) i \gexec
INSERT INTO pp_heaps SELECT i, array(SELECT 10 + 10 * sin(i % 40 * 32 + j) + .3 * random() FROM generate_series(1, 32) j WHERE i > 0)::vector
FROM generate_series(1, 8000) i;
CREATE INDEX ON pp_heaps USING hnsw (v vector_l2_ops) WITH (quantizer = rabitq4);
ANALYZE pp_heaps;
SET hnsw.ef_search = 20;
SELECT avg(found) > 9 AS most FROM (SELECT id, v FROM pp_heaps WHERE id % 79 = 3) q, LATERAL (
	SELECT count(*) AS found FROM (SELECT id FROM pp_heaps p ORDER BY p.v <-> q.v LIMIT 10) f
	WHERE id IN (SELECT p.id FROM pp_heaps p ORDER BY (p.v <-> q.v) + 0, p.id LIMIT 10)) n;
RESET hnsw.ef_search;
DROP TABLE pp_heaps;

-- Exact indexes are PostgreSQL's to merge, and exact
DROP INDEX pp_hash_v_idx;
CREATE INDEX ON pp_hash USING flat (v vector_l2_ops);
EXPLAIN (COSTS OFF) SELECT id FROM pp_hash ORDER BY v <-> '[1,1,1,1,1,1,1,1]' LIMIT 3 \g (format=unaligned tuples_only=on) | grep -c 'Merge Append'
SELECT pp_wrong('pp_hash', 10), pp_wrong('pp_hash', 200);

DROP TABLE pp_one, pp_hash, pp_list, pp_parent, pp_child;
DROP FUNCTION pp_wrong, pp_all;
-- a value from outside of the query is not known to a worker: no search by it runs in one
CREATE TABLE outside (id int, v vector(3), s sparsevec(3)) PARTITION BY HASH (id);
CREATE TABLE outside_0 PARTITION OF outside FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE outside_1 PARTITION OF outside FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO outside SELECT i, ARRAY[i % 7, i % 11, i % 13]::vector, ARRAY[i % 7, i % 11, i % 13]::vector::sparsevec FROM generate_series(1, 100) i;
CREATE FUNCTION from_outside(am text, column_name text, OUT workers boolean, OUT rows bigint) LANGUAGE plpgsql
SET enable_seqscan = off SET parallel_setup_cost = 0 SET parallel_tuple_cost = 0 SET min_parallel_table_scan_size = 0 AS $$
DECLARE
	type text := CASE column_name WHEN 'v' THEN 'vector' ELSE 'sparsevec' END;
	query text;
	line text;
BEGIN
	query := format('SELECT q.o, x.id FROM unnest(%L::%s[]) WITH ORDINALITY q (e, o), LATERAL (SELECT id, %3$I %4$s q.e AS d FROM outside ORDER BY %3$I %4$s q.e LIMIT 3) x',
		CASE type WHEN 'vector' THEN '{"[1,2,3]","[4,5,6]"}' ELSE '{"{1:1,2:2}/3","{3:1}/3"}' END, type, column_name, CASE type WHEN 'vector' THEN '<->' ELSE '<#>' END);
	EXECUTE format('CREATE INDEX outside_index ON outside USING %s (%I %s)', am, column_name, CASE type WHEN 'vector' THEN 'vector_l2_ops' ELSE 'sparsevec_ip_ops' END);
	workers := false;
	FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
		workers := workers OR line LIKE '%Gather%';
	END LOOP;
	EXECUTE format('SELECT count(*) FROM (%s) x', query) INTO rows;
	DROP INDEX outside_index;
END $$;
SET client_min_messages = error;
SELECT am, f.* FROM unnest('{hnsw,ivfflat,ivfpq,ivfrabitq,flat,sparse_inverted}'::text[]) am, from_outside(am, CASE am WHEN 'sparse_inverted' THEN 's' ELSE 'v' END) f;

DROP TABLE outside;
DROP FUNCTION from_outside;
RESET client_min_messages;
