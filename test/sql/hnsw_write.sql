-- hnsw: insert, update, delete, vacuum
CREATE SCHEMA hnsw_write;
SET search_path = hnsw_write, public;
\set ECHO none
\cd `echo ${VECTOR_TEST:-test}`
\i sql/index.inc
\set ECHO all
-- temporary tables: what is dead here is dead to every other session
SET enable_seqscan = off;
SET vector.enable_exact_scan = off;
SET hnsw.ef_search = 1000;
CREATE TEMP TABLE items (LIKE sample_type, n int DEFAULT 0) WITH (fillfactor = 50);
INSERT INTO items SELECT * FROM sample(1, 300);
CREATE INDEX items_index ON items USING hnsw (v vector_l2_ops);
CREATE FUNCTION check_items(OUT index boolean, OUT rows bigint, OUT differences bigint, OUT disorder bigint, OUT twice bigint) LANGUAGE sql AS
	'SELECT * FROM nearest(''items'', ''v'', ''<->'', ''SELECT v FROM sample(21, 21)'')';

\i sql/write_rollback.inc
-- the rows that an older snapshot sees
BEGIN;
DECLARE before CURSOR FOR SELECT id FROM items ORDER BY v <-> (SELECT v FROM items WHERE id = 21);
DELETE FROM items WHERE id % 2 = 0;
SELECT * FROM check_items();
MOVE 300 IN before;
FETCH ALL FROM before;
ROLLBACK;

CREATE FUNCTION sizes() RETURNS bigint[] LANGUAGE sql AS 'SELECT ARRAY[pg_relation_size(''items_index'')]';
\i sql/write_update.inc

-- dead rows never shrink the result, whether a scan has marked them or not
SET hnsw.ef_search = 10;
SET hnsw.iterative_scan = off;
DELETE FROM items WHERE id IN (SELECT id FROM items ORDER BY v <-> (SELECT v FROM sample(21, 21)) LIMIT 8);
SET hnsw.iterative_scan = strict_order;
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> (SELECT v FROM sample(21, 21)) LIMIT 10) x;
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> (SELECT v FROM sample(21, 21)) LIMIT 10) x;
SET hnsw.iterative_scan = off;
SELECT count(*) >= 10 AS enough FROM (SELECT id FROM items ORDER BY v <-> (SELECT v FROM sample(21, 21)) LIMIT 10) x;
RESET hnsw.iterative_scan;
SET hnsw.ef_search = 1000;
SELECT * FROM check_items();
VACUUM items;
SELECT * FROM check_items();

\i sql/write_space.inc
-- also that of values outside of their elements
CREATE TEMP TABLE sparse (id int, s sparsevec(20000)) WITH (autovacuum_enabled = off);
CREATE INDEX sparse_index ON sparse USING hnsw (s sparsevec_l2_ops);
CREATE TEMP VIEW sparse_source AS SELECT i AS id, (SELECT array_agg(sin(i * 0.37 + j) + i * 0.01) FROM generate_series(1, i * 50) j)::vector::sparsevec::text AS s FROM generate_series(1, 100) i;
CREATE FUNCTION fill_sparse() RETURNS void LANGUAGE sql AS 'INSERT INTO sparse SELECT id, regexp_replace(s, ''/.*'', ''/20000'')::sparsevec FROM sparse_source';
SELECT fill_sparse();
SELECT * FROM nearest('sparse', 's', '<->', 'SELECT s FROM sparse WHERE id = 7');
SELECT pg_relation_size('sparse_index') AS size \gset
DELETE FROM sparse;
VACUUM sparse;
SELECT fill_sparse();
SELECT * FROM nearest('sparse', 's', '<->', 'SELECT s FROM sparse WHERE id = 7');
SELECT pg_relation_size('sparse_index') - :size AS growth;

-- thousands of equal values share an element
CREATE TEMP TABLE equal (id int, v vector(12)) WITH (autovacuum_enabled = off);
INSERT INTO equal SELECT i, '[1,2,3,4,5,6,7,8,9,10,11,12]' FROM generate_series(1, 3000) i;
INSERT INTO equal SELECT id + 3000, v FROM sample(1, 40) WHERE v IS NOT NULL;
CREATE INDEX equal_index ON equal USING hnsw (v vector_l2_ops);
CREATE FUNCTION check_equal(most int, OUT rows bigint, OUT different bigint, OUT equal bigint) LANGUAGE sql AS
	'SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE d = 0) FROM (SELECT id, v <-> ''[1,2,3,4,5,6,7,8,9,10,11,12]'' AS d FROM equal ORDER BY v <-> ''[1,2,3,4,5,6,7,8,9,10,11,12]'' LIMIT most) x';
