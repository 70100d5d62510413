-- hnsw: every type, metric and quantizer gives what a sort gives
CREATE SCHEMA hnsw_types;
SET search_path = hnsw_types, public;
\set ECHO none
\cd `echo ${VECTOR_TEST:-test}`
\i sql/index.inc
\set ECHO all
SET hnsw.ef_search = 1000;

-- one table indexed when it had its rows, one before, and one half and half
CREATE TABLE items (LIKE sample_type);
INSERT INTO items SELECT * FROM sample(1, 240) UNION ALL SELECT * FROM sample(1001, 1001);
CREATE TABLE built (LIKE items);
CREATE TABLE inserted (LIKE built);
CREATE TABLE mixed (LIKE built);
ALTER TABLE mixed ALTER v SET STORAGE PLAIN;
CREATE TABLE classes (type text, value text, metric text, operator text, n int GENERATED ALWAYS AS IDENTITY);
INSERT INTO classes
SELECT type, value, metric, operator FROM
	(VALUES (1, 'vector', 'v'), (2, 'halfvec', 'h'), (3, 'sparsevec', 's')) t (n, type, value),
	(VALUES (1, 'l2', '<->'), (2, 'ip', '<#>'), (3, 'cosine', '<=>'), (4, 'l1', '<+>')) m (o, metric, operator) ORDER BY n, o;
INSERT INTO classes VALUES ('bit', 'b', 'hamming', '<~>'), ('bit', 'b', 'jaccard', '<%>');

-- An index of a class, and tables searched for one of their values and for another value
CREATE FUNCTION check_class(c classes, options text, relations text[], last int, OUT indexes bigint, OUT rows text, OUT wrong numeric) LANGUAGE plpgsql AS $$
DECLARE
	relation text;
BEGIN
	FOREACH relation IN ARRAY relations LOOP
		EXECUTE format('TRUNCATE %I', relation);
		EXECUTE format('INSERT INTO %I SELECT * FROM items WHERE id <= %s AND %L IN (''built'', CASE id %% 2 WHEN 0 THEN ''mixed'' END) ORDER BY id', relation, last, relation);
		EXECUTE format('CREATE INDEX %I ON %I USING hnsw (%s %s_%s_ops) WITH (m = 8%s)', relation || '_index', relation, c.value, c.type, c.metric, options);
		EXECUTE format('INSERT INTO %I SELECT * FROM items WHERE id <= %s AND %L IN (''inserted'', CASE id %% 2 WHEN 1 THEN ''mixed'' END) ORDER BY id', relation, last, relation);
	END LOOP;
	SELECT count(*) FILTER (WHERE r.index), string_agg(DISTINCT r.rows::text, ','), sum(differences + disorder + twice) INTO indexes, rows, wrong
	FROM unnest(relations) name, unnest('{21,1001}'::int[]) q,
		nearest(name, c.value, c.operator, format('SELECT %s FROM items WHERE id = %s', c.value, q)) r;
	FOREACH relation IN ARRAY relations LOOP
		EXECUTE format('DROP INDEX %I', relation || '_index');
	END LOOP;
END $$;
SELECT type, metric, r.* FROM classes c, check_class(c, '', '{built,inserted,mixed}', 240) r ORDER BY n;

-- nulls are not indexed, nor are zeros by cosine distance
SELECT count(*) AS rows, count(v) AS not_null, count(v) FILTER (WHERE v <-> v * '[0,0,0,0,0,0,0,0,0,0,0,0]' > 0) AS not_zero, count(s) FILTER (WHERE l2_norm(s) > 0) AS not_zero_sparse FROM items WHERE id <= 240;
-- every quantizer, with values to rank by in the index or in the table
SELECT type, metric, quantizer, rerank, r.*
FROM classes c, unnest('{auto,none,rabitq1,rabitq2,rabitq4,rabitq8}'::text[]) quantizer, unnest('{index,heap}'::text[]) rerank, check_class(c, format(', ef_construction = 32, quantizer = %s, rerank = %s', quantizer, rerank), '{mixed}', 120) r
WHERE type IN ('vector', 'halfvec') AND metric <> 'l1' ORDER BY n, 3, 4;

-- the plan
CREATE INDEX ON built USING hnsw (v vector_l2_ops);
CREATE INDEX ON built USING hnsw (b bit_jaccard_ops);
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM built ORDER BY v <-> '[1,2,3,4,5,6,7,8,9,10,11,12]' LIMIT 5;
EXPLAIN (COSTS OFF) SELECT id FROM built ORDER BY repeat('01', 24)::bit(48) <%> b LIMIT 5;
-- another metric's operator, a function or the descending order is no use for it
SELECT plan_of($$SELECT id FROM built ORDER BY v <=> '[1,2,3,4,5,6,7,8,9,10,11,12]' LIMIT 5$$);
SELECT plan_of($$SELECT id FROM built ORDER BY v <-> '[1,2,3,4,5,6,7,8,9,10,11,12]' DESC LIMIT 5$$);
RESET enable_seqscan;

-- dimensions
CREATE TABLE long AS SELECT i AS id, (SELECT array_agg(sin(i * 0.37 + j) + i * 0.01) FROM generate_series(1, 16000) j)::vector(16000) AS v FROM generate_series(1, 40) i;
CREATE FUNCTION check_dimensions(dims int, type text, metric text, operator text, options text DEFAULT '', OUT rows bigint, OUT wrong bigint) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE dimensions (id int, x %s(%s))', type, dims);
	INSERT INTO dimensions SELECT id, subvector(v, 1, dims) FROM long WHERE id <= 30;
	EXECUTE format('CREATE INDEX ON dimensions USING hnsw (x %s_%s_ops) WITH (m = 8, ef_construction = 40%s)', type, metric, options);
	INSERT INTO dimensions SELECT id, subvector(v, 1, dims) FROM long WHERE id > 30;
	SELECT r.rows, differences + disorder + twice + (NOT index)::int INTO rows, wrong FROM nearest('dimensions', 'x', operator, 'SELECT x FROM dimensions WHERE id = 7') r;
	DROP TABLE dimensions;
