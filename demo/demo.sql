-- Find a program by saying what you want: 7,000 packages of Debian, their
-- descriptions embedded by a sentence model, searched with PostgreSQL.
--
-- Run it on a throwaway server with:     make demo
-- or by hand, from the top folder of the sources, in any database where you
-- may create an extension (it makes a schema vector_demo and nothing else):
--
--     psql -X -q -f demo/demo.sql
--
-- From elsewhere say where the data is: psql -v data=/path/to/demo/data -f ...
-- You can also read on and paste the statements one by one.

\set ON_ERROR_STOP on
\if :{?data}
\else
\set data demo/data
\endif
\setenv DEMO_DATA :data
\pset footer off
\pset pager off
\pset null ''

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS vector;
DROP SCHEMA IF EXISTS vector_demo CASCADE;
CREATE SCHEMA vector_demo;
-- The schema of the extension stays in the path, wherever it was installed.
SELECT set_config('search_path', 'vector_demo, ' || quote_ident(nspname), false) AS search_path
FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace
WHERE extname = 'vector' \gset


\echo
\echo '== 1. Load =========================================================================='

CREATE TABLE sections (
    section  text PRIMARY KEY,
    title    text NOT NULL
);

-- halfvec is a vector of half precision numbers: half the size of vector, and
-- for the embeddings of a language model precise enough.
CREATE TABLE packages (
    name         text PRIMARY KEY,
    section      text NOT NULL REFERENCES sections,
    installed_kb integer NOT NULL,
    summary      text NOT NULL,
    description  text NOT NULL,
    embedding    halfvec(384) NOT NULL
);

-- Keep vectors in their rows and not in a side table (TOAST), because an exact
-- search reads all of them.
ALTER TABLE packages ALTER COLUMN embedding SET STORAGE PLAIN;

-- What people ask for, embedded by the same model.
CREATE TABLE questions (
    id         integer PRIMARY KEY,
    question   text NOT NULL,
    embedding  halfvec(384) NOT NULL
);

\copy sections FROM PROGRAM 'cat "$DEMO_DATA/sections.tsv"'
\copy packages FROM PROGRAM 'gzip -dc "$DEMO_DATA/packages.tsv.gz"'
\copy questions FROM PROGRAM 'cat "$DEMO_DATA/questions.tsv"'
VACUUM ANALYZE packages, questions, sections;

SELECT count(*) AS packages,
       min(vector_dims(embedding)) AS dims,
       pg_size_pretty(pg_table_size('packages')) AS table_size,
       pg_size_pretty(sum(pg_column_size(embedding))) AS vectors_size
FROM packages;


\echo '== 2. The nearest packages to a question ============================================'

-- <=> is the cosine distance: 0 for the same direction, 1 for unrelated.
-- "Nearest" is nothing but ORDER BY that distance, and LIMIT.
SELECT name, section, left(summary, 56) AS summary,
       round((embedding <=> (SELECT embedding FROM questions WHERE question = 'watch disk usage'))::numeric, 3) AS distance
FROM packages
ORDER BY embedding <=> (SELECT embedding FROM questions WHERE question = 'watch disk usage')
LIMIT 5;

-- Several questions in one statement: a LATERAL search for each.
SELECT question, rank, name, section, left(summary, 36) AS summary, round(distance::numeric, 3) AS distance
FROM questions q,
     LATERAL (SELECT row_number() OVER (ORDER BY p.embedding <=> q.embedding) AS rank,
                     p.name, p.section, p.summary, p.embedding <=> q.embedding AS distance
              FROM packages p
              ORDER BY p.embedding <=> q.embedding
              LIMIT 5) nearest
WHERE question IN ('edit photos', 'a program to learn chess', 'personal finance', 'take a picture with a webcam')
ORDER BY q.id, rank;


\echo '== 3. With a filter: only the section of games, and nothing larger than 10 MB ======='

SELECT question, name, section, installed_kb, left(summary, 30) AS summary, round(distance::numeric, 3) AS distance
FROM questions q,
     LATERAL (SELECT *, p.embedding <=> q.embedding AS distance
              FROM packages p
              WHERE p.section = 'games' AND p.installed_kb < 10 * 1024
              ORDER BY p.embedding <=> q.embedding
              LIMIT 3) nearest
