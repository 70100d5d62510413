# ivf_rebalance beside scans, insertions, crashes and standbys.
#
# Where it is: an index on an expression calls a function for each row, which
# counts, and waits at a number for a lock that the test holds.  VACUUM, which calls
# no such functions, waits at points that a server with assertions has
# (storage/wait_point.h); it leaves lists alone where it is not told to.
use strict;
use warnings;

use Index;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('rebalance');
$node->init(allows_streaming => 1);
$node->append_conf(
	'postgresql.conf', q{
autovacuum = off
fsync = off
jit = off
shared_buffers = 64MB
enable_seqscan = off
vector.enable_exact_scan = off
ivf.vacuum_budget = 0
});
$node->start;
index_prepare($node);

sub sql
{
	return $node->safe_psql('postgres', shift);
}

# Rows of a table in 40 clusters, which are those of item() moved by a number
sub rows
{
	my ($from, $to, $world) = @_;

	return "INSERT INTO t SELECT i, i % 7, item(i, 16) + array_fill(sin($world * i % 40)::real * $world, ARRAY[16])::vector FROM generate_series($from, $to) i";
}

sql(q{
	CREATE TABLE gate (at bigint);
	INSERT INTO gate VALUES (0);
	CREATE SEQUENCE calls;
	CREATE FUNCTION gated(v vector) RETURNS vector LANGUAGE plpgsql IMMUTABLE AS $$
	DECLARE
		stop bigint := (SELECT at FROM public.gate);
	BEGIN
		IF stop > 0 AND nextval('public.calls') = stop THEN
			PERFORM pg_advisory_xact_lock(1);
		END IF;
		RETURN v;
	END $$;
	CREATE TABLE t (id int, k int, v vector(16))});
sql(rows(1, 2000, 0));
my %index = (
	flat => 'ivfflat ((gated(v)::vector(16)) vector_l2_ops) WITH (lists = 40)',
	rabitq => 'ivfrabitq ((gated(v)::vector(16)) vector_l2_ops, k) WITH (lists = 40)',
	pq => 'ivfpq ((gated(v)::vector(16)) vector_l2_ops) WITH (lists = 40)',
	inside => 'ivfrabitq ((gated(v)::vector(16)) vector_l2_ops) WITH (lists = 40, rerank = index)');

# What an index has, and whether it is sound
sub check
{
	my ($name) = @_;

	is(sql(q{SELECT * FROM vector_index_check('i', heapallindexed => true)}), '', "$name: it is sound");
	cmp_ok(sql(q{SELECT entries FROM ivf_drift('i')}), '>=', sql('SELECT count(*) FROM t'), "$name: it has entries");
	is( sql(q{SET ivfflat.iterative_scan = relaxed_order; SET ivfpq.iterative_scan = relaxed_order; SET ivfrabitq.iterative_scan = relaxed_order;
		SELECT count(*) - count(DISTINCT id), count(DISTINCT id) - (SELECT count(*) FROM t) FROM (SELECT id FROM t ORDER BY gated(v)::vector(16) <-> item(3, 16) LIMIT 100000) s}),
		'0|0', "$name: a scan finds each row once");
}

# A session at the gate, and one that holds it
my $holder = $node->background_psql('postgres', on_error_stop => 0);

sub rebalance_until
{
	my ($call) = @_;

	$holder->query('SELECT pg_advisory_lock(1)');
	sql("SELECT setval('calls', 1); UPDATE gate SET at = $call");
	my $session = start_psql($node, q{SELECT replaced, moved FROM ivf_rebalance('i')});
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted})
	  or die 'it does not come to the gate';
	sql('UPDATE gate SET at = 0');
	return $session;
}

