# Vacuum beside insertions, scans and merges, step by step: a session waits at a
# point of its way (storage/wait_point.h), others do what they can meanwhile, and it
# goes on.  Afterwards no row is lost, none comes twice, and the index check finds
# nothing.  Only a server with assertions has such points.
use strict;
use warnings;

use Index;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Stress;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('steps');
$node->init;
$node->append_conf('postgresql.conf', stress_configuration());
$node->start;
stress_prepare($node);
if (($node->psql('postgres', 'SET vector.wait_point = \'\'; SHOW vector.wait_point'))[0] != 0)
{
	plan skip_all => 'the server has no wait points';
}

my %kinds = map { $_->{name} => $_ } kinds();
# a few of them, but in a long run; and those of one access method, if that is said
my $few = $ENV{VECTOR_CYCLES} ? '.' : '^(hnsw_filter|ivfflat|flat|sparse)$';
sub wanted { return grep { exists $kinds{$_} && /$few/ } @_ }
# Sessions that are under way
my @sessions;

sub begin
{
	my ($name, $sql) = @_;
	my $session = start_psql($node, "SET application_name = '$name'; SET jit = off; SET client_min_messages = error; $sql");

	$session->{name} = $name;
	push @sessions, $session;
	return $session;
}

# Wait until a session waits for a lock of a kind, or has ended; what it waits for
sub waits
{
	my ($session) = @_;
	my $what;

	for (1 .. 6000)
	{
		$what = $node->safe_psql('postgres', "SELECT l.locktype FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.application_name = '$session->{name}' AND NOT l.granted");
		return $what if $what ne '';
		$session->{handle}->pump_nb;
		return 'nothing' if !$session->{handle}->pumpable;
		select(undef, undef, undef, 0.02);
	}
	die "$session->{name} does not come to its point";
}

# One case: the first session waits at its point, the steps are done meanwhile, and
# it goes on.  A step that has to wait for the first session (whose wait for its page
# lock is a part of the promise) is marked by its name's "waits".
#
#	kind	of the table, made anew
#	before	SQL beforehand
#	point, statement	of the session that waits
#	steps	[name, SQL]...
my $turn = 0;
my %used;

