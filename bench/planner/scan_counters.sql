-- What it costs to add up scans (vector.track_scans): pairs of 20 searches with and
-- without, one after the other, in an empty database as superuser.  Times are in
-- nanoseconds for one search.
\set QUIET on
CREATE EXTENSION vector;
CREATE TABLE items AS SELECT i AS id, (SELECT array_agg(random()) FROM generate_series(1, 64) j WHERE i > 0)::vector(64) AS v FROM generate_series(1, 8000) i;
CREATE INDEX ON items USING hnsw (v vector_l2_ops) WITH (m = 16, ef_construction = 40);
CREATE TABLE tiny AS SELECT id, v FROM items LIMIT 3;
CREATE INDEX ON tiny USING hnsw (v vector_l2_ops);
CREATE TABLE measured (t text, round int, tracked boolean, ns float8);

CREATE PROCEDURE measure(t text) LANGUAGE plpgsql SET enable_seqscan = off SET vector.enable_exact_scan = off AS $$
DECLARE
	queries vector[] := (SELECT array_agg(v) FROM (SELECT v FROM items ORDER BY random() LIMIT 200) q);
	tracked boolean;
	start timestamptz;
BEGIN
	FOR round IN 0 .. 1500 LOOP
		FOR half IN 0 .. 1 LOOP
			tracked := (half + round) % 2 = 0;
			PERFORM set_config('vector.track_scans', tracked::text, false);
			start := clock_timestamp();
			FOR i IN 1 .. 20 LOOP
				IF t = 'items' THEN
					PERFORM id FROM items ORDER BY v <-> queries[i] LIMIT 10;
				ELSE
					PERFORM id FROM tiny ORDER BY v <-> queries[i] LIMIT 1;
				END IF;
			END LOOP;
			INSERT INTO measured SELECT t, round, tracked, extract(epoch FROM clock_timestamp() - start) * 1e9 / 20 WHERE round > 0;
		END LOOP;
	END LOOP;
END $$;
CALL measure('items');
CALL measure('tiny');

SELECT t, tracked, min(ns)::int, percentile_cont(0.5) WITHIN GROUP (ORDER BY ns)::int AS median FROM measured GROUP BY 1, 2 ORDER BY 1, 2;
SELECT a.t, percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY a.ns - b.ns) AS difference
FROM measured a JOIN measured b USING (t, round) WHERE a.tracked AND NOT b.tracked GROUP BY 1;
