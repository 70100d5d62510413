-- what a table tells a build: neighbours of rows, lists of rows
CREATE SCHEMA build_hints;
SET search_path = build_hints, public;
SET max_parallel_maintenance_workers = 0;
SET enable_seqscan = off;
SET jit = off;
SET hnsw.seed = 1;
SET ivf.seed = 1;
\set VERBOSITY terse
SET vector.enable_exact_scan = off;
CREATE FUNCTION noise(a bigint, b bigint) RETURNS float8 IMMUTABLE LANGUAGE sql AS 'SELECT hashint8extended($1, $2) / 9223372036854775808.0::float8';
CREATE FUNCTION item(seed bigint, dims int) RETURNS vector IMMUTABLE LANGUAGE sql AS
	'SELECT array_agg(noise(i, seed % 12) + 0.5 * noise(i, 1000 + seed))::vector FROM generate_series(1, dims) i';
CREATE TABLE items (id bigint PRIMARY KEY, v vector(16), h halfvec(16), b bit(64), s sparsevec(50), tenant int, name text);
INSERT INTO items SELECT i, item(i, 16), item(i, 16)::halfvec, binary_quantize(item(i, 64)), NULL, i % 5, 'n' || i FROM generate_series(1, 400) i;
UPDATE items SET s = ('{' || (SELECT string_agg((k * 3) || ':' || round(noise(k, id)::numeric, 4), ',') FROM generate_series(1, 10) k) || '}/50')::sparsevec;

-- neighbours by any column and operator
CREATE FUNCTION neighbors_of(value text, op text, k int DEFAULT 20) RETURNS TABLE (id bigint, neighbors bigint[]) LANGUAGE plpgsql SET enable_indexscan = off AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT a.id, (SELECT array_agg(x.id ORDER BY d, x.id) FROM (SELECT b.id, b.%1$I %2$s a.%1$I AS d FROM items b WHERE b.id <> a.id ORDER BY 2, 1 LIMIT %3$s) x) FROM items a ORDER BY a.id', value, op, k);
END $$;

-- what an index finds: how many of the ten nearest, of 40 queries; is it sound?
CREATE FUNCTION judge(value text, op text, condition text DEFAULT 'true', OUT recall numeric, OUT violations bigint, OUT rows bigint) LANGUAGE plpgsql AS $$
DECLARE
	found bigint := 0; total bigint := 0; n bigint; exact float8[]; near float8[];
BEGIN
	FOR n IN SELECT id FROM items WHERE id % 67 = 5 ORDER BY id LOOP
		EXECUTE format('SELECT array_agg(d) FROM (SELECT (%1$I %2$s (SELECT %1$I FROM items WHERE id = $1)) + 0 AS d FROM items WHERE %3$s ORDER BY 1 LIMIT 10) x', value, op, condition) INTO exact USING n;
		EXECUTE format('SELECT array_agg(d) FROM (SELECT %1$I %2$s (SELECT %1$I FROM items WHERE id = $1) AS d FROM items WHERE %3$s ORDER BY 1 LIMIT 10) x', value, op, condition) INTO near USING n;
		found := found + (SELECT count(*) FROM unnest(near) d WHERE d <= exact[cardinality(exact)]);
		total := total + cardinality(exact);
	END LOOP;
	recall := round(found::numeric / total, 2);
	violations := (SELECT count(*) FROM vector_index_check('hinted', true));
	EXECUTE format('SELECT count(*) FROM (SELECT id FROM items WHERE %3$s ORDER BY %1$I %2$s (SELECT %1$I FROM items WHERE id = 1) LIMIT 10000) x', value, op, condition) INTO rows;
END $$ SET hnsw.iterative_scan = relaxed_order SET hnsw.max_scan_tuples = 1000000;

CREATE TABLE near_l2 AS SELECT * FROM neighbors_of('v', '<->');
CREATE INDEX hinted ON items USING hnsw (v vector_l2_ops) WITH (neighbors = 'build_hints.near_l2');
SELECT recall >= .95 AS found, violations, rows FROM judge('v', '<->');
DROP INDEX hinted;

-- quantizers, metrics, types
DO $$
DECLARE
	c record; r record;
