-- Approximation is asked for: what else a query can be about gets the whole truth,
-- whatever indexes there are
CREATE SCHEMA planner_exact;
SET search_path = planner_exact, public;
SET client_min_messages = warning;
SET jit = off;
SET max_parallel_workers_per_gather = 0;
SET constraint_exclusion = on;

-- few distinct distances; searches that miss much: one list of many, one candidate
CREATE TABLE items (id int, category int, v vector(4), h halfvec(4), s sparsevec(4), b bit(16));
INSERT INTO items SELECT i, i % 10, x, x, x::vector::sparsevec, (i * 7919 % 65536)::bit(16)
	FROM generate_series(1, 3000) i, LATERAL (SELECT ARRAY[i % 7, i % 11, i % 13, (i % 5) + 1]) y(x);
INSERT INTO items (id, category, v, h, s) SELECT i, i % 10, '[0,0,0,0]', '[0,0,0,0]', '{}/4' FROM generate_series(3001, 3010) i;
INSERT INTO items (id, category) SELECT i, i % 10 FROM generate_series(3011, 3050) i;
CREATE TABLE parts (id int, category int, v vector(4), h halfvec(4), s sparsevec(4), b bit(16)) PARTITION BY HASH (id);
CREATE TABLE parts_0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO parts SELECT * FROM items;
CREATE TABLE few AS SELECT id, v, h, s, b FROM items WHERE id IN (3, 700, 1501);
CREATE TABLE numbers AS SELECT i::float8 AS n FROM generate_series(0, 20) i;
ANALYZE items, parts, few, numbers;
SET hnsw.ef_search = 1;
SET hnsw.max_scan_tuples = 1;

