# Limits: memory of builds, files of more than 4 GB, slot numbers that end, tables of
# one value, dimensions and options at both ends.
#
#	VECTOR_METHOD	a regular expression for access methods
#	VECTOR_CYCLES	set: with what takes long, too
use strict;
use warnings;

use Index;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $method = $ENV{VECTOR_METHOD} // '.';
my $long = defined $ENV{VECTOR_CYCLES};
my $page = 8192;
my $node = PostgreSQL::Test::Cluster->new('limits');
init_without_checksums($node);
$node->append_conf(
	'postgresql.conf', q{
autovacuum = off
fsync = off
jit = off
shared_buffers = 16MB
max_wal_size = 4GB
max_parallel_maintenance_workers = 0
max_parallel_workers_per_gather = 0
client_min_messages = error
});
$node->start;
index_prepare($node);

my @indexes = grep { $_->[0] =~ /^(?:$method)/ } (
	[ 'hnsw', 'hnsw (v vector_l2_ops)' ], [ 'hnsw', 'hnsw (v vector_l2_ops) WITH (quantizer = none, m = 8)' ], [ 'ivfflat', 'ivfflat (v vector_l2_ops) WITH (lists = 40)' ],
	[ 'ivfpq', 'ivfpq (v vector_l2_ops) WITH (lists = 40, m = 8, nbits = 8)' ], [ 'ivfrabitq', 'ivfrabitq (v vector_l2_ops) WITH (lists = 40, rerank = index)' ],
	[ 'flat', 'flat (v vector_l2_ops)' ], [ 'sparse_inverted', 'sparse_inverted (s)' ]);

my $settings = join ' ', 'SET enable_seqscan = off;', 'SET enable_sort = off;', 'SET enable_bitmapscan = off;', 'SET vector.enable_exact_scan = off;',
  'SET hnsw.iterative_scan = relaxed_order;', 'SET hnsw.max_scan_tuples = 2000000000;', 'SET hnsw.scan_mem_multiplier = 1000;', 'SET work_mem = \'64MB\';',
  map({ ("SET ivf$_.probes = 32768;", "SET ivf$_.iterative_scan = relaxed_order;") } qw(flat pq rabitq));

sub order { my ($am, $q) = @_; return $am eq 'sparse_inverted' ? "s <#> '$q'" : "v <-> '$q'" }

# All rows by the index, and what its check finds
sub all_rows
{
	my ($t, $am, $q, $text) = @_;
	my $column = $am eq 'sparse_inverted' ? 's' : 'v';

	is($node->safe_psql('postgres', "$settings SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM $t WHERE $column IS NOT NULL ORDER BY " . order($am, $q) . ' LIMIT 10000000) x'),
		$node->safe_psql('postgres', "SELECT count($column), count($column) FROM $t"), "$text: each row once");
	is($node->safe_psql('postgres', "SET maintenance_work_mem = '256MB'; SELECT * FROM vector_index_check('${t}_i', true) LIMIT 5"), '', "$text: nothing is wrong");
}

# ---------------------------------------------------------------------------
# A build's memory: what the backend has had at most, beyond what a scan of the table
# takes it to, is within 1.2 times maintenance_work_mem and 10 MB.

my $rows = 10000;
$node->safe_psql(
	'postgres', qq{
	CREATE FUNCTION peak() RETURNS int LANGUAGE sql AS
		\$\$SELECT substring(pg_read_file('/proc/' || pg_backend_pid() || '/status') FROM 'VmHWM:\\s*(\\d+)')::int\$\$;
	CREATE TABLE m (id int, v vector(96), s sparsevec(5000));
	INSERT INTO m SELECT n, item(n, 96), (SELECT ('{' || string_agg(d || ':' || 1 + n % 7, ',') || '}/5000')::sparsevec FROM (SELECT DISTINCT 1 + (hashint8extended(i, n) & 4095) AS d FROM generate_series(1, 40) i) x)
		FROM generate_series(1, $rows) n;
	ANALYZE m;});
