-- a declared recall for hnsw, and vector_tune()
CREATE SCHEMA tune;
GRANT USAGE ON SCHEMA tune TO PUBLIC;
SET search_path = tune, public;
SET client_min_messages = warning;
SET hnsw.seed = 1;

CREATE FUNCTION value(n int) RETURNS vector LANGUAGE sql IMMUTABLE AS $$
	SELECT array(SELECT hashint4(n * 12 + j) / 2147483648.0 FROM generate_series(1, 12) j)::vector $$;
CREATE TABLE items AS SELECT n AS id, n % 10 AS k, value(n)::vector(12) AS v FROM generate_series(1, 4000) n;
CREATE TABLE asked AS SELECT n, value(-n) AS v FROM generate_series(1, 100) n;
CREATE INDEX graph ON items USING hnsw (v vector_l2_ops) WITH (m = 8, ef_construction = 32);
CREATE INDEX few ON items USING hnsw (v vector_l2_ops) WHERE k = 3;
ANALYZE items;

-- measured at build: recall rises with ef_search; nothing where rows are few
SELECT k, count(*), bool_and(recall >= before) AS rises, min(recall) < .95 AS begins, max(recall) > .999 AS ends
FROM (SELECT k, recall, lag(recall, 1, 0) OVER (PARTITION BY k ORDER BY ef_search) AS before FROM hnsw_recall('graph')) x GROUP BY k ORDER BY k;
SELECT count(*) FROM hnsw_recall('few');

-- what is asked for is found, of queries that the index does not have
CREATE FUNCTION found(target float8, rows int DEFAULT 10, filter text DEFAULT NULL) RETURNS numeric LANGUAGE plpgsql SET search_path = tune, public AS $$
BEGIN
	PERFORM set_config('hnsw.target_recall', target::text, true);
	RETURN (SELECT round(recall::numeric, 3) FROM vector_recall('graph', 'SELECT v FROM asked', k => rows, filter => filter));
END $$;
SELECT target, rows, CASE WHEN recall BETWEEN target - .03 AND 1 THEN 'found' ELSE recall::text END AS recall
FROM (VALUES (.9), (.95), (.98), (.995)) t (target), (VALUES (1), (10), (40), (100)) r (rows), found(target, rows) recall ORDER BY 1, 2;
-- what was measured is what other values find: half as much again is missed where a row that is searched for is only passed by
CREATE FUNCTION found_by(ef int) RETURNS float8 LANGUAGE plpgsql SET search_path = tune, public AS $$
BEGIN
	PERFORM set_config('hnsw.ef_search', ef::text, true);
	RETURN (SELECT recall FROM vector_recall('graph', 'SELECT value(-n) FROM generate_series(1, 800) n', sample => 800));
END $$;
SELECT abs(ln(sum(1 - recall) / sum(1 - found_by(ef_search)))) < .35 AS alike FROM hnsw_recall('graph') WHERE k = 10 AND ef_search IN (17, 22, 28, 36);
-- and not much more than that
SELECT found(.9) < .96 AS few_more;
SELECT found(.95, 10, 'k = 1') > .92 AS filtered, found(.95, 50, 'k < 8') > .92 AS half_filtered;
-- rows of the table are as hard to find as others: without what the index knows of them
SET hnsw.ef_search = 10;
SELECT abs(a.recall - b.recall) < .05 AS alike, a.recall < .95 AS not_all
FROM vector_recall('graph', 'SELECT v FROM asked') a, vector_recall('graph') b;
RESET hnsw.ef_search;

-- what goes first
CREATE FUNCTION visited() RETURNS bigint LANGUAGE plpgsql SET search_path = tune, public AS $$
BEGIN
	PERFORM set_config('enable_seqscan', 'off', true), set_config('vector.enable_exact_scan', 'off', true), set_config('enable_sort', 'off', true);
	PERFORM id FROM (SELECT id FROM items ORDER BY v <-> (SELECT v FROM asked WHERE n = 7) LIMIT 10) x;
	RETURN (SELECT l.visited FROM vector_last_scan() l WHERE index = 'graph'::regclass);
