# vector_index_check() beside writers and vacuum, and on a standby that replays them:
# whatever they are doing, it finds nothing wrong.
#
#	VECTOR_CHECK_ROUNDS	of checks
use strict;
use warnings;

use Index;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rounds = $ENV{VECTOR_CHECK_ROUNDS} // 4;
my %indexes = (
	hnsw => 'hnsw (v vector_l2_ops, k) WITH (m = 4, ef_construction = 16)',
	hnsw_heap => 'hnsw (v vector_cosine_ops) WITH (m = 3, ef_construction = 12, quantizer = rabitq1, rerank = heap)',
	flat => 'ivfflat (v vector_l2_ops, k) WITH (lists = 4)',
	pq => 'ivfpq (v vector_ip_ops) WITH (lists = 3, m = 8, nbits = 8, rerank = index)',
	rabitq => 'ivfrabitq (v vector_l2_ops, k) WITH (lists = 2, bits = 1, rerank = index)',
	exact => 'flat (v vector_cosine_ops, k)',
	sparse => 'sparse_inverted (s, k) WITH (pending_list_limit = 64)');

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 1);
$node->append_conf(
	'postgresql.conf', q{
autovacuum = off
fsync = off
jit = off
shared_buffers = 64MB
max_wal_size = 4GB
max_parallel_maintenance_workers = 0
});
$node->start;
index_prepare($node);
$node->safe_psql(
	'postgres', q{
	CREATE FUNCTION spare(seed bigint) RETURNS sparsevec IMMUTABLE LANGUAGE sql AS
		$$SELECT ('{' || string_agg(j * (1 + seed % 20) || ':' || 2 + noise(j, seed), ',') || '}/400')::sparsevec FROM generate_series(1, 3 + seed % 9) j$$;
	CREATE TABLE t (id bigint, k int, v vector(16), s sparsevec(400));
	-- a third of them have the value of others
	CREATE FUNCTION seed(n bigint) RETURNS bigint IMMUTABLE LANGUAGE sql AS 'SELECT CASE WHEN $1 % 3 = 0 THEN $1 % 5 ELSE $1 END';
	INSERT INTO t SELECT n, n % 4, item(seed(n), 16), spare(n) FROM generate_series(1, 600) n;
	CREATE SEQUENCE ids START 10000;

	-- Changes until workers_end: rows inserted, deleted, updated, rolled back
	CREATE PROCEDURE work(worker int) LANGUAGE plpgsql AS $$
	DECLARE
		turn int := 0;
	BEGIN
		WHILE working() LOOP
			turn := turn + 1;
			INSERT INTO t SELECT n, n % 4, item(seed(n), 16), spare(n) FROM (SELECT nextval('ids') AS n FROM generate_series(1, 20)) x;
			IF turn % 4 = 0 THEN ROLLBACK; ELSE COMMIT; END IF;
			DELETE FROM t WHERE ctid IN (SELECT ctid FROM t WHERE id % 4 = worker ORDER BY hashint8(id + turn) LIMIT 15);
			COMMIT;
			UPDATE t SET k = k + 1, v = item(seed(id + 7), 16) WHERE ctid IN (SELECT ctid FROM t WHERE id % 4 = worker ORDER BY hashint8(id - turn) LIMIT 5);
			COMMIT;
		END LOOP;
	END $$;
	} . join('', map { "CREATE INDEX $_ ON t USING $indexes{$_};" } sort keys %indexes));

$node->backup('start');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'start', has_streaming => 1);
$standby->append_conf('postgresql.conf', 'hot_standby_feedback = on');
$standby->start;
$node->wait_for_catchup($standby);

sub check
{
	my ($server, $name, $all) = @_;
	my $list = join ', ', map { "'$_'" } sort keys %indexes;

	return $server->psql('postgres', "SELECT i, x.* FROM unnest(ARRAY[$list]) i, LATERAL vector_index_check(i::regclass, $all) x LIMIT 20");
}

workers_begin($node);
$node->wait_for_catchup($standby);
my @sessions = map { start_psql($node, "CALL work($_)") } 1 .. 2;
# asked before each VACUUM, which no function can run
push @sessions, start_psql($node, "SELECT NOT working() AS done \\gset\n\\if :done\n\\q\n\\endif\nVACUUM t;\n" x 20000);
my $before = $node->safe_psql('postgres', q{SELECT last_value FROM ids});
my $checks = 0;
my $conflicts = 0;

for my $round (1 .. $rounds)
{
	foreach my $server ($node, $standby)
	{
		my ($rc, $out, $err) = check($server, "round $round", $round % 2 ? 'true' : 'false');

		# what a standby has to cancel, it says
		if ($server == $standby && $err =~ /conflict with recovery/)
		{
			$conflicts++;
			next;
		}
		is($err, '', "round $round, " . $server->name . ': no error');
		is($out, '', "round $round, " . $server->name . ': nothing is wrong');
		$checks++;
	}
}
$node->poll_query_until('postgres', "SELECT last_value > $before + 100 FROM ids") or die 'no work beside';
workers_end($node);
is(finish_psql($_) =~ s/^.*deadlock.*$//rm, '', 'a session beside it') foreach @sessions;
cmp_ok($node->safe_psql('postgres', q{SELECT last_value FROM ids}), '>', $before + 100, 'there was work beside it');
note "$checks checks, $conflicts cancelled by recovery";

is((check($node, 'at rest', 'true'))[1], '', 'nothing is wrong afterwards');
$node->wait_for_catchup($standby);
is((check($standby, 'at rest', 'true'))[1], '', 'nor on the standby');
$standby->promote;
is((check($standby, 'promoted', 'true'))[1], '', 'nor when it is promoted');
$standby->safe_psql('postgres', q{DELETE FROM t WHERE id % 2 = 0; VACUUM t; INSERT INTO t SELECT n, n % 4, item(seed(n), 16), spare(n) FROM generate_series(900000, 900200) n});
is((check($standby, 'changed', 'true'))[1], '', 'nor when it goes on');

# A check shows how far it is, while another session waits for it
my $progress = $node->safe_psql('postgres', q{SELECT count(*) FROM vector_index_check_progress()});
is($progress, 0, 'no check is under way');

$standby->stop;
$node->stop;
done_testing();
