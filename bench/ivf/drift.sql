-- Drift: all rows of a table give way to rows in other clusters.  Recall and latency
-- by indexes that were built on the first ones, before and after ivf_rebalance, and
-- by those built on the last ones; measured in turns.
--
--	bench/servers.sh -v 18 -s shared_buffers=4GB psql -v rows=60000 -v dims=96 -f bench/ivf/drift.sql
--
-- Clusters: a centre of normal numbers, and normal noise in directions of its own
-- size; rows are drawn from 150 of them.
\if :{?rows} \else \set rows 20000 \endif
\if :{?dims} \else \set dims 64 \endif
\if :{?turns} \else \set turns 5 \endif
SET client_min_messages = warning;
SET jit = off;
SET max_parallel_workers_per_gather = 0;
SET maintenance_work_mem = '512MB';
CREATE EXTENSION IF NOT EXISTS vector;
DROP TABLE IF EXISTS drift, drift_centres, drift_results;
SELECT setseed(.42) \g /dev/null
CREATE FUNCTION pg_temp.normals(n int, spread float8) RETURNS vector LANGUAGE sql VOLATILE AS
	$$ SELECT array_agg((spread * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()))::real)::vector FROM generate_series(1, n) $$;
CREATE TABLE drift_centres AS SELECT world, number, pg_temp.normals(:dims, 1) AS v, .3 + random() AS spread FROM generate_series(0, 1) world, generate_series(0, 149) number;
CREATE TABLE drift (id int, v vector(:dims)) WITH (autovacuum_enabled = off);
ALTER TABLE drift ALTER v SET STORAGE PLAIN;
CREATE FUNCTION pg_temp.fill(of_world int, n int, dims int) RETURNS void LANGUAGE sql AS
	$$ INSERT INTO drift SELECT i, c.v + pg_temp.normals(dims, c.spread) FROM generate_series(1, n) i JOIN drift_centres c ON c.world = of_world AND c.number = i % 150 $$;
CREATE TABLE drift_results (stage text, method text, recall float8, p50 float8);
SELECT pg_temp.fill(0, :rows, :dims) \g /dev/null
CREATE INDEX drift_ivfflat ON drift USING ivfflat (v vector_l2_ops);
CREATE INDEX drift_ivfpq ON drift USING ivfpq (v vector_l2_ops);
CREATE INDEX drift_ivfrabitq ON drift USING ivfrabitq (v vector_l2_ops);

-- ivfflat as pgvector has it probes one list unless told otherwise: the same recall for all
CREATE PROCEDURE pg_temp.measure(stage text, turns int, suffixes text[]) LANGUAGE plpgsql AS $$
DECLARE
	method text;
	suffix text;
BEGIN
	PERFORM set_config('ivfflat.probes', '12', true);
	FOR turn IN 1 .. turns LOOP
		FOREACH method IN ARRAY '{ivfflat,ivfpq,ivfrabitq}'::text[] LOOP
			FOREACH suffix IN ARRAY suffixes LOOP
				INSERT INTO drift_results SELECT CASE suffix WHEN '' THEN stage ELSE 'fresh' END, method, r.recall, r.p50_ms
				FROM vector_recall(('drift_' || method || suffix)::regclass, k => 10, sample => 200) r;
			END LOOP;
		END LOOP;
	END LOOP;
END $$;
CALL pg_temp.measure('before', :turns, '{""}');
DELETE FROM drift;
VACUUM drift;
SELECT pg_temp.fill(1, :rows, :dims) \g /dev/null
VACUUM drift;
CALL pg_temp.measure('drifted', :turns, '{""}');
\timing on
SELECT * FROM ivf_rebalance('drift_ivfflat', 10000000);
SELECT * FROM ivf_rebalance('drift_ivfpq', 10000000);
SELECT * FROM ivf_rebalance('drift_ivfrabitq', 10000000);
CREATE INDEX drift_ivfflat_fresh ON drift USING ivfflat (v vector_l2_ops);
CREATE INDEX drift_ivfpq_fresh ON drift USING ivfpq (v vector_l2_ops);
CREATE INDEX drift_ivfrabitq_fresh ON drift USING ivfrabitq (v vector_l2_ops);
\timing off
VACUUM drift;
CALL pg_temp.measure('rebalanced', :turns, '{"",_fresh}');
SELECT method, stage, round(avg(recall)::numeric, 4) AS recall, round((percentile_cont(.5) WITHIN GROUP (ORDER BY p50))::numeric, 3) AS p50_ms, round(min(p50)::numeric, 3) AS least_ms
FROM drift_results GROUP BY method, stage ORDER BY method, array_position('{before,drifted,rebalanced,fresh}', stage);
DROP TABLE drift, drift_centres, drift_results;