END $$;
SELECT visited() AS by_default \gset
SET hnsw.ef_search = 40;
SELECT visited() = :by_default AS forty;
SET hnsw.ef_search = 300;
SELECT visited() AS by_number, visited() > :by_default AS more \gset
SET hnsw.target_recall = .5;
SELECT visited() = :by_number AS number_first;
RESET hnsw.ef_search;
SELECT visited() AS by_recall, visited() < :by_default AS less \gset
SELECT :'more' AS more, :'less' AS less;
ALTER INDEX graph SET (ef_search = 300);
SELECT visited() = :by_recall AS session_first;
RESET hnsw.target_recall;
SELECT visited() = :by_number AS index_number;
SET hnsw.ef_search = 40;
SELECT visited() = :by_default AS set_to_its_default;
RESET hnsw.ef_search;
ALTER INDEX graph RESET (ef_search);
ALTER INDEX graph SET (target_recall = .5);
SELECT visited() = :by_recall AS index_recall;
SET hnsw.target_recall = .9999;
SELECT visited() > :by_recall AS session_recall;
SET hnsw.target_recall = 0;
SELECT visited() = :by_default AS session_none;
SET hnsw.target_recall = .9999;
BEGIN;
SET LOCAL hnsw.ef_search = 300;
SELECT visited() = :by_number AS local_number;
ROLLBACK;
RESET hnsw.target_recall;
SELECT visited() = :by_recall AS index_recall_again;
ALTER INDEX graph RESET (target_recall);
SELECT visited() = :by_default AS by_default;
-- the scan and the view say what is in force
ALTER INDEX graph SET (target_recall = .95);
SELECT visited() > 0 AS scanned;
SELECT ef = (SELECT min(ef_search) FROM hnsw_recall('graph') WHERE k = 10 AND recall >= .95) OR ef BETWEEN
	(SELECT max(ef_search) FROM hnsw_recall('graph') WHERE k = 10 AND recall < .95) AND (SELECT min(ef_search) FROM hnsw_recall('graph') WHERE k = 10 AND recall >= .95) AS ef
FROM vector_last_scan();
SELECT options @> '{target_recall=0.95}' AS shown FROM vector_indexes WHERE index = 'graph'::regclass;
ALTER INDEX graph RESET (target_recall);
SELECT options @> '{target_recall=0}' AS shown FROM vector_indexes WHERE index = 'graph'::regclass;
-- a build that has ended
REINDEX INDEX few;
SELECT index, rows, size = pg_relation_size('few') AS size, seconds BETWEEN 0 AND 600 AS seconds, memory > 0 AS memory, workers FROM vector_last_build();
-- where nothing was measured, the setting says
SET hnsw.target_recall = .99;
SELECT recall > .9 AS recall FROM vector_recall('few');
-- an end at ef_search stays one
SET hnsw.iterative_scan = off;
SELECT count(*) < 300 AS ends FROM (SELECT id FROM items ORDER BY v <-> (SELECT v FROM asked WHERE n = 7) LIMIT 1000) x;
SET hnsw.iterative_scan = relaxed_order;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <-> (SELECT v FROM asked WHERE n = 7) LIMIT 1000) x;
RESET hnsw.iterative_scan;
RESET hnsw.target_recall;

-- the smallest setting: what it says is what there is, and less does not do
SELECT statement, recall, reached FROM vector_tune('graph', .95, 'SELECT v FROM asked') \gset
SELECT :'reached' AS reached, (regexp_match(:'statement', '= (\d+)\)$'))[1]::int AS ef \gset
SELECT :'statement' ~ '^ALTER INDEX tune.graph SET \(ef_search = \d+\)$' AS statement, :ef BETWEEN 11 AND 200 AS in_between;
SET hnsw.ef_search = :ef;
SELECT recall = :recall AS same, recall >= .95 AS enough FROM vector_recall('graph', 'SELECT v FROM asked');
SELECT set_config('hnsw.ef_search', (:ef * 8 / 10)::text, false) IS NOT NULL AS set;
SELECT recall < .95 AS too_little FROM vector_recall('graph', 'SELECT v FROM asked');
RESET hnsw.ef_search;
-- applied, with a calibration by the same queries
SELECT statement = :'statement' AS same FROM vector_tune('graph', .95, 'SELECT v FROM asked', apply => true);
SELECT reloptions @> ARRAY['ef_search=' || :ef] AS applied FROM pg_class WHERE oid = 'graph'::regclass;
SELECT count(*) FROM hnsw_recall('graph');
SELECT recall = :recall AS same FROM vector_recall('graph', 'SELECT v FROM asked');
ALTER INDEX graph RESET (ef_search);
SELECT abs(found(.95) - .95) < .03 AS calibrated;
-- REINDEX measures anew
REINDEX INDEX graph;
SELECT count(*) FROM hnsw_recall('graph');

