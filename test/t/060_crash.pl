# Servers killed at random points under load, for every access method: after
# recovery every committed row is found by its index, and once, no other is, and
# the clients' ledgers of what they committed hold.  Load, ledger and comparison
# are in Stress.pm, which tells what the environment can set.
#
# What is killed: all processes of the server at once; one of them, whichever
# (a client's, a parallel worker, the checkpointer), upon which the postmaster
# starts anew; the server while it recovers.
use strict;
use warnings;

use Index;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Stress;
use Test::More;

my $cycles = cycles(4);
my $seed = seed(1);
my @kinds = kinds();
my $expected = qr/no connection to the server|connection to server was lost|server closed the connection unexpectedly|terminating connection because of crash|connection to server (at|on socket)|could not (send|receive)|canceling statement|parallel worker|the database system is|unexpected postmaster exit/;

my $node = PostgreSQL::Test::Cluster->new('crash');
$node->init(extra => ['--data-checksums']);
$node->append_conf('postgresql.conf', stress_configuration());
$node->start;
stress_prepare($node);
foreach my $kind (@kinds)
{
	create_kind($node, $kind);
	create_kind($node, $kind, table => "u_$kind->{name}", unlogged => 1);
}

# One process of the server, but for the postmaster: all others end with it.
sub kill_one
{
	my $witness = witness($node);
	my $postmaster = postmaster($node);
	my $workers = rand() < 0.4 ? q{WHERE backend_type = 'parallel worker'} : '';
	my $pids = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity $workers");
	my @pids = $workers && $pids ? split(/\n/, $pids) : split(' ', `ps -o pid= --ppid $postmaster`);

	# a victim that has ended meanwhile, as workers soon do, is none
	until (kill_process(any(@pids))) { @pids = split(' ', `ps -o pid= --ppid $postmaster`) }
	finish_psql($_) foreach $witness, $witness->{gate};
	wait_until_back($node);
}

# Begins to recover, and is killed at that
sub kill_recovery
{
	my $before = postmaster($node);
	my $new = sub { my $pid = postmaster($node); return $pid ne '' && $pid ne $before };

	system_log('pg_ctl', '-W', '-D', $node->data_dir, '-l', $node->logfile, 'start');
	for (1 .. 1000)
	{
		last if $new->();
		select(undef, undef, undef, 0.002);
	}
	select(undef, undef, undef, rand(0.15));
	kill_all($node) if $new->();
}

my $ledger = ledger_new(\@kinds, 3);
for my $cycle (1 .. $cycles)
{
	# Where the images of pages are left out, a check of what replay makes of them
	# stumbles over files that were dropped later, of any access method.
	my $full = any('on', 'off');
	my $consistency = $full eq 'on' ? any('all', '') : '';
	my $how = $cycle % 5 == 0 ? 'one' : any('all', 'all', 'all', 'one');
	my @wrong;

	$node->safe_psql('postgres', $_) foreach "ALTER SYSTEM SET full_page_writes = $full", "ALTER SYSTEM SET wal_consistency_checking = '$consistency'", 'SELECT pg_reload_conf()';
	# its change counts from a checkpoint on
	until ($node->safe_psql('postgres', "CHECKPOINT; SELECT full_page_writes = '$full' FROM pg_control_checkpoint()") eq 't')
	{
		select(undef, undef, undef, 0.02);
	}
	$node->safe_psql('postgres', join ' ', map { "INSERT INTO u_$_->{name} SELECT id, 0, 0, id % 10, v_$_->{name}(id, 0) FROM generate_series(1, 15) id;" } @kinds);
	workers_begin($node);
	load_begin($node, $ledger);
	my @readers = readers_begin($node, \@kinds, 1);
	select(undef, undef, undef, 0.05 + rand(1.5));
	if ($how eq 'one') { kill_one() }
	else
	{
		kill_all($node);
		if (rand() < 0.3) { kill_recovery(); fault(\@kinds) }
		restart($node);
	}
	fault(\@kinds);
	count_cycle(\@kinds);

	# who has come after the server was back is still there
	workers_end($node);
	@wrong = load_end($node, $ledger, expected => $expected);
	my ($scans, @read) = readers_end($expected, @readers);
	push @wrong, @read, compare_all($node, \@kinds), index_checks($node, \@kinds);
	push @wrong, compare_all($node, \@kinds, prefix => 'u_');
	push @wrong, map { "$_: not empty after a crash" } grep { $_ ne '' } split /\n/, $node->safe_psql('postgres', join ' ', map { "SELECT 'u_$_->{name}_i' WHERE EXISTS (SELECT FROM u_$_->{name});" } @kinds);
	clean_up($node);

	# what was left half done does no harm to what comes next
	if ($cycle % 3 == 0 || @wrong)
	{
		push @wrong, own_values($node, \@kinds);
		$node->safe_psql('postgres', "VACUUM (INDEX_CLEANUP on) $_->{name}") foreach @kinds;
		push @wrong, map { "after vacuum: $_" } compare_all($node, \@kinds), own_values($node, \@kinds), index_checks($node, \@kinds);
	}
	violation("cycle $cycle of seed $seed ($how killed, full_page_writes $full, wal_consistency_checking '$consistency')", @wrong);
	if (@wrong)
	{
		$node->stop('fast');
		keep($node, "crash-$seed-$cycle");
		$node->start;
		$node->safe_psql('postgres', "REINDEX INDEX $_->{name}_i") foreach @kinds;
	}
}
note 'acknowledged transactions: ' . join(' ', map { $_->{acknowledged} } @{ $ledger->{clients} });
is(violations(), 0, "no violation in $cycles cycles");
tally('crash', \@kinds);

$node->stop;
done_testing();
