-- ivfflat, ivfpq, ivfrabitq: every type, metric and code gives what a sort gives
CREATE SCHEMA ivf_types;
SET search_path = ivf_types, public;
\set ECHO none
\cd `echo ${VECTOR_TEST:-test}`
\i sql/ivf.inc
\set ECHO all

-- one table indexed when it had its rows, one before, and one half and half
CREATE TABLE items (LIKE sample_type);
INSERT INTO items SELECT * FROM sample(1, 240) UNION ALL SELECT * FROM sample(1001, 1001);
CREATE TABLE built (LIKE items);
CREATE TABLE inserted (LIKE built);
CREATE TABLE mixed (LIKE built);
ALTER TABLE mixed ALTER v SET STORAGE PLAIN;

-- An index of a class, and tables searched for one of their values and for another value
CREATE FUNCTION check_class(c classes, options text, relations text[], last int, OUT indexes bigint, OUT rows text, OUT wrong numeric) LANGUAGE plpgsql AS $$
DECLARE
	relation text;
BEGIN
	FOREACH relation IN ARRAY relations LOOP
		EXECUTE format('TRUNCATE %I', relation);
		EXECUTE format('INSERT INTO %I SELECT * FROM items WHERE id <= %s AND %L IN (''built'', CASE id %% 2 WHEN 0 THEN ''mixed'' END) ORDER BY id', relation, last, relation);
		EXECUTE format('CREATE INDEX %I ON %I USING %I (%s %s_%s_ops) WITH (%s)', relation || '_index', relation, c.kind, c.value, c.type, c.metric, options);
		EXECUTE format('INSERT INTO %I SELECT * FROM items WHERE id <= %s AND %L IN (''inserted'', CASE id %% 2 WHEN 1 THEN ''mixed'' END) ORDER BY id', relation, last, relation);
	END LOOP;
	SELECT count(*) FILTER (WHERE r.index), string_agg(DISTINCT r.rows::text, ','), sum(differences + disorder + twice) INTO indexes, rows, wrong
	FROM unnest(relations) name, unnest('{21,1001}'::int[]) q,
		nearest(name, c.value, c.operator, format('SELECT %s FROM items WHERE id = %s', c.value, q)) r;
	FOREACH relation IN ARRAY relations LOOP
		EXECUTE format('DROP INDEX %I', relation || '_index');
	END LOOP;
END $$;
SELECT kind, type, metric, r.* FROM classes c, check_class(c, 'lists = 8', '{built,inserted,mixed}', 240) r ORDER BY n;

-- nulls are not indexed, nor are zeros by cosine distance
SELECT count(*) AS rows, count(v) AS not_null, count(v) FILTER (WHERE l2_norm(v::halfvec) > 0) AS not_zero FROM items WHERE id <= 240;
-- the number of lists: chosen, one, more than rows
SELECT kind, lists, count(*), string_agg(DISTINCT r.rows, ';') AS rows, sum(wrong) AS wrong
FROM classes c, unnest('{0,1,32768}'::int[]) lists, check_class(c, format('lists = %s', lists), '{built,mixed}', 100) r
WHERE type <> 'halfvec' GROUP BY kind, lists ORDER BY kind, lists;
-- codes
SELECT kind, options, string_agg(DISTINCT r.rows, ';' ORDER BY r.rows) AS rows, sum(indexes) AS indexes, sum(wrong) AS wrong
FROM classes c, unnest('{bits = 0,bits = 1,bits = 2,bits = 4,bits = 8,rerank = index,"bits = 4, rerank = index"}'::text[]) options, check_class(c, 'lists = 4, ' || options, '{built,mixed}', 120) r
WHERE kind = 'ivfrabitq' GROUP BY kind, options ORDER BY options;
SELECT kind, options, string_agg(DISTINCT r.rows, ';' ORDER BY r.rows) AS rows, sum(indexes) AS indexes, sum(wrong) AS wrong
FROM classes c, unnest('{0,1,3,5,12}'::int[]) m, unnest('{4,8}'::int[]) nbits, unnest('{off,on}'::text[]) opq, format('m = %s, nbits = %s, opq = %s%s', m, nbits, opq, CASE WHEN (m = 0) = (nbits = 4) THEN ', rerank = index' END) options,
	check_class(c, 'lists = 4, ' || options, '{mixed}', 120) r
WHERE kind = 'ivfpq' AND (m = 0 OR type = 'vector') GROUP BY kind, options, m, nbits, opq ORDER BY m, nbits, opq;