-- {d}: a distance of a row from a constant, {r}: a radius, {t}: a table, {v}: its
-- column, {o}: the operator, {q} and {z}: values, {z} with a length of 0
CREATE TABLE shapes (n int, shape text);
INSERT INTO shapes VALUES
	(1, 'SELECT count(*) FROM {t} t WHERE {d} < {r}'),
	(2, 'SELECT count(*), sum(id) FROM {t} t WHERE {r} >= {d} AND category = 3'),
	(3, 'SELECT id FROM {t} t WHERE 2 - ({d}) > 2 - {r}'),
	(4, 'SELECT id FROM {t} t WHERE {d} < {r} ORDER BY {d}'),
	(5, 'SELECT id FROM {t} t ORDER BY {d}'),
	(6, 'SELECT id FROM {t} t ORDER BY {d} LIMIT ALL'),
	(7, 'SELECT id FROM {t} t ORDER BY {d} LIMIT NULL'),
	(8, 'SELECT id FROM {t} t ORDER BY {d}, id OFFSET 40'),
	(9, 'SELECT DISTINCT {d} AS d FROM {t} t ORDER BY d LIMIT 8'),
	(10, 'SELECT DISTINCT {d} AS d FROM {t} t LIMIT 1000'),
	(11, 'SELECT DISTINCT ON ({d}) {d} AS d FROM {t} t ORDER BY {d}, id LIMIT 5'),
	(12, 'SELECT {d} AS d, count(*) FROM {t} t GROUP BY d ORDER BY d LIMIT 5'),
	(13, 'SELECT {d} AS d, count(*) FROM {t} t WHERE {d} < {r} GROUP BY d HAVING count(*) > 1 ORDER BY d LIMIT 5'),
	(14, 'SELECT rank() OVER (ORDER BY {d}) FROM {t} t LIMIT 50'),
	(15, 'SELECT id, row_number() OVER (ORDER BY {d}, id) AS r FROM {t} t ORDER BY id LIMIT 20'),
	(16, 'SELECT min({d}), max(2 - ({d})) FROM {t} t'),
	(17, 'SELECT min({d}) FROM {t} t WHERE id = 1234'),
	(18, 'SELECT array_agg(id ORDER BY {d}, id) FROM {t} t WHERE {d} < {r}'),
	(19, 'SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY {d}) FROM {t} t'),
	(20, 'SELECT f.id FROM few f WHERE EXISTS (SELECT FROM {t} t WHERE t.{v} {o} f.{v} < {r})'),
	(21, 'SELECT f.id FROM few f WHERE NOT EXISTS (SELECT FROM {t} t WHERE t.{v} {o} f.{v} < {r} AND t.id <> f.id)'),
	(22, 'SELECT f.id, count(t.id) FROM few f LEFT JOIN {t} t ON t.{v} {o} f.{v} < {r} GROUP BY f.id'),
	(23, 'SELECT f.id, t.id FROM few f JOIN {t} t ON t.{v} {o} f.{v} < {r}'),
	(24, 'SELECT n, count(*) FROM numbers JOIN {t} t ON {d} = n GROUP BY n'),
	(25, 'SELECT n FROM numbers JOIN {t} t ON {d} = n ORDER BY n LIMIT 100'),
	(26, 'SELECT id, n FROM numbers FULL JOIN {t} t ON {d} = n ORDER BY {d}, n, id LIMIT 30'),
	(27, 'SELECT f.id, t.id FROM few f LEFT JOIN {t} t ON t.category = f.id % 10 AND t.id % 3 = 0 ORDER BY {d}, t.id, f.id LIMIT 2000'),
	(28, 'SELECT id FROM (SELECT id FROM {t} t WHERE {d} < {r} UNION SELECT id FROM few) x'),
	(29, 'SELECT id FROM {t} t WHERE {d} < {r} EXCEPT SELECT id FROM {t} t WHERE category = 3'),
	(30, 'SELECT count(*) FROM (SELECT id FROM {t} t ORDER BY {d}) x'),
	(31, 'WITH x AS MATERIALIZED (SELECT id FROM {t} t ORDER BY {d}) SELECT count(*) FROM x'),
	(32, 'SELECT DISTINCT d FROM (SELECT {d} AS d FROM {t} t ORDER BY 1) x LIMIT 1000'),
	(33, 'SELECT ARRAY(SELECT id FROM {t} t WHERE {d} < {r} ORDER BY {d}, id)'),
	(34, 'SELECT id FROM {t} t WHERE {d} < {r} ORDER BY id LIMIT 100'),
	(35, 'SELECT id FROM {t} t WHERE {d} < {r} ORDER BY category, {d}, id LIMIT 100'),
	(36, 'SELECT id FROM {t} t WHERE id IN (SELECT id FROM {t} u WHERE u.{v} {o} {q} < {r})'),
	(37, 'SELECT id FROM {t} t WHERE false ORDER BY {d} LIMIT 3'),
	(38, 'SELECT id FROM {t} t WHERE id < 0 AND id > 10 ORDER BY 1 - ({d}) DESC NULLS LAST LIMIT 3'),
	(39, 'SELECT id FROM {t} t WHERE category = NULL ORDER BY {d}, id LIMIT 3'),
	(40, 'SELECT count(*) FROM (SELECT id FROM {t} t TABLESAMPLE bernoulli (10) REPEATABLE (3) ORDER BY {d}, id LIMIT 3000) x'),
	(41, 'SELECT {d} FROM {t} t ORDER BY {d} LIMIT 3045'),
	(42, 'SELECT count(*) FROM {t} t WHERE 2 - ({d}) > ''-Infinity'''),
	(43, 'SELECT count(*) FROM {t} t WHERE {d} <= ''NaN'''),
	(44, 'SELECT count(*) FROM {t} t WHERE 2 - (t.{v} {o} {z}) > 1'),
	(45, 'SELECT count(*) FROM {t} t WHERE NOT 2 - (t.{v} {o} {z}) > 1'),
	(46, 'SELECT {d} AS d FROM (SELECT * FROM {t} t UNION ALL SELECT * FROM {t} u WHERE id < 9) t ORDER BY d'),
	(47, 'SELECT d, count(*) FROM (SELECT {d} AS d FROM {t} t UNION ALL SELECT {d} FROM {t} t) x GROUP BY d ORDER BY d LIMIT 5');

