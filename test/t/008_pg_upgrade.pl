# pg_upgrade from an older server with this extension: index files are taken over
# as they are. OLD_BINDIR names that server's programs; tools/versions.sh sets it
# where both are on one machine.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $old_bindir = $ENV{OLD_BINDIR};
plan skip_all => 'no older server with this extension: OLD_BINDIR is not set' if !$old_bindir;

my @initdb = ('--locale=C', '--encoding=UTF8');
my $old = PostgreSQL::Test::Cluster->new('old', install_path => $old_bindir =~ s{/bin$}{}r);
$old->init(extra => \@initdb);
$old->start;
$old->safe_psql('postgres', q{
	CREATE EXTENSION vector;
	CREATE TABLE items (id int PRIMARY KEY, kind int, v vector(24), h halfvec(24), s sparsevec(1000), b bit(5), n float8 GENERATED ALWAYS AS (vector_norm(v)) STORED);
	INSERT INTO items (id, kind, v, h, s, b)
		SELECT i, i % 7, x, x, format('{%s:%s,1000:%s}/1000', 1 + i % 99, 1.0 / i, -i)::sparsevec, (i % 32)::bit(5)
		FROM generate_series(1, 600) i, LATERAL (SELECT array_agg(sin(i * j * 0.7) + cos(i * j * j))::vector AS x FROM generate_series(1, 24) j) v;
	CREATE INDEX items_hnsw ON items USING hnsw (v vector_l2_ops);
	CREATE INDEX items_hnsw_filter ON items USING hnsw (h halfvec_cosine_ops, kind) WITH (quantizer = rabitq4);
	CREATE INDEX items_sparse ON items USING hnsw (s sparsevec_ip_ops);
	CREATE INDEX items_bits ON items USING hnsw (b bit_hamming_ops);
	CREATE INDEX items_flat ON items USING ivfflat (v vector_ip_ops, kind) WITH (lists = 5);
	CREATE INDEX items_pq ON items USING ivfpq (h halfvec_l2_ops, kind) WITH (lists = 5);
	CREATE INDEX items_rabitq ON items USING ivfrabitq (v vector_cosine_ops, kind) WITH (lists = 5);
	CREATE INDEX items_btree ON items (v);
	CREATE INDEX items_hash ON items USING hash (h);
	CREATE VIEW near AS SELECT id, v <-> (SELECT v FROM items WHERE id = 5) AS d FROM items ORDER BY d LIMIT 5;
	INSERT INTO items (id, kind, v, h) SELECT 1000 + id, kind, v, h FROM items WHERE id % 50 = 0;
	DELETE FROM items WHERE id % 60 = 0;
	VACUUM ANALYZE items;});

my $queries = q{
	SET enable_seqscan = off; SET vector.enable_exact_scan = off; SET hnsw.ef_search = 600;
	SET ivfflat.probes = 5; SET ivfpq.probes = 5; SET ivfrabitq.probes = 5;
} . join '', map { my ($index, $query) = @$_; "SELECT '$index', array_agg(id) FROM (SELECT id FROM items $query LIMIT 10) q;" }
  [ 'items_hnsw', 'ORDER BY v <-> (SELECT v FROM items WHERE id = 77)' ],
  [ 'items_hnsw_filter', 'WHERE kind = 3 ORDER BY h <=> (SELECT h FROM items WHERE id = 77)' ],
  [ 'items_sparse', q{ORDER BY s <#> '{1:1,1000:1}/1000'} ],
  [ 'items_flat', 'WHERE kind < 3 ORDER BY v <#> (SELECT v FROM items WHERE id = 77)' ],
  [ 'items_pq', 'WHERE kind IN (1, 2) ORDER BY h <-> (SELECT h FROM items WHERE id = 77)' ],
  [ 'items_rabitq', 'ORDER BY v <=> (SELECT v FROM items WHERE id = 77)' ];
$queries .= q{
	SELECT b <~> '10110' FROM items ORDER BY b <~> '10110' LIMIT 3;
	SELECT id FROM items WHERE v = (SELECT v FROM items WHERE id = 77); SELECT id FROM items WHERE h = (SELECT h FROM items WHERE id = 78);
	SELECT * FROM near; SELECT md5(string_agg(items::text, ';' ORDER BY id)) FROM items;};
my $before = $old->safe_psql('postgres', $queries);
unlike($before, qr/^$|\|$/m, 'all queries have answers');
# An option that some builds of PostgreSQL 15 give to attributes, and no other
# version takes.
$old->safe_psql('postgres', q{UPDATE pg_attribute SET attoptions = NULL WHERE attoptions::text LIKE '%pg_attver%'});
$old->stop;

my $new = PostgreSQL::Test::Cluster->new('new');
push @initdb, '--no-data-checksums' if $new->config_data('--version') =~ /^PostgreSQL (\d+)/ && $1 >= 18;
$new->init(extra => \@initdb);
chdir $PostgreSQL::Test::Utils::tmp_check or die $!;
command_ok([ $new->config_data('--bindir') . '/pg_upgrade', '-d', $old->data_dir, '-D', $new->data_dir, '-b', $old_bindir, '-B', $new->config_data('--bindir'),
		'-s', $new->host, '-p', $old->port, '-P', $new->port ], 'pg_upgrade ' . $old->config_data('--version') . ' to ' . $new->config_data('--version'))
  or diag(map { slurp_file($_) =~ /(.{0,1500})\z/s } glob($new->data_dir . '/pg_upgrade_output.d/*/log/pg_upgrade_dump_*.log'));
$new->start;
is($new->safe_psql('postgres', 'SELECT count(*) FROM vector_reindex_list()'), '0', 'no index has to be rebuilt');
is($new->safe_psql('postgres', $queries), $before, 'all queries have the same answers');
$new->safe_psql('postgres', q{
	INSERT INTO items (id, kind, v, h, s, b) SELECT 2000 + id, kind, v, h, s, b FROM items WHERE id % 7 = 0;
	DELETE FROM items WHERE id % 11 = 0;
	VACUUM ANALYZE items;});
my $exact = $queries =~ s/enable_seqscan = off; SET vector.enable_exact_scan = off/enable_indexscan = off/r;
my ($by_index, $sorted) = map { join "\n", grep { /^items_(hnsw|flat|rabitq|pq)\|/ } split /\n/, $new->safe_psql('postgres', $_) } $queries, $exact;
is($by_index =~ tr/\n//, 3, 'searches by index');
is(scalar(() = $by_index =~ /\d+,/g), scalar(() = $sorted =~ /\d+,/g), 'find as many rows as exact search, after writes and a vacuum');
my ($rc, $out, $err) = $new->psql('postgres', 'REINDEX DATABASE postgres', on_error_stop => 1);
is($rc, 0, 'and can be rebuilt') or diag($err);

$new->stop;
done_testing();
