-- Indexes on columns and expressions whose type is a domain: dimensions are those of
-- the type that it is over.
SET enable_seqscan = off;
SET enable_sort = off;
SET vector.enable_exact_scan = off;
SET hnsw.ef_search = 1000;
SET ivfpq.rerank = 5000;
CREATE DOMAIN embedding AS vector(3) CHECK (vector_dims(value) = 3);
CREATE DOMAIN title AS embedding NOT NULL;
CREATE DOMAIN half AS halfvec(3);
CREATE DOMAIN weights AS sparsevec(3);
CREATE DOMAIN flags AS bit(8);
CREATE DOMAIN tenant AS int CHECK (value >= 0);
CREATE DOMAIN sub_tenant AS tenant;
CREATE DOMAIN label AS text;
CREATE DOMAIN labels AS text[];
CREATE TABLE d (id int PRIMARY KEY, e embedding, t title, h half, s weights, b flags, k sub_tenant, n label, l labels, ln label[]);
INSERT INTO d SELECT i, v, v, v, v, (i % 256)::bit(8), i % 10, 'name ' || i % 10, ARRAY['a' || i % 10, 'b'], ARRAY['a' || i % 10, 'b']
FROM generate_series(1, 2000) i, LATERAL (SELECT ARRAY[sin(i), cos(i * 1.7), sin(i * 0.3)]::vector) x(v);

-- The nearest with no index, then with each one alone: the same
CREATE FUNCTION agree(am text, columns text, filter text, ordered text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	query text := format('SELECT array_agg(d) FROM (SELECT %2$s AS d FROM d WHERE %1$s ORDER BY %2$s LIMIT 5) q', filter, ordered);
	exact float8[];
	found float8[];
	line text;
	plan text := '';
BEGIN
	EXECUTE query INTO exact;
	EXECUTE format('CREATE INDEX one ON d USING %s (%s) %s', am, columns, CASE am WHEN 'hnsw' THEN '' ELSE 'WITH (lists = 1)' END);
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		plan := plan || line;
	END LOOP;
	EXECUTE query INTO found;
	DROP INDEX one;
	RETURN concat_ws(', ', CASE WHEN plan ~ 'Index Scan using one' THEN 'by index' ELSE plan END,
		CASE WHEN plan ~ 'Index Cond' THEN 'condition' END, CASE WHEN plan ~ 'Filter:' THEN 'filter' END,
		CASE WHEN found = exact THEN 'same' ELSE format('%s instead of %s', found, exact) END);
END $$;
SELECT am, columns, filter, agree(am, columns, filter, ordered)
FROM (VALUES ('hnsw'), ('ivfflat'), ('ivfpq'), ('ivfrabitq')) a(am),
	(VALUES ('e vector_l2_ops', 'true', $$e <-> '[1,0,0]'$$),
		('t vector_cosine_ops', 'true', $$t <=> '[1,0,0]'$$),
		('h halfvec_ip_ops', 'true', $$h <#> '[1,0,0]'$$),
		('s sparsevec_l2_ops', 'true', $$s <-> '{1:1}/3'$$),
		('b bit_hamming_ops', 'true', $$b <~> '00110101'$$),
		('(e::title) vector_l2_ops', 'true', $$e::title <-> '[1,0,0]'$$),
		('(h::vector(3)::embedding) vector_l2_ops', 'true', $$h::vector(3)::embedding <-> '[1,0,0]'$$),
		('e vector_l2_ops, k', 'k = 3', $$e <-> '[1,0,0]'$$),
		('e vector_l2_ops, k', 'k IN (3, 4) AND k < 4', $$e <-> '[1,0,0]'$$),
		('e vector_l2_ops, n', $$n = 'name 3'$$, $$e <-> '[1,0,0]'$$),
		('e vector_l2_ops, l', $$l @> ARRAY['a3']$$, $$e <-> '[1,0,0]'$$),
		('e vector_l2_ops, ln', $$ln && ARRAY['a3']::label[]$$, $$e <-> '[1,0,0]'$$),
		('t vector_l2_ops', $$t <-> '[1,0,0]' < 0.9$$, $$t <-> '[1,0,0]'$$)) q(columns, filter, ordered)
WHERE am = 'hnsw' OR columns !~ 'sparsevec' AND (am = 'ivfflat' OR columns !~ '^b ');

-- Written to, vacuumed, rebuilt
CREATE INDEX d_hnsw ON d USING hnsw (t vector_l2_ops, k);
CREATE INDEX d_ivf ON d USING ivfrabitq (e vector_l2_ops, k) WITH (lists = 2);
INSERT INTO d (id, e, t, k) VALUES (5000, '[9,9,9]', '[9,9,9]', 1);
DELETE FROM d WHERE id % 2 = 1;
VACUUM d;
REINDEX TABLE d;
SELECT id FROM d ORDER BY t <-> '[9,9,9]' LIMIT 1;
SELECT id FROM d ORDER BY e <-> '[9,9,9]' LIMIT 1;
INSERT INTO d (id, e, t) VALUES (5001, '[1,2]', '[1,2,3]');
SELECT id FROM d ORDER BY t <-> '[1,2]' LIMIT 1;

-- No dimensions
CREATE DOMAIN any_embedding AS vector;
CREATE TABLE u (e any_embedding, v varbit, v8 varbit(8));
CREATE INDEX ON u USING hnsw (e vector_l2_ops);
CREATE INDEX ON u USING ivfflat (e vector_l2_ops);

-- A bit string that may have any length is not indexed, whatever it is called
CREATE DOMAIN bits AS varbit(8);
CREATE TABLE w (b bits);
CREATE INDEX ON u USING hnsw (v bit_hamming_ops);
CREATE INDEX ON u USING hnsw (v8 bit_jaccard_ops);
CREATE INDEX ON u USING ivfflat (v8 bit_hamming_ops);
CREATE INDEX ON w USING hnsw (b bit_hamming_ops);
CREATE INDEX ON w USING hnsw ((b::varbit(8)) bit_hamming_ops);
CREATE INDEX ON w USING hnsw ((b || B'1') bit_hamming_ops);
CREATE INDEX ON w USING hnsw ((b::bit(8)) bit_hamming_ops);
CREATE INDEX ON w USING ivfflat ((b::bit(8)::flags) bit_hamming_ops);
