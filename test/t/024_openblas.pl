# OpenBLAS: builds say what multiplies their matrices, load it when they begin
# and start no thread; searches do not load it; without it, indexes are as good.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('openblas');
$node->init;
$node->append_conf('postgresql.conf',
	"autovacuum = off\njit = off\nfsync = off\nmax_parallel_maintenance_workers = 0");
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION vector;
	CREATE TABLE t (id int PRIMARY KEY, v vector(64));
	INSERT INTO t SELECT i, (SELECT array_agg(sin(i * j * 0.37) + (i % 50) * cos(j * (i % 50))) FROM generate_series(1, 64) j)::vector
		FROM generate_series(1, 3000) i;
});

# What the process of a session is made of
my $state = q{SELECT 'state',
	pg_read_file('/proc/self/maps') ~ 'openblas' AS loaded,
	substring(pg_read_file('/proc/self/status') FROM 'Threads:\s*(\d+)') AS threads;};
my $build = 'CREATE INDEX t_v ON t USING ivfrabitq (v vector_l2_ops) WITH (lists = 60);';
my $search = q{SET enable_seqscan = off; SET ivfrabitq.probes = 60;
	SELECT string_agg(id::text, ',' ORDER BY o) FROM (
		SELECT id, row_number() OVER () o FROM (
			SELECT id FROM t ORDER BY v <-> (SELECT v FROM t WHERE id = 77) LIMIT 10) s) s;};

my $exact = $node->safe_psql('postgres', "SET enable_indexscan = off; $search");

my ($rc, $out, $err);
$rc = $node->psql('postgres',
	"SET client_min_messages = debug1; $build SET client_min_messages = warning; $state",
	stdout => \$out, stderr => \$err);
is($rc, 0, 'an index is built');
like($err, qr/linear algebra by (OpenBLAS|the extension's own loops)/,
	'the build says what multiplies');
my $installed = $err =~ /linear algebra by OpenBLAS/;
note($err =~ /(linear algebra by .*)/);
is($out, 'state|' . ($installed ? 't' : 'f') . '|1',
	'it is loaded where it is installed, and there is one thread');
is($node->safe_psql('postgres', $search), $exact, 'the index finds the nearest');

$out = $node->safe_psql('postgres', "$search $state");
like($out, qr/^state\|f\|1$/m, 'a search does not load it');

$node->safe_psql('postgres', 'DROP INDEX t_v');
$rc = $node->psql('postgres',
	"SET client_min_messages = debug1; SET vector.openblas = off; $build SET client_min_messages = warning; $state",
	stdout => \$out, stderr => \$err);
is($rc, 0, 'an index is built without it');
unlike($err, qr/linear algebra/, 'nothing is said where it is not allowed');
is($out, 'state|f|1', 'it is not loaded where it is not allowed');
is($node->safe_psql('postgres', $search), $exact, 'that index finds the nearest, too');

done_testing();