-- the plan
CREATE INDEX ON built USING ivfflat (v vector_l2_ops) WITH (lists = 8);
CREATE INDEX ON built USING ivfflat (b bit_hamming_ops) WITH (lists = 8);
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM built ORDER BY v <-> '[1,2,3,4,5,6,7,8,9,10,11,12]' LIMIT 5;
EXPLAIN (COSTS OFF) SELECT id FROM built ORDER BY repeat('01', 24)::bit(48) <~> b LIMIT 5;
-- another metric's operator, a function or the descending order is no use for it
SELECT plan_of($$SELECT id FROM built ORDER BY v <=> '[1,2,3,4,5,6,7,8,9,10,11,12]' LIMIT 5$$);
SELECT plan_of($$SELECT id FROM built ORDER BY v <-> '[1,2,3,4,5,6,7,8,9,10,11,12]' DESC LIMIT 5$$);
RESET enable_seqscan;

-- dimensions
CREATE TABLE long AS SELECT i AS id, (SELECT array_agg(sin(i * 0.37 + j) + i * 0.01) FROM generate_series(1, 16000) j)::vector(16000) AS v FROM generate_series(1, 24) i;
CREATE FUNCTION check_dimensions(dims int, c classes, options text, OUT rows bigint, OUT wrong bigint) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE dimensions (id int, x %s(%s))', c.type, dims);
	INSERT INTO dimensions SELECT id, subvector(v, 1, dims) FROM long WHERE id <= 16;
	EXECUTE format('CREATE INDEX ON dimensions USING %I (x %s_%s_ops) WITH (%s)', c.kind, c.type, c.metric, options);
	INSERT INTO dimensions SELECT id, subvector(v, 1, dims) FROM long WHERE id > 16;
	SELECT r.rows, differences + disorder + twice + (NOT index)::int INTO rows, wrong FROM nearest('dimensions', 'x', c.operator, 'SELECT x FROM dimensions WHERE id = 7') r;
	DROP TABLE dimensions;
END $$;
SELECT kind, dims, string_agg(r.rows::text, ',' ORDER BY n) AS rows, sum(wrong) AS wrong
FROM unnest('{1,3,64,784,2000}'::int[]) dims, classes c, check_dimensions(dims, c, 'lists = 3') r
WHERE (type = 'vector' OR type = 'halfvec' AND (dims < 100 OR metric = 'l2')) AND (dims > 1 OR metric <> 'ip') GROUP BY kind, dims ORDER BY kind, dims;
-- these are on several pages
SELECT kind, dims, string_agg(r.rows::text, ',' ORDER BY n) AS rows, sum(wrong) AS wrong
FROM unnest('{2001,4089,5000,16000}'::int[]) dims, classes c, check_dimensions(dims, c, 'lists = 3') r
WHERE type = 'vector' AND (metric = 'l2' OR dims = 5000 AND metric IN ('ip', 'cosine')) OR type = 'halfvec' AND metric = 'l2' AND dims > 4089 GROUP BY kind, dims ORDER BY kind, dims;
SELECT kind, dims, options, r.* FROM unnest('{1,65,16000}'::int[]) dims,
	classes c, unnest('{bits = 2,bits = 8,"bits = 8, rerank = index",nbits = 8,m = 1,opq = on,"nbits = 8, opq = on, rerank = index"}'::text[]) options, check_dimensions(dims, c, 'lists = 3, ' || options) r
WHERE (kind = 'ivfrabitq' AND options LIKE 'bits%' OR kind = 'ivfpq' AND options NOT LIKE 'bits%') AND type = 'vector' AND metric = 'l2' AND (options NOT LIKE '%opq%' OR dims = 65) ORDER BY kind, options, dims;

-- bits
CREATE TABLE bits AS SELECT id, (b || b || b || b)::bit(64000) AS b64000, substring(b, 1, 1)::bit(1) AS b1, substring(b, 1, 65)::bit(65) AS b65, b::bit(16000) AS b16000 FROM (SELECT id, binary_quantize(v) AS b FROM long) x;
CREATE INDEX ON bits USING ivfflat (b1 bit_hamming_ops) WITH (lists = 3);
CREATE INDEX ON bits USING ivfflat (b65 bit_hamming_ops) WITH (lists = 3);
CREATE INDEX ON bits USING ivfflat (b16000 bit_hamming_ops) WITH (lists = 3);
CREATE INDEX ON bits USING ivfflat (b64000 bit_hamming_ops) WITH (lists = 3);
INSERT INTO bits SELECT id + 24, b64000, b1, b65, b16000 FROM bits WHERE id % 4 = 0;
SELECT value, r.* FROM unnest('{b1,b65,b16000,b64000}'::text[]) value, nearest('bits', value, '<~>', format('SELECT %s FROM bits WHERE id = 7', value)) r;

