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
	[ 'an access method', 'CREATE TABLE t (v vector(3)); CREATE INDEX ON t USING ivfrabitq (v vector_l2_ops)', 'DROP TABLE t', '0.8.6' ],
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
	my ($db, $sql, $name) = @_;
	my ($rc, $out, $err) = $node->psql($db, $sql, on_error_stop => 1);

	like($err, $refused, $name);
}

sub refuses_all
{
	my ($db) = @_;

	refuses($db, q{SET enable_seqscan = off; SET vector.enable_exact_scan = off; SELECT id FROM items ORDER BY v <-> '[1,2,3]' LIMIT 3}, 'search by hnsw is refused');
	refuses($db, q{SET enable_seqscan = off; SET vector.enable_exact_scan = off; SELECT id FROM items ORDER BY h <-> '[1,2,3]' LIMIT 3}, 'search by ivfflat is refused')
	  if $node->safe_psql($db, q{SELECT count(*) FROM pg_attribute WHERE attrelid = 'items'::regclass AND attname = 'h'});
	refuses($db, q{INSERT INTO items (id, v) VALUES (1000, '[1,2,3]')}, 'INSERT is refused');
	refuses($db, q{UPDATE items SET v = '[1,2,3]' WHERE id = 5}, 'UPDATE is refused');
	refuses($db, q{COPY items (id, v) FROM PROGRAM 'echo "1000	[1,2,3]"'}, 'COPY is refused');
	$node->safe_psql($db, 'DELETE FROM items WHERE id = 499');
	refuses($db, 'VACUUM items', 'VACUUM is refused');
}
refuses_all('paged');
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
# an index that a failed build has left
$node->psql('paged', q{CREATE INDEX CONCURRENTLY invalid ON items USING hnsw ((v::vector(2)) vector_l2_ops)});
is($node->safe_psql('paged', 'SELECT index, reason FROM vector_reindex_list()'), 'invalid|index is not valid', 'an index that is not valid is listed');

$node->stop;
done_testing();
