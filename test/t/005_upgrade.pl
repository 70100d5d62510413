# A database made with version 1.0.0: the library of today serves it as it is,
# and after ALTER EXTENSION vector UPDATE its catalog is, object by object, that
# of a new installation.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('upgrade');
$node->init;
$node->start;
$node->safe_psql('postgres', $_) for 'CREATE ROLE tenant LOGIN', map { "CREATE DATABASE $_ OWNER tenant" } qw(old new);
my @as_tenant = (extra_params => [ '-U', 'tenant' ]);

# Everything that the catalogs say about an extension, a line each.  Any catalog
# row that belongs to it, or to something that belongs to it (the type of an
# array, an operator of a family, an attribute), is shown whole, with a name in
# the place of each OID: pg_get_catalog_foreign_keys() knows where these are, so
# nothing has to be added here for objects of a new kind.
my $catalog = q{
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
	RETURN r - ARRAY['oid', 'relfilenode', 'relfrozenxid', 'relminmxid', 'prosqlbody', 'proargdefaults', 'attoptions'];
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

INSERT INTO fact SELECT 'definition ' || p.oid::regprocedure, pg_get_functiondef(p.oid)
FROM pg_proc p JOIN member ON classid = 'pg_proc'::regclass AND objid = p.oid WHERE prokind <> 'a';

SELECT name || ': ' || replace(properties, E'\n', ' ') FROM fact;
};

$node->safe_psql('new', 'CREATE EXTENSION vector', @as_tenant);
$node->safe_psql('old', q{CREATE EXTENSION vector VERSION '1.0.0'}, @as_tenant);
my $version = $node->safe_psql('new', q{SELECT extversion FROM pg_extension WHERE extname = 'vector'});

# Every C function of the old version is still in the library.
is( $node->safe_psql('old', q{
		SELECT count(*) > 100, count(*) FILTER (WHERE prosrc IS NULL)
		FROM pg_proc p, LATERAL (SELECT fmgr_c_validator(p.oid)) v WHERE probin LIKE '%vector%'}),
	't|0', "the library has all of version 1.0.0's functions");

# Rows, indexes of every kind, and a query of each.
my $queries = q{
	SET enable_seqscan = off; SET vector.enable_exact_scan = off;
	SELECT array_agg(id) FROM (SELECT id FROM items ORDER BY v <-> '[3,-1,2]' LIMIT 5) q;
	SELECT array_agg(id) FROM (SELECT id FROM items ORDER BY v <=> '[3,-1,2]' LIMIT 5) q;
	SELECT array_agg(id) FROM (SELECT id FROM items WHERE kind = 3 ORDER BY h <-> '[3,-1,2]' LIMIT 5) q;
	SELECT array_agg(id) FROM (SELECT id FROM items ORDER BY s <#> '{1:1}/1000' LIMIT 5) q;
	SELECT array_agg(id) FROM (SELECT id FROM items ORDER BY b <~> '10110' LIMIT 1) q;
	SELECT array_agg(id ORDER BY id) FROM items WHERE v <<->> sphere('[0,0,0]'::vector, 0.9);
	SELECT id FROM items WHERE v = (SELECT v FROM items WHERE id = 77);
	SELECT avg(v), sum(h) FROM items;
	SELECT md5(string_agg(concat_ws('|', id, v, h, s, b, w), ';' ORDER BY id)) FROM items;};
$node->safe_psql('old', q{
	CREATE DOMAIN embedding AS vector(3);
	CREATE TABLE items (id int PRIMARY KEY, kind int, v vector(3), h halfvec(3), s sparsevec(1000), b bit(5), w sphere_vector, e embedding[]);
	INSERT INTO items
		SELECT i, i % 7, ARRAY[sin(i), cos(i * 1.7), sin(i * 0.3)]::vector, ARRAY[sin(i), cos(i * 1.7), sin(i * 0.3)]::vector::halfvec,
			format('{%s:%s,1000:%s}/1000', 1 + i % 99, 1.0 / i, -i)::sparsevec, (i % 32)::bit(5), sphere('[1,2,3]'::vector, i), ARRAY['[1,2,3]'::embedding]
		FROM generate_series(1, 1000) i;
	CREATE INDEX ON items USING hnsw (v vector_l2_ops);
	CREATE INDEX ON items USING ivfrabitq (v vector_cosine_ops) WITH (lists = 4);
	CREATE INDEX ON items USING ivfpq (h halfvec_l2_ops, kind) WITH (lists = 4);
	CREATE INDEX ON items USING hnsw (s sparsevec_ip_ops);
	CREATE INDEX ON items USING ivfflat (b bit_hamming_ops) WITH (lists = 4);
	CREATE INDEX ON items (v);
	CREATE INDEX ON items USING hash (h);
	CREATE VIEW near AS SELECT id, v <-> '[1,2,3]' AS distance FROM items ORDER BY v <-> '[1,2,3]' LIMIT 3;
	CREATE FUNCTION nearest() RETURNS bigint BEGIN ATOMIC SELECT id FROM items ORDER BY v <-> '[1,2,3]'::vector LIMIT 1; END;
}, @as_tenant);
my $before = $node->safe_psql('old', $queries, @as_tenant);
unlike($before, qr/^$/m, "today's library serves a database of version 1.0.0");

$node->safe_psql('old', 'ALTER EXTENSION vector UPDATE', @as_tenant);
is( $node->safe_psql('old', q{SELECT extversion FROM pg_extension WHERE extname = 'vector'}),
	$version, 'the owner of the database updates the extension');
is($node->safe_psql('old', $queries, @as_tenant), $before, 'rows, indexes and answers are the same');
like($node->safe_psql('old', q{SELECT count(*) FROM near; SELECT nearest() > 0; SET enable_seqscan = off; EXPLAIN (COSTS OFF) SELECT * FROM near}, @as_tenant),
	qr/^3\nt\n.*Index Scan/s, 'a view and a function made before');

my @updated = split /\n/, $node->safe_psql('old', $catalog);
my @fresh = split /\n/, $node->safe_psql('new', $catalog);
cmp_ok(scalar @fresh, '>', 2000, 'the catalog was read');
my (%updated, %fresh);
$updated{$_}++ for @updated;
$fresh{$_}++ for @fresh;
is( join("\n", grep { ($updated{$_} // 0) != ($fresh{$_} // 0) } sort keys %{ { %updated, %fresh } }),
	'', 'the catalog is that of a new installation')
  or diag(join("\n", (map { "only updated: $_" } grep { !$fresh{$_} } @updated), (map { "only new: $_" } grep { !$updated{$_} } @fresh)));

# An update is part of what a dump must not repeat: the dump says CREATE EXTENSION
# only, and the rows come back.
my $dir = PostgreSQL::Test::Utils::tempdir();
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/dump", 'old' ], 'dump');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', 'restored', "$dir/dump" ], 'restore');
my ($digest) = $before =~ /^([0-9a-f]{32})$/m;
is($node->safe_psql('restored', $queries) =~ /^([0-9a-f]{32})$/m ? $1 : '', $digest, 'rows are the same in a restored database');

$node->stop;
done_testing();
