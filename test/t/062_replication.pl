# Replicas, for every access method: a standby and one that follows it answer
# while they replay, under conflicts (without feedback), after crashes of any of
# the three; at the same place in WAL all answer the same.  Then recovery to a
# named point from a base backup, promotion, pg_rewind of the old primary, and
# logical replication into another cluster with indexes of its own.  Load, ledger
# and comparison are in Stress.pm, which tells what the environment can set.
use strict;
use warnings;

use Index;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Stress;
use Test::More;

my $cycles = cycles(1);
my $seed = seed(5);
my @kinds = kinds();
my $gone = qr/server closed the connection unexpectedly|no connection to the server|connection to server (was lost|at|on socket)|terminating connection|unexpected postmaster exit|could not (send|receive)|the database system is|parallel worker/;
my $conflict = qr/conflict with recovery|$gone/;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 'logical', has_archiving => 1, extra => ['--data-checksums']);
$primary->append_conf('postgresql.conf', stress_configuration() . q{
wal_keep_size = 2GB
max_wal_senders = 10
max_replication_slots = 10
hot_standby_feedback = off
max_standby_streaming_delay = 50ms
max_standby_archive_delay = 50ms
wal_retrieve_retry_interval = 50ms
wal_consistency_checking = generic
});
$primary->start;
stress_prepare($primary);
create_kind($primary, $_) foreach @kinds;
$primary->backup('base');

sub standby_of
{
	my ($name, $of, $backup) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init_from_backup($of, $backup, has_streaming => 1);
	$node->start;
	return $node;
}

my $standby = standby_of('standby', $primary, 'base');
$standby->backup('of_standby');
my $cascade = standby_of('cascade', $standby, 'of_standby');

sub catch_up
{
	my ($from, @to) = @_;
	my $lsn = $from->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');

	foreach (@to)
	{
		$_->poll_query_until('postgres', "SELECT pg_last_wal_replay_lsn() >= '$lsn'") or die $_->name . ' does not catch up';
	}
}

# Comparisons on a standby, one statement each, of which any may be cancelled
# because of a conflict
sub standby_reader
{
	my ($node) = @_;
	my @calls = map { Stress::compare_calls($_, $_->{name}, int(rand(1000000))) } (@kinds) x 8;

	return start_psql($node, "\\set ON_ERROR_STOP off\nSET default_transaction_isolation = 'repeatable read';\n" .
		join '', map { "SELECT 'compared', $_;\n" } sort { rand() <=> 0.5 } @calls);
}

# The first 30 rows of some queries with a session's settings
sub answers
{
	my ($node) = @_;
	srand($seed);
	return $node->safe_psql('postgres', "SET enable_seqscan = off; SET enable_sort = off; SET vector.enable_exact_scan = off;\n" . join '',
		map { my $kind = $_; map { my $n = int(rand(1000000));
			"SELECT '$kind->{name}', string_agg(id::text, ',' ORDER BY place) FROM (SELECT id, row_number() OVER () AS place FROM (SELECT id FROM $kind->{name} WHERE v IS NOT NULL ORDER BY v $kind->{op} v_$kind->{name}($n, 0) LIMIT 30) a) b;\n" } 1 .. 3 } @kinds);
}

