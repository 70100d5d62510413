-- BM25's queries: read without a statement, or by one, with the same result; what
-- changes about a set-up is seen by the next query, of a plan made before, too
CREATE SCHEMA hybrid_query;
SET search_path = hybrid_query, public;
SET client_min_messages = warning;
\set VERBOSITY terse

CREATE TABLE docs (id int PRIMARY KEY, body text);
INSERT INTO docs SELECT i, (SELECT string_agg((ARRAY['cats', 'dog', 'birds', 'river', 'stone', 'the', 'rain'])[(i * j + j) % 7 + 1], ' ') FROM generate_series(1, 1 + i % 9) j) FROM generate_series(1, 90) i;
SELECT bm25_setup('docs', '{body}', 'simple') IS NOT NULL AS done;

-- A policy, which the owner is not subject to, has bm25_query make statements.
CREATE FUNCTION alike(query text) RETURNS TABLE (same boolean, terms int) LANGUAGE plpgsql AS $$
DECLARE
	directly sparsevec := bm25_query('docs', query);
	by_statements sparsevec;
	t text;
BEGIN
	FOREACH t IN ARRAY ARRAY['docs_bm25', 'docs_bm25_terms', 'docs_bm25_changes'] LOOP
		EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
		by_statements := bm25_query('docs', query);
		EXECUTE format('ALTER TABLE %I DISABLE ROW LEVEL SECURITY', t);
		IF by_statements <> directly THEN
			RETURN QUERY SELECT false, cardinality(sparsevec_indices(by_statements));
		END IF;
	END LOOP;
	RETURN QUERY SELECT true, cardinality(sparsevec_indices(directly));
END $$;
SELECT * FROM alike('cats and the dog, cats');
SELECT * FROM alike('');
SELECT * FROM alike('nothing of these');
-- what is not merged: documents gone and come, and terms nobody had
INSERT INTO docs VALUES (100, 'zebra cats'), (101, 'zebra zebra dog');
DELETE FROM docs WHERE id IN (3, 5);
UPDATE docs SET body = 'rain' WHERE id = 7;
SELECT count(*) FROM docs_bm25_changes;
SELECT * FROM alike('zebra cats rain river');
DELETE FROM docs WHERE body ~ 'zebra';
SELECT * FROM alike('zebra cats');
-- a term under two numbers; changes of other shapes; sums that are none of documents
INSERT INTO docs_bm25_terms (id, term, documents) VALUES (90001, 'cats', 2), (90002, 'cats', 0), (90003, 'gone', -1);
SELECT * FROM alike('cats gone dog');
INSERT INTO docs_bm25_changes (documents, total_length, terms, counts) VALUES
	(1, 2, '{90001,1,2}', '{3,1}'), (0, 0, '{{1,2},{90002,3}}', '{{1,1},{2,-1}}'), (0, 0, '{}', '{}'), (1, 1, '{NULL,1,2}', '{4,NULL,1}'), (2, 2, '[5:6]={1,90001}', '{1,1}');
SELECT * FROM alike('cats dog birds the river');
SELECT bm25_query('docs', 'cats dog birds') = bm25_query('docs', 'dog birds cats') AS same_order;
DELETE FROM docs_bm25_terms WHERE id > 90000;
SELECT bm25_refresh('docs', tolerance => 100);
SELECT * FROM alike('cats dog birds the river');

