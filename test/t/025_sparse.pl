# sparse_inverted after crashes, beside writers, vacuum and merges, and on a
# standby: a scan to the end gives every row of the snapshot, once, and in the
# order of a sort.  Replay checks itself against the pages as they were
# (wal_consistency_checking).  Lists of pending rows are as short as can be, so
# that segments are made and merged all the time.
use strict;
use warnings;

use Index;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my %index = (
	codes => 'sparse_inverted (v, (id % 50)) WITH (pending_list_limit = 64)',
	floats => 'sparse_inverted (v sparsevec_cosine_ops) WITH (pending_list_limit = 64, weights = float4)');
my %op = (codes => '<#>', floats => '<=>');
my @tables = sort keys %index;
my $rows = 2000;

my $primary = PostgreSQL::Test::Cluster->new('sparse_primary');
$primary->init(allows_streaming => 1);
$primary->append_conf(
	'postgresql.conf', q{
autovacuum = off
fsync = off
jit = off
shared_buffers = 16MB
wal_consistency_checking = generic
hot_standby_feedback = on
max_standby_streaming_delay = -1
wal_keep_size = 4GB
restart_after_crash = on
client_min_messages = warning
});
$primary->start;
my $node = $primary;
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION vector;
	CREATE SEQUENCE ids;

	-- a row in a hundred is longer than a page
	CREATE FUNCTION item(seed bigint) RETURNS sparsevec IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
		SELECT ('{' || string_agg(d || ':' || w, ',' ORDER BY d) || '}/3000')::sparsevec
		FROM (SELECT DISTINCT ON (d) d, w FROM (SELECT
			1 + (power((hashint8extended(i, seed) & 65535) / 65536.0, 3) * 3000)::int % 3000 AS d,
			((hashint8extended(i, seed + 1000000) & 255) - 40.5) / 16 AS w
			FROM generate_series(1, CASE WHEN seed % 100 = 99 THEN 3000 ELSE 20 END) AS i) AS all_elements) AS elements $$;

	-- What a scan to the end gives, beside a sort under the same snapshot
	CREATE FUNCTION scan_to_end(t regclass, op text, q sparsevec, condition text DEFAULT 'true') RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		query text := format('SELECT array_agg(d), array_agg(id) FROM (SELECT id, v %2$s $1 AS d FROM %1$s WHERE v IS NOT NULL AND %3$s ORDER BY v %2$s $1 LIMIT 1000000) AS first', t, op, condition);
		scanned float8[];
		sorted float8[];
		ids int[];
		line text;
		plan text := '';
	BEGIN
		PERFORM set_config('vector.enable_exact_scan', 'off', true), set_config('enable_seqscan', 'off', true), set_config('enable_indexscan', 'on', true);
		FOR line IN EXECUTE 'EXPLAIN ' || replace(query, '$1', quote_literal(q) || '::sparsevec') LOOP
			plan := plan || line;
		END LOOP;
		IF plan NOT LIKE '%Index Scan using%' THEN RAISE 'no index scan of %', t; END IF;
		EXECUTE query INTO scanned, ids USING q;
		PERFORM set_config('enable_seqscan', 'on', true), set_config('enable_indexscan', 'off', true);
		EXECUTE query INTO sorted, line USING q;
		PERFORM set_config('enable_indexscan', 'on', true);
		RETURN cardinality(ids) - (SELECT count(DISTINCT id) FROM unnest(ids) AS id) || ' twice, ' ||
			coalesce(cardinality(sorted), 0) - coalesce(cardinality(scanned), 0) || ' lost, ' ||
			CASE WHEN scanned IS NOT DISTINCT FROM sorted THEN 'in order' ELSE 'out of order' END;
	END $$;});

sub sql { return $node->safe_psql('postgres', shift) }

sub crash
{
	$node->stop('immediate');
	$node->start;
}

sub all_ok
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($on, $name, $prefix) = @_;

	foreach my $t (@tables)
	{
		my $table = ($prefix // '') . $t;
		my $result = $on->safe_psql('postgres', join(' ', map { "SELECT scan_to_end('$table', '$op{$t}', item(20000000 + $_));" } 1 .. 3) .
			($t eq 'codes' ? "SELECT scan_to_end('$table', '$op{$t}', item(20000009), 'id % 50 < 20');" : ''));
		like($result, qr/^((0 twice)?, 0 lost, in order\n?|0 twice, 0 lost, in order\n?)+$/, "$name: $t");
	}
}

my $insert = qq{
	DO \$\$ BEGIN
		LOOP
			} . join('', map { "INSERT INTO $_ SELECT n, item(n) FROM (SELECT nextval('ids') AS n FROM generate_series(1, 20)) AS s;" } @tables) . qq{
			IF random() < 0.1 THEN ROLLBACK; ELSE COMMIT; END IF;
		END LOOP;
	END \$\$};

