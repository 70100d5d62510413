-- Five branches in one statement: a dense vector, a learned sparse one, BM25, full
-- text and trigrams; a filter in each, an index for each
SELECT count(*) = 0 AS missing FROM pg_available_extensions WHERE name = 'pg_trgm' \gset
\if :missing
\quit
\endif
CREATE SCHEMA hybrid_trigram;
SET search_path = hybrid_trigram, public;
SET client_min_messages = warning;
SET jit = off;
SET vector.enable_exact_scan = off;
CREATE EXTENSION pg_trgm SCHEMA hybrid_trigram;
CREATE TABLE docs (id int PRIMARY KEY, tag int NOT NULL, body text NOT NULL, words tsvector GENERATED ALWAYS AS (to_tsvector('english', body)) STORED,
	embedding vector(3) NOT NULL, terms sparsevec(50) NOT NULL);
INSERT INTO docs (id, tag, body, embedding, terms) SELECT i, i % 3, (ARRAY['cat', 'dog', 'bird', 'fish', 'horse'])[i % 5 + 1] || ' ' || (ARRAY['house', 'river', 'stone', 'cloud', 'tree', 'road', 'field'])[i % 7 + 1] || ' ' || i,
	ARRAY[sin(i), cos(i * 1.7), sin(i * 0.3)]::vector, format('{%s:%s,%s:%s}/50', 1 + i % 20, 1 + i % 9, 21 + i % 29, 0.5 + i % 4)::sparsevec FROM generate_series(1, 3000) i;
