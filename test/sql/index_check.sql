-- vector_index_check(): nothing is wrong with an index, whatever its access method,
-- operator class, options and history.  What it finds where something is wrong is
-- in test/t/041_index_check.pl.
CREATE SCHEMA index_check;
GRANT USAGE ON SCHEMA index_check TO PUBLIC;
SET search_path = index_check, public;
SET client_min_messages = warning;

-- rows of very different norms, ties, copies, zeros, nulls
CREATE TABLE checked (id serial, k int, name text, v vector(6), h halfvec(6), s sparsevec(6), b bit(24));
CREATE FUNCTION checked_value(n int) RETURNS vector IMMUTABLE LANGUAGE sql AS $$
	SELECT CASE WHEN n % 31 = 0 THEN NULL ELSE (SELECT array_agg(CASE n % 6
		WHEN 0 THEN (j = n / 6 % 6 + 1)::int
		WHEN 1 THEN n / 6 % 4
		WHEN 2 THEN 1 + 1e-6 * sin(n * j)
		WHEN 3 THEN sin(n * j) * 1000
		WHEN 4 THEN j * (n % 5)
		ELSE sin(n * j * 0.7 + j) END) FROM generate_series(1, 6) j)::vector END $$;
CREATE PROCEDURE fill(first int, last int) LANGUAGE sql AS $$
	INSERT INTO checked (k, name, v, h, s, b)
	SELECT n % 7, 'name ' || n % 13, v, v, v::halfvec::sparsevec, (hashint4(n % 50) >> 8)::bit(24)
	FROM (SELECT n, checked_value(n) AS v FROM generate_series(first, last) n OFFSET 0) x $$;

-- violations of all indexes of the table; nothing is what it gives
CREATE FUNCTION violations(heapallindexed boolean DEFAULT true)
	RETURNS TABLE (index name, violation text, block bigint, slot int, heap_tid tid, detail text) LANGUAGE sql AS $$
	SELECT c.relname, x.* FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid,
		LATERAL vector_index_check(i.indexrelid, heapallindexed) x
	WHERE i.indrelid = 'checked'::regclass ORDER BY c.relname $$;

-- a history, with what is checked after each step
CREATE PROCEDURE history(what text) LANGUAGE plpgsql AS $$
DECLARE
	found record;
	rows int;
BEGIN
	FOR found IN SELECT * FROM violations() LIMIT 20 LOOP
		RAISE WARNING '%: %', what, found;
	END LOOP;
	SELECT count(*) INTO rows FROM violations(false);
	IF rows <> 0 THEN RAISE WARNING '%: % without the table', what, rows; END IF;
END $$;

