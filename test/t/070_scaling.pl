# docs/scaling.md on servers of its own: a table partitioned over three shards, read
# through postgres_fdw, with the plans that the page promises; a search node that
# follows by logical replication; a standby.  The statements are the page's, with
# other addresses.
use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $text = slurp_file("$FindBin::Bin/../../docs/scaling.md");
my ($feedback, $lag, $publish, $subscribe, $shard, $coordinator, $plain, $tables, $async) = $text =~ /^```sql\n(.*?)^```/gms;
my $rest = () = $text =~ /^```sql\n/gm;

sub start
{
	my ($name, %init) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(%init);
	$node->append_conf('postgresql.conf', "autovacuum = off\nfsync = off\nshared_buffers = 64MB\njit = off");
	$node->start;
	return $node;
}
my @shards = map { start("shard$_") } 1 .. 3;
my $here = start('coordinator', allows_streaming => 'logical');

# servers that are built for the tests have no contrib; the step tap has Debian's
if ($here->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'postgres_fdw'}) == 0)
{
	plan skip_all => 'this server has no postgres_fdw';
}
foreach my $node ($here, @shards)
{
	$node->safe_psql('postgres', 'CREATE ROLE app LOGIN SUPERUSER');
	$node->safe_psql('postgres', 'CREATE DATABASE app OWNER app');
}
$_->safe_psql('app', $shard, extra_params => [ '-U', 'app' ]) foreach @shards;
foreach my $i (1 .. 3)
{
	my ($host, $port) = ($shards[$i - 1]->host, $shards[$i - 1]->port);
	$coordinator =~ s/host 'shard$i'/host '$host', port '$port'/;
}
my @as_app = (extra_params => [ '-U', 'app' ]);
$here->safe_psql('app', "$coordinator $tables", @as_app);
$here->safe_psql('app', q{
	INSERT INTO documents SELECT i, i % 5, format('[%s,%s,%s]', i % 97 + 1, i % 89, i % 53)::vector FROM generate_series(1, 6000) i;
	UPDATE documents SET embedding = '[3,1,2]' WHERE id IN (8, 13);
	DELETE FROM documents WHERE id = 13;}, @as_app);
$_->safe_psql('app', 'VACUUM ANALYZE documents') foreach @shards;

# so few rows would be sorted
$_->safe_psql('app', 'ALTER ROLE app SET enable_seqscan = off; ALTER ROLE app SET enable_sort = off') foreach @shards;

is($rest, 9, 'this test knows every block of the page');

# every shard has a part, and the parts are the whole
my @counts = map { $_->safe_psql('app', 'SELECT count(*) FROM documents') } @shards;
is($counts[0] + $counts[1] + $counts[2], 5999, "rows are spread: @counts");
cmp_ok((sort { $a <=> $b } @counts)[0], '>', 1500, 'evenly');

my $distances = 'SELECT array_agg(round(distance::numeric, 9)) FROM (%s) s';
my $exact = $here->safe_psql('app', sprintf($distances,
	q{SELECT (embedding <=> '[3,1,2]') + 0 AS distance FROM documents WHERE tenant = 3 ORDER BY distance LIMIT 10}), @as_app);
foreach my $search ([ 'the plain statement', $plain ], [ 'branches', $async ])
{
	my ($name, $statement) = @$search;
	(my $bare = $statement) =~ s/;\s*$//;
	is($here->safe_psql('app', sprintf($distances, $bare), @as_app), $exact, "$name: the ten nearest of all shards");
	my $plan = $here->safe_psql('app', "EXPLAIN (VERBOSE, COSTS OFF) $bare", @as_app);
	my @sent = $plan =~ /Remote SQL: (.*)/g;
	is(scalar @sent, 3, "$name: a statement for each shard");
	is(scalar(grep { /WHERE \(\(tenant = 3\)\) ORDER BY \(embedding OPERATOR\(public\.<=>\) '\[3,1,2\]'\) ASC NULLS LAST/ } @sent), 3,
		"$name: conditions and order are the shards'") or diag($plan);
	is(scalar(grep { /LIMIT 10::bigint$/ } @sent), 3, "$name: and the limit") or diag($plan);
	next if $statement eq $plain;
	is(scalar(() = $plan =~ /Async Foreign Scan/g), 3, "$name: all at the same time") or diag($plan);
}

# When the limit is sent, and when it is not
sub sent_limits
{
	my ($query) = @_;
	return scalar(() = $here->safe_psql('app', "LOAD 'vector'; EXPLAIN (VERBOSE, COSTS OFF) $query", @as_app) =~ /Remote SQL: .* LIMIT \d+::bigint$/gm);
}
my $near = q{documents ORDER BY embedding <=> '[3,1,2]'};
like($here->safe_psql('app', "LOAD 'vector'; EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM $near LIMIT 10 OFFSET 5", @as_app),
	qr/ASC NULLS LAST LIMIT 15::bigint/, 'as many rows as are skipped come with it');
is(sent_limits("SELECT id FROM (SELECT * FROM $near LIMIT 7) s"), 3, 'of a subquery');
is(sent_limits("SELECT id FROM $near"), 0, 'no limit');
is(sent_limits("SELECT id FROM $near FETCH FIRST 10 ROWS WITH TIES"), 0, 'ties come along');
is(sent_limits("SELECT id FROM $near LIMIT 10 FOR UPDATE"), 0, 'rows that are locked');
is(sent_limits("SELECT id FROM documents WHERE random() < 2 ORDER BY embedding <=> '[3,1,2]' LIMIT 10"), 0,
	'a condition that is tested here may drop some');
is(sent_limits("SELECT count(*) FROM documents d JOIN (VALUES (8)) v(id) USING (id) GROUP BY embedding <=> '[3,1,2]' ORDER BY embedding <=> '[3,1,2]' LIMIT 10"), 0,
	'rows are counted');
is(sent_limits('SELECT id FROM documents ORDER BY id LIMIT 10'), 0, 'an order that has no distance is none of ours');
my $ordered = 'SELECT array_agg(round(d::numeric, 9)) FROM (SELECT %s AS d FROM documents ORDER BY d LIMIT 20 OFFSET 15) s';
is($here->safe_psql('app', "LOAD 'vector'; " . sprintf($ordered, q{embedding <=> '[3,1,2]'}), @as_app),
	$here->safe_psql('app', sprintf($ordered, q{(embedding <=> '[3,1,2]') + 0}), @as_app), 'the right rows behind an offset');

# Row security: what a policy hides is tested here, or sent, before rows are counted
$here->safe_psql('app', q{
	CREATE ROLE reader LOGIN;
	GRANT SELECT ON documents TO reader;
	CREATE USER MAPPING FOR reader SERVER shard_1 OPTIONS (user 'app', password_required 'false');
	CREATE USER MAPPING FOR reader SERVER shard_2 OPTIONS (user 'app', password_required 'false');
	CREATE USER MAPPING FOR reader SERVER shard_3 OPTIONS (user 'app', password_required 'false');
	CREATE FUNCTION seen(tenant int) RETURNS bool LANGUAGE plpgsql STABLE AS 'BEGIN RETURN tenant = 4; END';
	CREATE POLICY few ON documents USING (seen(tenant));
	ALTER TABLE documents ENABLE ROW LEVEL SECURITY;}, @as_app);
is($here->safe_psql('app', "SELECT count(*), min(tenant), max(tenant) FROM (SELECT tenant FROM $near LIMIT 10) s", extra_params => [ '-U', 'reader' ]),
	'10|4|4', 'a policy');
$here->safe_psql('app', 'ALTER TABLE documents DISABLE ROW LEVEL SECURITY', @as_app);

# What a shard does with what it is sent
(my $sent = $here->safe_psql('app', "EXPLAIN (VERBOSE, COSTS OFF) $async" =~ s/;\s*$//r, @as_app)) =~ s/.*?Remote SQL: (.*?)\n.*/$1/s;
like($shards[0]->safe_psql('app', "EXPLAIN (COSTS OFF) $sent", @as_app), qr/Index Scan using documents_embedding_tenant_idx.*Index Cond: \(tenant = 3\)/s,
	'a shard searches its index');

# What it would do without cursor_tuple_fraction
$shards[0]->safe_psql('app', q{
	CREATE TABLE many (id int, v vector(16));
	SELECT setseed(.5);
	INSERT INTO many SELECT i, array(SELECT random() FROM generate_series(1, 16) WHERE i > 0)::vector FROM generate_series(1, 15000) i;
	CREATE INDEX many_v ON many USING hnsw (v vector_l2_ops);
	ANALYZE many;});
my $cursor = 'EXPLAIN (COSTS OFF) DECLARE c CURSOR FOR SELECT id FROM many ORDER BY v <-> (SELECT v FROM many WHERE id = 1)';
unlike($shards[0]->safe_psql('app', $cursor), qr/many_v/, 'a cursor of a tenth of all rows sorts');
like($shards[0]->safe_psql('app', "SET cursor_tuple_fraction = 0.0001; $cursor"), qr/many_v/, 'a cursor of few is by index');

# A search node
$here->safe_psql('app', $publish, @as_app);
$here->safe_psql('app', q{INSERT INTO articles SELECT i, i % 5, format('[%s,%s,%s]', i % 97 + 1, i % 89, i % 53)::vector FROM generate_series(1, 3000) i}, @as_app);
my $node = $shards[0];
my $address = $here->connstr('app') . ' user=app';
$subscribe =~ s/host=writer dbname=app/$address =~ s{'}{''}gr/e;
$subscribe =~ s/CREATE EXTENSION/CREATE EXTENSION IF NOT EXISTS/;
$node->safe_psql('app', $_, @as_app) foreach grep { /\S/ } split /;\n/, $subscribe;
$node->wait_for_subscription_sync($here, 'articles_in', 'app');
$here->safe_psql('app', q{INSERT INTO articles VALUES (9001, 3, '[3,1,2]'); DELETE FROM articles WHERE id <= 100}, @as_app);
$here->wait_for_catchup('articles_in');
my $nearest = q{SELECT array_agg(distance) FROM (SELECT embedding <=> '[3,1,2]' AS distance FROM articles WHERE tenant = 3 ORDER BY distance LIMIT 10) s};
is($node->safe_psql('app', "SET enable_seqscan = off; $nearest"), $here->safe_psql('app', $nearest, @as_app), 'the search node finds what was written elsewhere');
like($node->safe_psql('app', "SET enable_seqscan = off; EXPLAIN $nearest"), qr/articles_embedding_tenant_idx/, 'by its own index');
is($here->safe_psql('app', q{SELECT count(*) FROM pg_index WHERE indrelid = 'articles'::regclass}, @as_app), 1, 'the other has none but its key');

# A standby
$shards[1]->append_conf('postgresql.conf', "wal_level = replica\nmax_wal_senders = 4");
$shards[1]->restart;
$shards[1]->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($shards[1], 'copy', has_streaming => 1);
$standby->start;
$standby->safe_psql('postgres', $_) foreach grep { /\S/ } split /;\n/, $feedback;
$shards[1]->safe_psql('app', q{INSERT INTO documents VALUES (100001, 3, '[3,1,2.001]')});
$shards[1]->wait_for_catchup($standby, 'replay', $shards[1]->lsn('insert'));
like($shards[1]->safe_psql('app', $lag), qr/^standby\|\d+$/, 'how far it is behind');
(my $local = $plain) =~ s/;\s*$//;
is($standby->safe_psql('app', "SET enable_seqscan = off; $local"), $shards[1]->safe_psql('app', "SET enable_seqscan = off; $local"), 'the standby answers the same');

done_testing();
