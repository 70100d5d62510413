-- flat: exact search by codes with proven errors
\set ECHO none
\cd `echo ${VECTOR_TEST:-test}`
\i sql/flat.inc
\set ECHO all

SELECT * FROM flat_cases(400, 0.25);

-- options, types, operator classes
CREATE TABLE flat_t (id int PRIMARY KEY, v vector(3) NOT NULL, h halfvec(3), b bit(3), s sparsevec(3), u vector, k int, name text);
CREATE INDEX flat_x ON flat_t USING flat (v) WITH (lists = 5);
CREATE INDEX flat_x ON flat_t USING flat (b);
CREATE INDEX flat_x ON flat_t USING flat (s);
CREATE INDEX flat_x ON flat_t USING flat (u);
CREATE INDEX flat_x ON flat_t USING flat (k, v);
CREATE OPERATOR CLASS flat_l1_ops FOR TYPE vector USING flat AS
	OPERATOR 1 <+> (vector, vector) FOR ORDER BY float_ops, FUNCTION 1 l1_distance(vector, vector);
CREATE INDEX flat_x ON flat_t USING flat (v flat_l1_ops);
DROP OPERATOR FAMILY flat_l1_ops USING flat CASCADE;
SELECT opcname, amvalidate(c.oid) FROM pg_opclass AS c JOIN pg_am AS a ON a.oid = opcmethod
	WHERE amname = 'flat' AND opcintype IN ('vector'::regtype, 'halfvec'::regtype) ORDER BY 1;
CREATE INDEX flat_v ON flat_t USING flat (v vector_cosine_ops, k, name);
CREATE INDEX flat_h ON flat_t USING flat (h);
\d flat_t
SELECT * FROM ivf_drift('flat_v');
SELECT * FROM ivf_centroids('flat_v');

-- an empty index; zeros, which have no cosine distance, come last, and are not left out
SELECT id FROM flat_t ORDER BY v <=> '[1,2,3]' LIMIT 3;
INSERT INTO flat_t SELECT i, ARRAY[i, 1, 0]::vector, ARRAY[i, 1, 0]::vector, i::bit(3), '{1:1}/3', '[1]', i % 2, 'n' || i % 3
	FROM generate_series(1, 6) AS i;
INSERT INTO flat_t SELECT i, '[0,0,0]', NULL, B'000', '{1:1}/3', '[1]', i % 2, 'n' || i % 3 FROM generate_series(7, 9) AS i;
ANALYZE flat_t;
SET enable_seqscan = off;
SET enable_sort = off;
SET vector.enable_exact_scan = off;
CREATE FUNCTION flat_plan(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || statement LOOP
		-- what PostgreSQL 18 prints besides
		CONTINUE WHEN line ~ '^ *(Disabled|Window): ';
		RETURN NEXT line;
	END LOOP;
END $$;

-- everything that asks for the whole truth
EXPLAIN (COSTS OFF) SELECT id, v <=> '[1,2,3]' FROM flat_t ORDER BY v <=> '[1,2,3]';
SELECT id, round((v <=> '[1,2,3]')::numeric, 4) FROM flat_t WHERE id < 7 ORDER BY v <=> '[1,2,3]';
SELECT count(*), count(*) FILTER (WHERE d = 'NaN'), max(n) FILTER (WHERE d <> 'NaN')
	FROM (SELECT v <=> '[1,2,3]' AS d, row_number() OVER (ORDER BY v <=> '[1,2,3]') AS n FROM flat_t) AS q;
SELECT flat_plan('SELECT id, rank() OVER (ORDER BY v <=> ''[1,2,3]'') FROM flat_t');
EXPLAIN (COSTS OFF) SELECT count(*) FROM flat_t WHERE v <=> '[1,2,3]' < 0.3;
SELECT count(*) FROM flat_t WHERE v <=> '[1,2,3]' < 0.3;
EXPLAIN (COSTS OFF) UPDATE flat_t SET k = k WHERE v <=> '[1,2,3]' < 0.3;
EXPLAIN (COSTS OFF) SELECT id FROM flat_t WHERE k = 1 AND name = 'n2' ORDER BY v <=> '[1,2,3]';
SELECT id FROM flat_t WHERE k = 1 AND name = 'n2' ORDER BY v <=> '[1,2,3]';
-- NaN is above all numbers: not by a sphere
SELECT flat_plan('SELECT id FROM flat_t WHERE 1 - (v <=> ''[1,2,3]'') > 0.5');
SELECT count(*) FROM flat_t WHERE 1 - (v <=> '[1,2,3]') > 0.5;
SELECT count(*) FROM flat_t WHERE v <=> '[1,2,3]' <= 'NaN';
-- nulls have no entry, so a column that may be null is not put in order without a LIMIT
SET enable_sort = on;
SELECT flat_plan('SELECT id FROM flat_t ORDER BY h <-> ''[1,2,3]''');
EXPLAIN (COSTS OFF) SELECT id FROM flat_t ORDER BY h <-> '[1,2,3]' LIMIT 2;
SELECT id FROM flat_t ORDER BY h <-> '[1,2,3]' LIMIT 2;
SELECT count(*) FROM flat_t WHERE h <-> '[1,2,3]' < 100;
-- nothing to compare with, or nothing that has a direction
SELECT count(*) FROM (SELECT id FROM flat_t ORDER BY v <=> NULL) AS q;
SELECT count(*) FROM (SELECT id FROM flat_t ORDER BY v <=> '[0,0,0]') AS q;

-- more rows than are kept at a time, all at the same distance, some gone
INSERT INTO flat_t SELECT i, '[5,5,5]', NULL, B'000', '{1:1}/3', '[1]', i % 2, 'many' FROM generate_series(10, 3009) AS i;
DELETE FROM flat_t WHERE id % 5 = 0;
VACUUM flat_t;
SET work_mem = '64kB';
SET enable_sort = off;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM flat_t ORDER BY v <=> '[1,2,3]') AS q;
SELECT count(*), count(DISTINCT id) FROM flat_t WHERE v <=> '[1,2,3]' < 0.5;
RESET work_mem;
SELECT (vector_last_scan()).mode, (vector_last_scan()).visited;
SELECT * FROM vector_index_check('flat_v', true);
SELECT * FROM vector_index_check('flat_h', true);
REINDEX INDEX CONCURRENTLY flat_v;
SELECT * FROM vector_index_check('flat_v', true);
SELECT * FROM vector_reindex_list();
SELECT method, options, quantizer, rerank, lists, drift, needs_reindex FROM vector_indexes WHERE index = 'flat_v'::regclass;