-- The right to read all three tables, and to use their schema
CREATE ROLE hybrid_reader;
GRANT USAGE ON SCHEMA hybrid_query TO hybrid_reader;
GRANT SELECT ON docs TO hybrid_reader;
CREATE TABLE expected AS SELECT bm25_query('docs', 'cats dog') AS q;
GRANT SELECT ON expected TO hybrid_reader;
SET ROLE hybrid_reader;
SELECT bm25_query('docs', 'cats dog');
RESET ROLE;
GRANT SELECT ON docs_bm25, docs_bm25_changes TO hybrid_reader;
SET ROLE hybrid_reader;
SELECT bm25_query('docs', 'cats dog');
RESET ROLE;
GRANT SELECT (id, term, documents) ON docs_bm25_terms TO hybrid_reader;
SET ROLE hybrid_reader;
PREPARE reader AS SELECT bm25_query('hybrid_query.docs', $1) = q AS same FROM hybrid_query.expected;
EXECUTE reader('cats dog');
RESET ROLE;
GRANT SELECT ON docs_bm25_terms TO hybrid_reader;
SET ROLE hybrid_reader;
EXECUTE reader('cats dog');
RESET ROLE;
REVOKE SELECT ON docs_bm25_changes FROM hybrid_reader;
SET ROLE hybrid_reader;
EXECUTE reader('cats dog');
RESET ROLE;
GRANT SELECT ON docs_bm25_changes TO hybrid_reader;
REVOKE SELECT (id, term, documents), SELECT ON docs_bm25_terms FROM hybrid_reader;
SET ROLE hybrid_reader;
EXECUTE reader('cats dog');
RESET ROLE;
GRANT SELECT ON docs_bm25_terms TO hybrid_reader;
SET ROLE hybrid_reader;
EXECUTE reader('cats dog');
RESET ROLE;

-- A policy hides what it hides, for those that it is for
ALTER TABLE docs_bm25_terms ENABLE ROW LEVEL SECURITY;
CREATE POLICY no_dogs ON docs_bm25_terms USING (term <> 'dog');
SET ROLE hybrid_reader;
EXECUTE reader('cats dog');
SELECT cardinality(sparsevec_indices(bm25_query('docs', 'cats dog'))) AS terms;
SET row_security = off;
SELECT bm25_query('docs', 'cats dog');
RESET row_security;
RESET ROLE;
EXECUTE reader('cats dog');
DROP POLICY no_dogs ON docs_bm25_terms;
ALTER TABLE docs_bm25_terms DISABLE ROW LEVEL SECURITY;
SET ROLE hybrid_reader;
EXECUTE reader('cats dog');
RESET ROLE;