SET hnsw.ef_search = 40;
SELECT pg_relation_size('equal_index') < pg_relation_size('equal') / 2 AS small;
SELECT most, r.* FROM unnest('{1,40,41,2000,3000,4000}'::int[]) most, check_equal(most) r;
SET hnsw.iterative_scan = off;
SELECT * FROM check_equal(2000);
RESET hnsw.iterative_scan;
INSERT INTO equal SELECT i, '[1,2,3,4,5,6,7,8,9,10,11,12]' FROM generate_series(4001, 5000) i;
SELECT * FROM check_equal(5000);
DELETE FROM equal WHERE id % 2 = 0;
SELECT * FROM check_equal(5000);
VACUUM equal;
SELECT * FROM check_equal(5000);
INSERT INTO equal SELECT i, '[1,2,3,4,5,6,7,8,9,10,11,12]' FROM generate_series(6001, 8000) i;
SELECT * FROM check_equal(5000);
DELETE FROM equal WHERE v = '[1,2,3,4,5,6,7,8,9,10,11,12]';
VACUUM equal;
SELECT * FROM check_equal(5000);
-- all null, all zero
CREATE TEMP TABLE none (v vector(3));
CREATE INDEX none_index ON none USING hnsw (v vector_cosine_ops);
INSERT INTO none SELECT NULL::vector FROM generate_series(1, 50) UNION ALL SELECT '[0,0,0]' FROM generate_series(1, 50);
SELECT * FROM nearest('none', 'v', '<=>', 'SELECT ''[1,2,3]''::vector');
REINDEX INDEX none_index;
SELECT * FROM nearest('none', 'v', '<=>', 'SELECT ''[1,2,3]''::vector');
UPDATE none SET v = '[1,2,3]';
SELECT * FROM nearest('none', 'v', '<=>', 'SELECT ''[1,2,3]''::vector');

-- An index that was made on an empty table encodes its elements anew when it knows
-- the centre: those of equal rows of which the first is dead, those of rows that
-- this transaction has deleted and will see again, those that no row has any more.
CREATE TEMP TABLE far (id int, v vector(12));
CREATE INDEX far_index ON far USING hnsw (v vector_l2_ops);
CREATE INDEX far_heap_index ON far USING hnsw (v vector_l2_ops) WITH (rerank = heap);
CREATE FUNCTION far_rows(first int, last int) RETURNS TABLE (id int, v vector) LANGUAGE sql AS
	'SELECT i, array_agg(1000 + sin(i * j * 1.7))::vector FROM generate_series(first, last) i, generate_series(1, 12) j GROUP BY i ORDER BY i';
CREATE FUNCTION far_wrong() RETURNS TABLE (wrong bigint, not_found bigint) LANGUAGE sql SET hnsw.ef_search = 10 AS $$
	SELECT (SELECT count(*) FROM vector_index_check('far_index', true)) + (SELECT count(*) FROM vector_index_check('far_heap_index', true)),
		(SELECT count(*) FROM far a WHERE a.v <> (SELECT b.v FROM far b ORDER BY b.v <-> a.v LIMIT 1)) $$;
INSERT INTO far SELECT * FROM far_rows(1, 20);
DELETE FROM far;
INSERT INTO far SELECT id + 1000, v FROM far_rows(1, 20);
BEGIN;
INSERT INTO far SELECT * FROM far_rows(21, 30);
ROLLBACK;
INSERT INTO far SELECT * FROM far_rows(31, 60);
BEGIN;
SAVEPOINT s;
DELETE FROM far WHERE id BETWEEN 31 AND 40;
INSERT INTO far SELECT * FROM far_rows(61, 300);
SELECT * FROM far_wrong();
ROLLBACK TO s;
SELECT * FROM far_wrong();
INSERT INTO far SELECT * FROM far_rows(301, 400);
SELECT * FROM far_wrong();
COMMIT;
VACUUM far;
SELECT * FROM far_wrong();
INSERT INTO far SELECT * FROM far_rows(401, 500);
SELECT * FROM far_wrong();

-- Most rows in one heap; a few values of many rows, each far from it: vacuum does
-- not cut them off.
CREATE FUNCTION noise(a bigint, b bigint) RETURNS float8 IMMUTABLE LANGUAGE sql AS
	'SELECT hashint8extended(a, b) / 9223372036854775808.0::float8';
CREATE TEMP TABLE heap AS
	SELECT i AS id, (SELECT array_agg(noise(j, n % 40) + 0.5 * noise(j, 1000 + n)) FROM generate_series(1, 16) j)::vector(16) AS v
	FROM (SELECT i, CASE WHEN i % 3 = 0 THEN i % 7 ELSE i::bigint * 1000 END AS n FROM generate_series(1, 1000) i) s;