SELECT bm25_setup('docs', ARRAY['body'], 'english') IS NOT NULL AS done;
CREATE INDEX docs_dense ON docs USING hnsw (embedding vector_cosine_ops, tag);
CREATE INDEX docs_sparse ON docs USING sparse_inverted (terms, tag);
CREATE INDEX docs_bm25_index ON docs USING sparse_inverted (bm25, tag);
CREATE INDEX docs_words ON docs USING gin (words);
CREATE INDEX docs_trigrams ON docs USING gist (body gist_trgm_ops);
ANALYZE docs;
-- each branch as a query with the rank of its rows
CREATE TABLE branches (n int, weight float8, branch text);
INSERT INTO branches VALUES
	(1, 0.3, $$SELECT id, embedding <=> '[0.3,0.2,0.9]' AS distance FROM docs WHERE tag = 1 ORDER BY distance LIMIT 20$$),
	(2, 0.2, $$SELECT id, terms <#> '{3:1,25:2}/50' AS distance FROM docs WHERE tag = 1 ORDER BY distance LIMIT 20$$),
	(3, 0.2, $$SELECT id, bm25 <#> (SELECT bm25_query('docs', 'cats by the river 1234')) AS distance FROM docs WHERE tag = 1 ORDER BY distance LIMIT 20$$),
	(4, 0.2, $$SELECT id, -ts_rank_cd(words, q) AS distance FROM docs, to_tsquery('english', 'cats & river') q WHERE words @@ q AND tag = 1 ORDER BY distance, id LIMIT 20$$),
	(5, 0.1, $$SELECT id, body <-> 'cat rivr 1234' AS distance FROM docs WHERE tag = 1 ORDER BY distance LIMIT 20$$);
SELECT 'SELECT id, sum(score) AS score FROM (' || string_agg(format('SELECT id, rrf_score(%s) OVER (ORDER BY distance, id) AS score FROM (%s) b%s WHERE distance < 2', weight, branch, n), ' UNION ALL ' ORDER BY n) || ') fused GROUP BY id ORDER BY score DESC, id LIMIT 10' AS fused
FROM branches \gset
CREATE FUNCTION scans(statement text) RETURNS TABLE (scan text, filtered bool) LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT json) ' || statement INTO plan;
	RETURN QUERY WITH RECURSIVE nodes AS (SELECT plan->0->'Plan' AS node
		UNION ALL SELECT child FROM nodes, json_array_elements(coalesce(node->'Plans', '[]')) AS child)
		SELECT concat_ws(' ', node->>'Node Type', node->>'Index Name'), concat(node->>'Index Cond', node->>'Filter') LIKE '%(tag = 1)%'
		FROM nodes WHERE node->>'Node Type' LIKE '%Scan' AND node->>'Node Type' NOT IN ('Subquery Scan', 'Function Scan') ORDER BY 1;
END $$;
SELECT * FROM scans(:'fused');
-- what each branch finds, by its index and without: as near, and of the tag; and the
-- fused scores, from these lists
CREATE TABLE found (n int, by_index bool, id int, distance float8);
DO $$ DECLARE b record; BEGIN
	FOR b IN SELECT * FROM branches LOOP
		EXECUTE format('INSERT INTO found SELECT %s, true, * FROM (%s) s', b.n, b.branch);
	END LOOP;
END $$;
CREATE TABLE fused AS :fused;
SET enable_indexscan = off; SET enable_bitmapscan = off;
SELECT * FROM scans(:'fused');
DO $$ DECLARE b record; BEGIN
	FOR b IN SELECT * FROM branches LOOP
		EXECUTE format('INSERT INTO found SELECT %s, false, * FROM (%s) s', b.n, b.branch);
	END LOOP;
END $$;
RESET enable_indexscan; RESET enable_bitmapscan;
SELECT n, count(*) FILTER (WHERE by_index) AS rows, array_agg(distance ORDER BY distance) FILTER (WHERE by_index) = array_agg(distance ORDER BY distance) FILTER (WHERE NOT by_index) AS as_near,
	bool_and(tag = 1) AS tag FROM found JOIN docs USING (id) GROUP BY n ORDER BY n;
SELECT count(*), count(*) FILTER (WHERE abs(f.score - e.score) < 1e-12) AS right FROM fused f LEFT JOIN (SELECT id, sum(weight / (60 + rank)) AS score FROM
	(SELECT id, weight, row_number() OVER (PARTITION BY n ORDER BY distance, id) AS rank FROM found JOIN branches USING (n) WHERE by_index) r GROUP BY id) e USING (id);
-- weights that are all 0: no row is lost, and none is before another
SELECT count(*), min(score), max(score) FROM (SELECT id, sum(score) AS score FROM (
	SELECT id, rrf_score(0) OVER (ORDER BY distance) AS score FROM (SELECT id, embedding <=> '[0.3,0.2,0.9]' AS distance FROM docs ORDER BY distance LIMIT 20) a
	UNION ALL SELECT id, minmax_score(distance, 0) OVER () FROM (SELECT id, terms <#> '{3:1,25:2}/50' AS distance FROM docs ORDER BY distance LIMIT 20) b
	UNION ALL SELECT id, zscore_score(distance, 0) OVER () FROM (SELECT id, terms <#> '{3:1,25:2}/50' AS distance FROM docs ORDER BY distance LIMIT 20) c) s GROUP BY id) f;

-- The second phase sees the rows of the first one, and no others
CREATE SEQUENCE calls;
CREATE FUNCTION popularity(id int) RETURNS float8 LANGUAGE sql VOLATILE AS 'SELECT (nextval(''calls'') * 0 + $1 % 10 + 1)::float8';
SELECT * FROM scans($$SELECT id FROM (SELECT id, tag, embedding <=> '[1,2,3]' AS distance FROM docs WHERE tag = 1 ORDER BY distance LIMIT 50) nearest ORDER BY (1 - distance) * popularity(id) DESC LIMIT 5$$);
SELECT count(*) FROM (SELECT id FROM (SELECT id, tag, embedding <=> '[1,2,3]' AS distance FROM docs WHERE tag = 1 ORDER BY distance LIMIT 50) nearest ORDER BY (1 - distance) * popularity(id) DESC LIMIT 5) s;
SELECT last_value AS calls FROM calls;
\set VERBOSITY terse
DROP SCHEMA hybrid_trigram CASCADE;
