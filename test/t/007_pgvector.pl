# A database of pgvector moves in, in place: the library is swapped, the extension
# updated, the indexes are rebuilt; and it moves out again.
#
# First with catalogs alone, of every release of pgvector (sql/pgvector.tsv), and
# with pages of indexes that look like pgvector's. Then, where a server with
# pgvector is at hand (that from which the private installation was copied, or
# PGVECTOR_BINDIR), with databases that it made: test-versions has one of pgvector
# 0.6 and one of 0.8.
use strict;
use warnings;

use Catalog;
use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $top = "$FindBin::Bin/../..";
my $node = PostgreSQL::Test::Cluster->new('ours');
$node->init;
$node->append_conf('postgresql.conf', 'autovacuum = off');
$node->start;
$node->safe_psql('postgres', 'CREATE ROLE tenant LOGIN');

sub newer
{
	my @a = split /\./, $_[0];
	my @b = split /\./, $_[1];

	return ($a[0] <=> $b[0] || $a[1] <=> $b[1] || $a[2] <=> $b[2]) > 0;
}

sub make_database
{
	my ($db, @sql) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $db OWNER tenant");
	$node->safe_psql($db, $_, extra_params => [ '-U', 'tenant' ]) for @sql;
}

# What each release creates
my @catalog = map { [ split /\t/ ] } split /\n/, slurp_file("$top/sql/pgvector.tsv");
my @releases = map { /--(0\.\d+\.\d+)\.sql$/ ? $1 : () } sort glob($node->config_data('--sharedir') . '/extension/vector--1*.sql');
is(scalar @releases, 17, 'there are scripts for all releases of pgvector');

sub release_surface
{
	my ($release) = @_;

	return sort map { join("\t", @$_[ 2 .. 4 ]) } grep { !newer($_->[0], $release) && !newer($release, $_->[1]) } @catalog;
}

# An operator's function is shown with its arguments or without, depending on
# whether another one has the name.
sub without_arguments
{
	return map { s/function=(\w+)\([^)]*\) /function=$1 /r } @_;
}

make_database('fresh', 'CREATE EXTENSION vector');
my @fresh = catalog_facts($node, 'fresh');
my $version = $node->safe_psql('fresh', q{SELECT extversion FROM pg_extension WHERE extname = 'vector'});
my %seen;
foreach my $release (@releases)
{
	my @surface = release_surface($release);
	# the scripts of releases with one catalog differ in the version's name only
	next if $seen{ join "\n", @surface }++;
	my $db = 'pgvector_' . $release =~ tr/./_/r;

	make_database($db, "CREATE EXTENSION vector VERSION '$release'");
	is_same_catalog([ without_arguments(catalog_surface($node, $db)) ], [ without_arguments(@surface) ], "$release: the catalog is that of pgvector");
	is( $node->safe_psql($db, q{
			SELECT count(*) FILTER (WHERE procost <> 1 OR prosupport <> 0), count(*) FILTER (WHERE proisstrict) > 20
			FROM pg_proc JOIN pg_depend ON objid = pg_proc.oid AND classid = 'pg_proc'::regclass AND deptype = 'e' WHERE probin LIKE '%vector';
			SELECT count(*) FROM pg_type WHERE typname IN ('vector', 'halfvec', 'sparsevec') AND typanalyze <> 0;
			SELECT count(*) FROM pg_operator WHERE oprname = '=' AND oprleft = 'vector'::regtype AND (oprcanhash OR oprcanmerge);
			SELECT string_agg(DISTINCT classid::regclass::text, ' ' ORDER BY classid::regclass::text) FROM pg_depend
			WHERE deptype = 'e' AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'vector')}),
		"0|t\n0\n0\npg_am pg_cast pg_opclass pg_operator pg_opfamily pg_proc pg_type", "$release: and its properties");
	$node->safe_psql($db, 'ALTER EXTENSION vector UPDATE', extra_params => [ '-U', 'tenant' ]);
	is_same_catalog([ catalog_facts($node, $db) ], \@fresh, "$release: after the update, the catalog is that of a new installation");
}
cmp_ok(scalar keys %seen, '==', 5, 'five catalogs');

