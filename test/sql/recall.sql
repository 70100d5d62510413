-- vector_recall(): the recall of the settings in force, against an exact search
CREATE SCHEMA recall;
GRANT USAGE ON SCHEMA recall TO PUBLIC;
SET search_path = recall, public;
SET client_min_messages = warning;

CREATE TABLE measured (id serial PRIMARY KEY, k int, v vector(8), h halfvec(8), s sparsevec(8), b bit(32));
INSERT INTO measured (k, v, h, s, b)
SELECT n % 7, v, v, v::sparsevec, (hashint4(n) ::bit(32))
FROM (SELECT n, array(SELECT hashint4(n * 8 + j) / 2147483648.0 FROM generate_series(1, 8) j)::vector AS v FROM generate_series(1, 2000) n OFFSET 0) x;
CREATE TABLE asked AS
SELECT n, array(SELECT hashint4(-n * 8 - j) / 2147483648.0 FROM generate_series(1, 8) j)::vector(8) AS v FROM generate_series(1, 40) n;
ANALYZE measured;

-- what is measured is what SQL says: rows of the index no farther than the tenth of all
CREATE FUNCTION by_hand(k int, most_k int) RETURNS numeric LANGUAGE plpgsql SET search_path = recall, public AS $$
DECLARE
	q vector;
	farthest float8;
	wanted int;
	n int;
	found int := 0;
	total int := 0;
BEGIN
	FOR q IN SELECT v FROM asked ORDER BY asked.n LOOP
		SELECT max(d), count(*) INTO farthest, wanted
			FROM (SELECT m.v <-> q AS d FROM measured m WHERE m.k < most_k ORDER BY (m.v <-> q) + 0 LIMIT by_hand.k) x;
		PERFORM set_config('enable_seqscan', 'off', true), set_config('vector.enable_exact_scan', 'off', true), set_config('enable_sort', 'off', true);
		EXECUTE 'SELECT count(*) FILTER (WHERE d <= $2) FROM (SELECT v <-> $1 AS d FROM measured WHERE k < $4 ORDER BY v <-> $1 LIMIT $3) x'
			INTO n USING q, farthest, k, most_k;
		PERFORM set_config('enable_seqscan', 'on', true), set_config('vector.enable_exact_scan', 'on', true), set_config('enable_sort', 'on', true);
		found := found + n;
		total := total + wanted;
	END LOOP;
	RETURN round(found::numeric / total, 6);
END $$;
CREATE INDEX lists ON measured USING ivfflat (v vector_l2_ops, k) WITH (lists = 30);
SET ivfflat.iterative_scan = off;
SELECT ARRAY[by_hand(10, 7), by_hand(3, 2)] AS by_hand \gset
SELECT round(a.recall::numeric, 6) = (:'by_hand'::numeric[])[1] AS ten, a.queries_measured, a.complete,
	round(b.recall::numeric, 6) = (:'by_hand'::numeric[])[2] AS filtered, a.recall < .9 AND a.recall > .1 AS some_are_missed,
	a.recall_low < a.recall AND a.recall < a.recall_high AS inside
FROM vector_recall('lists', 'SELECT v FROM asked ORDER BY n') a,
	vector_recall('lists', 'SELECT v FROM asked ORDER BY n', k => 3, filter => 'k < 2 -- and no more') b;
-- the settings in force: with all lists, nothing is missed; the interval is Wilson's
SET ivfflat.probes = 30;
SELECT recall, recall_high, round((recall_low - 400 / (400 + 1.959964 ^ 2))::numeric, 9) AS low, queries_measured
FROM vector_recall('lists', (SELECT array_agg(v) FROM asked));
SELECT recall, queries_measured, p50_ms > 0 AND p95_ms >= p50_ms AND exact_p50_ms > 0 AND exact_p95_ms >= exact_p50_ms AS times
FROM vector_recall('lists', sample => 25);
RESET ivfflat.probes;
RESET ivfflat.iterative_scan;
-- of one query and one row
SET ivfflat.probes = 1;
SELECT recall, recall_low > 0 AS low, recall_high < 1 AS high FROM vector_recall('lists', 'SELECT v FROM asked LIMIT 1', k => 1);
RESET ivfflat.probes;
DROP INDEX lists;

