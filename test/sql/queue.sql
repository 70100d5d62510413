-- Keys of new rows, noted by the condition of a row trigger, taken by a statement trigger
CREATE SCHEMA queue_test;
SET search_path = queue_test, public;
SET client_min_messages = warning;

CREATE DOMAIN code AS text CHECK (value <> '');
CREATE TABLE t (a bigint, b code, c varchar(5) DEFAULT 'c', PRIMARY KEY (a, b));
CREATE TABLE taken (n bigint, keys int, a bigint[], b code[]);
CREATE FUNCTION take() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	n bigint := vector_queue_noted(3);
BEGIN
	INSERT INTO taken SELECT n, cardinality(k.a), k.a, k.b FROM vector_queue_take(3) AS k(a bigint[], b code[]);
	IF vector_queue_noted(3) <> 0 THEN
		RAISE 'not taken';
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER note AFTER INSERT ON t FOR EACH ROW WHEN (vector_queue_note(3, NEW.a, NEW.b)) EXECUTE FUNCTION take();
CREATE TRIGGER take AFTER INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION take();
CREATE FUNCTION shown() RETURNS TABLE (n bigint, a bigint[], b code[]) LANGUAGE sql AS $$
	WITH d AS (DELETE FROM taken RETURNING *) SELECT n, a, b FROM d
$$;

INSERT INTO t VALUES (1, 'x');
SELECT * FROM shown();
INSERT INTO t SELECT i, 'y' || i FROM generate_series(2, 4) i;
INSERT INTO t SELECT 1, 'none' WHERE false;
COPY t (a, b) FROM STDIN;
5	five
6	six
\.
SELECT * FROM shown();
-- what is not inserted is not noted; an update is none
INSERT INTO t VALUES (1, 'x'), (7, 'z') ON CONFLICT DO NOTHING;
INSERT INTO t VALUES (1, 'x'), (8, 'z') ON CONFLICT (a, b) DO UPDATE SET c = 'new';
UPDATE t SET c = 'c';
DELETE FROM t WHERE a = 2;
SELECT * FROM shown();
-- a statement within a statement takes the outer one's as well; the rest is the outer one's
CREATE FUNCTION more() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.a < 1000 THEN
		INSERT INTO t VALUES (NEW.a + 1000, 'inner');
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER more AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION more();
INSERT INTO t VALUES (10, 'outer'), (11, 'outer');
SELECT * FROM shown();
-- one that is undone leaves what the outer one has noted
CREATE OR REPLACE FUNCTION more() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.a < 1000 THEN
		BEGIN
			INSERT INTO t VALUES (NEW.a + 1000, 'undone');
			RAISE 'undo' USING ERRCODE = 'QQ000';
		EXCEPTION WHEN SQLSTATE 'QQ000' THEN
		END;
		BEGIN
			INSERT INTO t VALUES (NEW.a + 2000, 'kept');
		EXCEPTION WHEN SQLSTATE 'QQ000' THEN
		END;
	END IF;
	RETURN NEW;