BEGIN
	FOR c IN SELECT * FROM (VALUES
			('v', 'vector_l2_ops', '<->', 'quantizer = none'), ('v', 'vector_l2_ops', '<->', 'quantizer = rabitq1'),
			('v', 'vector_l2_ops', '<->', 'm = 4, ef_construction = 20'), ('v', 'vector_l1_ops', '<+>', 'm = 16'),
			('v', 'vector_ip_ops', '<#>', 'm = 16'), ('v', 'vector_cosine_ops', '<=>', 'm = 16'), ('h', 'halfvec_l2_ops', '<->', 'm = 16'),
			('b', 'bit_jaccard_ops', '<%>', 'm = 16'),
			('s', 'sparsevec_ip_ops', '<#>', 'm = 16')) x (value, class, op, options) LOOP
		DROP TABLE IF EXISTS near_any;
		CREATE TABLE near_any AS SELECT * FROM neighbors_of(c.value, c.op);
		EXECUTE format('CREATE INDEX hinted ON items USING hnsw (%I %s) WITH (%s, neighbors = ''build_hints.near_any'')', c.value, c.class, c.options);
		SELECT * INTO r FROM judge(c.value, c.op);
		RAISE NOTICE '% %: % violations, % rows, recall %', c.class, c.options, r.violations, r.rows, CASE WHEN r.recall >= .9 THEN 'good' ELSE r.recall::text END;
		DROP INDEX hinted;
	END LOOP;
END $$;

-- filter columns, a predicate, an expression; an index of some of the rows uses what it can
CREATE INDEX hinted ON items USING hnsw (v vector_l2_ops, tenant) WITH (neighbors = 'build_hints.near_l2');
SELECT recall >= .95 AS found, violations, rows FROM judge('v', '<->', 'tenant = 3');
DROP INDEX hinted;
CREATE INDEX hinted ON items USING hnsw ((v::halfvec(16)) halfvec_l2_ops) WITH (neighbors = 'build_hints.near_l2');
SELECT count(*) FROM vector_index_check('hinted', true);
DROP INDEX hinted;
CREATE INDEX hinted ON items USING hnsw (v vector_l2_ops) WITH (neighbors = 'build_hints.near_l2') WHERE tenant < 4;
SELECT recall >= .95 AS found, violations, rows FROM judge('v', '<->', 'tenant < 4');
DROP INDEX hinted;
CREATE INDEX hinted ON items USING hnsw (v vector_l2_ops) WITH (neighbors = 'build_hints.near_l2') WHERE tenant = 4;
SELECT count(*) FROM vector_index_check('hinted', true);
DROP INDEX hinted;

-- copies of a value with other filter keys, in memory that an earlier build has used
CREATE TABLE copies AS SELECT i.id + n * 400 AS id, i.v, n FROM items i, generate_series(0, 3) n;
CREATE INDEX copies_v ON copies USING hnsw (v vector_l2_ops, n) WITH (neighbors = 'build_hints.near_l2');
REINDEX INDEX copies_v;
SELECT count(*) AS violations FROM vector_index_check('copies_v', true);
SELECT count(*) FROM copies c WHERE id > 400 AND id % 10 = 1 AND EXISTS (SELECT FROM (SELECT id FROM copies d WHERE d.n = c.n ORDER BY d.v <-> c.v LIMIT 1) x WHERE x.id = c.id);
DROP TABLE copies;

-- other keys: text, several columns, integers of another size
CREATE TABLE by_name AS SELECT i.name, (SELECT array_agg('n' || k ORDER BY o)::varchar[] FROM unnest(neighbors) WITH ORDINALITY u (k, o)) AS near FROM near_l2 JOIN items i USING (id);
CREATE TABLE by_two AS SELECT id::int, (id % 5)::smallint AS tenant, neighbors::int[] AS near_ids, (SELECT array_agg((k % 5)::smallint ORDER BY o) FROM unnest(neighbors) WITH ORDINALITY u (k, o)) AS near_tenants FROM near_l2;
CREATE INDEX hinted ON items USING hnsw (v vector_l2_ops) WITH (neighbors = 'build_hints.by_name');
DROP INDEX hinted;
CREATE INDEX hinted ON items USING hnsw (v vector_l2_ops) WITH (neighbors = 'build_hints.by_two');
SELECT recall >= .95 AS found, violations, rows FROM judge('v', '<->');
DROP INDEX hinted;

-- hostile: wrong keys, itself, repeated, null, empty, too many, far, dropped
CREATE TABLE hostile (id bigint, neighbors bigint[]);
INSERT INTO hostile SELECT id, CASE
	WHEN id % 10 = 0 THEN array_fill(id, ARRAY[24])
	WHEN id % 10 = 1 THEN array_fill(neighbors[1], ARRAY[24])
	WHEN id % 10 = 2 THEN ARRAY[NULL, -5, 99999999]::bigint[] || neighbors || ARRAY[NULL]::bigint[]
	WHEN id % 10 = 3 THEN (SELECT array_agg(k) FROM generate_series(1, 1000) k)
	WHEN id % 10 = 4 AND id % 20 = 4 THEN NULL
	ELSE neighbors || neighbors END FROM near_l2 WHERE id % 17 <> 3;
