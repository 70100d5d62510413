-- Distance ranges: spheres, and conditions on distances that indexes answer
CREATE SCHEMA planner_range;
SET search_path = planner_range, public;
\cd `echo ${VECTOR_TEST:-test}`
\i sql/index.inc

-- spheres are closed; nulls, numbers that are none, negative radii
SELECT d, r, '[3,4]'::vector <<->> sphere('[0,0]'::vector, r) AS l2, '[3,4]'::halfvec <<+>> sphere('[0,0]'::halfvec, r) AS l1,
	'[3,4]'::vector <<#>> sphere('[1,0]'::vector, r) AS ip, '{1:3}/2'::sparsevec <<=>> sphere('{1:1}/2'::sparsevec, r) AS cosine,
	B'1100' <<~>> sphere(B'1010', r) AS hamming, B'1100' <<%>> sphere(B'1010', r) AS jaccard
FROM (VALUES (1, 5), (2, 4.999), (3, -3), (4, -3.001), (5, 0), (6, 2), (7, NULL), (8, 'NaN'), (9, 'Infinity')) x(d, r) ORDER BY d;
SELECT '[1,2]'::vector <<->> sphere(NULL::vector, 3) AS center, NULL::vector <<->> sphere('[1,2]'::vector, 3) AS value, '[1,2]'::vector <<->> NULL AS sphere,
	'[0,0]'::vector <<=>> sphere('[1,2]'::vector, 3) AS zero, '[0,0]'::vector <<=>> sphere('[1,2]'::vector, 'NaN') AS zero_in_none;
SELECT statement, (error_of(statement)).* FROM (VALUES
	('SELECT ''[1,2]''::vector <<->> sphere(''[1,2,3]''::vector, 1)'), ('SELECT B''11'' <<~>> sphere(B''111'', 1)'),
	('SELECT ''[1,2]''::vector <<->> sphere(''[1,2]''::halfvec, 1)')) x(statement);
SELECT sphere('[1,2]'::vector, 3), (sphere('[1,2]'::vector, 3)).radius, sphere(B'101', 1), sphere('{1:1}/3'::sparsevec, 1);

-- the same rows by an index and without; in order, and without reading far beyond
CREATE TABLE items AS SELECT * FROM sample(1, 600);
ANALYZE items;
CREATE FUNCTION ranges(method text, class text, value text, operator text, bound text, options text DEFAULT '',
	OUT condition boolean, OUT ordered boolean, OUT rows bigint, OUT differences bigint, OUT unordered_differences bigint, OUT disorder bigint, OUT beyond bigint) LANGUAGE plpgsql AS $$
DECLARE
	distance text := format('%1$s %2$s (SELECT %1$s FROM items WHERE id = 77)', value, operator);
	statement text := format('SELECT id, %1$s AS d FROM items WHERE %1$s < %2$s', distance, bound);
	line text;
	found int[];
	distances float8[];
	unordered int[];
	expected int[];
BEGIN
	EXECUTE format('CREATE INDEX range_index ON items USING %s (%s %s) %s', method, value, class, options);
	condition := false;
	ordered := false;
	SET LOCAL enable_seqscan = off;
	FOR line IN EXECUTE 'EXPLAIN ' || statement || ' ORDER BY d' LOOP
		condition := condition OR line LIKE '%Index Cond: (' || value || ' <' || operator || '> %';
		ordered := ordered OR line LIKE '%Order By:%';
	END LOOP;
	EXECUTE format('SELECT array_agg(id), array_agg(d) FROM (%s ORDER BY d) x', statement) INTO found, distances;
	beyond := (vector_last_scan()).returned - cardinality(found);
	EXECUTE format('SELECT array_agg(id) FROM (%s) x', statement) INTO unordered;
	SET LOCAL enable_seqscan = on;
	SET LOCAL enable_indexscan = off;
	EXECUTE format('SELECT array_agg(id) FROM (%s) x', statement) INTO expected;
	SET LOCAL enable_indexscan = on;
	rows := cardinality(expected);
	SELECT count(*) INTO differences FROM unnest(found) f FULL JOIN unnest(expected) e ON f = e WHERE f IS NULL OR e IS NULL;
	SELECT count(*) INTO unordered_differences FROM unnest(unordered) f FULL JOIN unnest(expected) e ON f = e WHERE f IS NULL OR e IS NULL;
	SELECT count(*) INTO disorder FROM generate_subscripts(distances, 1) i WHERE i > 1 AND distances[i] < distances[i - 1];
	DROP INDEX range_index;