CALL fill(1, 300);
CREATE INDEX hnsw_v_l2 ON checked USING hnsw (v vector_l2_ops) WITH (m = 4, ef_construction = 16);
CREATE INDEX hnsw_v_ip ON checked USING hnsw (v vector_ip_ops, k, name) WITH (m = 4, ef_construction = 16);
CREATE INDEX hnsw_v_cosine ON checked USING hnsw (v vector_cosine_ops) WITH (m = 4, ef_construction = 16, quantizer = rabitq1, rerank = heap);
CREATE INDEX hnsw_v_l1 ON checked USING hnsw (v vector_l1_ops, k) WITH (m = 2, ef_construction = 4);
CREATE INDEX hnsw_h_l2 ON checked USING hnsw (h halfvec_l2_ops, name) WITH (m = 4, ef_construction = 16, quantizer = rabitq4);
CREATE INDEX hnsw_h_ip ON checked USING hnsw (h halfvec_ip_ops) WITH (m = 4, ef_construction = 16, quantizer = none);
CREATE INDEX hnsw_h_cosine ON checked USING hnsw (h halfvec_cosine_ops) WITH (m = 4, ef_construction = 16, quantizer = rabitq2);
CREATE INDEX hnsw_s_l2 ON checked USING hnsw (s sparsevec_l2_ops, k) WITH (m = 4, ef_construction = 16);
CREATE INDEX hnsw_s_cosine ON checked USING hnsw (s sparsevec_cosine_ops) WITH (m = 4, ef_construction = 16);
CREATE INDEX hnsw_b_hamming ON checked USING hnsw (b bit_hamming_ops, k) WITH (m = 4, ef_construction = 16);
CREATE INDEX hnsw_b_jaccard ON checked USING hnsw (b bit_jaccard_ops) WITH (m = 4, ef_construction = 16);
CREATE INDEX flat_v_l2 ON checked USING ivfflat (v vector_l2_ops, k) WITH (lists = 5);
CREATE INDEX flat_v_cosine ON checked USING ivfflat (v vector_cosine_ops) WITH (lists = 2);
CREATE INDEX flat_h_ip ON checked USING ivfflat (h halfvec_ip_ops, name) WITH (lists = 3);
CREATE INDEX flat_b_hamming ON checked USING ivfflat (b bit_hamming_ops) WITH (lists = 3);
CREATE INDEX pq_v_l2 ON checked USING ivfpq (v vector_l2_ops, k) WITH (lists = 3, m = 3, nbits = 8, opq = on, rerank = index);
CREATE INDEX pq_v_ip ON checked USING ivfpq (v vector_ip_ops) WITH (lists = 2, m = 2, nbits = 4);
CREATE INDEX pq_h_cosine ON checked USING ivfpq (h halfvec_cosine_ops) WITH (lists = 2, m = 3, nbits = 4);
CREATE INDEX rabitq_v_l2 ON checked USING ivfrabitq (v vector_l2_ops, name) WITH (lists = 3, bits = 1, rerank = index);
CREATE INDEX rabitq_v_ip ON checked USING ivfrabitq (v vector_ip_ops) WITH (lists = 4, bits = 4);
CREATE INDEX rabitq_v_cosine ON checked USING ivfrabitq (v vector_cosine_ops) WITH (lists = 2, bits = 1);
CREATE INDEX rabitq_h_ip ON checked USING ivfrabitq (h halfvec_ip_ops, k) WITH (lists = 3, bits = 8, rerank = index);
CREATE INDEX sparse_ip ON checked USING sparse_inverted (s, k, name) WITH (pending_list_limit = 64);
CREATE INDEX sparse_cosine ON checked USING sparse_inverted (s sparsevec_cosine_ops) WITH (weights = float4);
CREATE INDEX sparse_codes ON checked USING sparse_inverted (s sparsevec_cosine_ops);
CREATE INDEX hnsw_some ON checked USING hnsw (((v + v)::vector(6)) vector_l2_ops) WITH (m = 4, ef_construction = 16) WHERE k > 2;
CALL history('built');

CALL fill(301, 500);
CALL history('rows inserted');
BEGIN;
CALL fill(501, 520);
CALL history('rows being inserted');
ROLLBACK;
CALL history('rows rolled back');
DELETE FROM checked WHERE id % 3 = 0;
UPDATE checked SET k = k + 1 WHERE id % 4 = 0;
UPDATE checked SET v = checked_value(id + 1000), h = checked_value(id + 1000) WHERE id % 5 = 0;
CALL history('rows deleted and updated');
VACUUM checked;
CALL history('vacuum');
CALL fill(601, 800);
CALL history('places used again');
SELECT count(sparse_inverted_flush(i::regclass, true)) FROM unnest(ARRAY['sparse_ip', 'sparse_codes']) i;
CALL history('parts put together');
DELETE FROM checked WHERE id % 10 <> 0;
VACUUM checked;
CALL history('nearly all deleted');
DELETE FROM checked;
VACUUM checked;
CALL history('all deleted');
CALL fill(801, 1000);
CALL history('filled again');
REINDEX TABLE checked;
CALL history('reindexed');
REINDEX TABLE CONCURRENTLY checked;
CALL history('reindexed beside others');
TRUNCATE checked;
CALL history('empty');
CALL fill(1, 200);
CALL history('filled from nothing');
VACUUM FULL checked;
CALL history('written anew');

-- a summary; the last number is that of violations
SELECT item FROM vector_index_check_summary('hnsw_v_ip', true) WHERE item !~ 'level';
SELECT value > 0 AS pages FROM vector_index_check_summary('hnsw_v_ip') WHERE item = 'pages';
SELECT value FROM vector_index_check_summary('hnsw_v_ip', true) WHERE item IN ('rows', 'rows_of_table', 'violations');
SELECT item FROM vector_index_check_summary('rabitq_v_l2', true);
SELECT item FROM vector_index_check_summary('sparse_ip', true);
SELECT value FROM vector_index_check_summary('rabitq_v_l2', true) WHERE item IN ('entries', 'lists', 'rows', 'rows_of_table', 'violations');
SELECT count(*) FROM vector_index_check_progress();

-- progress, as an expression of the index sees it: when the table's rows are read
CREATE TABLE watched (v vector(3));
INSERT INTO watched VALUES ('[1,2,3]');
CREATE FUNCTION watch(v vector) RETURNS vector IMMUTABLE LANGUAGE plpgsql AS $$
DECLARE
	found text;