# The way back stops where something is used that pgvector does not have, and
# then nothing has changed.
make_database('held', 'CREATE EXTENSION vector');
foreach my $use (
	[ 'a filter column', 'CREATE TABLE t (v vector(3), k int); CREATE INDEX ON t USING hnsw (v vector_l2_ops, k)', 'DROP TABLE t', '0.8.6' ],
	map({ [ "an index by $_->[0]", "CREATE TABLE t (v $_->[1](3)); CREATE INDEX ON t USING $_->[0] (v $_->[1]_$_->[2]_ops)", 'DROP TABLE t', '0.8.6' ] }
		[ 'ivfpq', 'vector', 'l2' ], [ 'ivfrabitq', 'vector', 'l2' ], [ 'flat', 'halfvec', 'cosine' ], [ 'sparse_inverted', 'sparsevec', 'ip' ]),
	[ 'a type', 'CREATE TABLE t (s sphere_vector)', 'DROP TABLE t', '0.8.6' ],
	[ 'an operator', q{CREATE VIEW t AS SELECT '[1,2]'::vector <<->> sphere('[1,2]'::vector, 1)}, 'DROP VIEW t', '0.8.6' ],
	[ 'a function', 'CREATE VIEW t AS SELECT * FROM vector_last_scan()', 'DROP VIEW t', '0.8.6' ],
	[ 'a cast', q{CREATE VIEW t AS SELECT '{1,2}'::bigint[]::vector}, 'DROP VIEW t', '0.8.6' ],
	[ 'a hash index', 'CREATE TABLE t (v vector(3)); CREATE INDEX ON t USING hash (v)', 'DROP TABLE t', '0.8.6' ],
	[ 'a type that came later', 'CREATE TABLE t (h halfvec(3))', 'DROP TABLE t', '0.6.2' ],
	[ 'an array of a type that came later', 'CREATE TABLE t (h sparsevec[])', 'DROP TABLE t', '0.5.1' ])
{
	my ($name, $make, $away, $release) = @$use;
	my ($rc, $out, $err);

	$node->safe_psql('held', $make);
	($rc, $out, $err) = $node->psql('held', "ALTER EXTENSION vector UPDATE TO '$release'");
	like($err, qr/depend/, "the way back says what is in use: $name");
	$node->safe_psql('held', $away);
}
is_same_catalog([ catalog_facts($node, 'held') ], \@fresh, 'nothing has changed');
$node->safe_psql('held', "ALTER EXTENSION vector UPDATE TO '0.8.6'", extra_params => [ '-U', 'tenant' ]);
is($node->safe_psql('held', q{SELECT extversion FROM pg_extension WHERE extname = 'vector'}), '0.8.6', 'nor is anything in the way when it is gone');

# Indexes of pgvector: refused by whatever reads or writes them, rebuilt by the
# list. A metapage is made to begin as pgvector's does.
make_database('paged', "CREATE EXTENSION vector VERSION '0.8.6'", q{
	CREATE TABLE items (id int PRIMARY KEY, v vector(3), h halfvec(3));
	INSERT INTO items SELECT i, ARRAY[sin(i), cos(i * 1.7), sin(i * 0.3)]::real[]::vector, ARRAY[sin(i), cos(i * 1.7), sin(i * 0.3)]::real[]::halfvec FROM generate_series(1, 500) i;
	CREATE TABLE parts (id int, v vector(3)) PARTITION BY RANGE (id);
	CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100);
	INSERT INTO parts SELECT id, v FROM items WHERE id < 100;
	CREATE INDEX of_hnsw ON items USING hnsw (v vector_l2_ops);
	CREATE INDEX of_ivfflat ON items USING ivfflat (h halfvec_l2_ops) WITH (lists = 4);
	CREATE INDEX "of Parts" ON parts USING hnsw (v vector_cosine_ops);
	CREATE INDEX of_btree ON items (v);});
my %magic = (of_hnsw => 0xA953A953, of_ivfflat => 0x14FF1A7, parts_1_v_idx => 0xA953A953);
my %path = map { $_ => $node->data_dir . '/' . $node->safe_psql('paged', "SELECT pg_relation_filepath('$_')") } keys %magic;
$node->stop;
foreach my $index (sort keys %magic)
{
	open my $file, '+<:raw', $path{$index} or die "$path{$index}: $!";
	seek $file, 24, 0;
	print $file pack('L', $magic{$index});
	close $file;
}
$node->start;