-- inverted files
CREATE INDEX lists ON items USING ivfflat (v vector_l2_ops) WITH (lists = 50);
SELECT statement ~ '^ALTER INDEX tune.lists SET \(probes = \d+\)$' AS statement, recall >= .9 AS recall, reached FROM vector_tune('lists', .9, 'SELECT v FROM asked');
CREATE INDEX codes ON items USING ivfrabitq (v vector_l2_ops) WITH (bits = 1);
SELECT statement ~ '^ALTER INDEX tune.codes SET \(probes = \d+, rerank_rows = \d+\)$' AS statement, recall >= .99 AS recall, reached FROM vector_tune('codes', .99, 'SELECT v FROM asked');
SELECT reloptions FROM pg_class WHERE oid = 'lists'::regclass;
-- what goes first: the session's recall, its probes, the index's probes, its recall
CREATE FUNCTION entries(of regclass) RETURNS bigint LANGUAGE plpgsql SET search_path = tune, public AS $$
BEGIN
	PERFORM set_config('enable_seqscan', 'off', true), set_config('vector.enable_exact_scan', 'off', true), set_config('enable_sort', 'off', true);
	DELETE FROM pg_temp.seen;
	INSERT INTO pg_temp.seen SELECT id FROM items ORDER BY v <-> (SELECT v FROM asked WHERE n = 7) LIMIT 1;
	RETURN (SELECT l.visited FROM vector_last_scan() l WHERE index = of);
END $$;
CREATE TEMPORARY TABLE seen (id int);
BEGIN;
DROP INDEX graph, codes;
SET LOCAL ivfflat.iterative_scan = off;
SELECT entries('lists') AS one \gset
SET LOCAL ivfflat.probes = 20;
SELECT entries('lists') AS twenty, entries('lists') > 2 * :one AS more \gset
SELECT :'more' AS more;
ALTER INDEX lists SET (probes = 5, target_recall = .5);
SELECT entries('lists') = :twenty AS session_first;
SET LOCAL ivfflat.probes = 1;
SELECT entries('lists') = :one AS set_to_its_default;
RESET ivfflat.probes;
SELECT entries('lists') > :one AND entries('lists') < :twenty AS index_probes;
SET LOCAL ivf.target_recall = 1;
SELECT entries('lists') > :twenty AS session_recall;
RESET ivf.target_recall;
SELECT entries('lists') AS five \gset
ALTER INDEX lists SET (probes = 0);
SELECT entries('lists') <> :five AND entries('lists') > :one AS index_recall;
SELECT options @> '{target_recall=0.5}' AS shown FROM vector_indexes WHERE index = 'lists'::regclass;
ALTER INDEX lists SET (target_recall = 1);
SELECT entries('lists') > :five AS index_recall;
ROLLBACK;
-- as many rows are compared as the index says, unless the session does
BEGIN;
DROP INDEX graph, lists;
CREATE FUNCTION compared(of regclass) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	PERFORM tune.entries(of);
	RETURN (SELECT l.reread FROM vector_last_scan() l WHERE index = of);
END $$;
ALTER INDEX codes SET (rerank_rows = 321);
SELECT compared('codes');
SET LOCAL ivfrabitq.rerank = 123;
SELECT compared('codes');
SET LOCAL ivfrabitq.rerank = 0;
SELECT compared('codes') < 123 AS bounded;
ROLLBACK;
ALTER INDEX codes SET (probes = 40000);
ALTER INDEX lists SET (rerank_rows = 100);
DROP TABLE seen;

-- a setting of its own for each kind of data: what queries, and others, find by it; one list less does not do
CREATE FUNCTION unit(n int) RETURNS float8 LANGUAGE sql IMMUTABLE AS $$ SELECT hashint4(n) / 4294967296.0 + .5 $$;
CREATE FUNCTION clustered(n int) RETURNS vector LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg((tune.unit(abs(n) % 40 * 100 + i) * 6 + tune.unit(n * 16 + i) + tune.unit(n * 16 + i + 1000000))::real ORDER BY i)::vector FROM generate_series(1, 16) i $$;
CREATE FUNCTION uniform(n int) RETURNS vector LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg(tune.unit(n * 4 + i)::real ORDER BY i)::vector FROM generate_series(1, 3) i $$;
CREATE FUNCTION lengths(n int) RETURNS vector LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg(((tune.unit(n * 24 + i) - .5) * exp(3 * tune.unit(n)))::real ORDER BY i)::vector FROM generate_series(1, 24) i $$;
CREATE TABLE sets AS SELECT n AS id, clustered(n)::vector(16) AS clustered, uniform(n)::vector(3) AS uniform, lengths(n)::vector(24) AS lengths FROM generate_series(1, 2000) n;
CREATE FUNCTION tuned(method text, data text, target float8, OUT reached bool, OUT as_said bool, OUT on_others bool, OUT smallest bool) LANGUAGE plpgsql SET search_path = tune, public AS $$
DECLARE
	asked text := format('SELECT tune.%s(-n) FROM generate_series(1, 150) n', data);
	others text := format('SELECT tune.%s(-n) FROM generate_series(201, 400) n', data);
	r record;
	p int;
	o float8;