foreach my $index (@indexes)
{
	foreach my $memory ($long ? (1, 4, 32, 128) : (1, 16))
	{
		my ($rc, $out, $err) = $node->psql('postgres', qq{
			SELECT count(l2_distance(v, v)), count(s) FROM m;
			SELECT peak();
			SET maintenance_work_mem = '${memory}MB';
			CREATE INDEX m_i ON m USING $index->[1];
			SELECT peak();}, on_error_stop => 0);
		my (undef, $before, $after) = split /\n/, $out;

		if ($err =~ /ERROR:  .*\n(?:DETAIL:  .*\n)?HINT:  .*maintenance_work_mem/)
		{
			cmp_ok($memory, '<', 4, "$index->[1], $memory MB: says what to do: " . substr($err, 0, 200));
			next;
		}
		is($err, '', "$index->[1], $memory MB: built");
		my $more = ($after - $before) / 1024;
		cmp_ok($more, '<=', 1.2 * $memory + 10, sprintf('%s, %d MB: %.1f MB', $index->[1], $memory, $more));
		$node->safe_psql('postgres', 'DROP INDEX IF EXISTS m_i');
	}
}
$node->safe_psql('postgres', 'DROP TABLE m');

# ---------------------------------------------------------------------------
# Values at the ends: one value again and again, nulls only, 1 and 16,000 dimensions

my $many = $long ? 100000 : 5000;
foreach my $index (@indexes)
{
	my ($am, $definition) = @$index;

	$node->safe_psql(
		'postgres', qq{
		CREATE TABLE t (id int, v vector(3), s sparsevec(9));
		INSERT INTO t SELECT n, '[1,2,3]', '{1:1,3:2}/9' FROM generate_series(1, $many) n;
		CREATE INDEX t_i ON t USING } . ($definition =~ s/m = 8, nbits/m = 3, nbits/r) . q{;
		INSERT INTO t SELECT n, '[1,2,3]', '{1:1,3:2}/9' FROM generate_series(-500, -1) n;
		DELETE FROM t WHERE id % 3 = 0;
		VACUUM t;
		INSERT INTO t SELECT n, '[1,2,3]', '{1:1,3:2}/9' FROM generate_series(-1500, -501) n;});
	all_rows('t', $am, $am eq 'sparse_inverted' ? '{1:1}/9' : '[3,2,1]', "$definition, one value");
	$node->safe_psql('postgres', 'UPDATE t SET v = NULL, s = NULL; VACUUM t; INSERT INTO t SELECT -n FROM generate_series(1, 1000) n; REINDEX INDEX t_i; VACUUM t');
	all_rows('t', $am, $am eq 'sparse_inverted' ? '{1:1}/9' : '[3,2,1]', "$definition, null");
	$node->safe_psql('postgres', "INSERT INTO t VALUES (1, '[1,2,3]', '{1:1}/9')");
	all_rows('t', $am, $am eq 'sparse_inverted' ? '{1:1}/9' : '[3,2,1]', "$definition, null but for one");
	$node->safe_psql('postgres', 'DROP TABLE t');
}

my @ends = grep { $_->[0] =~ /^(?:$method)/ } (
	[ 'hnsw', 1, 'hnsw (v vector_l2_ops) WITH (m = 2, ef_construction = 4)' ], [ 'hnsw', 1, 'hnsw (v vector_l2_ops) WITH (m = 100, ef_construction = 200)' ],
	[ 'hnsw', 16000, 'hnsw (v vector_l2_ops) WITH (m = 2, ef_construction = 4, quantizer = rabitq1)' ], [ 'hnsw', 16000, 'hnsw (v vector_l2_ops) WITH (quantizer = none)' ],
	[ 'hnsw', 16000, 'hnsw (v vector_l2_ops) WITH (m = 100, ef_construction = 200, quantizer = rabitq1)' ],
	(map { ($_->[0] =~ /^ivf/ ? ([ $_->[0], 1, $_->[1] =~ s/m = 8, /m = 1, /r ]) : (), $_->[0] eq 'flat' ? [ $_->[0], 1, $_->[1] ] : (), $_->[0] =~ /^(ivf|flat)/ ? [ $_->[0], 16000, $_->[1] =~ s/lists = 40/lists = 2/r ] : ()) } @indexes),
	(map { $_->[0] =~ /^ivf/ ? [ $_->[0], 2, $_->[1] =~ s/m = 8, /m = 2, /r =~ s/lists = 40/lists = 32768/r, 33000 ] : () } $long ? @indexes : ()));