INSERT INTO hostile SELECT NULL, neighbors FROM near_l2 LIMIT 5;
INSERT INTO hostile SELECT id, '{}' FROM near_l2 LIMIT 50;
INSERT INTO hostile SELECT * FROM near_l2 WHERE id % 3 = 0;
CREATE INDEX hinted ON items USING hnsw (v vector_l2_ops) WITH (neighbors = 'build_hints.hostile');
SELECT recall >= .95 AS found, violations, rows FROM judge('v', '<->');
DROP INDEX hinted;

-- an array of more than 1 MB is no list, though there is little of it in the table
CREATE TABLE few AS SELECT id, v FROM items WHERE id <= 60;
CREATE TABLE long AS SELECT id, (SELECT array_agg(x.id) FROM (SELECT b.id FROM few b WHERE b.id <> a.id ORDER BY b.v <-> a.v LIMIT 20) x) || array_fill(id, ARRAY[140000]) AS neighbors FROM few a;
CREATE INDEX few_v ON few USING hnsw (v vector_l2_ops) WITH (neighbors = 'build_hints.long');
SELECT count(*) FROM vector_index_check('few_v', true);
UPDATE long SET neighbors = neighbors[1:1000];
REINDEX INDEX few_v;
DROP TABLE few, long;

-- of other vectors; of too few rows; rows that have changed since
CREATE TABLE other AS SELECT id, (SELECT array_agg((id * 7919 + k * 104729) % 400 + 1) FROM generate_series(1, 24) k) AS neighbors FROM items;
CREATE INDEX hinted ON items USING hnsw (v vector_l2_ops) WITH (neighbors = 'build_hints.other');
SELECT recall >= .95 AS found, violations, rows FROM judge('v', '<->');
DELETE FROM other;
INSERT INTO other SELECT * FROM near_l2 WHERE id < 100 OR id > 5000;
REINDEX INDEX hinted;
SELECT recall >= .95 AS found, violations, rows FROM judge('v', '<->');
UPDATE items SET v = item(id + 7777, 16) WHERE id % 10 = 0;
ALTER INDEX hinted SET (neighbors = 'build_hints.near_l2');
REINDEX INDEX hinted;
SELECT recall >= .95 AS found, violations, rows FROM judge('v', '<->');

-- of other rows' neighbours; of rows that are near, but not nearest
CREATE TABLE shuffled AS SELECT n.id, o.neighbors FROM near_l2 n JOIN near_l2 o ON o.id = (n.id * 131) % 400 + 1;
ALTER INDEX hinted SET (neighbors = 'build_hints.shuffled');
REINDEX INDEX hinted;
SELECT recall >= .95 AS found, violations, rows FROM judge('v', '<->');
CREATE TABLE farther AS SELECT id, neighbors[101:132] AS neighbors FROM neighbors_of('v', '<->', 132);
ALTER INDEX hinted SET (neighbors = 'build_hints.farther');
REINDEX INDEX hinted;
SELECT recall >= .95 AS found, violations, rows FROM judge('v', '<->');
ALTER INDEX hinted SET (neighbors = 'build_hints.near_l2');
DROP TABLE shuffled, farther;

-- a build without the table is one as usual, and later ones find a new one
ALTER TABLE near_l2 RENAME TO near_gone;
REINDEX INDEX hinted;
CREATE TABLE near_l2 AS SELECT * FROM neighbors_of('v', '<->');
REINDEX INDEX CONCURRENTLY hinted;
DROP TABLE near_l2;
ALTER INDEX hinted RESET (neighbors);
REINDEX INDEX hinted;
SELECT recall >= .95 AS found, violations, rows FROM judge('v', '<->');
DROP INDEX hinted;

