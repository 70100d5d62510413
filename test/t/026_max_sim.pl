# Indexes of arrays after a crash and on a standby: every row with vectors comes once,
# the most similar first, and the index has as many entries of a row as it has vectors.
# Replay checks itself against the pages as they were (wal_consistency_checking).
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('max_sim_primary');
$primary->init(allows_streaming => 1);
$primary->append_conf(
	'postgresql.conf', q{
autovacuum = off
fsync = off
jit = off
shared_buffers = 64MB
wal_consistency_checking = generic
hot_standby_feedback = on
enable_seqscan = off
client_min_messages = warning
});
$primary->start;
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('max_sim_standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

# arrays of 1 to 8 vectors; some of more than a page of a list holds
$primary->safe_psql('postgres', q{
CREATE EXTENSION vector;
CREATE FUNCTION document(i int, count int) RETURNS vector[] LANGUAGE sql AS $$
	SELECT array_agg(v) FROM (SELECT array_agg(sin(i * 7.1 + t * 3.3 + d * d)::real ORDER BY d)::vector AS v FROM generate_series(1, count) t, generate_series(1, 12) d GROUP BY t) x $$;
CREATE TABLE documents (id int PRIMARY KEY, tag int, tokens vector(12)[]);
INSERT INTO documents SELECT i, i % 5, document(i, 1 + i % 8) FROM generate_series(1, 600) i;
CREATE INDEX late ON documents USING ivfrabitq (tokens vector_maxsim_ops, tag);
INSERT INTO documents SELECT i, i % 5, document(i, 1 + i % 8) FROM generate_series(601, 800) i;
INSERT INTO documents SELECT i, i % 5, document(i, 700) FROM generate_series(801, 803) i;
INSERT INTO documents VALUES (900, 1, '{}'), (901, 2, NULL);
DELETE FROM documents WHERE id % 4 = 0;
UPDATE documents SET tokens = tokens[2:] WHERE id % 7 = 0;
VACUUM documents;
INSERT INTO documents SELECT i, i % 5, document(i, 1 + i % 8) FROM generate_series(1001, 1100) i;
BEGIN;
INSERT INTO documents SELECT i, i % 5, document(i, 1 + i % 8) FROM generate_series(2001, 2100) i;
ROLLBACK;
CREATE VIEW found AS SELECT q.id, array(SELECT d.id FROM documents d ORDER BY d.tokens @# q.tokens LIMIT 5) AS by_index,
	array(SELECT d.id FROM documents d WHERE cardinality(d.tokens) > 0 ORDER BY (d.tokens @# q.tokens) + 0 LIMIT 5) AS exactly
FROM documents q WHERE q.id <= 80;
CREATE VIEW everything AS SELECT id FROM documents WHERE tokens IS NOT NULL ORDER BY tokens @# (SELECT tokens FROM documents WHERE id = 3) LIMIT 100000;
});

sub all_ok
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($node, $name) = @_;

	cmp_ok($node->safe_psql('postgres', 'SELECT avg((SELECT count(*) FROM unnest(by_index) i WHERE i = ANY (exactly)) / 5.0) FROM found'), '>=', 0.95, "$name: recall");
	is($node->safe_psql('postgres', "SET ivfrabitq.iterative_scan = relaxed_order; SELECT count(*), count(DISTINCT id) FROM everything"),
		$node->safe_psql('postgres', 'SELECT count(*), count(*) FROM documents WHERE cardinality(tokens) > 0'), "$name: every row with vectors once");
	is($node->safe_psql('postgres', "SELECT string_agg(violation || ' ' || detail, ', ') FROM vector_index_check('late', true)"), '', "$name: the index is sound");
}

all_ok($primary, 'before');
$primary->stop('immediate');
$primary->start;
all_ok($primary, 'after a crash');
$primary->wait_for_catchup($standby);
all_ok($standby, 'on a standby');
$primary->safe_psql('postgres', 'DELETE FROM documents WHERE id % 3 = 0; VACUUM documents');
$primary->stop('immediate');
$primary->start;
all_ok($primary, 'after vacuum and a crash');
$primary->wait_for_catchup($standby);
$standby->promote;
$standby->safe_psql('postgres', 'INSERT INTO documents SELECT i, i % 5, document(i, 1 + i % 8) FROM generate_series(3001, 3050) i');
all_ok($standby, 'promoted');
$standby->stop;
$primary->stop;

done_testing();