foreach my $end (@ends)
{
	my ($am, $dims, $definition, $count) = @$end;

	$count //= $dims > 1000 ? 40 : 500;
	my ($rc, undef, $err) = $node->psql(
		'postgres', qq{
		SET maintenance_work_mem = '256MB';
		CREATE TABLE t (id int, v vector($dims));
		INSERT INTO t SELECT n, item(n, $dims) FROM generate_series(1, $count) n;
		CREATE INDEX t_i ON t USING $definition;
		INSERT INTO t SELECT n, item(n, $dims) FROM generate_series(1000001, 1000020) n;
		DELETE FROM t WHERE id % 4 = 0;
		VACUUM t;
		INSERT INTO t SELECT n, item(n, $dims) FROM generate_series(1000021, 1000040) n;});
	# a node of 100 neighbours and a code may not fit a page
	if ($err =~ /do(es)? not fit|too (large|many)|at most/) { pass("$definition, $dims dimensions: refused: " . substr($err, 0, 150)); }
	else
	{
		is($err, '', "$definition, $dims dimensions");
		all_rows('t', $am, '[' . join(',', (1) x $dims) . ']', "$definition, $dims dimensions");
	}
	$node->safe_psql('postgres', 'DROP TABLE IF EXISTS t');
}

# ---------------------------------------------------------------------------
# An index file of more than 4 GB: blocks without content, which nobody has written, lie
# behind the index, so that what comes next comes behind them.

sub extend
{
	my ($path, $blocks) = @_;
	my $per_file = 1 << 17;

	for (my $part = 0; $part * $per_file < $blocks; $part++)
	{
		my $file = $node->data_dir . "/$path" . ($part ? ".$part" : '');
		my $length = ($blocks - $part * $per_file < $per_file ? $blocks - $part * $per_file : $per_file) * $page;

		open my $fh, '>>:raw', $file or die "$file: $!";
		close $fh;
		die "$file is longer" if -s $file > $length;
		truncate($file, $length) or die "$file: $!";
	}
}

# Reading so many blocks takes vacuum and the check some seconds each.
foreach my $index ($long ? @indexes : grep { $_->[0] eq 'flat' } @indexes)
{
	my ($am, $definition) = @$index;
	my $more = $am eq 'ivfpq' ? 20000 : 12000;
	my $value = $am eq 'sparse_inverted' ? "('{1:1,' || 2 + n % 7 || ':' || 1 + n % 5 || '}/9')::sparsevec" : 'item(n, 5)';
	my $column = $am eq 'sparse_inverted' ? 's' : 'v';
	my $q = $am eq 'sparse_inverted' ? '{1:1}/9' : '[1,2,3,4,5]';
	my $blocks = (1 << 19) + 1000;

	$node->safe_psql(
		'postgres', "CREATE TABLE t (id int, v vector(5), s sparsevec(9)); INSERT INTO t (id, $column) SELECT n, $value FROM generate_series(1, 2000) n;
		CREATE INDEX t_i ON t USING " . ($definition =~ s/m = 8, nbits/m = 5, nbits/r));
	my $path = $node->safe_psql('postgres', "SELECT pg_relation_filepath('t_i')");
	$node->stop;
	extend($path, $blocks);
	$node->start;
	$node->safe_psql('postgres', "INSERT INTO t (id, $column) SELECT n, $value FROM generate_series(10001, $more) n; DELETE FROM t WHERE id % 5 = 0;");
	$node->safe_psql('postgres', 'VACUUM t');
	$node->safe_psql('postgres', "INSERT INTO t (id, $column) SELECT n, $value FROM generate_series(30001, 31000) n");
	cmp_ok($node->safe_psql('postgres', "SELECT pg_relation_size('t_i') / $page"), '>', $blocks, "$definition: beyond 4 GB");
	all_rows('t', $am, $q, "$definition, beyond 4 GB");
	$node->safe_psql('postgres', 'DROP TABLE t');
}

# Where slots have no more numbers of 31 bits, an insertion says so, and what is there
# stays as it is.
if ('hnsw' =~ /^(?:$method)/)
{
	$node->safe_psql('postgres', 'CREATE TABLE t (id int, v vector(5)); INSERT INTO t SELECT n, item(n, 5) FROM generate_series(1, 500) n; CREATE INDEX t_i ON t USING hnsw (v vector_l2_ops) WITH (m = 2, ef_construction = 4, quantizer = rabitq1, rerank = heap)');
	my $path = $node->safe_psql('postgres', "SELECT pg_relation_filepath('t_i')");
	$node->stop;
	extend($path, 1 << 26);
	$node->start;
	my ($rc, $out, $err) = $node->psql('postgres', "\\set VERBOSITY sqlstate\nINSERT INTO t SELECT n, item(n, 5) FROM generate_series(1001, 2000) n");
	like($err, qr/54000/, 'no more numbers for slots');
	is($node->safe_psql('postgres', "$settings SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> '[1,2,3,4,5]' LIMIT 100) x"), '100', 'what is there is found');
	$node->safe_psql('postgres', 'DROP TABLE t');
}

$node->stop;
done_testing();