my $exact = q{
	SET enable_indexscan = off; SET vector.enable_exact_scan = off; SET ivfflat.probes = 100;
	SELECT array_agg(id) FROM (SELECT id FROM items ORDER BY v <-> '[0.3,-1,0.2]' LIMIT 10) q;
	SELECT array_agg(id) FROM (SELECT id FROM items ORDER BY h <-> '[0.3,-1,0.2]' LIMIT 10) q;
	SELECT array_agg(id) FROM (SELECT id FROM parts ORDER BY v <=> '[0.3,-1,0.2]' LIMIT 10) q;
	SELECT md5(string_agg(items::text, ';' ORDER BY id)) FROM items;};
my $by_index = $exact =~ s/enable_indexscan = off/enable_seqscan = off/r;
my $answers = $node->safe_psql('paged', $exact);
like($answers, qr/^(\{\d+(,\d+){9}\}\n){3}\w{32}$/, 'exact search works with the indexes of pgvector');

# Each of these errors comes with the hint.
my $refused = qr/ERROR:  index "\w+" was built by pgvector\n.*HINT:  Use REINDEX to rebuild the index\./s;

sub refuses
{
	my ($server, $db, $sql, $name) = @_;
	my ($rc, $out, $err) = $server->psql($db, $sql, on_error_stop => 1);

	like($err, $refused, $name);
}

sub refuses_all
{
	my ($server, $db) = @_;

	refuses($server, $db, q{SET enable_seqscan = off; SET vector.enable_exact_scan = off; SELECT id FROM items ORDER BY v <-> '[1,2,3]' LIMIT 3}, 'search by hnsw is refused');
	refuses($server, $db, q{SET enable_seqscan = off; SET vector.enable_exact_scan = off; SELECT id FROM items ORDER BY h <-> '[1,2,3]' LIMIT 3}, 'search by ivfflat is refused')
	  if $server->safe_psql($db, q{SELECT count(*) FROM pg_attribute WHERE attrelid = 'items'::regclass AND attname = 'h'});
	refuses($server, $db, q{INSERT INTO items (id, v) VALUES (1000, '[1,2,3]')}, 'INSERT is refused');
	refuses($server, $db, q{UPDATE items SET v = '[1,2,3]' WHERE id = 5}, 'UPDATE is refused');
	refuses($server, $db, q{COPY items (id, v) FROM PROGRAM 'echo "1000	[1,2,3]"'}, 'COPY is refused');
	$server->safe_psql($db, 'DELETE FROM items WHERE id = 499');
	refuses($server, $db, 'VACUUM items', 'VACUUM is refused');
}
refuses_all($node, 'paged');
unlike($node->safe_psql('paged', $exact), qr/1000/, 'no row has come of that');
is($node->safe_psql('paged', q{SELECT count(*) FROM items}), '499', 'and none has gone');

# In a database of pgvector's catalog a plain REINDEX does it; the update brings the list.
$node->safe_psql('paged', 'ALTER EXTENSION vector UPDATE');
is( $node->safe_psql('paged', q{SELECT index, "table", size > 0, reason FROM vector_reindex_list() ORDER BY index::text}),
	qq{of_hnsw|items|t|index "of_hnsw" was built by pgvector\nof_ivfflat|items|t|index "of_ivfflat" was built by pgvector\nparts_1_v_idx|parts_1|t|index "parts_1_v_idx" was built by pgvector},
	'the list has all indexes that cannot be used');
