-- sparse_inverted: filter columns
CREATE SCHEMA sparse_filter;
SET search_path = sparse_filter, public;
SET jit = off;
\set ECHO none
\cd `echo ${VECTOR_TEST:-test}`
\i sql/index.inc
\set value_type 'sparsevec(12)'
\set value '{1:1,2:2,3:3,4:4,5:5,6:6,7:-7,8:8,9:-9,11:11,12:12}/12'
\set operators '{<#>,<=>}'
\i sql/filter.inc
\set ECHO all
SELECT fill(1, 300);
SELECT string_agg(quote_ident(name), ', ' ORDER BY n) AS all_columns FROM columns \gset
CREATE INDEX ip_index ON items USING sparse_inverted (v, :all_columns);
CREATE INDEX cosine_index ON items USING sparse_inverted (v sparsevec_cosine_ops, :all_columns) WITH (weights = float4);
-- (how many rows a collation has depends on whether the server knows it)
SELECT name, type, conditions, filters, CASE WHEN type NOT LIKE '%COLLATE%' THEN rows END AS rows, wrong FROM columns, check_column(name) r ORDER BY n;
SET enable_seqscan = off;
SET vector.enable_exact_scan = off;
SELECT plan_of($$SELECT id FROM items WHERE i4 > 1::int8 AND t = 'a' AND ia && '{1,2}' AND d IS NULL AND f8 BETWEEN 0 AND 1 AND e IN ('sad', 'ok') ORDER BY v <#> '{1:1}/12' LIMIT 3$$);
\i sql/filter_write.inc
-- pending rows, in segments, in one
INSERT INTO items SELECT * FROM items WHERE id % 2 = 0;
SELECT * FROM check_items();
SELECT sparse_inverted_flush('ip_index') AS ip, sparse_inverted_flush('cosine_index') AS cosine;
SELECT * FROM check_items();
DELETE FROM items WHERE id % 5 = 0;
SELECT sparse_inverted_flush('ip_index', true) AS ip, sparse_inverted_flush('cosine_index', true) AS cosine;
SELECT * FROM check_items();
-- built by workers, and in little memory
ALTER TABLE items SET (parallel_workers = 2);
SET max_parallel_maintenance_workers = 2;
SET min_parallel_table_scan_size = 0;
SET maintenance_work_mem = '1MB';
INSERT INTO items SELECT i.* FROM items i, generate_series(1, 20);
REINDEX TABLE items;
SELECT * FROM check_items();
RESET maintenance_work_mem;
SET max_parallel_maintenance_workers = 0;
-- on an empty table, partial, and on expressions
CREATE TABLE later (LIKE items);
CREATE INDEX ON later USING sparse_inverted (v, i4, f8, e, t, ti, ia, ta, i8, i2, b);
CREATE INDEX ON later USING sparse_inverted (v sparsevec_cosine_ops, i4, f8, e, t, ti, ia, ta, i8, i2, b);
SELECT * FROM check_items('later');
INSERT INTO later SELECT * FROM items;
SELECT * FROM check_items('later');
TRUNCATE later;
INSERT INTO later SELECT * FROM items WHERE id % 2 = 0;
SELECT * FROM check_items('later');
DROP INDEX ip_index, cosine_index;
CREATE INDEX ON items USING sparse_inverted (v, (i4 % 3), lower(t), (i2 IS NULL)) WHERE b;
CREATE INDEX ON items USING sparse_inverted (v sparsevec_cosine_ops, (i4 % 3), lower(t), (i2 IS NULL)) WHERE b;
SELECT condition, r.* FROM unnest(ARRAY['b AND i4 % 3 = 1', 'b AND lower(t) = ''a''', 'b AND lower(t) = ''a'' AND i4 % 3 IN (0, 1)', 'b AND i2 IS NULL']) condition, compare(condition) r;
UPDATE items SET b = NOT b, t = upper(t);
SELECT condition, r.* FROM unnest(ARRAY['b AND i4 % 3 = 1', 'b AND lower(t) = ''a''', 'b AND i4 % 3 IS NULL']) condition, compare(condition) r;
\set VERBOSITY terse
SET client_min_messages = warning;
DROP SCHEMA sparse_filter CASCADE;