CREATE INDEX heap_index ON heap USING hnsw (v vector_l2_ops);
CREATE FUNCTION heap_lost() RETURNS bigint LANGUAGE sql SET hnsw.ef_search = 100 AS
	'SELECT count(*) FROM heap a WHERE (SELECT b.v <-> a.v FROM heap b ORDER BY b.v <-> a.v LIMIT 1) > 0';
SELECT heap_lost();
DELETE FROM heap WHERE hashint4(id + 10) & 65535 < 6553;
VACUUM heap;
SELECT heap_lost();
DELETE FROM heap WHERE hashint4(id + 20) & 65535 < 6553;
VACUUM heap;
DELETE FROM heap WHERE hashint4(id + 30) & 65535 < 6553;
VACUUM heap;
SELECT heap_lost();

-- Values far from all others, as sparse ones are, of which few are led to by many:
-- round for round as many are led to as of a new index.
CREATE TEMP TABLE worn (id int, v sparsevec(300));
CREATE FUNCTION worn_rows(first int, last int) RETURNS SETOF worn LANGUAGE sql AS $$
	SELECT n, ('{' || string_agg(d || ':' || w, ',' ORDER BY d) || '}/300')::sparsevec
	FROM generate_series(first, last) n,
		LATERAL (SELECT DISTINCT ON (d) 1 + (power((hashint8extended(i, n) & 65535) / 65536.0, 3) * 300)::int % 300 AS d,
			((hashint8extended(i, n + 1000000) & 255) - 40.5) / 16 AS w FROM generate_series(1, 12) i) x
	GROUP BY n $$;
CREATE FUNCTION worn_lost() RETURNS bigint LANGUAGE sql SET hnsw.ef_search = 100 AS
	'SELECT count(*) FROM worn a WHERE (SELECT b.v <-> a.v FROM worn b ORDER BY b.v <-> a.v LIMIT 1) > 0';
CREATE INDEX worn_index ON worn USING hnsw (v sparsevec_l2_ops);
INSERT INTO worn SELECT * FROM worn_rows(1, 600);
\set ECHO none
SELECT format(command, i) FROM generate_series(1, 30) i, unnest(ARRAY[
	'DELETE FROM worn WHERE hashint8extended(id, %1$s) & 7 = 0',
	'INSERT INTO worn SELECT * FROM worn_rows(%1$s * 1000, %1$s * 1000 + 74)',
	'VACUUM worn']) WITH ORDINALITY x (command, place) ORDER BY i, place \gexec
\set ECHO all
SELECT count(*) AS rows, worn_lost() < 12 AS few_lost FROM worn;

-- Values equally far from all others, as sets with no element are by Jaccard distance:
-- vacuum does not fill the lists of others with them.  Recall after eight rounds is
-- that of a new index, less .01 at most.
CREATE TEMP TABLE sets (id int, v bit(64));
CREATE FUNCTION sets_rows(first int, last int) RETURNS SETOF sets LANGUAGE sql AS
	'SELECT n, CASE WHEN n % 20 = 0 THEN 0 ELSE hashint8extended(n, 7) END::bit(64) FROM generate_series(first, last) n';
CREATE FUNCTION sets_recall() RETURNS float8 LANGUAGE plpgsql SET enable_seqscan = off SET vector.enable_exact_scan = off AS $$
DECLARE
	query bit(64);
	last float8;
	found int := 0;
BEGIN
	FOR query IN SELECT hashint8extended(n, 8)::bit(64) FROM generate_series(1, 200) n LOOP
		SELECT max(d) INTO last FROM (SELECT (v <%> query) + 0 AS d FROM sets ORDER BY 1 LIMIT 10) e;
		found := found + (SELECT count(*) FROM (SELECT v <%> query AS d FROM sets ORDER BY v <%> query LIMIT 10) f WHERE d <= last);
	END LOOP;
	RETURN found / 2000.0;
END $$;
INSERT INTO sets SELECT * FROM sets_rows(1, 1500);
CREATE INDEX sets_index ON sets USING hnsw (v bit_jaccard_ops);
\set ECHO none
SELECT format(command, i) FROM generate_series(0, 7) i, unnest(ARRAY[
	'DELETE FROM sets WHERE hashint8extended(id, %1$s) & 3 = 0',
	'VACUUM sets',
	'INSERT INTO sets SELECT * FROM sets_rows(2001 + %1$s * 375, 2375 + %1$s * 375)']) WITH ORDINALITY x (command, place) ORDER BY i, place \gexec
\set ECHO all
SELECT sets_recall() AS worn \gset
REINDEX INDEX sets_index;
SELECT sets_recall() AS fresh \gset
SELECT :worn >= :fresh - .01 AS as_good_as_new;

DROP SCHEMA hnsw_write CASCADE;
