-- What vector_indexes, vector_stat_scans and vector_prewarm() say, for every access
-- method, in figures; in a server that does not preload the library.  Preloaded,
-- after crashes, on a standby and with damage: test/t/055_watch.pl.
CREATE SCHEMA watch;
GRANT USAGE ON SCHEMA watch TO PUBLIC;
SET search_path = watch, public;
SET client_min_messages = warning;

CREATE TABLE watched (id serial PRIMARY KEY, k int, v vector(32), h halfvec(32), s sparsevec(50));
INSERT INTO watched (k, v, h, s)
SELECT i % 5, v, v, format('{1:%s,%s:2}/50', i, 2 + i % 49)::sparsevec
FROM (SELECT i, (SELECT array_agg(sin(i * j)) FROM generate_series(1, 32) j)::vector AS v FROM generate_series(1, 3000) i OFFSET 0) x;
ANALYZE watched;
CREATE INDEX watched_hnsw ON watched USING hnsw (v vector_l2_ops, k) WITH (m = 8);
CREATE INDEX watched_hnsw_1 ON watched USING hnsw (h halfvec_cosine_ops) WITH (m = 8, quantizer = rabitq1, rerank = heap, ef_search = 70);
CREATE INDEX watched_hnsw_none ON watched USING hnsw (v vector_l1_ops) WITH (m = 4, ef_construction = 16);
CREATE INDEX watched_flat ON watched USING ivfflat (v vector_l2_ops) WITH (lists = 20);
CREATE INDEX watched_exact ON watched USING flat (v vector_l2_ops);
CREATE INDEX watched_pq ON watched USING ivfpq ((h::vector(32)) vector_ip_ops) WITH (lists = 20, m = 8, opq = on);
CREATE INDEX watched_rabitq ON watched USING ivfrabitq (v vector_l2_ops) WITH (lists = 20, bits = 4, rerank = index);
CREATE INDEX watched_sparse ON watched USING sparse_inverted (s) WITH (weights = float4);
CREATE INDEX watched_part ON watched USING hnsw (v vector_ip_ops) WITH (m = 4, ef_construction = 16) WHERE k = 1;

SELECT index, "table", method, opclass, type, dimensions, options, rows, lists, segments, pending_pages, quantizer, rerank, needs_reindex, problem
FROM vector_indexes WHERE "table" = 'watched'::regclass ORDER BY index::text COLLATE "C";

-- Figures that other functions say, too.  Pages written by a build are in buffers.
SELECT index, size = pg_relation_size(index) AS size_right, round((bytes_per_row * rows)::numeric) = size AS per_row_right,
	hot_size BETWEEN 1 AND size AS hot_right, hot_size < size AS leaves_values_out, cached = 1 AS all_cached,
	CASE WHEN method = 'hnsw' THEN levels BETWEEN 2 AND 12 ELSE levels IS NULL END AS levels_right,
	CASE WHEN method LIKE 'ivf%' THEN imbalance >= 1 AND added = 0 ELSE imbalance IS NULL AND added IS NULL END AS lists_right, drift
FROM vector_indexes WHERE "table" = 'watched'::regclass ORDER BY index::text COLLATE "C";

-- Rows that came since the build
INSERT INTO watched (k, v, h, s) SELECT 7, v, h, s FROM watched WHERE id <= 1000;
ANALYZE watched;
SELECT index, rows, round(added::numeric, 3) AS added, pending_pages > 0 AS pending FROM vector_indexes
WHERE "table" = 'watched'::regclass AND NOT index::text LIKE '%hnsw_%' ORDER BY index::text COLLATE "C";

-- By a walk: what ivf_drift says, and all entries
SELECT i.index, i.rows, i.dead, round(i.imbalance::numeric, 6) = round(d.imbalance::numeric, 6) AS imbalance_right,
	round(i.drift::numeric, 6) = round((d.error / d.built_error)::numeric, 6) AS drift_right, i.drift BETWEEN 0.5 AND 2 AS drift_plausible, i.problem
FROM vector_index_info('{watched_flat,watched_pq,watched_rabitq}', true) i, LATERAL ivf_drift(i.index) d ORDER BY 1;
SELECT index, rows, drift, problem FROM vector_index_info('{watched_hnsw,watched_hnsw_1,watched_sparse,watched_part,watched_exact}', walk => true) ORDER BY index::text COLLATE "C";
SELECT index, rows FROM vector_index_info(ARRAY['watched_flat'::regclass, NULL, 0]);
SELECT count(*) FROM vector_index_info('{}');
SELECT * FROM vector_index_info('{watched_pkey}');

