# pg_upgrade from older servers with this extension, one after the other: index
# files are taken over as they are, and a dump of the oldest is restored by several
# processes into the newest. UPGRADE_BINDIRS has the folders of the older servers'
# programs, the oldest first, with colons between; make test-upgrade sets it, and
# tools/versions.sh.
use strict;
use warnings;

use Catalog;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'no older server with this extension: UPGRADE_BINDIRS is not set' if !$ENV{UPGRADE_BINDIRS};
chomp(my $own = `pg_config --bindir`);
my @bindirs = (split(/:/, $ENV{UPGRADE_BINDIRS}), $own);
my $rows = 300;

# A table for each index, so that it is the one that answers: type of the column x,
# value of row i, index, operator; what is ordered by in place of x; a condition.
my $vector = q{(SELECT array_agg(sin(i * j * 0.7) + cos(i * j * j))::vector(24) FROM generate_series(1, 24) j)};
my $array = q{ARRAY(SELECT array_agg(sin(i * j * w) + cos(w * j))::vector(8) FROM generate_series(1, 8) j, generate_series(1, 1 + i % 4) w GROUP BY w ORDER BY w)};
my $sparse = q{format('{%s:%s,%s:1.5,1000:%s}/1000', 1 + i % 99, 1 + i / 7.0, 100 + i % 50, i)};
my $bits = q{((i * 7919)::bit(32) || (i * i)::bit(32))};
my @kinds = (
	[ hnsw_l2 => 'vector(24)', $vector, 'hnsw (x vector_l2_ops)', '<->' ],
	[ hnsw_l1 => 'vector(24)', $vector, 'hnsw (x vector_l1_ops) WITH (m = 8)', '<+>' ],
	[ hnsw_ip => 'vector(24)', $vector, 'hnsw (x vector_ip_ops, kind) WITH (rerank = heap)', '<#>', where => 'kind < 5' ],
	[ hnsw_cosine => 'halfvec(24)', $vector, 'hnsw (x halfvec_cosine_ops, kind, title, tags, day) WITH (quantizer = rabitq4)', '<=>', where => q{kind = 3 OR tags @> '{b1}'} ],
	[ hnsw_sparse => 'sparsevec(1000)', $sparse, 'hnsw (x sparsevec_l2_ops)', '<->' ],
	[ hnsw_hamming => 'bit(64)', $bits, 'hnsw (x bit_hamming_ops)', '<~>' ],
	[ hnsw_jaccard => 'bit(64)', $bits, 'hnsw (x bit_jaccard_ops, day)', '<%>', where => q{day > '2024-02-01'} ],
	[ hnsw_expression => 'vector(24)', $vector, 'hnsw ((x::halfvec(24)) halfvec_l2_ops)', '<->', by => '(x::halfvec(24))' ],
	[ hnsw_partial => 'vector(24)', $vector, 'hnsw (x vector_l2_ops) WHERE kind < 3', '<->', where => 'kind < 3' ],
	[ hnsw_parts => 'vector(24)', $vector, 'hnsw (x vector_l2_ops, title)', '<->', partitions => 1, where => q{title > 'title 2'} ],
	[ flat_ip => 'vector(24)', $vector, 'ivfflat (x vector_ip_ops, kind) WITH (lists = 5)', '<#>', where => 'kind IN (1, 2)' ],
	[ flat_hamming => 'bit(64)', $bits, 'ivfflat (x bit_hamming_ops) WITH (lists = 5)', '<~>' ],
	[ flat_expression => 'vector(24)', $vector, 'ivfflat ((binary_quantize(x)::bit(24)) bit_hamming_ops) WITH (lists = 4)', '<~>', by => '(binary_quantize(x)::bit(24))' ],
	[ flat_maxsim => 'vector(8)[]', $array, 'ivfflat (x vector_maxsim_ops, kind) WITH (lists = 4)', '@#', where => 'kind <> 4' ],
	[ pq_l2 => 'halfvec(24)', $vector, 'ivfpq (x halfvec_l2_ops, kind) WITH (lists = 5, m = 6, opq = on)', '<->', where => 'kind > 2' ],
	[ pq_cosine => 'vector(24)', $vector, 'ivfpq (x vector_cosine_ops) WITH (lists = 5, nbits = 8, rerank = index)', '<=>' ],
	[ rabitq_cosine => 'vector(24)', $vector, 'ivfrabitq (x vector_cosine_ops, title) WITH (lists = 5)', '<=>', where => q{title < 'title 5'} ],
	[ rabitq_ip => 'halfvec(24)', $vector, 'ivfrabitq (x halfvec_ip_ops) WITH (lists = 5, bits = 4, rerank = index)', '<#>' ],
	[ rabitq_maxsim => 'halfvec(8)[]', $array, 'ivfrabitq (x halfvec_maxsim_ops) WITH (lists = 4)', '@#' ],
	[ rabitq_parts => 'vector(24)', $vector, 'ivfrabitq (x vector_l2_ops, kind) WITH (lists = 3)', '<->', partitions => 1 ],
	[ sparse_ip => 'sparsevec(1000)', $sparse, 'sparse_inverted (x sparsevec_ip_ops, kind)', '<#>', where => 'kind < 6' ],
	[ sparse_cosine => 'sparsevec(1000)', $sparse, 'sparse_inverted (x sparsevec_cosine_ops) WITH (weights = float4)', '<=>' ],
	[ exact_l2 => 'vector(24)', $vector, 'flat (x vector_l2_ops)', '<->' ],
	[ exact_ip => 'halfvec(24)', $vector, 'flat (x halfvec_ip_ops, kind, tags)', '<#>', where => q{kind < 5 AND tags @> '{a2}'} ],
	[ exact_cosine => 'vector(24)', $vector, 'flat (x vector_cosine_ops, title) WHERE kind < 6', '<=>', where => q{kind < 6 AND title > 'title 2'} ],
	[ exact_expression => 'vector(24)', $vector, 'flat ((x::halfvec(24)) halfvec_l2_ops)', '<->', by => '(x::halfvec(24))' ],
	[ exact_parts => 'vector(24)', $vector, 'flat (x vector_l2_ops, kind)', '<->', partitions => 1, where => 'kind > 1' ],
	[ btree => 'vector(24)', $vector, 'btree (x)', undef ],
	[ hash => 'halfvec(24)', $vector, 'hash (x)', undef ]);

