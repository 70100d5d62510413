-- How many rows a condition on a distance passes, and what plans come of it
CREATE SCHEMA planner_estimate;
SET search_path = planner_estimate, public;
CREATE FUNCTION plan_of(statement text) RETURNS json LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT JSON) ' || statement INTO plan;
	RETURN plan->0->'Plan';
END $$;
CREATE FUNCTION rows_of(statement text) RETURNS float8 LANGUAGE sql AS $$ SELECT (plan_of(statement)->>'Plan Rows')::float8 $$;
CREATE FUNCTION scan_of(statement text) RETURNS text LANGUAGE sql AS $$ SELECT plan_of(statement)->>'Node Type' $$;

-- random values, and values in fifty clusters that are loaded one after the other
SELECT setseed(0.25);
CREATE TABLE uniform AS SELECT i AS id, i % 10 AS category, v, v::halfvec(16) AS h, v::sparsevec(16) AS s, binary_quantize(v - (SELECT array_agg(0.5) FROM generate_series(1, 16))::vector)::bit(16) AS b
	FROM (SELECT i, (SELECT array_agg(random()) FROM generate_series(1, 16) WHERE i > 0)::vector(16) AS v FROM generate_series(1, 10000) i) x;
CREATE TABLE clustered AS SELECT i AS id, (SELECT array_agg(3 * sin(i / 200 * j * 1.3) + random()) FROM generate_series(1, 16) j)::vector(16) AS v FROM generate_series(1, 10000) i;
-- without the empty pages that some versions have at the end, so that samples are the same
VACUUM (FULL, ANALYZE) uniform, clustered;
-- of which many indexes are made: of one of vector_test.part rows (test/README.md)
CREATE TABLE uniform_part AS SELECT * FROM uniform WHERE id <= 10000 / coalesce(current_setting('vector_test.part', true), '1')::int;
CREATE TABLE clustered_part AS SELECT * FROM clustered WHERE id <= 10000 / coalesce(current_setting('vector_test.part', true), '1')::int;
VACUUM (FULL, ANALYZE) uniform_part, clustered_part;

-- ratio: of the rows expected and those that are there, for a radius that this part of the rows is within
CREATE FUNCTION ratios(method text, relation text, class text, value text, operator text, part float8, OUT range float8, OUT sphere float8, OUT outside float8) LANGUAGE plpgsql AS $$
DECLARE
	distance text;
	center text;
	condition text;
	radius float8;
	rows float8;
	all_rows float8;
BEGIN
	EXECUTE format('SELECT quote_literal(%s) || ''::'' || pg_typeof(%1$s) FROM %s WHERE id = 777', value, relation) INTO center;
	distance := format('%s %s %s', value, operator, replace(center, '::bit', '::bit(16)'));
	EXECUTE format('SELECT percentile_disc(%s) WITHIN GROUP (ORDER BY %s) FROM %s', part, distance, relation) INTO radius;
	condition := format('SELECT FROM %s WHERE %s <= %s', relation, distance, radius);
	EXECUTE format('SELECT count(*), (SELECT count(*) FROM %s) FROM (%s) x', relation, condition) INTO rows, all_rows;
	range := rows_of(condition) / rows;
	sphere := rows_of(format('SELECT FROM %s WHERE %s <%s> sphere(%s, %s)', relation, value, operator, replace(center, '::bit', '::bit(16)'), radius)) / rows;
	outside := rows_of(replace(condition, '<= ' || radius, '> ' || radius)) / (all_rows - rows);
END $$;
CREATE FUNCTION right_about(ratio float8, part float8) RETURNS boolean LANGUAGE sql AS $$
	SELECT ratio BETWEEN 1 / allowed AND allowed FROM (SELECT CASE WHEN part > 0.3 THEN 1.25 WHEN part > 0.03 THEN 1.7 ELSE 4 END AS allowed) x $$;
