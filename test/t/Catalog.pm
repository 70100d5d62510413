# Compares what the catalogs say about the extension in two databases.
package Catalog;
use strict;
use warnings;

use Exporter 'import';
use Test::More;

our @EXPORT = qw(catalog_facts is_same_catalog catalog_surface);

# Everything that the catalogs say about an extension, a line each.  Any catalog
# row that belongs to it, or to something that belongs to it (the type of an
# array, an operator of a family, an attribute), is shown whole, with a name in
# the place of each OID: pg_get_catalog_foreign_keys() knows where these are, so
# nothing has to be added here for objects of a new kind.
my $facts = q{
CREATE FUNCTION pg_temp.object(class regclass, id oid) RETURNS text LANGUAGE sql AS
	$$SELECT CASE WHEN id = 0 THEN '-' ELSE (pg_identify_object(class, id, 0)).identity END$$;

CREATE FUNCTION pg_temp.named(class regclass, r jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE k record;
BEGIN
	FOR k IN SELECT * FROM pg_get_catalog_foreign_keys()
		WHERE fktable = class AND cardinality(fkcols) = 1 AND pktable <> 'pg_authid'::regclass AND r ->> fkcols[1] IS NOT NULL
	LOOP
		r := jsonb_set(r, k.fkcols, (
			SELECT to_jsonb(string_agg(CASE WHEN o ~ '^[0-9]+$' THEN pg_temp.object(k.pktable, o::oid) ELSE o END, ', ' ORDER BY n))
			FROM regexp_split_to_table(btrim(r ->> k.fkcols[1], '[]"'), '[" ,]+') WITH ORDINALITY s(o, n)));
	END LOOP;
	-- Trees of nodes hold OIDs, too; a version of a relation's attributes is not ours.
	RETURN r - ARRAY['oid', 'relfilenode', 'relfrozenxid', 'relminmxid', 'prosqlbody', 'proargdefaults', 'attoptions', 'ev_action'];
END $$;

CREATE TEMP TABLE member AS
WITH RECURSIVE m(classid, objid) AS (
	SELECT classid, objid FROM pg_depend
	WHERE refclassid = 'pg_extension'::regclass AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'vector') AND deptype = 'e'
	UNION
	SELECT d.classid, d.objid FROM m JOIN pg_depend d ON (d.refclassid, d.refobjid) = (m.classid, m.objid)
	WHERE d.deptype IN ('i', 'a'))
SELECT * FROM m;

CREATE TEMP TABLE fact (name text, properties text);

DO $$
DECLARE
	class regclass;
BEGIN
	FOR class IN SELECT DISTINCT classid FROM member LOOP
		EXECUTE format('INSERT INTO fact
			SELECT %1$L || pg_temp.object(%1$L, r.oid), pg_temp.named(%1$L, to_jsonb(r))
			FROM %1$s r JOIN member ON classid = %1$L::regclass AND objid = r.oid', class);
	END LOOP;
END $$;

-- what hangs on members without an OID of its own
INSERT INTO fact SELECT 'attribute ' || attrelid::regclass || '.' || attname, pg_temp.named('pg_attribute', to_jsonb(a))
FROM pg_attribute a JOIN member ON classid = 'pg_class'::regclass AND objid = attrelid;
INSERT INTO fact SELECT 'aggregate ' || aggfnoid::regprocedure, pg_temp.named('pg_aggregate', to_jsonb(a))
FROM pg_aggregate a JOIN member ON classid = 'pg_proc'::regclass AND objid = aggfnoid;
INSERT INTO fact SELECT 'comment ' || pg_describe_object(classoid, objoid, objsubid), description
FROM pg_description JOIN member ON (classid, objid) = (classoid, objoid);
INSERT INTO fact SELECT 'privileges ' || pg_describe_object(classoid, objoid, objsubid), concat_ws(' ', i.privtype, initprivs)
FROM pg_init_privs i JOIN member ON (classid, objid) = (classoid, objoid);
INSERT INTO fact SELECT 'dependency ' || pg_describe_object(d.classid, d.objid, objsubid),
	concat_ws(' ', deptype, pg_describe_object(refclassid, refobjid, refobjsubid))
FROM pg_depend d JOIN member m ON (m.classid, m.objid) = (d.classid, d.objid);
INSERT INTO fact SELECT 'extension', to_jsonb(e) - 'oid' #>> '{}' FROM pg_extension e WHERE extname = 'vector';
INSERT INTO fact SELECT 'comment of the extension', obj_description(oid, 'pg_extension') FROM pg_extension WHERE extname = 'vector';

INSERT INTO fact SELECT 'definition ' || p.oid::regprocedure, pg_get_functiondef(p.oid)
FROM pg_proc p JOIN member ON classid = 'pg_proc'::regclass AND objid = p.oid WHERE prokind <> 'a';
INSERT INTO fact SELECT 'definition ' || c.oid::regclass, pg_get_viewdef(c.oid)
FROM pg_class c JOIN member ON classid = 'pg_class'::regclass AND objid = c.oid WHERE relkind = 'v';

SELECT name || ': ' || replace(properties, E'\n', ' ') FROM fact;
};

# The same, of what pgvector's releases have been listed by (sql/pgvector.tsv): kind,
# name and properties.
my $surface = q{
WITH member AS (
	SELECT classid, objid FROM pg_depend
	WHERE refobjid = (SELECT oid FROM pg_extension WHERE extname = 'vector') AND refclassid = 'pg_extension'::regclass AND deptype = 'e')
SELECT concat_ws(E'\t', 'type', format_type(t.oid, NULL), 'length='||t.typlen||' storage='||t.typstorage::text||' align='||t.typalign::text||' category='||t.typcategory::text)
FROM member JOIN pg_type t ON t.oid = objid AND classid = 'pg_type'::regclass WHERE t.typelem = 0
UNION ALL
SELECT concat_ws(E'\t', 'function', p.oid::regprocedure::text, 'returns='||pg_get_function_result(p.oid)||' strict='||p.proisstrict||' volatility='||p.provolatile::text||' parallel='||p.proparallel::text||' kind='||p.prokind::text||' symbol='||p.prosrc)
FROM member JOIN pg_proc p ON p.oid = objid AND classid = 'pg_proc'::regclass
UNION ALL
SELECT concat_ws(E'\t', 'operator', o.oid::regoperator::text, 'function='||o.oprcode::text||' commutator='||coalesce(nullif(o.oprcom, 0)::regoperator::text, '-')||' negator='||coalesce(nullif(o.oprnegate, 0)::regoperator::text, '-')||' restrict='||o.oprrest::text||' join='||o.oprjoin::text)
FROM member JOIN pg_operator o ON o.oid = objid AND classid = 'pg_operator'::regclass
UNION ALL
SELECT concat_ws(E'\t', 'cast', format_type(c.castsource, NULL)||' -> '||format_type(c.casttarget, NULL), 'context='||c.castcontext::text)
FROM member JOIN pg_cast c ON c.oid = objid AND classid = 'pg_cast'::regclass
UNION ALL
SELECT concat_ws(E'\t', 'opclass', a.amname||' '||o.opcname, 'for='||format_type(o.opcintype, NULL)||' default='||o.opcdefault
	||' operators='||(SELECT string_agg(amopopr::regoperator::text||'@'||amopstrategy||CASE amoppurpose WHEN 'o' THEN ' order by' ELSE '' END, ', ' ORDER BY amopstrategy) FROM pg_amop WHERE amopfamily = o.opcfamily)
	||' support='||(SELECT string_agg(amprocnum||'='||amproc::regprocedure::text, ', ' ORDER BY amprocnum) FROM pg_amproc WHERE amprocfamily = o.opcfamily))
FROM member JOIN pg_opclass o ON o.oid = objid AND classid = 'pg_opclass'::regclass JOIN pg_am a ON a.oid = o.opcmethod
UNION ALL
SELECT concat_ws(E'\t', 'access method', amname, amhandler::text)
FROM member JOIN pg_am a ON a.oid = objid AND classid = 'pg_am'::regclass
};

sub catalog_facts
{
	my ($node, $db) = @_;

	return sort split /\n/, $node->safe_psql($db, $facts);
}

sub catalog_surface
{
	my ($node, $db) = @_;

	return sort split /\n/, $node->safe_psql($db, $surface);
}

# Two lists of facts are the same; says which are in one only.
sub is_same_catalog
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($got, $expected, $name) = @_;
	my (%got, %expected);

	$got{$_}++ for @$got;
	$expected{$_}++ for @$expected;
	my @differing = grep { ($got{$_} // 0) != ($expected{$_} // 0) } sort keys %{ { %got, %expected } };
	ok(!@differing, $name)
	  or diag(join("\n", map { ($got{$_} // 0) > ($expected{$_} // 0) ? "too many: $_" : "missing: $_" } @differing[ 0 .. ($#differing < 40 ? $#differing : 40) ]));
}

1;
