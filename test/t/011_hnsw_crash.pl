# hnsw indexes after a crash in the middle of a build, of inserts, of a vacuum:
# every committed row is found, and once.  Replay checks itself against the
# pages as they were (wal_consistency_checking).
use strict;
use warnings;

use Index;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rows = 6000;
my $dims = 32;

my $node = PostgreSQL::Test::Cluster->new('crash');
$node->init;
$node->append_conf(
	'postgresql.conf', q{
autovacuum = off
fsync = off
jit = off
shared_buffers = 64MB
maintenance_work_mem = 64MB
wal_consistency_checking = generic
restart_after_crash = on
});
$node->start;
index_prepare($node);
$node->safe_psql(
	'postgres', qq{
	CREATE SEQUENCE ids;
	CREATE TABLE t (id int, v vector($dims));
	INSERT INTO t SELECT nextval('ids'), NULL FROM generate_series(1, $rows);
	UPDATE t SET v = item(id, $dims);
	CREATE TABLE u (LIKE t);
	INSERT INTO u SELECT * FROM t;});

sub crash
{
	$node->stop('immediate');
	$node->start;
}

# A build, alone and with workers
foreach my $workers (0, 2)
{
	$node->safe_psql('postgres', "ALTER TABLE t SET (parallel_workers = $workers)");
	my ($build) = meet($node, q{SELECT FROM pg_stat_progress_create_index WHERE phase LIKE '%load%' AND tuples_done > 500},
		sub { return start_psql($node, 'DROP INDEX IF EXISTS i; CREATE INDEX i ON t USING hnsw (v vector_l2_ops) WITH (ef_construction = 300)') });
	crash();
	isnt(finish_psql($build), '', "build with $workers workers ended");
	is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_class WHERE relname = 'i'}),
		0, 'its index is not there');
}
$node->safe_psql('postgres', 'CREATE INDEX i ON t USING hnsw (v vector_l2_ops)');
crash();
hnsw_ok($node, 't', 'build, then crash');

# Inserts by two sessions, the server and a backend killed
my $insert = qq{
	DO \$\$ BEGIN
		LOOP
			INSERT INTO t SELECT n, item(n, $dims) FROM (SELECT nextval('ids') AS n FROM generate_series(1, 3)) s;
			IF random() < 0.1 THEN ROLLBACK; ELSE COMMIT; END IF;
		END LOOP;
	END \$\$};
foreach my $how ('server', 'backend')
{
	my $before = $node->safe_psql('postgres', 'SELECT count(*) FROM t');
	my @sessions = map { start_psql($node, $insert) } 1 .. 2;
	$node->poll_query_until('postgres', "SELECT count(*) > $before + 200 FROM t") or die;
	if ($how eq 'server')
	{
		crash();
	}
	else
	{
		kill_backend($node, q{SELECT pid FROM pg_stat_activity WHERE query LIKE '%DO $$%' AND pid <> pg_backend_pid() LIMIT 1});
	}
	finish_psql($_) foreach @sessions;
	hnsw_ok($node, 't', "inserts, $how killed");
}

# Into an empty index
$node->safe_psql('postgres', "CREATE TABLE e (id int, v vector($dims)); CREATE INDEX ON e USING hnsw (v vector_l2_ops)");
crash();
$node->safe_psql('postgres', 'INSERT INTO e SELECT * FROM u WHERE id <= 500');
crash();
hnsw_ok($node, 'e', 'first rows', every => 1);

# Vacuum at several times, at last in many rounds; what it leaves half done
# does no harm, and the next one does it.
my @phases = ([ 'marking%', 0 ], [ 'marking%', 0.6 ], [ 'mending%', 0.1 ], [ 'mending%', 0.7 ], [ 'freeing%', 0 ]);
foreach my $step (1 .. 5)
{
	$node->safe_psql('postgres', "DELETE FROM t WHERE id % 6 = $step");
	my $mem = $step == 5 ? '1MB' : '64MB';
	my ($phase, $part) = @{ $phases[ $step - 1 ] };
	my ($vacuum) = meet_vacuum($node, ['t'], set => "SET maintenance_work_mem = '$mem';", phase => $phase, part => $part);
	if ($step % 2)
	{
		crash();
	}
	else
	{
		kill_backend($node, 'SELECT pid FROM pg_stat_progress_vacuum');
	}
	finish_psql($vacuum);
	hnsw_ok($node, 't', "vacuum $step, then crash");
	$node->safe_psql('postgres', "INSERT INTO t SELECT n, item(n, $dims) FROM (SELECT nextval('ids') AS n FROM generate_series(1, 300)) s");
	hnsw_ok($node, 't', "vacuum $step, then crash, then inserts");
	$node->safe_psql('postgres', 'VACUUM t') if $step > 2;
	hnsw_ok($node, 't', "vacuum $step, then crash, then vacuum");
}
crash();
hnsw_ok($node, 't', 'all that replayed');
$node->safe_psql('postgres', 'TRUNCATE t; INSERT INTO t SELECT * FROM u WHERE id < 1000');
crash();
hnsw_ok($node, 't', 'truncated');

# Unlogged: empty after a crash, and works
$node->safe_psql(
	'postgres', qq{
	CREATE UNLOGGED TABLE l (id int, v vector($dims));
	INSERT INTO l SELECT * FROM u WHERE id <= 1000;
	CREATE INDEX ON l USING hnsw (v vector_l2_ops);
	INSERT INTO l SELECT * FROM u WHERE id BETWEEN 1001 AND 2000;
	DELETE FROM l WHERE id % 3 = 0;
	VACUUM l;});
hnsw_ok($node, 'l', 'unlogged');
crash();
is($node->safe_psql('postgres', 'SELECT count(*) FROM l'), 0, 'unlogged: empty after a crash');
hnsw_ok($node, 'l', 'unlogged, empty');
$node->safe_psql('postgres', 'INSERT INTO l SELECT * FROM u WHERE id <= 1500');
hnsw_ok($node, 'l', 'unlogged, filled again');
$node->stop;

# Nothing is logged of an index that is as new as its transaction.
$node->append_conf('postgresql.conf', "wal_level = minimal\nmax_wal_senders = 0\nwal_skip_threshold = 0");
$node->start;
$node->safe_psql(
	'postgres', qq{
	CHECKPOINT;
	BEGIN;
	CREATE TABLE m (id int, v vector($dims));
	INSERT INTO m SELECT * FROM u WHERE id <= 1000;
	CREATE INDEX ON m USING hnsw (v vector_l2_ops);
	INSERT INTO m SELECT * FROM u WHERE id BETWEEN 1001 AND 2000;
	COMMIT;
	CREATE INDEX j ON u USING hnsw (v vector_l2_ops) WITH (rerank = heap);
	INSERT INTO u SELECT id + $rows, item(id + $rows, $dims) FROM u WHERE id <= 300;
	BEGIN;
	TRUNCATE e;
	INSERT INTO e SELECT * FROM u WHERE id <= 2000;
	COMMIT;});
crash();
hnsw_ok($node, $_, "not logged: table $_") foreach qw(m u e);
$node->safe_psql('postgres', 'INSERT INTO m SELECT * FROM u WHERE id BETWEEN 2001 AND 2500; DELETE FROM m WHERE id % 2 = 0; VACUUM m');
crash();
hnsw_ok($node, 'm', 'not logged at first, then changed');

$node->stop;
done_testing();