-- every kind of index, on rows of its own table
CREATE INDEX of_v_l2 ON measured USING hnsw (v vector_l2_ops);
CREATE INDEX of_v_ip ON measured USING hnsw (v vector_ip_ops, k);
CREATE INDEX of_v_cosine ON measured USING ivfrabitq (v vector_cosine_ops);
CREATE INDEX of_v_l1 ON measured USING hnsw (v vector_l1_ops);
CREATE INDEX of_h_l2 ON measured USING ivfflat (h halfvec_l2_ops);
CREATE INDEX of_h_cosine ON measured USING hnsw (h halfvec_cosine_ops);
CREATE INDEX of_s_l2 ON measured USING hnsw (s sparsevec_l2_ops);
CREATE INDEX of_s_ip ON measured USING sparse_inverted (s sparsevec_ip_ops);
CREATE INDEX of_b_hamming ON measured USING hnsw (b bit_hamming_ops);
CREATE INDEX of_b_jaccard ON measured USING hnsw (b bit_jaccard_ops);
CREATE INDEX of_part ON measured USING hnsw (v vector_l2_ops) WHERE k = 3;
CREATE INDEX of_expression ON measured USING hnsw ((binary_quantize(v)::bit(8)) bit_hamming_ops);
CREATE INDEX of_cast ON measured USING hnsw ((v::halfvec(8)) halfvec_l2_ops) WHERE k BETWEEN 2 AND 5;
SET hnsw.ef_search = 200;
SET ivf.target_recall = 1;
SELECT c.relname, r.recall > .95 AS recall, r.queries_measured, r.complete
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid, LATERAL vector_recall(c.oid, sample => 20) r
WHERE i.indrelid = 'measured'::regclass AND c.relname LIKE 'of_%' ORDER BY 1;
SELECT recall > .99 AS recall FROM vector_recall('of_cast', 'SELECT v FROM asked', filter => 'k > 3');
SELECT recall > .99 AS recall FROM vector_recall('of_expression', ARRAY[B'00110011'::bit(8), B'11110000']);
RESET hnsw.ef_search;
RESET ivf.target_recall;

-- ties: eight of twelve equal rows are as good as other eight
CREATE TABLE tied (id int, v vector(2));
INSERT INTO tied SELECT n, ARRAY[cos(n), sin(n)]::vector FROM generate_series(1, 300) n;
INSERT INTO tied SELECT n, CASE WHEN n % 2 = 0 THEN '[3,4]' ELSE '[4,3]' END::vector FROM generate_series(301, 324) n;
CREATE INDEX tied_v ON tied USING hnsw (v vector_l2_ops);
SELECT recall, queries_measured FROM vector_recall('tied_v', ARRAY['[5,5]'::vector, '[3,4]'], k => 8);
-- a row is not an answer to itself; its copies are
SELECT recall, queries_measured FROM vector_recall('tied_v', k => 3, filter => 'id > 322');
SELECT recall, queries_measured FROM vector_recall('tied_v', k => 3, filter => 'id = 323');

-- zero vectors have no cosine, neither as rows nor as queries; k beyond all rows; an empty table
CREATE TABLE zeros (v vector(2));
INSERT INTO zeros VALUES ('[0,0]'), ('[0,0]'), ('[1,0]'), ('[0,1]'), (NULL);
CREATE INDEX zeros_v ON zeros USING hnsw (v vector_cosine_ops);
SELECT recall, queries_measured FROM vector_recall('zeros_v', ARRAY['[1,1]'::vector, '[0,0]', NULL], k => 50);
SELECT recall, queries_measured FROM vector_recall('zeros_v', k => 50);
SELECT * FROM vector_recall('zeros_v', filter => 'false');
TRUNCATE zeros;
SELECT * FROM vector_recall('zeros_v');
SELECT recall, queries_measured, exact_p50_ms > 0 AS exact FROM vector_recall('zeros_v', 'SELECT v FROM asked LIMIT 0');
SELECT recall, queries_measured, exact_p50_ms > 0 AS exact FROM vector_recall('zeros_v', ARRAY['[1,1]'::vector]);

-- arrays: by MaxSim
CREATE TABLE documents (id int, a vector(4)[]);
INSERT INTO documents SELECT n, array(SELECT array(SELECT sin(n * j * i) FROM generate_series(1, 4) j)::vector(4) FROM generate_series(1, 3) i) FROM generate_series(1, 200) n;
CREATE INDEX documents_a ON documents USING ivfflat (a vector_maxsim_ops) WITH (lists = 2);
SET ivfflat.probes = 2;
SELECT recall, queries_measured FROM vector_recall('documents_a', sample => 10);
SELECT recall, queries_measured FROM vector_recall('documents_a', 'SELECT a FROM documents LIMIT 5', k => 3);
RESET ivfflat.probes;

-- the time limit ends it after one query at least
SELECT queries_measured >= 1 AS some, complete FROM vector_recall('of_v_l2', sample => 2000, time_limit => '1 ms');

