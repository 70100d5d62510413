# A scan of an index sees what its snapshot sees, for every access method: under
# updates, heap-only tuples, aborted transactions and subtransactions, in the
# transaction that changes, beside row locks, prepared transactions, vacuum, and
# across all that writes a table anew.  Old snapshots and cursors look on
# meanwhile.  Kinds and comparison are in Stress.pm, which tells what the
# environment can set.
use strict;
use warnings;

use Index;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Stress;
use Test::More;

my $cycles = cycles(1);
my $seed = seed(4);
my @kinds = kinds(few => 1);

my $node = PostgreSQL::Test::Cluster->new('mvcc');
$node->init;
$node->append_conf('postgresql.conf', stress_configuration());
$node->start;
stress_prepare($node);
my $elsewhere = PostgreSQL::Test::Utils::tempdir();
$node->safe_psql('postgres', "CREATE TABLESPACE elsewhere LOCATION '$elsewhere'");

sub sql { return $node->safe_psql('postgres', shift) }

# compare() as a statement, for use within a transaction
sub checks { my ($kind, $t) = @_; return join ' ', map { "SELECT $_;" } Stress::compare_calls($kind, $t // $kind->{name}, int(rand(1000000))) }

sub rows { my ($kind, $from, $n) = @_; return "INSERT INTO $kind->{name} SELECT id, 0, 0, id % 10, v_$kind->{name}(id, 0) FROM generate_series($from, $from + $n - 1) id;" }

sub check
{
	my ($kind, $what, $sql) = @_;
	my $out = sql($sql . ' ' . checks($kind));

	violation("$what, seed $seed", grep { /\S/ } split /\n/, $out);
	fault([$kind]);
}

# An old snapshot, that compares again and again; and a cursor that has given a few
# rows, and gives the others at the end
sub lookers
{
	my ($kind) = @_;
	my $t = $kind->{name};
	my ($call) = Stress::compare_calls($kind, $t, 'floor(random() * 1000000)');
	my $query = "SELECT id, rev FROM $t WHERE v IS NOT NULL ORDER BY v $kind->{op} v_$t(100003, 0) LIMIT 1000000";
	my $settings = q{SET default_transaction_isolation = 'repeatable read'; SET enable_seqscan = off; SET enable_sort = off; SET vector.enable_exact_scan = off;
		SET hnsw.iterative_scan = relaxed_order; SET hnsw.max_scan_tuples = 2000000000; SET hnsw.scan_mem_multiplier = 1000;
		SET ivfflat.iterative_scan = relaxed_order; SET ivfpq.iterative_scan = relaxed_order; SET ivfrabitq.iterative_scan = relaxed_order;
		SET ivfflat.probes = 32768; SET ivfpq.probes = 32768; SET ivfrabitq.probes = 32768;};
	my $gate = close_gate($node);
	my @lookers = (
		start_psql($node, "$settings
		DO \$\$
		DECLARE first text; now text; r text; scans int := 0;
		BEGIN
			SELECT count(*) || md5(string_agg(id || ':' || rev || ':' || h, ',' ORDER BY id)) INTO first FROM $t;
			PERFORM pg_advisory_lock(1);
			WHILE working() OR scans = 0 LOOP
				r := $call;
				SELECT count(*) || md5(string_agg(id || ':' || rev || ':' || h, ',' ORDER BY id)) INTO now FROM $t;
				IF r IS NOT NULL THEN RAISE 'violation: an old snapshot: %', r; END IF;
				IF now <> first THEN RAISE 'violation: ${t}_i: an old snapshot sees other rows'; END IF;
				scans := scans + 1;
			END LOOP;
			PERFORM set_config('client_min_messages', 'notice', false);
			RAISE NOTICE '% scans', scans;
		END \$\$"),
		start_psql($node, "$settings
		DO \$\$
		DECLARE c refcursor; r record; n int := 0; seen text[] := '{}'; ids text[];
		BEGIN
			SELECT array_agg(id || ':' || rev ORDER BY id) INTO ids FROM $t WHERE v IS NOT NULL;
			OPEN c FOR $query;
			FOR i IN 1 .. 3 LOOP
				FETCH c INTO r;
				IF FOUND THEN seen := seen || (r.id || ':' || r.rev); END IF;
			END LOOP;
			PERFORM pg_advisory_lock_shared(7, 7);
			LOOP
				FETCH c INTO r;
				EXIT WHEN NOT FOUND;
				seen := seen || (r.id || ':' || r.rev);
			END LOOP;
			IF (SELECT array_agg(s ORDER BY split_part(s, ':', 1)::int) FROM unnest(seen) s) IS DISTINCT FROM ids THEN
				RAISE 'violation: ${t}_i: a cursor gave % rows, its snapshot sees %', cardinality(seen), cardinality(ids);
			END IF;
			PERFORM set_config('client_min_messages', 'notice', false);
			RAISE NOTICE '1 scans';
		END \$\$"));
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND granted}) or die 'nobody looks on';
	waiting_at_gate($node, 1);
	$lookers[0]{gate} = $gate;
	return @lookers;
}

sub lookers_end
{
	my ($what, @lookers) = @_;

	workers_end($node);
	open_gate($lookers[0]{gate});
	my ($scans, @wrong) = readers_end(qr/^$/, @lookers);
	violation("$what, seed $seed", @wrong);
	violation("$what, seed $seed", 'nobody has looked on') if $scans < @lookers;
}

foreach my $kind (@kinds)
{
	my $t = $kind->{name};
	my $n = $kind->{rows} < 100 ? 30 : $cycles > 1 ? 250 : 120;
	my $next = 1;
	my $insert = sub { my ($count) = @_; my $r = rows($kind, $next, $count); $next += $count; return $r };

	create_kind($node, $kind, rows => 0);
	check($kind, 'inserted', $insert->($n));
	for my $cycle (1 .. $cycles)
	{
		my @lookers;

		# what goes on beside old snapshots
		my @changes = (
			[ 'updated', "UPDATE $t SET rev = rev + 1, v = v_$t(id, rev + 1) WHERE id % 3 = 1;" ],
			[ 'heap-only tuples', join ' ', map { "UPDATE $t SET h = h + 1 WHERE id % 7 = $_;" } 1, 1, 1, 2, 1 ],
			[ 'heap-only tuples, then updated', "UPDATE $t SET h = h + 1 WHERE id % 5 = 1; UPDATE $t SET v = v_$t(id, rev + 1), rev = rev + 1 WHERE id % 5 = 1; UPDATE $t SET h = h + 1 WHERE id % 5 = 1;" ],
			[ 'rolled back', "BEGIN; " . $insert->(20) . " UPDATE $t SET v = v_$t(id, 9) WHERE id % 4 = 1; DELETE FROM $t WHERE id % 4 = 2; ROLLBACK;" ],
			[ 'subtransactions', "BEGIN; SAVEPOINT a; " . $insert->(7) . " SAVEPOINT b; " . $insert->(5) . " ROLLBACK TO b; RELEASE b; " . $insert->(3) .
				" ROLLBACK TO a; " . rows($kind, $next - 15, 7) . " SAVEPOINT c; DELETE FROM $t WHERE id % 6 = 1; ROLLBACK TO c; UPDATE $t SET k = k + 1 WHERE id % 6 = 2; COMMIT;" ],
			[ 'in the transaction that changes', "BEGIN; " . $insert->(10) . checks($kind) . " SAVEPOINT a; DELETE FROM $t WHERE id % 3 = 0; " . checks($kind) .
				" UPDATE $t SET v = v_$t(id, 7) WHERE id % 3 = 1; " . checks($kind) . " ROLLBACK TO a; " . checks($kind) . " COMMIT;" ],
			[ 'a change of keys', "UPDATE $t SET k = (k + 1) % 10;" ],
			[ 'another snapshot in a transaction', "BEGIN ISOLATION LEVEL REPEATABLE READ; " . checks($kind) . $insert->(4) . checks($kind) . " COMMIT;" ],
			[ 'no value, and one again', "UPDATE $t SET v = NULL WHERE id % 8 = 1; UPDATE $t SET v = v_$t(id, rev) WHERE id % 16 = 1;" ],
			[ 'vacuum', "VACUUM (INDEX_CLEANUP on) $t;" ],
			[ 'deleted, vacuumed, inserted', "DELETE FROM $t WHERE id % 2 = 0; VACUUM (INDEX_CLEANUP on) $t; " . $insert->(int($n / 2)) ],
			[ 'all deleted, vacuumed, inserted', "DELETE FROM $t; VACUUM (INDEX_CLEANUP on) $t; " . $insert->($n) . " VACUUM (INDEX_CLEANUP on) $t;" ]);
		@changes = sort { $a->[2] <=> $b->[2] } map { [ @$_, rand() ] } @changes if $cycle > 1;
		workers_begin($node);
		@lookers = lookers($kind);
		my $turn = int(@changes / 2);
		foreach (@changes)
		{
			check($kind, $_->[0], $_->[1]);
			if (--$turn == 0)
			{
				lookers_end('old snapshots', @lookers);
				workers_begin($node);
				@lookers = lookers($kind);
			}
		}
		lookers_end('old snapshots', @lookers);

		note "$t: row locks";
		# the nearest row is being changed by another; who locks it waits, and
		# gets it as it is then
		my $row = sql("SELECT id FROM $t WHERE v IS NOT NULL ORDER BY id LIMIT 1");
		my $nearest = "SET enable_seqscan = off; SET enable_sort = off; SET vector.enable_exact_scan = off; SET ivfflat.probes = 100; SET ivfpq.probes = 100; SET ivfrabitq.probes = 100; SET hnsw.ef_search = 1000; SET enable_bitmapscan = off;
			BEGIN; SELECT id, h FROM $t WHERE id = $row AND v IS NOT NULL ORDER BY v $kind->{op} v_$t($row, 0) LIMIT 1 FOR UPDATE; COMMIT";
		my $h = sql("SELECT h FROM $t WHERE id = $row");
		my $gate = close_gate($node);
		my $changing = start_psql($node, "BEGIN; UPDATE $t SET h = h + 100 WHERE id = $row; SELECT pg_advisory_lock_shared(7, 7); COMMIT");
		waiting_at_gate($node, 1);
		my $locking = start_psql($node, $nearest);
		$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%FOR UPDATE%'}) or die;
		open_gate($gate);
		my $errors = finish_psql($changing) . finish_psql($locking);
		violation("row locks, seed $seed", "${t}_i: FOR UPDATE gave '$locking->{out}' for row $row, $errors") if $locking->{out} ne "$row|" . ($h + 100) . "\n" || $errors ne '';
		check($kind, 'row locks', '');

		note "$t: prepared transactions";
		check($kind, 'prepared', "BEGIN; " . $insert->(6) . " DELETE FROM $t WHERE id % 9 = 1; PREPARE TRANSACTION 'p';");
		check($kind, 'prepared, vacuumed', "VACUUM (INDEX_CLEANUP on) $t;");
		if ($cycle == 1)
		{
			kill_all($node);
			restart($node);
			check($kind, 'prepared, crashed', '');
		}
		check($kind, 'prepared, vacuumed, ' . ($cycle % 2 ? 'committed' : 'rolled back'), ($cycle % 2 ? 'COMMIT' : 'ROLLBACK') . " PREPARED 'p';");
		check($kind, 'prepared, ended, vacuumed', "VACUUM (INDEX_CLEANUP on) $t;");

		note "$t: tables written anew";
		my $other = $kind->{filter} ? 'bigint' : 'int';
		check($kind, @$_) foreach (
			[ 'CLUSTER', "CLUSTER $t USING ${t}_pkey;" ],
			[ 'VACUUM FULL', "UPDATE $t SET h = h + 1; VACUUM FULL $t;" ],
			[ 'TRUNCATE rolled back', "BEGIN; TRUNCATE $t; " . $insert->(5) . checks($kind) . " ROLLBACK;" ],
			[ 'another type of the key', "ALTER TABLE $t ALTER k TYPE $other;" ],
			[ 'inserted', $insert->(10) ],
			[ 'the type of the column, with other values', "ALTER TABLE $t ALTER v TYPE $kind->{type} USING v_$t(id, rev + 50), ALTER k TYPE int;" ],
			[ 'a new column', "ALTER TABLE $t ADD c float8 DEFAULT random(); ALTER TABLE $t DROP COLUMN c;" ],
			[ 'TABLESPACE', "ALTER TABLE $t SET TABLESPACE elsewhere; ALTER INDEX ${t}_i SET TABLESPACE elsewhere;" ],
			[ 'inserted', $insert->(10) ],
			[ 'and back', "REINDEX (TABLESPACE pg_default) INDEX ${t}_i; ALTER TABLE $t SET TABLESPACE pg_default;" ],
			[ 'UNLOGGED', "ALTER TABLE $t SET UNLOGGED; " . $insert->(10) ],
			[ 'LOGGED', "ALTER TABLE $t SET LOGGED; " . $insert->(10) ],
			[ 'TRUNCATE in the transaction that fills', "BEGIN; " . $insert->(5) . " TRUNCATE $t; " . $insert->($n) . checks($kind) . " COMMIT;" ],
			[ 'TRUNCATE', "TRUNCATE $t;" ],
			[ 'filled again', $insert->($n) . " DELETE FROM $t WHERE id % 5 = 0; VACUUM (INDEX_CLEANUP on) $t;" ]);
		violation("cycle $cycle, seed $seed", index_checks($node, [$kind]));
		count_cycle([$kind]);
	}
}
is(violations(), 0, "no violation in $cycles cycles");
tally('mvcc', \@kinds);

$node->stop;
done_testing();