CREATE TABLE indexes (method text, "column" text, class text, operator text, value text, zero text, radius text, options text);
INSERT INTO indexes VALUES
	('hnsw', 'v', 'vector_l2_ops', '<->', '''[3,3,3,3]''::vector', '''[0,0,0,0]''', '6', ''),
	('hnsw', 'v', 'vector_ip_ops', '<#>', '''[3,3,3,3]''::vector', '''[0,0,0,0]''', '-60', ''),
	('hnsw', 'v', 'vector_cosine_ops', '<=>', '''[3,3,3,3]''::vector', '''[0,0,0,0]''', '0.1', ''),
	('hnsw', 'h', 'halfvec_cosine_ops', '<=>', '''[3,3,3,3]''::halfvec', '''[0,0,0,0]''', '0.1', ''),
	('hnsw', 's', 'sparsevec_cosine_ops', '<=>', '''{1:3,2:3,3:3,4:3}/4''::sparsevec', '''{}/4''', '0.1', ''),
	('hnsw', 'b', 'bit_hamming_ops', '<~>', 'B''1010101010101010''', 'B''0000000000000000''', '6', ''),
	('hnsw', 'b', 'bit_jaccard_ops', '<%>', 'B''1010101010101010''', 'B''0000000000000000''', '0.7', ''),
	('ivfflat', 'v', 'vector_l2_ops', '<->', '''[3,3,3,3]''::vector', '''[0,0,0,0]''', '6', 'WITH (lists = 50)'),
	('ivfflat', 'v', 'vector_cosine_ops', '<=>', '''[3,3,3,3]''::vector', '''[0,0,0,0]''', '0.1', 'WITH (lists = 50)'),
	('ivfflat', 'b', 'bit_hamming_ops', '<~>', 'B''1010101010101010''', 'B''0000000000000000''', '6', 'WITH (lists = 50)'),
	('ivfpq', 'v', 'vector_l2_ops', '<->', '''[3,3,3,3]''::vector', '''[0,0,0,0]''', '6', 'WITH (lists = 50)'),
	('ivfrabitq', 'h', 'halfvec_cosine_ops', '<=>', '''[3,3,3,3]''::halfvec', '''[0,0,0,0]''', '0.1', 'WITH (lists = 50)');

-- A statement's rows, sorted: what a set of rows is whatever its order
CREATE FUNCTION rows_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format('SELECT string_agg(r, '' '' ORDER BY r) FROM (SELECT q::text AS r FROM (%s) q) x', statement) INTO result;
	RETURN result;
END $$;
-- Does its plan use the index?
CREATE FUNCTION uses_index(statement text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || statement LOOP
		IF line ~ 'Index Scan using (.*exact_index|parts_[01]_)' THEN
			RETURN true;
		END IF;
	END LOOP;
	RETURN false;
END $$;
-- Every shape with every index, by the defaults and with every other plan
-- discouraged: those that an index is used for, or whose answer it changes. Of the
-- shapes, each index has one of vector_test.part (test/README.md)
CREATE FUNCTION every_shape() RETURNS TABLE (indexes bigint, shapes bigint, wrong text) LANGUAGE plpgsql AS $$
DECLARE
	i indexes;
	s shapes;
	relation text;
	statement text;
	expected text[];
	k int;
	part int := coalesce(current_setting('vector_test.part', true), '1');
BEGIN
	indexes := 0;
	shapes := 0;
	wrong := '';
	FOR i IN SELECT * FROM planner_exact.indexes LOOP
		FOREACH relation IN ARRAY ARRAY['items', 'parts'] LOOP
			expected := '{}';
			FOR k IN 0 .. 2 LOOP
				IF k = 1 THEN
					EXECUTE format('CREATE INDEX %s_exact_index ON %s USING %s (%s %s) %s', relation, relation, i.method, i."column", i.class, i.options);
					indexes := indexes + 1;
				ELSIF k = 2 THEN
					SET LOCAL enable_seqscan = off;
					SET LOCAL enable_sort = off;
					SET LOCAL enable_hashagg = off;
					SET LOCAL enable_hashjoin = off;
				END IF;
				FOR s IN SELECT * FROM planner_exact.shapes ORDER BY n LOOP
					shapes := shapes + (k = 0)::int;
					CONTINUE WHEN (s.n + indexes - (k > 0)::int) % part <> 0;
					statement := replace(replace(s.shape, '{d}', 't.{v} {o} {q}'), '{v}', i."column");
					statement := replace(replace(replace(statement, '{t}', relation), '{o}', i.operator), '{q}', i.value);
					statement := replace(replace(statement, '{r}', i.radius), '{z}', i.zero);
					IF k = 0 THEN
						expected[s.n] := rows_of(statement);
					ELSIF uses_index(statement) THEN
						wrong := wrong || format('%s %s %s: index used%s', i.method, i.class, statement, E'\n');
					ELSIF rows_of(statement) IS DISTINCT FROM expected[s.n] THEN
						wrong := wrong || format('%s %s %s: %s%s', i.method, i.class, statement, left(rows_of(statement), 80), E'\n');
					END IF;
				END LOOP;
			END LOOP;
			RESET enable_seqscan;
			RESET enable_sort;
			RESET enable_hashagg;
			RESET enable_hashjoin;
			EXECUTE format('DROP INDEX %s_exact_index', relation);
		END LOOP;
	END LOOP;
	RETURN NEXT;
END $$;

SELECT * FROM every_shape();

-- asked for: by a LIMIT wherever the query stands, by a cursor, by a sphere
CREATE INDEX items_exact_index ON items USING hnsw (v vector_l2_ops);
CREATE INDEX parts_exact_index ON parts USING hnsw (v vector_l2_ops);
SET enable_seqscan = off;
SELECT n, uses_index(replace(statement, '{d}', 'v <-> ''[3,3,3,3]''')) FROM (VALUES
	(1, 'SELECT id FROM items ORDER BY {d} LIMIT 5'),
	(2, 'SELECT id FROM parts ORDER BY {d} FETCH FIRST 3 ROWS WITH TIES'),
	(3, 'SELECT id FROM items WHERE {d} < 4 AND category = 3 ORDER BY {d}, id LIMIT 5 OFFSET 2'),
	(4, 'SELECT count(*) FROM (SELECT id FROM items ORDER BY {d} LIMIT 5) x'),
	(5, 'SELECT f.id, x.id FROM few f, LATERAL (SELECT id FROM items i ORDER BY i.v <-> f.v LIMIT 5) x'),
	(6, 'WITH x AS MATERIALIZED (SELECT id FROM items ORDER BY {d} LIMIT 5) SELECT * FROM x'),
	(7, '(SELECT id FROM items ORDER BY {d} LIMIT 5) UNION (SELECT id FROM few)'),
	(8, 'SELECT id FROM (SELECT * FROM items UNION ALL SELECT * FROM parts) x ORDER BY {d} LIMIT 5'),
	(9, 'SELECT * FROM (SELECT id FROM items ORDER BY {d}) x LIMIT 5'),
	(10, 'SELECT * FROM (SELECT * FROM (SELECT id FROM items ORDER BY {d}) x) y WHERE id > 3 LIMIT 5'),
	(11, 'SELECT id FROM few WHERE id IN (SELECT id FROM items ORDER BY {d} LIMIT 5)'),
	(12, 'SELECT items.id FROM items JOIN numbers ON n = category ORDER BY {d} LIMIT 5'),
	(13, 'SELECT id, generate_series(1, 2) FROM items ORDER BY {d} LIMIT 5'),
	(14, 'SELECT id FROM items ORDER BY {d} LIMIT 5 FOR UPDATE'),
	(15, 'UPDATE few SET id = id WHERE id IN (SELECT id FROM items ORDER BY {d} LIMIT 5)'),
	(16, 'INSERT INTO few (id) SELECT id FROM items ORDER BY {d} LIMIT 5'),
	(17, 'DECLARE c CURSOR FOR SELECT id FROM items ORDER BY {d}'),
	(18, 'SELECT id FROM items WHERE v <<->> sphere(''[3,3,3,3]''::vector, 2)'),
	(19, 'SELECT count(*) FROM parts WHERE v <<->> sphere(''[3,3,3,3]''::vector, 2) AND category = 3'),
	(20, 'SELECT f.id, i.id FROM few f JOIN items i ON i.v <<->> sphere(f.v, 2)'),
	(21, 'SELECT DISTINCT {d} AS d FROM items WHERE v <<->> sphere(''[3,3,3,3]''::vector, 2) ORDER BY d LIMIT 5')
) x(n, statement) ORDER BY n;
-- not: what changes rows; a cursor that wants all; a LIMIT around more than an order
SET cursor_tuple_fraction = 1;
SELECT n, uses_index(replace(statement, '{d}', 'v <-> ''[3,3,3,3]''')) FROM (VALUES
	(1, 'DECLARE c CURSOR FOR SELECT id FROM items ORDER BY {d}'),
	(2, 'DELETE FROM items WHERE {d} < 1'), (3, 'UPDATE items SET id = id WHERE v <<->> sphere(''[3,3,3,3]''::vector, 2)'),
	(4, 'SELECT DISTINCT id FROM (SELECT id FROM items ORDER BY {d}) x LIMIT 5'),
	(5, 'SELECT x.id FROM (SELECT id FROM items ORDER BY {d}) x, few LIMIT 5'),
	(6, 'SELECT id FROM (SELECT id FROM items ORDER BY {d}) x ORDER BY id LIMIT 5')
) x(n, statement) ORDER BY n;
RESET cursor_tuple_fraction;
-- PL/pgSQL: a cursor is one, a loop over a query reads all of it
CREATE FUNCTION loops(OUT cursor_scans bigint, OUT loop_scans bigint) LANGUAGE plpgsql AS $$
DECLARE
	c CURSOR FOR SELECT id FROM items ORDER BY v <-> '[3,3,3,3]';
	r record;
	before bigint := pg_stat_get_xact_numscans('items_exact_index'::regclass);
