-- Whoever orders, joins or hashes many values by themselves fetches them from out of
-- line, or unpacks them, again and again, and keeps none of these copies.
CREATE FUNCTION peak() RETURNS int LANGUAGE sql AS
	$$SELECT substring(pg_read_file('/proc/' || pg_backend_pid() || '/status') FROM 'VmHWM:\s*(\d+)')::int$$;

-- By how many MB a query raises the process's peak, in steps of 32
CREATE FUNCTION grows(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE before int := peak();
BEGIN
	EXECUTE query;
	RETURN (peak() - before) / 1024 / 32 * 32;
END $$;

-- Equal in most places, so that a comparison has to look far
CREATE TABLE external (id int, v vector(600), h halfvec(1200), s sparsevec(100000));
ALTER TABLE external ALTER v SET STORAGE EXTERNAL, ALTER h SET STORAGE EXTERNAL, ALTER s SET STORAGE EXTERNAL;
INSERT INTO external
SELECT i, v, v::halfvec || v::halfvec, format('{%s}/100000', (SELECT string_agg(format('%s:%s', j, x), ',') FROM unnest(v::real[]) WITH ORDINALITY u(x, j) WHERE j % 2 = 0))::sparsevec
FROM (SELECT i, (SELECT array_agg(CASE WHEN j < 550 THEN 1 ELSE 1 + (i::bigint * j * 7919) % 1009 END) FROM generate_series(1, 600) j)::vector AS v
	FROM generate_series(1, 1500) i) r;
CREATE TABLE packed (id int, v vector(600), h halfvec(1200), s sparsevec(100000));
ALTER TABLE packed ALTER v SET STORAGE MAIN, ALTER h SET STORAGE MAIN, ALTER s SET STORAGE MAIN;
INSERT INTO packed SELECT id, v, h, s FROM external;
SELECT count(*), max(pg_column_size(v)) < 2400 AS packed FROM packed;
VACUUM ANALYZE external, packed;

SET work_mem = '32MB';
SET max_parallel_workers_per_gather = 0;
SET jit = off;
-- The tables' pages in shared memory count for the process that reads them
SELECT grows('SELECT count(vector_dims(v)), count(vector_dims(h)), count(l2_norm(s)) FROM ' || t) IS NOT NULL AS read FROM (VALUES ('external'), ('packed')) x(t);
SELECT grows('SELECT v, h, s FROM external ORDER BY id OFFSET 10000') IS NOT NULL AS sorted;

CREATE TEMP TABLE query AS SELECT t, c, q FROM (VALUES ('external'), ('packed')) a(t), (VALUES ('v'), ('h'), ('s')) b(c),
	(VALUES ('SELECT %1$s FROM %2$s ORDER BY %1$s OFFSET 10000'),
		('SELECT %1$s FROM %2$s ORDER BY %1$s DESC LIMIT 100'),
		('SELECT count(DISTINCT %1$s) FROM %2$s'),
		('SELECT DISTINCT %1$s FROM %2$s OFFSET 10000'),
		('SELECT count(*) FROM %2$s x JOIN %2$s y USING (%1$s)'),
		('SELECT 1 FROM %2$s x WHERE %1$s > ALL (SELECT %1$s FROM %2$s y WHERE id < 100) OFFSET 10000')) d(q);
SELECT q, string_agg(DISTINCT grows(format(q, c, t)), ' ') AS mb FROM query GROUP BY q ORDER BY q COLLATE "C";
SET enable_hashagg = off;
SET enable_hashjoin = off;
SELECT q, string_agg(DISTINCT grows(format(q, c, t)), ' ') AS mb FROM query WHERE q ~ 'SELECT DISTINCT|JOIN' GROUP BY q ORDER BY q COLLATE "C";
SET enable_hashagg = on;
SET enable_hashjoin = on;
SET enable_sort = off;
SELECT q, string_agg(DISTINCT grows(format(q, c, t)), ' ') AS mb FROM query WHERE q ~ 'SELECT DISTINCT|JOIN' GROUP BY q ORDER BY q COLLATE "C";
RESET enable_sort;

-- Indexes, which keep values packed; looked up, and written to
SET maintenance_work_mem = '32MB';
SELECT t, c, grows(format('CREATE INDEX ON %s (%s)', t, c)) AS btree, grows(format('CREATE INDEX ON %s USING hash (%s)', t, c)) AS hash
FROM (SELECT DISTINCT t, c FROM query) q ORDER BY t, c;
SET enable_seqscan = off;
SELECT grows('SELECT count(*) FROM packed x JOIN packed y USING (v)') AS join, grows('INSERT INTO packed SELECT * FROM packed') AS insert;
