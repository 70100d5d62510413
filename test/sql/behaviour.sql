-- Every statement that clients rely on gives the same result, or the same
-- SQLSTATE and message.
CREATE TABLE behaviour (id int GENERATED ALWAYS AS IDENTITY, statement text, sqlstate text, result text);
\cd `echo ${VECTOR_TEST:-test}`
\copy behaviour (statement, sqlstate, result) FROM 'compat/behaviour.tsv' WITH (FORMAT csv, DELIMITER E'\t', QUOTE E'\b', HEADER)

SET extra_float_digits = 1;

-- Run a statement; its rows as text, or its error
CREATE FUNCTION replay(statement text, OUT state text, OUT result text) LANGUAGE plpgsql AS $$
DECLARE
	r record;
	line text;
	detail text;
BEGIN
	state := '00000';
	FOR r IN EXECUTE statement LOOP
		-- json keeps columns of the same name apart
		SELECT string_agg(coalesce(value, 'NULL'), '|' ORDER BY n) INTO line
		FROM json_each_text(to_json(r)) WITH ORDINALITY AS c(key, value, n);
		result := concat_ws('; ', result, line);
	END LOOP;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, result = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
	IF detail <> '' THEN
		result := result || ' DETAIL: ' || detail;
	END IF;
END $$;

-- What Python prints differently: True, inf, nan, 5.0, [1.0, 2.0]
CREATE FUNCTION from_python(value text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT regexp_replace(regexp_replace(replace(replace(
		regexp_replace(regexp_replace(value, '\minf\M', 'Infinity', 'g'), '\mnan\M', 'NaN', 'g'),
		'True', 'true'), 'False', 'false'),
		'(\d)\.0(?!\d)', '\1', 'g'), ', ', ',', 'g')
$$;

CREATE TABLE replayed AS
SELECT id, statement, b.sqlstate AS expected_state, b.result AS expected, state, r.result
FROM behaviour b, LATERAL replay(b.statement) r;

SELECT count(*), count(*) FILTER (WHERE expected_state <> '00000') AS errors FROM replayed;

-- Different: none
SELECT id, statement, expected_state, expected, state, result FROM replayed
WHERE state <> expected_state
	OR (state <> '00000' AND result IS DISTINCT FROM expected)
	OR (state = '00000' AND result IS DISTINCT FROM expected AND result IS DISTINCT FROM from_python(expected))
ORDER BY id;
