-- Indexes of arrays: rows by MaxSim, compared with exact scans; conditions, changes, plans, bad input
CREATE SCHEMA max_sim_index;
SET search_path = max_sim_index, public;
SET client_min_messages = warning;
SET max_parallel_workers_per_gather = 0;

SELECT amname, opcname, format_type(opcintype, NULL) AS type, opcdefault, amvalidate(o.oid) FROM pg_opclass o JOIN pg_am a ON a.oid = opcmethod WHERE opcname LIKE '%maxsim_ops' ORDER BY 1, 2;

-- Documents of 0 to 9 vectors around 40 topics; queries about some topics of a document
CREATE FUNCTION near_topic(topic int, seed int) RETURNS vector LANGUAGE sql IMMUTABLE AS $$
	SELECT l2_normalize(array_agg(sin(topic * 12.9898 * j + topic)::real + 0.4 * sin(seed * 78.233 + j * 37.719)::real ORDER BY j)::real[]::vector) FROM generate_series(1, 16) j $$;
CREATE FUNCTION document(i int) RETURNS vector[] LANGUAGE sql IMMUTABLE AS $$
	SELECT coalesce(array_agg(near_topic((i * 7 + t * 5) % 40, i * 10 + t) ORDER BY t), '{}') FROM generate_series(1, i % 10) t $$;
CREATE TABLE documents (id int PRIMARY KEY, tag int, tokens vector(16)[]);
INSERT INTO documents SELECT i, i % 7, document(i) FROM generate_series(1, 1000) i;
INSERT INTO documents VALUES (2001, 1, NULL), (2002, 2, NULL);
CREATE TABLE queries AS
SELECT i AS id, (SELECT array_agg(near_topic((i * 77 + t * 5) % 40, -i * 10 - t) ORDER BY t) FROM generate_series(1, 4) t) AS tokens FROM generate_series(1, 16) i;
ANALYZE documents;

