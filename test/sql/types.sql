-- Columns, type modifiers, arrays, casts in context, statistics
CREATE TABLE t (id serial PRIMARY KEY, v vector(3), h halfvec(3), s sparsevec(3));
INSERT INTO t (v, h, s) VALUES
	('[1,2,3]', '[1,2,3]', '{1:1,2:2,3:3}/3'),
	('[-0,1e-45,3.4028235e38]', '[-0,6e-8,65504]', '{3:3.4028235e38}/3'),
	(NULL, NULL, NULL);
SELECT * FROM t ORDER BY id;
\d t
INSERT INTO t (v) VALUES ('[1,2]');
INSERT INTO t (h) VALUES ('[1,2,3,4]');
INSERT INTO t (s) VALUES ('{}/4');
ALTER TABLE t ALTER COLUMN v TYPE vector(4);
ALTER TABLE t ALTER COLUMN v TYPE vector;
INSERT INTO t (v) VALUES ('[1,2]');
SELECT id, v FROM t WHERE vector_dims(v) = 2;

-- what was meant as an array
SELECT '{1,2,3}'::vector;

-- Arrays of vectors
SELECT ARRAY['[1,2]'::vector, '[3,4]'], ('{"[1,2]","[3,4]"}'::vector(2)[])[2];
SELECT '{"[1,2,3]"}'::halfvec(2)[];
SELECT array_agg(v ORDER BY id) FROM t WHERE v IS NOT NULL;

-- Assignment and implicit casts
CREATE TABLE casts (v vector(2), h halfvec(2), s sparsevec(2), r real[]);
INSERT INTO casts VALUES (ARRAY[1,2], ARRAY[1.5,2.5], ARRAY[0,2]::float8[], '[1,2]'::vector);
INSERT INTO casts SELECT h, v, v, h FROM casts;
INSERT INTO casts SELECT s, s, h, v FROM casts LIMIT 1;
SELECT * FROM casts;
SELECT '[1,2]'::vector <-> '[1,3]'::halfvec::vector AS l2, '[1,2]'::vector::sparsevec <-> '{1:1}/2' AS sparse;

-- Values of each stored kind: inline, compressed, out of line; a query value
-- that comes from a TOAST table is the same as one that does not
CREATE TABLE wide (id int, v vector(2000), h halfvec(3000), s sparsevec(100000));
INSERT INTO wide SELECT i,
	(SELECT array_agg(sin(i * j)) FROM generate_series(1, 2000) j)::vector,
	(SELECT array_agg(sin(i * j)) FROM generate_series(1, 3000) j)::halfvec,
	(SELECT '{' || string_agg(j * 30 || ':' || sin(i * j), ',') || '}/100000' FROM generate_series(1, 3000) j)::sparsevec
FROM generate_series(1, 12) i;
CREATE TABLE wide_main (LIKE wide);
ALTER TABLE wide_main ALTER v SET STORAGE PLAIN, ALTER h SET STORAGE MAIN, ALTER s SET STORAGE EXTENDED;
INSERT INTO wide_main SELECT id, v, h, s FROM wide WHERE id < 5;
SELECT id FROM wide ORDER BY v <-> (SELECT v FROM wide WHERE id = 3), id LIMIT 3;
SELECT w.id FROM wide w, wide q WHERE q.id = 7 ORDER BY w.h <=> q.h, w.id LIMIT 2;
SELECT w.id FROM wide w, wide q WHERE q.id = 7 ORDER BY w.s <-> q.s, w.id LIMIT 2;
SELECT m.id, m.v <-> w.v AS v, m.h <-> w.h AS h, m.s <-> w.s AS s FROM wide_main m JOIN wide w USING (id) ORDER BY id;
-- both sides change, a repeated value comes back
SELECT count(*), count(*) FILTER (WHERE (a.v <-> b.v = 0) = (a.id = b.id)) AS right
FROM wide a, wide b;

-- ANALYZE keeps widths, nulls and numbers of distinct values, and no values
CREATE TABLE stats AS
SELECT CASE WHEN i % 4 > 0 THEN ARRAY[i % 10, i % 2, 0]::vector END AS few,
	ARRAY[i, 1]::vector AS many, ARRAY[i % 5]::halfvec AS h, ARRAY[i % 7, 0, 1]::sparsevec AS s
FROM generate_series(1, 2000) i;
ANALYZE stats, wide;
SELECT attname, null_frac, avg_width, n_distinct, most_common_vals IS NULL AND histogram_bounds IS NULL AND correlation IS NULL AS lean
FROM pg_stats WHERE schemaname = current_schema() AND tablename = 'stats' ORDER BY attname;
SELECT attname, null_frac, n_distinct FROM pg_stats WHERE schemaname = current_schema() AND tablename = 'wide' AND attname <> 'id' ORDER BY attname;
CREATE TABLE no_values (v vector(3));
ANALYZE no_values;
INSERT INTO no_values VALUES (NULL);
ANALYZE no_values;
SELECT null_frac, avg_width, n_distinct FROM pg_stats WHERE schemaname = current_schema() AND tablename = 'no_values';

-- Soft errors where the server has them (16 and later), and the same answer from a plain cast
CREATE FUNCTION is_valid(value text, type text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	IF current_setting('server_version_num')::int >= 160000 THEN
		RETURN (SELECT pg_input_is_valid(value, type));
	END IF;
	EXECUTE format('SELECT %L::%s', value, type);
	RETURN true;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
	RETURN false;
END $$;
SELECT value, type, is_valid(value, type) FROM (VALUES
	('[1,2]', 'vector'), ('[1,2', 'vector'), ('[1,2]', 'vector(3)'), ('[1e39]', 'vector'), ('[nan]', 'vector'),
	('[1,2]', 'halfvec(2)'), ('[1e5]', 'halfvec'), ('[]', 'halfvec'),
	('{1:2}/3', 'sparsevec'), ('{1:2}/3', 'sparsevec(4)'), ('{4:2}/3', 'sparsevec'), ('{1:2,1:3}/3', 'sparsevec')) AS c(value, type);
