# BM25 beyond one session: a dump and its restoration, a standby, many writers.
use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 1);
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION vector;
	CREATE SCHEMA "A b";
	CREATE TABLE "A b".docs (id int PRIMARY KEY, body text);
	INSERT INTO "A b".docs SELECT i, (ARRAY['cat', 'dog', 'bird'])[i % 3 + 1] || repeat(' word' || i % 7, i % 4) FROM generate_series(1, 50) i;
	SELECT bm25_setup('"A b".docs', ARRAY['body'], 'english');
	INSERT INTO "A b".docs VALUES (100, 'not merged yet');});

my $scores = q{SELECT string_agg(id || ' ' || round((bm25 <#> q)::numeric, 5), ',' ORDER BY id) FROM "A b".docs, bm25_query('"A b".docs', 'cats not merged word3') q};
my $wrong = q{SELECT (SELECT count(bm25) FROM "A b".docs) - s.documents - (SELECT coalesce(sum(c.documents), 0) FROM "A b".docs_bm25_changes c),
	(SELECT sum(bm25_length) FROM "A b".docs) - s.total_length - (SELECT coalesce(sum(c.total_length), 0) FROM "A b".docs_bm25_changes c),
	(SELECT count(*) FROM "A b".docs_bm25_terms t WHERE t.documents + (SELECT coalesce(sum(n), 0) FROM "A b".docs_bm25_changes c, unnest(c.terms, c.counts) u(id, n) WHERE u.id = t.id)
		<> (SELECT count(*) FROM "A b".docs d WHERE t.id = ANY (sparsevec_indices(d.bm25))))
	FROM "A b".docs_bm25 s};
my $expected = $node->safe_psql('postgres', $scores);
like($expected, qr/100 -[1-9]/, 'what is not merged is found');
is($node->safe_psql('postgres', $wrong), '0|0|0', 'statistics are right');

# Restored, it goes on: numbers of terms follow those that there are.
my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, 'postgres' ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored TEMPLATE template0');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'restored', '-f', $dump ], 'restore');
is($node->safe_psql('restored', $scores), $expected, 'the same scores after a restore');
$node->safe_psql('restored', q{INSERT INTO "A b".docs VALUES (101, 'brand new words, and a cat')});
is($node->safe_psql('restored', $wrong), '0|0|0', 'and statistics that go on');
is($node->safe_psql('restored', q{SELECT count(*) - count(DISTINCT id) FROM "A b".docs_bm25_terms}), '0', 'no number twice');

# A standby answers queries.
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', $scores), $expected, 'the same scores on a standby');
$standby->stop;

# Many writers of few words: no deadlock, nothing counted wrong.
my $script = $node->basedir . '/writers.sql';
append_to_file($script, q{
\set id random(1, 200)
\set a random(1, 30)
\set b random(1, 30)
\set what random(1, 5)
\if :what = 1
DELETE FROM "A b".docs WHERE id = :id;
\elif :what = 2
BEGIN;
INSERT INTO "A b".docs VALUES (:id, 'w:a and w:b') ON CONFLICT (id) DO UPDATE SET body = excluded.body || ' again';
ROLLBACK;
\else
INSERT INTO "A b".docs VALUES (:id, 'new' || :a || ' old' || :b) ON CONFLICT (id) DO UPDATE SET body = excluded.body || ' again';
\endif
});
$node->command_ok([ 'pgbench', '-n', '-c', 8, '-j', 2, '-t', 150, '--random-seed=1', '-f', $script, 'postgres' ], 'eight writers');
is($node->safe_psql('postgres', 'SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()'), '0', 'no deadlock');
is($node->safe_psql('postgres', $wrong), '0|0|0', 'statistics are right after them');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM "A b".docs_bm25_changes'), '<', 600, 'changes have been merged');
$node->safe_psql('postgres', q{SELECT bm25_refresh('"A b".docs')});
is($node->safe_psql('postgres', 'SELECT count(*) FROM "A b".docs_bm25_changes'), '0', 'and are after a refresh');
is($node->safe_psql('postgres', $wrong), '0|0|0', 'with the same statistics');

$node->stop;
done_testing();
