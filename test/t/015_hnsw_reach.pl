# Every row comes, and once, from a scan that may go on, whatever the data, the
# operator class, and the history.  The data are made to break a graph: rows of
# very different norms, ties, copies with keys of their own, values that differ
# by less than a code can tell, the largest numbers there are.  What a scan's
# look at all pages would hide is looked at in the files: the ring of elements
# and the chains of twins (src/hnsw/README.md).
use strict;
use warnings;

use Index;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rows = 1200;

# operator class => [column, operator, options, further columns]
my %classes = (
	vector_l2_ops => [ 'v', '<->', 'm = 2, ef_construction = 4' ],
	vector_ip_ops => [ 'v', '<#>', 'm = 4, ef_construction = 16' ],
	vector_cosine_ops => [ 'v', '<=>', 'm = 2, ef_construction = 4, quantizer = rabitq1', ', k' ],
	vector_l1_ops => [ 'v', '<+>', 'm = 3, ef_construction = 6', ', k' ],
	halfvec_l2_ops => [ 'h', '<->', 'm = 4, ef_construction = 8', ', k' ],
	halfvec_ip_ops => [ 'h', '<#>', 'm = 2, ef_construction = 4, rerank = heap', ', k' ],
	halfvec_cosine_ops => [ 'h', '<=>', 'm = 2, ef_construction = 4, quantizer = none' ],
	halfvec_l1_ops => [ 'h', '<+>', 'm = 2, ef_construction = 4' ],
	sparsevec_l2_ops => [ 's', '<->', 'm = 2, ef_construction = 4', ', k' ],
	sparsevec_ip_ops => [ 's', '<#>', 'm = 4, ef_construction = 8' ],
	sparsevec_cosine_ops => [ 's', '<=>', 'm = 2, ef_construction = 4' ],
	sparsevec_l1_ops => [ 's', '<+>', 'm = 3, ef_construction = 6' ],
	bit_hamming_ops => [ 'b', '<~>', 'm = 2, ef_construction = 4', ', k' ],
	bit_jaccard_ops => [ 'b', '<%>', 'm = 4, ef_construction = 8' ]);
my @classes = sort keys %classes;

