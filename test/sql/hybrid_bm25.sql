-- BM25: vectors of documents and queries, statistics, set-up and its end
CREATE SCHEMA hybrid_bm25;
SET search_path = hybrid_bm25, public;
SET client_min_messages = warning;
\set VERBOSITY terse

SELECT sparsevec_indices('{2:1.5,7:-3}/9'), sparsevec_values('{2:1.5,7:-3}/9'), sparsevec_indices('{}/5'), sparsevec_values('{}/5');
SELECT bm25_length('english', 'The cats and the dogs'), bm25_length('simple', 'The cats and the dogs'), bm25_length('simple', ''), bm25_length('cat:1,2 dog:3'::tsvector), bm25_length('cat dog'::tsvector), bm25_length('');
-- beyond what a tsvector keeps of a word, and of a text
SELECT bm25_length('simple', repeat('a ', 1000)), bm25_length(to_tsvector('simple', repeat('a ', 1000))), bm25_length('simple', (SELECT string_agg('w' || i, ' ') FROM generate_series(1, 20000) i));

-- A corpus by formula, a text in every row but two
CREATE TABLE "Docs" (id int PRIMARY KEY, title text, body varchar, tag int);
INSERT INTO "Docs" SELECT i, CASE WHEN i % 7 = 0 THEN NULL ELSE (ARRAY['cats', 'The running dog', 'Birds of a feather', ''])[i % 4 + 1] END,
	(SELECT string_agg((ARRAY['cat', 'dogs', 'bird', 'flew', 'the', 'houses', 'river', 'stone', 'cloud', 'rain'])[(i * i + j * j * 3 + i * j) % (3 + i % 8) + 1], ' ') FROM generate_series(1, 1 + i * 5 % 23) j), i
	FROM generate_series(1, 60) i;
INSERT INTO "Docs" VALUES (61, NULL, NULL, 0), (62, '', '', 0);

SELECT bm25_setup('"Docs"', ARRAY['title', 'body'], 'english', 1.5, 0.6, dry_run => true);
SELECT to_regclass('"Docs_bm25"') IS NULL AS nothing_done;
SELECT md5(bm25_setup('"Docs"', ARRAY['title', 'body'], 'english', 1.5, 0.6, dry_run => true)) AS script \gset
SELECT md5(bm25_setup('"Docs"', ARRAY['title', 'body'], 'english', 1.5, 0.6)) = :'script' AS same_script;
SELECT config, k1, b, documents, total_length, average_length = (SELECT avg(bm25_length) FROM "Docs") AS true_average FROM "Docs_bm25";
SELECT id, bm25, bm25_length FROM "Docs" WHERE id > 60 ORDER BY id;

-- The score of each document by the formula, from the text alone
CREATE FUNCTION expected(query text, average float8, k1 float8, b float8) RETURNS TABLE (id int, score float8) LANGUAGE sql AS $$
	WITH word AS (SELECT d.id, u.lexeme, sum(cardinality(u.positions)) AS tf FROM "Docs" d
			CROSS JOIN LATERAL (SELECT * FROM unnest(to_tsvector('english', d.title)) UNION ALL SELECT * FROM unnest(to_tsvector('english', d.body))) u GROUP BY 1, 2),
		document AS (SELECT d.id, coalesce((SELECT sum(tf) FROM word w WHERE w.id = d.id), 0) AS dl FROM "Docs" d WHERE coalesce(title, body) IS NOT NULL),
		term AS (SELECT lexeme, cardinality(positions) AS qtf, (SELECT count(*) FROM word w WHERE w.lexeme = q.lexeme) AS n, (SELECT count(*) FROM document) AS total
			FROM unnest(to_tsvector('english', query)) q)
	SELECT d.id, coalesce(sum(qtf * ln(1 + (total - n + 0.5) / (n + 0.5)) * tf / (tf + k1 * (1 - b + b * dl / average))), 0)::float8
	FROM document d LEFT JOIN word w USING (id) LEFT JOIN term USING (lexeme) GROUP BY d.id