CREATE FUNCTION wrong(method text, relation text, class text, value text, operator text, OUT estimates bigint, OUT wrong text) LANGUAGE plpgsql AS $$
BEGIN
	relation := relation || '_part';
	EXECUTE format('CREATE INDEX estimate_index ON %s USING %s (%s %s)', relation, method, value, class);
	SELECT count(*), string_agg(format('%s: %s', part, r), '; ') FILTER (WHERE NOT right_about(range, part) OR range <> sphere OR NOT right_about(outside, 1 - part))
		INTO estimates, wrong
		FROM unnest(ARRAY[0.93, 0.5, 0.1, 0.01]) part, ratios(method, relation, class, value, operator, part) r;
	DROP INDEX estimate_index;
END $$;
SELECT method, relation, class, w.* FROM (VALUES
	('hnsw', 'uniform', 'vector_l2_ops', 'v', '<->'), ('hnsw', 'uniform', 'vector_l1_ops', 'v', '<+>'), ('hnsw', 'uniform', 'vector_cosine_ops', 'v', '<=>'), ('hnsw', 'uniform', 'halfvec_l2_ops', 'h', '<->'),
	('hnsw', 'uniform', 'sparsevec_ip_ops', 's', '<#>'), ('hnsw', 'uniform', 'bit_hamming_ops', 'b', '<~>'),
	('hnsw', 'clustered', 'vector_cosine_ops', 'v', '<=>'), ('ivfflat', 'clustered', 'vector_l2_ops', 'v', '<->'), ('ivfflat', 'uniform', 'halfvec_ip_ops', 'h', '<#>'),
	('ivfpq', 'uniform', 'vector_l2_ops', 'v', '<->'), ('ivfrabitq', 'clustered', 'vector_ip_ops', 'v', '<#>')
) x(method, relation, class, value, operator), wrong(method, relation, class, value, operator) w;

-- different plans
CREATE INDEX ON clustered USING hnsw (v vector_l2_ops);
SELECT v AS center FROM clustered WHERE id = 777 \gset
SELECT radius, rows_of(statement) > 5000 AS most, scan_of(statement) FROM (SELECT radius, format('SELECT id FROM clustered WHERE v <<->> sphere(%L::vector, %s)', :'center', radius) AS statement FROM (VALUES (0.5), (25)) r(radius)) x;
SET vector.approximate_without_limit = on;
SELECT radius, rows_of(statement) > 5000 AS most, scan_of(statement) FROM (SELECT radius, format('SELECT id FROM clustered WHERE v <-> %L < %s', :'center', radius) AS statement FROM (VALUES (0.5), (25)) r(radius)) x;
RESET vector.approximate_without_limit;
-- a range that is exact has its rows as well; any spelling, and in what changes rows
CREATE INDEX uniform_cosine ON uniform USING hnsw (v vector_cosine_ops);
SELECT v AS center FROM uniform WHERE id = 777 \gset
CREATE TABLE spellings AS SELECT n, condition, rows_of('SELECT FROM uniform WHERE ' || replace(condition, 'Q', quote_literal(:'center'))) AS estimate FROM (VALUES
	(1, 'v <=> Q < 0.25'), (2, '0.25 > v <=> Q'), (3, '1 - (v <=> Q) > 0.75'), (4, 'cosine_distance(Q, v) < 0.25'),
	(5, 'v <=> Q BETWEEN 0.2 AND 0.25'), (6, 'v <=> Q < 0.25 AND category = 3'), (7, 'v <=> Q < NULL'), (8, 'v <=> Q < ''NaN'''), (9, 'v <=> ''[1,2]'' < 0.25')) x(n, condition);
INSERT INTO spellings VALUES (11, 'UPDATE', (plan_of(format('UPDATE uniform SET category = 0 WHERE v <=> %L < 0.25', :'center'))->'Plans'->0->>'Plan Rows')::float8);
SELECT count(*) AS rows FROM uniform WHERE v <=> :'center' < 0.25 \gset
SELECT n, condition, estimate BETWEEN :rows / 1.4 AND :rows * 1.4 AS all_of_them, estimate < :rows / 1.4 AS fewer, estimate < 30 AS none FROM spellings ORDER BY n;