END $$;
SET hnsw.ef_search = 600;
SET ivfflat.probes = 4;
SET ivfpq.probes = 4;
SET ivfrabitq.probes = 4;
SELECT * FROM (VALUES
	('hnsw', 'vector_l2_ops', 'v', '<->', '3'), ('hnsw', 'vector_ip_ops', 'v', '<#>', '-1'), ('hnsw', 'vector_cosine_ops', 'v', '<=>', '0.6'), ('hnsw', 'vector_l1_ops', 'v', '<+>', '10'),
	('hnsw', 'halfvec_l2_ops', 'h', '<->', '3'), ('hnsw', 'halfvec_ip_ops', 'h', '<#>', '-1'), ('hnsw', 'halfvec_cosine_ops', 'h', '<=>', '0.6'), ('hnsw', 'halfvec_l1_ops', 'h', '<+>', '10'),
	('hnsw', 'sparsevec_l2_ops', 's', '<->', '2'), ('hnsw', 'sparsevec_ip_ops', 's', '<#>', '-1'), ('hnsw', 'sparsevec_cosine_ops', 's', '<=>', '0.6'), ('hnsw', 'sparsevec_l1_ops', 's', '<+>', '5'),
	('hnsw', 'bit_hamming_ops', 'b', '<~>', '20'), ('hnsw', 'bit_jaccard_ops', 'b', '<%>', '0.7')
) x(method, class, value, operator, bound), ranges(method, class, value, operator, bound) r;
SELECT method, class, condition, ordered, rows, differences, unordered_differences, beyond FROM (VALUES
	('ivfflat', 'vector_l2_ops', 'v', '<->', '3'), ('ivfflat', 'vector_ip_ops', 'v', '<#>', '-1'), ('ivfflat', 'vector_cosine_ops', 'v', '<=>', '0.6'),
	('ivfflat', 'halfvec_l2_ops', 'h', '<->', '3'), ('ivfflat', 'bit_hamming_ops', 'b', '<~>', '20'),
	('ivfpq', 'vector_l2_ops', 'v', '<->', '3'), ('ivfpq', 'vector_ip_ops', 'v', '<#>', '-1'), ('ivfpq', 'vector_cosine_ops', 'v', '<=>', '0.6'),
	('ivfrabitq', 'vector_l2_ops', 'v', '<->', '3'), ('ivfrabitq', 'vector_ip_ops', 'v', '<#>', '-1'), ('ivfrabitq', 'halfvec_cosine_ops', 'h', '<=>', '0.6')
) x(method, class, value, operator, bound), ranges(method, class, value, operator, bound, 'WITH (lists = 4)') r;
RESET hnsw.ef_search;