-- What an exact scan and an index give: + 0 keeps the index out
CREATE FUNCTION exact(query vector[], k int) RETURNS int[] LANGUAGE sql STABLE AS $$
	SELECT array(SELECT id FROM documents WHERE tokens @# query IS NOT NULL ORDER BY (tokens @# query) + 0, id LIMIT k) $$;
CREATE FUNCTION exact_tag(query vector[], k int, wanted int) RETURNS int[] LANGUAGE sql STABLE AS $$
	SELECT array(SELECT id FROM documents WHERE tag = wanted AND tokens @# query IS NOT NULL ORDER BY (tokens @# query) + 0, id LIMIT k) $$;
CREATE FUNCTION by_index(query vector[], k int) RETURNS int[] LANGUAGE sql STABLE AS $$
	SELECT array(SELECT id FROM documents ORDER BY tokens @# query LIMIT k) $$;
CREATE FUNCTION by_index_tag(query vector[], k int, wanted int) RETURNS int[] LANGUAGE sql STABLE AS $$
	SELECT array(SELECT id FROM documents WHERE tag = wanted ORDER BY tokens @# query LIMIT k) $$;
CREATE FUNCTION share(a int[], b int[]) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
	SELECT count(*)::numeric / cardinality(a) FROM unnest(a) x WHERE x = ANY (b) $$;
-- Is a scan's order that of the true MaxSim, and does no row come twice?
CREATE FUNCTION is_sound(query vector[], ids int[]) RETURNS bool LANGUAGE sql STABLE AS $$
	SELECT bool_and(before IS NULL OR before <= distance) AND count(*) = count(DISTINCT id) FROM (
		SELECT id, tokens @# query AS distance, lag(tokens @# query) OVER (ORDER BY place) AS before
		FROM unnest(ids) WITH ORDINALITY AS u(id, place) JOIN documents USING (id)) x $$;

SET enable_seqscan = off;
-- what the exact scans of the rows as they are now give
CREATE TABLE wanted AS SELECT tokens, exact(tokens, 10) AS ten, exact(tokens, 50) AS fifty, exact_tag(tokens, 10, 3) AS ten_of_tag FROM queries;
CREATE FUNCTION check_index(definition text) RETURNS TABLE (recall_10 bool, recall_50 bool, of_a_tag bool, sound bool, complete bool) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE 'CREATE INDEX late ON documents USING ' || definition;
	RETURN QUERY SELECT avg(share(ten, by_index(tokens, 10))) >= 0.97, avg(share(fifty, by_index(tokens, 50))) >= 0.95, avg(share(ten_of_tag, by_index_tag(tokens, 10, 3))) >= 0.97,
		bool_and(is_sound(tokens, by_index(tokens, 200)) AND is_sound(tokens, by_index_tag(tokens, 200, 3))),
		bool_and(cardinality(by_index(tokens, 20)) = 20 AND cardinality(by_index_tag(tokens, 20, 3)) = 20) FROM wanted;
	IF (SELECT count(*) > 0 FROM vector_index_check('late', true)) THEN
		RAISE 'the index is not sound';
	END IF;
	EXECUTE 'DROP INDEX late';
END $$;
SELECT * FROM check_index('ivfrabitq (tokens vector_maxsim_ops, tag)');
SELECT * FROM check_index('ivfrabitq (tokens vector_maxsim_ops, tag) WITH (bits = 1, lists = 50)');
SELECT * FROM check_index('ivfflat (tokens vector_maxsim_ops, tag) WITH (lists = 20)');
SELECT * FROM check_index('ivfpq (tokens vector_maxsim_ops, tag) WITH (m = 8)');
DROP FUNCTION check_index;

-- To the end: in relaxed order every row with vectors once; a null query, in any order
CREATE INDEX late ON documents USING ivfrabitq (tokens vector_maxsim_ops, tag);
SELECT count(*), count(DISTINCT id) FROM documents WHERE cardinality(tokens) > 0;
SET ivfrabitq.iterative_scan = relaxed_order;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM documents WHERE tokens IS NOT NULL ORDER BY tokens @# (SELECT tokens FROM queries WHERE id = 5) LIMIT 5000) x;
SELECT count(*), count(DISTINCT id), bool_and(tag = 3) FROM (SELECT id, tag FROM documents WHERE tag = 3 ORDER BY tokens @# (SELECT tokens FROM queries WHERE id = 5) LIMIT 5000) x;
RESET ivfrabitq.iterative_scan;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM documents WHERE tokens IS NOT NULL ORDER BY tokens @# (SELECT NULL::vector[]) LIMIT 5000) x;
SELECT count(*) FROM (SELECT id FROM documents WHERE tag = 99 ORDER BY tokens @# (SELECT tokens FROM queries WHERE id = 5) LIMIT 5) x;
-- one search for each row of another table; settings
SELECT count(*), count(DISTINCT q.id), bool_and(share(exact(q.tokens, 3), ids) >= 0) FROM queries q, LATERAL (SELECT array(SELECT id FROM documents ORDER BY tokens @# q.tokens LIMIT 3) AS ids) x;
SET ivfrabitq.probes = 1;
SET ivfrabitq.iterative_scan = off;
SELECT cardinality(by_index(tokens, 5)) FROM queries WHERE id = 1;
SET ivfrabitq.rerank = 5;
SELECT cardinality(by_index(tokens, 5)), is_sound(tokens, by_index(tokens, 50)) FROM queries WHERE id = 1;
RESET ivfrabitq.probes;
RESET ivfrabitq.iterative_scan;
RESET ivfrabitq.rerank;
SELECT cardinality(by_index(tokens, 10)) FROM queries WHERE id = 1;
SELECT index, mode, searches, visited > 0 AS visited, reread >= 10 AS compared, returned FROM vector_last_scan();

-- Which queries may have the index: the first rows in ascending order; nothing else
CREATE FUNCTION uses_index(statement text) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || statement LOOP
		IF line ~ 'Index Scan using late' THEN
			RETURN true;
		END IF;
	END LOOP;
	RETURN false;
END $$;
SELECT statement, uses_index(replace(statement, 'Q', '(SELECT tokens FROM queries WHERE id = 1)')) FROM unnest(ARRAY[
	'SELECT id FROM documents ORDER BY tokens @# Q LIMIT 5',
	'SELECT id FROM documents WHERE tag = 3 ORDER BY tokens @# Q LIMIT 5',
	'SELECT id, max_sim(tokens, Q) FROM documents ORDER BY tokens @# Q LIMIT 5',
	'SELECT id FROM documents ORDER BY tokens @# Q',
	'SELECT id FROM documents ORDER BY tokens @# Q DESC LIMIT 5',
	'SELECT id FROM documents ORDER BY (tokens @# Q) + 0 LIMIT 5',
	'SELECT id FROM documents WHERE tokens @# Q < -1',
	'SELECT min(tokens @# Q) FROM documents',
	'SELECT count(*) FROM documents WHERE tokens IS NOT NULL',
	'SELECT id FROM documents WHERE tokens IS NULL',
	'SELECT id FROM documents WHERE tokens = Q',
	'UPDATE documents SET tag = 1 WHERE id IN (SELECT id FROM documents ORDER BY tokens @# Q LIMIT 5)',
	'SELECT tag, count(*) FROM documents GROUP BY tag ORDER BY tag LIMIT 5',
	'SELECT id FROM documents ORDER BY Q @# tokens LIMIT 5']) statement;
EXPLAIN (COSTS OFF) SELECT id FROM documents WHERE tag = 3 ORDER BY tokens @# '{"[1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]"}' LIMIT 5;

-- Changes: rows that come, change their vectors, or nothing that is indexed, and go
INSERT INTO documents VALUES (3000, 3, ARRAY['[9,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]', '[0,9,0,0,0,0,0,0,0,0,0,0,0,0,0,0]']::vector[]);
SELECT by_index('{"[1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]","[0,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0]"}', 1);
UPDATE documents SET tokens[2] = '[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,9]' WHERE id = 3000;
SELECT by_index('{"[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1]"}', 1), 3000 = ANY (by_index('{"[0,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0]"}', 20)) AS old;
UPDATE documents SET tag = 6 WHERE id = 3000;
SELECT by_index_tag('{"[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1]"}', 1, 6), 3000 = ANY (by_index_tag('{"[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1]"}', 500, 3)) AS old;
-- as many vectors as do not fit one page of a list
INSERT INTO documents SELECT 3001, 1, array_agg((array_fill(0, ARRAY[15]) || (1000 + i))::vector) FROM generate_series(1, 3000) i;
SELECT by_index('{"[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1]"}', 2);
DELETE FROM documents WHERE id >= 3000 OR id % 3 = 0;
SELECT by_index('{"[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1]"}', 1) && '{3000,3001}' AS deleted;
VACUUM documents;
SELECT avg(share(exact(tokens, 10), by_index(tokens, 10))) >= 0.97 AS recall_10, bool_and(is_sound(tokens, by_index(tokens, 100))) AS sound FROM queries;
SELECT entries = (SELECT sum(cardinality(tokens)) FROM documents) AS one_for_each_vector FROM ivf_drift('late');
SELECT * FROM vector_index_check('late', true);
INSERT INTO documents SELECT i, i % 7, document(i) FROM generate_series(1, 1000) i WHERE i % 3 = 0;
INSERT INTO documents VALUES (3002, 1, '{}'), (3003, 1, NULL);
UPDATE documents SET tokens = '{}' WHERE id = 1;
SELECT avg(share(exact(tokens, 10), by_index(tokens, 10))) >= 0.97 AS recall_10, avg(share(exact_tag(tokens, 10, 3), by_index_tag(tokens, 10, 3))) >= 0.97 AS of_a_tag, bool_and(is_sound(tokens, by_index(tokens, 100))) AS sound FROM queries;
SELECT * FROM vector_index_check('late', true);
REINDEX INDEX late;
SELECT avg(share(exact(tokens, 10), by_index(tokens, 10))) >= 0.97 AS recall_10, vector_index_problem('late') AS problem FROM queries;
DROP INDEX late;

-- an expression, in half precision
CREATE INDEX late ON documents USING ivfrabitq ((tokens::halfvec(16)[]) halfvec_maxsim_ops);
SELECT avg(share(exact(tokens, 10), array(SELECT id FROM documents d ORDER BY d.tokens::halfvec(16)[] @# q.tokens::halfvec[] LIMIT 10))) >= 0.95 AS recall_10 FROM queries q;
SELECT (vector_last_scan()).index = 'late'::regclass AS by_index;
DROP INDEX late;

-- Where there is nothing, and where it comes later; a few rows; one vector each
CREATE TABLE later (id int, tokens halfvec(3)[]);
CREATE INDEX later_index ON later USING ivfrabitq (tokens halfvec_maxsim_ops);
SELECT id FROM later ORDER BY tokens @# '{"[1,0,0]"}' LIMIT 5;
INSERT INTO later VALUES (1, '{"[1,0,0]","[0,1,0]"}'), (2, '{"[0,0,2]"}'), (3, '{}'), (4, NULL), (5, '{"[-1,-1,-1]","[3,0,0]","[0,0,1]"}');
SELECT id, tokens @# '{"[1,0,0]","[0,0,1]"}' AS distance FROM later ORDER BY tokens @# '{"[1,0,0]","[0,0,1]"}' LIMIT 5;
REINDEX INDEX later_index;
SELECT id, tokens @# '{"[1,0,0]","[0,0,1]"}' AS distance FROM later ORDER BY tokens @# '{"[1,0,0]","[0,0,1]"}' LIMIT 5;
-- of partitions, and of a part of a table
CREATE TABLE parted (id int, tokens vector(16)[]) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (700);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (700) TO (5000);
INSERT INTO parted SELECT id, tokens FROM documents WHERE id < 1000;
CREATE INDEX parted_index ON parted USING ivfrabitq (tokens vector_maxsim_ops);
SELECT avg(share(exact(q.tokens, 5), array(SELECT id FROM parted p ORDER BY p.tokens @# q.tokens LIMIT 5))) >= 0.95 AS recall FROM queries q;
CREATE INDEX late ON documents USING ivfrabitq (tokens vector_maxsim_ops) WHERE tag = 4;
SELECT avg(share(exact_tag(tokens, 10, 4), by_index_tag(tokens, 10, 4))) >= 0.97 AS partial FROM queries;
SELECT uses_index('SELECT id FROM documents WHERE tag = 4 ORDER BY tokens @# (SELECT tokens FROM queries WHERE id = 1) LIMIT 5');
DROP INDEX late;
-- where half of the rows are null, an index has not enough of them for a large LIMIT
CREATE TABLE half_null (id int, tokens vector(16)[]);
INSERT INTO half_null SELECT id, CASE WHEN id % 2 = 0 AND cardinality(tokens) > 0 THEN tokens END FROM documents;
CREATE INDEX late ON half_null USING ivfrabitq (tokens vector_maxsim_ops);
ANALYZE half_null;
SELECT l, uses_index('SELECT id FROM half_null ORDER BY tokens @# (SELECT tokens FROM queries WHERE id = 1) LIMIT ' || l) AS any_row,
	uses_index('SELECT id FROM half_null WHERE tokens IS NOT NULL ORDER BY tokens @# (SELECT tokens FROM queries WHERE id = 1) LIMIT ' || l) AS not_null FROM unnest(ARRAY[5, 900]) l;

-- Bad input
CREATE INDEX ON documents USING ivfrabitq (tokens);
CREATE INDEX ON documents USING ivfrabitq (tokens vector_ip_ops);
CREATE INDEX ON documents USING hnsw (tokens vector_maxsim_ops);
CREATE INDEX ON documents USING ivfrabitq (tokens vector_maxsim_ops) WITH (rerank = index);
CREATE TABLE bad (id int, tokens vector[]);
CREATE INDEX ON bad USING ivfrabitq (tokens vector_maxsim_ops);
CREATE INDEX bad_index ON bad USING ivfrabitq ((tokens::vector(2)[]) vector_maxsim_ops);
INSERT INTO bad VALUES (1, '{"[1,2]",NULL}');
INSERT INTO bad VALUES (1, '{{"[1,2]"}}');
INSERT INTO bad VALUES (1, '{"[1,2]","[1,2,3]"}');
INSERT INTO bad VALUES (1, '{"[1,2]"}');
SELECT id FROM bad ORDER BY (tokens::vector(2)[]) @# '{}' LIMIT 1;
SELECT id FROM bad ORDER BY (tokens::vector(2)[]) @# '{"[1,2,3]"}' LIMIT 1;
SELECT id FROM bad ORDER BY (tokens::vector(2)[]) @# '{NULL}' LIMIT 1;
DROP INDEX bad_index;
INSERT INTO bad VALUES (2, '{"[1,2]",NULL}');
CREATE INDEX bad_index ON bad USING ivfrabitq ((tokens::vector(2)[]) vector_maxsim_ops);

DROP SCHEMA max_sim_index CASCADE;