WHERE question IN ('simulate a city', 'a racing game with penguins')
ORDER BY q.id, distance;


\echo '== 4. With joins: the best answer to every question, and the title of its section ==='

SELECT left(question, 48) AS question, name, title AS section, round(distance::numeric, 3) AS distance
FROM questions q
CROSS JOIN LATERAL (SELECT p.name, p.section, p.embedding <=> q.embedding AS distance
                    FROM packages p
                    ORDER BY p.embedding <=> q.embedding
                    LIMIT 1) nearest
JOIN sections USING (section)
ORDER BY distance;


\echo '== 5. More like this one: neighbours of a stored row ================================'

SELECT p.name, p.section, left(p.summary, 56) AS summary,
       round((p.embedding <=> this.embedding)::numeric, 3) AS distance
FROM packages this, packages p
WHERE this.name = 'gimp' AND p.name <> this.name
ORDER BY p.embedding <=> this.embedding
LIMIT 5;


\echo '== 6. Other distances between the same pairs ========================================'

-- These embeddings have length 1, so cosine, inner product and L2 agree on the
-- order. <#> is the *negative* inner product: an ORDER BY wants near things small.
SELECT p.name,
       round((p.embedding <=> this.embedding)::numeric, 4) AS "cosine <=>",
       round((p.embedding <#> this.embedding)::numeric, 4) AS "neg. inner product <#>",
       round((p.embedding <-> this.embedding)::numeric, 4) AS "L2 <->",
       round((p.embedding <+> this.embedding)::numeric, 4) AS "L1 <+>"
FROM packages this, packages p
WHERE this.name = 'gimp'
ORDER BY p.embedding <=> this.embedding
LIMIT 5;


\echo '== 7. An average of vectors: the middle of each section, and what is nearest to it =='

WITH centre AS (
    SELECT section, count(*) AS packages, avg(embedding) AS embedding
    FROM packages
    GROUP BY section
    HAVING count(*) >= 150
)
SELECT title AS section, packages, name AS most_typical, left(summary, 40) AS summary,
       round(distance::numeric, 3) AS distance
FROM centre c
CROSS JOIN LATERAL (SELECT p.name, p.summary, p.embedding <=> c.embedding AS distance
                    FROM packages p
                    WHERE p.section = c.section
                    ORDER BY p.embedding <=> c.embedding
                    LIMIT 1) nearest
JOIN sections USING (section)
ORDER BY packages DESC;


\echo '== 8. Words and meaning together: must say "command line", nearest first ============'

SELECT p.name, left(p.summary, 36) AS summary,
       substring(translate(p.description, E'\n', ' ') FROM '(?i).{0,22}command.line.{0,10}') AS "and its description says",
       round((p.embedding <=> q.embedding)::numeric, 3) AS distance
FROM packages p, questions q
WHERE q.question = 'edit photos'
  AND p.description ILIKE '%command_line%'
ORDER BY p.embedding <=> q.embedding
LIMIT 5;


\echo '== 9. Vectors are values: the same embedding means the same description ============='

SELECT string_agg(name, ', ' ORDER BY name) AS packages, count(*) AS rows, min(left(summary, 60)) AS summary
FROM packages
GROUP BY embedding
HAVING count(*) > 1
ORDER BY 1;

SELECT count(embedding) AS rows, count(DISTINCT embedding) AS different_embeddings
FROM packages;


\echo '== 10. Is the search right? Cosine distance by hand, in double precision ============'

-- Nothing of the extension but the cast to an array: multiply, sum, divide.
CREATE TABLE by_hand AS
SELECT q.id, p.name, cosine.distance
FROM questions q, packages p,
     LATERAL (SELECT 1 - sum(x::float8 * y::float8)
                         / sqrt(sum(x::float8 * x::float8) * sum(y::float8 * y::float8)) AS distance
              FROM unnest(p.embedding::real[], q.embedding::real[]) AS pair(x, y)) cosine
WHERE q.id IN (1, 5, 14, 26, 38);

SELECT q.question,
       (SELECT count(*) FROM by_hand h WHERE h.id = q.id) AS rows,
       (SELECT max(abs(h.distance - (p.embedding <=> q.embedding)))
        FROM by_hand h JOIN packages p USING (name)
        WHERE h.id = q.id)::numeric(12,10) AS largest_difference,
       (SELECT count(*) / 10.0
        FROM (SELECT name FROM by_hand h WHERE h.id = q.id ORDER BY h.distance LIMIT 10) a
        JOIN (SELECT name FROM packages p ORDER BY p.embedding <=> q.embedding LIMIT 10) b
        USING (name))::numeric(3,2) AS recall_at_10
FROM questions q
WHERE q.id IN (SELECT id FROM by_hand)
ORDER BY q.id;


\echo '== 11. How good, and how fast ======================================================='

-- The truth to measure against: how far the tenth nearest package is from each
-- question.  No index exists, and the extension's own plan for ORDER BY distance
-- LIMIT is off: PostgreSQL compares with every row, and sorts.
SET vector.enable_exact_scan = off;
CREATE TABLE truth AS
SELECT q.id, (SELECT max(distance)
              FROM (SELECT p.embedding <=> q.embedding AS distance
                    FROM packages p
                    ORDER BY p.embedding <=> q.embedding
                    LIMIT 10) nearest) AS tenth
FROM questions q;

CREATE TABLE demo_results (
    method        text PRIMARY KEY,
    recall_at_10  numeric(5,4) NOT NULL,
    median_ms     numeric(8,3) NOT NULL
);

-- Ask every question for its ten nearest packages, by whatever plan the planner
-- takes now (EXECUTE plans anew each time); one round to warm up, five that count.
-- A row counts as found if it is as near as the true tenth.
CREATE PROCEDURE measure(method text)
LANGUAGE plpgsql AS $$
DECLARE
    q        record;
    started  timestamptz;
    found    float8[];
    recall   float8[] := '{}';
    ms       float8[] := '{}';
BEGIN
    FOR round IN 0..5 LOOP
        FOR q IN SELECT * FROM questions JOIN truth USING (id) ORDER BY id LOOP
            started := clock_timestamp();
            EXECUTE 'SELECT ARRAY(SELECT embedding <=> $1
                                  FROM packages
                                  ORDER BY embedding <=> $1
                                  LIMIT 10)' INTO found USING q.embedding;
            IF round > 0 THEN
                ms := ms || (extract(epoch FROM clock_timestamp() - started) * 1000)::float8;
                recall := recall || (SELECT count(*) / 10.0 FROM unnest(found) d WHERE d <= q.tenth + 1e-6)::float8;
            END IF;
        END LOOP;
    END LOOP;
    INSERT INTO demo_results
    SELECT method, (SELECT avg(r) FROM unnest(recall) r),
           (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY m) FROM unnest(ms) m);
