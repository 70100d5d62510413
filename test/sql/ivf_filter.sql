-- ivfflat, ivfpq, ivfrabitq: filter columns
CREATE SCHEMA ivf_filter;
SET search_path = ivf_filter, public;
\set ECHO none
\i test/sql/ivf.inc
-- Collations of ICU, where the server has them
SELECT count(*) > 0 AS icu FROM pg_collation WHERE collname = 'en-x-icu' \gset
\if :icu
CREATE COLLATION english FROM "en-x-icu";
CREATE COLLATION ignore_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
\else
CREATE COLLATION english FROM "C";
CREATE COLLATION ignore_case FROM "C";
\endif
\set ECHO all
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET lc_monetary = 'C';
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
ALTER TYPE mood ADD VALUE 'bored' BEFORE 'ok';
CREATE DOMAIN year AS int CHECK (value > 0);

-- columns, and what may stand in them: hostile values, and what they are compared with
CREATE TABLE columns (n serial, name text, type text, given text[], other_types text[] DEFAULT '{}');
INSERT INTO columns (name, type, given, other_types) VALUES
	('b', 'bool', '{f,t}', '{}'),
	('c', '"char"', '{a,b,z,"",~,\\351}', '{}'),
	('i2', 'int2', '{-32768,-32767,-1,0,1,7,32766,32767}', '{-32769::int4,32768::int4,7::int4,-32768::int8,9000000000::int8,-9000000000::int8,0::int8}'),
	('i4', 'int4', '{-2147483648,-2147483647,-2,0,1,65536,2147483646,2147483647}', '{-2147483649::int8,-2147483648::int8,2147483648::int8,65536::int8,1::int2,-2::int2}'),
	('i8', 'int8', '{-9223372036854775808,-9223372036854775807,-1,0,1,4294967296,9223372036854775806,9223372036854775807}', '{1::int2,-1::int4,-2147483648::int4,5::int2}'),
	('f4', 'float4', '{-Infinity,-3.4028235e38,-1,-1e-45,-0,0,1e-45,0.1,1,16777216,3.4028235e38,Infinity,NaN}', '{0.1::float8,1e300::float8,-1e300::float8,NaN::float8,Infinity::float8,1::float8,1e-300::float8,16777217::float8}'),
	('f8', 'float8', '{-Infinity,-1.7976931348623157e308,-1,-5e-324,-0,0,5e-324,0.1,1,1.7976931348623157e308,Infinity,NaN}', '{0.1::float4,1::float4,NaN::float4,-Infinity::float4}'),
	('n', 'numeric', '{-1e400,-1.00000000000000000002,-1.00000000000000000001,-1,0,0.00,1e-400,1,1.000000000000000000000000001,123456789012345678901234567890,1e400,NaN}', '{}'),
	('t', 'text', '{"",a,A,b,aa,"a ",ä,z,Z,"a long text, longer than any key of it could be"}', '{}'),
	('te', 'text COLLATE english', '{"",a,A,b,aa,"a ",ä,z,Z}', '{}'),
	('ti', 'text COLLATE ignore_case', '{"",a,A,b,aa,AA,"a ",ä,Ä,z}', '{}'),
	('vc', 'varchar(20)', '{"",a,A,b,"a "}', '{}'),
	('bc', 'char(5)', '{"",a,A,b,"a  ",abcde}', '{}'),
	('ba', 'bytea', '{"","\\\\x00","\\\\x0000","\\\\xff","\\\\x6162"}', '{}'),
	('u', 'uuid', '{00000000-0000-0000-0000-000000000000,00000000-0000-0000-0000-000000000001,00000000-0000-0001-0000-000000000000,ffffffff-ffff-ffff-0000-000000000000,ffffffff-ffff-ffff-ffff-ffffffffffff,12345678-1234-1234-1234-123456789012}', '{}'),
	('d', 'date', '{-infinity,4713-01-01 BC,1999-12-31,2000-01-01,2026-11-25,infinity}', '{}'),
	('tm', 'time', '{00:00,00:00:00.000001,12:00,23:59:59.999999,24:00}', '{}'),
	('tt', 'timetz', '{00:00+00,12:00+02,10:00+00,24:00-15}', '{}'),
	('ts', 'timestamp', '{-infinity,4713-01-01 BC,2000-01-01,2026-11-25 18:00:00.000001,infinity}', '{}'),
	('tz', 'timestamptz', '{-infinity,2000-01-01 00:00+00,2000-01-01 02:00+02,2026-11-25 18:00+00,infinity}', '{}'),
	('iv', 'interval', '{-178000000 years,-1 day,0,24 hours,1 day,1 mon,30 days,178000000 years}', '{}'),
	('ip', 'inet', '{0.0.0.0,10.0.0.1,10.0.0.1/8,10.0.0.0/8,::1,ffff::/16}', '{}'),
	('o', 'oid', '{0,1,2,2147483648,4294967295}', '{}'),
	('m', 'money', '{-92233720368547758.08,-1,0,0.01,92233720368547758.07}', '{}'),
	('e', 'mood', '{sad,bored,ok,happy}', '{}'),
	('y', 'year', '{1,2,2026,2147483647}', '{}'),
	('ia', 'int[]', '{"{}","{1}","{1,2}","{2,NULL}","{NULL}","{{3,4},{5,6}}","{-2147483648,2147483647}","{1,1,2,3,4,5,6,7,8,9,10}"}', '{}'),
	('ta', 'text[]', '{"{}","{a}","{a,b}","{b,NULL}","{NULL}","{\"\"}","{A}"}', '{}');