foreach my $kind (sort keys %index)
{
	note $kind;
	sql('TRUNCATE t');
	sql(rows(1, 2000, 0));
	sql("CREATE INDEX i ON t USING $index{$kind}");
	sql('DELETE FROM t');
	sql(rows(1, 2000, 9));
	sql('VACUUM t');

	# a scan that has begun
	my $cursor = $node->background_psql('postgres', on_error_stop => 0);
	my $query = 'SELECT id FROM t ORDER BY gated(v)::vector(16) <-> item(3, 16) LIMIT 100000';

	$cursor->query("SET ivfflat.iterative_scan = relaxed_order; SET ivfpq.iterative_scan = relaxed_order; SET ivfrabitq.iterative_scan = relaxed_order; BEGIN; DECLARE c CURSOR FOR $query");
	my @ids = split /\n/, $cursor->query('FETCH 200 FROM c');

	# rows inserted and deleted while entries move
	my $session = rebalance_until(4000);
	sql(rows(2001, 2300, 0));
	sql(rows(2301, 2600, 9));
	sql('DELETE FROM t WHERE id % 5 = 0');
	$holder->query('SELECT pg_advisory_unlock(1)');
	is(finish_psql($session), '', "$kind: rebalanced beside insertions");
	like($session->{out}, qr/^40\|/, "$kind: all lists are made anew");
	check($kind);

	# the scan goes on in the lists it began in
	is(sql(q{SELECT waits FROM ivf_rebalance('i')}), 't', "$kind: a snapshot keeps the old lists");
	push @ids, split(/\n/, $cursor->query('FETCH ALL FROM c'));
	is(join(',', sort { $a <=> $b } @ids), join(',', 1 .. 2000), "$kind: a scan finds what it saw when it began, each row once");
	$cursor->query('COMMIT');
	$cursor->quit;
	is(sql(q{SELECT pages_freed > 0, waits FROM ivf_rebalance('i')}), 't|f', "$kind: the old lists are freed");
	sql('VACUUM t');
	check("$kind, vacuumed");

	# stopped at a point, as if the machine had been switched off
	my %world = (50 => 20, 1500 => 60, 4200 => 180);
	foreach my $call (sort { $a <=> $b } keys %world)
	{
		sql('DELETE FROM t');
		sql('VACUUM t');
		sql(rows(1, 2000, $world{$call}));
		$session = rebalance_until($call);
		sql(rows(2001, 2050, 0));
		$holder->quit;
		$node->stop('immediate');
		finish_psql($session);
		$node->start;
		$holder = $node->background_psql('postgres', on_error_stop => 0);
		check("$kind, crashed at $call");
		my ($freed, $waits) = split /\|/, sql(q{SELECT pages_freed, waits FROM ivf_rebalance('i')});
		is($waits, 'f', "$kind, $call: nothing to wait for");
		cmp_ok($freed, '>=', 40, "$kind, $call: the lists that were left are freed") if $call > 4000;
		check("$kind, rebalanced after a crash at $call");
	}
	sql('DROP INDEX i');
}

# VACUUM, which stops at a point: cancelled, crashed, or to go on beside changes
my %plain = (
	rabitq => 'ivfrabitq (v vector_l2_ops, k) WITH (lists = 40)',
	inside => 'ivfrabitq (v vector_l2_ops) WITH (lists = 40, rerank = index)');
my $points = ($node->psql('postgres', q{SET vector.wait_point = ''; SHOW vector.wait_point}))[0] == 0;

sub check_plain
{
	my ($name, $rows) = @_;

	is(sql(q{SELECT * FROM vector_index_check('i', heapallindexed => true)}), '', "$name: it is sound");
	is( sql(q{SET ivfrabitq.iterative_scan = relaxed_order;
		SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM t ORDER BY v <-> item(3, 16) LIMIT 100000) s}),
		"$rows|$rows", "$name: a scan finds each row once");
}

sub vacuum_until
{
	my ($point, $table) = @_;
	my $memory = defined $table ? '4MB' : '16MB';
	my $vacuum = 'VACUUM (PARALLEL 0) ' . ($table // 't');

	$holder->query('SELECT pg_advisory_lock(7, 7)');
	my $session = start_psql($node, "SET client_min_messages = log; SET maintenance_work_mem = '$memory'; SET vector.wait_point = '$point'; SET ivf.vacuum_budget = 100000; $vacuum");
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted})
	  or die "VACUUM does not come to its point: $point";
	return $session;
}

