-- Indexes of arrays: a row's conditions are looked at once, however many vectors it has; of a null query, no more is read than is wanted
CREATE SCHEMA max_sim_memory;
SET search_path = max_sim_memory, public;
SET client_min_messages = warning;
CREATE FUNCTION peak() RETURNS int LANGUAGE sql AS
	$$SELECT substring(pg_read_file('/proc/' || pg_backend_pid() || '/status') FROM 'VmHWM:\s*(\d+)')::int$$;

CREATE TABLE many AS SELECT (SELECT array_agg(i) FROM generate_series(1, 100000) i) AS tags, (SELECT array_agg(format('[%s,1]', i)::vector) FROM generate_series(1, 5000) i) AS tokens;
CREATE TABLE documents (id int, tags int[], tokens vector(2)[]);
CREATE INDEX late ON documents USING ivfflat (tokens vector_maxsim_ops, tags);
\c
SET search_path = max_sim_memory, public;
CREATE TEMP TABLE before AS SELECT peak();
INSERT INTO documents SELECT 1, tags, tokens FROM many;
SELECT peak() - before.peak < 64 * 1024 AS inserted FROM before;
SET client_min_messages = warning;
REINDEX INDEX late;
SELECT peak() - before.peak < 96 * 1024 AS built FROM before;
SELECT entries FROM ivf_drift('late');

INSERT INTO documents SELECT i, ARRAY[i], (SELECT array_agg(format('[%s,%s]', sin(i * 7 + t), cos(i * t))::vector) FROM generate_series(1, 10) t) FROM generate_series(2, 2000) i;
REINDEX INDEX late;
SET enable_seqscan = off;
SET ivfflat.probes = 1;
SELECT count(*) FROM (SELECT id FROM documents ORDER BY tokens @# (SELECT NULL::vector[]) LIMIT 5) x;
SELECT visited < 12000 AS few, batches, returned FROM vector_last_scan();
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM documents ORDER BY tokens @# (SELECT NULL::vector[]) LIMIT 5000) x;
SELECT visited, returned FROM vector_last_scan();
SET ivfflat.iterative_scan = relaxed_order;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM documents ORDER BY tokens @# '{"[1,1]"}' LIMIT 5000) x;

DROP SCHEMA max_sim_memory CASCADE;