BEGIN
	OPEN c;
	FETCH c INTO r;
	CLOSE c;
	cursor_scans := pg_stat_get_xact_numscans('items_exact_index'::regclass) - before;
	FOR r IN SELECT id FROM items ORDER BY v <-> '[3,3,3,3]' LOOP
		EXIT;
	END LOOP;
	loop_scans := pg_stat_get_xact_numscans('items_exact_index'::regclass) - before - cursor_scans;
END $$;
SELECT * FROM loops();
-- generic plans
PREPARE ordered(int) AS SELECT id FROM items ORDER BY v <-> '[3,3,3,3]' LIMIT $1;
PREPARE counted(float8) AS SELECT count(*) FROM items WHERE v <-> '[3,3,3,3]' < $1;
SET plan_cache_mode = force_generic_plan;
SELECT uses_index('EXECUTE ordered(5)') AS ordered, uses_index('EXECUTE counted(5)') AS counted;
RESET plan_cache_mode;
-- by the setting, ranges and plain orders; never orders of groups
SET vector.approximate_without_limit = on;
SELECT n, uses_index(replace(statement, '{d}', 'v <-> ''[3,3,3,3]''')) FROM (VALUES
	(1, 'SELECT count(*) FROM items WHERE {d} < 2'), (2, 'SELECT id FROM items ORDER BY {d}'),
	(3, 'SELECT DISTINCT {d} FROM items ORDER BY 1 LIMIT 5'), (4, 'SELECT {d}, count(*) FROM items GROUP BY 1 ORDER BY 1 LIMIT 5'),
	(5, 'SELECT rank() OVER (ORDER BY {d}) FROM items'), (6, 'SELECT min({d}) FROM items'), (7, 'DELETE FROM items WHERE {d} < 2')
) x(n, statement) ORDER BY n;
RESET vector.approximate_without_limit;
RESET enable_seqscan;
DROP INDEX items_exact_index, parts_exact_index;
RESET hnsw.ef_search;
RESET hnsw.max_scan_tuples;

