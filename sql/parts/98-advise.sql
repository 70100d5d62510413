--@since 1.1.0
-- what an index would take, and which one to have

CREATE FUNCTION vector_build_estimate("table" regclass, "column" name, method text, options text[] DEFAULT '{}',
	for_rows bigint DEFAULT NULL, time_limit interval DEFAULT '5 seconds',
	OUT rows bigint, OUT size bigint, OUT hot_size bigint, OUT memory bigint, OUT seconds double precision,
	OUT probed_rows bigint, OUT notes text[]) RETURNS record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE COST 1000000
	SET search_path = pg_catalog, pg_temp SET client_min_messages = warning AS $$
#variable_conflict use_column
DECLARE
	most CONSTANT int := 16000;
	name CONSTANT text := 'vector_probe_' || md5(random()::text || clock_timestamp()::text);
	limit_memory CONSTANT bigint := pg_size_bytes(current_setting('maintenance_work_mem'));
	schema text;
	am oid;
	kind "char";
	source text;
	type oid;
	typmod int4;
	base record;
	class text;
	with_options text := '';
	set_lists int;
	is_lists bool;
	pair text[];
	item text;
	known double precision;
	taken bigint;
	holds bigint;
	step bigint;
	ends timestamptz := clock_timestamp() + time_limit;
	last_seconds double precision;
	built record;
	half record;
	spread record;
	trained double precision;
	stored text;
	heap_bytes double precision;
	width double precision;
	times jsonb;
	many bigint[];
	sampled double precision[];
	lists double precision[];
	work double precision[];
	codes double precision[];
	unit double precision;
	growth double precision;
	least_size bigint;
