-- Every row of pgvector's catalog surface exists here, as it is there; operator classes
-- of indexes have conditions beside.
CREATE TABLE surface (kind text, name text, properties text);
\cd `echo ${VECTOR_TEST:-test}`
\copy surface FROM 'compat/surface.tsv' WITH (FORMAT csv, DELIMITER E'\t', QUOTE E'\b')

CREATE VIEW member AS
SELECT classid, objid FROM pg_depend
WHERE refobjid = (SELECT oid FROM pg_extension WHERE extname = 'vector') AND deptype = 'e';

CREATE TABLE installed AS
SELECT 'type' AS kind, format_type(t.oid, NULL) AS name,
	'length='||t.typlen||' storage='||t.typstorage::text||' align='||t.typalign::text||' category='||t.typcategory::text AS properties
FROM member JOIN pg_type t ON t.oid = objid AND classid = 'pg_type'::regclass WHERE t.typelem = 0 AND NOT EXISTS (SELECT FROM pg_class WHERE oid = t.typrelid AND relkind = 'v') -- members from PostgreSQL 19 on
UNION ALL
SELECT 'function', p.oid::regprocedure::text,
	'returns='||pg_get_function_result(p.oid)||' strict='||p.proisstrict||' volatility='||p.provolatile::text||' parallel='||p.proparallel::text||' kind='||p.prokind::text||' symbol='||p.prosrc
FROM member JOIN pg_proc p ON p.oid = objid AND classid = 'pg_proc'::regclass
UNION ALL
SELECT 'operator', o.oid::regoperator::text,
	'function='||o.oprcode::text||' commutator='||coalesce(nullif(o.oprcom, 0)::regoperator::text, '-')||' negator='||coalesce(nullif(o.oprnegate, 0)::regoperator::text, '-')||' restrict='||o.oprrest::text||' join='||o.oprjoin::text
FROM member JOIN pg_operator o ON o.oid = objid AND classid = 'pg_operator'::regclass
UNION ALL
SELECT 'cast', format_type(c.castsource, NULL)||' -> '||format_type(c.casttarget, NULL), 'context='||c.castcontext::text
FROM member JOIN pg_cast c ON c.oid = objid AND classid = 'pg_cast'::regclass
UNION ALL
SELECT 'opclass', a.amname||' '||o.opcname,
	'for='||format_type(o.opcintype, NULL)||' default='||o.opcdefault
	||' operators='||(SELECT string_agg(amopopr::regoperator::text||'@'||amopstrategy||CASE amoppurpose WHEN 'o' THEN ' order by' ELSE '' END, ', ' ORDER BY amopstrategy) FROM pg_amop WHERE amopfamily = o.opcfamily AND NOT (amoppurpose = 's' AND a.amname IN ('hnsw', 'ivfflat')))
	||' support='||(SELECT string_agg(amprocnum||'='||amproc::regprocedure::text, ', ' ORDER BY amprocnum) FROM pg_amproc WHERE amprocfamily = o.opcfamily)
FROM member JOIN pg_opclass o ON o.oid = objid AND classid = 'pg_opclass'::regclass JOIN pg_am a ON a.oid = o.opcmethod
UNION ALL
SELECT 'access method', amname, amhandler::text
FROM member JOIN pg_am a ON a.oid = objid AND classid = 'pg_am'::regclass;

-- Settings are there once the library has been loaded
SELECT '[1,2]'::vector;
INSERT INTO installed
SELECT 'setting', name, format('type=%s default=%s min=%s max=%s values=%s context=%s', vartype, boot_val, coalesce(min_val, '-'), coalesce(max_val, '-'), coalesce(array_to_string(enumvals, '|'), '-'), context)
FROM pg_settings WHERE name ~ '^(vector|hnsw|ivf[a-z]*|sparse_inverted)\.';

SELECT kind, count(*) FROM surface GROUP BY kind ORDER BY kind;

-- Missing or different, on purpose: scans go on where a filter leaves too few rows
SELECT e.kind, e.name, e.properties AS expected, i.properties AS installed
FROM surface e LEFT JOIN installed i ON i.kind = e.kind AND i.name = e.name
WHERE i.properties IS DISTINCT FROM e.properties ORDER BY 1, 2;

-- What we have beyond it
SELECT i.kind, i.name FROM installed i
WHERE NOT EXISTS (SELECT FROM surface s WHERE s.kind = i.kind AND s.name = i.name)
ORDER BY i.kind, i.name COLLATE "C";