sub new_rows
{
	my ($kind, $from, $to) = @_;
	my ($name, $type, $value) = @$kind;

	return qq{INSERT INTO $name SELECT i, i % 7, 'title ' || i % 9, ARRAY['a' || i % 3, 'b' || i % 5], '2024-01-01'::date + i % 100, ($value)::$type
		FROM generate_series($from, $to) i;\n};
}

sub create
{
	my ($kind) = @_;
	my ($name, $type, undef, $index, undef, %o) = @$kind;
	my $columns = qq{(id int, kind int, title text, tags text[], day date, x $type)};
	my $sql = "CREATE TABLE $name $columns" . ($o{partitions} ? " PARTITION BY RANGE (kind);\n" : ";\n");

	$sql .= "CREATE TABLE ${name}_low PARTITION OF $name FOR VALUES FROM (0) TO (4); CREATE TABLE ${name}_high PARTITION OF $name FOR VALUES FROM (4) TO (100);\n" if $o{partitions};
	return $sql . new_rows($kind, 1, $rows) . "CREATE INDEX ${name}_x ON $name USING $index;\n" . new_rows($kind, $rows + 1, $rows + 40);
}

my $all = join ' ', map({ "SET ivf$_.probes = 100;" } qw(flat pq rabitq)), map({ "SET ivf$_.rerank = 1000;" } qw(pq rabitq)),
  'SET hnsw.ef_search = 1000; SET jit = off;';
my $by_index = "$all SET enable_seqscan = off; SET enable_bitmapscan = off; SET vector.enable_exact_scan = off;\n";
my $exact = "$all SET enable_indexscan = off;\n";

