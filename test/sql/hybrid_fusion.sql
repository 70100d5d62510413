-- Fusion, searches by examples, diversity, decay: values by their formulas, plans, bad input
CREATE SCHEMA hybrid_fusion;
SET search_path = hybrid_fusion, public;
SET client_min_messages = warning;
SET extra_float_digits = -3;

-- Scores of a branch: in order, ties, one row, none, all equal, NaN and NULL
SELECT d, rrf_score() OVER (ORDER BY d) AS rrf, rrf_score(0.5, 1) OVER (ORDER BY d) AS half, minmax_score(d) OVER () AS minmax, zscore_score(d, 2) OVER () AS zscore
FROM (VALUES (1.0::float8), (2), (2), (5)) v(d) ORDER BY rrf DESC;
SELECT abs(z - (0.5 + (m - d) / (6 * s))) < 1e-12 AS as_defined FROM (SELECT d, zscore_score(d) OVER () AS z, avg(d) OVER () AS m, stddev_samp(d) OVER () AS s FROM generate_series(1, 100) g(i), LATERAL (SELECT sin(i * i)) v(d)) x GROUP BY 1;
SELECT d, minmax_score(d, 3) OVER () AS minmax, zscore_score(d, 3) OVER () AS zscore FROM (VALUES (7.0::float8)) v(d);
SELECT d, minmax_score(d, 3) OVER () AS minmax, zscore_score(d, 3) OVER () AS zscore FROM (VALUES (7.0::float8), (7)) v(d);
SELECT d, minmax_score(d) OVER () AS minmax, zscore_score(d) OVER () AS zscore FROM (VALUES (1.0::float8), ('NaN'), (NULL), (3)) v(d) ORDER BY d;
SELECT d, minmax_score(d) OVER () AS minmax, zscore_score(d) OVER () AS zscore FROM (VALUES ('NaN'::float8), (NULL)) v(d) ORDER BY d;
-- the same of all sizes, squares beyond double's range included
SELECT size, array_agg(round(z::numeric, 6) ORDER BY z DESC) AS zscore
FROM (SELECT size, zscore_score(n * size) OVER (PARTITION BY size) AS z FROM unnest('{5e-324,1e-200,1,1e160,5e307}'::float8[]) size, unnest('{-3,0,2,3}'::int[]) n) x GROUP BY size ORDER BY size;
SELECT minmax_score(d) OVER () AS minmax FROM (VALUES (1.0::float8)) v(d) WHERE false;
SELECT d, minmax_score(d) OVER () AS minmax FROM (VALUES (-1.7e308::float8), (0), (1.7e308)) v(d);
SELECT p, d, minmax_score(d) OVER (PARTITION BY p) AS minmax, rrf_score(1, 1) OVER (PARTITION BY p ORDER BY d) AS rrf FROM (VALUES (1, 1.0::float8), (1, 3), (2, 10), (2, 30), (2, 20)) v(p, d) ORDER BY p, d;
-- weights of 0 are allowed, and give 0
SELECT rrf_score(0) OVER (ORDER BY d), minmax_score(d, 0) OVER (), zscore_score(d, 0) OVER () FROM (VALUES (1.0::float8), (2)) v(d);

-- Branches by their indexes, filters in each, fused
CREATE TABLE docs (id int PRIMARY KEY, tag int, body text, words tsvector GENERATED ALWAYS AS (to_tsvector('english', body)) STORED, embedding vector(3));
INSERT INTO docs (id, tag, body, embedding) SELECT i, i % 3, (ARRAY['cat', 'dog', 'bird', 'fish', 'horse'])[i % 5 + 1] || ' ' || (ARRAY['house', 'river', 'stone', 'cloud', 'tree', 'road', 'field'])[i % 7 + 1] || repeat(' filler', i % 4),
	ARRAY[sin(i), cos(i * 1.7), sin(i * 0.3)]::vector FROM generate_series(1, 2000) i;
SELECT bm25_setup('docs', ARRAY['body'], 'english') IS NOT NULL AS done;
CREATE INDEX docs_dense ON docs USING hnsw (embedding vector_cosine_ops);
CREATE INDEX docs_sparse ON docs USING sparse_inverted (bm25 sparsevec_ip_ops);
CREATE INDEX docs_words ON docs USING gin (words);
ANALYZE docs;

CREATE FUNCTION plan_of_indexes(statement text) RETURNS TABLE (index text) LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || statement LOOP
		index := substring(line, '(?:Index Scan using|Bitmap Index Scan on|Seq Scan on|Custom Scan) [^ ]+');
		IF index IS NOT NULL THEN
			RETURN NEXT;
		END IF;
	END LOOP;