BEGIN
	IF "table" IS NULL OR "column" IS NULL OR method IS NULL OR options IS NULL OR time_limit IS NULL THEN
		RAISE EXCEPTION 'only for_rows may be null' USING ERRCODE = 'null_value_not_allowed';
	ELSIF for_rows < 1 OR NOT time_limit > '0' THEN
		RAISE EXCEPTION 'for_rows and time_limit must be positive' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	SELECT quote_ident(n.nspname), a.oid INTO schema, am
	FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
		JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.classid = 'pg_am'::regclass AND d.deptype = 'e'
		JOIN pg_am a ON a.oid = d.objid
	WHERE e.extname = 'vector' AND a.amname = method;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'access method "%" is not one of this extension', method USING ERRCODE = 'invalid_parameter_value';
	END IF;
	SELECT c.relkind, format('%I.%I', n.nspname, c.relname), a.atttypid, a.atttypmod INTO kind, source, type, typmod
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = "column" AND a.attnum > 0 AND NOT a.attisdropped
	WHERE c.oid = "table"::oid;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'column "%" of table % does not exist', "column", "table" USING ERRCODE = 'undefined_column';
	ELSIF kind NOT IN ('r', 'p', 'm') THEN
		RAISE EXCEPTION '% is not a table or materialized view', "table" USING ERRCODE = 'wrong_object_type';
	END IF;
	LOOP
		SELECT t.typbasetype, t.typtypmod INTO base FROM pg_type t WHERE t.oid = type AND t.typtype = 'd';
		EXIT WHEN NOT FOUND;
		type := base.typbasetype;
		typmod := CASE WHEN typmod < 0 THEN base.typtypmod ELSE typmod END;
	END LOOP;
	SELECT format('%I.%I', n.nspname, o.opcname) INTO class
	FROM pg_opclass o JOIN pg_namespace n ON n.oid = o.opcnamespace
	WHERE o.opcmethod = am AND o.opcintype = type AND EXISTS (SELECT FROM pg_amop p WHERE p.amopfamily = o.opcfamily AND p.amoppurpose = 'o')
	ORDER BY o.opcname LIKE '%l2%' DESC, o.opcname LIMIT 1;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'access method "%" has no operator class for type %', method, format_type(type, NULL) USING ERRCODE = 'undefined_object';
	END IF;

	is_lists := method LIKE 'ivf%';
	FOREACH item IN ARRAY options LOOP
		pair := regexp_match(item, '^\s*([a-z_]+)\s*=\s*(.*?)\s*$');
		IF pair IS NULL THEN
			RAISE EXCEPTION 'option "%" is not of the form name=value', item USING ERRCODE = 'invalid_parameter_value';
		ELSIF pair[1] IN ('centroids', 'assignments', 'neighbors') THEN
			RAISE EXCEPTION 'builds with option "%" are not estimated', pair[1] USING ERRCODE = 'feature_not_supported';
		ELSIF is_lists AND pair[1] = 'lists' AND pair[2] ~ '^\d{1,5}$' THEN
			set_lists := pair[2]::int;
		ELSE
			with_options := with_options || format(', %I = %L', pair[1], pair[2]);
		END IF;
	END LOOP;
	set_lists := CASE WHEN is_lists THEN nullif(coalesce(set_lists, CASE method WHEN 'ivfflat' THEN 100 ELSE 0 END), 0) END;

	-- A sample of the rows that the caller may see, of all over the table where that is large.
	SELECT coalesce(sum(c.reltuples) FILTER (WHERE c.reltuples > 0), 0), sum(pg_relation_size(c.oid)) INTO known, heap_bytes
	FROM pg_class c
	WHERE c.oid = "table"::oid AND c.relkind <> 'p' OR c.oid IN (SELECT t.relid FROM pg_partition_tree("table") t WHERE t.isleaf);
	EXECUTE format('CREATE TEMPORARY TABLE %I (v %s) ON COMMIT DROP', name, format_type(type, typmod));
	EXECUTE format('INSERT INTO pg_temp.%I SELECT t.%I FROM %s t TABLESAMPLE SYSTEM (%s) REPEATABLE (0) LIMIT %s', name, "column", source,
		CASE WHEN known > 8 * most THEN greatest(200.0 * most / known, .0001)::numeric ELSE 100 END, most);
	EXECUTE format('SELECT count(*), count(v), avg(pg_column_size(v)) FROM pg_temp.%I', name) INTO taken, holds, width;
	IF holds = 0 THEN
		RAISE EXCEPTION 'there are no values in column "%" of table % to estimate by', "column", "table" USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;
	rows := coalesce(for_rows, CASE WHEN taken < most AND known <= 8 * most THEN holds
		ELSE greatest(round(known * holds / taken), holds)::bigint END);

	-- Builds of more and more rows, as far as time goes; of values that are stored as the table's
	-- are, out of line where they need more room than it has.
	stored := CASE WHEN known > 0 AND heap_bytes / known < width AND width < 2000
		THEN format('CREATE TEMPORARY TABLE %%1$I (v %s, beside bytea) ON COMMIT DROP; ALTER TABLE pg_temp.%%1$I ALTER COLUMN beside SET STORAGE PLAIN', format_type(type, typmod))
		ELSE format('CREATE TEMPORARY TABLE %%I (v %s) ON COMMIT DROP', format_type(type, typmod)) END;
	step := least(250, holds, rows);
	SELECT NULL::bigint AS rows, NULL::bigint AS size, NULL::bigint AS memory, NULL::double precision AS seconds, NULL::jsonb AS times INTO half;
	LOOP
		EXECUTE format(stored, name || 's');
		EXECUTE format('INSERT INTO pg_temp.%I SELECT v%s FROM pg_temp.%I WHERE v IS NOT NULL LIMIT %s', name || 's',
			CASE WHEN stored LIKE '%beside%' THEN format(', %L::bytea', '\x' || repeat('00', (2040 - width)::int)) ELSE '' END, name, step);
		EXECUTE format('CREATE INDEX %I ON pg_temp.%I USING %I (v %s)%s', name || 'i', name || 's', method, class,
			CASE WHEN set_lists IS NOT NULL THEN format(' WITH (lists = %s%s)', set_lists, with_options)
				WHEN with_options <> '' THEN ' WITH (' || substr(with_options, 3) || ')' ELSE '' END);
		EXECUTE format('SELECT b.seconds, b.memory, b.size, i.hot_size, i.lists, i.dimensions, b.rows, (SELECT jsonb_object_agg(t.phase, t.seconds) FROM unnest(b.phases, b.phase_seconds) t (phase, seconds)) AS times FROM %s.vector_last_build() b, %s.vector_index_info(ARRAY[b.index]) i', schema, schema) INTO built;
		EXIT WHEN step >= least(holds, rows) OR step >= 1000 AND clock_timestamp() + make_interval(secs => built.seconds * 7) > ends;
		half := built;
		step := least(step * 4, holds, rows);
		EXECUTE format('DROP TABLE pg_temp.%I', name || 's');
	END LOOP;
	probed_rows := step;
	seconds := built.seconds;
	size := built.size;
	hot_size := built.hot_size;

	-- The last build took as many times as long as the one before as this is the exponent of, by rows
	growth := CASE WHEN half.rows >= 1000 THEN coalesce(ln(built.seconds / nullif(half.seconds, 0)) / ln(step::double precision / half.rows), 1) ELSE 1 END;
	IF rows > step AND is_lists THEN
		EXECUTE format('DROP INDEX pg_temp.%I', name || 'i');
		-- as many rows in a list as there will be; and none but the first one
		EXECUTE format('CREATE INDEX %I ON pg_temp.%I USING %I (v %s) WITH (lists = %s%s)', name || 'i', name || 's', method, class,
			greatest(round(step * least(coalesce(set_lists, 4 * sqrt(rows)), 32768) / rows), 1), with_options);
		EXECUTE format('SELECT b.size, i.hot_size, i.lists, (SELECT jsonb_object_agg(t.phase, t.seconds) FROM unnest(b.phases, b.phase_seconds) t (phase, seconds)) AS times FROM %s.vector_last_build() b, %s.vector_index_info(ARRAY[b.index]) i', schema, schema) INTO spread;
		EXECUTE format('CREATE INDEX ON pg_temp.%I USING %I (v %s) WITH (lists = 1%s) WHERE v IS NULL', name || 's', method, class, with_options);
		EXECUTE format('SELECT b.size FROM %s.vector_last_build() b', schema) INTO least_size;
		least_size := least(least_size, spread.size);
		size := least_size + (spread.size - least_size) * (rows::double precision / step);
		hot_size := least_size + (spread.hot_size - least_size) * (rows::double precision / step);
		-- Each phase grows by a law of its own, from the build with lists as long as there will be.
		-- k-means: rows of the sample times lists, in as many iterations; product quantization:
		-- the same with few centroids, of at most 65,536 rows; the rest: rows, each of which is
		-- compared with the lists.  Of product codes it is measured besides how many to compare.
		times := spread.times;
		many := ARRAY[step, rows];
		FOR i IN 1 .. 2 LOOP
			lists[i] := CASE i WHEN 1 THEN spread.lists ELSE least(coalesce(set_lists, greatest(round(4 * sqrt(rows)), 1)), 32768) END;
			sampled[i] := least(many[i], greatest(64 * lists[i], 20000));
			-- ten iterations over all; or, where that is less than half, seven over a part and three over all
			trained := least(sampled[i], greatest(4096, 16 * lists[i]));
			work[i] := CASE WHEN trained < sampled[i] / 2 THEN 8 * trained + 4 * sampled[i] ELSE 11 * sampled[i] END
				* CASE WHEN lists[i] <= 1024 THEN lists[i] + 50 ELSE 20 * sqrt(lists[i]) END;
			trained := least(sampled[i], 65536);
			codes[i] := CASE WHEN trained > 8192 THEN 12 * 4096 + 4 * trained ELSE 11 * trained END;
			sampled[i] := least(greatest(sampled[i], 20000), many[i]);
		END LOOP;
		unit := (times ->> 'performing k-means')::double precision / work[1];
		trained := coalesce((times ->> 'training quantizer')::double precision, 0);
		seconds := coalesce((times ->> 'sampling table')::double precision, 0) * sampled[2] / sampled[1] + unit * work[2]
			+ trained * CASE method WHEN 'ivfpq' THEN codes[2] / codes[1] ELSE sampled[2] / sampled[1] END
			+ rows * greatest((times ->> 'assigning tuples')::double precision / step + .75 * unit * (least(lists[2], 1024) - lists[1]), 0)
			+ coalesce((times ->> 'loading tuples')::double precision, 0) * (rows::double precision / step) ^ CASE method WHEN 'ivfpq' THEN .7 ELSE 1 END;
	ELSIF rows > step THEN
		size := built.size + coalesce((built.size - half.size)::double precision / (step - half.rows), built.size / step) * (rows - step);
		hot_size := built.hot_size * (size::double precision / built.size);
		-- a graph: searches take longer, the more so where they do already; else: of flat, the sample has its size
		seconds := CASE method WHEN 'hnsw' THEN built.seconds * (rows::double precision / step) ^ least(greatest(growth + .1, 1.03), 1.22)
			WHEN 'flat' THEN built.seconds * rows / step - coalesce((built.times ->> 'sampling table')::double precision, 0)
				* (rows::double precision / step - greatest(least(rows, 20000)::double precision / step, 1))
			ELSE 1.12 * built.seconds * (rows::double precision / step) ^ least(greatest(growth, 1), 1.1) END;
	END IF;
	-- A table's index is written to WAL, unlike that of a temporary one
	IF EXISTS (SELECT FROM pg_class c WHERE c.oid = "table"::oid AND c.relpersistence = 'p') THEN
		seconds := seconds + size * .6e-9;
	END IF;

	-- Memory, as the peaks of builds have shown: a graph's nodes with the distances of their
	-- edges; the rows that lists are trained by, 64 each; entries on their way to their lists.
	IF method = 'hnsw' THEN
		memory := rows * (.95 * hot_size / rows + 16 * coalesce((SELECT (regexp_match(o, '^\s*m\s*=\s*(\d{1,3})\s*$'))[1]::int FROM unnest(options) o WHERE o ~ '^\s*m\s*=\s*\d{1,3}\s*$'), 16) + 20);
	ELSIF is_lists THEN
		trained := least(rows, 64 * coalesce(set_lists, least(4 * sqrt(rows), 32768)));
		memory := least(greatest(1.06 * (trained + trained / 64) * built.dimensions * 4, .9 * hot_size), limit_memory);
	ELSE
		memory := least(built.memory * greatest(rows::double precision / step, 1), limit_memory);
	END IF;
	EXECUTE format('DROP TABLE pg_temp.%I, pg_temp.%I', name || 's', name);

	notes := array_remove(ARRAY[
		CASE WHEN rows > step THEN format('from builds of %s rows and fewer', step) ELSE 'all rows were built' END,
		CASE WHEN method = 'hnsw' AND memory > limit_memory
			THEN format('the graph, of %s, does not fit into maintenance_work_mem (%s): the build takes several times as long', pg_size_pretty(memory), current_setting('maintenance_work_mem'))
			WHEN memory >= limit_memory AND rows > step
			THEN format('the build uses all of maintenance_work_mem (%s)', current_setting('maintenance_work_mem')) END,
		CASE WHEN rows > step * 100 THEN 'many times as many rows as were built: time is a guess' END], NULL);
