# What the tests of all kinds of indexes share: data, and comparison with exact
# search.
#
# item(seed, dims) is a vector in one of 40 clusters, the same for the same
# seed.  Tables are t(id, v), queries come from seeds of their own.
package Index;
use strict;
use warnings;

use Exporter 'import';
use File::Temp;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(init_without_checksums index_prepare hnsw_ok index_recall ivf_ok ivf_settings ivf_filter ivf_conditions start_psql finish_psql endless cancel close_gate open_gate waiting_at_gate meet meet_phase meet_vacuum witness kill_process kill_backend kill_inserting workers_begin workers_end);

# A server whose files a test changes: without checksums of pages, which are the rule
# from 18 on.
sub init_without_checksums
{
	my ($node) = @_;
	my ($major) = `pg_config --version` =~ /PostgreSQL (\d+)/;

	$node->init($major >= 18 ? (extra => ['--no-data-checksums']) : ());
}

# Functions in SQL; hnsw_ok and index_recall need them.
sub index_prepare
{
	my ($node, $db) = @_;

	$node->safe_psql(
		$db // 'postgres', q{
	CREATE EXTENSION vector;

	-- uniform in (-1, 1)
	CREATE FUNCTION noise(a bigint, b bigint) RETURNS float8 IMMUTABLE PARALLEL SAFE LANGUAGE sql AS
		'SELECT hashint8extended($1, $2) / 9223372036854775808.0::float8';
	CREATE FUNCTION item(seed bigint, dims int) RETURNS vector IMMUTABLE PARALLEL SAFE LANGUAGE sql AS
		'SELECT array_agg(noise(i, seed % 40) + 0.5 * noise(i, 1000 + seed))::vector
		 FROM generate_series(1, dims) i';

	-- Rows of t that its index finds by their own value, of so many of them: a
	-- row counts that has it, or one as near.
	CREATE FUNCTION lost(t regclass, op text, every int) RETURNS TABLE (found bigint, lost bigint) LANGUAGE plpgsql AS $$
	BEGIN
		RETURN QUERY EXECUTE format(
			'SELECT count(*) FILTER (WHERE ok), count(*) FILTER (WHERE ok IS NOT true) FROM (
				SELECT (SELECT (b.v %2$s a.v) <= (a.v %2$s a.v) FROM %1$s b ORDER BY b.v %2$s a.v LIMIT 1) AS ok
				FROM %1$s a WHERE v IS NOT NULL AND id %% %3$s = 0) q', t, op, every);
	END $$;

	-- Recall of the ten nearest for some queries.  Counts what is no farther
	-- than the tenth, so that ties do no harm.  Rows must come in order.
	CREATE FUNCTION recall(t regclass, op text, queries int, dims int, k int DEFAULT 10) RETURNS numeric LANGUAGE plpgsql AS $$
	DECLARE
		q vector;
		found float8[];
		exact float8[];
		ids int[];
		hits int := 0;
		total int := 0;
	BEGIN
		FOR n IN 1 .. queries LOOP
			q := item(10000000 + n, dims);
			EXECUTE format('SELECT array_agg(d), array_agg(id) FROM (SELECT v %2$s $1 AS d, id FROM %1$s ORDER BY v %2$s $1 LIMIT %3$s) f', t, op, k)
				INTO found, ids USING q;
			EXECUTE format('SELECT array_agg(d) FROM (SELECT (v %2$s $1) + 0 AS d FROM %1$s WHERE v IS NOT NULL ORDER BY 1 LIMIT %3$s) f', t, op, k)
				INTO exact USING q;
			IF found IS DISTINCT FROM (SELECT array_agg(d ORDER BY d) FROM unnest(found) d) THEN
				RAISE 'rows of % are out of order: %', t, found;
			END IF;
			IF cardinality(ids) <> (SELECT count(DISTINCT i) FROM unnest(ids) i) THEN
				RAISE 'a row of % came twice: %', t, ids;
			END IF;
			hits := hits + (SELECT count(*) FROM unnest(found) d WHERE d <= exact[cardinality(exact)]);
			total := total + cardinality(exact);
		END LOOP;
		RETURN hits::numeric / total;
	END $$;

	-- All rows that a scan to the end gives: how often, how many, of how many
	CREATE FUNCTION whole(t regclass, op text, dims int) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE r text;
	BEGIN
		EXECUTE format(
			'SELECT count(*) - count(DISTINCT id) || '' twice, '' || (SELECT count(v) FROM %1$s) - count(DISTINCT id) || '' lost''
			 FROM (SELECT id FROM %1$s ORDER BY v %2$s item(20000000, %3$s) LIMIT 10000000) s', t, op, dims) INTO r;
		RETURN r;
	END $$
	SET hnsw.iterative_scan = relaxed_order SET hnsw.max_scan_tuples = 2000000000 SET hnsw.scan_mem_multiplier = 1000 SET work_mem = '64MB' SET vector.approximate_without_limit = on;

	-- The same with the session's settings, and how many are nearer than the row before;
	-- of the rows that fulfil a condition of the index
	CREATE FUNCTION scan_to_end(t regclass, op text, q vector, condition text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		holds text := coalesce(condition, 'true');
		query text := format('SELECT id, v %2$s $1 AS d FROM %1$s WHERE %3$s ORDER BY v %2$s $1 LIMIT 1000000', t, op, holds);
		line text;
		plan text := '';
		r text;
	BEGIN
		FOR line IN EXECUTE 'EXPLAIN ' || replace(query, '$1', quote_literal(q)) LOOP
			plan := plan || line;
		END LOOP;
		IF plan NOT LIKE '%Index Scan using%' THEN RAISE 'no index scan of %', t; END IF;
		IF condition IS NOT NULL AND (plan NOT LIKE '%Index Cond:%' OR plan LIKE '%Filter:%') THEN RAISE 'no condition of the index of %: %', t, plan; END IF;
		EXECUTE format(
			'SELECT count(*) - count(DISTINCT id) || '' twice, '' ||
				(SELECT count(v) FROM %1$s WHERE %3$s) - count(DISTINCT id) FILTER (WHERE %3$s) || '' lost, '' ||
				CASE WHEN count(*) FILTER (WHERE NOT (%3$s)) > 0 THEN ''some that must not be, '' ELSE '''' END ||
				count(*) FILTER (WHERE d < before) || '' out of order''
			 FROM (SELECT id, d, lag(d) OVER (ORDER BY place) AS before FROM (SELECT id, d, row_number() OVER () AS place FROM (%2$s) a) b) c', t, query, holds)
			INTO r USING q;
		RETURN r;
	END $$
	SET vector.approximate_without_limit = on;
	});
}

# No row of table t is lost or comes twice: a scan to the end gives all, and all
# but two in a thousand (the search is an approximate one) are found by their
# own value.  Options: op, dims, every (which part of the rows is looked up by
# value), ef (of that), miss (one in so many), db.  By inner product a
# row need not be near itself, and short ones may be nobody's neighbours: there
# only rows that come twice count.
sub hnsw_ok
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($node, $t, $name, %o) = @_;
	my $op = $o{op} // '<->';
	my $every = $o{every} // 3;
	my $dims = $o{dims} // 32;
	my $ef = $o{ef} // 200;
	my $miss = $o{miss} // 500;	# one in so many may be missed
	my $result = $node->safe_psql(
		$o{db} // 'postgres', qq{
		SET jit = off; SET enable_seqscan = off; SET vector.enable_exact_scan = off; SET hnsw.ef_search = $ef;
		SELECT CASE WHEN lost > 1 + found / $miss THEN lost ELSE 0 END || ' not found' FROM lost('$t', '$op', $every);
		SELECT whole('$t', '$op', $dims);});

	if ($op eq '<#>')
	{
		like($result, qr/\n0 twice, 0 lost$/, "$name: every row comes once");
		return;
	}
	is($result, "0 not found\n0 twice, 0 lost", "$name: every row is found, and once");
}

sub index_recall
{
	my ($node, $t, %o) = @_;
	my $op = $o{op} // '<->';
	my $dims = $o{dims} // 32;
	my $ef = $o{ef} // 40;
	my $queries = $o{queries} // 100;
	my $settings = $o{set} // "SET hnsw.ef_search = $ef";

	return $node->safe_psql(
		$o{db} // 'postgres', qq{
		SET jit = off; SET enable_seqscan = off; SET vector.enable_exact_scan = off; $settings;
		SELECT round(recall('$t', '$op', $queries, $dims), 4)});
}

# Settings by which scans of inverted files find all
sub ivf_settings
{
	my ($rerank) = @_;

	return join(' ', map { "SET $_;" } 'enable_seqscan = off', 'vector.enable_exact_scan = off', 'jit = off',
		map({ ("ivf$_.probes = 32768", "ivf$_.iterative_scan = relaxed_order") } qw(flat pq rabitq)),
		map({ "ivf$_.rerank = $rerank" } qw(pq rabitq)));
}

# Filter columns of tables t(id, v), and conditions on them: that many rows
# fulfil, few, one, none
sub ivf_filter
{
	return q{(id % 50), (noise(id, 7) < 0), ((id % 500)::text), id};
}

sub ivf_conditions
{
	return ('id % 50 < 30 AND (noise(id, 7) < 0) IS NOT NULL', 'id % 50 = 7', q{(id % 500)::text = '123' AND id > 100}, 'id = 77', 'id % 50 > 50');
}

# With all lists, a scan to the end of t's inverted file gives each row once;
# with as many candidates as there are rows, in order.  Options: op, dims, db,
# work_mem, filter: the index has the columns of ivf_filter.
sub ivf_ok
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($node, $t, $name, %o) = @_;
	my $op = $o{op} // '<->';
	my $dims = $o{dims} // 32;
	my $work_mem = $o{work_mem} // '4MB';
	my $all = "SELECT scan_to_end('$t', '$op', item(20000000, $dims));";
	my $result = $node->safe_psql($o{db} // 'postgres',
		ivf_settings(0) . "SET work_mem = '$work_mem'; $all" . ivf_settings(100000) . $all);

	like($result, qr/^0 twice, 0 lost, \d+ out of order\n0 twice, 0 lost, 0 out of order$/, "$name: every row comes once");
	return if !$o{filter};
	$result = $node->safe_psql($o{db} // 'postgres', ivf_settings(100000) .
		join(' ', map { "SELECT scan_to_end('$t', '$op', item(20000000, $dims), \$\$$_\$\$);" } ivf_conditions()));
	like($result, qr/^(0 twice, 0 lost, 0 out of order\n?)+$/, "$name: rows that fulfil a condition, and no others");
}

# Run SQL in the background; finish_psql waits and returns its errors.  From a
# file: IPC::Run would hand over standard input only when it waits.
sub start_psql
{
	my ($node, $sql, $db) = @_;
	my %session = (out => '', err => '');
	my ($fh, $file) = File::Temp::tempfile(UNLINK => 1);

	print $fh $sql;
	close $fh;
	$session{handle} = IPC::Run::start(
		[ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($db // 'postgres'), '-f', $file ],
		'<', \undef, '>', \$session{out}, '2>', \$session{err});
	return \%session;
}

# SQL that repeats statements for longer than any test takes
sub endless
{
	my (@statements) = @_;

	return 'SELECT ' . join(', ', map { "\$_\$$_\$_\$" } @statements) . ' FROM generate_series(1, 100000) \gexec';
}

# Run SQL that is cancelled in the midst of it, after some milliseconds; where it is done
# by then, half of that, after other SQL that takes it back.
sub cancel
{
	my ($node, $ms, $sql, $back) = @_;

	while (1)
	{
		my (undef, undef, $err) = $node->psql('postgres', "SET statement_timeout = '${ms}ms'; $sql");

		return 1 if $err =~ /canceling statement due to statement timeout/;
		die "not cancelled: $err" if $err =~ /ERROR|FATAL/ || $ms < 2;
		$node->safe_psql('postgres', $back) if $back;
		$ms = int($ms / 2);
	}
}

# A gate: a lock that one session holds, for others to wait for by
# pg_advisory_lock_shared(7, number), until open_gate().  The session that holds it has
# no snapshot, which would keep vacuum from its work; it lasts as long as its psql has
# something to read.
sub close_gate
{
	my ($node, $number) = @_;
	my %session = (in => 'SELECT pg_advisory_lock(7, ' . ($number // 7) . ");\n", out => '', err => '');

	$session{handle} = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres') ],
		'<', \$session{in}, '>', \$session{out}, '2>', \$session{err});
	$session{handle}->pump while $session{out} !~ /\n/ && $session{handle}->pumpable;
	return \%session;
}

sub open_gate { finish_psql($_[0]) }

# Wait until so many sessions wait at a gate
sub waiting_at_gate
{
	my ($node, $sessions, $number) = @_;
	my $gate = $number // 7;

	$node->poll_query_until('postgres', "SELECT count(*) = $sessions FROM pg_locks WHERE locktype = 'advisory' AND classid = 7 AND objid = $gate AND NOT granted")
	  or die "nobody waits at gate $gate";
}

# Sessions that are at something while a condition holds, which they do not wait in.
# How long that lasts, and how long a look takes, does not matter: they are begun
# again, by a sub that returns them, until they have been met.  Looks often, from one
# session: starting one for each look may take longer than what is looked for.
sub meet
{
	my ($node, $condition, $begin) = @_;

	foreach my $try (1 .. 1000)
	{
		my @sessions = $begin->($try);
		my $going_on = 1;

		while ($going_on)
		{
			$_->{handle}->pump_nb foreach @sessions;
			# the last look comes after their end
			$going_on = grep { $_->{handle}->pumpable } @sessions;
			my $met = $node->safe_psql(
				'postgres', qq{
				CREATE FUNCTION pg_temp.met() RETURNS boolean LANGUAGE plpgsql AS \$\$
				BEGIN
					FOR i IN 1 .. 200 LOOP
						PERFORM pg_stat_clear_snapshot();
						IF EXISTS ($condition) THEN RETURN true; END IF;
						PERFORM pg_sleep(0.002);
					END LOOP;
					RETURN false;
				END \$\$;
				SELECT pg_temp.met()});
			return @sessions if $met eq 't';
		}
		foreach (@sessions)
		{
			my $err = finish_psql($_);

			die "a session that was not met: $err" if $err =~ /ERROR|FATAL/;
		}
	}
	die "nobody has been met while $condition";
}

# The same of a command of a kind (create_index, vacuum) in a phase.
sub meet_phase
{
	my ($node, $command, $phase, $begin) = @_;

	return meet($node, "SELECT FROM pg_stat_progress_$command WHERE phase LIKE '$phase'", $begin);
}

# The same of a slow VACUUM of tables, each by a session of its own, while one of them is
# in an index, and in the given part of a phase of its own there.  What it is to remove is
# deleted before it starts, and more of it each time: a session's snapshot may be older
# than a deletion beside it, and a vacuum that can remove nothing never comes to the
# indexes.
sub meet_vacuum
{
	my ($node, $tables, %o) = @_;
	my $settings = $o{set} // '';
	my $condition = "SELECT FROM pg_stat_progress_vacuum WHERE phase = 'vacuuming indexes'";

	$condition = "SELECT FROM vector_vacuum_progress() WHERE phase LIKE '$o{phase}' AND done >= total * $o{part}" if $o{phase};
	return meet(
		$node,
		$condition,
		sub {
			my ($try) = @_;

			$node->safe_psql('postgres', join ' ', map { "DELETE FROM $_ WHERE id IN (SELECT id FROM $_ ORDER BY random() LIMIT (SELECT count(*) / 20 + 1 FROM $_));" } @$tables) if $try > 1;
			return map { start_psql($node, "SET vacuum_cost_limit = 10; SET vacuum_cost_delay = '20ms'; $settings VACUUM (INDEX_CLEANUP on) $_") } @$tables;
		});
}

# Kill a process, unless it has ended or is just about to: one that its parent has
# not looked after yet can still be sent a signal, but nothing crashes by that.
# What is stopped first does not end by itself.  Returns whether it was killed.
sub kill_process
{
	my ($pid) = @_;

	return 0 if !kill('STOP', $pid);
	while (open my $fh, '<', "/proc/$pid/stat")
	{
		my ($state) = (<$fh> // '') =~ /.*\) (\w)/;

		close $fh;
		return kill('KILL', $pid) if ($state // '') =~ /^t/i;
		last if !defined $state || $state =~ /^[ZX]/i;
		select(undef, undef, undef, 0.002);
	}
	return 0;
}

# A session that ends only with the server, or when its gate is opened
sub witness
{
	my ($node) = @_;
	my $gate = close_gate($node, 8);
	my $witness = start_psql($node, 'SELECT pg_advisory_lock_shared(7, 8)');

	waiting_at_gate($node, 1, 8);
	$witness->{gate} = $gate;
	return $witness;
}

# Kill the backend whose pid a query gives with no chance to clean up, and wait
# for the server to be back.  The sessions given are finished.  If there is no such
# backend (any more, on a busy machine), nothing is killed.
#
# The client of the killed backend ends at once, maybe before the postmaster has
# seen anything, and then a new session belongs to the old server still and dies
# with it.  So another session is there that waits for nothing: when it ends, the
# postmaster has.  New sessions are tried without anything on their standard
# input: one that is refused ends before it has read that.
sub kill_backend
{
	my ($node, $which, @sessions) = @_;
	my $witness = witness($node);
	my $pid;
	my $tries = 0;
	my $out;
	my $err;

	$pid = $node->safe_psql('postgres', $which);
	open_gate($witness->{gate}) if !$pid || !kill_process($pid);
	finish_psql($_) foreach @sessions, $witness, $witness->{gate};
	until (IPC::Run::run([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'SELECT true' ], '<', \undef, '>', \$out, '2>', \$err))
	{
		die "the server is not back: $err" if ++$tries > 6000;
		select(undef, undef, undef, 0.1);
	}
}

# Kill the server, or a backend, while two sessions insert into table t, each by
# a block that ends by itself only with its server; more rows than before have
# come by then, or a query that counts something else says so.
sub kill_inserting
{
	my ($node, $how, $insert, $t, $more, $counter) = @_;
	my $count = $counter // "SELECT count(*) FROM $t";
	my $before = $node->safe_psql('postgres', $count);
	my @sessions = map { start_psql($node, $insert) } 1 .. 2;

	$node->poll_query_until('postgres', "SELECT ($count) > $before + $more") or die;
	if ($how eq 'server')
	{
		$node->stop('immediate');
		$node->start;
		finish_psql($_) foreach @sessions;
	}
	else
	{
		kill_backend($node, q{SELECT pid FROM pg_stat_activity WHERE query LIKE '%DO $$%' AND pid <> pg_backend_pid() LIMIT 1}, @sessions);
	}
}

# Sessions that work beside something look at working() whether they are to go
# on: from workers_begin, which is called on a primary, to workers_end, whatever
# time that takes.
sub workers_begin
{
	my ($node) = @_;

	unlink $node->data_dir . '/stop_working';
	$node->safe_psql('postgres', q{
		CREATE OR REPLACE FUNCTION working() RETURNS boolean LANGUAGE sql AS
			$$SELECT (pg_stat_file('stop_working', true)).size IS NULL$$});
}

sub workers_end
{
	my ($node) = @_;

	append_to_file($node->data_dir . '/stop_working', 'stop');
}

sub finish_psql
{
	my ($session) = @_;

	$session->{handle}->finish;
	return $session->{err};
}

1;
