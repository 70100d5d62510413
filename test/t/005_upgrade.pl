# A database made with version 1.0.0: the library of today serves it as it is,
# and after ALTER EXTENSION vector UPDATE its catalog is, object by object, that
# of a new installation.

use strict;
use warnings;

use Catalog;
use FindBin;
use IO::Uncompress::Gunzip;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('upgrade');
$node->init;
$node->start;
$node->safe_psql('postgres', $_) for 'CREATE ROLE tenant LOGIN', map { "CREATE DATABASE $_ OWNER tenant" } qw(old new);
my @as_tenant = (extra_params => [ '-U', 'tenant' ]);

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

my @fresh = catalog_facts($node, 'new');
cmp_ok(scalar @fresh, '>', 2000, 'the catalog was read');
is_same_catalog([ catalog_facts($node, 'old') ], \@fresh, 'the catalog is that of a new installation');

# An update is part of what a dump must not repeat: the dump says CREATE EXTENSION
# only, and the rows come back.
my $dir = PostgreSQL::Test::Utils::tempdir();
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/dump", 'old' ], 'dump');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', 'restored', "$dir/dump" ], 'restore');
my ($digest) = $before =~ /^([0-9a-f]{32})$/m;
is($node->safe_psql('restored', $queries) =~ /^([0-9a-f]{32})$/m ? $1 : '', $digest, 'rows are the same in a restored database');


# Index files that earlier versions have written (test/upgrade/VERSION): put in the
# place of those that this version makes of the same rows.
my $top = "$FindBin::Bin/../..";
my $indexes = slurp_file("$top/test/upgrade/indexes.sql");
my $kept_queries = q{
	SET enable_seqscan = off; SET vector.enable_exact_scan = off; SET hnsw.ef_search = 400; SET hnsw.iterative_scan = relaxed_order;
	SET ivfflat.probes = 4; SET ivfpq.probes = 4; SET ivfrabitq.probes = 4; SET ivfpq.rerank = 1000; SET ivfrabitq.rerank = 1000;
} . join '', map { my ($index, $query, $operator) = @$_;
	# the index's rows by their distance, which must be those that a sort gives
	"SELECT '$index', array_agg(round(d::numeric, 3)) FILTER (WHERE d IS NOT NULL) FROM (SELECT $operator AS d FROM kept $query ORDER BY $operator LIMIT 50) q;" }
  [ 'kept_hnsw', '', 'v <-> (SELECT v FROM kept WHERE id = 77)' ],
  [ 'kept_hnsw_ip', '', 'v <#> (SELECT v FROM kept WHERE id = 77)' ],
  [ 'kept_hnsw_filter', q{WHERE kind < 4 AND tags @> '{b2}'}, 'h <=> (SELECT h FROM kept WHERE id = 77)' ],
  [ 'kept_hnsw_sparse', '', 's <+> (SELECT s FROM kept WHERE id = 77)' ],
  [ 'kept_hnsw_bits', '', 'b <~> (SELECT b FROM kept WHERE id = 77)' ],
  [ 'kept_ivfflat', '', 'v <+> (SELECT v FROM kept WHERE id = 77)' ],
  [ 'kept_ivfflat_filter', q{WHERE kind < 4 AND tags && '{b2,b3}'}, 'h <-> (SELECT h FROM kept WHERE id = 77)' ],
  [ 'kept_ivfpq', '', 'h <#> (SELECT h FROM kept WHERE id = 77)' ],
  [ 'kept_ivfrabitq', 'WHERE kind = 3', 'v <=> (SELECT v FROM kept WHERE id = 77)' ];
my $sorted_queries = $kept_queries =~ s/enable_seqscan = off/enable_indexscan = off/r;

foreach my $release (map { m{/(\d+\.\d+\.\d+)$} ? $1 : () } glob("$top/test/upgrade/*"))
{
	SKIP:
	{
		skip "index files of $release are of another machine", 1
		  if unpack('L', pack('N', 1)) == 1 || $node->safe_psql('postgres', 'SHOW block_size') != 8192;

		my $db = 'kept_' . $release =~ tr/./_/r;
		$node->safe_psql('postgres', "CREATE DATABASE $db");
		$node->safe_psql($db, "CREATE EXTENSION vector VERSION '$release'");
		$node->safe_psql($db, $indexes);
		my %file = map { m{/([^/]+)\.gz$} ? ($1 => $_) : () } glob("$top/test/upgrade/$release/*.gz");
		my %path = map { $_ => $node->data_dir . '/' . $node->safe_psql($db, "SELECT pg_relation_filepath('$_')") } keys %file;
		cmp_ok(scalar keys %file, '>=', 9, "there are index files of $release");
		$node->stop;
		foreach my $index (sort keys %file)
		{
			my $pages;

			IO::Uncompress::Gunzip::gunzip($file{$index} => \$pages) or die "$file{$index}: $IO::Uncompress::Gunzip::GunzipError";
			# positions in another server's WAL
			substr($pages, 8192 * $_, 8) = "\0" x 8 for 0 .. length($pages) / 8192 - 1;
			open my $file, '>:raw', $path{$index} or die "$path{$index}: $!";
			print $file $pages;
			close $file;
		}
		$node->start;

		my $sorted = $node->safe_psql($db, $sorted_queries);
		is($node->safe_psql($db, $kept_queries), $sorted, "indexes of $release give what a sort gives");
		$node->safe_psql($db, 'ALTER EXTENSION vector UPDATE');
		is($node->safe_psql($db, 'SELECT * FROM vector_reindex_list()'), '', 'none of them has to be rebuilt');
		is($node->safe_psql($db, $kept_queries), $sorted, 'they do so after the update');
		$node->safe_psql($db, q{
			INSERT INTO kept SELECT 2000 + id, kind, tags, v, h, s, b FROM kept WHERE id % 3 = 0 AND id < 1000;
			DELETE FROM kept WHERE id % 4 = 0;
			VACUUM kept;
			INSERT INTO kept SELECT 3000 + id, kind, tags, v, h, s, b FROM kept WHERE id % 5 = 0 AND id < 1000;});
		is($node->safe_psql($db, $kept_queries), $node->safe_psql($db, $sorted_queries), 'and after writes and a vacuum');
		like($node->safe_psql($db, 'SET enable_seqscan = off; SET vector.enable_exact_scan = off;' . join '', map { "EXPLAIN (COSTS OFF) SELECT FROM kept $_ LIMIT 50;" }
				'ORDER BY v <-> (SELECT v FROM kept WHERE id = 77)', q{WHERE kind < 4 AND tags @> '{b2}' ORDER BY h <=> '[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]'}),
			qr/kept_hnsw .*kept_hnsw_filter /s, 'by these indexes');
	}
}

$node->stop;
done_testing();