-- nulls: a LIMIT above the rows that have a value, with a filter, below; first not
-- analyzed
CREATE TABLE holes (id int, v vector(4));
INSERT INTO holes SELECT i, CASE WHEN i % 200 = 0 THEN ARRAY[i, 1, 1, 1]::vector END FROM generate_series(1, 10000) i;
CREATE FUNCTION holes(options text) RETURNS TABLE (statement text, index boolean, rows bigint, nulls bigint) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE 'CREATE INDEX holes_exact_index ON holes USING ' || options;
	SET LOCAL enable_seqscan = off;
	FOREACH statement IN ARRAY ARRAY['ORDER BY v <-> ''[1,1,1,1]'' LIMIT 60', 'WHERE id > 0 ORDER BY v <-> ''[1,1,1,1]'' LIMIT 60', 'WHERE id > 0 ORDER BY v <-> ''[1,1,1,1]'' LIMIT 3'] LOOP
		index := uses_index('SELECT v FROM holes ' || statement);
		EXECUTE format('SELECT count(*), count(*) FILTER (WHERE v IS NULL) FROM (SELECT v FROM holes %s) x', statement) INTO rows, nulls;
		RETURN NEXT;
	END LOOP;
	DROP INDEX holes_exact_index;
	SET LOCAL enable_seqscan = on;