sub same_answers
{
	my ($what, $from, @to) = @_;
	my @wrong;

	catch_up($from, @to);
	my $answers = answers($from);
	foreach my $node (@to)
	{
		my $other = answers($node);
		my @mine = split /\n/, $answers;
		my @other = split /\n/, $other;

		push @wrong, map { $mine[$_] ne ($other[$_] // '') ? $node->name . " answers $other[$_], the primary $mine[$_]" : () } 0 .. $#mine;
		push @wrong, map { $node->name . ": $_" } compare_all($node, \@kinds), index_checks($node, \@kinds);
	}
	push @wrong, compare_all($from, \@kinds);
	violation("$what, seed $seed", @wrong);
}

my $ledger = ledger_new(\@kinds, 2);
my ($compared, $cancelled) = (0, 0);
for my $cycle (1 .. $cycles)
{
	srand($seed * 1000 + $cycle);
	load_begin($primary, $ledger, transactions => 60, maintenance => 12);
	my @readers = map { standby_reader($_) } $standby, $standby, $cascade;
	my $whom = any('nobody', $primary, $standby, $cascade, $standby);

	select(undef, undef, undef, 0.2 + rand(1.5));
	if ($whom ne 'nobody')
	{
		kill_all($whom);
		restart($whom);
		fault(\@kinds);
	}
	my @wrong = load_end($primary, $ledger, expected => $whom eq $primary ? $gone : qr/^$/);
	foreach my $reader (@readers)
	{
		my $err = finish_psql($reader);

		$compared++ while $reader->{out} =~ /^compared\|$/mg;
		push @wrong, "standby: $1" while $reader->{out} =~ /^compared\|(.+)$/mg;
		foreach ($err =~ /((?:ERROR|FATAL|PANIC): .*)/g)
		{
			if (/$conflict/) { $cancelled++ }
			else { push @wrong, "standby: $_" }
		}
	}
	clean_up($primary);
	violation("cycle $cycle, seed $seed", @wrong);
	same_answers("cycle $cycle", $primary, $standby, $cascade);
	count_cycle(\@kinds);
}
fault(\@kinds, $cancelled);
note "$compared comparisons on standbys while they replayed, $cancelled statements cancelled by conflicts or crashes";
cmp_ok($compared, '>', 0, 'standbys have answered');

note 'recovery to a named point, from the backup of the empty tables';
sub contents { my ($node) = @_; return $node->safe_psql('postgres', join ' ', map { "SELECT md5(string_agg(id || ':' || rev || ':' || h, ',' ORDER BY id)) FROM $_->{name};" } @kinds) }
my $then = contents($primary);
$primary->safe_psql('postgres', q{SELECT pg_create_restore_point('then')});
load_begin($primary, $ledger, transactions => 20, maintenance => 3);
violation("after the point, seed $seed", load_end($primary, $ledger));
$primary->safe_psql('postgres', 'SELECT pg_switch_wal()');
my $past = PostgreSQL::Test::Cluster->new('past');
$past->init_from_backup($primary, 'base', has_restoring => 1, standby => 0);
$past->append_conf('postgresql.conf', "recovery_target_name = 'then'\nrecovery_target_action = promote\n");
$past->start;
$past->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die;
is(contents($past), $then, 'the rows of then');
violation("recovered to a point, seed $seed", compare_all($past, \@kinds), own_values($past, \@kinds), index_checks($past, \@kinds));
$past->safe_psql('postgres', join ' ', map { "DELETE FROM $_->{name} WHERE id % 2 = 0;" } @kinds);
$past->safe_psql('postgres', "VACUUM (INDEX_CLEANUP on) $_->{name}") foreach @kinds;
$past->safe_psql('postgres', join ' ', map { "INSERT INTO $_->{name} SELECT id, 0, 0, id % 10, v_$_->{name}(id, 0) FROM generate_series(2000000, 2000020) id;" } @kinds);
violation("recovered to a point and changed, seed $seed", compare_all($past, \@kinds), index_checks($past, \@kinds));
$past->stop;

note 'logical replication';
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init;
$subscriber->append_conf('postgresql.conf', stress_configuration() . "max_logical_replication_workers = 10\n");
$subscriber->start;
stress_prepare($subscriber);
create_kind($subscriber, $_) foreach @kinds;
$primary->safe_psql('postgres', 'CREATE PUBLICATION p FOR TABLE ' . join ', ', map { $_->{name} } @kinds);
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION s CONNECTION '" . $primary->connstr . " dbname=postgres' PUBLICATION p");
load_begin($primary, $ledger, transactions => 30, maintenance => 3);
violation("logical replication, seed $seed", load_end($primary, $ledger));
$subscriber->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_subscription_rel WHERE srsubstate NOT IN ('r', 's')}) or die;
$primary->wait_for_catchup('s');
is(contents($subscriber), contents($primary), 'the subscriber has the same rows');
violation("subscriber, seed $seed", compare_all($subscriber, \@kinds), own_values($subscriber, \@kinds), index_checks($subscriber, \@kinds));
$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION s');
$primary->safe_psql('postgres', 'DROP PUBLICATION p');
$subscriber->stop;

note 'promotion; the old primary goes its own way, and is rewound';
same_answers('before promotion', $primary, $standby, $cascade);
# The checkpoint that pg_rewind goes back to is one of the standby's, too: since its
# last one it logs whole pages, and where a file is gone that was dropped later, the
# check of pages while they are replayed takes one that is missing for damage.
$primary->safe_psql('postgres', 'CHECKPOINT');
catch_up($primary, $standby);
$standby->safe_psql('postgres', 'CHECKPOINT');
$standby->promote;
$standby->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die;
load_begin($standby, $ledger, transactions => 40, maintenance => 6);
$primary->safe_psql('postgres', join ' ', map { "INSERT INTO $_->{name} SELECT id, 5, 0, id % 10, v_$_->{name}(id, 5) FROM generate_series(3000000, 3000015) id; DELETE FROM $_->{name} WHERE id % 5 = 0;" } @kinds);
$primary->safe_psql('postgres', "VACUUM (INDEX_CLEANUP on) $_->{name}") foreach @kinds;
violation("after promotion, seed $seed", load_end($standby, $ledger));
clean_up($standby);
same_answers('after promotion', $standby, $cascade);
fault(\@kinds, 2);
SKIP:
{
	my $rewind = $primary->config_data('--bindir') . '/pg_rewind';

	skip 'no pg_rewind for this server', 1 if !-x $rewind;
	kill_all($primary);
	my $conf = slurp_file($primary->data_dir . '/postgresql.conf');
	restart($primary);
	$primary->stop;
	# up to PostgreSQL 15, pg_rewind learns of the new timeline from a checkpoint
	$standby->safe_psql('postgres', 'CHECKPOINT');
	my (undef, $said) = run_command([ $rewind, '--source-server', $standby->connstr('postgres'), '--target-pgdata', $primary->data_dir, '--no-sync' ]);
	like($said, qr/rewinding from last common checkpoint.*Done!/s, 'pg_rewind');
	unlink $primary->data_dir . '/postgresql.conf';
	append_to_file($primary->data_dir . '/postgresql.conf', $conf);
	$primary->enable_streaming($standby);
	$primary->set_standby_mode;
	$primary->start;
	same_answers('rewound', $standby, $primary);
	load_begin($standby, $ledger, transactions => 20, maintenance => 3);
	violation("beside the rewound one, seed $seed", load_end($standby, $ledger));
	same_answers('rewound, and went on', $standby, $primary);
	fault(\@kinds);
	$primary->stop;
}
kill_all($standby);
restart($standby);
violation("promoted and crashed, seed $seed", compare_all($standby, \@kinds), own_values($standby, \@kinds), index_checks($standby, \@kinds));
is(violations(), 0, "no violation in $cycles cycles");
tally('replication', \@kinds);

$_->stop foreach $cascade, $standby;
done_testing();