my $node = PostgreSQL::Test::Cluster->new('reach');
$node->init(allows_streaming => 1);
$node->append_conf(
	'postgresql.conf', q{
autovacuum = off
fsync = off
jit = off
shared_buffers = 64MB
maintenance_work_mem = 64MB
min_parallel_table_scan_size = 0
});
$node->start;
index_prepare($node);
$node->safe_psql(
	'postgres', q{
	-- by turns: norms from 0.01 to 100; one number of six; one of four values,
	-- many times; nearly equal; the largest; around nothing; nothing but 0
	CREATE FUNCTION hard(seed bigint, big float8) RETURNS float8[] IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
		SELECT array_agg(CASE seed % 8
			WHEN 0 THEN (1 + noise(i, seed)) * 10 ^ (noise(0, seed) * 2)
			WHEN 1 THEN (i = seed / 8 % 6 + 1)::int * (1 + seed / 48 % 3)
			WHEN 2 THEN seed / 8 % 4 + 1
			WHEN 3 THEN 1 + 1e-6 * noise(i, seed)
			WHEN 4 THEN CASE WHEN seed % 40 = 4 THEN sign(noise(i, seed)) * big * (0.5 + noise(0, seed) / 3) ELSE noise(i, seed) END
			WHEN 5 THEN noise(i, seed) * 10
			WHEN 6 THEN 7
			ELSE CASE WHEN seed % 80 = 7 THEN 0 ELSE i * (seed / 8 % 50 + 1) END END)
		FROM generate_series(1, 6) i $$;
	CREATE SEQUENCE ids;
	CREATE TABLE t (id int, k int, v vector(6), h halfvec(6), s sparsevec(6), b bit(24));
	CREATE PROCEDURE fill(rows int, in_between bool DEFAULT true) LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1 .. rows LOOP
			INSERT INTO t SELECT n, n, hard(n, 3e38)::vector, hard(n, 6e4)::vector::halfvec, hard(n, 3e38)::vector::sparsevec,
				CASE n % 3 WHEN 0 THEN set_bit(0::bit(24), (n / 3 % 24)::int, 1) WHEN 1 THEN 5::bit(24) ELSE (noise(n, 3) * 8000000)::int::bit(24) END
			FROM nextval('ids') n;
			IF in_between AND i % 5 = 0 THEN COMMIT; END IF;
		END LOOP;
	END $$;

	-- Rows that a scan to the end gives: how many too many, how many are missing
	-- (under cosine distance, zeros are in no index)
	CREATE FUNCTION reached(col text, op text, q text, condition text DEFAULT 'true') RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		query text := format('SELECT id FROM t WHERE %4$s ORDER BY %1$s %2$s %3$L LIMIT 1000000', col, op, q, condition);
		line text;
		r text;
	BEGIN
		EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO line;
		IF line NOT LIKE '%"Index Scan"%' OR line LIKE '%"Filter"%' THEN RAISE 'no index scan: %', line; END IF;
		EXECUTE format('SELECT count(*) - count(DISTINCT id) || '' twice, '' || (SELECT count(*) FROM t WHERE %2$s AND %3$s) - count(DISTINCT id) || '' lost'' FROM (%1$s) s',
			query, CASE WHEN op = '<=>' THEN format('%s(%s) > 0', CASE col WHEN 'v' THEN 'vector_norm' ELSE 'l2_norm' END, col) ELSE 'true' END, condition) INTO r;
		RETURN r;
	END $$
	SET hnsw.iterative_scan = relaxed_order SET hnsw.max_scan_tuples = 2000000000 SET hnsw.scan_mem_multiplier = 1000 SET work_mem = '64MB' SET vector.approximate_without_limit = on
	SET enable_seqscan = off SET enable_sort = off SET vector.enable_exact_scan = off;});