-- An index that a build has left behind is listed, and needs REINDEX.
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'watched_part'::regclass;
SELECT index, rows IS NOT NULL AS read, needs_reindex, problem FROM vector_indexes WHERE needs_reindex;
UPDATE pg_index SET indisready = false WHERE indexrelid = 'watched_part'::regclass;
SELECT index, rows, needs_reindex, problem FROM vector_indexes WHERE needs_reindex;
DROP INDEX watched_part;

-- Temporary tables are in buffers of the session.
CREATE TEMPORARY TABLE passing (v vector(3));
INSERT INTO passing SELECT ARRAY[i, i % 7, 1] FROM generate_series(1, 100) i;
CREATE INDEX passing_v ON passing USING hnsw (v vector_l2_ops);
SELECT index, rows, cached FROM vector_indexes WHERE "table" = 'passing'::regclass;
SELECT vector_prewarm('passing_v') = pg_relation_size('passing_v') / 8192 AS blocks;

-- What scans have done: the sums of what each has done.
SET enable_seqscan = off; SET enable_sort = off; SET vector.enable_exact_scan = off;
SELECT vector_stat_reset();
SELECT count(*) FROM vector_stat_scans;
CREATE TABLE done (index regclass, mode text, searches bigint, batches bigint, visited bigint, filtered bigint, distances bigint, reread bigint, returned bigint, ef integer);
CREATE PROCEDURE search(query text, times int DEFAULT 1) LANGUAGE plpgsql AS $$
DECLARE r record;
BEGIN
	FOR i IN 1 .. times LOOP
		EXECUTE query INTO r;
		INSERT INTO done SELECT * FROM vector_last_scan();
	END LOOP;
END $$;
CALL search('SELECT array_agg(id) FROM (SELECT id FROM watched ORDER BY v <-> (SELECT v FROM watched WHERE id = 11) LIMIT 10) x', 3);
CALL search('SELECT array_agg(id) FROM (SELECT id FROM watched WHERE k = 3 ORDER BY v <-> (SELECT v FROM watched WHERE id = 11) LIMIT 10) x', 2);
CALL search('SELECT array_agg(id) FROM (SELECT id FROM watched ORDER BY h <=> (SELECT h FROM watched WHERE id = 12) LIMIT 100) x');
CALL search('SELECT array_agg(id) FROM (SELECT id FROM watched ORDER BY h::vector(32) <#> (SELECT h::vector(32) FROM watched WHERE id = 12) LIMIT 10) x');
CALL search('SELECT array_agg(id) FROM (SELECT id FROM watched ORDER BY s <#> (SELECT s FROM watched WHERE id = 12) LIMIT 10) x');
-- a search for each of three rows
CALL search('SELECT array_agg(x.id) FROM (SELECT v FROM watched WHERE id < 4) q, LATERAL (SELECT id FROM watched w ORDER BY w.v <+> q.v LIMIT 5) x');
SELECT s.index IS NOT NULL AS counted, s.scans = d.scans AND s.searches = d.searches AND s.batches = d.batches AND s.visited = d.visited AND s.filtered = d.filtered
	AND s.distances = d.distances AND s.reread = d.reread AND s.returned = d.returned AS sums_right, s.total_time > 0 AND s.total_time < 1000 * d.scans AS time_right,
	s.since <= now() AS since_right, s."table", s.shared
FROM (SELECT index, count(*) AS scans, sum(searches) AS searches, sum(batches) AS batches, sum(visited) AS visited, sum(filtered) AS filtered, sum(distances) AS distances, sum(reread) AS reread, sum(returned) AS returned FROM done GROUP BY index) d
	FULL JOIN vector_stat_scans s USING (index) ORDER BY d.index::text COLLATE "C";
SELECT index, scans, searches FROM vector_stat_scans WHERE index = 'watched_hnsw_none'::regclass;

-- EXPLAIN (ANALYZE) says of each scan what vector_last_scan() says of the last one, in
-- every format, on every version.
CREATE FUNCTION explained(query text, format text, options text DEFAULT 'ANALYZE, ') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	lines text := '';
BEGIN
	FOR line IN EXECUTE format('EXPLAIN (%s COSTS OFF, FORMAT %s) %s', options, format, query) LOOP
		lines := lines || line || E'\n';
	END LOOP;
	RETURN lines;
