-- the declared recall of inverted files counts what codes lose, of queries that are
-- not in the table, whatever the rows are
CREATE SCHEMA ivf_recall;
SET search_path = ivf_recall, public;
SET client_min_messages = warning;
SET ivf.seed = 1;

CREATE FUNCTION u(n int, j int) RETURNS float8 LANGUAGE sql IMMUTABLE AS $$ SELECT (hashint4(n * 64 + j)::float8 / 2147483648.0 + 1) / 2 $$;
CREATE FUNCTION value(kind text, n int) RETURNS vector LANGUAGE sql IMMUTABLE AS $$
	SELECT array(SELECT CASE kind
		WHEN 'products' THEN u(n, j) * u(n, j + 32)
		WHEN 'three' THEN u(n, j)
		WHEN 'copies' THEN floor(3 * u(abs(n) / 3 * sign(n)::int, j))
		WHEN 'lengths' THEN (u(n, j) - .5) * exp(3 * u(n, 40))
		WHEN 'outliers' THEN (u(n, j) + u(n, j + 20)) * CASE WHEN n % 500 = 0 THEN 1000 ELSE 1 END
		END FROM generate_series(1, CASE kind WHEN 'products' THEN 32 WHEN 'three' THEN 3 ELSE 16 END) j)::vector $$;
CREATE FUNCTION measure(kind text, rows int, class text) RETURNS TABLE (am text, by_default text, ninety_nine text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE %I AS SELECT n AS id, v::vector(%s) AS v FROM (SELECT n, value(%L, n) AS v FROM generate_series(1, %s) n) x',
		kind, vector_dims(value(kind, 1)), kind, rows);
	FOREACH am IN ARRAY ARRAY['ivfpq', 'ivfrabitq'] LOOP
		EXECUTE format('CREATE INDEX %I ON %I USING %s (v %s)', kind || '_' || am, kind, am, class);
		SELECT CASE WHEN recall >= .92 THEN 'found' ELSE recall::text END INTO by_default
			FROM vector_recall((kind || '_' || am)::regclass, format('SELECT value(%L, -n) FROM generate_series(1, 120) n', kind), sample => 120);
		PERFORM set_config('ivf.target_recall', '.99', true);
		SELECT CASE WHEN recall >= .97 THEN 'found' ELSE recall::text END INTO ninety_nine
			FROM vector_recall((kind || '_' || am)::regclass, format('SELECT value(%L, -n) FROM generate_series(1, 120) n', kind), sample => 120);
		PERFORM set_config('ivf.target_recall', '0', true);
		RETURN NEXT;
	END LOOP;
END $$;
SELECT * FROM measure('products', 10000, 'vector_l2_ops');
SELECT * FROM measure('three', 5000, 'vector_l2_ops');
SELECT * FROM measure('copies', 6000, 'vector_l2_ops');
SELECT * FROM measure('lengths', 5000, 'vector_ip_ops');
SELECT * FROM measure('outliers', 5000, 'vector_l2_ops');
-- what ivf_recall() tells has the codes in it: it does not end at 1
SELECT max(recall) < 1 AS codes_lose, max(recall) > .95 AS not_much FROM ivf_recall('products_ivfpq');
DROP SCHEMA ivf_recall CASCADE;