END $$;
DROP TRIGGER more ON t;
CREATE TRIGGER more BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION more();
INSERT INTO t VALUES (20, 'outer'), (21, 'outer');
SELECT * FROM shown();
DROP TRIGGER more ON t;
-- what an error or a rollback has undone is not noted any more
INSERT INTO t VALUES (30, 'x'), (30, 'x');
SELECT vector_queue_noted(3);
BEGIN;
SAVEPOINT s;
INSERT INTO t VALUES (31, 'x'), (32, '');
ROLLBACK TO s;
SELECT vector_queue_noted(3);
INSERT INTO t VALUES (33, 'x');
RELEASE s;
INSERT INTO t VALUES (34, 'x');
COMMIT;
SELECT * FROM shown();
-- nobody takes them: gone with the (sub)transaction
ALTER TABLE t DISABLE TRIGGER take;
INSERT INTO t VALUES (40, 'x');
SELECT vector_queue_noted(3);
BEGIN;
INSERT INTO t VALUES (41, 'x');
SELECT vector_queue_noted(3);
SAVEPOINT s;
INSERT INTO t VALUES (42, 'x'), (43, 'x');
SELECT vector_queue_noted(3);
RELEASE s;
SELECT vector_queue_noted(3);
ALTER TABLE t ENABLE TRIGGER take;
INSERT INTO t VALUES (44, 'x');
COMMIT;
SELECT * FROM shown();
ALTER TABLE t DISABLE TRIGGER note;
INSERT INTO t VALUES (45, 'x');
SELECT * FROM shown();
ALTER TABLE t ENABLE TRIGGER note;
-- many: arrays of 50,000; more than memory holds; long keys, out of line too
SET work_mem = '64kB';
INSERT INTO t SELECT i, 'many' FROM generate_series(100001, 220000) i;
SELECT keys, n, (SELECT count(DISTINCT x) FROM unnest(a) x WHERE x BETWEEN 100001 AND 220000), b[1], b[keys] FROM taken ORDER BY a[1];
TRUNCATE taken;
ALTER TABLE t DROP CONSTRAINT t_pkey;
CREATE TABLE long AS SELECT i, (SELECT string_agg(md5(i || ' ' || j), '') FROM generate_series(1, 400) j) AS s FROM generate_series(1, 3000) i;
INSERT INTO t SELECT i, s FROM long;
SELECT count(*) > 1 AS several, sum(keys), bool_and(n = 3000), (SELECT count(*) FROM long l WHERE EXISTS (SELECT FROM taken k, unnest(k.a, k.b) u(a, b) WHERE u.a = l.i AND u.b = l.s)) AS whole FROM taken;
TRUNCATE taken;
RESET work_mem;
-- a partition, by its parent and itself, one attached later too; rows that move
CREATE TABLE p (x text, a int) PARTITION BY RANGE (a);
CREATE TABLE p1 (a int, x text);
ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (0) TO (10);
CREATE FUNCTION take_p() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO taken (n, a) SELECT cardinality(k.a), k.a::bigint[] FROM vector_queue_take(4) AS k(a int[]);
	RETURN NULL;
END $$;
CREATE TRIGGER note AFTER INSERT ON p FOR EACH ROW WHEN (vector_queue_note(4, NEW.a)) EXECUTE FUNCTION take_p();
CREATE TRIGGER take AFTER INSERT ON p FOR EACH STATEMENT EXECUTE FUNCTION take_p();
CREATE TRIGGER take AFTER INSERT ON p1 FOR EACH STATEMENT EXECUTE FUNCTION take_p();
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20);
INSERT INTO p VALUES ('x', 1), ('x', 11), ('x', 2);
INSERT INTO p1 VALUES (3, 'x');
COPY p FROM STDIN;
x	12
x	4
\.
UPDATE p SET a = a + 10 WHERE a < 3;
INSERT INTO p VALUES ('x', 5);
SELECT * FROM shown();

-- Bad input
\set VERBOSITY terse
SELECT vector_queue_note(5);
\set VERBOSITY default
SELECT vector_queue_note(NULL, 1);
SELECT vector_queue_note(5, VARIADIC ARRAY[1, 2]);
SELECT vector_queue_note(5, ARRAY[1, 2]);
SELECT vector_queue_note(5, NULL), vector_queue_note(5, 'of a literal');
SELECT vector_queue_note(5, 1, 2), vector_queue_note(5, 1), vector_queue_noted(5);
SELECT vector_queue_note(5, 1, 'b'::text), vector_queue_note(5, NULL::int, NULL::text), vector_queue_note(6, 1.5), vector_queue_noted(5), vector_queue_noted(6);
BEGIN;
SELECT vector_queue_note(5, i, 'b'::text) FROM generate_series(1, 3) i;
SELECT * FROM vector_queue_take(5) AS k(a bigint[], b text[]);
ROLLBACK;
BEGIN;
SELECT vector_queue_note(5, i, 'b'::text) FROM generate_series(1, 3) i;
SELECT * FROM vector_queue_take(5) AS k(a int[]);
ROLLBACK;
SELECT vector_queue_take(5);
BEGIN;
SELECT vector_queue_note(5, i, CASE WHEN i <> 2 THEN 'b'::text END) FROM generate_series(1, 3) i;
SELECT * FROM vector_queue_take(5) AS k(a int[], b text[]);
SELECT * FROM vector_queue_take(5) AS k(nothing int);
COMMIT;
SELECT vector_queue_noted(NULL);

DROP SCHEMA queue_test CASCADE;