END $$;
CREATE VIEW last AS SELECT format('%s, batches=%s visited=%s filtered=%s distances=%s reread=%s', mode, batches, visited, filtered, distances, reread) || coalesce(' ef=' || ef, '') AS line, * FROM vector_last_scan();
SELECT substring(explained('SELECT id FROM watched ORDER BY v <-> (SELECT v FROM watched WHERE id = 11) LIMIT 10', 'text'), 'Vector Search[^:]*: ([^\n]*)') = (SELECT line FROM last) AS text;
SELECT j.value = to_jsonb((SELECT visited FROM last)) AS json FROM jsonb_path_query(explained('SELECT id FROM watched WHERE k = 3 ORDER BY v <-> (SELECT v FROM watched WHERE id = 11) LIMIT 10', 'json')::jsonb, 'strict $.**."Vector Visited"') j(value);
SELECT substring(explained('SELECT id FROM watched ORDER BY h <=> (SELECT h FROM watched WHERE id = 11) LIMIT 10', 'yaml'), 'Vector Search: "graph"\n +Vector Batches: 1\n +Vector Visited: (\d+)\n') = (SELECT visited FROM last)::text AS yaml;
SELECT substring(explained('SELECT id FROM watched ORDER BY s <#> (SELECT s FROM watched WHERE id = 11) LIMIT 10', 'xml'), '<Vector-Search>lists</Vector-Search>\n *<Vector-Batches>\d+</Vector-Batches>\n *<Vector-Visited>(\d+)</Vector-Visited>') = (SELECT visited FROM last)::text AS xml;
-- a graph's scan says what its ef is
SELECT explained('SELECT id FROM watched ORDER BY h <=> (SELECT h FROM watched WHERE id = 11) LIMIT 10', 'text') ~ ' ef=70\n' AS of_the_index;
SELECT ef FROM last;
SELECT explained('SELECT id FROM watched ORDER BY s <#> (SELECT s FROM watched WHERE id = 11) LIMIT 10', 'text') LIKE '% ef=%' AS of_lists;
SELECT ef FROM last;
-- each scan of a plan, below its subqueries; none without ANALYZE, or where none is done
SELECT count(*) FROM regexp_matches(explained('SELECT (SELECT id FROM watched w ORDER BY w.v <-> q.v LIMIT 1), x.id FROM (SELECT v FROM watched WHERE id < 4) q, LATERAL (SELECT id FROM watched w ORDER BY w.v <+> q.v LIMIT 5) x', 'text'), 'Vector Search', 'g');
SELECT explained('SELECT id FROM watched ORDER BY v <-> (SELECT v FROM watched WHERE id = 11) LIMIT 10', 'text', '') LIKE '%Vector Search%' AS without_analyze,
	explained('SELECT id FROM watched ORDER BY id LIMIT 1', 'json') LIKE '%Vector%' AS without_scan;
-- a query explained within one that is explained has lines of its own
SELECT count(*) FROM regexp_matches(explained('SELECT id, explained(''SELECT id FROM watched ORDER BY v <-> (SELECT v FROM watched WHERE id = 11) LIMIT 10'', ''text'') FROM watched ORDER BY s <#> (SELECT s FROM watched WHERE id = 11) LIMIT 1', 'text'), 'Vector Search', 'g');
-- a name is quoted wherever it stands
ALTER INDEX watched_sparse RENAME TO "Odd name";
SELECT count(*) > 0 AS named, bool_and(name[1] LIKE '"%') AS quoted FROM regexp_matches(explained('SELECT id FROM watched ORDER BY s <#> (SELECT s FROM watched WHERE id = 11) LIMIT 10', 'text'), 'using ("?Odd)', 'g') name;
ALTER INDEX "Odd name" RENAME TO watched_sparse;
-- an error on the way is none of the next one's
SELECT explained('SELECT 1 / (id - id) FROM watched ORDER BY s <#> (SELECT s FROM watched WHERE id = 11) LIMIT 1', 'text');
SELECT count(*) FROM regexp_matches(explained('SELECT id FROM watched ORDER BY v <-> (SELECT v FROM watched WHERE id = 11) LIMIT 10', 'text'), 'Vector Search', 'g');

