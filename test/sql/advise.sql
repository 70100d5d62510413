-- vector_build_estimate() and vector_advise()
CREATE SCHEMA advise;
GRANT USAGE ON SCHEMA advise TO PUBLIC;
SET search_path = advise, public;
SET client_min_messages = warning;
SET max_parallel_maintenance_workers = 0;

CREATE DOMAIN embedding AS vector(24);
CREATE TABLE "Odd items" (id int, section int, "a b" text, "the v" embedding);
INSERT INTO "Odd items" SELECT n AS id, n % 10 AS section, md5(n::text) AS "a b",
	CASE WHEN n % 20 > 0 THEN array(SELECT hashint4(n * 24 + j) / 2147483648.0 FROM generate_series(1, 24) j)::vector(24)::embedding END AS "the v"
FROM generate_series(1, 6000) n;
ANALYZE "Odd items";

-- what it says is what is built, within a quarter; time is a number, which the machine decides
CREATE FUNCTION compare(method text, opts text[] DEFAULT '{}') RETURNS text LANGUAGE plpgsql SET search_path = advise, public AS $$
DECLARE
	said record;
	built record;
BEGIN
	SELECT * INTO said FROM vector_build_estimate('"Odd items"', 'the v', method, opts, time_limit => '1 ms');
	EXECUTE format('CREATE INDEX compared ON "Odd items" USING %I ("the v" vector_l2_ops)%s', method,
		CASE WHEN opts <> '{}' THEN ' WITH (' || array_to_string(opts, ', ') || ')' ELSE '' END);
	SELECT b.size, b.rows, i.hot_size INTO built FROM vector_last_build() b, vector_indexes i WHERE i.index = 'compared'::regclass;
	DROP INDEX compared;
	RETURN concat_ws(', ', CASE WHEN said.rows = built.rows THEN 'rows' ELSE said.rows::text END,
		CASE WHEN said.probed_rows BETWEEN 100 AND 1000 THEN 'few built' ELSE said.probed_rows::text END,
		CASE WHEN said.size BETWEEN .75 * built.size AND 1.25 * built.size THEN 'size' ELSE format('size %s of %s', said.size, built.size) END,
		CASE WHEN said.hot_size BETWEEN .75 * built.hot_size AND 1.25 * built.hot_size THEN 'hot size' ELSE format('hot size %s of %s', said.hot_size, built.hot_size) END,
		CASE WHEN said.seconds > 0 AND said.memory > 0 THEN 'some time and memory' END);
END $$;
SELECT method, opts, compare(method, opts)
FROM (VALUES (1, 'hnsw', '{}'::text[]), (2, 'hnsw', '{m=8,rerank=heap}'), (3, 'ivfflat', '{}'), (4, 'ivfflat', '{lists=40}'), (5, 'ivfpq', '{}'), (6, 'ivfrabitq', '{}'), (7, 'ivfrabitq', '{rerank=index,bits=4}'), (8, 'flat', '{}')) m (n, method, opts)
ORDER BY n;
-- all of it where that is little; more rows are more of everything
SELECT rows, probed_rows, notes FROM vector_build_estimate('"Odd items"', 'the v', 'flat', time_limit => '1 hour');
SELECT b.size / a.size BETWEEN 90 AND 110 AS size, b.memory / a.memory BETWEEN 90 AND 110 AS memory, b.seconds > a.seconds AS seconds, b.rows, b.notes[2] ~ 'does not fit into maintenance_work_mem' AS note
FROM vector_build_estimate('"Odd items"', 'the v', 'hnsw', for_rows => 20000, time_limit => '1 ms') a,
	vector_build_estimate('"Odd items"', 'the v', 'hnsw', for_rows => 2000000, time_limit => '1 ms') b;
-- blanks in an option change nothing
SELECT b.memory::float8 / a.memory BETWEEN .95 AND 1.05 AS memory
FROM vector_build_estimate('"Odd items"', 'the v', 'hnsw', '{m=32}', for_rows => 20000, time_limit => '1 ms') a,
	vector_build_estimate('"Odd items"', 'the v', 'hnsw', '{" m = 32 "}', for_rows => 20000, time_limit => '1 ms') b;
-- of other types, of partitions, of a materialized view
CREATE TABLE parts (id int, s sparsevec(1000), h halfvec(8), b bit(64)) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (500);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (500) TO (2000);
INSERT INTO parts SELECT n, format('{%s:1,%s:.5}/1000', n % 900 + 1, n % 89 + 901)::sparsevec, format('[%s,2,3,4,5,6,7,%s]', n, n % 7)::halfvec, (n::bigint * 2654435761)::bit(64) FROM generate_series(1, 1000) n;
CREATE MATERIALIZED VIEW seen AS SELECT * FROM parts;
SELECT method, col, (vector_build_estimate(rel, col, method)).rows
FROM (VALUES ('parts'::regclass, 's', 'sparse_inverted'), ('parts', 'h', 'ivfpq'), ('seen', 'b', 'hnsw'), ('seen', 's', 'hnsw')) c (rel, col, method);
-- nothing is left behind
SELECT count(*) FROM pg_class WHERE relname ~ 'probe';