-- a join is built on it
CREATE TABLE other AS SELECT i AS id FROM generate_series(1, 10000) i;
ALTER TABLE uniform ADD PRIMARY KEY (id);
ALTER TABLE other ADD PRIMARY KEY (id);
ANALYZE other;
SELECT r, scan_of(format('SELECT FROM uniform JOIN other USING (id) WHERE v <=> %L < %s', :'center', r)) FROM (VALUES (0.01), (0.9)) x(r);

-- parameters: a center like the data, and a radius that nobody knows
SET plan_cache_mode = force_generic_plan;
PREPARE unknown_center(vector) AS SELECT FROM uniform WHERE v <=> $1 < 0.2;
PREPARE unknown_radius(vector, float8) AS SELECT FROM uniform WHERE v <=> $1 < $2;
PREPARE unknown_sphere(vector, float8) AS SELECT FROM uniform WHERE v <<=>> sphere($1, $2);
PREPARE sphere_of_unknown(vector) AS SELECT FROM uniform WHERE v <<=>> sphere($1, 0.2);
SELECT avg(rows) AS rows FROM (SELECT (SELECT count(*) FROM uniform u WHERE u.v <=> x.v < 0.2) AS rows FROM uniform x WHERE id % 500 = 0) y \gset
SELECT rows_of('EXECUTE unknown_center(NULL)') BETWEEN :rows / 1.5 AND :rows * 1.5 AS unknown_center, rows_of('EXECUTE sphere_of_unknown(NULL)') BETWEEN :rows / 1.5 AND :rows * 1.5 AS sphere_of_unknown,
	rows_of('EXECUTE unknown_radius(NULL, 1)') AS unknown_radius, rows_of('EXECUTE unknown_sphere(NULL, 1)') AS unknown_sphere;
RESET plan_cache_mode;

-- without an index, nothing is known; nor by one of another distance
SELECT rows_of(format('SELECT FROM uniform WHERE v <-> %L < 1', :'center')) AS range, rows_of(format('SELECT FROM uniform WHERE v <<->> sphere(%L::vector, 1)', :'center')) AS sphere;

-- nulls, rows without an entry, values that have changed
CREATE TABLE changing (id int, kind int, v vector);
INSERT INTO changing SELECT i, i % 2, CASE WHEN i % 4 = 0 THEN NULL WHEN i % 4 = 2 THEN '[1,2]' ELSE '[1,2,3]' END::vector FROM generate_series(1, 4000) i;
CREATE INDEX changing_index ON changing USING hnsw ((v::vector(3)) vector_l2_ops) WHERE kind = 1;
CREATE INDEX ON changing USING hnsw ((subvector(v, 1, 2)::vector(2)) vector_l2_ops);
ANALYZE changing;
SELECT rows_of('SELECT FROM changing WHERE kind = 1 AND v::vector(3) <<->> sphere(''[1,2,3]''::vector, 1)') BETWEEN 1900 AND 2000 AS partial, rows_of('SELECT FROM changing WHERE v::vector(3) <<->> sphere(''[1,2,3]''::vector, 1)') AS not_implied,
	rows_of('SELECT FROM changing WHERE subvector(v, 1, 2)::vector(2) <-> ''[1,2]'' < 1') BETWEEN 2800 AND 3100 AS not_null, rows_of('SELECT FROM changing WHERE subvector(v, 1, 2)::vector(2) <-> ''[1,2]'' > 1') < 100 AS outside;