END $$;
SELECT options, h.* FROM (VALUES ('hnsw (v vector_l2_ops)'), ('ivfflat (v vector_l2_ops) WITH (lists = 1)')) o(options), holes(options) h;
ANALYZE holes;
SELECT options, h.* FROM (VALUES ('hnsw (v vector_l2_ops)'), ('ivfflat (v vector_l2_ops) WITH (lists = 1)'), ('ivfpq (v vector_l2_ops)'), ('ivfrabitq (v vector_l2_ops)'), ('hnsw (v vector_l2_ops) WHERE id > 0')) o(options), holes(options) h;

-- a query value without a direction keeps what a comparison with NaN lets pass; a
-- radius that is none lets all pass
CREATE TABLE methods (method text, options text);
INSERT INTO methods VALUES ('hnsw', ''), ('ivfflat', 'WITH (lists = 5)'), ('ivfrabitq', 'WITH (lists = 5)');
CREATE FUNCTION nan(method text, options text, OUT index boolean, OUT zero bigint, OUT nan_order bigint, OUT nan_sphere bigint, OUT below bigint) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE INDEX nan_exact_index ON items USING %s (v vector_cosine_ops) %s', method, options);
	SET LOCAL enable_seqscan = off;
	SET LOCAL hnsw.max_scan_tuples = 100;
	index := uses_index('SELECT id FROM items WHERE 1 - (v <=> ''[0,0,0,0]'') > 0.7 ORDER BY v <=> ''[0,0,0,0]'' LIMIT 30');
	SELECT count(*) INTO zero FROM (SELECT id FROM items WHERE 1 - (v <=> '[0,0,0,0]') > 0.7 ORDER BY v <=> '[0,0,0,0]' LIMIT 30) x;
	SELECT count(*) INTO nan_order FROM (SELECT id FROM items WHERE v <=> '[1,2,3,4]' < 'NaN' ORDER BY v <=> '[1,2,3,4]' LIMIT 30) x;
	SELECT count(*) INTO nan_sphere FROM items WHERE v <<=>> sphere('[1,2,3,4]'::vector, 'NaN');
	SELECT count(*) INTO below FROM (SELECT id FROM items WHERE v <=> '[0,0,0,0]' < 0.7 ORDER BY v <=> '[0,0,0,0]' LIMIT 30) x;
	DROP INDEX nan_exact_index;
	SET LOCAL enable_seqscan = on;
END $$;
SELECT m.method, n.* FROM methods m, nan(method, options) n;

