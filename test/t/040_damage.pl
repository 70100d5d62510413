# Damaged indexes: whatever a page holds, a statement succeeds or says that the
# index is damaged (XX002; XX001 where the core finds it first, as a page header
# that is none, or a block that is not in the file).  The server never goes down,
# no assertion fails, nothing runs until its timeout.
#
# Tables are made once.  While the server is down, each gets its good files back,
# and its index a good one with a damage of its own; then searches, insertions,
# vacuum and functions run on it.  Damages come from a generator that knows what
# words stand on which page:
#
#	VECTOR_DAMAGE_SEED	of the generator; printed
#	VECTOR_DAMAGE_ROUNDS	rounds, each with all tables
#	VECTOR_DAMAGE_ONLY	a regular expression for the names of indexes
#	VECTOR_DAMAGE_METHOD	one for their access methods
#	VECTOR_DAMAGE_COUNT	so many damages of each access method, in place of rounds;
#				of small indexes then, and many in a round
#	VECTOR_DAMAGE_SECONDS	no further round after this time
use strict;
use warnings;

use Index;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{VECTOR_DAMAGE_SEED} // 20261127;
my $rounds = $ENV{VECTOR_DAMAGE_ROUNDS} // 4;
my $only = $ENV{VECTOR_DAMAGE_ONLY} // '.';
my $methods = $ENV{VECTOR_DAMAGE_METHOD} // '.';
my $count = $ENV{VECTOR_DAMAGE_COUNT};
my $copies = $count ? 24 : 12;	# tables of each kind: damages a round
my $most_rows = $count ? 60 : 300;
my $few_rows = 16;	# of those whose rows are many pages, if there is a count
my $end = time + ($ENV{VECTOR_DAMAGE_SECONDS} // 1000000);
my $timeout = 120;	# seconds; far more than a statement takes on a busy machine
my $page = 8192;

srand($seed);

my $filter = 'id, ((id % 7)::text)';

# name, columns, the index, rows, a row's value, a query
my $dense = q{(SELECT array_agg(sin(n * j * 0.7 + j)) FROM generate_series(1, %d) j)::vector};
my $bits = q{(SELECT string_agg(((hashint4(n * 100 + j) >> 7) & 1)::text, '') FROM generate_series(1, 96) j)::bit(96)};
my $sparse = q{('{' || (SELECT string_agg(j * 3 || ':' || 1 + sin(n * j), ',') FROM generate_series(1, 1 + n % 5 * 2 + n % 40 / 39 * 100) j) || '}/2000')::sparsevec};

my $arrays = q{(SELECT array_agg(v) FROM (SELECT array_agg(sin(n * j * 0.7 + j + t))::vector AS v FROM generate_series(1, 8) j, generate_series(1, 1 + n % 4) t GROUP BY t) a)};

sub dense { return sprintf($dense, shift) }

my @kinds = (
	{ name => 'hnsw', type => 'vector(32)', index => 'hnsw (v vector_l2_ops) WITH (m = 6, ef_construction = 20)', value => dense(32) },
	{ name => 'hnsw_filter', type => 'vector(32)', index => "hnsw (v vector_ip_ops, $filter) WITH (m = 4, ef_construction = 20)", op => '<#>', value => dense(32) },
	{ name => 'hnsw_heap', type => 'vector(20)', index => 'hnsw (v vector_cosine_ops) WITH (m = 5, ef_construction = 20, quantizer = rabitq1, rerank = heap)', op => '<=>', value => dense(20) },
	{ name => 'hnsw_plain', type => 'vector(12)', index => 'hnsw (v vector_l1_ops) WITH (m = 4, ef_construction = 20)', op => '<+>', value => dense(12) },
	{ name => 'hnsw_half', type => 'halfvec(32)', index => 'hnsw (v halfvec_l2_ops) WITH (m = 6, ef_construction = 20)', value => dense(32) . '::halfvec' },
	{ name => 'hnsw_sparse', type => 'sparsevec(2000)', index => 'hnsw (v sparsevec_l2_ops) WITH (m = 4, ef_construction = 20)', value => $sparse },
	{ name => 'hnsw_bit', type => 'bit(96)', index => 'hnsw (v bit_hamming_ops) WITH (m = 4, ef_construction = 20)', op => '<~>', value => $bits },
	{ name => 'hnsw_pieces', type => 'vector(2500)', index => "hnsw (v vector_l2_ops, $filter) WITH (m = 4, ef_construction = 20, quantizer = none)", rows => 40, value => dense(2500) },
	{ name => 'hnsw_wide', type => 'vector(2500)', index => 'hnsw (v vector_l2_ops) WITH (m = 4, ef_construction = 20)', rows => 40, value => dense(2500) },
	{ name => 'ivfflat', type => 'vector(32)', index => 'ivfflat (v vector_l2_ops) WITH (lists = 3)', value => dense(32) },
	{ name => 'ivfflat_pieces', type => 'vector(2500)', index => "ivfflat (v vector_l2_ops, $filter) WITH (lists = 2)", rows => 40, value => dense(2500) },
	{ name => 'ivfflat_half', type => 'halfvec(32)', index => "ivfflat (v halfvec_ip_ops, $filter) WITH (lists = 3)", op => '<#>', value => dense(32) . '::halfvec' },
	{ name => 'ivfflat_bit', type => 'bit(96)', index => 'ivfflat (v bit_hamming_ops) WITH (lists = 3)', op => '<~>', value => $bits },
	{ name => 'ivfpq', type => 'vector(32)', index => 'ivfpq (v vector_l2_ops) WITH (lists = 3, m = 8, nbits = 8, opq = on, rerank = index)', value => dense(32) },
	{ name => 'ivfpq_four', type => 'vector(32)', index => "ivfpq (v vector_cosine_ops, $filter) WITH (lists = 3, m = 8, nbits = 4)", op => '<=>', value => dense(32) },
	{ name => 'ivfrabitq', type => 'vector(32)', index => "ivfrabitq (v vector_l2_ops, $filter) WITH (lists = 3, bits = 1, rerank = index)", value => dense(32) },
	{ name => 'ivfrabitq_four', type => 'halfvec(32)', index => 'ivfrabitq (v halfvec_ip_ops) WITH (lists = 3, bits = 4, rerank = index)', op => '<#>', value => dense(32) . '::halfvec' },
	{ name => 'ivfrabitq_pieces', type => 'vector(3000)', index => 'ivfrabitq (v vector_l2_ops) WITH (lists = 2, bits = 1)', rows => 40, value => dense(3000) },
	{ name => 'flat', type => 'vector(32)', index => "flat (v vector_l2_ops, $filter)", value => dense(32) },
	{ name => 'flat_pieces', type => 'vector(9000)', index => "flat (v vector_ip_ops, $filter)", op => '<#>', rows => 20, value => dense(9000) },
	{ name => 'flat_cosine', type => 'halfvec(32)', index => 'flat (v halfvec_cosine_ops)', op => '<=>', value => dense(32) . '::halfvec' },
	{ name => 'sparse', type => 'sparsevec(2000)', index => "sparse_inverted (v, $filter) WITH (pending_list_limit = 64)", op => '<#>', value => $sparse, late => 1 },
	{ name => 'sparse_cosine', type => 'sparsevec(2000)', index => 'sparse_inverted (v sparsevec_cosine_ops) WITH (weights = float4)', op => '<=>', value => $sparse },
	{ name => 'sparse_pending', type => 'sparsevec(20000)', index => 'sparse_inverted (v)', op => '<#>', rows => 60, value => q{('{' || (SELECT string_agg(j || ':' || 1 + sin(n * j), ',') FROM generate_series(1, 1 + n % 3 * 900) j) || '}/20000')::sparsevec}, late => 1 },
	{ name => 'ivfflat_codes', type => 'vector(64)', index => 'ivfflat (v vector_ip_ops) WITH (lists = 1100)', op => '<#>', rows => 1200, value => dense(64) },
	{ name => 'ivfrabitq_arrays', type => 'vector(8)[]', index => "ivfrabitq (v vector_maxsim_ops, $filter) WITH (lists = 3)", op => '@#', value => $arrays },
	{ name => 'ivfflat_arrays', type => 'halfvec(8)[]', index => 'ivfflat (v halfvec_maxsim_ops) WITH (lists = 3)', op => '@#', value => $arrays . '::halfvec[]' },
);
my %by_method;
@kinds = grep { $_->{name} =~ /$only/ && $_->{index} =~ /^(\w+)/ && $1 =~ /^(?:$methods)/ } @kinds;
push @{ $by_method{ $_->{index} =~ /^(\w+)/ ? $1 : '' } }, $_ foreach @kinds;
foreach my $kind (@kinds)
{
	$kind->{wide} = ($kind->{rows} // 1000) < 100;
	$kind->{rows} //= $most_rows;
	$kind->{rows} = $kind->{wide} ? $few_rows : $most_rows if $count && $kind->{name} ne 'ivfflat_codes';
}
# so many rounds that the method of the fewest kinds comes to the count
if ($count)
{
	my ($fewest) = sort { $a <=> $b } map { scalar @$_ } values %by_method;
	$rounds = int(($count + $copies * $fewest - 1) / ($copies * $fewest));
}

note "seed $seed, $rounds rounds";
my $node = PostgreSQL::Test::Cluster->new('damage');
# from PostgreSQL 18 on, checksums would find all of it
init_without_checksums($node);
$node->append_conf(
	'postgresql.conf', qq{
autovacuum = off
fsync = off
jit = off
shared_buffers = 64MB
max_wal_size = 4GB
restart_after_crash = on
log_min_messages = panic
statement_timeout = ${timeout}s
enable_seqscan = off
enable_sort = off
max_parallel_workers_per_gather = 0
max_parallel_maintenance_workers = 0
});
$node->start;

# ---------------------------------------------------------------------------
# Tables

# All tables of a kind have the same rows at the same places.  Some rows have come
# and gone, so that there are free slots and free pages.
my $setup = '';
foreach my $kind (@kinds)
{
	my $rows = $kind->{rows};
	my $name = $kind->{name};

	# every third row has a value of few, so that some elements have many rows
	$setup .= "CREATE TABLE ${name}_0 (id int, v $kind->{type});
		INSERT INTO ${name}_0 SELECT i, $kind->{value} FROM (SELECT i, CASE WHEN i % 3 = 0 THEN i % 2 ELSE i END AS n FROM generate_series(1, $rows) i OFFSET 0) s;\n";
	# values that are searched for, and inserted later
	$setup .= "CREATE TABLE ${name}_spare AS SELECT n, $kind->{value} AS v FROM unnest('{0,1,3,5,7,100000,100001}'::int[] || ARRAY(SELECT generate_series(200001, 200020)) || ARRAY(SELECT generate_series(100002, 100030)) || ARRAY(SELECT generate_series(10, 30))) n;\n";
	$setup .= "CREATE TABLE ${name}_$_ (LIKE ${name}_0); INSERT INTO ${name}_$_ SELECT * FROM ${name}_0;\n" for 1 .. $copies;
	$setup .= "CREATE INDEX ${name}_0_i ON ${name}_0 USING $kind->{index};\n";
	$setup .= "INSERT INTO ${name}_$_ SELECT 100000 + n, v FROM ${name}_spare WHERE n BETWEEN 100001 AND 100030 ORDER BY n; DELETE FROM ${name}_$_ WHERE id > 200010;\n" for 0 .. $copies;
	$setup .= "VACUUM (INDEX_CLEANUP on) ${name}_$_;\n" for 0 .. $copies;
	# rows that wait to be put into lists
	$setup .= "INSERT INTO ${name}_$_ SELECT 300000 + n, v FROM ${name}_spare WHERE n <= 30 ORDER BY n;\n" for $kind->{late} ? 0 .. $copies : ();
	$setup .= "CREATE INDEX ${name}_${_}_i ON ${name}_$_ USING " . ($kind->{index} =~ s/lists = \d+/lists = 1/r) . ";\n" for 1 .. $copies;
}
PostgreSQL::Test::Utils::append_to_file("@{[ $node->basedir ]}/setup.sql", "\\set ON_ERROR_STOP on\nSET client_min_messages = error; CREATE EXTENSION vector;\n$setup");
$node->command_ok([ 'psql', '-Xq', '-d', $node->connstr('postgres'), '-f', "@{[ $node->basedir ]}/setup.sql" ], 'tables');

my %path = split /\n|\|/, $node->safe_psql(
	'postgres', q{
	SELECT c.relname, pg_relation_filepath(c.oid) FROM pg_class c WHERE c.relname ~ '_[0-9]+(_i)?$' AND c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'i')
	UNION ALL SELECT c.relname || ' toast', pg_relation_filepath(c.reltoastrelid) FROM pg_class c WHERE c.relname ~ '_[0-9]+$' AND c.reltoastrelid <> 0 AND c.relnamespace = 'public'::regnamespace
	UNION ALL SELECT c.relname || ' toast index', pg_relation_filepath(x.indexrelid) FROM pg_class c JOIN pg_index x ON x.indrelid = c.reltoastrelid WHERE c.relname ~ '_[0-9]+$' AND c.relnamespace = 'public'::regnamespace});
$node->stop;

my $data = $node->data_dir;

sub read_file
{
	my ($file) = @_;

	open my $fh, '<:raw', "$data/$file" or die "$file: $!";
	local $/;
	my $content = <$fh>;
	close $fh;
	return $content // '';
}

sub write_file
{
	my ($file, $content) = @_;

	open my $fh, '>:raw', "$data/$file" or die "$file: $!";
	print $fh $content;
	close $fh;
	unlink "$data/${file}_vm", "$data/${file}_fsm";
}

my %good = map { $_ => read_file($path{$_}) } grep { !/_i$/ || /_0_i$/ } keys %path;

# ---------------------------------------------------------------------------
# Damage

sub any { return $_[ int(rand(@_)) ] }

sub word { my ($content, $block, $offset) = @_; return unpack('V', substr($content, $block * $page + $offset, 4)) }

sub half { my ($content, $block, $offset) = @_; return unpack('v', substr($content, $block * $page + $offset, 2)) }

sub align { return int(($_[0] + 7) / 8) * 8 }

sub kind_of { my ($content, $block) = @_; return unpack('C', substr($content, ($block + 1) * $page - 4, 1)) }

# The size of a page's records, by its kind
sub slot_size
{
	my ($content, $block) = @_;
	my $kind = kind_of($content, $block);
	my ($magic) = unpack('V', substr($content, 24, 4));

	return 0 if $magic != 0x57534E48;
	my ($dims, $m, $ef, undef, $payload, $value) = unpack('VvvVVV', substr($content, 24 + 64, 20));
	return align(32 + align($payload) + 8 * $m) if $kind == 1;
	return align(32 + align($payload) + 4 * $m) if $kind == 2;
	return $value if $kind == 3;
	return 136 if $kind == 4;
	return 0;
}

# Where a word stands that others depend on
sub place
{
	my ($content, $block) = @_;
	my $lower = half($content, $block, 12);
	my $size = slot_size($content, $block);
	my $choice = rand();

	$lower = $page - 16 if $lower < 32 || $lower > $page - 16;
	return int(rand($page / 4)) * 4 if $choice < 0.05;
	return any($page - 8, $page - 4, $page - 4, 12, 14, 16) if $choice < 0.12;
	return 24 + 4 * int(rand(($lower - 24) / 4)) if $choice < 0.35;

	# the beginning of a record, or of its neighbors
	if ($size > 0)
	{
		my $slot = 24 + $size * int(rand(($lower - 24) / $size));
		return $choice < 0.85 ? $slot + 4 * int(rand(9)) : $slot + $size - 4 * (1 + int(rand(8)));
	}
	return 24 + 4 * int(rand(10)) if $choice < 0.8 || $block > 0;
	return 24 + 4 * int(rand(70));
}

# Change a word to something; returns what was done
sub change_word
{
	my ($content, $blocks, $block) = @_;
	my $offset = place($$content, $block);
	my $bytes = any(4, 4, 4, 2, 1);
	my $old = substr($$content, $block * $page + $offset, $bytes);
	my $new = any(
		sub { 0 }, sub { 0xFFFFFFFF }, sub { 0x7FFFFFFF }, sub { int(rand(2**32)) },
		sub { int(rand($blocks + 2)) }, sub { $block }, sub { int(rand($blocks * 20)) }, sub { int(rand(300)) },
		sub { 1 << int(rand(32)) },
		sub { unpack('V', pack('a4', $old)) ^ 1 << int(rand(8 * $bytes)) },
		sub { unpack('V', pack('a4', $old)) + any(1, -1) & 0xFFFFFFFF },
		sub { word($$content, any(0 .. $blocks - 1), 24 + 4 * int(rand(10))) })->();

	$offset += int(rand(4)) if $bytes == 1;
	substr($$content, $block * $page + $offset, $bytes) = substr(pack('V', $new), 0, $bytes);
	return "block $block, offset $offset: $bytes bytes = $new";
}

sub damage
{
	my ($content) = @_;
	my $blocks = length($$content) / $page;
	my $choice = rand();
	# the metapage and the last ones as often as many others
	my $pick = sub { return rand() < 0.15 ? 0 : int(rand($blocks)) };
	my $block = $pick->();

	if ($choice < 0.66)
	{
		# a record or several, or all words at one place of a page
		return join '; ', map { change_word($content, $blocks, $choice < 0.5 ? $block : $pick->()) } 1 .. any(1, 1, 1, 2, 5, 20);
	}
	if ($choice < 0.72)
	{
		my $bit = $block * $page * 8 + int(rand($page * 8));
		vec($$content, $bit, 1) ^= 1;
		return "block $block, bit $bit of the file flipped";
	}
	if ($choice < 0.79)
	{
		substr($$content, $block * $page, $page) = "\0" x $page;
		return "block $block zeroed";
	}
	if ($choice < 0.86)
	{
		my $other = $pick->();
		my $kept = substr($$content, $block * $page, $page);
		substr($$content, $block * $page, $page) = substr($$content, $other * $page, $page);
		return "block $block from $other" if rand() >= 0.5;
		substr($$content, $other * $page, $page) = $kept;
		return "block $block and block $other exchanged";
	}
	if ($choice < 0.90)
	{
		$$content = substr($$content, 0, $block * $page);
		return "truncated to $block blocks";
	}
	if ($choice < 0.95)
	{
		# the content, not header and special area
		my $from = 24 + int(rand($page - 40));
		my $bytes = 1 + int(rand($page - 16 - $from));
		my $fill = any(sub { "\0" x $bytes }, sub { "\xFF" x $bytes }, sub { join '', map { chr(int(rand(256))) } 1 .. $bytes })->();
		substr($$content, $block * $page + $from, $bytes) = $fill;
		return "block $block: $bytes bytes from $from filled";
	}

	# links of one kind in a circle: a word at the same place of all pages
	my $offset = 24 + 4 * int(rand(12));
	for my $b (1 .. $blocks - 1)
	{
		substr($$content, $b * $page + $offset, 4) = pack('V', 1 + int(rand($blocks - 1))) if rand() < 0.5;
	}
	return "links at offset $offset of many pages";
}

# ---------------------------------------------------------------------------
# Rounds

sub statements
{
	my ($kind, $t) = @_;
	my $op = $kind->{op} // '<->';
	my $spare = "$kind->{name}_spare";
	my $many = $count && $kind->{wide} ? 200015 : 200000;
	my $search = sub { my ($n, $where, $limit) = @_; return "SELECT count(v) FROM (SELECT v FROM $t $where ORDER BY v $op (SELECT s.v FROM $spare s WHERE s.n = $n) LIMIT $limit) x" };
	my @all = (
		$search->(1, '', 10),
		$search->(5, '', 10000));

	push @all, $search->(7, 'WHERE id < 30', 20), $search->(7, "WHERE (id % 7)::text = '3'", 20) if $kind->{index} =~ /id,/;
	push @all,
		(map { "INSERT INTO $t SELECT 1000000 + n, v FROM $spare WHERE n = $_" } 0, 100000, 100001),
		"DELETE FROM $t WHERE id % 3 <> 1", "VACUUM (INDEX_CLEANUP on) $t",
		"INSERT INTO $t SELECT 2000000 + n, v FROM $spare WHERE n > $many",
		$search->(3, '', 10000);
	unshift @all, "SELECT count(*) FROM vector_index_check('${t}_i', true)";
	push @all, "SELECT count(*) FROM vector_index_check('${t}_i')";
	push @all, "SELECT sparse_inverted_flush('${t}_i', true)", $search->(3, '', 10000) if $kind->{index} =~ /^sparse/;
	if ($kind->{index} =~ /^ivf/)
	{
		my @functions = qw(ivf_drift ivf_recall);

		# rotating a wide centroid back takes longer than all the others
		push @functions, 'ivf_centroids' if !$count || !$kind->{wide} || $t =~ /[05]$/;
		push @all, map { "SELECT count(*) FROM $_('${t}_i')" } @functions;
	}
	return @all;
}

my %seen;
my @wrong;
my $cases = 0;
my %method = map { $_->{name} => $_->{index} =~ /^(\w+)/ } @kinds;
my $rounds_done = 0;
my $statements = 0;
my (%damages, %violations);		# by access method, for make test-long

for my $round (1 .. $rounds)
{
	my %done;
	my $lost = 0;

	last if $round > 1 && time > $end;
	$rounds_done++;

	foreach my $kind (@kinds)
	{
		for my $i (1 .. $copies)
		{
			my $t = "$kind->{name}_$i";
			my $content = $good{"$kind->{name}_0_i"};

			$done{$t} = damage(\$content);
			write_file($path{"${t}_i"}, $content);
			write_file($path{$_}, $good{$_}) foreach grep { exists $good{$_} } $t, "$t toast", "$t toast index";
			$cases++;
			$damages{ $method{ $kind->{name} } }++;
		}
	}
	$node->start;
	foreach my $kind (@kinds)
	{
		my $script = PostgreSQL::Test::Utils::tempdir() . '/damage.sql';
		my $last = '';
		my $err = '';
		my $before = @wrong;

		open my $fh, '>', $script or die;
		print $fh "\\set VERBOSITY sqlstate\nSET client_min_messages = error; SET vector.enable_exact_scan = off;
			SET hnsw.iterative_scan = relaxed_order; SET ivfflat.iterative_scan = relaxed_order; SET ivfpq.iterative_scan = relaxed_order; SET ivfrabitq.iterative_scan = relaxed_order;
			SET hnsw.ef_search = 20;\n";
		for my $i (1 .. $copies)
		{
			my $t = "$kind->{name}_$i";
			print $fh "\\warn $t: $_\n$_;\n" foreach statements($kind, $t);
		}
		print $fh "\\warn end\n";
		close $fh;
		IPC::Run::run([ 'psql', '-XqAt', '-d', $node->connstr('postgres'), '-f', $script ], '<', \undef, '>', \my $out, '2>', \$err);
		foreach (split /\n/, $err)
		{
			if (/^(\w+): (SELECT|INSERT|DELETE|VACUUM).*/ || /^end$/)
			{
				$last = $_;
				$statements++;
			}
			elsif (/ERROR:\s+(\w{5})$/)
			{
				my $state = $1;
				my ($t, $command) = $last =~ /^(\w+): (\w+)/;
				$seen{"$command $state"}++;
				# the check reports it as a row
				push @wrong, "$state: $last ($done{$t})" if $last =~ /vector_index_check/;
				# the format's magic number or version is taken for another one's
				next if $state eq '0A000' && $done{$t} =~ /\bblock 0\b/;
				push @wrong, "$state: $last ($done{$t})" if $state !~ /^XX00[12]$/;
			}
			else
			{
				my ($t) = $last =~ /^(\w+): /;
				push @wrong, "$_: $last (" . ($t ? $done{$t} : '') . ')';
			}
		}
		$violations{ $method{ $kind->{name} } } += @wrong - $before;
		if ($last ne 'end')
		{
			$violations{ $method{ $kind->{name} } }++;
			push @wrong, "ended in: $last";
			$node->poll_query_until('postgres', 'SELECT true') or BAIL_OUT('the server does not come back');
			$lost++;
		}
	}
	$node->stop;
	is($lost, 0, "round $round: the server lives");
}

# A list's record that tells of no page: a search took such a list for one that it may
# leave out, and looked for the next one for ever.
if (my @lists = grep { $_->{index} =~ /^(ivf|flat)/ } @kinds)
{
	foreach my $kind (@lists)
	{
		my $content = $good{"$kind->{name}_0_i"};

		# the record of the first list: the directory comes behind the metapage
		substr($content, $page + 24, 4) = pack('V', 0xFFFFFFFF);
		write_file($path{"$kind->{name}_1_i"}, $content);
		write_file($path{$_}, $good{$_}) foreach grep { exists $good{$_} } "$kind->{name}_1", "$kind->{name}_1 toast", "$kind->{name}_1 toast index";
	}
	$node->start;
	foreach my $kind (@lists)
	{
		my ($search) = grep { /LIMIT 10000/ } statements($kind, "$kind->{name}_1");

		foreach ($search, "DELETE FROM $kind->{name}_1 WHERE id % 2 = 0; VACUUM (INDEX_CLEANUP on) $kind->{name}_1")
		{
			my (undef, undef, $err) = $node->psql('postgres', "SET vector.enable_exact_scan = off; " . join(' ', map { "SET $_.iterative_scan = relaxed_order;" } qw(ivfflat ivfpq ivfrabitq)) . "\n\\set VERBOSITY sqlstate\n$_", timeout => 600);
			like($err, qr/XX002/, "$kind->{name}: a list without a page");
		}
	}
	$node->stop;
}

note "$cases damaged indexes, $statements statements";
note "$_: $seen{$_}" foreach sort keys %seen;
note "TALLY damage $_ $rounds_done $damages{$_} $violations{$_}" foreach sort keys %damages;
is(scalar(@wrong), 0, 'nothing but errors about damage');
diag($_) foreach @wrong[ 0 .. (@wrong > 30 ? 29 : $#wrong) ];
cmp_ok(scalar(grep { /XX002/ } keys %seen), '>', 2, 'searches, insertions and vacuum find damage');

done_testing();