-- values that codes cannot tell apart: equal ones, close ones, ones of very different length
CREATE TABLE equal (id int, v vector(32));
INSERT INTO equal SELECT i, (SELECT array_agg(sin(j * (i % 3))) FROM generate_series(1, 32) j)::vector FROM generate_series(1, 300) i;
CREATE TABLE close (LIKE equal);
INSERT INTO close SELECT i, (SELECT array_agg(CASE WHEN i <= 300 THEN sin(j) + 1e-6 * sin(i * j) ELSE sin(i * j) END) FROM generate_series(1, 32) j)::vector FROM generate_series(1, 400) i;
CREATE TABLE constant (LIKE equal);
INSERT INTO constant SELECT i, (SELECT array_agg(CASE WHEN j = 7 THEN i / 100.0 ELSE j END) FROM generate_series(1, 32) j)::vector FROM generate_series(1, 300) i;
CREATE TABLE unequal (LIKE equal);
INSERT INTO unequal SELECT i, (SELECT array_agg(sin(i * j) * 10.0 ^ (i % 30 - 12)) FROM generate_series(1, 32) j)::vector FROM generate_series(1, 400) i;
CREATE TABLE large (LIKE equal);
INSERT INTO large SELECT i, (SELECT array_agg(CASE i % 4 WHEN 0 THEN 1e18 WHEN 1 THEN -1e18 WHEN 2 THEN 1e-18 ELSE i END * sin(i * j)) FROM generate_series(1, 32) j)::vector FROM generate_series(1, 100) i;
-- distances of these are infinite, or no numbers
CREATE TABLE huge (LIKE equal);
INSERT INTO huge SELECT id, (SELECT array_agg(CASE WHEN abs(a) > 1e10 THEN 3e20 ELSE 1 END * a::float8) FROM unnest(v::real[]) a)::vector FROM large;
CREATE FUNCTION check_values(relation text, c classes, options text, OUT rows text, OUT wrong numeric) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE INDEX values_index ON %I USING %I (v vector_%s_ops) WITH (%s)', relation, c.kind, c.metric, options);
	SELECT string_agg(r.rows::text, ',' ORDER BY q), sum(CASE relation WHEN 'huge' THEN 0 ELSE differences + disorder END + twice) INTO rows, wrong
	FROM unnest('{7,52}'::int[]) q, nearest(relation, 'v', c.operator, format('SELECT v FROM %I WHERE id = %s', relation, q)) r;
	DROP INDEX values_index;
END $$;
SELECT kind, relation, string_agg(DISTINCT rows, ';' ORDER BY rows) AS rows, sum(wrong) AS wrong
FROM unnest('{equal,close,constant,unequal,large,huge}'::text[]) relation, classes c, unnest('{lists = 10,"lists = 3, bits = 4","lists = 3, nbits = 8, m = 4"}'::text[]) options, check_values(relation, c, options) r
WHERE type = 'vector' AND (options = 'lists = 10' OR options LIKE '%, bits%' AND kind = 'ivfrabitq' OR options LIKE '%nbits%' AND kind = 'ivfpq')
GROUP BY kind, relation ORDER BY kind, relation;

-- rows of all sizes, some with a list of their own: what is measured of them is a
-- number, the index is read again, and finds them all
CREATE FUNCTION check_sizes(kind text, class text, rows int, factor float8) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	seeds float8[] := '{-1.008824e8,3.097469e14,5.380577e-6,1.669266e-10,-9.583949e-10,-3.13881e11,4.191126,-2.056906e-12,-1.741408e-9,7.082683e-19}';
	answer text;
BEGIN
	CREATE TABLE sizes AS SELECT i AS id, ARRAY[seeds[1 + i % 10] * (1 + i / 10) * factor]::vector(1) AS v FROM generate_series(0, rows - 1) i;
	EXECUTE format('CREATE INDEX sizes_index ON sizes USING %I (v %I) WITH (lists = 10)', kind, class);
	INSERT INTO sizes SELECT * FROM sizes LIMIT 5;
	SELECT string_agg(c::text, '; ') INTO answer FROM vector_index_check('sizes_index') c;
	IF class = 'vector_l2_ops' THEN
		answer := nullif(concat_ws('; ', answer, (SELECT n FROM (SELECT count(*) AS n FROM (SELECT id FROM sizes ORDER BY v <-> '[1]' LIMIT 10000) x) y WHERE n <> rows + 5)), '');
	END IF;
	DROP TABLE sizes;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	RETURN sqlerrm;
