-- Queries as people write them: which plan they get, and that rows are those of a sort
CREATE SCHEMA planner_queries;
SET search_path = planner_queries, public;
\cd `echo ${VECTOR_TEST:-test}`
\i sql/index.inc
RESET vector.approximate_without_limit;

CREATE TABLE items AS SELECT i AS id, i % 7 AS category, i % 100 AS shop, 'name ' || i AS name, ARRAY[sin(i), cos(i * 1.7), sin(i * 0.3)]::vector(3) AS embedding FROM generate_series(1, 4000) i;
CREATE INDEX ON items USING hnsw (embedding vector_cosine_ops);
CREATE TABLE categories AS SELECT i AS id, 'category ' || i AS name FROM generate_series(0, 6) i;
ANALYZE items, categories;

-- The nodes of a statement's plan
CREATE FUNCTION plan(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || statement LOOP
		IF line ~ '(->|Index Cond|Order By|Sort Key|Limit)' THEN
			RETURN NEXT line;
		END IF;
	END LOOP;
END $$;
-- Whether an index gives what a sort gives, and how many rows
CREATE FUNCTION same(statement text, OUT rows bigint, OUT differences bigint) LANGUAGE plpgsql AS $$
DECLARE
	fast text[];
	slow text[];
BEGIN
	SET LOCAL enable_seqscan = off;
	EXECUTE format('SELECT array_agg(q::text) FROM (%s) q', statement) INTO fast;
	SET LOCAL enable_seqscan = on;
	SET LOCAL enable_indexscan = off;
	EXECUTE format('SELECT array_agg(q::text) FROM (%s) q', statement) INTO slow;
	SET LOCAL enable_indexscan = on;
	rows := coalesce(cardinality(fast), 0);
	SELECT count(*) INTO differences FROM unnest(fast, slow) d(f, s) WHERE f IS DISTINCT FROM s;
END $$;
SET hnsw.ef_search = 200;

CREATE TABLE statements (n int, statement text);
INSERT INTO statements VALUES
	-- LangChain: the distance's alias
	(1, 'SELECT i.id, i.name, i.embedding <=> Q AS distance FROM items i ORDER BY distance ASC LIMIT 4'),
	-- in an outer query
	(2, 'SELECT id, distance FROM (SELECT id, embedding <=> Q AS distance FROM items) x ORDER BY distance LIMIT 4'),
	(3, 'SELECT id FROM (SELECT id, embedding <=> Q AS distance FROM items) x WHERE distance < 0.05 ORDER BY distance LIMIT 4'),
	(4, 'WITH q AS (SELECT id, 1 - (embedding <=> Q) AS score FROM items WHERE embedding IS NOT NULL) SELECT id, score FROM q ORDER BY score DESC LIMIT 4'),
	-- Spring AI: a threshold with every query
	(5, 'SELECT *, embedding <=> Q AS distance FROM items WHERE embedding <=> Q < 0.02 ORDER BY distance LIMIT 4'),
	-- Supabase: a function''s similarity
	(6, 'SELECT id, 1 - (embedding <=> Q) AS similarity FROM items WHERE 1 - (embedding <=> Q) > 0.98 ORDER BY similarity DESC LIMIT 4'),
	-- pages of results
	(7, 'SELECT id FROM items ORDER BY embedding <=> Q LIMIT 5 OFFSET 300'),
	(8, 'SELECT id FROM items ORDER BY embedding <=> Q LIMIT 0'),
	(9, 'SELECT id FROM items WHERE category = 3 ORDER BY embedding <=> Q LIMIT 5'),
	-- joins
	(10, 'SELECT i.id, c.name FROM items i JOIN categories c ON c.id = i.category ORDER BY i.embedding <=> Q LIMIT 5'),
	(11, 'SELECT id FROM items ORDER BY embedding <=> (SELECT embedding FROM items WHERE id = 70) LIMIT 5'),
	(12, 'SELECT q.id, x.id FROM items q, LATERAL (SELECT i.id FROM items i ORDER BY i.embedding <=> q.embedding LIMIT 3) x WHERE q.id < 5'),
	(13, 'SELECT q.id, x.id FROM items q LEFT JOIN LATERAL (SELECT i.id FROM items i WHERE i.embedding <=> q.embedding < 0.001 AND i.id <> q.id ORDER BY i.embedding <=> q.embedding LIMIT 3) x ON true WHERE q.id < 5'),
	(14, 'SELECT id, (SELECT i.name FROM items i WHERE i.id <> q.id ORDER BY i.embedding <=> q.embedding LIMIT 1) FROM items q WHERE id < 5'),
	-- further keys
	(15, 'SELECT id FROM items ORDER BY embedding <=> Q, name LIMIT 5'),
	(16, 'SELECT id FROM items ORDER BY embedding <=> Q FETCH FIRST 3 ROWS WITH TIES');
UPDATE statements SET statement = replace(statement, 'Q', '''[3,1,2]''');
SELECT n, (same(statement)).* FROM statements ORDER BY n;
SET enable_seqscan = off;
SET enable_sort = off;
SELECT n, count(*) FILTER (WHERE p ~ 'Order By: \(+(i\.|i_1\.)?embedding <=> ') AS ordered, count(*) FILTER (WHERE p ~ 'Index Cond: .*embedding <<=>> ') AS ranges FROM statements, plan(statement) p GROUP BY n ORDER BY n;
RESET enable_sort;
RESET enable_seqscan;

-- null and zero vectors as queries, and rows without
SET enable_seqscan = off;
SELECT count(*) FROM (SELECT id FROM items ORDER BY embedding <=> NULL LIMIT 7) x;
SELECT count(*) FROM (SELECT id FROM items ORDER BY embedding <=> '[0,0,0]' LIMIT 7) x;
SELECT count(*) FROM (SELECT id FROM items WHERE embedding <=> NULL < 0.1 ORDER BY embedding <=> NULL LIMIT 7) x;
INSERT INTO items (id, embedding) VALUES (5001, NULL), (5002, '[0,0,0]');
SELECT count(*) FROM items WHERE embedding <=> '[3,1,2]' <= 2;
SELECT id FROM items WHERE embedding IS NULL;
RESET enable_seqscan;

-- cursors: beyond ef_search, and back
SET hnsw.ef_search = 40;
SET enable_seqscan = off;
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM items ORDER BY embedding <=> '[3,1,2]';
MOVE 1000 IN c;
FETCH 2 FROM c;
CLOSE c;
DECLARE c SCROLL CURSOR FOR SELECT id FROM items WHERE embedding <=> '[3,1,2]' < 0.001 ORDER BY embedding <=> '[3,1,2]';
MOVE ALL IN c;
FETCH BACKWARD 2 FROM c;
FETCH ABSOLUTE 1 FROM c;
DECLARE h CURSOR WITH HOLD FOR SELECT id FROM items ORDER BY embedding <=> '[3,1,2]' LIMIT 60;
COMMIT;
MOVE 58 IN h;
FETCH ALL FROM h;
CLOSE h;

-- generic plans keep the index
PREPARE nearest(vector, int) AS SELECT id FROM items ORDER BY embedding <=> $1 LIMIT $2;
SET plan_cache_mode = force_generic_plan;
SELECT plan('EXECUTE nearest(''[3,1,2]'', 3)');
EXECUTE nearest('[3,1,2]', 3);
EXECUTE nearest('[3,1,2]', 0);
SELECT count(*) FROM (SELECT id FROM items ORDER BY embedding <=> NULL::vector LIMIT 1) x;
RESET plan_cache_mode;
RESET enable_seqscan;

-- partitions: merged in order, pruned when planned and when run
CREATE TABLE parts (id int, shop int, embedding vector(3)) PARTITION BY HASH (shop);
CREATE TABLE parts_0 PARTITION OF parts FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES WITH (MODULUS 3, REMAINDER 2);
INSERT INTO parts SELECT id, shop, embedding FROM items WHERE id <= 4000;
ALTER TABLE parts ALTER embedding SET NOT NULL;
CREATE INDEX ON parts USING hnsw (embedding vector_cosine_ops);
ANALYZE parts;
SET enable_seqscan = off;
SELECT plan('SELECT id FROM parts ORDER BY embedding <=> ''[3,1,2]'' LIMIT 4');
SELECT plan('SELECT id FROM parts ORDER BY 1 - (embedding <=> ''[3,1,2]'') DESC LIMIT 4');
SELECT plan('SELECT id FROM parts WHERE shop = 7 ORDER BY embedding <=> ''[3,1,2]'' LIMIT 4');
PREPARE in_shop(int) AS SELECT id FROM parts WHERE shop = $1 ORDER BY embedding <=> '[3,1,2]' LIMIT 4;
SET plan_cache_mode = force_generic_plan;
SELECT p FROM plan('EXECUTE in_shop(7)') p WHERE p ~ 'Index Scan';
EXPLAIN (COSTS OFF) EXECUTE in_shop(7);
RESET plan_cache_mode;
RESET enable_seqscan;
SELECT * FROM (VALUES ('ORDER BY embedding <=> Q LIMIT 50'), ('WHERE shop = 7 ORDER BY embedding <=> Q LIMIT 50'), ('ORDER BY 1 - (embedding <=> Q) DESC LIMIT 50'), ('WHERE embedding <=> Q < 0.01 ORDER BY embedding <=> Q')) x(q),
	same('SELECT id FROM parts ' || replace(q, 'Q', '''[3,1,2]'''));

-- row-level security: by index, and only rows that the user may see
CREATE ROLE planner_queries_reader;
GRANT USAGE ON SCHEMA planner_queries TO planner_queries_reader;
GRANT SELECT ON items TO planner_queries_reader;
ALTER TABLE items ENABLE ROW LEVEL SECURITY;
CREATE POLICY shops ON items USING (shop = current_setting('my.shop')::int);
SET ROLE planner_queries_reader;
SET my.shop = 7;
SET enable_seqscan = off;
SELECT plan('SELECT id FROM items ORDER BY embedding <=> ''[3,1,2]'' LIMIT 3');
SELECT array_agg(id) FROM (SELECT id FROM items ORDER BY embedding <=> '[3,1,2]' LIMIT 3) x;
RESET enable_seqscan;
RESET ROLE;
SELECT array_agg(id) FROM (SELECT id FROM items WHERE shop = 7 ORDER BY embedding <=> '[3,1,2]' LIMIT 3) x;
DROP OWNED BY planner_queries_reader;
DROP ROLE planner_queries_reader;

-- without settings: what costs least. A condition that few rows meet and a btree
-- knows, one that none meets, one that most meet
DROP POLICY shops ON items;
ALTER TABLE items DISABLE ROW LEVEL SECURITY;
CREATE TABLE many AS SELECT i AS id, i % 1000 AS shop, ARRAY[sin(i), cos(i * 1.7), sin(i * 0.3), cos(i), sin(i * 2)]::vector(5) AS embedding FROM generate_series(1, 20000) i;
CREATE INDEX many_embedding ON many USING hnsw (embedding vector_l2_ops);
CREATE INDEX many_shop ON many (shop);
CREATE INDEX many_both ON many USING hnsw (embedding vector_cosine_ops, shop);
VACUUM ANALYZE many;
SELECT condition, p FROM (VALUES (1, ''), (2, 'WHERE shop = 3'), (3, 'WHERE shop = -1'), (4, 'WHERE shop > 3')) x(n, condition),
	plan('SELECT id FROM many ' || condition || ' ORDER BY embedding <-> ''[3,1,2,1,1]'' LIMIT 5') p WHERE p ~ 'Scan' ORDER BY n;
DROP INDEX many_shop;
SELECT condition, p FROM (VALUES (1, ''), (3, 'WHERE shop < 100'), (4, 'WHERE shop > 3')) x(n, condition),
	plan('SELECT id FROM many ' || condition || ' ORDER BY embedding <=> ''[3,1,2,1,1]'' LIMIT 5') p WHERE p ~ 'Scan|Cond' ORDER BY n;

-- a newer index, of the vectors alone, costs less without the condition: that does
-- not hide the one that has it
CREATE INDEX many_newer ON many USING hnsw (embedding vector_cosine_ops);
ANALYZE many;
SELECT condition, p FROM (VALUES (1, 'WHERE shop IN (3, 7)'), (2, 'WHERE shop = ANY (ARRAY[1, 2, 3])')) x(n, condition),
	plan('SELECT id FROM many ' || condition || ' ORDER BY embedding <=> ''[3,1,2,1,1]'' LIMIT 5') p WHERE p ~ 'Scan|Cond' ORDER BY n;

\set VERBOSITY terse
SET client_min_messages = warning;
DROP SCHEMA planner_queries CASCADE;