BEGIN
	FOR found IN SELECT phase FROM public.vector_index_check_progress() WHERE pid = pg_backend_pid() LOOP RAISE WARNING '%', found; END LOOP;
	RETURN v;
END $$;
CREATE INDEX watched_v ON watched USING hnsw ((watch(v)::vector(3)) vector_l2_ops);
SELECT * FROM vector_index_check('watched_v', true);
DROP TABLE watched;
DROP FUNCTION watch;

-- unlogged and temporary tables, partitions
CREATE UNLOGGED TABLE unlogged AS SELECT * FROM checked;
CREATE INDEX unlogged_v ON unlogged USING hnsw (v vector_l2_ops);
SELECT * FROM vector_index_check('unlogged_v', true);
CREATE TEMPORARY TABLE temporary AS SELECT * FROM checked;
CREATE INDEX temporary_v ON temporary USING hnsw (v vector_l2_ops);
DELETE FROM temporary WHERE k = 3;
VACUUM temporary;
SELECT * FROM vector_index_check('temporary_v', true);
CREATE TABLE parts (id int, v vector(6)) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (1) TO (100);
INSERT INTO parts SELECT id, v FROM checked WHERE id % 1000 BETWEEN 1 AND 90 AND id < 100;
CREATE INDEX parts_v ON parts USING hnsw (v vector_l2_ops);
SELECT * FROM vector_index_check('parts_v');
SELECT x.* FROM pg_partition_tree('parts_v') p, LATERAL vector_index_check(p.relid) x WHERE p.isleaf;

-- what is no index of ours, or none that can be checked
SELECT * FROM vector_index_check('checked');
CREATE INDEX checked_id ON checked (id);
SELECT * FROM vector_index_check('checked_id');
DROP INDEX checked_id;
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'hnsw_b_jaccard'::regclass;
SELECT * FROM vector_index_check('hnsw_b_jaccard');
UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'hnsw_b_jaccard'::regclass;
SELECT * FROM vector_index_check(NULL);

-- little memory
SET maintenance_work_mem = '1MB';
CREATE TABLE large (v vector(3));
INSERT INTO large SELECT ARRAY[n, n % 7, n % 11]::vector FROM generate_series(1, 3000) n;
CREATE INDEX large_v ON large USING hnsw (v vector_l2_ops) WITH (m = 2, ef_construction = 4);
SELECT * FROM vector_index_check('large_v', true);
RESET maintenance_work_mem;

-- rights: the owner, and roles that may see statistics; expressions run as the owner
CREATE ROLE check_owner;
CREATE ROLE check_monitor IN ROLE pg_monitor;
CREATE ROLE check_other;
ALTER TABLE checked OWNER TO check_owner;
SET ROLE check_owner;
SELECT count(*) FROM vector_index_check('hnsw_v_l2', true);
SET ROLE check_monitor;
SELECT count(*) FROM vector_index_check('hnsw_v_l2', true);
SELECT count(*) FROM vector_index_check_summary('hnsw_v_l2') WHERE item = 'violations';
SET ROLE check_other;
SELECT count(*) FROM vector_index_check('hnsw_v_l2', true);
SELECT count(*) FROM vector_index_check_summary('hnsw_v_l2');
RESET ROLE;
CREATE FUNCTION who(v vector) RETURNS vector IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
	IF current_user <> 'check_owner' AND current_setting('is_superuser') <> 'on' THEN RAISE 'run as %', current_user; END IF;
	RETURN v;
END $$;
CREATE INDEX hnsw_who ON checked USING hnsw ((who(v)::vector(6)) vector_l2_ops);
SET ROLE check_monitor;
SELECT count(*) FROM vector_index_check('hnsw_who', true);
RESET ROLE;

-- also what PostgreSQL evaluates when a session first reads the expressions
CREATE FUNCTION whose(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
	IF current_user <> 'check_owner' THEN RAISE 'run as %', current_user; END IF;
	RETURN n;
END $$;
CREATE INDEX hnsw_whose ON checked USING hnsw (v vector_l2_ops) WHERE k = index_check.whose(3);
\c -
SET search_path = index_check, public;
SET client_min_messages = warning;
SELECT count(*) FROM vector_index_check('hnsw_whose', true);

DROP TABLE checked, unlogged, parts, large;
DROP FUNCTION violations, checked_value, who, whose;
DROP PROCEDURE fill, history;
DROP ROLE check_owner, check_monitor, check_other;