UPDATE changing SET v = '[7,8,9]' WHERE kind = 1;
ANALYZE changing;
SELECT rows_of('SELECT FROM changing WHERE kind = 1 AND v::vector(3) <<->> sphere(''[1,2,3]''::vector, 1)') < 20 AS before, rows_of('SELECT FROM changing WHERE kind = 1 AND v::vector(3) <<->> sphere(''[7,8,9]''::vector, 1)') > 1900 AS now;
TRUNCATE changing;
SELECT rows_of('SELECT FROM changing WHERE kind = 1 AND v::vector(3) <<->> sphere(''[7,8,9]''::vector, 1)') < 20 AS emptied;

-- partitions: each its own, and the sum
CREATE TABLE parted (id int, v vector(2)) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (1000);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (1000) TO (3000);
INSERT INTO parted SELECT i, ARRAY[i / 1000, 0]::vector FROM generate_series(0, 2999) i;
CREATE INDEX ON parted USING ivfflat (v vector_l2_ops) WITH (lists = 2);
ANALYZE parted;
SELECT rows_of('SELECT FROM parted WHERE v <-> ''[0,0]'' < 0.5') BETWEEN 950 AND 1100 AS first, rows_of('SELECT FROM parted WHERE v <-> ''[1,0]'' < 0.5') BETWEEN 900 AND 1100 AS second, rows_of('SELECT FROM parted WHERE v <-> ''[1,0]'' < 1.5') BETWEEN 2900 AND 3000 AS both;

-- whoever may not see all rows is told nothing of them
CREATE ROLE regress_estimate_reader;
CREATE TABLE secret (id int, v vector(2));
INSERT INTO secret SELECT i, '[1,2]' FROM generate_series(1, 2000) i;
CREATE INDEX ON secret USING hnsw (v vector_l2_ops);
ANALYZE secret;
GRANT USAGE ON SCHEMA planner_estimate TO regress_estimate_reader;
GRANT SELECT ON secret TO regress_estimate_reader;
SET ROLE regress_estimate_reader;
SELECT rows_of('SELECT FROM secret WHERE v <-> ''[1,2]'' < 1') > 1900 AS range, rows_of('SELECT FROM secret WHERE v <<->> sphere(''[1,2]''::vector, 1)') > 1900 AS sphere;
RESET ROLE;
ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_rows ON secret USING (id > 0);
SET ROLE regress_estimate_reader;
SELECT rows_of('SELECT FROM secret WHERE v <-> ''[1,2]'' < 1') AS range, rows_of('SELECT FROM secret WHERE v <<->> sphere(''[1,2]''::vector, 1)') AS sphere, rows_of('SELECT FROM secret WHERE v <<->> sphere(''[7,8]''::vector, 1)') AS empty_sphere;
RESET ROLE;
CREATE VIEW shown AS SELECT * FROM secret;
GRANT SELECT ON shown TO regress_estimate_reader;
REVOKE SELECT ON secret FROM regress_estimate_reader;
SET ROLE regress_estimate_reader;
SELECT rows_of('SELECT FROM shown WHERE v <-> ''[1,2]'' < 1') > 1900 AS by_view;
RESET ROLE;

-- an index's expression is evaluated as its owner
CREATE FUNCTION first_two(vector) RETURNS vector LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF current_user = 'regress_estimate_reader' THEN
		RAISE EXCEPTION 'evaluated by the reader';
	END IF;
	RETURN public.subvector($1, 1, 2);
END $$;
CREATE TABLE owned AS SELECT i AS id, '[1,2,3]'::vector(3) AS v FROM generate_series(1, 1000) i;
CREATE INDEX ON owned USING hnsw ((first_two(v)::vector(2)) vector_l2_ops);
ANALYZE owned;
GRANT SELECT ON owned TO regress_estimate_reader;
SET ROLE regress_estimate_reader;
SELECT rows_of('SELECT FROM owned WHERE first_two(v)::vector(2) <-> ''[1,2]'' < 1') > 900 AS as_owner, current_user;
RESET ROLE;

SET client_min_messages = warning;
DROP SCHEMA planner_estimate CASCADE;
DROP ROLE regress_estimate_reader;
