-- ivfflat, ivfpq, ivfrabitq: filter columns
CREATE SCHEMA ivf_filter;
SET search_path = ivf_filter, public;
\set ECHO none
\cd `echo ${VECTOR_TEST:-test}`
\i sql/ivf.inc
\i sql/filter.inc
\set ECHO all
SELECT fill(1, 300);
-- (all that fit a page)
SELECT string_agg(quote_ident(name), ', ' ORDER BY n) AS all_columns FROM columns WHERE name NOT IN ('tc', 'bc') \gset
CREATE INDEX l2_index ON items USING ivfflat (v vector_l2_ops, :all_columns) WITH (lists = 5);
CREATE INDEX cosine_index ON items USING ivfpq (v vector_cosine_ops, :all_columns) WITH (lists = 5);
CREATE INDEX ip_index ON items USING ivfrabitq (v vector_ip_ops, :all_columns) WITH (lists = 5, rerank = index);

-- (how many rows a collation has depends on whether the server knows it)
SELECT name, type, conditions, filters, CASE WHEN type NOT LIKE '%COLLATE%' THEN rows END AS rows, wrong FROM columns, check_column(name) r ORDER BY n;
SET enable_seqscan = off;
SET vector.enable_exact_scan = off;
SELECT plan_of($$SELECT id FROM items WHERE i4 > 1::int8 AND t = 'a' AND ia && '{1,2}' AND d IS NULL AND f8 BETWEEN 0 AND 1 AND e IN ('sad', 'ok') ORDER BY v <-> '[1,2,3,4,5,6,7,8,9,10,11,12]' LIMIT 3$$);

\i sql/filter_write.inc
-- built by workers
DROP INDEX l2_index, cosine_index, ip_index;
ALTER TABLE items SET (parallel_workers = 2);
SET max_parallel_maintenance_workers = 2;
SET min_parallel_table_scan_size = 0;
CREATE INDEX l2_index ON items USING ivfflat (v vector_l2_ops, :all_columns) WITH (lists = 5);
CREATE INDEX cosine_index ON items USING ivfpq (v vector_cosine_ops, :all_columns) WITH (lists = 5, nbits = 8, m = 6);
CREATE INDEX ip_index ON items USING ivfrabitq (v vector_ip_ops, :all_columns) WITH (lists = 5, bits = 1);
SELECT * FROM check_items();
SELECT sum(r.wrong) FROM columns, check_column(name) r;
SET max_parallel_maintenance_workers = 0;
\set l2_am ivfflat
\set cosine_am ivfpq
\set ip_am ivfrabitq
\set with 'WITH (lists = 5)'
\i sql/filter_kinds.inc

-- other types and distances
CREATE TABLE typed (LIKE sample_type);
INSERT INTO typed SELECT * FROM sample(1, 300);
CREATE INDEX ON typed USING ivfflat (h halfvec_l2_ops, category) WITH (lists = 5);
CREATE INDEX ON typed USING ivfflat (v vector_l1_ops, category) WITH (lists = 5);
CREATE INDEX ON typed USING ivfflat (b bit_hamming_ops, category) WITH (lists = 5);
CREATE INDEX ON typed USING ivfpq (h halfvec_ip_ops, category) WITH (lists = 5, opq = on);
CREATE INDEX ON typed USING ivfrabitq (h halfvec_cosine_ops, category) WITH (lists = 5, bits = 2);
SELECT value, operator, r.* FROM (VALUES ('h', '<->'), ('v', '<+>'), ('b', '<~>'), ('h', '<#>'), ('h', '<=>')) x (value, operator),
	nearest('typed', value, operator, format('SELECT %s FROM sample(21, 21)', value), 1000, 'category BETWEEN 3 AND 5') r;

-- codes in pieces
CREATE TABLE wide (id int, v vector(2500), k int, name text);
INSERT INTO wide SELECT i, (SELECT array_agg(sin(i * 0.37 + j)) FROM generate_series(1, 2500) j)::vector, i % 5, 'n' || i % 3 FROM generate_series(1, 90) i;
CREATE INDEX ON wide USING ivfflat (v vector_l2_ops, k, name) WITH (lists = 3);
CREATE INDEX ON wide USING ivfrabitq (v vector_ip_ops, k, name) WITH (lists = 3, bits = 1);
CREATE FUNCTION check_wide(OUT operator text, OUT condition text, OUT index bool, OUT rows bigint, OUT wrong bigint) RETURNS SETOF record LANGUAGE sql AS
	$$SELECT o, c, r.index, r.rows, r.differences + r.disorder + r.twice FROM unnest('{<->,<#>}'::text[]) o, unnest('{k = 3,name = ''n1'' AND k > 1,k > 10}'::text[]) c, nearest('wide', 'v', o, 'SELECT v FROM wide WHERE id = 7', 1000, c) r$$;
SELECT * FROM check_wide();
DELETE FROM wide WHERE id % 4 = 1;
INSERT INTO wide SELECT id + 100, v, k, name FROM wide WHERE id < 30;
VACUUM wide;
SELECT * FROM check_wide();

