-- Order, equality and hash: btree, DISTINCT, GROUP BY, hash and merge joins
CREATE TABLE c AS SELECT i AS id, ARRAY[i % 3, (i % 2)]::vector AS v FROM generate_series(1, 12) i;
INSERT INTO c VALUES (13, '[0,0]'), (14, '[-0,0]'), (15, '[0,0,0]'), (16, NULL), (17, '[-1]');
CREATE TABLE c3 AS SELECT id, v, v::halfvec AS h, v::sparsevec AS s FROM c;

SELECT DISTINCT v FROM c3 ORDER BY v;
SELECT DISTINCT h FROM c3 ORDER BY h DESC;
SELECT DISTINCT s FROM c3 ORDER BY s;

-- the same groups by hashing and by sorting
SET enable_sort = off;
EXPLAIN (COSTS OFF) SELECT v, count(*) FROM c3 GROUP BY v;
CREATE TABLE hashed AS SELECT v::text, h::text, s::text, count(*) FROM c3 GROUP BY c3.v, c3.h, c3.s;
RESET enable_sort;
SET enable_hashagg = off;
CREATE TABLE sorted AS SELECT v::text, h::text, s::text, count(*) FROM c3 GROUP BY c3.v, c3.h, c3.s;
RESET enable_hashagg;
SELECT count(*), sum(count) FROM hashed;
SELECT count(*) FROM (SELECT s, count FROM hashed EXCEPT SELECT s, count FROM sorted) d;

-- the same joins by hashing and by merging
SET enable_nestloop = off;
SET enable_mergejoin = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM c3 a JOIN c3 b ON a.v = b.v;
SELECT count(*) FROM c3 a JOIN c3 b ON a.v = b.v;
SELECT count(*) FROM c3 a JOIN c3 b ON a.h = b.h;
SELECT count(*) FROM c3 a JOIN c3 b ON a.s = b.s;
RESET enable_mergejoin;
SET enable_hashjoin = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM c3 a JOIN c3 b ON a.v = b.v;
SELECT count(*) FROM c3 a JOIN c3 b ON a.v = b.v;
SELECT count(*) FROM c3 a JOIN c3 b ON a.h = b.h;
SELECT count(*) FROM c3 a JOIN c3 b ON a.s = b.s;
RESET enable_hashjoin;
RESET enable_nestloop;

-- zeros of either sign are equal and hash alike
SELECT '[0]'::vector = '[-0]' AS v, vector_hash('[0]') = vector_hash('[-0]') AS vh,
	vector_hash_extended('[0]', 7) = vector_hash_extended('[-0]', 7) AS vx,
	halfvec_hash('[0]') = halfvec_hash('[-0]') AS hh, sparsevec_hash('{1:-0}/1') = sparsevec_hash('{}/1') AS sh;
SELECT vector_hash_extended('[1]', 0) <> vector_hash_extended('[1]', 1) AS seeded,
	(vector_hash_extended('[1]', 0) & 4294967295) = (vector_hash('[1]')::bigint & 4294967295) AS low_half;

-- every comparison operator, all pairs, against the order of the arrays
SELECT count(*) AS pairs,
	bool_and((a.v < b.v) = (a.v::real[] < b.v::real[])) AS lt,
	bool_and((a.v <= b.v) = (a.v::real[] <= b.v::real[])) AS le,
	bool_and((a.v = b.v) = (a.v::real[] = b.v::real[])) AS eq,
	bool_and((a.v <> b.v) = (a.v::real[] <> b.v::real[])) AS ne,
	bool_and((a.v >= b.v) = (a.v::real[] >= b.v::real[])) AS ge,
	bool_and((a.v > b.v) = (a.v::real[] > b.v::real[])) AS gt,
	bool_and(halfvec_cmp(a.h, b.h) = vector_cmp(a.v, b.v)) AS half,
	bool_and(sparsevec_cmp(a.s, b.s) = vector_cmp(a.v, b.v)) AS sparse,
	bool_and((a.h < b.h) = (a.v < b.v) AND (a.h <= b.h) = (a.v <= b.v) AND (a.h = b.h) = (a.v = b.v)
		AND (a.h <> b.h) = (a.v <> b.v) AND (a.h >= b.h) = (a.v >= b.v) AND (a.h > b.h) = (a.v > b.v)) AS half_ops,
	bool_and((a.s < b.s) = (a.v < b.v) AND (a.s <= b.s) = (a.v <= b.v) AND (a.s = b.s) = (a.v = b.v)
		AND (a.s <> b.s) = (a.v <> b.v) AND (a.s >= b.s) = (a.v >= b.v) AND (a.s > b.s) = (a.v > b.v)) AS sparse_ops
FROM c3 a, c3 b WHERE a.v IS NOT NULL AND b.v IS NOT NULL;

-- btree and hash indexes, unique too
CREATE INDEX c3_btree ON c3 (v);
CREATE INDEX c3_hash ON c3 USING hash (h);
CREATE INDEX c3_sparse ON c3 (s);
SET enable_seqscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM c3 WHERE v = '[1,1]';
SELECT id FROM c3 WHERE v = '[1,1]' ORDER BY id;
SELECT id FROM c3 WHERE h = '[0,-0]' ORDER BY id;
SELECT id FROM c3 WHERE s > '{1:2}/2' ORDER BY id;
RESET enable_seqscan;
RESET enable_bitmapscan;
CREATE UNIQUE INDEX ON c3 (v);
SELECT amname, opcname, amvalidate(c.oid) FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod
WHERE opcname ~ '^(half|sparse)?vec' AND amname IN ('btree', 'hash') ORDER BY amname, opcname;

-- partitions by hash of a vector
CREATE TABLE parts (v vector(2)) PARTITION BY HASH (v);
CREATE TABLE parts_0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO parts SELECT ARRAY[i, i]::vector FROM generate_series(1, 100) i;
SELECT count(*), count(DISTINCT tableoid) FROM parts;
SELECT count(*) FROM parts WHERE v = '[42,42]';