sub interleave
{
	my (%o) = @_;
	my $kind = $kinds{ $o{kind} };
	my $t = $kind->{name};
	my $label = "$t: $o{point}, " . join(', ', map { $_->[0] } @{ $o{steps} });
	my $fill = sub { my $sql = shift; $sql =~ s/\bT\b|(?<=v_)T\b|\bT(?=_i\b)/$t/g; return $sql };

	$turn++;
	$node->safe_psql('postgres', "DROP TABLE IF EXISTS $t");
	create_kind($node, $kind, rows => $o{rows} // 300);
	$node->safe_psql('postgres', $_) foreach map { $fill->($_) } @{ $o{before} // [] };
	my $lock = close_gate($node);
	@sessions = ();
	my $first = begin("first_$turn", "SET vector.wait_point = '$o{point}'; " . $fill->($o{statement}));
	is(waits($first), 'advisory', "$label: waits there");
	foreach my $step (@{ $o{steps} })
	{
		my ($name, $sql) = @$step;
		my $session = begin("step_${turn}_" . scalar(@sessions), $fill->($sql));
		my $waits = waits($session);

		is($waits, $name =~ /waits/ ? 'page' : 'nothing', "$label: $name");
	}
	open_gate($lock);
	foreach my $session (@sessions)
	{
		is(finish_psql($session), '', "$label: no error");
	}
	if ($o{gives})
	{
		my $wanted = $node->safe_psql('postgres', $fill->($o{gives}));
		chomp(my $out = $first->{out});
		is($out, $wanted, "$label: the scan's rows");
	}
	my @wrong = (compare_all($node, [$kind]), index_checks($node, [$kind]));
	is(join("\n", @wrong), '', "$label: index and table agree");
	count_cycle([$kind]);
	fault([$kind], 1 + @{ $o{steps} });
	violation($label, @wrong);
	$used{$t} = $kind;
}

sub insert { my ($from, $count) = @_; my $to = $from + $count - 1; return "INSERT INTO T (id, rev, k, v) SELECT id, 0, id % 10, v_T(id, 0) FROM generate_series($from, $to) id;" }

my $vacuum = 'VACUUM (INDEX_CLEANUP on, TRUNCATE off) T;';
# what a scan to the end gives of rows that nobody has changed meanwhile
sub scan
{
	my ($kind, $where) = @_;
	my $op = $kinds{$kind}{op};

	return "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off; SET vector.enable_exact_scan = off;
		SET hnsw.iterative_scan = relaxed_order; SET ivfflat.iterative_scan = relaxed_order; SET ivfpq.iterative_scan = relaxed_order; SET ivfrabitq.iterative_scan = relaxed_order;
		SET hnsw.ef_search = 100; SET vector.approximate_without_limit = on;
		SELECT count(*), sum(id), count(DISTINCT id) FROM (SELECT id FROM T WHERE v IS NOT NULL ORDER BY v $op v_T(5, 0) LIMIT 100000) x;";
}
my $rows = 'SELECT count(*), sum(id), count(DISTINCT id) FROM T WHERE v IS NOT NULL AND id < 1000';

# ---------------------------------------------------------------------------
# hnsw: the entry point goes while it is used; slots are freed and used again under a
# scan; neighbours are removed before a new element leads to them

foreach my $kind (wanted(qw(hnsw hnsw_filter hnsw_sparse)))
{
	my $dead = 'DELETE FROM T WHERE id % 10 <> 1;';
	my $all = 'DELETE FROM T;';

	foreach my $point ('hnsw insert entry', 'hnsw insert ring', 'hnsw insert link')
	{
		# vacuum has to wait for the insertion, and others go on
		foreach my $delete ($dead, $all)
		{
			interleave(kind => $kind, before => [$delete], point => $point, statement => insert(1000, 1),
				steps => [ [ 'vacuum waits', $vacuum ], [ 'insertion behind it waits', insert(1001, 30) ] ]);
		}
	}
	foreach my $point ('hnsw vacuum marked', 'hnsw vacuum mended', 'hnsw vacuum upper freed')
	{
		interleave(kind => $kind, before => [$_], point => $point, statement => $vacuum, steps => [ [ 'insertions', insert(1001, 30) ], [ 'more', insert(1041, 5) ] ])
		  foreach $dead, $all;
	}
	foreach my $point ('hnsw scan entry', 'hnsw scan walked', 'hnsw scan found')
	{
		# the deleted are dead for the scan's snapshot, and their slots are used again
		interleave(kind => $kind, before => [$dead], point => $point, statement => scan($kind), gives => $rows,
			steps => [ [ 'vacuum', $vacuum ], [ 'insertions', insert(1001, 200) ] ]);
		interleave(kind => $kind, before => ["DELETE FROM T WHERE id <> 61;"], point => $point, statement => scan($kind), gives => $rows,
			steps => [ [ 'vacuum', $vacuum ], [ 'insertions', insert(1001, 300) ], [ 'deletion', 'DELETE FROM T WHERE id > 1050;' ], [ 'vacuum', $vacuum ] ]);
	}
}

# ---------------------------------------------------------------------------
# hnsw: the centre of an index that was made before its rows is learnt from rows whose
# numbers vacuum takes away meanwhile, with the slots that they are in

if (grep { $_ eq 'hnsw_filter' } wanted('hnsw_filter'))
{
	$node->safe_psql('postgres', q{
		CREATE TABLE learnt (id int, v vector(8)) WITH (autovacuum_enabled = off);
		CREATE INDEX learnt_i ON learnt USING hnsw (v vector_l2_ops);
		INSERT INTO learnt SELECT i, CASE WHEN i <= 100 THEN '[1,2,3,4,5,6,7,8]' ELSE (SELECT array_agg(sin(i * j)) FROM generate_series(1, 8) j)::vector END FROM generate_series(1, 127) i;
		DELETE FROM learnt WHERE id <= 100 AND id <> 10;});
	my $lock = close_gate($node);
	@sessions = ();
	my $first = begin('learn', "SET vector.wait_point = 'hnsw learn centre'; INSERT INTO learnt VALUES (128, '[8,7,6,5,4,3,2,1]');");
	is(waits($first), 'advisory', 'an insertion learns the centre');
	my $vacuum_learnt = begin('vacuum_learnt', 'VACUUM (INDEX_CLEANUP on, TRUNCATE off) learnt;');
	is(waits($vacuum_learnt), 'nothing', 'vacuum has taken row numbers away');
	open_gate($lock);
	is(finish_psql($_), '', "$_->{name}: no error") foreach @sessions;
	is($node->safe_psql('postgres', q{SELECT * FROM vector_index_check('learnt_i', heapallindexed => true)}), '', 'the index is sound');
	is($node->safe_psql('postgres', q{SET enable_seqscan = off; SET hnsw.iterative_scan = relaxed_order; SELECT count(*) FROM (SELECT id FROM learnt ORDER BY v <-> '[1,2,3,4,5,6,7,8]' LIMIT 1000) x}), '29', 'all rows are found');
	$node->safe_psql('postgres', 'DROP TABLE learnt');
}

# ---------------------------------------------------------------------------
# Inverted files: a page leaves its list while an insertion holds its number, or a scan
# is on its way there; two insertions claim a page for the same place

foreach my $kind (wanted(qw(ivfflat ivfflat_pieces ivfpq ivfrabitq flat flat_pieces)))
{
	my $long = $kind =~ /pieces/;
	my $count = $long ? 40 : 2000;
	my $more = $long ? 6 : 300;
	my $most = "DELETE FROM T WHERE id > 20;";

	# rows behind one another, so that lists have several pages
	foreach my $point ('ivf insert fill')
	{
		interleave(kind => $kind, rows => $count, before => [$most], point => $point, statement => insert(10000, 1),
			steps => [ [ 'vacuum', $vacuum ], [ 'insertions', insert(10001, $more) ] ]);
		interleave(kind => $kind, rows => $count, before => ['DELETE FROM T;'], point => $point, statement => insert(10000, 2),
			steps => [ [ 'vacuum', $vacuum ], [ 'insertions', insert(10001, $more) ], [ 'deletion', 'DELETE FROM T WHERE id % 3 > 0;' ], [ 'vacuum', $vacuum ] ]);
	}
	interleave(kind => $kind, rows => 1, point => 'ivf insert spare', statement => insert(10000, $long ? 10 : 1000),
		steps => [ [ 'insertions', insert(20001, $long ? 10 : 1000) ], [ 'deletion', 'DELETE FROM T WHERE id % 3 > 0;' ], [ 'vacuum', $vacuum ], [ 'insertions', insert(30001, $more) ] ]);
	foreach my $point ('ivf vacuum cleaned', 'ivf vacuum joined')
	{
		next if $point eq 'ivf vacuum joined' && $long;
		# codes are small: of fewer rows, hardly a list has two pages
		interleave(kind => $kind, rows => $kind eq 'ivfpq' ? 3 * $count : $count, before => [$most], point => $point, statement => $vacuum, steps => [ [ 'insertions', insert(10001, $more) ] ]);
	}
	foreach my $point ('ivf walk', 'ivf scan read')
	{
		interleave(kind => $kind, rows => $count, before => ["DELETE FROM T WHERE id > 20 AND id % 40 > 0 OR id >= 1000;"], point => $point, statement => scan($kind), gives => $rows,
			steps => [ [ 'vacuum', $vacuum ], [ 'insertions', insert(10001, $more) ], [ 'vacuum', $vacuum ] ]);
	}
}

# ---------------------------------------------------------------------------
# VACUUM moves entries of rows that are deleted meanwhile, and whose values out of
# line others remove, since no snapshot but VACUUM's sees them

if (wanted('ivfrabitq') || wanted('ivfflat'))
{
	my $values = "SELECT i, array_fill((i % 40 * 10 + i / 500.0 + %d)::real, ARRAY[600])::vector FROM generate_series(1, 1200) i";

	$node->safe_psql('postgres', 'CREATE TABLE far (id int, v vector(600));' . sprintf("INSERT INTO far $values;" =~ s/i % 40/i %% 40/r, 0)
		. 'CREATE INDEX far_i ON far USING ivfrabitq (v vector_l2_ops) WITH (lists = 10, vacuum_budget = 100000); DELETE FROM far;'
		. sprintf("INSERT INTO far $values;" =~ s/i % 40/i %% 40/r, 10000));
	my $toast = $node->safe_psql('postgres', q{SELECT reltoastrelid::regclass FROM pg_class WHERE relname = 'far'});
	my $lock = close_gate($node);
	my $session = start_psql($node, q{SET application_name = 'far'; SET client_min_messages = log; SET vector.wait_point = 'ivf rebalance chosen'; VACUUM (PARALLEL 0) far});

	$session->{name} = 'far';
	is(waits($session), 'advisory', 'VACUUM has chosen lists');
	$node->safe_psql('postgres', 'DELETE FROM far WHERE id % 3 = 0');
	$node->safe_psql('postgres', "VACUUM $toast");
	open_gate($lock);
	like(finish_psql($session), qr/LOG:  index "far_i": 10 of 10 lists have been made anew, with 800 entries$/m, 'rows whose values are gone lose their entries');
	is($node->safe_psql('postgres', q{SELECT * FROM vector_index_check('far_i', heapallindexed => true)}), '', 'the index is sound');
	$node->safe_psql('postgres', 'DROP TABLE far');
}

# ---------------------------------------------------------------------------
# sparse_inverted: the pending list is sealed while an insertion holds its end; rows go
# from one place to another under a scan, and under vacuum

foreach my $kind (wanted(qw(sparse sparse_floats)))
{
	my $flush = "SELECT sparse_inverted_flush('T_i', true);";
	my @pending = (insert(301, 100), 'DELETE FROM T WHERE id % 3 = 0;');

	foreach my $point ('sparse insert read', 'sparse insert link')
	{
		my $statement = insert(1000, $point =~ /link/ ? 200 : 1);

		interleave(kind => $kind, before => \@pending, point => $point, statement => $statement, steps => [ [ 'flush', $flush ], [ 'insertions', insert(2001, 30) ] ]);
		interleave(kind => $kind, before => \@pending, point => $point, statement => $statement, steps => [ [ 'vacuum', $vacuum ], [ 'insertions', insert(2001, 300) ], [ 'flush', $flush ] ]);
	}
	foreach my $point ('sparse flushed', 'sparse merged')
	{
		interleave(kind => $kind, before => \@pending, point => $point, statement => $flush,
			steps => [ [ 'insertions', insert(2001, 30) ], [ 'deletion', 'DELETE FROM T WHERE id % 5 = 1;' ], [ 'vacuum waits', $vacuum ], [ 'insertions', insert(2101, 300) ] ]);
	}
	interleave(kind => $kind, before => \@pending, point => 'sparse vacuum pending', statement => $vacuum,
		steps => [ [ 'insertions', insert(2001, 300) ], [ 'flush waits', $flush ], [ 'insertions', insert(3001, 10) ] ]);
	interleave(kind => $kind, before => \@pending, point => 'sparse scan read', statement => scan($kind), gives => $rows,
		steps => [ [ 'flush', $flush ], [ 'vacuum', $vacuum ], [ 'insertions', insert(2001, 300) ], [ 'flush', $flush ], [ 'vacuum', $vacuum ] ]);
}

tally('interleave', [ values %used ]);
$node->stop;
done_testing();