my ($rc, $out, $err) = $node->psql('paged', q{SELECT format('REINDEX INDEX CONCURRENTLY %s', index) FROM vector_reindex_list() WHERE index::text <> 'of_ivfflat' \gexec});
is($rc, 0, 'rebuilt beside writers, by \gexec') or diag($err);
is($node->safe_psql('paged', 'SELECT index FROM vector_reindex_list()'), 'of_ivfflat', 'one is left');
($rc, $out, $err) = $node->psql('paged', 'CALL vector_reindex()', extra_params => [ '-U', 'tenant' ]);
like($err, qr/NOTICE:  rebuilding index public\.of_ivfflat \(1 of 1\)/, 'the procedure says what it does');
is($node->safe_psql('paged', 'SELECT count(*) FROM vector_reindex_list()'), '0', 'and rebuilds what is left');
is($node->safe_psql('paged', $by_index), $node->safe_psql('paged', $exact), 'search by index gives what exact search gave');
$node->safe_psql('paged', q{INSERT INTO items (id, v, h) VALUES (1000, '[9,9,9]', '[9,9,9]'); VACUUM items});
is($node->safe_psql('paged', q{SET enable_seqscan = off; SET vector.enable_exact_scan = off; SELECT id FROM items ORDER BY v <-> '[9,9,9]' LIMIT 1}), '1000', 'and rows can be written');
like(($node->psql('paged', q{SELECT vector_index_problem('of_btree')}))[2], qr/is not one of this extension's access methods/, 'other indexes are none of its business');
# each access method of the extension, with an index on each kind of operator class
$node->safe_psql('fresh', q{
	CREATE TABLE each (v vector(3), h halfvec(3), s sparsevec(3), b bit(3), "v[]" vector(3)[], "h[]" halfvec(3)[]);
	INSERT INTO each SELECT x, x, x::sparsevec, '101', ARRAY[x], ARRAY[x]::halfvec[] FROM generate_series(1, 20) i, LATERAL (SELECT ARRAY[sin(i), cos(i), i]::vector AS x) v;
	DO $$
	DECLARE class record;
	BEGIN
		FOR class IN SELECT opcname, amname, regexp_replace(opcintype::regtype::text, '^(.)\w*', '\1') AS value FROM pg_opclass JOIN pg_am a ON a.oid = opcmethod
			WHERE opcname ~ '^(vector|halfvec|sparsevec|bit)_.*_ops$' AND amname NOT IN ('btree', 'hash')
		LOOP
			EXECUTE format('CREATE INDEX ON each USING %I (%I %I)', class.amname, class.value, class.opcname);
		END LOOP;
	END $$});
is( $node->safe_psql('fresh', q{
		SELECT count(DISTINCT a.oid) - count(DISTINCT c.relam) FROM pg_depend d JOIN pg_am a ON a.oid = d.objid AND d.classid = 'pg_am'::regclass AND d.deptype = 'e'
			LEFT JOIN pg_class c ON c.relam = a.oid AND c.relkind = 'i';
		SELECT count(*) FROM vector_reindex_list()}), "0\n0", 'all access methods have an index, and none is listed');
# an index that a failed build has left
$node->psql('paged', q{CREATE INDEX CONCURRENTLY invalid ON items USING hnsw ((v::vector(2)) vector_l2_ops)});
is($node->safe_psql('paged', 'SELECT index, reason FROM vector_reindex_list()'), 'invalid|index is not valid', 'an index that is not valid is listed');
$node->safe_psql('paged', 'DROP INDEX invalid');

# In a schema that is not on the path, and with a damaged index
make_database('elsewhere');
$node->safe_psql('elsewhere', q{
	CREATE SCHEMA "My Vectors"; CREATE EXTENSION vector SCHEMA "My Vectors" VERSION '0.5.0'; ALTER EXTENSION vector UPDATE;
	CREATE TABLE items (id int, v "My Vectors".vector(3));
	INSERT INTO items VALUES (1, '[1,2,3]'), (2, '[4,5,6]');
	CREATE INDEX "An Index" ON items USING hnsw (v "My Vectors".vector_l2_ops);});
my $damaged = $node->data_dir . '/' . $node->safe_psql('elsewhere', q{SELECT pg_relation_filepath('"An Index"')});
$node->stop;
open my $file, '+<:raw', $damaged or die "$damaged: $!";
print $file "\xff" x 8192;
close $file;
$node->start;
like($node->safe_psql('elsewhere', 'SELECT index, reason FROM "My Vectors".vector_reindex_list()'), qr/^"An Index"\|invalid page in block 0/, 'a damaged index is listed');
# what a user could put in the way
$node->safe_psql('elsewhere', q{
	CREATE SCHEMA evil;
	CREATE FUNCTION evil.pg_has_role(oid, text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE 'caught'; END$$;
	CREATE FUNCTION evil.format(text, name, name) RETURNS text LANGUAGE plpgsql AS $$BEGIN RAISE 'caught'; END$$;
	CREATE FUNCTION evil.vector_reindex_list(OUT index regclass, OUT size bigint) RETURNS SETOF record LANGUAGE plpgsql AS $$BEGIN RAISE 'caught'; END$$;});
($rc, $out, $err) = $node->psql('elsewhere', 'SET search_path = evil, pg_catalog; CALL "My Vectors".vector_reindex()', on_error_stop => 1);
like($err, qr/NOTICE:  rebuilding index public\."An Index" \(1 of 1\)/m, 'and rebuilt from there, whatever the path') or diag($err);
is($node->safe_psql('elsewhere', 'SELECT count(*) FROM "My Vectors".vector_reindex_list()'), '0', 'none is left');

$node->stop;

# The same with a database that pgvector has made.
my $ours = $node->config_data('--bindir');
my $theirs = $ENV{PGVECTOR_BINDIR} // ($ours =~ m{^.*/root(/.+)$} ? $1 : '');
my $control = -x "$theirs/pg_config" ? `"$theirs/pg_config" --sharedir` : '';
chomp $control;
$control .= '/extension/vector.control';
my ($release) = -f $control ? slurp_file($control) =~ /^default_version = '(0\.\d+\.\d+)'/m : ();

SKIP:
{
	skip "no pgvector beside the server in $theirs, so no database of a real one moves in", 1 if !$release;

	my $there = PostgreSQL::Test::Cluster->new('theirs', install_path => $theirs =~ s{/bin$}{}r);
	$there->init;
	$there->append_conf('postgresql.conf', 'autovacuum = off');
	$there->start;
	note "pgvector $release";

	# Stop the server, and start it with the other installation.
	my $swap = sub {
		$there->stop;
		$there->{_install_path} = $_[0] =~ s{/bin$}{}r;
		$there->start;
	};
	# always by the same program; without its random key, and the extension's comment
	my $dump = sub {
		my ($out, $err) = run_command([ "$theirs/pg_dump", '--no-sync', '-d', $there->connstr($_[0]) ]);
		return $out =~ s/^\\(un)?restrict .*\n//mgr =~ s/^COMMENT ON EXTENSION vector .*\n//mr . $err;
	};

	$there->safe_psql('postgres', 'CREATE DATABASE fresh');
	$there->safe_psql('fresh', 'CREATE EXTENSION vector');
	my @pgvector = catalog_facts($there, 'fresh');
	is_same_catalog([ without_arguments(catalog_surface($there, 'fresh')) ], [ without_arguments(release_surface($release)) ], "the catalog of pgvector $release");

	# Everything that a database may have of it
	$there->safe_psql('postgres', 'CREATE DATABASE app');
	$there->safe_psql('app', q{
		CREATE EXTENSION vector;
		CREATE TABLE items (id int PRIMARY KEY, kind int, v vector(3), w vector, list vector(3)[], preset vector(3) DEFAULT '[1,2,3]',
			sum vector(3) GENERATED ALWAYS AS (v + '[1,1,1]') STORED, norm float8 GENERATED ALWAYS AS (round(vector_norm(v)::numeric, 4)) STORED,
			CHECK (vector_dims(v) = 3), CHECK (v <> '[0,0,0]'));
		INSERT INTO items SELECT i, i % 7, ARRAY[sin(i), cos(i * 1.7), sin(i * 0.3)]::real[]::vector,
			ARRAY[cos(i), sin(i * 1.7), i]::real[]::vector, ARRAY[ARRAY[sin(i), 1, 2]::real[]::vector, NULL] FROM generate_series(1, 500) i;
		INSERT INTO items VALUES (501, NULL, NULL, '[1e-45,3e38,-0]');});
	$there->safe_psql('app', q{
		CREATE DOMAIN embedding AS vector(3) CHECK (vector_norm(VALUE) < 100);
		CREATE TYPE pair AS (a vector(3), b vector);
		CREATE TABLE others (id int, e embedding, p pair, v vector(3));
		ALTER TABLE others ALTER v SET STORAGE PLAIN;
		INSERT INTO others SELECT id, v, ROW(v, w)::pair, v FROM items WHERE id < 50;
		CREATE TABLE parts (id int, v vector(3)) PARTITION BY RANGE (id);
		CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100);
		CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (100) TO (1000);
		INSERT INTO parts SELECT id, v FROM items;
		CREATE VIEW near AS SELECT id, round((v <-> '[1,2,3]')::numeric, 4) AS l2, round((v <#> '[1,2,3]')::numeric, 4) AS ip, round((v <=> '[1,2,3]')::numeric, 4) AS cosine,
			v + v AS plus, v - '[1,1,1]' AS minus, v < '[1,2,3]' AS less FROM items ORDER BY v <-> '[1,2,3]' LIMIT 5;
		CREATE MATERIALIZED VIEW means AS SELECT kind, avg(v) AS mean, sum(v) AS total, count(DISTINCT v) AS n FROM items GROUP BY kind;
		CREATE FUNCTION nearest(q vector) RETURNS SETOF int LANGUAGE sql STABLE BEGIN ATOMIC SELECT id FROM items ORDER BY v <-> q, id LIMIT 3; END;
		CREATE FUNCTION norm_of(q vector) RETURNS numeric LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN round(vector_norm(q)::numeric, 4); END$$;
		CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;
		CREATE TRIGGER touched BEFORE UPDATE ON items FOR EACH ROW WHEN (OLD.v <-> NEW.v > 1) EXECUTE FUNCTION touched();
		CREATE POLICY close ON others USING (v <-> '[0,0,0]' < 100);
		CREATE STATISTICS of_items (ndistinct, dependencies) ON kind, v FROM items;
		CREATE STATISTICS of_norm ON (vector_norm(v)) FROM items;
		CREATE INDEX items_l2 ON items USING hnsw (v vector_l2_ops);
		CREATE INDEX items_ip ON items USING hnsw (v vector_ip_ops) WITH (m = 8, ef_construction = 40);
		CREATE INDEX items_partial ON items USING hnsw (v vector_cosine_ops) WHERE kind = 1;
		CREATE INDEX items_expression ON items USING hnsw ((w::vector(3)) vector_l2_ops);
		CREATE INDEX lists_l2 ON items USING ivfflat (v vector_l2_ops) WITH (lists = 5);
		CREATE INDEX lists_ip ON items USING ivfflat (v vector_ip_ops) WITH (lists = 5);
		CREATE INDEX lists_cosine ON items USING ivfflat (v vector_cosine_ops) WITH (lists = 5);
		CREATE INDEX ON parts USING hnsw (v vector_l2_ops);
		CREATE UNIQUE INDEX ON items (v, id);
		CREATE INDEX ON items (vector_norm(v)) WHERE v > '[0,0,0]';
		ANALYZE;
		ALTER DATABASE app SET hnsw.ef_search = 200;
		ALTER DATABASE app SET ivfflat.probes = 5;});
	my $halfvec = !newer('0.7.0', $release);
	$there->safe_psql('app', q{
		CREATE TABLE more (id int PRIMARY KEY, v vector(3), h halfvec(3), s sparsevec(10), b bit(8), hs halfvec(3)[]);
		INSERT INTO more SELECT id, v, v, format('{%s:%s,10:%s}/10', 1 + id % 9, id / 8.0, -id)::sparsevec, (id % 256)::bit(8), ARRAY[v::halfvec(3)] FROM items WHERE v IS NOT NULL;
		CREATE VIEW kinds AS SELECT id, round((h <+> '[1,2,3]')::numeric, 3) AS h, round((s <-> '{1:1}/10')::numeric, 3) AS s, b <~> '10101010' AS hamming, round((b <%> '10101010')::numeric, 4) AS jaccard,
			binary_quantize(v) AS bits, subvector(v, 1, 2) AS part, l2_normalize(h) AS unit, h::vector AS cast_h, s::vector AS cast_s, h || h AS both, h * h AS times FROM more WHERE id < 60;
		CREATE MATERIALIZED VIEW half_means AS SELECT avg(h) AS mean, sum(h) AS total FROM more WHERE id < 10;
		CREATE INDEX ON more USING hnsw (v vector_l1_ops);
		CREATE INDEX ON more USING hnsw (h halfvec_l2_ops);
		CREATE INDEX ON more USING hnsw (h halfvec_ip_ops);
		CREATE INDEX ON more USING hnsw (h halfvec_cosine_ops);
		CREATE INDEX ON more USING hnsw (h halfvec_l1_ops);
		CREATE INDEX ON more USING hnsw (s sparsevec_l2_ops);
		CREATE INDEX ON more USING hnsw (s sparsevec_ip_ops);
		CREATE INDEX ON more USING hnsw (s sparsevec_cosine_ops);
		CREATE INDEX ON more USING hnsw (s sparsevec_l1_ops);
		CREATE INDEX ON more USING hnsw (b bit_hamming_ops);
		CREATE INDEX ON more USING hnsw (b bit_jaccard_ops);
		CREATE INDEX ON more USING hnsw ((v::halfvec(3)) halfvec_l2_ops);
		CREATE INDEX ON more USING hnsw ((binary_quantize(v)::bit(3)) bit_hamming_ops);
		CREATE INDEX ON more USING hnsw ((subvector(v, 1, 2)::vector(2)) vector_l2_ops);
		CREATE INDEX ON more USING ivfflat (h halfvec_l2_ops) WITH (lists = 3);
		CREATE INDEX ON more USING ivfflat (h halfvec_ip_ops) WITH (lists = 3);
		CREATE INDEX ON more USING ivfflat (h halfvec_cosine_ops) WITH (lists = 3);
		CREATE INDEX ON more USING ivfflat (b bit_hamming_ops) WITH (lists = 3);
		CREATE INDEX ON more (h, s);
		ANALYZE more;}) if $halfvec;

	# What the database says: values in binary form, views, functions, and searches
	# by each operator, exactly or by an index
	my $contents = q{
		SET enable_indexscan = off;
		SELECT md5(string_agg(concat_ws('|', id, vector_send(v), vector_send(w), pg_column_size(v), vector_send(preset), vector_send(sum)), ';' ORDER BY id)) FROM items;
		SELECT md5(string_agg(near::text, ';' ORDER BY id)) FROM near; SELECT md5(string_agg(means::text, ';' ORDER BY kind)) FROM means;
		SELECT array_agg(n) FROM nearest('[0.3,0.2,-1]') n; SELECT sum(norm_of(v)) FROM items;
		SELECT md5(string_agg(id::text, ',' ORDER BY v, id)) FROM items; SELECT count(*) FROM items a JOIN items b USING (v);};
	$contents .= q{
		SELECT md5(string_agg(concat_ws('|', id, halfvec_send(h), sparsevec_send(s), b, pg_column_size(h), pg_column_size(s)), ';' ORDER BY id)) FROM more;
		SELECT md5(string_agg(kinds::text, ';' ORDER BY id)) FROM kinds; SELECT md5(string_agg(half_means::text, ';')) FROM half_means;
		SELECT md5(string_agg(id::text, ',' ORDER BY h, id)) FROM more; SELECT md5(string_agg(id::text, ',' ORDER BY s, id)) FROM more;} if $halfvec;
	my @searches = map { "FROM items ORDER BY v $_ '[0.31,-1,0.2]'" } qw(<-> <=>);
	push @searches, q{FROM items WHERE kind = 1 ORDER BY v <=> '[0.31,-1,0.2]'}, q{FROM items ORDER BY w::vector(3) <-> '[0.3,0.5,100.2]'}, q{FROM parts ORDER BY v <-> '[0.31,-1,0.2]'};
	push @searches, (map { "FROM more ORDER BY h $_ '[0.31,-1,0.2]'" } qw(<-> <=> <+>)), (map { "FROM more ORDER BY s $_ '{3:7.1,10:-22.3}/10'" } ('<->', '<#>', '<+>')),
	  q{FROM more ORDER BY v <+> '[0.31,-1,0.2]'}, q{FROM more ORDER BY v::halfvec(3) <-> '[0.31,-1,0.2]'}, q{FROM more ORDER BY subvector(v, 1, 2)::vector(2) <-> '[0.31,-1]'} if $halfvec;
	my $search = sub {
		return "SET enable_seqscan = $_[0]; SET enable_indexscan = $_[1]; SET hnsw.ef_search = 200; SET ivfflat.probes = 5;" . join('', map { "SELECT array_agg(id) FROM (SELECT id $_ LIMIT 10) q;" } @searches);
	};
	my $before = $there->safe_psql('app', $contents);
	my $exact_before = $there->safe_psql('app', $search->('on', 'off'));
	my $dumped = $dump->('app');
	$there->command_ok([ 'pg_dump', '-Fc', '--no-sync', '-f', $there->basedir . '/dump', 'app' ], 'a dump of pgvector');
	$there->safe_psql('postgres', 'CREATE DATABASE unchanged TEMPLATE app');

	# With our library and pgvector's catalog
	$swap->($ours);
	is($there->safe_psql('unchanged', $contents), $before, 'with the library swapped, all values and functions are the same');
	is($there->safe_psql('unchanged', $search->('on', 'off')), $exact_before, 'exact search gives the same');
	refuses_all($there, 'unchanged');
	$there->safe_psql('unchanged', 'REINDEX DATABASE unchanged');
	is($there->safe_psql('unchanged', $search->('off', 'on')), $there->safe_psql('unchanged', $search->('on', 'off')), 'indexes can be rebuilt before the update');

	# The update
	$there->safe_psql('app', 'ALTER EXTENSION vector UPDATE');
	$there->safe_psql('postgres', 'CREATE DATABASE new');
	$there->safe_psql('new', 'CREATE EXTENSION vector');
	my @new = catalog_facts($there, 'new');
	is_same_catalog([ catalog_facts($there, 'app') ], \@new, 'after the update, the catalog is that of a new installation');
	is($there->safe_psql('app', $contents), $before, 'all values, views and functions are the same');
	is($dump->('app'), $dumped, 'a dump says the same');
	is($there->safe_psql('app', $search->('on', 'off')), $exact_before, 'exact search gives the same after the update');
	my $indexes = $there->safe_psql('app', q{SELECT count(*) FROM pg_class JOIN pg_am a ON a.oid = relam WHERE relkind = 'i' AND amname IN ('hnsw', 'ivfflat')});
	is($there->safe_psql('app', 'SELECT count(*) FROM vector_reindex_list()'), $indexes, "the list has all $indexes indexes");
	my ($rc, $out, $err) = $there->psql('app', q{SELECT format('REINDEX INDEX CONCURRENTLY %s', index) FROM vector_reindex_list() WHERE size < 1000000000 AND index::text LIKE 'items%' \gexec
		CALL vector_reindex();}, on_error_stop => 1);
	is($rc, 0, 'the indexes are rebuilt') or diag($err);
	is($there->safe_psql('app', 'SELECT count(*) FROM vector_reindex_list()'), '0', 'all of them');
	is($there->safe_psql('app', $search->('off', 'on')), $exact_before, 'search by index gives the same');
	is($dump->('app'), $dumped, 'a dump says the same still');
	$there->safe_psql('app', q{BEGIN; INSERT INTO items (id, v, kind) VALUES (1000, '[9,9,9]', 1); UPDATE items SET v = v WHERE id < 10; ROLLBACK; VACUUM});

	# A dump of pgvector, restored by several processes
	$there->safe_psql('postgres', 'CREATE DATABASE restored');
	$there->command_ok([ 'pg_restore', '--exit-on-error', '-j', 2, '-d', 'restored', $there->basedir . '/dump' ], 'pg_restore -j');
	$there->safe_psql('postgres', 'ALTER DATABASE restored SET hnsw.ef_search = 200; ALTER DATABASE restored SET ivfflat.probes = 5');
	is($there->safe_psql('restored', $contents), $before, 'the restored database has the same values');
	is($there->safe_psql('restored', $search->('off', 'on')), $exact_before, 'and answers');
	is($dump->('restored'), $dumped, 'and is dumped the same');

	# And back
	$there->safe_psql('app', "ALTER EXTENSION vector UPDATE TO '$release'");
	$swap->($theirs);
	is_same_catalog([ catalog_facts($there, 'app') ], \@pgvector, "on the way back, the catalog is that of pgvector $release");
	is($dump->('app'), $dumped, 'the dump says the same');
	like(($there->psql('app', q{SET enable_seqscan = off; SELECT id FROM items ORDER BY v <-> '[1,2,3]' LIMIT 3}))[2], qr/ERROR/, 'pgvector refuses our indexes');
	$there->safe_psql('app', 'REINDEX DATABASE app');
	is($there->safe_psql('app', $contents), $before, 'all values are the same in pgvector');
	is($there->safe_psql('app', $search->('on', 'off')), $exact_before, 'exact search gives the same');
	is($there->safe_psql('app', $search->('off', 'on')), $exact_before, 'so do rebuilt indexes');
	$there->safe_psql('app', q{INSERT INTO items (id, v, kind) VALUES (1000, '[9,9,9]', 1)});
	$there->stop;
}

done_testing();