-- built by several processes; entries whose codes go on to other pages
CREATE TABLE flat_wide (id int, v vector(9000) NOT NULL);
INSERT INTO flat_wide SELECT i, array(SELECT sin(i * n) FROM generate_series(1, 9000) AS n)::vector FROM generate_series(1, 40) AS i;
CREATE INDEX flat_wide_v ON flat_wide USING flat (v);
SELECT array_agg(id) FROM (SELECT id FROM flat_wide ORDER BY v <-> (SELECT v FROM flat_wide WHERE id = 7) LIMIT 5) AS q;
DELETE FROM flat_wide WHERE id < 7;
VACUUM flat_wide;
INSERT INTO flat_wide SELECT id + 100, v FROM flat_wide WHERE id = 7;
SELECT array_agg(id ORDER BY id) FROM (SELECT id FROM flat_wide ORDER BY v <-> (SELECT v FROM flat_wide WHERE id = 7) LIMIT 2) AS q;
SELECT * FROM vector_index_check('flat_wide_v', true);
-- an index of no rows that has room for them on several pages
CREATE TABLE flat_none (id int, v vector(16000));
CREATE UNLOGGED TABLE flat_none_unlogged (id int, v vector(16000));
CREATE INDEX ON flat_none USING flat (v, id);
CREATE INDEX ON flat_none USING flat ((v::halfvec(16000)));
CREATE INDEX ON flat_none_unlogged USING flat (v);
SELECT * FROM vector_index_check('flat_none_v_id_idx', true);
INSERT INTO flat_none SELECT i, array(SELECT sin(i * n) FROM generate_series(1, 16000) AS n)::vector FROM generate_series(1, 3) AS i;
INSERT INTO flat_none_unlogged TABLE flat_none;
SELECT * FROM vector_index_check('flat_none_v_id_idx', true);
SELECT * FROM vector_index_check('flat_none_v_idx', true);
SELECT * FROM vector_index_check('flat_none_unlogged_v_idx', true);
SELECT array_agg(id) FROM (SELECT id FROM flat_none ORDER BY v <-> (SELECT v FROM flat_none_unlogged WHERE id = 2) LIMIT 1) AS q;
TRUNCATE flat_none, flat_none_unlogged;
INSERT INTO flat_none_unlogged SELECT 4, array_fill(1::real, ARRAY[16000]);
SELECT array_agg(id) FROM (SELECT id FROM flat_none_unlogged ORDER BY v <-> (SELECT v FROM flat_none_unlogged) LIMIT 1) AS q;
DROP TABLE flat_none, flat_none_unlogged;
SET min_parallel_table_scan_size = 0;
SET max_parallel_maintenance_workers = 2;
ALTER TABLE flat_t SET (parallel_workers = 2);
CREATE INDEX flat_p ON flat_t USING flat (v);
SELECT * FROM vector_index_check('flat_p', true);
DROP TABLE flat_t, flat_wide;
DROP FUNCTION flat_plan(text);