END $$;

COMMENT ON FUNCTION vector_build_estimate(regclass, name, text, text[], bigint, interval) IS
	'what the build of an index would take, by builds of a sample of the table''s rows: disk, memory, seconds of one process';

CREATE FUNCTION vector_advise("table" regclass, "column" name, for_rows bigint DEFAULT NULL, time_limit interval DEFAULT '15 seconds',
	OUT rank integer, OUT method text, OUT options text[], OUT filter_columns text[], OUT statement text,
	OUT size bigint, OUT hot_size bigint, OUT memory bigint, OUT seconds double precision, OUT reasons text[]) RETURNS SETOF record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 4 COST 1000000
	SET search_path = pg_catalog, pg_temp SET client_min_messages = warning AS $$
#variable_conflict use_column
DECLARE
	-- rows that are compared one by one as fast as an index finds them, about
	few CONSTANT bigint := 5000;
	schema text;
	statements text;
	source text;
	type oid;
	base oid;
	candidate record;
	chosen record;
	number int := 0;
	buffers bigint := pg_size_bytes(current_setting('shared_buffers'));
	limit_memory bigint := pg_size_bytes(current_setting('maintenance_work_mem'));
	estimates jsonb := '[]';
	total bigint;
	columns text[] := '{}';
	filter_reason text;
	class text;