foreach my $t (@tables)
{
	sql("CREATE TABLE $t (id int, v sparsevec(3000)) WITH (parallel_workers = 2);
		INSERT INTO $t SELECT n, item(n) FROM (SELECT nextval('ids') AS n FROM generate_series(1, $rows)) AS s");
}

note 'builds';
foreach my $workers (0, 2)
{
	# in the least memory, so that there are many runs
	sql("SET maintenance_work_mem = '1MB'; SET min_parallel_table_scan_size = 0; SET max_parallel_maintenance_workers = $workers; CREATE INDEX i_$_ ON $_ USING $index{$_}") foreach @tables;
	all_ok($node, "built with $workers workers");
	my $build = start_psql($node, "SET max_parallel_maintenance_workers = $workers; " . endless(map { "REINDEX INDEX i_${_};" } @tables));
	meet_phase($node, 'create_index', 'building index%', sub { return $build });
	crash();
	isnt(finish_psql($build), '', "builds with $workers workers ended");
	all_ok($node, "crash while building with $workers workers");
	sql("DROP INDEX i_$_") foreach @tables;
}
sql("CREATE INDEX i_$_ ON $_ USING $index{$_}") foreach @tables;

note 'phases of a build, as pg_stat_progress_create_index shows them';
{
	my $build = start_psql($node, "SET maintenance_work_mem = '1MB'; " . endless('REINDEX INDEX i_codes;'));
	foreach my $phase ('inverting tuples', 'merging runs', 'writing WAL')
	{
		meet_phase($node, 'create_index', "building index: $phase", sub { return $build });
		pass("phase $phase");
	}
	kill_backend($node, q{SELECT pid FROM pg_stat_activity WHERE query LIKE '%REINDEX%' AND pid <> pg_backend_pid() LIMIT 1}, $build);
	all_ok($node, 'reindexed, and killed');
}

note 'inserts and merges';
foreach my $how ('server', 'backend', 'server', 'backend')
{
	kill_inserting($node, $how, $insert, 'codes', 1000);
	all_ok($node, "inserts, $how killed");
}

note 'merges of everything, and vacuum';
foreach my $step (1 .. 3)
{
	my @sessions = map { start_psql($node, endless(("INSERT INTO $_ SELECT n, item(n) FROM (SELECT nextval('ids') AS n FROM generate_series(1, 5)) AS s; SELECT sparse_inverted_flush('i_$_', true);"))) } @tables;

	meet($node, q{SELECT FROM pg_stat_activity WHERE query LIKE '%sparse_inverted_flush(''i_%' AND state = 'active'}, sub { return @sessions });
	crash();
	finish_psql($_) foreach @sessions;
	all_ok($node, "merge $step, then crash");
	sql("DELETE FROM $_ WHERE id % 4 = $step") foreach @tables;
	@sessions = meet_vacuum($node, \@tables);
	crash();
	finish_psql($_) foreach @sessions;
	all_ok($node, "vacuum $step, then crash");
	sql("INSERT INTO $_ SELECT n, item(n) FROM (SELECT nextval('ids') AS n FROM generate_series(1, 300)) AS s") foreach @tables;
	sql("VACUUM $_") foreach @tables;
	all_ok($node, "vacuum $step, then crash, then inserts, then vacuum");
}
my $size = sql("SELECT pg_relation_size('i_codes')");
foreach (1 .. 8)
{
	sql('SELECT txid_current()');
	sql(q{UPDATE codes SET v = item(id + 1) WHERE id % 3 = 0});
	sql('VACUUM codes');
}
cmp_ok(sql("SELECT pg_relation_size('i_codes')"), '<', 4 * $size, 'pages of segments that were merged are used again');

# more is retired under one snapshot than the metapage tells of
my $many = q{DO $$ BEGIN FOR i IN 1..100 LOOP
	INSERT INTO codes SELECT n, item(n) FROM (SELECT nextval('ids') AS n FROM generate_series(1, 10)) AS s;
	IF sparse_inverted_flush('i_codes') <> 10 THEN RAISE 'rows stayed pending in round %', i; END IF;
	END LOOP; END $$};
sql($many);
all_ok($node, 'flushed a hundred times under a snapshot');
crash();
sql('SELECT txid_current()');
sql("SELECT sparse_inverted_flush('i_codes', true)");
$size = sql("SELECT pg_relation_size('i_codes')");
sql($many);
cmp_ok(sql("SELECT pg_relation_size('i_codes')"), '<', 1.1 * $size, 'pages that a record tells of are used again');
all_ok($node, 'flushed again');

note 'unlogged';
sql("CREATE UNLOGGED TABLE u_$_ (id int, v sparsevec(3000)); INSERT INTO u_$_ SELECT * FROM $_ LIMIT 500;
	CREATE INDEX u_i_$_ ON u_$_ USING $index{$_}; INSERT INTO u_$_ SELECT -id, v FROM $_ LIMIT 500") foreach @tables;
all_ok($node, 'unlogged', 'u_');
crash();
is(sql("SELECT count(*) FROM u_codes"), 0, 'unlogged: empty after a crash');
sql("INSERT INTO u_$_ SELECT * FROM $_ LIMIT 500") foreach @tables;
all_ok($node, 'unlogged, filled again', 'u_');

note 'a standby; writers, readers, vacuum and merges side by side';
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('sparse_standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
workers_begin($primary);
$primary->wait_for_catchup($standby);
my $writer = q{
	DO $$ BEGIN
		WHILE working() LOOP
			} . join('', map { "INSERT INTO $_ SELECT n, item(n) FROM (SELECT nextval('ids') AS n FROM generate_series(1, 30)) AS s;
			DELETE FROM $_ WHERE id % 2 = WHICH AND id % 97 = (random() * 96)::int;
			UPDATE $_ SET v = item(id + 1) WHERE id % 2 = WHICH AND id % 301 = (random() * 300)::int;" } @tables) . q{
			IF random() < 0.1 THEN ROLLBACK; ELSE COMMIT; END IF;
		END LOOP;
	END $$};
my $reader = q{
	SET default_transaction_isolation = 'repeatable read';
	DO $$ DECLARE r text; n int := 0; BEGIN
		WHILE working() LOOP
			} . join('', map { "
			r := scan_to_end('$_', '$op{$_}', item((random() * 1000000)::int));
			IF r <> '0 twice, 0 lost, in order' THEN RAISE '$_: %, after % scans', r, n; END IF;" } @tables) . q{
			n := n + 1;
			COMMIT;
		END LOOP;
		RAISE WARNING '% scans', n;
	END $$};
my @writers = map { start_psql($primary, $writer =~ s/WHICH/$_/gr) } 0 .. 1;
my @readers = (start_psql($primary, $reader), start_psql($standby, $reader));
foreach my $round (1 .. 8)
{
	foreach my $t (@tables)
	{
		$primary->safe_psql('postgres', "VACUUM $t");
		$primary->safe_psql('postgres', "SELECT sparse_inverted_flush('i_$t', " . ($round % 2 ? 'true' : 'false') . ')');
	}
	$primary->safe_psql('postgres', "REINDEX INDEX CONCURRENTLY i_codes") if $round == 5;
}
workers_end($primary);
is(finish_psql($_), '', 'a writer') foreach @writers;
$primary->wait_for_catchup($standby);
workers_end($standby);
foreach (@readers)
{
	my $err = finish_psql($_);
	like($err, qr/^\S*: WARNING:  [1-9]\d* scans\n$/, "a reader: $err");
}
all_ok($primary, 'afterwards');
$primary->wait_for_catchup($standby);
all_ok($standby, 'standby, afterwards');

note 'a scan on a standby whose pages are used again';
$standby->safe_psql('postgres', 'ALTER SYSTEM SET hot_standby_feedback = off; SELECT pg_reload_conf()');
$primary->poll_query_until('postgres', 'SELECT backend_xmin IS NULL FROM pg_stat_replication') or die;
my $gate = close_gate($standby);
my $late = start_psql(
	$standby, q{
	SET default_transaction_isolation = 'repeatable read'; SET enable_seqscan = off; SET vector.enable_exact_scan = off;
	DO $$ DECLARE c refcursor; r record; n int := 1; BEGIN
		OPEN c FOR SELECT id FROM codes WHERE v IS NOT NULL ORDER BY v <#> item(5) LIMIT 1000000;
		FETCH c INTO r;
		PERFORM pg_advisory_lock_shared(7, 7);
		LOOP
			FETCH c INTO r;
			EXIT WHEN NOT FOUND;
			n := n + 1;
		END LOOP;
		RAISE WARNING '% rows', n;
	END $$});
waiting_at_gate($standby, 1);
foreach (1 .. 6)
{
	$primary->safe_psql('postgres', "INSERT INTO codes SELECT n, item(n) FROM (SELECT nextval('ids') AS n FROM generate_series(1, 300)) AS s");
	$primary->safe_psql('postgres', "SELECT sparse_inverted_flush('i_codes', true)");
}
$primary->wait_for_catchup($standby);
open_gate($gate);
like(finish_psql($late), qr/ERROR:  canceling statement due to conflict with recovery\nDETAIL:  A page of index "i_codes"/, 'it says that it has to be run again');
all_ok($standby, 'standby, without feedback');

note 'promotion';
$primary->stop;
$standby->promote;
$node = $standby;
all_ok($node, 'promoted');
sql("INSERT INTO $_ SELECT n, item(n) FROM (SELECT nextval('ids') AS n FROM generate_series(1, 500)) AS s") foreach @tables;
sql("DELETE FROM $_ WHERE id % 3 = 0") foreach @tables;
sql("VACUUM $_") foreach @tables;
all_ok($node, 'changed after promotion');

$node->stop;
done_testing();