-- an index has more rows than a sample of its table
CREATE INDEX items_exact_index ON items USING hnsw (v vector_l2_ops);
SELECT uses_index('SELECT id FROM items TABLESAMPLE system (10) WHERE v IS NOT NULL ORDER BY 1 - (v <-> ''[1,1,1,1]'') DESC LIMIT 3') AS sampled;

-- the rows of a partial index are known, whatever its predicate is like
CREATE TABLE mixed AS SELECT i AS id, CASE WHEN i % 2 = 0 THEN ARRAY[i, 1, i % 7] ELSE ARRAY[i, 1, i % 7, i % 9] END::vector AS e FROM generate_series(1, 20000) i;
CREATE INDEX mixed_exact_index ON mixed USING hnsw ((e::vector(3)) vector_l2_ops) WHERE vector_dims(e) = 3;
ANALYZE mixed;
SELECT uses_index('SELECT id FROM mixed WHERE vector_dims(e) = 3 ORDER BY e::vector(3) <-> ''[1,2,3]'' LIMIT 5') AS partial;

-- a statement that changes rows finds them exactly by a sphere, in whatever part of it that stands
SET enable_seqscan = off;
SELECT n, uses_index(statement) FROM (VALUES
	(1, 'WITH x AS MATERIALIZED (SELECT id FROM items WHERE v <<->> sphere(''[1,1,1,1]''::vector, 0.01)) DELETE FROM mixed USING x WHERE x.id = mixed.id'),
	(2, 'UPDATE mixed SET id = id WHERE id IN (SELECT max(id) FROM items WHERE v <<->> sphere(''[1,1,1,1]''::vector, 0.01) GROUP BY id % 3)'),
	(3, 'WITH x AS MATERIALIZED (SELECT id FROM items WHERE v <<->> sphere(''[1,1,1,1]''::vector, 0.01)) SELECT count(*) FROM x')
) x(n, statement) ORDER BY n;
RESET enable_seqscan;

-- row-level security: a contradiction shows nothing, whatever is set
CREATE TABLE secrets AS SELECT i AS id, i % 2 AS reader, ARRAY[sin(i), cos(i)]::vector(2) AS v FROM generate_series(1, 1000) i;
ALTER TABLE secrets ALTER v SET NOT NULL;
CREATE INDEX secrets_exact_index ON secrets USING hnsw (v vector_cosine_ops);
ANALYZE secrets;
ALTER TABLE secrets ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON secrets USING (reader = 0);
CREATE ROLE planner_exact_reader;
GRANT USAGE ON SCHEMA planner_exact TO planner_exact_reader;
GRANT SELECT ON secrets TO planner_exact_reader;
SET ROLE planner_exact_reader;
SET enable_sort = off;
SET enable_seqscan = off;
SELECT n, rows_of('SELECT reader FROM secrets ' || condition) FROM (VALUES
	(1, 'WHERE id < 0 AND id > 10 ORDER BY 1 - (v <=> ''[1,0]'') DESC NULLS LAST LIMIT 4'),
	(2, 'WHERE false ORDER BY v <=> ''[1,0]'', id LIMIT 4'),
	(3, 'WHERE id = NULL AND v <=> ''[1,0]'' < 0.5 ORDER BY v <=> ''[1,0]'' LIMIT 4'),
	(4, 'WHERE v <<=>> sphere(''[1,0]''::vector, 2) AND NULL'),
	(5, 'ORDER BY v <=> ''[1,0]'' LIMIT 4'),
	(6, 'WHERE 1 - (v <=> ''[1,0]'') > 0.5 ORDER BY 1 - (v <=> ''[1,0]'') DESC LIMIT 4')
) x(n, condition) ORDER BY n;
RESET enable_sort;
RESET enable_seqscan;
RESET ROLE;
DROP OWNED BY planner_exact_reader;
DROP ROLE planner_exact_reader;

\set VERBOSITY terse
DROP SCHEMA planner_exact CASCADE;