-- which index: few rows are compared one by one
SELECT rank, method, options, size > 0 AND seconds > 0 AS numbers, reasons[1] FROM vector_advise('parts', 'h', time_limit => '1 ms') ORDER BY rank;
SELECT rank, method, statement, reasons[1] FROM vector_advise('"Odd items"', 'the v', time_limit => '1 ms') ORDER BY rank;
SELECT rank, method, options FROM vector_advise('"Odd items"', 'the v', for_rows => 100000000, time_limit => '1 ms') ORDER BY rank;
SELECT rank, method FROM vector_advise('parts', 's', time_limit => '1 ms') ORDER BY rank;
-- what it says can be done
DO $$
DECLARE
	s text;
BEGIN
	FOR s IN SELECT statement FROM vector_advise('"Odd items"', 'the v', time_limit => '1 ms') LOOP
		EXECUTE s;
	END LOOP;
END $$;
SELECT count(*) FROM pg_index WHERE indrelid = '"Odd items"'::regclass;

-- columns of conditions, from a table of pg_stat_statements' name only if it is the extension's
CREATE TABLE pg_stat_statements (dbid oid, query text, calls bigint);
INSERT INTO pg_stat_statements SELECT oid, 'SELECT id FROM "Odd items" WHERE section = $1 ORDER BY "the v" <-> $2 LIMIT 10', 10 FROM pg_database WHERE datname = current_database();
SELECT filter_columns FROM vector_advise('"Odd items"', 'the v', time_limit => '1 ms') WHERE rank = 1;

-- rights, and what a policy hides
CREATE ROLE advise_reader;
SET ROLE advise_reader;
\set VERBOSITY terse
SELECT * FROM vector_build_estimate('"Odd items"', 'the v', 'hnsw');
SELECT * FROM vector_advise('"Odd items"', 'the v');
RESET ROLE;
GRANT SELECT ("the v") ON "Odd items" TO advise_reader;
SET ROLE advise_reader;
SELECT rows FROM vector_build_estimate('"Odd items"', 'the v', 'flat');
RESET ROLE;
ALTER TABLE "Odd items" ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON "Odd items" TO advise_reader;
SET ROLE advise_reader;
SELECT rows FROM vector_build_estimate('"Odd items"', 'the v', 'flat');
RESET ROLE;
CREATE POLICY third ON "Odd items" USING (section = 3);
SET ROLE advise_reader;
SELECT rows FROM vector_build_estimate('"Odd items"', 'the v', 'flat');
-- what another role built is not told of
SELECT rows FROM vector_last_build();
RESET ROLE;
CREATE INDEX ON parts_1 USING flat (h halfvec_l2_ops);
SET ROLE advise_reader;
SELECT vector_last_build() IS NULL AS nothing_seen;
RESET ROLE;
REVOKE ALL ON "Odd items" FROM advise_reader;
DROP POLICY third ON "Odd items";
DROP ROLE advise_reader;

-- errors
SELECT * FROM vector_build_estimate('"Odd items"', 'the v', 'btree');
SELECT * FROM vector_build_estimate('"Odd items"', 'none', 'hnsw');
SELECT * FROM vector_build_estimate('"Odd items"', 'id', 'hnsw');
SELECT * FROM vector_build_estimate('"Odd items"', 'the v', 'hnsw', '{m}');
SELECT * FROM vector_build_estimate('"Odd items"', 'the v', 'hnsw', '{m=8); DROP TABLE parts; --}');
SELECT * FROM vector_build_estimate('"Odd items"', 'the v', 'hnsw', '{neighbors=parts}');
SELECT * FROM vector_build_estimate('"Odd items"', 'the v', 'hnsw', for_rows => 0);
SELECT * FROM vector_build_estimate('"Odd items"', NULL, 'hnsw');
SELECT * FROM vector_build_estimate('pg_class_oid_index', 'oid', 'hnsw');
SELECT * FROM vector_advise('"Odd items"', 'id');
SELECT * FROM vector_advise('"Odd items"', 'none');
CREATE TABLE empty (v vector(3));
SELECT * FROM vector_advise('empty', 'v');
\set VERBOSITY default
DROP SCHEMA advise CASCADE;