$$;
CREATE FUNCTION differences(query text) RETURNS TABLE (documents bigint, found bigint, differ bigint) LANGUAGE sql AS $$
	SELECT count(*), count(*) FILTER (WHERE e.score > 0), count(*) FILTER (WHERE abs(e.score + (d.bm25 <#> q)) > 1e-5 OR d.id IS NULL)
	FROM "Docs_bm25" s, bm25_query('"Docs"', query) q, expected(query, s.average_length, s.k1, s.b) e
		FULL JOIN (SELECT * FROM "Docs" WHERE bm25 IS NOT NULL) d USING (id)
$$;
SELECT * FROM differences('cats');
SELECT * FROM differences('a river of stones and a river of rain, rain, rain');
SELECT * FROM differences('unheard');
SELECT * FROM differences('');
SELECT bm25_query('"Docs"', 'unheard of'), bm25_query('"Docs"', ''), bm25_query('"Docs"', NULL);

-- What is counted is what is there, after each kind of statement, merged or not
CREATE FUNCTION wrong() RETURNS TABLE (documents bigint, words bigint, terms bigint) LANGUAGE sql AS $$
	SELECT (SELECT count(bm25) - s.documents - (SELECT coalesce(sum(c.documents), 0) FROM "Docs_bm25_changes" c) FROM "Docs"),
		(SELECT sum(bm25_length) - s.total_length - (SELECT coalesce(sum(c.total_length), 0) FROM "Docs_bm25_changes" c) FROM "Docs"),
		(SELECT count(*) FROM "Docs_bm25_terms" t WHERE t.documents + (SELECT coalesce(sum(n), 0) FROM "Docs_bm25_changes" c, unnest(c.terms, c.counts) u(id, n) WHERE u.id = t.id)
			<> (SELECT count(*) FROM "Docs" d WHERE t.id = ANY (sparsevec_indices(d.bm25))))
	FROM "Docs_bm25" s
$$;
SELECT * FROM wrong();
INSERT INTO "Docs" VALUES (70, 'An elephant', 'elephants and a cat'), (71, NULL, 'a zebra'), (72, NULL, NULL);
SELECT * FROM wrong();
UPDATE "Docs" SET body = 'elephant herds' WHERE id % 10 = 1;
SELECT * FROM wrong();
SELECT * FROM differences('elephant cats');
UPDATE "Docs" SET title = NULL, body = NULL WHERE id IN (2, 3);
DELETE FROM "Docs" WHERE id IN (4, 5, 72);
INSERT INTO "Docs" VALUES (6, 'new', 'words') ON CONFLICT (id) DO UPDATE SET body = excluded.body || ' zebra';
SELECT * FROM wrong();
BEGIN;
INSERT INTO "Docs" VALUES (80, 'rolled back', 'zebra');
SELECT * FROM differences('zebra');
ROLLBACK;
SELECT * FROM wrong();
SELECT * FROM differences('zebra');

-- An update that leaves the text alone leaves no change; the columns are the set-up's
SELECT count(*) FROM "Docs_bm25_changes";
UPDATE "Docs" SET tag = tag + 1, body = body;
SELECT count(*) FROM "Docs_bm25_changes";
UPDATE "Docs" SET bm25 = '{1:99}/1000000000', bm25_length = 7 WHERE id = 6;
INSERT INTO "Docs" (id, body, bm25, bm25_length) VALUES (90, 'cat', '{1:99}/1000000000', 7);
SELECT id, bm25_length, sparsevec_values(bm25) FROM "Docs" WHERE id IN (6, 90) ORDER BY id;
SELECT * FROM wrong();

-- Refreshed: vectors by the present average, only where it differs by enough
SELECT bm25_refresh('"Docs"', tolerance => 10);
SELECT count(*) FROM "Docs_bm25_changes";
SELECT average_length = (SELECT avg(bm25_length) FROM "Docs") AS true_average FROM "Docs_bm25";
SELECT bm25_refresh('"Docs"') = (SELECT count(*) FROM "Docs");
SELECT average_length = (SELECT avg(bm25_length) FROM "Docs") AS true_average FROM "Docs_bm25";
SELECT bm25_refresh('"Docs"'), bm25_refresh('"Docs"', tolerance => -1) > 0 AS forced;
SELECT * FROM differences('cats and elephants by the river');
SELECT * FROM wrong();

-- Many statements merge by themselves
DO $$ BEGIN FOR i IN 100..300 LOOP INSERT INTO "Docs" VALUES (i, 'word' || i % 5, 'cat'); END LOOP; END $$;
SELECT count(*) < 64 AS merged FROM "Docs_bm25_changes";
SELECT * FROM wrong();
SELECT * FROM differences('word3 word4 cat');

-- A term that two transactions have met has two numbers and is still one term
INSERT INTO "Docs_bm25_terms" (id, term) VALUES (900000, 'twice'), (900001, 'twice');
INSERT INTO "Docs" VALUES (400, 'twice', 'told');
UPDATE "Docs_bm25_terms" SET term = 'hidden' WHERE id = 900000;
INSERT INTO "Docs" VALUES (401, 'twice', 'told');
UPDATE "Docs_bm25_terms" SET term = 'twice' WHERE id = 900000;
SELECT * FROM differences('twice');
SELECT sparsevec_indices(bm25_query('"Docs"', 'twice'));

-- By an index, the same rows
CREATE INDEX ON "Docs" USING sparse_inverted (bm25 sparsevec_ip_ops);
SET enable_seqscan = off;
CREATE FUNCTION plan_has(statement text, pattern text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	line text;
	found boolean := false;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || statement LOOP
		found := found OR line ~ pattern;
	END LOOP;
	RETURN found;
END $$;
SELECT plan_has($$ SELECT id FROM "Docs" ORDER BY bm25 <#> (SELECT bm25_query('"Docs"', 'elephant herd')) LIMIT 3 $$, 'Index Scan using "Docs_bm25_idx"');
SELECT count(*) FROM (SELECT d.id FROM "Docs" d ORDER BY bm25 <#> (SELECT bm25_query('"Docs"', 'elephant herd')) LIMIT 5) x WHERE id % 10 = 1 OR id = 70;
RESET enable_seqscan;

-- Emptied, and filled again: documents before the first refresh have no average
TRUNCATE "Docs";
SELECT * FROM wrong();
SELECT documents, total_length FROM "Docs_bm25";
INSERT INTO "Docs" VALUES (1, 'cat', 'cat'), (2, 'dog', NULL);
SELECT * FROM differences('cat');

-- Names change
ALTER TABLE "Docs" RENAME TO "Papers";
INSERT INTO "Papers" VALUES (3, 'renamed', 'cat');
SELECT sparsevec_indices(bm25_query('"Papers"', 'renamed')) = sparsevec_indices(bm25) FROM (SELECT bm25 FROM "Papers" WHERE id = 3) x;
ALTER TABLE "Papers" RENAME TO "Docs";
ALTER TABLE "Docs" RENAME title TO headline;
INSERT INTO "Docs" VALUES (4, 'renamed', 'cat');
ALTER TABLE "Docs" RENAME headline TO title;
ALTER SCHEMA hybrid_bm25 RENAME TO hybrid_moved;
SET search_path = hybrid_moved, public;
INSERT INTO "Docs" VALUES (4, 'moved', 'cat');
SELECT * FROM differences('cat moved');
ALTER SCHEMA hybrid_moved RENAME TO hybrid_bm25;
SET search_path = hybrid_bm25, public;

-- Two set-ups on one table, the second of tsvectors
ALTER TABLE "Docs" ADD COLUMN words tsvector;
SELECT bm25_setup('"Docs"', ARRAY['words'], 'simple', vector_column => 'w "x"') LIKE '%w "x"%';
UPDATE "Docs" SET words = to_tsvector('simple', title || ' ' || coalesce(body, ''));
SELECT id, "w ""x""", "w ""x""_length" FROM "Docs" ORDER BY id;
SELECT bm25_query('"Docs"', 'the cat', 'w "x"');
SELECT bm25_drop('"Docs"', 'w "x"', true);
SELECT bm25_drop('"Docs"', 'w "x"') IS NOT NULL;
ALTER TABLE "Docs" DROP COLUMN words;

-- Another role needs what the statements do, and gets no more
CREATE ROLE hybrid_writer;
GRANT USAGE ON SCHEMA hybrid_bm25 TO hybrid_writer;
GRANT SELECT, INSERT ON "Docs" TO hybrid_writer;
SET ROLE hybrid_writer;
INSERT INTO "Docs" (id, body) VALUES (5, 'by a writer');
RESET ROLE;
GRANT SELECT ON "Docs_bm25" TO hybrid_writer;
GRANT SELECT, INSERT ON "Docs_bm25_terms", "Docs_bm25_changes" TO hybrid_writer;
SET ROLE hybrid_writer;
INSERT INTO "Docs" (id, body) VALUES (5, 'by a writer');
DO $$ BEGIN FOR i IN 1000..1080 LOOP INSERT INTO "Docs" (id, body) VALUES (i, 'cat'); END LOOP; END $$;
SELECT sparsevec_indices(bm25_query('"Docs"', 'writer')) <> '{}' AS found;
SELECT bm25_refresh('"Docs"');
SELECT bm25_drop('"Docs"');
RESET ROLE;
SELECT * FROM wrong();

-- Names of the caller's search path mean nothing
CREATE FUNCTION unnest(int[], int[]) RETURNS SETOF int LANGUAGE sql AS 'SELECT 1 / 0';
SET search_path = hybrid_bm25, public, pg_catalog;
INSERT INTO "Docs" (id, body) VALUES (7, 'trojan horse');
SELECT sparsevec_indices(bm25_query('"Docs"', 'trojan')) <> '{}' AS found;
SELECT bm25_refresh('"Docs"') > 0 AS refreshed;
SET search_path = hybrid_bm25, public;
DROP FUNCTION unnest(int[], int[]);

-- Bad input
\set VERBOSITY default
SELECT bm25_setup('"Docs"', ARRAY['title']);
SELECT bm25_setup('"Docs"', '{}', vector_column => 'v');
SELECT bm25_setup('"Docs"', ARRAY['title', NULL], vector_column => 'v');
SELECT bm25_setup('"Docs"', ARRAY['nonsense'], vector_column => 'v');
SELECT bm25_setup('"Docs"', ARRAY['id'], vector_column => 'v');
SELECT bm25_setup('"Docs"', ARRAY['title'], k1 => -1, vector_column => 'v');
SELECT bm25_setup('"Docs"', ARRAY['title'], k1 => 'NaN', vector_column => 'v');
SELECT bm25_setup('"Docs"', ARRAY['title'], b => 1.1, vector_column => 'v');
SELECT bm25_setup('"Docs"', ARRAY['title'], b => NULL, vector_column => 'v');
SELECT bm25_setup(NULL, ARRAY['title']);
SELECT bm25_setup('"Docs"', ARRAY['title'], config => 'nonsense');
SELECT bm25_setup('"Docs"', ARRAY['title'], config => 4294967::oid::regconfig, vector_column => 'v');
CREATE TABLE generated (a text, b text GENERATED ALWAYS AS (upper(a)) STORED);
SELECT bm25_setup('generated', ARRAY['b']);
CREATE TABLE parts (a text) PARTITION BY LIST (a);
CREATE TABLE part PARTITION OF parts DEFAULT;
SELECT bm25_setup('parts', ARRAY['a']);
SELECT bm25_setup('part', ARRAY['a']);
CREATE VIEW docs_view AS SELECT * FROM "Docs";
SELECT bm25_setup('docs_view', ARRAY['title']);
DROP VIEW docs_view;
SELECT bm25_query('"Docs"', 'cat', 'nonsense');
SELECT bm25_query('generated', 'cat');
SELECT bm25_refresh('generated');
SELECT bm25_drop('generated');
SELECT bm25_refresh('"Docs"', tolerance => 'NaN');
SELECT bm25_document();
SELECT bm25_statistics();
CREATE TRIGGER wrong BEFORE INSERT ON generated FOR EACH ROW EXECUTE FUNCTION bm25_document();
INSERT INTO generated VALUES ('a');
DROP TRIGGER wrong ON generated;
CREATE TRIGGER wrong AFTER INSERT ON generated FOR EACH ROW EXECUTE FUNCTION bm25_statistics('a', 'b', 'c');
INSERT INTO generated VALUES ('a');
-- a document of more different words than a vector may have
INSERT INTO "Docs" (id, body) SELECT 8, string_agg('w' || i, ' ') FROM generate_series(1, 16001) i;
INSERT INTO "Docs" (id, body) SELECT 8, string_agg('w' || i, ' ') FROM generate_series(1, 15999) i;
SELECT cardinality(sparsevec_indices(bm25_query('"Docs"', (SELECT string_agg('w' || i, ' ') FROM generate_series(1, 17000) i)))) AS terms;
-- a set-up that was tampered with
ALTER TABLE "Docs" RENAME title TO headline;
INSERT INTO "Docs" (id) VALUES (9);
ALTER TABLE "Docs" RENAME headline TO title;
BEGIN;
DELETE FROM "Docs_bm25";
SAVEPOINT a;
INSERT INTO "Docs" (id) VALUES (9);
ROLLBACK TO a;
SELECT bm25_query('"Docs"', 'cat');
ROLLBACK;

SELECT bm25_drop('"Docs"') IS NOT NULL AS dropped;
SELECT array_agg(attname ORDER BY attnum) FROM pg_attribute WHERE attrelid = '"Docs"'::regclass AND attnum > 0 AND NOT attisdropped;
SELECT count(*) FROM pg_trigger WHERE tgrelid = '"Docs"'::regclass;
SELECT relname FROM pg_class WHERE relnamespace = 'hybrid_bm25'::regnamespace AND relname LIKE '%bm25%';

-- Unlogged and temporary tables; one that is empty at first
CREATE TEMPORARY TABLE passing (body text);
SELECT bm25_setup('passing', ARRAY['body'], 'simple') LIKE '%pg_temp%';
INSERT INTO passing VALUES ('cat dog');
SELECT body, bm25 <#> bm25_query('passing', 'dog') < 0 AS found FROM passing;
CREATE UNLOGGED TABLE unlogged (body text);
SELECT bm25_setup('unlogged', ARRAY['body'], 'simple') LIKE '%CREATE UNLOGGED TABLE%';
SELECT relpersistence, count(*) FROM pg_class WHERE relname LIKE 'unlogged%' AND relkind = 'r' GROUP BY 1;

-- A transaction that keeps its first snapshot would miss what others commit before the lock
CREATE TABLE kept (body text);
INSERT INTO kept VALUES ('cat dog'), ('dog');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT bm25_setup('kept', ARRAY['body'], 'simple', dry_run => true) IS NOT NULL AS dry;
SELECT bm25_setup('kept', ARRAY['body'], 'simple');
ROLLBACK;
SELECT bm25_setup('kept', ARRAY['body'], 'simple') IS NOT NULL AS done;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT bm25_refresh('kept');
ROLLBACK;

-- Columns of the set-up's own tables that have got another type
ALTER TABLE kept_bm25 ALTER k1 TYPE numeric;
ALTER TABLE kept_bm25 ALTER average_length TYPE numeric;
ALTER TABLE kept_bm25_terms ALTER id TYPE bigint;
INSERT INTO kept VALUES ('cat dog'), ('dog bird');
SELECT body, bm25, bm25_length FROM kept ORDER BY body;
SELECT bm25_query('kept', 'bird dog');

-- Rows that come by a parent do not fire the triggers that count
CREATE TABLE parents (LIKE kept) PARTITION BY LIST (body);
ALTER TABLE parents ATTACH PARTITION kept DEFAULT;
INSERT INTO parents VALUES ('bird');
INSERT INTO kept VALUES ('bird');
ALTER TABLE parents DETACH PARTITION kept;
INSERT INTO kept VALUES ('bird');
SELECT bm25_refresh('kept') AS written;
SELECT documents, total_length FROM kept_bm25;

-- Published tables whose rows change need an identity
SET client_min_messages = error;
CREATE PUBLICATION everything FOR TABLE kept_bm25, kept_bm25_terms, kept_bm25_changes;
SET client_min_messages = warning;
INSERT INTO kept VALUES ('bird cow');
SELECT bm25_refresh('kept', tolerance => 10) AS written;
DROP PUBLICATION everything;

-- Columns that have got another type than what is written to them; triggers made by hand
ALTER TABLE kept ALTER bm25_length TYPE text;
INSERT INTO kept VALUES ('cow');
ALTER TABLE kept ALTER bm25_length TYPE integer USING bm25_length::integer;
CREATE DOMAIN weights AS sparsevec;
ALTER TABLE kept ALTER bm25 TYPE weights;
INSERT INTO kept VALUES ('cow');
ALTER TABLE kept ALTER bm25 TYPE sparsevec(1000000000);
INSERT INTO kept VALUES ('cow') RETURNING bm25_length;
CREATE TABLE by_hand (body text, v sparsevec(10), n integer, f real);
CREATE TRIGGER t BEFORE INSERT ON by_hand FOR EACH ROW EXECUTE FUNCTION bm25_document('v', 'n', 'kept_bm25', 'body');
INSERT INTO by_hand VALUES ('cow');
CREATE OR REPLACE TRIGGER t BEFORE INSERT ON by_hand FOR EACH ROW EXECUTE FUNCTION bm25_document('body', 'n', 'kept_bm25', 'body');
INSERT INTO by_hand VALUES ('cow');
ALTER TABLE by_hand ALTER v TYPE sparsevec;
CREATE OR REPLACE TRIGGER t BEFORE INSERT ON by_hand FOR EACH ROW EXECUTE FUNCTION bm25_document('v', 'f', 'kept_bm25', 'body');
INSERT INTO by_hand VALUES ('cow');
CREATE OR REPLACE TRIGGER t BEFORE INSERT ON by_hand FOR EACH ROW EXECUTE FUNCTION bm25_document('v', 'n', 'kept_bm25', 'body');
INSERT INTO by_hand VALUES ('cow') RETURNING v, n;

-- Terms whose numbers are not unique any more
ALTER TABLE kept_bm25_terms DROP CONSTRAINT kept_bm25_terms_pkey;
UPDATE kept_bm25_terms SET id = 1 WHERE term IN ('cat', 'dog');
INSERT INTO kept VALUES ('dog cat');
SELECT bm25_query('kept', 'dog cat');
INSERT INTO kept VALUES ('dog') RETURNING bm25_length;

DROP SCHEMA hybrid_bm25 CASCADE;
DROP ROLE hybrid_writer;

-- the triggers of the table are read anew while its set-up is looked for (which
-- only a server with assertions can be told to do)
CREATE TABLE bm25_triggers (id int PRIMARY KEY, body text);
INSERT INTO bm25_triggers VALUES (1, 'cats and dogs'), (2, 'dogs');
CREATE FUNCTION bm25_other() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER a_other BEFORE UPDATE ON bm25_triggers FOR EACH ROW EXECUTE FUNCTION bm25_other('a', 'b', 'c', 'd');
SELECT bm25_setup('bm25_triggers', ARRAY['body'], 'simple') IS NOT NULL;
SELECT least(max_val::int, 1) AS discard FROM pg_settings WHERE name = 'debug_discard_caches' \gset
SET debug_discard_caches = :discard;
SELECT bm25_query('bm25_triggers', 'cats') IS NOT NULL AS found;
RESET debug_discard_caches;
SELECT bm25_drop('bm25_triggers') IS NOT NULL;
DROP TABLE bm25_triggers;
DROP FUNCTION bm25_other;