-- Plans made before a change see what it has changed
SET plan_cache_mode = force_generic_plan;
PREPARE terms AS SELECT cardinality(sparsevec_indices(bm25_query('docs', $1))) AS terms;
PREPARE words AS SELECT array_agg(t.term ORDER BY t.term) FROM docs_bm25_terms t WHERE id = ANY (sparsevec_indices(bm25_query('docs', $1)));
EXECUTE words('cats dog the');
UPDATE docs_bm25 SET config = 'pg_catalog.english';
EXECUTE words('cats dog the');
UPDATE docs_bm25 SET config = 'english';
EXECUTE words('dogs the');
UPDATE docs_bm25 SET config = (SELECT oid::text FROM pg_ts_config WHERE cfgname = 'english' AND cfgnamespace = 'pg_catalog'::regnamespace);
EXECUTE words('dogs the');
UPDATE docs_bm25 SET config = 'hybrid_query.own';
EXECUTE words('dogs the');
CREATE TEXT SEARCH CONFIGURATION own (COPY = pg_catalog.simple);
EXECUTE words('cats dog the');
ALTER TEXT SEARCH CONFIGURATION own ALTER MAPPING FOR asciiword WITH english_stem;
EXECUTE words('dogs the');
ALTER TEXT SEARCH CONFIGURATION own RENAME TO another;
EXECUTE words('dogs the');
UPDATE docs_bm25 SET config = 'no.such.name';
EXECUTE words('dogs the');
UPDATE docs_bm25 SET config = 'pg_catalog.simple';
EXECUTE words('cats dog the');
INSERT INTO docs VALUES (200, 'unheard');
EXECUTE words('unheard cats');
DELETE FROM docs WHERE id = 200;
EXECUTE words('unheard cats');
BEGIN;
INSERT INTO docs VALUES (200, 'unheard');
EXECUTE words('unheard cats');
SAVEPOINT a;
DELETE FROM docs WHERE id = 200;
EXECUTE words('unheard cats');
ROLLBACK TO a;
EXECUTE words('unheard cats');
ROLLBACK;
EXECUTE words('unheard cats');
-- without its index, and with another; with one that does not find all of them
SELECT indexrelid::regclass AS by_term FROM pg_index WHERE indrelid = 'docs_bm25_terms'::regclass AND NOT indisprimary \gset
DROP INDEX :by_term;
EXECUTE words('cats dog the');
SELECT * FROM alike('cats dog the');
CREATE INDEX partial_one ON docs_bm25_terms (term) WHERE term > 'd';
CREATE INDEX lowered ON docs_bm25_terms (lower(term));
CREATE INDEX collated ON docs_bm25_terms (term COLLATE "POSIX");
CREATE INDEX patterns ON docs_bm25_terms (term text_pattern_ops);
CREATE INDEX hashed ON docs_bm25_terms USING hash (term);
CREATE INDEX second ON docs_bm25_terms (id, term);
EXECUTE words('cats dog the');
SELECT * FROM alike('cats dog the');
CREATE INDEX backward ON docs_bm25_terms (term DESC NULLS LAST) INCLUDE (documents);
EXECUTE words('cats dog the');
SELECT * FROM alike('cats dog the');
DROP INDEX partial_one, lowered, collated, patterns, hashed, second;
-- columns in other places, and of other kinds
ALTER TABLE docs_bm25 DROP COLUMN total_length;
ALTER TABLE docs_bm25 ADD COLUMN total_length bigint NOT NULL DEFAULT 0;
UPDATE docs_bm25 SET total_length = (SELECT sum(bm25_length) FROM docs);
EXECUTE words('cats dog the');
ALTER TABLE docs_bm25 ALTER documents TYPE numeric;
EXECUTE words('cats dog the');
ALTER TABLE docs_bm25 ALTER documents TYPE bigint;
EXECUTE words('cats dog the');
ALTER TABLE docs_bm25 ALTER config DROP NOT NULL;
UPDATE docs_bm25 SET config = NULL;
EXECUTE words('cats dog the');
UPDATE docs_bm25 SET config = 'pg_catalog.simple';
INSERT INTO docs_bm25 SELECT * FROM docs_bm25;
EXECUTE words('cats dog the');
DELETE FROM docs_bm25 WHERE ctid > '(0,1)' AND ctid <> (SELECT max(ctid) FROM docs_bm25);
EXECUTE words('cats dog the');
-- rows that a child has are a statement's to read
CREATE TABLE child () INHERITS (docs_bm25_changes);
INSERT INTO child (id, documents, total_length, terms, counts) SELECT 1, 500, 500, array_agg(id), array_agg(500) FROM docs_bm25_terms WHERE term = 'dog';
SELECT * FROM alike('cats dog the');
SELECT (sparsevec_values(bm25_query('docs', 'dog')))[1] < 0.3 AS frequent;
DROP TABLE child;
SELECT (sparsevec_values(bm25_query('docs', 'dog')))[1] < 0.3 AS frequent;
-- names and schemas
ALTER TABLE docs_bm25_terms RENAME TO elsewhere;
EXECUTE terms('cats dog the');
CREATE VIEW docs_bm25_terms AS SELECT * FROM elsewhere WHERE term <> 'dog';
EXECUTE terms('cats dog the');
DROP VIEW docs_bm25_terms;
ALTER TABLE elsewhere RENAME TO docs_bm25_terms;
EXECUTE terms('cats dog the');
ALTER TABLE docs RENAME TO papers;
EXECUTE terms('cats dog the');
SELECT cardinality(sparsevec_indices(bm25_query('papers', 'cats dog the'))) AS terms;
ALTER TABLE papers RENAME TO docs;
ALTER SCHEMA hybrid_query RENAME TO hybrid_moved;
SET search_path = hybrid_moved, public;
EXECUTE terms('cats dog the');
ALTER SCHEMA hybrid_moved RENAME TO hybrid_query;
SET search_path = hybrid_query, public;
EXECUTE terms('cats dog the');
-- another set-up of the same name
SELECT bm25_drop('docs') IS NOT NULL AS done;
EXECUTE terms('cats dog the');
SELECT bm25_setup('docs', '{body}', 'english') IS NOT NULL AS done;
EXECUTE terms('cats dog the');
SELECT array_agg(term ORDER BY term) FROM docs_bm25_terms WHERE id = ANY (sparsevec_indices(bm25_query('docs', 'cats dog the')));
DROP TABLE docs CASCADE;
EXECUTE terms('cats dog the');