-- as many rows as there are, with few lists and by default; nothing where there is nothing
CREATE TABLE many (id int, v vector(12), k int, tenant int);
INSERT INTO many SELECT i, (SELECT array_agg(sin(i * j * 1.7) + cos(i * j * j)) FROM generate_series(1, 12) j)::vector, i, i % 100 FROM generate_series(1, 4000) i;
CREATE INDEX many_flat ON many USING ivfflat (v vector_l2_ops, k, tenant) WITH (lists = 60);
CREATE INDEX many_pq ON many USING ivfpq (v vector_cosine_ops, k, tenant) WITH (lists = 60);
CREATE INDEX many_rabitq ON many USING ivfrabitq (v vector_ip_ops, k, tenant) WITH (lists = 60);
RESET ivfflat.probes;
RESET ivfpq.probes;
RESET ivfrabitq.probes;
RESET ivfpq.rerank;
RESET ivfrabitq.rerank;
CREATE FUNCTION counts(condition text, most int DEFAULT 10) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	counts int[] := '{}';
	n int;
BEGIN
	FOR i IN 1 .. 3 LOOP
		EXECUTE format('SELECT count(*) FROM (SELECT id FROM many WHERE %s ORDER BY v %s ''[1,2,3,4,5,6,7,8,9,10,11,12]'' LIMIT %s) x', condition, ('{<->,<=>,<#>}'::text[])[i], most) INTO n;
		counts := counts || n;
	END LOOP;
	RETURN counts;
END $$;
SELECT condition, counts(condition), counts(condition, 100) FROM unnest('{tenant = 5,tenant = 5 AND k < 1000,k = 17,k < 4,k < 0,k > 4000,tenant = 100,tenant IS NULL,tenant < 50}'::text[]) condition;
-- with little memory, what passes is read again
SET work_mem = '64kB';
SET ivfflat.iterative_scan = relaxed_order;
SET ivfpq.iterative_scan = relaxed_order;
SET ivfrabitq.iterative_scan = relaxed_order;
SELECT counts('k > 10', 5000);
RESET ivfflat.iterative_scan;
RESET ivfpq.iterative_scan;
RESET ivfrabitq.iterative_scan;
RESET work_mem;
-- no more lists than allowed
SET ivfflat.max_probes = 1;
SET ivfpq.iterative_scan = off;
SET ivfpq.probes = 60;
SET ivfrabitq.max_probes = 60;
SELECT counts('k <= 60', 100), counts('k <= 60', 100) LIKE '{%,60,60}' AS all_lists, (counts('k <= 60', 100)::int[])[1] < 60 AS fewer;
SET ivfpq.probes = 1;
SELECT (counts('k <= 60', 100)::int[])[2] < 60 AS fewer;
RESET ivfflat.max_probes;
RESET ivfpq.iterative_scan;
RESET ivfpq.probes;
RESET ivfrabitq.max_probes;
-- recall of ten rows by default: of all, of a half, of a hundredth
CREATE FUNCTION found(condition text, operator text) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
	n int;
	hits int := 0;
BEGIN
	FOR i IN 1 .. 20 LOOP
		EXECUTE format('SELECT count(*) FROM (SELECT id FROM many WHERE %1$s ORDER BY v %2$s (SELECT v FROM many WHERE id = $1) LIMIT 10) x
			JOIN (SELECT id FROM many WHERE %1$s ORDER BY (v %2$s (SELECT v FROM many WHERE id = $1)) + 0 LIMIT 10) y USING (id)', condition, operator) INTO n USING 17 * i;
		hits := hits + n;
	END LOOP;
	RETURN hits / 200.0;
END $$;
SET ivf.target_recall = 0.95;
SELECT condition, found(condition, '<->') > 0.9 AS flat, found(condition, '<=>') > 0.9 AS pq, found(condition, '<#>') > 0.9 AS rabitq FROM unnest('{true,k % 2 = 0,k < 2000,tenant < 10,tenant = 5}'::text[]) condition;
RESET ivf.target_recall;
-- prepared, with parameters that come late, and null
PREPARE by_tenant(int, int[]) AS SELECT count(*) FROM (SELECT id FROM many WHERE tenant = $1 AND k = ANY ($2) ORDER BY v <#> '[1,2,3,4,5,6,7,8,9,10,11,12]' LIMIT 50) x;
SET plan_cache_mode = force_generic_plan;
EXECUTE by_tenant(5, '{5,105,6,NULL}');
EXECUTE by_tenant(6, '{5,105,6,NULL}');
EXECUTE by_tenant(NULL, '{5}');
EXECUTE by_tenant(5, NULL);
EXECUTE by_tenant(5, '{}');
RESET plan_cache_mode;
-- one scan, many conditions
SELECT sum(n), count(*) FILTER (WHERE n <> 10) FROM generate_series(0, 99) t, LATERAL (SELECT count(*) AS n FROM (SELECT id FROM many WHERE tenant = t ORDER BY v <-> '[1,2,3,4,5,6,7,8,9,10,11,12]' LIMIT 10) x) y;

\i sql/filter_range.inc

-- what cannot be
SELECT statement, e.* FROM unnest(ARRAY[
	'CREATE INDEX ON many USING ivfflat (k, v vector_l2_ops)',
	'CREATE INDEX ON many USING ivfrabitq (v vector_l2_ops, v vector_ip_ops)',
	'CREATE INDEX ON many USING ivfpq (v vector_l2_ops, (point(k, k)))',
	'CREATE INDEX ON many USING ivfpq (v vector_l2_ops) INCLUDE (k)',
	'CREATE UNIQUE INDEX ON many USING ivfpq (v vector_l2_ops, k)',
	format('CREATE INDEX ON items USING ivfpq (v vector_l2_ops%s)', repeat(', ia', 16))]) statement, error_of(statement) e;

DROP SCHEMA ivf_filter CASCADE;
