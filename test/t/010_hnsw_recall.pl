# Recall of hnsw indexes: however the rows got into the index, and whatever left
# it since, answers are as good as those of a fresh build, and no row is lost.
use strict;
use warnings;

use Index;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rows = 5000;
my $dims = 32;

my $node = PostgreSQL::Test::Cluster->new('recall');
$node->init;
$node->append_conf('postgresql.conf',
	"autovacuum = off\njit = off\nfsync = off\nshared_buffers = 256MB\nmaintenance_work_mem = 128MB");
$node->start;
index_prepare($node);
$node->safe_psql(
	'postgres', qq{
	CREATE TABLE data (id int, v vector($dims));
	INSERT INTO data SELECT i, item(i, $dims) FROM generate_series(1, 2 * $rows) i;
});

# Its own recall, and what it should be
sub compare
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($what, $recall, $fresh) = @_;

	cmp_ok($recall, '>=', $fresh - 0.01, "$what: recall $recall, of a fresh build $fresh");
}

foreach my $case (
	[ '<->', 'vector_l2_ops', '' ],
	[ '<=>', 'vector_cosine_ops', '' ],
	[ '<#>', 'vector_ip_ops', '' ],
	[ '<->', 'vector_l2_ops', 'rerank = heap' ],
	[ '<=>', 'vector_cosine_ops', 'quantizer = none' ])
{
	my ($op, $class, $options) = @$case;
	my $with = $options ? "WITH ($options)" : '';
	my $index = "USING hnsw (v $class) $with";
	my $name = "$class $options";
	my %o = (op => $op, dims => $dims);
	my ($fresh, $fresh_half);

	note "$name: build";
	$node->safe_psql(
		'postgres', qq{
		SET client_min_messages = warning; DROP TABLE IF EXISTS t, half, other;
		CREATE TABLE t (LIKE data); INSERT INTO t SELECT * FROM data WHERE id <= $rows;
		CREATE INDEX i ON t $index;
		CREATE TABLE half (LIKE data); INSERT INTO half SELECT * FROM t WHERE noise(id, 5) < 0;
		CREATE INDEX ON half $index;
		CREATE TABLE other (LIKE data); INSERT INTO other SELECT * FROM data WHERE id > $rows;
		CREATE INDEX ON other $index;});
	$fresh = index_recall($node, 't', %o);
	$fresh_half = index_recall($node, 'half', %o);
	cmp_ok($fresh, '>', 0.9, "$name: recall of a build $fresh");
	hnsw_ok($node, 't', "$name, build", %o);

	note "$name: parallel build";
	$node->safe_psql(
		'postgres', qq{
		ALTER TABLE t SET (parallel_workers = 2);
		DROP INDEX i;
		CREATE INDEX i ON t $index;});
	compare("$name, parallel build", index_recall($node, 't', %o), $fresh);
	hnsw_ok($node, 't', "$name, parallel build", %o);

	note "$name: insert";
	$node->safe_psql(
		'postgres', qq{
		TRUNCATE t;
		INSERT INTO t SELECT * FROM data WHERE id <= $rows;});
	compare("$name, inserts", index_recall($node, 't', %o), $fresh);
	hnsw_ok($node, 't', "$name, inserts", %o);

	note "$name: delete";
	$node->safe_psql('postgres', q{DELETE FROM t WHERE noise(id, 5) >= 0});
	compare("$name, half deleted", index_recall($node, 't', %o), $fresh_half);
	hnsw_ok($node, 't', "$name, half deleted", %o);
	$node->safe_psql('postgres', 'VACUUM t');
	compare("$name, half deleted and vacuumed", index_recall($node, 't', %o), $fresh_half);
	hnsw_ok($node, 't', "$name, half deleted and vacuumed", %o);

	note "$name: replace";
	$node->safe_psql(
		'postgres', qq{
		INSERT INTO t SELECT * FROM data WHERE id <= $rows AND noise(id, 5) >= 0;});
	my $size = $node->safe_psql('postgres', q{SELECT pg_relation_size('i')});
	# every row in ten steps, half of them by an update
	for my $step (0 .. 9)
	{
		$node->safe_psql('postgres', $step % 2
			? "UPDATE t SET id = id + $rows, v = item(id + $rows, $dims) WHERE id % 10 = $step AND id <= $rows"
			: "DELETE FROM t WHERE id % 10 = $step AND id <= $rows;
			   INSERT INTO t SELECT * FROM data WHERE id > $rows AND (id - $rows) % 10 = $step");
		$node->safe_psql('postgres', 'VACUUM t');
	}
	is( $node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT id), min(id) FROM t'),
		join('|', $rows, $rows, $rows + 1), 'every row is another');
	compare("$name, replaced", index_recall($node, 't', %o), index_recall($node, 'other', %o));
	hnsw_ok($node, 't', "$name, replaced", %o);
	my $grown = $node->safe_psql('postgres', "SELECT round(pg_relation_size('i')::numeric / $size, 2)");
	cmp_ok($grown, '<', 1.3, "$name, replaced: the index grew by $grown");
}

$node->stop;
done_testing();