-- the caller's rights, and the rows that the caller sees
CREATE ROLE recall_reader;
SET ROLE recall_reader;
\set VERBOSITY terse
SELECT * FROM vector_recall('of_v_l2');
\set VERBOSITY default
RESET ROLE;
GRANT SELECT ON measured TO recall_reader;
ALTER TABLE measured ENABLE ROW LEVEL SECURITY;
CREATE POLICY first_rows ON measured TO recall_reader USING (id <= 12);
SET ROLE recall_reader;
SELECT recall, queries_measured FROM vector_recall('of_v_l2', k => 100);
SELECT recall, queries_measured FROM vector_recall('of_v_l2', filter => 'id > 12');
SELECT * FROM vector_recall('of_v_l2', 'SELECT v FROM recall.asked');
RESET ROLE;
ALTER TABLE measured DISABLE ROW LEVEL SECURITY;
DROP POLICY first_rows ON measured;
REVOKE SELECT ON measured FROM recall_reader;
DROP ROLE recall_reader;

-- what is refused
SELECT * FROM vector_recall('measured_pkey');
SELECT * FROM vector_recall('measured');
SELECT * FROM vector_recall(NULL);
SELECT * FROM vector_recall('of_v_l2', k => 0);
SELECT * FROM vector_recall('of_v_l2', sample => 0);
SELECT * FROM vector_recall('of_v_l2', time_limit => '-1 s');
SELECT * FROM vector_recall('of_v_l2', ARRAY[1, 2]);
SELECT * FROM vector_recall('of_v_l2', ARRAY['[1,2]'::vector]);
\set VERBOSITY terse
SELECT * FROM vector_recall('of_v_l2', filter => 'k < 5); DELETE FROM measured; SELECT v, ctid FROM measured WHERE (true');
SELECT * FROM vector_recall('of_v_l2', 'DELETE FROM measured RETURNING v');
SELECT * FROM vector_recall('of_v_l2', 'WITH x AS (DELETE FROM measured RETURNING v) SELECT v FROM x');
\set VERBOSITY default
SELECT count(*) FROM measured;
CREATE TABLE parts (k int, v vector(2)) PARTITION BY LIST (k);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
CREATE INDEX parts_v ON parts USING hnsw (v vector_l2_ops);
SELECT * FROM vector_recall('parts_v');
INSERT INTO parts SELECT 1, ARRAY[n, 1]::vector FROM generate_series(1, 50) n;
SELECT p.relid, r.recall FROM pg_partition_tree('parts_v') p, LATERAL vector_recall(p.relid) r WHERE p.isleaf;

-- functions of others in an index are not run as the caller, not even as a superuser
CREATE ROLE recall_owner;
CREATE TABLE theirs AS SELECT id, v::vector(8) AS v FROM measured LIMIT 100;
CREATE FUNCTION theirs(v vector) RETURNS vector LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN v; END $$;
CREATE INDEX theirs_v ON theirs USING hnsw ((theirs.v::vector(8)) vector_l2_ops);
CREATE INDEX theirs_f ON theirs USING hnsw ((theirs(v)::vector(8)) vector_l2_ops);
CREATE INDEX theirs_p ON theirs USING flat (v vector_l2_ops) WHERE theirs(v) IS NOT NULL;
SELECT recall FROM vector_recall('theirs_f');
ALTER FUNCTION theirs(vector) OWNER TO recall_owner;
SELECT recall FROM vector_recall('theirs_v');
SELECT recall FROM vector_recall('theirs_f');
SELECT recall FROM vector_recall('theirs_p');
SELECT recall FROM vector_tune('theirs_f');
GRANT USAGE ON SCHEMA recall TO recall_owner;
GRANT SELECT ON theirs TO recall_owner;
SET ROLE recall_owner;
SELECT recall FROM vector_recall('theirs_f');
SELECT recall FROM vector_recall('theirs_p');
RESET ROLE;
REVOKE ALL ON SCHEMA recall FROM recall_owner;
DROP TABLE theirs;
DROP FUNCTION theirs;
DROP ROLE recall_owner;

-- it leaves settings as they are, even after an error
SET vector.enable_exact_scan = on;
\set VERBOSITY terse
SELECT recall FROM vector_recall('of_v_l2', sample => 2, filter => '1 / (id - id) > 0');
\set VERBOSITY default
SELECT name, setting FROM pg_settings WHERE name IN ('enable_seqscan', 'enable_sort', 'vector.enable_exact_scan', 'enable_tidscan') ORDER BY 1;
EXPLAIN (COSTS OFF) SELECT id FROM measured ORDER BY v <-> '[1,1,1,1,1,1,1,1]' LIMIT 5;
DROP SCHEMA recall CASCADE;
