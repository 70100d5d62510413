# Writers, readers, vacuum and builds side by side for every access method, while
# sessions are cancelled and terminated at random points: clients, builds, their
# workers, vacuum.  Readers compare indexes with tables under one snapshot all the
# time; afterwards the ledgers hold and every row is found, once.  Nobody waits for
# each other in a circle.  Load, ledger and comparison are in Stress.pm, which
# tells what the environment can set.
use strict;
use warnings;

use Index;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Stress;
use Test::More;

my $cycles = cycles(1);
my $seed = seed(2);
my @kinds = kinds();
my $expected = qr/canceling statement due to user request|terminating connection due to administrator command|server closed the connection unexpectedly|connection to server was lost|no connection to the server|parallel worker/;

# A small buffer pool, so that buffers change hands under scans
my $node = PostgreSQL::Test::Cluster->new('concurrent');
$node->init;
$node->append_conf('postgresql.conf', stress_configuration() . "shared_buffers = 2MB\nmax_connections = 40\n");
$node->start;
stress_prepare($node);
create_kind($node, $_) foreach @kinds;

my $ledger = ledger_new(\@kinds, 4);
my $scans = 0;
for my $cycle (1 .. $cycles)
{
	my ($faults, $rounds) = (0, 0);
	my @wrong;

	workers_begin($node);
	my @readers = readers_begin($node, \@kinds, 2);
	load_begin($node, $ledger, transactions => 60, maintenance => 15);

	# One session of the load after the other.  Readers are told from it by what
	# they run.
	while (++$rounds <= 12)
	{
		my $how = any('pg_cancel_backend', 'pg_cancel_backend', 'pg_terminate_backend');
		my $whom = any(q{backend_type = 'client backend'}, q{backend_type = 'client backend' AND query ~ '^(VACUUM|CREATE|REINDEX|SELECT sparse)'}, q{backend_type = 'parallel worker'});

		select(undef, undef, undef, rand(0.3));
		$faults += $node->safe_psql('postgres', qq{
			SELECT count(*) FILTER (WHERE $how(pid)) FROM (SELECT pid FROM pg_stat_activity
			WHERE $whom AND pid <> pg_backend_pid() AND query NOT LIKE '%working()%' AND state <> 'idle' ORDER BY random() LIMIT 1) s});
	}
	push @wrong, load_end($node, $ledger, expected => $expected);
	workers_end($node);
	my ($read, @found) = readers_end(qr/parallel worker/, @readers);
	$scans += $read;
	push @wrong, @found, compare_all($node, \@kinds), own_values($node, \@kinds), index_checks($node, \@kinds);
	clean_up($node);
	fault(\@kinds, $faults);
	count_cycle(\@kinds);
	violation("cycle $cycle of seed $seed", @wrong);
	keep($node, "concurrency-$seed-$cycle") if @wrong;
}
violation('all', 'a deadlock') if $node->safe_psql('postgres', 'SELECT sum(deadlocks) FROM pg_stat_database') != 0;
note "$scans comparisons beside; acknowledged transactions: " . join(' ', map { $_->{acknowledged} } @{ $ledger->{clients} });
cmp_ok($scans, '>', 0, 'readers have read');
is(violations(), 0, "no violation in $cycles cycles");
tally('concurrency', \@kinds);

$node->stop;
done_testing();