END
$$;

-- One process, so that the figures of different methods can be compared.
SET max_parallel_workers_per_gather = 0;

CALL measure('exact: sequential scan, sort');

-- The same in one pass that keeps the ten nearest, as in all queries above.
SET vector.enable_exact_scan = on;
CALL measure('exact: one pass');

-- An index finds nearly all of the nearest packages without comparing every row, and
-- returns them in exact order.  The more candidates hnsw.ef_search allows, the more of
-- them it finds.  It searches on codes of 4 bits a dimension.
CREATE INDEX packages_embedding ON packages USING hnsw (embedding halfvec_cosine_ops);
EXPLAIN (COSTS OFF)
SELECT name FROM packages
ORDER BY embedding <=> (SELECT embedding FROM questions WHERE question = 'edit photos') LIMIT 10;

SET hnsw.ef_search = 10;
CALL measure('hnsw index, ef_search 10');
SET hnsw.ef_search = 40;
CALL measure('hnsw index, ef_search 40 (default)');
SET hnsw.ef_search = 120;
CALL measure('hnsw index, ef_search 120');

-- With a filter, the scan of the index goes on until enough rows have passed.  The
-- fewer rows pass, the longer that takes; see docs/filtering.md for better ways.
SET hnsw.ef_search = 40;
SELECT name, installed_kb, left(summary, 44) AS summary
FROM packages
WHERE section = 'science' AND installed_kb < 1000
ORDER BY embedding <=> (SELECT embedding FROM questions WHERE question = 'simulate a city')
LIMIT 3;

SELECT method, recall_at_10, median_ms, round(1000 / median_ms) AS questions_per_second
FROM demo_results
ORDER BY median_ms DESC;