END $$;
CREATE VIEW fused AS
SELECT id, sum(score) AS score FROM (
	SELECT id, rrf_score(0.5) OVER (ORDER BY distance) AS score
	FROM (SELECT id, embedding <=> '[0.3,0.2,0.9]' AS distance FROM docs WHERE tag = 1 ORDER BY distance LIMIT 20) dense
	UNION ALL
	SELECT id, rrf_score(0.3) OVER (ORDER BY distance)
	FROM (SELECT id, bm25 <#> (SELECT bm25_query('docs', 'cats by the river')) AS distance FROM docs WHERE tag = 1 ORDER BY distance LIMIT 20) bm25
	WHERE distance < 0
	UNION ALL
	SELECT id, rrf_score(0.2) OVER (ORDER BY distance)
	FROM (SELECT id, -ts_rank_cd(words, q) AS distance FROM docs, to_tsquery('english', 'cats & river') q WHERE words @@ q AND tag = 1 ORDER BY distance LIMIT 20) words
) branches GROUP BY id;
SET enable_seqscan = off;
SELECT * FROM plan_of_indexes('SELECT id FROM fused ORDER BY score DESC LIMIT 5') ORDER BY 1;
-- exact: the same as from lists made one by one
SET enable_indexscan = off;
CREATE TABLE lists AS
SELECT 0.5::float8 AS weight, id, row_number() OVER (ORDER BY distance) AS rank FROM (SELECT id, embedding <=> '[0.3,0.2,0.9]' AS distance FROM docs WHERE tag = 1 ORDER BY distance LIMIT 20) d
UNION ALL SELECT 0.3, id, row_number() OVER (ORDER BY distance) FROM (SELECT id, bm25 <#> (SELECT bm25_query('docs', 'cats by the river')) AS distance FROM docs WHERE tag = 1 ORDER BY distance LIMIT 20) d WHERE distance < 0
UNION ALL SELECT 0.2, id, row_number() OVER (ORDER BY distance) FROM (SELECT id, -ts_rank_cd(words, q) AS distance FROM docs, to_tsquery('english', 'cats & river') q WHERE words @@ q AND tag = 1 ORDER BY distance LIMIT 20) d;
SELECT count(*) AS fused, count(*) FILTER (WHERE abs(f.score - e.score) > 1e-12 OR f.id IS NULL OR e.id IS NULL) AS differ
FROM fused f FULL JOIN (SELECT id, sum(weight / (60 + rank)) AS score FROM lists GROUP BY id) e USING (id);
RESET enable_indexscan;
RESET enable_seqscan;
-- a row that is twice in a branch counts twice
SELECT id, sum(score) FROM (SELECT id, rrf_score(1, 1) OVER (ORDER BY d) AS score FROM (VALUES (1, 0.1), (2, 0.2), (1, 0.3)) v(id, d)) b GROUP BY id ORDER BY id;

-- Examples
SELECT recommend_vector('{"[1,0]","[0,1]"}'), recommend_vector('{"[1,0]","[0,1]"}', '{"[0,4]"}'), recommend_vector(NULL);
SELECT recommend_score('[1,0]', '{"[0,1]","[1,1]"}') AS liked, recommend_score('[1,0]', '{"[0,1]"}', '{"[1,1]"}') AS disliked, recommend_score('[1,0]', '{}', '{"[1,1]"}') AS only_disliked, recommend_score('[1,0]', '{"[1,1]"}', '{"[1,1]"}') AS both, recommend_score('[0,0]', '{"[1,1]"}') AS like_nothing;
SELECT discover_score('[1,0]', '[1,0]', '{"[1,1]","[0,1]"}', '{"[0,1]","[1,1]"}') AS balanced, discover_score('[1,0]', '[0,1]', '{"[1,1]","[1,0]"}', '{"[0,1]","[0,1]"}') AS right_side, discover_score('[1,0]', '[1,0]', '{}', '{}') AS target_alone;
SELECT context_score('[1,0]', '{"[1,1]"}', '{"[0,1]"}') AS right_side, context_score('[1,0]', '{"[0,1]","[0,1]"}', '{"[1,1]","[1,0]"}') AS wrong_side;
SET enable_seqscan = off;
SELECT * FROM plan_of_indexes('SELECT id FROM docs WHERE id <> ALL (ARRAY[1, 2]) ORDER BY embedding <=> (SELECT recommend_vector(ARRAY(SELECT embedding FROM docs WHERE id = ANY (ARRAY[1, 2])), ARRAY(SELECT embedding FROM docs WHERE id = 3))) LIMIT 5') ORDER BY 1;

-- the first phase by the index, the second by any expression
SELECT * FROM plan_of_indexes('SELECT id FROM (SELECT id, tag, embedding <=> ''[1,2,3]'' AS distance FROM docs ORDER BY distance LIMIT 100) nearest ORDER BY (1 - distance) * exp_decay(tag, 2, 1) DESC LIMIT 5');
RESET enable_seqscan;

-- Diversity
SELECT mmr('[1,0]', '{"[1,0]","[1,0.1]","[1,-0.9]"}', 1, 3) AS near, mmr('[1,0]', '{"[1,0]","[1,0.1]","[1,-0.9]"}', 0.3, 3) AS diverse, mmr('[1,0]', '{"[1,0]","[1,0.1]","[1,-0.9]"}', 0, 2) AS unlike, mmr('[1,0]', '{"[0,0]","[1,0]","[1,0]"}', 0.5, 9) AS equals_and_zero, mmr('[1,0]', '{}') AS empty;

-- Decay
SELECT x, exp_decay(x, 10, 5), gauss_decay(x, 10, 5), linear_decay(x, 10, 5), exp_decay(x, 10, 5, 3, 0.1) AS exp_offset, gauss_decay(x, 10, 5, 3, 0.1) AS gauss_offset, linear_decay(x, 10, 5, 3, 0.1) AS linear_offset
FROM unnest('{10,12,15,0,1000,NaN,Infinity}'::float8[]) x;
SELECT exp_decay(t, '2026-01-01 00:00+00', '7 days'), gauss_decay(t, '2026-01-01 00:00+00', '7 days'), linear_decay(t, '2026-01-01 00:00+00', '7 days'), exp_decay(t, '2026-01-01 00:00+00', '1 mon', '12 hours', 0.9)
FROM unnest('{2026-01-01 00:00+00,2026-01-08 00:00+00,2025-12-25 00:00+00,infinity}'::timestamptz[]) t;
SELECT round(globe_distance(52.52, 13.405, 48.8566, 2.3522)) AS berlin_paris, round(globe_distance(0, 0, 0, 180)) AS half_around, globe_distance(10, 20, 10, 20) AS none, round(globe_distance(90, 0, -90, 77)) AS poles, globe_distance(0, 179.999, 0, -179.999) < 223 AS over_the_date_line;

-- Bad input
SELECT rrf_score(1, 0) OVER ();
SELECT rrf_score(1, -60) OVER ();
SELECT rrf_score(1, 'NaN') OVER ();
SELECT rrf_score(1, NULL) OVER ();
SELECT rrf_score(-1) OVER ();
SELECT rrf_score(NULL) OVER ();
SELECT minmax_score(1, -1) OVER ();
SELECT zscore_score(1, 'Infinity') OVER ();
SELECT minmax_score('Infinity') OVER ();
SELECT zscore_score('-Infinity') OVER ();
SELECT rrf_score();
SELECT recommend_vector('{}');
SELECT recommend_vector('{NULL}');
SELECT recommend_vector('{"[1,2]","[1]"}');
SELECT recommend_vector('{"[1,2]"}', '{"[1]"}');
SELECT recommend_vector('{"[3e38]","[3e38]"}', '{"[-3e38]"}');
SELECT recommend_score('[1]', '{}', '{}');
SELECT recommend_score('[1]', '{"[1,2]"}');
SELECT discover_score('[1]', '[1,2]', '{}', '{}');
SELECT discover_score('[1]', '[1]', '{"[1]"}', '{}');
SELECT context_score('[1]', '{"[1]"}', '{"[1]","[2]"}');
SELECT mmr('[1]', '{"[1,2]"}');
SELECT mmr('[1]', '{"[1]"}', 1.1);
SELECT mmr('[1]', '{"[1]"}', 'NaN');
SELECT mmr('[1]', '{"[1]"}', 0.5, 0);
SELECT exp_decay(1, 1, 0);
SELECT gauss_decay(1, 1, 'NaN');
SELECT linear_decay(1, 1, 1, -1);
SELECT exp_decay(1, 1, 1, 0, 1);
SELECT exp_decay(1, 1, 1, 0, 0);
SELECT exp_decay(now(), now(), '-1 day');
SELECT globe_distance(91, 0, 0, 0);
SELECT globe_distance(0, 0, 0, 181);
SELECT globe_distance('NaN', 0, 0, 0);

DROP SCHEMA hybrid_fusion CASCADE;