foreach my $kind ($points ? sort keys %plain : ())
{
	note "VACUUM, $kind";
	foreach my $point ('ivf rebalance chosen', 'ivf rebalance written', 'ivf rebalance moved', 'ivf rebalance published')
	{
		my $world = 3;
		my $session;

		sql('TRUNCATE t');
		sql(rows(1, 2000, 0));
		sql("CREATE INDEX i ON t USING $plain{$kind}");

		# all rows are others, farther away each time
		my $drift = sub { $world *= 3; sql('DELETE FROM t'); sql(rows(1, 2000, $world)) };

		$drift->();
		$session = vacuum_until($point);
		sql(rows(2001, 2050, 0));
		sql(q{SELECT pg_cancel_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted});
		like(finish_psql($session), qr/canceling statement due to user request/, "$kind: cancelled at $point");
		$holder->query('SELECT pg_advisory_unlock(7, 7)');
		check_plain("$kind, cancelled at $point", 2050);

		$drift->();
		$session = vacuum_until($point);
		sql(rows(2001, 2050, 0));
		$holder->quit;
		$node->stop('immediate');
		finish_psql($session);
		$node->start;
		$holder = $node->background_psql('postgres', on_error_stop => 0);
		check_plain("$kind, crashed at $point", 2050);

		# a scan that began before has rows that are deleted meanwhile, too
		$drift->();
		my $scan = $node->background_psql('postgres', on_error_stop => 0);
		$scan->query('SET ivfrabitq.iterative_scan = relaxed_order; BEGIN; DECLARE c CURSOR FOR SELECT id FROM t ORDER BY v <-> item(3, 16) LIMIT 100000');
		my @ids = split /\n/, $scan->query('FETCH 200 FROM c');
		$session = vacuum_until($point);
		sql(rows(2001, 2300, 0));
		sql(rows(2301, 2600, $world));
		sql('DELETE FROM t WHERE id % 5 = 0');
		$holder->query('SELECT pg_advisory_unlock(7, 7)');
		like(finish_psql($session), qr/LOG:  index "i": 40 of 40 lists have been made anew, with \d+ entries$/m, "$kind: rebalanced by VACUUM, $point");
		check_plain("$kind, beside changes at $point", 2080);
		is(sql(q{SELECT error < 2 * built_error FROM ivf_drift('i')}), 't', "$kind, $point: lists are near");
		push @ids, split(/\n/, $scan->query('FETCH ALL FROM c'));
		is(join(',', sort { $a <=> $b } @ids), join(',', 1 .. 2000), "$kind, $point: a scan finds what it saw when it began, each row once");
		$scan->query('COMMIT');
		$scan->quit;
		sql('DROP INDEX i');
	}
}

# An index that there is not enough memory for does not end what is shown of VACUUM
if ($points)
{
	sql(q{CREATE TABLE wide (id int, v vector(256));
		INSERT INTO wide SELECT i, array_fill(sin(i * 7.1)::real, ARRAY[256])::vector FROM generate_series(1, 1200) i;
		CREATE INDEX wide_many ON wide USING ivfrabitq (v vector_l2_ops) WITH (lists = 1000);
		CREATE INDEX wide_few ON wide USING ivfrabitq (v vector_l2_ops) WITH (lists = 4);
		DELETE FROM wide;
		INSERT INTO wide SELECT i, array_fill(100 + sin(i * 7.1)::real, ARRAY[256])::vector FROM generate_series(1, 1200) i});
	my $session = vacuum_until('ivf rebalance written', 'wide');
	is(sql(q{SELECT phase, heap_blks_total > 0, heap_blks_scanned = heap_blks_total FROM pg_stat_progress_vacuum WHERE relid = 'wide'::regclass}),
		'cleaning up indexes|t|t', 'the progress of VACUUM after an error');
	$holder->query('SELECT pg_advisory_unlock(7, 7)');
	my $messages = finish_psql($session);
	like($messages, qr/WARNING:  lists of index "wide_many" have not been rebalanced: memory required is/, 'which is a warning');
	like($messages, qr/LOG:  index "wide_few": 4 of 4 lists have been made anew, with 1200 entries$/m, 'and the next index is rebalanced');
	sql('DROP TABLE wide');
}

note 'a standby';
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', 'max_standby_streaming_delay = 0');
$standby->start;
sql('TRUNCATE t');
sql(rows(1, 2000, 0));
sql("CREATE INDEX i ON t USING $index{rabitq}");
sql('DELETE FROM t');
sql(rows(1, 2000, 9));
$node->wait_for_catchup($standby);