SELECT 'CREATE TABLE items (id int, v vector(12), ' || string_agg(format('%I %s', name, type), ', ' ORDER BY n) || ')' FROM columns \gexec
-- row i's number of a column of count values: the last one is null
CREATE FUNCTION pick(i int, n int, count int) RETURNS int LANGUAGE sql IMMUTABLE AS
	'SELECT 1 + (hashint8extended(i, n) & 2147483647)::int % (count + 1)';
CREATE FUNCTION fill(first int, last int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE (SELECT 'INSERT INTO items SELECT i, CASE WHEN i % 50 <> 7 THEN (SELECT array_agg(sin(i * j * 1.7) + cos(i * j * j)) FROM generate_series(1, 12) j)::vector END, ' ||
		string_agg(format('(%L::text[])[pick(i, %s, %s)]::%s', given, n, cardinality(given), split_part(type, ' ', 1)), ', ' ORDER BY n) FROM columns) || ' FROM generate_series($1, $2) i' USING first, last;
END $$;
SELECT fill(1, 300);
SELECT string_agg(quote_ident(name), ', ' ORDER BY n) AS all_columns FROM columns \gset
CREATE INDEX flat_index ON items USING ivfflat (v vector_l2_ops, :all_columns) WITH (lists = 5);
CREATE INDEX pq_index ON items USING ivfpq (v vector_cosine_ops, :all_columns) WITH (lists = 5);
CREATE INDEX rabitq_index ON items USING ivfrabitq (v vector_ip_ops, :all_columns) WITH (lists = 5, rerank = index);

-- Rows that fulfil a condition, by each index and by a look at all rows: whether
-- it is a condition of the index, and how many rows are wrong
CREATE FUNCTION compare(condition text, relation text DEFAULT 'items', OUT by_condition bool, OUT rows int, OUT wrong int) LANGUAGE plpgsql
SET enable_bitmapscan = off SET vector.enable_exact_scan = off AS $$
DECLARE
	operator text;
	line text;
	statement text;
	found int[];
	expected int[];
BEGIN
	SET LOCAL enable_seqscan = on; SET LOCAL enable_indexscan = off;
	EXECUTE format('SELECT coalesce(array_agg(id ORDER BY id), ''{}'') FROM %s WHERE v IS NOT NULL AND (%s)', relation, condition) INTO expected;
	rows := cardinality(expected);
	wrong := 0;
	by_condition := false;
	SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = on;
	FOREACH operator IN ARRAY '{<->,<=>,<#>}'::text[] LOOP
		statement := format('SELECT id FROM %s WHERE %s ORDER BY v %s ''[1,2,3,4,5,6,7,8,9,10,11,12]'' LIMIT 100000', relation, condition, operator);
		IF operator = '<->' THEN
			FOR line IN EXECUTE 'EXPLAIN ' || statement LOOP
				by_condition := by_condition OR line LIKE '%Index Cond:%';
			END LOOP;
		END IF;
		EXECUTE format('SELECT coalesce(array_agg(id ORDER BY id), ''{}'') FROM (%s) x', statement) INTO found;
		wrong := wrong + (SELECT count(*) FROM (SELECT unnest(found) AS id EXCEPT ALL SELECT unnest(expected)) x) +
			(SELECT count(*) FROM (SELECT unnest(expected) AS id EXCEPT ALL SELECT unnest(found)) x);
	END LOOP;
END $$;
-- All operators of a column's type with all values: how many conditions, how
-- many that are none of the index, rows found, what is wrong
CREATE FUNCTION check_column(of_name text, OUT conditions bigint, OUT filters bigint, OUT rows bigint, OUT wrong bigint) LANGUAGE sql AS $$
	WITH c AS (SELECT *, type LIKE '%[]' AS is_array, split_part(type, ' ', 1) AS plain FROM columns WHERE name = of_name),
	constants AS (
		SELECT format('%L::%s', g, plain) AS k FROM c, unnest(given) g
		UNION ALL SELECT format('%L::%s', split_part(o, '::', 1), split_part(o, '::', 2)) FROM c, unnest(other_types) o),
	conditions AS (
		SELECT format('%I %s %s', name, op, k) AS condition FROM c, constants, unnest('{<,<=,=,>=,>}'::text[]) op WHERE NOT is_array
		UNION ALL SELECT format('%I %s %s', name, op, k) FROM c, constants, unnest('{&&,@>}'::text[]) op WHERE is_array
		UNION ALL SELECT format('%I IS NULL', name) FROM c
		UNION ALL SELECT format('%I IS NOT NULL', name) FROM c
		UNION ALL SELECT format('%I BETWEEN %L AND %L', name, given[i], given[j]) FROM c, generate_series(1, cardinality(given), 2) i, generate_series(i, cardinality(given), 2) j WHERE NOT is_array
		UNION ALL SELECT format('%I = ANY (%L::%s[])', name, ARRAY[given[i], NULL, given[cardinality(given)], given[i]]::text, plain) FROM c, generate_series(1, cardinality(given)) i WHERE NOT is_array
		UNION ALL SELECT format('%I > ANY (%L::%s[])', name, given[2:3]::text, plain) FROM c WHERE NOT is_array
		UNION ALL SELECT format('%I = ANY (''{}''::%s[])', name, plain) FROM c WHERE NOT is_array)
	SELECT count(*), count(*) FILTER (WHERE NOT by_condition), sum(r.rows), sum(r.wrong) FROM conditions, compare(condition) r
$$;
SELECT name, type, r.* FROM columns, check_column(name) r ORDER BY n;
SET enable_seqscan = off;
SET vector.enable_exact_scan = off;
EXPLAIN (COSTS OFF) SELECT id FROM items WHERE i4 > 1::int8 AND t = 'a' AND ia && '{1,2}' AND d IS NULL AND f8 BETWEEN 0 AND 1 ORDER BY v <-> '[1,2,3,4,5,6,7,8,9,10,11,12]' LIMIT 3;
EXPLAIN (COSTS OFF) SELECT id FROM items WHERE i4 > 1 AND e IN ('sad', 'ok') ORDER BY v <#> '[1,2,3,4,5,6,7,8,9,10,11,12]' LIMIT 3;

-- several, and such as no index takes
CREATE TABLE conditions (n serial, condition text);
INSERT INTO conditions (condition) VALUES
	('i4 > 0 AND f8 <= 1 AND e = ''ok'''),
	('t = ''a'' AND ti = ''a'' AND ia @> ''{1}'''),
	('i4 > 0 AND i4 < 0'), ('i4 = 1 AND i4 = 2'), ('i4 IN (0, 1, 65536) AND i4 >= 1'),
	('i8 IS NULL AND i2 IS NULL'), ('i8 IS NULL AND i8 = 1'), ('b AND NOT b'), ('b'), ('NOT b'),
	('ia && ''{1}'' AND ta @> ''{a}'' AND NOT ia @> ''{2}'''),
	('i4 = 1 OR e = ''sad'''), ('v IS NOT NULL AND i4 = 1'), ('v IS NOT NULL'),
	('v <-> ''[1,2,3,4,5,6,7,8,9,10,11,12]'' < 25.5 AND i4 > 0');
SELECT condition, r.* FROM conditions, compare(condition) r ORDER BY n;
-- rows of all conditions, and what is wrong
CREATE FUNCTION check_items(relation text DEFAULT 'items', OUT rows bigint, OUT wrong bigint) LANGUAGE sql AS
	'SELECT sum(r.rows), sum(r.wrong) FROM conditions, compare(condition, $1) r';
SELECT * FROM check_items();

-- insert, update, delete, vacuum
INSERT INTO items SELECT * FROM items WHERE id <= 10;
SELECT fill(1001, 1100);
SELECT * FROM check_items();
UPDATE items SET i4 = 7777777, t = 'never before', ia = '{4711}', ta = NULL WHERE id % 7 = 0;
UPDATE items SET i4 = NULL, ia = NULL WHERE id % 11 = 0;
SELECT condition, r.* FROM unnest(ARRAY['i4 = 7777777', 'i4 > 7777776', 't = ''never before''', 'ia @> ''{4711}''', 'ta IS NULL', 'i4 IS NULL', 'ia IS NULL', 'ia IS NOT NULL']) condition, compare(condition) r;
SELECT * FROM check_items();
DELETE FROM items WHERE id % 3 = 0;
SELECT * FROM check_items();
VACUUM items;
SELECT * FROM check_items();
SELECT fill(2001, 2200);
DELETE FROM items WHERE id BETWEEN 1 AND 300;
VACUUM items;
SELECT * FROM check_items();
SELECT sum(r.conditions) > 1000 AS many, sum(r.filters) AS filters, sum(r.wrong) AS wrong FROM columns, check_column(name) r;
BEGIN;
SELECT fill(3001, 3050);
SELECT * FROM check_items();
ROLLBACK;
SELECT * FROM check_items();
DELETE FROM items;
VACUUM items;
SELECT * FROM check_items();
SELECT fill(1, 300);
SELECT * FROM check_items();
REINDEX TABLE items;
SELECT * FROM check_items();
-- built by workers
DROP INDEX flat_index, pq_index, rabitq_index;
ALTER TABLE items SET (parallel_workers = 2);
SET max_parallel_maintenance_workers = 2;
SET min_parallel_table_scan_size = 0;
CREATE INDEX flat_index ON items USING ivfflat (v vector_l2_ops, :all_columns) WITH (lists = 5);
CREATE INDEX pq_index ON items USING ivfpq (v vector_cosine_ops, :all_columns) WITH (lists = 5, nbits = 8, m = 6);
CREATE INDEX rabitq_index ON items USING ivfrabitq (v vector_ip_ops, :all_columns) WITH (lists = 5, bits = 1);
SELECT * FROM check_items();
SELECT sum(r.wrong) FROM columns, check_column(name) r;
SET max_parallel_maintenance_workers = 0;
-- on an empty table
CREATE TABLE later (LIKE items);
CREATE INDEX ON later USING ivfflat (v vector_l2_ops, i4, f8, e, t, ti, ia, ta, i8, i2, b);
CREATE INDEX ON later USING ivfpq (v vector_cosine_ops, i4, f8, e, t, ti, ia, ta, i8, i2, b);
CREATE INDEX ON later USING ivfrabitq (v vector_ip_ops, i4, f8, e, t, ti, ia, ta, i8, i2, b);
SELECT * FROM check_items('later');
INSERT INTO later SELECT * FROM items;
SELECT * FROM check_items('later');
TRUNCATE later;
INSERT INTO later SELECT * FROM items WHERE id % 2 = 0;
SELECT * FROM check_items('later');
-- partial, and on expressions
DROP INDEX flat_index, pq_index, rabitq_index;
CREATE INDEX ON items USING ivfflat (v vector_l2_ops, (i4 % 3), lower(t), (i2 IS NULL)) WITH (lists = 5) WHERE b;
CREATE INDEX ON items USING ivfpq (v vector_cosine_ops, (i4 % 3), lower(t), (i2 IS NULL)) WITH (lists = 5) WHERE b;
CREATE INDEX ON items USING ivfrabitq (v vector_ip_ops, (i4 % 3), lower(t), (i2 IS NULL)) WITH (lists = 5) WHERE b;
SELECT condition, r.* FROM unnest(ARRAY['b AND i4 % 3 = 1', 'b AND lower(t) = ''a''', 'b AND lower(t) = ''a'' AND i4 % 3 IN (0, 1)']) condition, compare(condition) r;
UPDATE items SET b = NOT b, t = upper(t);
SELECT condition, r.* FROM unnest(ARRAY['b AND i4 % 3 = 1', 'b AND lower(t) = ''a''', 'b AND i4 % 3 IS NULL']) condition, compare(condition) r;

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
SELECT counts('k > 10', 5000);
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

-- what cannot be
SELECT statement, e.* FROM unnest(ARRAY[
	'CREATE INDEX ON many USING ivfflat (k, v vector_l2_ops)',
	'CREATE INDEX ON many USING ivfrabitq (v vector_l2_ops, v vector_ip_ops)',
	'CREATE INDEX ON many USING ivfpq (v vector_l2_ops, (point(k, k)))',
	'CREATE INDEX ON many USING ivfpq (v vector_l2_ops) INCLUDE (k)',
	'CREATE UNIQUE INDEX ON many USING ivfpq (v vector_l2_ops, k)',
	format('CREATE INDEX ON items USING ivfpq (v vector_l2_ops%s)', repeat(', ia', 16))]) statement, error_of(statement) e;

DROP SCHEMA ivf_filter CASCADE;