-- tables that will not do
CREATE TABLE near_l2 AS SELECT * FROM neighbors_of('v', '<->');
CREATE VIEW near_view AS SELECT * FROM near_l2;
CREATE TEMP TABLE near_temp AS SELECT * FROM near_l2;
CREATE TABLE no_key AS SELECT id AS other_id, neighbors FROM near_l2;
CREATE TABLE no_array AS SELECT id FROM near_l2;
CREATE TABLE wrong_array AS SELECT id, neighbors::text[] AS neighbors FROM near_l2;
CREATE TABLE wrong_key AS SELECT id::text, neighbors::text[] AS neighbors FROM near_l2;
CREATE INDEX hinted ON items USING hnsw (v vector_l2_ops) WITH (neighbors = 'near_l2');
CREATE INDEX hinted ON items USING hnsw (v vector_l2_ops) WITH (neighbors = 'elsewhere.build_hints.near_l2');
CREATE INDEX hinted ON items USING ivfflat (v vector_l2_ops) WITH (assignments = 'elsewhere.build_hints.near_l2');
CREATE INDEX hinted ON items USING ivfflat (v vector_l2_ops) WITH (centroids = 'elsewhere.build_hints.near_l2');
CREATE INDEX hinted ON items USING hnsw (v vector_l2_ops) WITH (neighbors = 'build_hints.near_view');
DO $$
DECLARE t text;
BEGIN
	FOREACH t IN ARRAY ARRAY['build_hints.no_key', 'build_hints.no_array', 'build_hints.wrong_array', 'build_hints.wrong_key', 'build_hints.items', 'nowhere.at_all', 'build_hints.nothing'] LOOP
		EXECUTE format('ALTER INDEX hinted SET (neighbors = %L)', t);
		REINDEX INDEX hinted;
	END LOOP;
END $$;
SELECT recall >= .95 AS found, violations, rows FROM judge('v', '<->');
DROP INDEX hinted;

-- rights: those of the index's owner
CREATE ROLE regress_hints;
GRANT USAGE ON SCHEMA build_hints TO regress_hints;
CREATE TABLE private AS SELECT * FROM near_l2;
ALTER TABLE items OWNER TO regress_hints;
CREATE INDEX hinted ON items USING hnsw (v vector_l2_ops) WITH (neighbors = 'build_hints.private');
GRANT SELECT (id) ON private TO regress_hints;
REINDEX INDEX hinted;
GRANT SELECT (id, neighbors) ON private TO regress_hints;
REINDEX INDEX hinted;
ALTER TABLE private ENABLE ROW LEVEL SECURITY;
REINDEX INDEX hinted;
ALTER TABLE items OWNER TO CURRENT_USER;
DROP INDEX hinted;

-- equal values: one element, or twins; nulls
CREATE TABLE copies (id int PRIMARY KEY, v vector(16), tenant int);
INSERT INTO copies SELECT i, CASE WHEN i % 11 = 0 THEN NULL WHEN i % 2 = 0 THEN item(1 + i % 3, 16) ELSE item(i, 16) END, i FROM generate_series(1, 400) i;
CREATE TABLE copies_near AS SELECT a.id, (SELECT array_agg(id) FROM (SELECT b.id FROM copies b WHERE b.id <> a.id AND b.v IS NOT NULL ORDER BY a.v <-> b.v LIMIT 24) x) AS neighbors FROM copies a;
CREATE INDEX hinted ON copies USING hnsw (v vector_l2_ops) WITH (neighbors = 'build_hints.copies_near');
SELECT count(*) FROM vector_index_check('hinted', true);
DROP INDEX hinted;
CREATE INDEX hinted ON copies USING hnsw (v vector_l2_ops, tenant) WITH (neighbors = 'build_hints.copies_near');
SELECT count(*) FROM vector_index_check('hinted', true);
SELECT id FROM copies WHERE tenant = 200 ORDER BY v <-> item(1, 16) LIMIT 3;
DELETE FROM copies WHERE id % 3 = 0;
VACUUM copies;
SELECT count(*) FROM vector_index_check('hinted', true);
DROP TABLE copies, copies_near;