END $$;
SELECT dims, type, string_agg(r.rows::text, ',' ORDER BY n) AS rows, sum(wrong) AS wrong
FROM unnest('{1,2,3,63,64,65,255,256,257,1999,2000,2001,4096,16000}'::int[]) dims, classes c, check_dimensions(dims, type, metric, operator) r
WHERE type IN ('vector', 'halfvec') AND (dims > 1 OR metric <> 'ip') GROUP BY dims, type ORDER BY type DESC, dims;
SELECT dims, options, sum(r.rows) AS rows, sum(wrong) AS wrong
FROM unnest('{1,2,65,2001}'::int[]) dims, unnest('{none,rabitq1,rabitq2,rabitq4,rabitq8}'::text[]) quantizer, unnest('{index,heap}'::text[]) rerank,
	format(', quantizer = %s, rerank = %s', quantizer, rerank) options, classes c, check_dimensions(dims, type, metric, operator, options) r
WHERE type = 'vector' AND metric IN ('l2', 'cosine') GROUP BY dims, options ORDER BY dims, options;

-- bits
CREATE TABLE bits AS SELECT id, (b || b || b || b)::bit(64000) AS b FROM (SELECT id, binary_quantize(v) AS b FROM long) x;
CREATE INDEX ON bits USING hnsw (b bit_hamming_ops);
CREATE INDEX ON bits USING hnsw (b bit_jaccard_ops);
SELECT operator, r.* FROM classes, nearest('bits', 'b', operator, 'SELECT b FROM bits WHERE id = 7') r WHERE type = 'bit';
CREATE TABLE few_bits AS SELECT id, substring(b, 1, 1)::bit(1) AS b1, substring(b, 1, 65)::bit(65) AS b65 FROM bits;
CREATE INDEX ON few_bits USING hnsw (b1 bit_hamming_ops);
CREATE INDEX ON few_bits USING hnsw (b1 bit_jaccard_ops);
CREATE INDEX ON few_bits USING hnsw (b65 bit_hamming_ops);
SELECT value, operator, r.* FROM (VALUES ('b1', '<~>'), ('b1', '<%>'), ('b65', '<~>')) x (value, operator), nearest('few_bits', value, operator, format('SELECT %s FROM few_bits WHERE id = 7', value)) r;

-- sparse values, from none to 16,000 numbers
CREATE TABLE sparse (id int, s sparsevec(1000000000));
INSERT INTO sparse
SELECT id, format('{%s}/1000000000', (SELECT string_agg(j * 62500 || ':' || a, ',' ORDER BY j) FROM unnest(v::real[]) WITH ORDINALITY AS u(a, j) WHERE j <= CASE WHEN id <= 3 THEN 16000 ELSE (id - 4) * 100 END AND a <> 0))::sparsevec FROM long;
SELECT min(n), max(n) FROM (SELECT length(s::text) - length(replace(s::text, ':', '')) AS n FROM sparse) x;
CREATE INDEX ON sparse USING hnsw (s sparsevec_l2_ops);
CREATE INDEX ON sparse USING hnsw (s sparsevec_ip_ops);
CREATE INDEX ON sparse USING hnsw (s sparsevec_cosine_ops);
CREATE INDEX ON sparse USING hnsw (s sparsevec_l1_ops);
INSERT INTO sparse SELECT 100 + id, s FROM sparse WHERE id IN (1, 4, 9);
SELECT metric, q, r.* FROM classes, unnest('{2,5,40}'::int[]) q, nearest('sparse', 's', operator, 'SELECT s FROM sparse WHERE id = ' || q) r WHERE type = 'sparsevec' ORDER BY n, q;

-- values that the quantizers cannot tell apart: close to each other, and of very different length
CREATE TABLE close (id int, v vector(32));
INSERT INTO close SELECT i, (SELECT array_agg(CASE WHEN i <= 300 THEN sin(j) + 1e-6 * sin(i * j) ELSE sin(i * j) END) FROM generate_series(1, 32) j)::vector FROM generate_series(1, 400) i;
CREATE TABLE unequal (id int, v vector(32));
INSERT INTO unequal SELECT i, (SELECT array_agg(sin(i * j) * 10.0 ^ (i % 30 - 12)) FROM generate_series(1, 32) j)::vector FROM generate_series(1, 400) i;
CREATE FUNCTION check_quantizer(relation text, metric text, operator text, quantizer text, OUT rows text, OUT wrong numeric) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE INDEX quantizer_index ON %I USING hnsw (v vector_%s_ops) WITH (quantizer = %s)', relation, metric, quantizer);
	SELECT string_agg(r.rows::text, ',' ORDER BY q), sum(differences + disorder + twice) INTO rows, wrong
	FROM unnest('{6,352}'::int[]) q, nearest(relation, 'v', operator, format('SELECT v FROM %I WHERE id = %s', relation, q)) r;
	DROP INDEX quantizer_index;
END $$;
SELECT relation, metric, quantizer, r.*
FROM unnest('{close,unequal}'::text[]) relation, classes c, unnest('{none,rabitq1,rabitq4,rabitq8}'::text[]) quantizer, check_quantizer(relation, metric, operator, quantizer) r
WHERE type = 'vector' AND metric IN ('l2', 'cosine') ORDER BY relation, n, quantizer;

DROP SCHEMA hnsw_types CASCADE;