END $$;
SET enable_seqscan = off;
SELECT kind, class, rows, factor, answer
FROM unnest('{ivfflat,ivfpq,ivfrabitq}'::text[]) kind, unnest('{vector_l2_ops,vector_ip_ops,vector_cosine_ops}'::text[]) class, unnest('{10,12,40,300}'::int[]) rows,
	unnest('{1e-15,1,1e10,1e20}'::float8[]) factor, check_sizes(kind, class, rows, factor) answer
WHERE answer IS NOT NULL;
RESET enable_seqscan;

-- products that are infinite, and those that are no number: these come after all others
CREATE TABLE infinite AS SELECT i AS id, ARRAY[(i % 4 - 1.5) * 2e38, CASE WHEN i % 7 = 0 THEN 0 ELSE (i % 3 - 1) * 3e38 END]::vector(2) AS v FROM generate_series(1, 400) i;
CREATE FUNCTION check_infinite(query text, OUT minus bigint, OUT finite bigint, OUT plus bigint, OUT no_number bigint, OUT disorder bigint) LANGUAGE sql SET enable_seqscan = off SET enable_sort = off AS $$
	SELECT count(*) FILTER (WHERE d = '-Infinity'), count(*) FILTER (WHERE abs(d) < 'Infinity'), count(*) FILTER (WHERE d = 'Infinity'),
		count(*) FILTER (WHERE d = 'NaN'), count(*) FILTER (WHERE d < before)
	FROM (SELECT d, lag(d) OVER (ORDER BY n) AS before FROM
		(SELECT d, row_number() OVER () AS n FROM (SELECT v <#> query::vector AS d FROM infinite ORDER BY v <#> query::vector LIMIT 1000) x) y) z
$$;
SELECT query, r.* FROM unnest('{"[1e38,1e38]","[-1e38,1e-38]"}'::text[]) query, check_infinite(query) r;
CREATE INDEX infinite_index ON infinite USING ivfflat (v vector_ip_ops) WITH (lists = 4);
SELECT query, r.* FROM unnest('{"[1e38,1e38]","[-1e38,1e-38]"}'::text[]) query, check_infinite(query) r;

-- bounds that are far lower than distances, and equal where these are not: no row is lost
CREATE TABLE scales (id int, v vector(8));
CREATE FUNCTION rows_of_scales(kind text, class text, operator text, options text, OUT rows bigint, OUT different bigint) LANGUAGE plpgsql
SET enable_seqscan = off SET ivfrabitq.iterative_scan = relaxed_order SET ivfpq.iterative_scan = relaxed_order SET ivfrabitq.rerank = 0 SET ivfpq.rerank = 0 AS $$
BEGIN
	EXECUTE format('CREATE INDEX scales_index ON scales USING %I (v %I) WITH (%s)', kind, class, options);
	EXECUTE format('SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM scales ORDER BY v %s %L LIMIT 10000) x', operator, array_fill(16777216, ARRAY[8])::vector) INTO rows, different;
	DROP INDEX scales_index;
END $$;
INSERT INTO scales SELECT i, (SELECT array_agg(sin(i * j * 1.7 + j) * CASE hashint4(i) % 2 WHEN 0 THEN 1e-25 ELSE 1e25 END) FROM generate_series(1, 8) j)::vector FROM generate_series(1, 2500) i;
SELECT kind, class, options, r.* FROM unnest('{ivfrabitq,ivfpq}'::text[]) kind, (VALUES ('vector_l2_ops', '<->'), ('vector_ip_ops', '<#>')) c (class, operator),
	unnest('{lists = 3,"lists = 3, rerank = index"}'::text[]) options, rows_of_scales(kind, class, operator, options) r;

-- the error of a cluster is a number, whatever the rows
SELECT i, size, round((error / i / i)::numeric, 3) AS error FROM
	unnest('{1e-20,1,3e19,3e38}'::float8[]) i, vector_kmeans(format('SELECT ARRAY[%s * (n %% 2 * 2 - 1), 0]::vector FROM generate_series(1, 100) n', i), 1) k ORDER BY i;

DROP SCHEMA ivf_types CASCADE;