sub create_indexes
{
	$node->safe_psql('postgres', join(';', map { "CREATE INDEX $_ ON t USING hnsw ($classes{$_}[0] $_ $classes{$_}[3]) WITH ($classes{$_}[2])" } map { $classes{$_}[3] //= ''; $_ } @classes));
}

# All rows by each index, from two places; and those that fulfil a condition
sub reach_ok
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($server, $name) = @_;
	my %query = (v => [ '[1,1,1,1,1,1]', '[-1,-2,0,3,-1,1]' ], s => [ '{1:1}/6', '{2:-1,5:3}/6' ], b => [ '5', '16777216' ]);

	$query{h} = $query{v};
	$query{b} = [ '000000000000000000000101', '111100000000000000000000' ];
	my $calls = join(',', map { my $c = $_; map { "('$c $_', reached('$classes{$c}[0]', '$classes{$c}[1]', '$_'))" } @{ $query{ $classes{$c}[0] } } } @classes);
	$calls .= join('', map { my $c = $_; map { ",('$c, $_', reached('$classes{$c}[0]', '$classes{$c}[1]', '$query{$classes{$c}[0]}[0]', '$_'))" } 'k > 0', 'k < 40' }
		grep { $classes{$_}[3] } @classes);
	is($server->safe_psql('postgres', "SELECT * FROM (VALUES $calls) r (what, result) WHERE result <> '0 twice, 0 lost'"),
		'', "$name: every row comes once");
}

# Elements of an index that are neither in the ring nor in a chain of one that is
sub outside
{
	my ($index) = @_;
	my $file = $node->data_dir . '/' . $node->safe_psql('postgres', "SELECT pg_relation_filepath('$index')");
	my $data = slurp_file($file);
	my ($m) = $classes{$index}[2] =~ /\bm = (\d+)/;
	my $payload = int((unpack('V', substr($data, 100, 4)) + 7) / 8) * 8;
	my $size = int((32 + $payload + 8 * $m + 7) / 8) * 8;
	my $per_page = int((8192 - 24 - 8) / $size);
	my (%flags, %edges);

	for (my $block = 1; $block < length($data) / 8192; $block++)
	{
		my $page = substr($data, $block * 8192, 8192);
		my $lower = unpack('v', substr($page, 12, 2));

		next if $lower == 0 || ord(substr($page, 8188, 1)) != 1;
		for (my $slot = 0; $slot < int(($lower - 24) / $size); $slot++)
		{
			my $at = 24 + $slot * $size;
			my ($version, $state, $flags, $count) = unpack('vCCv', substr($page, $at, 6));

			next if $state != 1;
			$flags{ $block * $per_page + $slot } = $flags;
			$edges{ $block * $per_page + $slot } = [ unpack("V$count", substr($page, $at + 32 + $payload, 4 * $count)) ];
		}
	}

	my $next = sub {
		my ($id) = @_;
		my @edges = @{ $edges{$id} };

		shift @edges if $flags{$id} & 4;
		my ($edge) = grep { $_ & 0x80000000 } @edges;
		return defined $edge ? $edge & 0x7fffffff : $id;
	};
	my $best = 0;
	my %seen;

	foreach my $start (sort { $a <=> $b } grep { !($flags{$_} & 8) } keys %edges)
	{
		my $met = 0;

		for (my $id = $start; exists $edges{$id} && !$seen{$id}; $id = $next->($id))
		{
			$seen{$id} = 1;
			$met++;
			next if !($flags{$id} & 4);
			for (my $twin = $edges{$id}[0] & 0x7fffffff; exists $edges{$twin} && !$seen{$twin}; $twin = $next->($twin))
			{
				$seen{$twin} = 1;
				$met++;
			}
		}
		$best = $met if $met > $best;
	}
	return (scalar(keys %edges) - $best, scalar(keys %edges));
}

sub ring_ok
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($name, $in_flight) = @_;
	my @bad;

	$node->safe_psql('postgres', 'CHECKPOINT');
	foreach my $index (@classes)
	{
		my ($outside, $all) = outside($index);

		push @bad, "$index: $outside of $all" if $outside > ($in_flight // 0) || $all < 100;
	}
	is(join("\n", @bad), '', "$name: all elements are in the ring, or in a chain");
}

# Built by one process and by three
$node->safe_psql('postgres', "CALL fill($rows)");
create_indexes();
reach_ok($node, 'build');
ring_ok('build');
$node->safe_psql('postgres', 'DROP INDEX ' . join(',', @classes) . '; ALTER TABLE t SET (parallel_workers = 2)');
create_indexes();
reach_ok($node, 'parallel build');
ring_ok('parallel build');

# What memory has no room for
$node->safe_psql('postgres', q{
	SET maintenance_work_mem = '1MB'; SET client_min_messages = error;
	INSERT INTO t SELECT id + 1000000 * i, id + 1000000 * i, v, h, s, b FROM t, generate_series(1, 2) i WHERE id % 2 = 0;
	REINDEX TABLE t;});
reach_ok($node, 'build beyond memory');
ring_ok('build beyond memory');

# Filled by one client, and by several
$node->safe_psql('postgres', "TRUNCATE t; CALL fill(300)");
reach_ok($node, 'inserts');
my @clients = map { start_psql($node, "CALL fill(300)") } 1 .. 4;
is(join('', map { finish_psql($_) } @clients), '', 'four clients inserted');
reach_ok($node, 'inserts beside each other');
ring_ok('inserts beside each other');

# Half of them deleted, vacuumed (beside inserts), filled again
$node->safe_psql('postgres', 'DELETE FROM t WHERE id % 2 = 0');
@clients = map { start_psql($node, "CALL fill(150)") } 1 .. 2;
$node->safe_psql('postgres', 'VACUUM t');
is(join('', map { finish_psql($_) } @clients), '', 'two clients inserted beside vacuum');
reach_ok($node, 'half deleted, vacuumed');
ring_ok('half deleted, vacuumed');
$node->safe_psql('postgres', 'CALL fill(300); DELETE FROM t WHERE id % 32 < 29 AND id < 1500');
reach_ok($node, 'many deleted');
$node->safe_psql('postgres', 'VACUUM t');
$node->safe_psql('postgres', 'CALL fill(300)');
reach_ok($node, 'filled again');
ring_ok('filled again');

# A standby sees what was committed; a crash in the middle of inserts, and of
# one that is not committed, leaves no row behind
$node->backup('b');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'b', has_streaming => 1);
$standby->start;
@clients = map { start_psql($node, "CALL fill(100000)") } 1 .. 3;
my $open = start_psql($node, "BEGIN; CALL fill(100000, false); COMMIT");
my $before = $node->safe_psql('postgres', 'SELECT last_value FROM ids');
$node->poll_query_until('postgres', "SELECT last_value > $before + 200 FROM ids") or die;
reach_ok($standby, 'standby, under way');
$node->stop('immediate');
$node->start;
finish_psql($_) foreach @clients, $open;
reach_ok($node, 'crash');
ring_ok('crash', 4);
$node->safe_psql('postgres', "CALL fill(100)");
reach_ok($node, 'crash, then inserts');
$node->wait_for_catchup('standby', 'replay', $node->lsn('insert'));
reach_ok($standby, 'standby, after the crash');
$node->safe_psql('postgres', 'VACUUM t');
reach_ok($node, 'crash, then vacuum');
ring_ok('crash, then vacuum');
$node->wait_for_catchup('standby', 'replay', $node->lsn('insert'));
reach_ok($standby, 'standby, after vacuum');
$standby->stop;

# With default settings: rows are found that nothing leads to by distance, and
# rows near many copies of one
$node->safe_psql(
	'postgres', q{
	CREATE TABLE ties (id int, s sparsevec(2000), b bit(2000));
	INSERT INTO ties SELECT i, ('{' || i || ':1}/2000')::sparsevec, set_bit(0::bit(2000), i - 1, 1) FROM generate_series(1, 2000) i;
	CREATE INDEX ON ties USING hnsw (s sparsevec_l2_ops);
	CREATE INDEX ON ties USING hnsw (b bit_jaccard_ops);
	CREATE INDEX ON ties USING hnsw (b bit_hamming_ops);
	CREATE TABLE copies (id int, k int, v vector(3));
	CREATE INDEX ON copies USING hnsw (v vector_l2_ops, k);
	INSERT INTO copies SELECT i, i, '[1,2,3]' FROM generate_series(1, 2000) i;
	INSERT INTO copies SELECT 2000 + i, i, ARRAY[1 + noise(i, 1), 2 + noise(i, 2), 3 + noise(i, 3)]::vector FROM generate_series(1, 500) i;
	CREATE FUNCTION missed(t regclass, col text, op text, every int) RETURNS bigint LANGUAGE plpgsql AS $$
	DECLARE r bigint;
	BEGIN
		EXECUTE format('SELECT count(*) FROM %1$s a WHERE id %% %4$s = 0 AND (''%1$s'' <> ''copies'' OR id > 2000) AND id NOT IN (SELECT id FROM %1$s b ORDER BY b.%2$s %3$s a.%2$s LIMIT 10)', t, col, op, every) INTO r;
		RETURN r;
	END $$ SET enable_seqscan = off SET vector.enable_exact_scan = off;});
is($node->safe_psql('postgres', q{SELECT missed('ties', 's', '<->', 50), missed('ties', 'b', '<%>', 50), missed('ties', 'b', '<~>', 50)}),
	'0|0|0', 'rows that tie are found by their own value');
is($node->safe_psql('postgres', q{SELECT missed('copies', 'v', '<->', 5)}), 0, 'rows near many copies are found');
$node->safe_psql('postgres', $_) foreach 'DELETE FROM copies WHERE id <= 2000 AND id % 2 = 1', 'VACUUM copies';
is($node->safe_psql('postgres', q{SELECT missed('copies', 'v', '<->', 5)}), 0, 'and after half of the copies have gone');

$node->stop;
done_testing();