-- Limits
SELECT vector_stat_reset('watched_hnsw_1');
SELECT vector_stat_reset('watched_flat');
CREATE VIEW hits AS SELECT index, scans, fell_back, hit_max_scan_tuples, hit_memory, hit_max_probes FROM vector_stat_scans WHERE index IN ('watched_hnsw_1'::regclass, 'watched_rabitq'::regclass) AND scans > 0 ORDER BY 1;
BEGIN;
SET LOCAL hnsw.max_scan_tuples = 50;
CALL search('SELECT array_agg(id) FROM (SELECT id FROM watched ORDER BY h <=> (SELECT h FROM watched WHERE id = 12) LIMIT 1000) x', 2);
SELECT * FROM hits;
SET LOCAL hnsw.max_scan_tuples = 20000;
SET LOCAL work_mem = '64kB';
CALL search('SELECT array_agg(id) FROM (SELECT id FROM watched ORDER BY h <=> (SELECT h FROM watched WHERE id = 12) LIMIT 3900) x');
SELECT * FROM hits;
DROP INDEX watched_hnsw, watched_flat, watched_exact;
SET LOCAL ivfrabitq.max_probes = 4;
CALL search('SELECT array_agg(id) FROM (SELECT id FROM watched ORDER BY v <-> (SELECT v FROM watched WHERE id = 12) LIMIT 4000) x');
SELECT * FROM hits;
-- without a limit, all lists are read in the end
SET LOCAL ivfrabitq.max_probes = 32768;
CALL search('SELECT array_agg(id) FROM (SELECT id FROM watched ORDER BY v <-> (SELECT v FROM watched WHERE id = 12) LIMIT 4000) x');
SELECT * FROM hits;
ROLLBACK;
SET vector.track_scans = off;
CALL search('SELECT array_agg(id) FROM (SELECT id FROM watched ORDER BY h <=> (SELECT h FROM watched WHERE id = 12) LIMIT 10) x');
SET vector.track_scans = on;
SELECT scans FROM vector_stat_scans WHERE index = 'watched_hnsw_1'::regclass;
RESET enable_seqscan; RESET enable_sort; RESET vector.enable_exact_scan;

-- Loading: as many blocks as there are, of the table where true distances come from it.
SELECT i.index, vector_prewarm(i.index, false) = pg_relation_size(i.index) / 8192 AS of_index,
	vector_prewarm(i.index) - vector_prewarm(i.index, false) = CASE WHEN i.rerank = 'heap' THEN
		(pg_relation_size('watched') + coalesce(pg_relation_size(c.reltoastrelid), 0) + coalesce(pg_indexes_size(c.reltoastrelid), 0)) / 8192 ELSE 0 END AS of_table
FROM vector_indexes i, pg_class c WHERE i."table" = 'watched'::regclass AND c.oid = 'watched'::regclass ORDER BY i.index::text COLLATE "C";
SELECT vector_prewarm('watched_flat', true) > vector_prewarm('watched_flat', false) AS with_table, vector_prewarm(NULL) AS nothing;
SELECT vector_prewarm('watched_pkey');
SELECT vector_prewarm('watched');

-- Who sees what: the owner, members of pg_monitor, who may read all of the table
CREATE ROLE watch_reader;
CREATE ROLE watch_monitor IN ROLE pg_monitor;
CREATE ROLE watch_other;
CREATE TABLE hidden (v vector(3), reader text);
CREATE INDEX hidden_v ON hidden USING hnsw (v vector_l2_ops);
CREATE TABLE read (v vector(3));
CREATE INDEX read_v ON read USING hnsw (v vector_l2_ops);
GRANT SELECT ON hidden, read TO watch_reader;
ALTER TABLE hidden ENABLE ROW LEVEL SECURITY;
SET ROLE watch_reader;
SELECT index FROM vector_indexes ORDER BY index::text;
SELECT index FROM vector_index_info('{hidden_v,read_v}');
SELECT index FROM vector_index_info('{read_v}', true);
SELECT vector_prewarm('watched_flat');
SELECT count(*) FROM vector_stat_scans;
SET ROLE watch_other;
SELECT index FROM vector_indexes;
SET ROLE watch_monitor;
SELECT count(*) > 3 AS all FROM vector_indexes;
SELECT index, rows FROM vector_index_info('{read_v}', true);
SELECT count(*) > 3 AS all FROM vector_stat_scans;
SET vector.track_scans = off;
RESET ROLE;

-- A watcher runs nobody's expressions with its own rights.
CREATE FUNCTION spy(v vector) RETURNS vector IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
	IF current_user <> 'watch_other' THEN RAISE EXCEPTION 'run as %', current_user; END IF;
	RETURN v;
END $$;
CREATE TABLE trap (v vector(3));
INSERT INTO trap VALUES ('[1,2,3]'), ('[4,5,6]');
ALTER TABLE trap OWNER TO watch_other;
GRANT CREATE ON SCHEMA watch TO watch_other;
SET ROLE watch_other;
CREATE INDEX trap_v ON trap USING ivfflat ((spy(v)::vector(3)) vector_l2_ops) WITH (lists = 1);
RESET ROLE;
SELECT index, rows, problem FROM vector_index_info('{trap_v}');
SELECT index, rows, problem FROM vector_index_info('{trap_v}', true);
SELECT vector_prewarm('trap_v') > 0 AS read;

DROP TABLE watched, done, hidden, read, trap CASCADE;
DROP FUNCTION spy, explained;
DROP VIEW last;
DROP PROCEDURE search;
REVOKE ALL ON SCHEMA watch FROM watch_other;
DROP ROLE watch_reader, watch_monitor, watch_other;