BEGIN
	EXECUTE format('CREATE INDEX tuned ON sets USING %I (%I %I) WITH (lists = 80)', method, data, CASE data WHEN 'lengths' THEN 'vector_ip_ops' ELSE 'vector_l2_ops' END);
	SELECT * INTO r FROM vector_tune('tuned', target, asked, apply => true);
	reached := r.reached AND r.recall >= target;
	as_said := (SELECT recall = r.recall FROM vector_recall('tuned', asked, sample => 200));
	o := (SELECT recall FROM vector_recall('tuned', others, sample => 200));
	on_others := abs(o - r.recall) < .02;
	p := (regexp_match(r.statement, 'probes = (\d+)'))[1];
	IF p > 1 THEN
		EXECUTE format('ALTER INDEX tuned SET (probes = %s)', floor(p / 1.07));
		smallest := (SELECT recall < target FROM vector_recall('tuned', asked, sample => 200));
	END IF;
	DROP INDEX tuned;
END $$;
SELECT method, data, t.* FROM unnest('{ivfflat,ivfpq,ivfrabitq}'::text[]) method, unnest('{clustered,uniform,lengths}'::text[]) data, tuned(method, data, .95) t;
-- nothing to set of an exact index
CREATE TABLE words AS SELECT id, v, v::sparsevec(12) AS s FROM items LIMIT 200;
CREATE INDEX words_s ON words USING sparse_inverted (s sparsevec_ip_ops);
SELECT statement, recall, reached FROM vector_tune('words_s');
CREATE INDEX words_v ON words USING flat (v vector_l2_ops);
SELECT statement, recall, reached FROM vector_tune('words_v');
SELECT * FROM vector_tune('words_v', apply => true);

-- rights and errors
CREATE ROLE tune_reader;
SET ROLE tune_reader;
\set VERBOSITY terse
SELECT * FROM vector_tune('graph');
SELECT * FROM hnsw_recall('graph');
RESET ROLE;
GRANT SELECT ON items TO tune_reader;
SET ROLE tune_reader;
SELECT reached FROM vector_tune('graph', .5, sample => 10);
SELECT * FROM vector_tune('graph', .5, sample => 10, apply => true);
SELECT * FROM vector_tune('lists', .5, sample => 10, apply => true);
SELECT count(*) FROM hnsw_recall('graph');
RESET ROLE;
-- what tells of all rows is not for whom a policy hides some
ALTER TABLE items ENABLE ROW LEVEL SECURITY;
SET ROLE tune_reader;
SELECT count(*) FROM hnsw_recall('graph');
RESET ROLE;
ALTER TABLE items DISABLE ROW LEVEL SECURITY;
REVOKE SELECT ON items FROM tune_reader;
DROP ROLE tune_reader;
SELECT * FROM vector_tune('graph', 0);
SELECT * FROM vector_tune('graph', 1.1);
SELECT * FROM vector_tune('graph', filter => 'false');
-- queries of other dimensions, of which there is no time to measure any
SELECT * FROM vector_tune('graph', .5, $$SELECT CASE WHEN n = 1 THEN v ELSE '[1]' END FROM asked ORDER BY n$$, apply => true, time_limit => '1 microsecond');
SELECT * FROM vector_tune('graph', NULL);
SELECT * FROM hnsw_recall('lists');
CREATE INDEX ON items USING hnsw (v vector_l2_ops) WITH (target_recall = 1.5);
SET hnsw.target_recall = 2;
SELECT queries_measured > 0 AS some FROM vector_tune('graph', 1, time_limit => '100 ms');
\set VERBOSITY default
SELECT name, setting FROM pg_settings WHERE name IN ('hnsw.ef_search', 'hnsw.target_recall', 'enable_sort') ORDER BY 1;
DROP SCHEMA tune CASCADE;