-- memory that is full; partitions; workers
SET maintenance_work_mem = '1MB';
SET client_min_messages = error;
INSERT INTO items SELECT i, item(i, 16) FROM generate_series(2001, 2800) i;
TRUNCATE near_l2;
INSERT INTO near_l2 SELECT i.id, (SELECT array_agg(id) FROM (SELECT b.id FROM items b WHERE b.id <> i.id AND b.id % 12 = i.id % 12 ORDER BY b.v <-> i.v LIMIT 24) x) FROM items i;
CREATE INDEX hinted ON items USING hnsw (v vector_l2_ops) WITH (m = 40, ef_construction = 80, neighbors = 'build_hints.near_l2');
SELECT count(*) FROM vector_index_check('hinted', true);
DROP INDEX hinted;
RESET maintenance_work_mem;
RESET client_min_messages;
SET max_parallel_maintenance_workers = 2;
SET min_parallel_table_scan_size = 0;
CREATE INDEX hinted ON items USING hnsw (v vector_l2_ops) WITH (neighbors = 'build_hints.near_l2');
SELECT recall >= .95 AS found, violations, rows FROM judge('v', '<->');
DROP INDEX hinted;
CREATE TABLE parted (id bigint, v vector(16)) PARTITION BY HASH (id);
CREATE TABLE part_a PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE part_b PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO parted SELECT id, v FROM items;
CREATE INDEX hinted ON parted USING hnsw (v vector_l2_ops) WITH (neighbors = 'build_hints.near_l2');
SELECT relname, (SELECT count(*) FROM vector_index_check(oid, true)) FROM pg_class WHERE relname IN ('part_a_v_idx', 'part_b_v_idx') ORDER BY 1;
DROP TABLE parted;

-- lists of rows
CREATE TABLE centroids AS SELECT id AS list, centroid FROM vector_kmeans('SELECT v FROM items', 20, seed => 1) ORDER BY id;
CREATE TABLE lists AS SELECT i.id, (SELECT c.list FROM centroids c ORDER BY c.centroid <-> i.v LIMIT 1) AS list FROM items i;
CREATE TABLE entries (kind text, part text, entries bigint, built_error float8);
CREATE FUNCTION build_lists(part text, options text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE kind text;
BEGIN
	FOREACH kind IN ARRAY '{ivfflat,ivfpq,ivfrabitq}'::text[] LOOP
		EXECUTE format('CREATE INDEX listed ON items USING %s (v vector_l2_ops) WITH (centroids = ''build_hints.centroids''%s)', kind, options);
		INSERT INTO entries SELECT kind, part, d.entries, d.built_error FROM ivf_drift('listed') d;
		RAISE NOTICE '% %: % violations', kind, part, (SELECT count(*) FROM vector_index_check('listed', true));
		DROP INDEX listed;
	END LOOP;
END $$;
SELECT build_lists('usual', '');
SELECT build_lists('given', $$, assignments = 'build_hints.lists'$$);
DELETE FROM lists WHERE id % 3 = 0;
UPDATE lists SET list = CASE id % 4 WHEN 0 THEN 0 WHEN 1 THEN 21 ELSE NULL END WHERE id % 3 = 1;
SELECT build_lists('some', $$, assignments = 'build_hints.lists'$$);
-- of many rows with one key, the first counts, and no other is looked at
INSERT INTO lists SELECT 7, 1 FROM generate_series(1, 50000);
SELECT build_lists('repeated', $$, assignments = 'build_hints.lists'$$);
DELETE FROM lists WHERE id = 7;
-- some in another list; more rows than there is memory for, of which the first count
CREATE TABLE some_lists AS SELECT id, CASE WHEN id % 4 = 0 THEN list % 20 + 1 ELSE list END AS list FROM (SELECT i.id, (SELECT c.list FROM centroids c ORDER BY c.centroid <-> i.v LIMIT 1) AS list FROM items i) x;
SELECT build_lists('poor', $$, assignments = 'build_hints.some_lists'$$);
CREATE TABLE many_lists AS SELECT i.id, (SELECT c.list FROM centroids c ORDER BY c.centroid <-> i.v LIMIT 1) AS list FROM items i WHERE id % 2 = 0 UNION ALL SELECT i, 1 + i % 20 FROM generate_series(10000, 140000) i;
SET maintenance_work_mem = '1MB';
SELECT build_lists('many', $$, assignments = 'build_hints.many_lists'$$);
RESET maintenance_work_mem;
UPDATE lists SET list = list % 20 + 1;
SELECT build_lists('wrong', $$, assignments = 'build_hints.lists'$$);
DROP TABLE lists;
SELECT build_lists('none', $$, assignments = 'build_hints.lists'$$);
SELECT g.part, count(*), bool_and(g.entries = u.entries) AS all_rows, bool_and(abs(g.built_error / u.built_error - 1) < .001) AS same FROM entries g JOIN entries u ON u.kind = g.kind AND u.part = 'usual' GROUP BY 1 ORDER BY 1;
CREATE INDEX listed ON items USING ivfflat (v vector_l2_ops) WITH (assignments = 'build_hints.lists');
CREATE INDEX listed ON items USING ivfflat (v vector_l2_ops) WITH (centroids = 'build_hints.centroids', assignments = 'lists');
DROP SCHEMA build_hints CASCADE;
DROP ROLE regress_hints;