-- each change of a set-up that has just been used: its trigger's function, tables, columns, index
CREATE TABLE fresh (body text);
INSERT INTO fresh VALUES ('cats dog');
SELECT bm25_setup('fresh', '{body}', 'simple') IS NOT NULL AS done;
SELECT cardinality(sparsevec_indices(bm25_query('fresh', 'cats dog'))) AS terms;
BEGIN;
CREATE OR REPLACE FUNCTION public.bm25_document() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
SELECT cardinality(sparsevec_indices(bm25_query('fresh', 'cats dog'))) AS terms;
ROLLBACK;
SELECT cardinality(sparsevec_indices(bm25_query('fresh', 'cats dog'))) AS terms;
ALTER TABLE fresh_bm25_terms RENAME TO elsewhere;
SELECT cardinality(sparsevec_indices(bm25_query('fresh', 'cats dog'))) AS terms;
CREATE TABLE fresh_bm25_terms AS SELECT * FROM elsewhere WHERE term = 'dog';
SELECT cardinality(sparsevec_indices(bm25_query('fresh', 'cats dog'))) AS terms;
DROP TABLE fresh_bm25_terms;
ALTER TABLE elsewhere RENAME TO fresh_bm25_terms;
SELECT cardinality(sparsevec_indices(bm25_query('fresh', 'cats dog'))) AS terms;
ALTER TABLE fresh_bm25 RENAME documents TO rows;
SELECT cardinality(sparsevec_indices(bm25_query('fresh', 'cats dog'))) AS terms;
ALTER TABLE fresh_bm25 RENAME rows TO documents;
SELECT cardinality(sparsevec_indices(bm25_query('fresh', 'cats dog'))) AS terms;
DROP INDEX fresh_bm25_terms_term_id_idx;
SELECT cardinality(sparsevec_indices(bm25_query('fresh', 'cats dog'))) AS terms;
CREATE INDEX ON fresh_bm25_terms (term);
SELECT cardinality(sparsevec_indices(bm25_query('fresh', 'cats dog'))) AS terms;
REINDEX TABLE fresh_bm25_terms;
SELECT cardinality(sparsevec_indices(bm25_query('fresh', 'cats dog'))) AS terms;
DROP TABLE fresh CASCADE;

-- without USAGE of the schema
CREATE TABLE docs (body text);
INSERT INTO docs VALUES ('cats');
SELECT bm25_setup('docs', '{body}', vector_column => 'v') IS NOT NULL AS done;
SELECT 'docs'::regclass::oid AS docs \gset
GRANT SELECT ON ALL TABLES IN SCHEMA hybrid_query TO hybrid_reader;
REVOKE USAGE ON SCHEMA hybrid_query FROM hybrid_reader;
SET ROLE hybrid_reader;
SELECT bm25_query(:docs::oid::regclass, 'cats', 'v');
RESET ROLE;

DEALLOCATE ALL;
DROP SCHEMA hybrid_query CASCADE;
DROP ROLE hybrid_reader;