BEGIN
	IF "table" IS NULL OR "column" IS NULL OR time_limit IS NULL THEN
		RAISE EXCEPTION 'only for_rows may be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	SELECT quote_ident(n.nspname) INTO schema FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector';
	SELECT format('%I.%I', n.nspname, c.relname), a.atttypid INTO source, type
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = "column" AND a.attnum > 0 AND NOT a.attisdropped
	WHERE c.oid = "table"::oid;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'column "%" of table % does not exist', "column", "table" USING ERRCODE = 'undefined_column';
	END IF;
	LOOP
		SELECT t.typbasetype INTO base FROM pg_type t WHERE t.oid = type AND t.typtype = 'd';
		EXIT WHEN NOT FOUND;
		type := base;
	END LOOP;

	-- Columns of conditions beside an order by distance, in what pg_stat_statements has of this
	-- table: texts are only looked at.
	SELECT format('%I.%I', n.nspname, c.relname) INTO statements
	FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'pg_stat_statements'
	WHERE e.extname = 'pg_stat_statements' AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT');
	IF FOUND THEN
		BEGIN
			EXECUTE format($q$
				WITH asked AS (
					SELECT s.calls, substring(s.query FROM '(?i)\mwhere\M(.*)\morder\s+by\M') AS conditions
					FROM %s s
					WHERE s.dbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
						AND s.query ~* '\morder\s+by\M.*(<->|<#>|<=>|<\+>|<~>|<%%>)'
						AND s.query ~* ('(^|[^[:alnum:]_])' || regexp_replace($1, '([^[:alnum:]_])', '\\\1', 'g') || '($|[^[:alnum:]_])')
						AND s.query ~* ('(^|[^[:alnum:]_])' || regexp_replace($2, '([^[:alnum:]_])', '\\\1', 'g') || '($|[^[:alnum:]_])'))
				SELECT coalesce(array_agg(c.attname ORDER BY c.share DESC, c.attname) FILTER (WHERE c.place <= 3), '{}')
				FROM (SELECT a.attname::text AS attname, sum(q.calls) / nullif((SELECT sum(calls) FROM asked), 0) AS share,
						row_number() OVER (ORDER BY sum(q.calls) DESC, a.attname) AS place
					FROM pg_attribute a JOIN asked q ON q.conditions ~* ('(^|[^[:alnum:]_])' || regexp_replace(a.attname, '([^[:alnum:]_])', '\\\1', 'g') || '($|[^[:alnum:]_])')
					WHERE a.attrelid = $3 AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> $2
						AND EXISTS (SELECT FROM pg_opclass o JOIN pg_am m ON m.oid = o.opcmethod JOIN pg_type t ON t.oid = a.atttypid
							WHERE m.amname = 'hnsw' AND o.opcdefault AND (o.opcintype = a.atttypid
								OR o.opcintype = 'text'::regtype AND a.atttypid = 'varchar'::regtype
								OR o.opcintype = 'anyenum'::regtype AND t.typtype = 'e'
								OR o.opcintype = 'anyarray'::regtype AND t.typcategory = 'A'))
					GROUP BY a.attname) c
				WHERE c.share >= .05$q$, statements)
				INTO columns USING (SELECT c.relname::text FROM pg_class c WHERE c.oid = "table"::oid), "column"::text, "table"::oid;
			filter_reason := CASE WHEN cardinality(columns) > 0
				THEN format('filter columns: statements in pg_stat_statements have conditions on %s beside the order by distance', array_to_string(columns, ', ')) END;
		EXCEPTION WHEN object_not_in_prerequisite_state THEN
			-- the library is not loaded
			columns := '{}';
		END;
	END IF;

	FOR candidate IN
		SELECT m.method, m.options FROM (VALUES (1, 'hnsw', '{}'::text[]), (2, 'hnsw', '{rerank=heap}'), (3, 'ivfrabitq', '{}'), (4, 'flat', '{}'), (5, 'sparse_inverted', '{}')) m (n, method, options)
		WHERE EXISTS (SELECT FROM pg_opclass o JOIN pg_am a ON a.oid = o.opcmethod WHERE a.amname = m.method AND o.opcintype = type
				AND EXISTS (SELECT FROM pg_amop p WHERE p.amopfamily = o.opcfamily AND p.amoppurpose = 'o'))
			AND NOT (m.n = 2 AND format_type(type, NULL) ~ '(^|\.)(bit|sparsevec)$')
		ORDER BY m.n
	LOOP
		EXECUTE format('SELECT e.* FROM %s.vector_build_estimate($1, $2, $3, $4, $5, $6 / 4) e', schema)
			INTO chosen USING "table", "column", candidate.method, candidate.options, for_rows, time_limit;
		total := chosen.rows;
		estimates := estimates || jsonb_build_object('method', candidate.method, 'options', candidate.options, 'size', chosen.size,
			'hot_size', chosen.hot_size, 'memory', chosen.memory, 'seconds', chosen.seconds, 'notes', chosen.notes);
	END LOOP;
	IF total IS NULL THEN
		RAISE EXCEPTION 'no index of this extension is for type %', format_type(type, NULL) USING ERRCODE = 'undefined_object';
	END IF;

	FOR chosen IN
		SELECT e.method, e.options, e.size, e.hot_size, e.memory, e.seconds, e.notes,
			CASE WHEN total < few AND e.method = 'flat' THEN 0
				WHEN e.method = 'sparse_inverted' THEN 1
				WHEN e.method = 'hnsw' AND e.hot_size <= buffers * .75 THEN CASE WHEN cardinality(e.options) = 0 THEN 2 ELSE 3 END
				WHEN e.method = 'ivfrabitq' THEN 4
				WHEN e.method = 'hnsw' THEN 5
				ELSE 6 END AS grade
		FROM jsonb_to_recordset(estimates) e (method text, options text[], size bigint, hot_size bigint, memory bigint, seconds double precision, notes text[])
		ORDER BY grade, e.size
	LOOP
		number := number + 1;
		SELECT format('%I.%I', n.nspname, o.opcname) INTO class
		FROM pg_opclass o JOIN pg_namespace n ON n.oid = o.opcnamespace JOIN pg_am a ON a.oid = o.opcmethod
		WHERE a.amname = chosen.method AND o.opcintype = type AND EXISTS (SELECT FROM pg_amop p WHERE p.amopfamily = o.opcfamily AND p.amoppurpose = 'o')
		ORDER BY o.opcname LIKE '%l2%' DESC, o.opcname LIMIT 1;
		rank := number;
		method := chosen.method;
		options := chosen.options;
		filter_columns := columns;
		statement := format('CREATE INDEX ON %s USING %I (%I %s%s)%s', source, chosen.method, "column", class,
			(SELECT coalesce(string_agg(', ' || quote_ident(c), '' ORDER BY c.n), '') FROM unnest(columns) WITH ORDINALITY c (c, n)),
			CASE WHEN cardinality(chosen.options) > 0 THEN ' WITH (' || array_to_string(chosen.options, ', ') || ')' ELSE '' END);
		size := chosen.size;
		hot_size := chosen.hot_size;
		memory := chosen.memory;
		seconds := chosen.seconds;
		reasons := array_remove(ARRAY[
			CASE chosen.method
				WHEN 'flat' THEN CASE WHEN total < few THEN format('%s rows are compared one by one as fast as any index finds them, and exactly', total)
					ELSE format('exact; reads all of it for each search, %s', pg_size_pretty(chosen.hot_size)) END
				WHEN 'sparse_inverted' THEN 'exact, and the fastest for sparse vectors of few common dimensions; inner product and cosine only'
				WHEN 'ivfrabitq' THEN format('the smallest and the quickest to build; searches take longer than in a graph that is in memory')
				ELSE CASE WHEN cardinality(chosen.options) = 0 THEN 'the fastest searches' ELSE 'a graph of codes alone: less memory, and rows are read from the table for true distances' END END,
			CASE WHEN chosen.hot_size <= buffers * .75 THEN format('what searches read, %s, fits into shared_buffers (%s)', pg_size_pretty(chosen.hot_size), current_setting('shared_buffers'))
				ELSE format('what searches read, %s, does not fit into three quarters of shared_buffers (%s)', pg_size_pretty(chosen.hot_size), current_setting('shared_buffers')) END,
			CASE WHEN chosen.method = 'hnsw' AND chosen.memory > limit_memory
				THEN format('SET maintenance_work_mem = ''%sMB'' for the build, which takes several times as long with %s', ceil(chosen.memory * 1.1 / 1048576), current_setting('maintenance_work_mem')) END,
			filter_reason] || chosen.notes, NULL);
		RETURN NEXT;
	END LOOP;
END $$;

COMMENT ON FUNCTION vector_advise(regclass, name, bigint, interval) IS
	'which index to have on a column, the best one first: what each takes, and why';
--@end