my $cursor = $standby->background_psql('postgres', on_error_stop => 0);
my $query = 'SELECT id FROM t ORDER BY gated(v)::vector(16) <-> item(3, 16) LIMIT 100000';
my $settings = 'SET ivfrabitq.iterative_scan = relaxed_order; ';
my $found = 0;

$cursor->query("$settings BEGIN; DECLARE c CURSOR FOR $query");
$found += split /\n/, $cursor->query('FETCH 200 FROM c');
is(sql(q{SELECT replaced, waits FROM ivf_rebalance('i')}), '40|f', 'rebalanced');
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', "$settings SELECT count(*), count(DISTINCT id) FROM ($query) s"), '2000|2000', 'the standby finds each row in the new lists');
$found += split /\n/, $cursor->query('FETCH 800 FROM c');
is($found, 1000, 'a scan of the standby goes on in the old lists');
is(sql(q{SELECT pages_freed > 0 FROM ivf_rebalance('i')}), 't', 'which are freed');
ok($standby->wait_for_log(qr/conflict with recovery/), 'when the scan has been ended');
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', "$settings SELECT count(*), count(DISTINCT id) FROM ($query) s"), '2000|2000', 'the standby finds each row');
is($standby->safe_psql('postgres', q{SELECT * FROM vector_index_check('i')}), '', 'its index is sound');

# By VACUUM.  A snapshot of the primary keeps it from telling that all rows are visible
# to all, which would end queries of the standby that do not see the new ones.
sql('TRUNCATE t');
sql(rows(1, 2000, 0));
sql("CREATE INDEX j ON t USING $plain{rabitq}");
my $snapshot = $node->background_psql('postgres', on_error_stop => 0);
$snapshot->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
$node->wait_for_catchup($standby);
my $beside = $standby->background_psql('postgres', on_error_stop => 0);
my $by_column = 'SELECT id FROM t ORDER BY v <-> item(3, 16) LIMIT 100000';
$beside->query("$settings BEGIN; DECLARE c CURSOR FOR $by_column");
my @first = split /\n/, $beside->query('FETCH 200 FROM c');
sql(rows(2001, 6000, 20));
sql('SET ivf.vacuum_budget = 100000; VACUUM (PARALLEL 0) t');
is(sql(q{SELECT error < 2 * built_error, entries FROM ivf_drift('j')}), 't|6000', 'VACUUM rebalances');
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', "$settings SELECT count(*), count(DISTINCT id) FROM ($by_column) s"), '6000|6000', 'the standby finds each row');
push @first, split(/\n/, $beside->query('FETCH ALL FROM c'));
is(join(',', sort { $a <=> $b } @first), join(',', 1 .. 2000), 'a scan of the standby finds what it saw when it began, each row once');
$beside->query('COMMIT');
$beside->quit;
$snapshot->query('COMMIT');
$snapshot->quit;
sql('DROP INDEX j');

# Rows that are deleted, and that only a snapshot of the standby sees.  Pages that
# have room are not pruned, which would end its queries, too.
sql('ALTER TABLE t SET (fillfactor = 50); TRUNCATE t');
sql(rows(1, 2000, 0));
sql('REINDEX INDEX i');
$node->wait_for_catchup($standby);

my $older = $standby->background_psql('postgres', on_error_stop => 0);

is($older->query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t'), '2000', 'a snapshot of the standby');
sql('DELETE FROM t WHERE id % 2 = 0');
sql(rows(2001, 6000, 20));
is(sql(q{SELECT replaced > 0, waits FROM ivf_rebalance('i', 1000000)}), 't|f', 'the lists are made without them');
$node->wait_for_catchup($standby);
my $seen = eval { $older->query("$settings SELECT count(*) FROM ($query) s") };
ok(!defined $seen || $seen !~ /^\d+$/m || $seen == 2000, 'a query of the standby does not miss them');
eval { $older->{run}->finish };

# its connection is gone
eval { $cursor->{run}->finish };
$holder->quit;
$standby->stop;
$node->stop;
done_testing();