-- spellings: those that an index answers, and those that it does not
CREATE TABLE points AS SELECT i AS id, i % 7 AS category, i % 2 = 0 AS flag, ARRAY[i % 5, i % 3] AS tags, ARRAY[sin(i), cos(i * 1.7), sin(i * 0.3)]::vector(3) AS v FROM generate_series(1, 3000) i;
CREATE INDEX points_index ON points USING hnsw (v vector_cosine_ops, category, flag, tags);
CREATE INDEX points_ip_index ON points USING hnsw (v vector_ip_ops);
ANALYZE points;
SET enable_seqscan = off;
CREATE FUNCTION plan(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || statement LOOP
		IF line ~ '(Index Cond|Order By|Filter|Sort Key|Seq Scan|Custom)' THEN
			RETURN NEXT trim(line);
		END IF;
	END LOOP;
END $$;
SELECT condition, plan('SELECT id FROM points WHERE ' || replace(condition, 'Q', '''[1,2,3]''')) FROM (VALUES
	(1, 'v <=> Q < 0.1'), (2, 'v <=> Q <= 0.1'), (3, '0.1 > v <=> Q'), (4, 'Q <=> v < 0.1::real'), (5, 'cosine_distance(v, Q) < 1'),
	(6, '1 - (v <=> Q) > 0.75'), (8, '(v <#> Q) * -1 > 3'), (9, '-(v <#> Q) >= 3'), (10, 'inner_product(v, Q) > 3'),
	(11, 'v <=> Q BETWEEN 0.01 AND 0.1'),
	(21, 'v <=> Q > 0.1'), (22, '1 - (v <=> Q) < 0.75'), (23, 'v <=> v < 0.1'), (24, 'v <-> Q < 0.1'), (25, '(v <=> Q) * random() < 0.1'), (26, '(v <=> Q) ^ 2 < 0.1'),
	(27, 'v IS NULL AND category = 3'), (28, 'category = 3'), (29, '(v <=> Q) + 0 < 0.1'), (30, '1e300 - (v <=> Q) > 0.1')
) x(n, condition) ORDER BY n;
-- with filter columns (what stays a filter beside depends on the version)
SELECT condition, p FROM (VALUES
	(1, 'v <=> Q < 0.1 AND category = 3 AND flag'), (2, 'v <=> Q < 0.1 AND NOT flag AND 4 = ANY (tags)'), (3, 'v <=> Q < 0.1 AND flag IS FALSE AND v IS NOT NULL')
) x(n, condition), plan('SELECT id FROM points WHERE ' || replace(condition, 'Q', '''[1,2,3]''')) p WHERE p LIKE 'Index Cond%' ORDER BY n;
-- bounds at the end of a double's range are no errors
SELECT n, count(*) FROM (VALUES (1, -1.7976931348623157e308), (2, '-Infinity'), (3, 1.7976931348623157e308), (4, 'Infinity'), (5, 'NaN'), (6, NULL), (7, 0.98)) b(n, bound),
	LATERAL (SELECT id FROM points WHERE 1 - (v <=> '[1,2,3]') > bound ORDER BY v <=> '[1,2,3]' LIMIT 100) x GROUP BY n ORDER BY n;

-- orders that are a distance's, and where nulls are in the way
CREATE TABLE strict_points (id int, v vector(3) NOT NULL);
INSERT INTO strict_points SELECT id, v FROM points;
CREATE INDEX ON strict_points USING hnsw (v vector_cosine_ops);
CREATE INDEX ON strict_points USING hnsw (v vector_ip_ops);
ANALYZE strict_points;
SELECT statement, plan('SELECT id FROM ' || replace(statement, 'Q', '''[1,2,3]''') || ' LIMIT 3') FROM (VALUES
	(1, 'strict_points ORDER BY 1 - (v <=> Q) DESC'), (2, 'strict_points ORDER BY (v <#> Q) * -1 DESC'), (3, 'strict_points ORDER BY inner_product(v, Q) DESC'),
	(4, 'strict_points ORDER BY cosine_distance(v, Q)'), (5, 'strict_points ORDER BY v <=> Q, id'), (6, 'points ORDER BY 1 - (v <=> Q) DESC NULLS LAST'),
	(7, 'points WHERE 1 - (v <=> Q) > 0.5 ORDER BY 1 - (v <=> Q) DESC'), (8, 'points WHERE v IS NOT NULL ORDER BY 1 - (v <=> Q) DESC'),
	(9, '(SELECT id, 1 - (v <=> Q) AS similarity FROM strict_points) x WHERE similarity > 0.5 ORDER BY similarity DESC'),
	(11, 'points ORDER BY 1 - (v <=> Q) DESC'), (12, 'strict_points ORDER BY v <=> Q DESC'), (13, 'strict_points ORDER BY 1 - (v <=> Q)'), (14, 'strict_points ORDER BY (v <=> Q) + 0')
) x(n, statement) ORDER BY n;
SELECT array_agg(id) FROM (SELECT id FROM strict_points ORDER BY 1 - (v <=> '[1,2,3]') DESC LIMIT 5) x;
SELECT array_agg(id) FROM (SELECT id FROM points ORDER BY inner_product(v, '[1,2,3]') DESC NULLS LAST LIMIT 5) x;
SELECT array_agg(id) FROM (SELECT id FROM strict_points ORDER BY v <=> '[1,2,3]', id LIMIT 5) x;
SET enable_indexscan = off;
SELECT array_agg(id) FROM (SELECT id FROM strict_points ORDER BY 1 - (v <=> '[1,2,3]') DESC LIMIT 5) x;
SELECT array_agg(id) FROM (SELECT id FROM points ORDER BY inner_product(v, '[1,2,3]') DESC NULLS LAST LIMIT 5) x;
RESET enable_indexscan;

-- the scan stops at the bound, where the LIMIT asks for more
SELECT count(*) FROM (SELECT id FROM points WHERE v <=> '[1,2,3]' < 0.003 ORDER BY v <=> '[1,2,3]' LIMIT 100) x;
SELECT batches, visited < 1000 AS few_visited, returned FROM vector_last_scan();
-- with conditions on filter columns
SELECT count(*) FROM (SELECT id FROM points WHERE v <=> '[1,2,3]' < 0.03 AND category = 3 AND flag AND 4 = ANY (tags) ORDER BY v <=> '[1,2,3]' LIMIT 100) x;
SELECT mode, filtered > 2000 AS most_filtered, returned FROM vector_last_scan();
SELECT count(*) FROM points WHERE v <=> '[1,2,3]' < 0.03 AND category = 3 AND flag AND 4 = ANY (tags);
SET enable_indexscan = off;
SELECT count(*) FROM points WHERE v <=> '[1,2,3]' < 0.003;
SELECT count(*) FROM points WHERE v <=> '[1,2,3]' < 0.03 AND category = 3 AND flag AND 4 = ANY (tags);
RESET enable_indexscan;

-- a sphere around another value than the order's: rows are compared
SELECT plan('SELECT id FROM points WHERE v <=> ''[3,2,1]'' < 0.05 AND v <=> ''[1,2,3]'' < 0.4 ORDER BY v <=> ''[1,2,3]'' LIMIT 3');
SELECT array_agg(id) FROM (SELECT id FROM points WHERE v <=> '[3,2,1]' < 0.05 AND v <=> '[1,2,3]' < 0.4 ORDER BY v <=> '[1,2,3]' LIMIT 3) x;
SELECT count(*) FROM points WHERE v <<=>> sphere('[3,2,1]'::vector, 0.05) AND v <<=>> sphere('[1,2,3]'::vector, 0.3);
SELECT count(*) FROM points WHERE v <<=>> sphere('[1,2,3]'::vector, 0.01) AND v <<=>> sphere('[1,2,3]'::vector, 0.1);
SELECT count(*) FROM points WHERE v <<=>> sphere('[1,2,3]'::vector, 0.1) AND v <<=>> sphere('[0,0,0]'::vector, 0.1);
SELECT count(*) FROM (SELECT FROM points WHERE v <=> '[1,2,3]' < 0.01 ORDER BY v <=> NULL) x;
SELECT count(*) FROM (SELECT FROM points WHERE v <=> '[0,0,0]' < 0.01 ORDER BY v <=> '[0,0,0]') x;
SET enable_indexscan = off;
SELECT array_agg(id) FROM (SELECT id FROM points WHERE v <=> '[3,2,1]' < 0.05 AND v <=> '[1,2,3]' < 0.4 ORDER BY v <=> '[1,2,3]' LIMIT 3) x;
SELECT count(*) FROM points WHERE v <<=>> sphere('[3,2,1]'::vector, 0.05) AND v <<=>> sphere('[1,2,3]'::vector, 0.3);
SELECT count(*) FROM points WHERE v <<=>> sphere('[1,2,3]'::vector, 0.01) AND v <<=>> sphere('[1,2,3]'::vector, 0.1);
SELECT count(*) FROM (SELECT FROM points WHERE v <=> '[1,2,3]' < 0.01 ORDER BY v <=> NULL) x;
RESET enable_indexscan;
SELECT statement, (error_of(statement)).* FROM (VALUES ('SELECT id FROM points WHERE v <=> ''[1,2]'' < 0.1')) x(statement);

-- generic plans
PREPARE range(vector, float8) AS SELECT array_agg(id) FROM (SELECT id FROM points WHERE 1 - (v <=> $1) > $2 ORDER BY v <=> $1 LIMIT 4) x;
SET plan_cache_mode = force_generic_plan;
SELECT plan('EXECUTE range(''[1,2,3]'', 0.98)');
EXECUTE range('[1,2,3]', 0.98);
EXECUTE range('[1,2,3]', 0.995);
EXECUTE range('[3,2,1]', NULL);
EXECUTE range(NULL, 0.5);
RESET plan_cache_mode;
EXECUTE range('[1,2,3]', 0.98);

-- rows that a statement changes are found exactly
SELECT plan('DELETE FROM points WHERE v <=> ''[1,2,3]'' < 0.1');
SELECT plan('INSERT INTO strict_points SELECT id, v FROM points WHERE v <=> ''[1,2,3]'' < 0.003');
SELECT plan('UPDATE points SET id = 0 FROM strict_points s WHERE points.id = s.id AND s.v <=> ''[1,2,3]'' < 0.001');

-- expression and partial indexes, partitions, joins, row-level security
CREATE TABLE arrays AS SELECT id, v::real[] AS a FROM points;
CREATE INDEX ON arrays USING hnsw ((a::vector(3)) vector_l2_ops) WHERE id > 1000;
ANALYZE arrays;
SELECT plan('SELECT id FROM arrays WHERE a::vector(3) <-> ''[1,1,0]'' < 0.2 AND id > 1500 ORDER BY a::vector(3) <-> ''[1,1,0]''');
SELECT plan('SELECT id FROM arrays WHERE a::vector(3) <-> ''[1,1,0]'' < 0.2');
CREATE TABLE parts (id int, p int, v vector(3)) PARTITION BY LIST (p);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES IN (2);
INSERT INTO parts SELECT id, 1 + id % 2, v FROM points;
CREATE INDEX ON parts USING hnsw (v vector_l2_ops);
ANALYZE parts;
EXPLAIN (COSTS OFF) SELECT id FROM parts WHERE v <-> '[1,1,0]' < 0.2 ORDER BY v <-> '[1,1,0]' LIMIT 4;
SELECT array_agg(id) FROM (SELECT id FROM parts WHERE v <-> '[1,1,0]' < 0.2 ORDER BY v <-> '[1,1,0]' LIMIT 4) x;
SELECT count(*) FROM parts WHERE v <-> '[1,1,0]' < 0.2;
SET enable_indexscan = off;
SELECT array_agg(id) FROM (SELECT id FROM parts WHERE v <-> '[1,1,0]' < 0.2 ORDER BY v <-> '[1,1,0]' LIMIT 4) x;
SELECT count(*) FROM parts WHERE v <-> '[1,1,0]' < 0.2;
RESET enable_indexscan;
SELECT plan('SELECT q.id, p.id FROM strict_points q JOIN parts_1 p ON p.v <-> q.v < 0.01 WHERE q.id < 4');
SELECT q.id, array_agg(p.id ORDER BY p.id) FROM strict_points q JOIN parts_1 p ON p.v <-> q.v < 0.02 WHERE q.id < 4 GROUP BY 1 ORDER BY 1;
SELECT plan('SELECT q.id, p.id FROM strict_points q LEFT JOIN parts_1 p ON p.v <-> q.v < 0.01 WHERE q.id < 4');
SET enable_indexscan = off;
SELECT q.id, array_agg(p.id ORDER BY p.id) FROM strict_points q JOIN parts_1 p ON p.v <-> q.v < 0.02 WHERE q.id < 4 GROUP BY 1 ORDER BY 1;
RESET enable_indexscan;
CREATE ROLE planner_range_reader;
GRANT USAGE ON SCHEMA planner_range TO planner_range_reader;
GRANT SELECT ON points TO planner_range_reader;
ALTER TABLE points ENABLE ROW LEVEL SECURITY;
CREATE POLICY thirds ON points USING (id % 3 = 0);
SET ROLE planner_range_reader;
SELECT plan('SELECT id FROM points WHERE v <=> ''[1,2,3]'' < 0.02 AND category = 3 ORDER BY v <=> ''[1,2,3]'' LIMIT 100');
SELECT count(*) FROM (SELECT id FROM points WHERE v <=> '[1,2,3]' < 0.02 ORDER BY v <=> '[1,2,3]' LIMIT 100) x;
SELECT returned < 50 AS few_returned FROM vector_last_scan();
RESET ROLE;
SELECT count(*) FROM (SELECT id FROM points WHERE id % 3 = 0 AND v <=> '[1,2,3]' < 0.02 ORDER BY v <=> '[1,2,3]' LIMIT 100) x;

-- spheres of a radius that is no number, and of a center without a direction: each
-- access method has what the operator says, also those that keep zero vectors
CREATE TABLE zeros AS SELECT i AS id, v, v::halfvec(2) AS h, v::sparsevec(2) AS s FROM (SELECT i, ARRAY[i % 3, i % 2]::vector(2) AS v FROM generate_series(1, 12) i) x;
CREATE FUNCTION in_spheres(am text, value text, OUT center text, OUT by_index bigint[], OUT by_operator bigint[]) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
	type text := CASE value WHEN 'v' THEN 'vector' WHEN 'h' THEN 'halfvec' ELSE 'sparsevec' END;
	counts text;
BEGIN
	EXECUTE format('CREATE INDEX zeros_index ON zeros USING %I (%I %s_cosine_ops)', am, value, type);
	FOREACH center IN ARRAY '{"[0,0]","[1,1]"}'::text[] LOOP
		counts := format('SELECT array_agg((SELECT count(*) FROM zeros WHERE %I <<=>> sphere(%L::%s, radius)) ORDER BY radius) FROM unnest(''{NaN,Infinity,1,0.1,-1}''::float8[]) radius',
			value, CASE WHEN type = 'sparsevec' THEN center::vector::sparsevec::text ELSE center END, type);
		SET LOCAL enable_seqscan = off;
		EXECUTE counts INTO by_index;
		SET LOCAL enable_seqscan = on;
		SET LOCAL enable_indexscan = off;
		EXECUTE counts INTO by_operator;
		SET LOCAL enable_indexscan = on;
		RETURN NEXT;
	END LOOP;
	DROP INDEX zeros_index;
END $$;
SET client_min_messages = error;
SELECT am, value, r.* FROM unnest('{hnsw,ivfflat,ivfpq,ivfrabitq,flat,sparse_inverted}'::text[]) am, unnest('{v,h,s}'::text[]) value, in_spheres(am, value) r
WHERE am = 'hnsw' OR (am = 'sparse_inverted') = (value = 's');

DROP OWNED BY planner_range_reader;
DROP ROLE planner_range_reader;
\set VERBOSITY terse
SET client_min_messages = warning;
DROP SCHEMA planner_range CASCADE;