# The nearest rows and their distances (or the rows that are equal), for each table.
# A sum of many products may differ in its last bits by the compiler's options.
sub queries
{
	my ($explain, @kinds) = @_;
	my $sql = '';

	foreach (@kinds)
	{
		my ($name, undef, undef, undef, $op, %o) = @$_;
		my $by = $o{by} // 'x';
		my $where = $o{where} // 'true';
		my $q = "(SELECT $by FROM $name WHERE id = 77)";
		$sql .= $explain if $explain;
		$sql .= $op ? "SELECT '$name', array_agg(d), array_agg(id) FROM (SELECT id, ($by $op $q)::numeric(20, 4) AS d FROM $name WHERE $where ORDER BY $by $op $q LIMIT 8) n;\n"
		  : "SELECT '$name', array_agg(id) FROM $name WHERE x = $q;\n";
	}
	return $sql;
}

# What must be the same before and after: answers by indexes, and all data
my $rest = q{
	SELECT 'bm25', array_agg(score ORDER BY score) FROM
		(SELECT (bm25 <#> (SELECT bm25_query('texts', 'green dragon')))::numeric(20, 4) AS score FROM texts ORDER BY bm25 <#> (SELECT bm25_query('texts', 'green dragon')) LIMIT 10) n WHERE score < 0;
	SELECT * FROM near;
	SELECT * FROM kept_near ORDER BY 1;
	SELECT id FROM areas WHERE '[1,2,3]'::vector <<->> area ORDER BY id;
	SELECT avg(x), sum(x) FROM hnsw_l2 WHERE id < 50;
};
my $data = join '', map({ "SELECT '$_->[0]', count(*), md5(string_agg(t::text, ';' ORDER BY id)) FROM $_->[0] t;\n" } @kinds),
  q{SELECT md5(string_agg(t::text, ';' ORDER BY id)) FROM texts t; SELECT md5(string_agg(t::text, ';' ORDER BY id)) FROM norms t; SELECT md5(string_agg(t::text, ';' ORDER BY id)) FROM areas t;};
# Every index of an access method of ours, and what its check says
my $check = q{
	SELECT count(*) FROM pg_class c JOIN pg_am a ON a.oid = relam WHERE relkind = 'i' AND amname IN ('hnsw', 'ivfflat', 'ivfpq', 'ivfrabitq', 'flat', 'sparse_inverted');
	SELECT c.oid::regclass, v.* FROM pg_class c JOIN pg_am a ON a.oid = relam, vector_index_check(c.oid, true) v
	WHERE relkind = 'i' AND amname IN ('hnsw', 'ivfflat', 'ivfpq', 'ivfrabitq', 'flat', 'sparse_inverted');
};

# Is each index sound, and is it what answers?
sub indexes_ok
{
	my ($node, $db, $when) = @_;
	my ($count, @violations) = split /\n/, $node->safe_psql($db, $check);

	cmp_ok($count, '>=', 32, "$when: $count indexes");
	is_deeply(\@violations, [], 'each is sound');
	my @ordered = grep { $_->[4] } @kinds;
	my $plans = $node->safe_psql($db, $by_index . queries('EXPLAIN (COSTS OFF) ', @ordered));
	is_deeply([ grep { my $name = $_->[0]; $plans !~ /Index Scan using ${name}(?:_\w+)?_x/ } @ordered ], [], 'each answers');
	my ($found, $sorted) = map { [ map { s/\|[^|]*$//r } split /\n/, $node->safe_psql($db, $_ . queries('', @ordered)) ] } $by_index, $exact;
	is_deeply($found, $sorted, 'as a sort does');
}

sub start_options { return ('--locale=C', '--encoding=UTF8', $_[0] >= 18 ? '--no-data-checksums' : ()) }

sub major_of { return `$_[0]/postgres --version` =~ /(\d+)/ ? $1 : die "no server in $_[0]" }

# A cluster of the server with these programs
sub cluster
{
	my ($bindir) = @_;
	my $node = PostgreSQL::Test::Cluster->new('pg' . major_of($bindir), install_path => $bindir =~ s{/bin$}{}r);

	$node->init(extra => [ start_options(major_of($bindir)) ]);
	$node->append_conf('postgresql.conf', 'fsync = off');
	return $node;
}

my $node = cluster($bindirs[0]);
$node->start;
my $first = major_of($bindirs[0]);
$node->safe_psql('postgres', 'CREATE EXTENSION vector;' . join('', map { create($_) } @kinds) . q{
	CREATE TABLE texts (id int PRIMARY KEY, body text);
	INSERT INTO texts SELECT i, 'the ' || (ARRAY['green', 'red', 'blue'])[1 + i % 3] || ' ' || (ARRAY['dragon', 'house', 'tree', 'boat'])[1 + i % 4] || repeat(' on a hill', i % 5) FROM generate_series(1, 200) i;
	SELECT bm25_setup('texts', ARRAY['body'], 'english');
	CREATE INDEX texts_x ON texts USING sparse_inverted (bm25 sparsevec_ip_ops);
	CREATE TABLE norms (id int PRIMARY KEY, v vector(24), h halfvec(24) DEFAULT array_fill(0.5::real, '{24}')::vector, n float8 GENERATED ALWAYS AS (vector_norm(v)) STORED, CHECK (v <> h::vector));
	INSERT INTO norms (id, v) SELECT id, x FROM hnsw_l2 WHERE id % 10 = 0;
	CREATE STATISTICS norms_s ON (v::halfvec(24)), id FROM norms;
	CREATE TABLE areas (id int PRIMARY KEY, area sphere_vector);
	INSERT INTO areas SELECT i, sphere(ARRAY[i, 2, 3]::vector, i) FROM generate_series(1, 5) i;
	CREATE VIEW near AS SELECT id, x <-> (SELECT x FROM hnsw_l2 WHERE id = 5) AS d FROM hnsw_l2 ORDER BY d LIMIT 5;
	CREATE MATERIALIZED VIEW kept_near AS SELECT id, x FROM hnsw_l2 WHERE id < 60;
	CREATE INDEX kept_near_x ON kept_near USING hnsw (x vector_l2_ops);
	DELETE FROM hnsw_l2 WHERE id % 60 = 0;
	DELETE FROM rabitq_ip WHERE id % 60 = 0;
	DELETE FROM exact_ip WHERE id % 60 = 0;
	VACUUM ANALYZE;});
# An extension in a schema of its own, and one that was not updated
$node->safe_psql('postgres', 'CREATE DATABASE elsewhere');
$node->safe_psql('postgres', 'CREATE DATABASE earlier');
my $small = q{
	CREATE TABLE small (id int PRIMARY KEY, v vector(3));
	INSERT INTO small SELECT i, ARRAY[i, i % 7, 1]::vector FROM generate_series(1, 200) i;
	CREATE INDEX small_hnsw ON small USING hnsw (v vector_l2_ops);
	CREATE INDEX small_rabitq ON small USING ivfrabitq (v vector_cosine_ops) WITH (lists = 2);};
$node->safe_psql('elsewhere', "CREATE SCHEMA ext; CREATE EXTENSION vector SCHEMA ext; SET search_path = public, ext; $small");
$node->safe_psql('earlier', "CREATE EXTENSION vector VERSION '1.0.0'; $small");
my %search = (elsewhere => 'SET search_path = public, ext;', earlier => '');
my $small_query = q{SET enable_seqscan = off; SELECT array_agg(id) FROM (SELECT id FROM small ORDER BY v <-> '[50,1,1]' LIMIT 5) n; SELECT array_agg(id) FROM (SELECT id FROM small ORDER BY v <=> '[50,1,1]' LIMIT 5) n;};
my %small = map { $_ => $node->safe_psql($_, $search{$_} . $small_query) } qw(elsewhere earlier);

indexes_ok($node, 'postgres', "PostgreSQL $first");
# An option that some builds of PostgreSQL 15 give to attributes, and no other
# version takes.
$node->safe_psql($_, q{UPDATE pg_attribute SET attoptions = NULL FROM pg_class c WHERE c.oid = attrelid AND relkind <> 'c' AND attoptions::text LIKE '%pg_attver%'})
  foreach qw(postgres elsewhere earlier template1);
my $dump = PostgreSQL::Test::Utils::tempdir . '/dump';
command_ok([ "$bindirs[0]/pg_dump", '-Fc', '-f', $dump, '-d', $node->connstr('postgres') ], "a dump of PostgreSQL $first");
my $first_data = $node->safe_psql('postgres', $data);
my $first_exact = $node->safe_psql('postgres', $exact . queries('', @kinds) . $rest);

foreach my $n (1 .. $#bindirs)
{
	my $step = major_of($bindirs[ $n - 1 ]) . ' to ' . major_of($bindirs[$n]);
	my $before = $node->safe_psql('postgres', $by_index . queries('', @kinds) . $rest . $data);
	unlike($before, qr/^$|\|$/m, 'all queries have answers');
	$node->stop;

	my $new = cluster($bindirs[$n]);
	chdir $PostgreSQL::Test::Utils::tmp_check or die $!;
	command_ok([ "$bindirs[$n]/pg_upgrade", '--no-sync', '-j', '2', $n > 1 ? '--link' : (), '-d', $node->data_dir, '-D', $new->data_dir, '-b', $bindirs[ $n - 1 ], '-B', $bindirs[$n],
			'-s', $new->host, '-p', $node->port, '-P', $new->port ], "pg_upgrade $step")
	  or diag(map { slurp_file($_) =~ /(.{0,1500})\z/s } glob($new->data_dir . '/pg_upgrade_output.d/*/log/pg_upgrade_dump_*.log'));
	$node = $new;
	$node->start;
	is($node->safe_psql('postgres', 'SELECT count(*) FROM vector_reindex_list()'), '0', 'no index has to be rebuilt');
	is($node->safe_psql('postgres', $by_index . queries('', @kinds) . $rest . $data), $before, 'all queries have the same answers, and tables the same rows');
	indexes_ok($node, 'postgres', $step);
	is($node->safe_psql($_, $search{$_} . $small_query), $small{$_}, "so has the database '$_'") foreach qw(elsewhere earlier);

	# Writes of all kinds
	my $from = 1000 * $n;
	$node->safe_psql('postgres', join('', map { new_rows($_, $from, $from + 59) . "UPDATE $_->[0] SET x = (SELECT x FROM $_->[0] WHERE id = $from) WHERE id BETWEEN 11 * $n AND 11 * $n + 8;
			DELETE FROM $_->[0] WHERE id % 13 = $n;\n" } @kinds) . qq{
		INSERT INTO texts SELECT i, 'one more green dragon ' || i FROM generate_series($from, $from + 20) i; UPDATE texts SET body = body || ' of old' WHERE id % 9 = 0;});
	indexes_ok($node, 'postgres', "$step, after writes");
	$node->safe_psql('postgres', 'VACUUM ANALYZE');
	indexes_ok($node, 'postgres', "$step, after a vacuum");
	my ($with, $without) = map { $node->safe_psql('postgres', "$_ $rest") } $by_index, $exact;
	is($with, $without, 'BM25 as by a sort');
}

my $last = major_of($own);
$node->safe_psql('postgres', 'CREATE DATABASE fresh');
$node->safe_psql('fresh', 'CREATE EXTENSION vector');
my @fresh = catalog_facts($node, 'fresh');
is_same_catalog([ catalog_facts($node, 'postgres') ], \@fresh, 'the catalog is that of a new installation');
$node->safe_psql('earlier', 'ALTER EXTENSION vector UPDATE');
is_same_catalog([ catalog_facts($node, 'earlier') ], \@fresh, 'so it is where the extension was updated afterwards');
is($node->safe_psql('earlier', $small_query), $small{earlier}, 'its indexes answer');
my ($rc, $out, $err) = $node->psql('postgres', 'REINDEX DATABASE postgres', on_error_stop => 1);
is($rc, 0, 'all can be rebuilt') or diag($err);
indexes_ok($node, 'postgres', 'after REINDEX');

$node->safe_psql('postgres', 'CREATE DATABASE restored');
command_ok([ "$own/pg_restore", '-j', '2', '--exit-on-error', '-d', $node->connstr('restored'), $dump ], "pg_restore -j 2 of the dump of $first into $last");
$node->safe_psql('restored', 'ANALYZE');
is($node->safe_psql('restored', $data), $first_data, 'all rows are there');
is($node->safe_psql('restored', $exact . queries('', @kinds) . $rest), $first_exact, 'with the same answers');
indexes_ok($node, 'restored', 'restored');

$node->stop;
done_testing();
