# Settings in a session that has not loaded the library yet: what the README says
# of ordinary roles, and its cures.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('settings');
$node->init;
$node->start;
$node->safe_psql('postgres', $_) for 'CREATE ROLE app LOGIN CREATEDB', 'CREATE DATABASE app OWNER app';
my @as_app = (extra_params => [ '-U', 'app' ]);
my $use = q{SELECT '[1]'::vector;};
my ($rc, $out, $err);

$node->safe_psql('app', 'CREATE EXTENSION vector', @as_app);

# A value given early is taken over, or dropped with a warning.
is($node->safe_psql('app', "SET hnsw.ef_search = 7; $use SHOW hnsw.ef_search; RESET hnsw.ef_search; SHOW hnsw.ef_search", @as_app),
	"[1]\n7\n40", 'a value from before the library');
($rc, $out, $err) = $node->psql('app', "SET hnsw.ef_search = 7000; $use SHOW hnsw.ef_search", @as_app);
is($out, "[1]\n40", 'one that is out of range is dropped');
like($err, qr/WARNING:.*7000 is outside the valid range for parameter "hnsw.ef_search"/, 'with a warning');

SKIP:
{
	skip 'everybody may, before PostgreSQL 15', 4 if $node->safe_psql('app', 'SHOW server_version_num') < 150000;
	foreach my $statement (
		'ALTER ROLE app SET hnsw.ef_search = 100',
		'ALTER DATABASE app SET ivfflat.probes = 5',
		q{CREATE FUNCTION f() RETURNS int LANGUAGE sql SET hnsw.ef_search = 5 AS 'SELECT 1'},
		q{LOAD 'vector'})
	{
		($rc, $out, $err) = $node->psql('app', $statement, @as_app);
		like($err, qr/permission denied to set parameter|access to library "vector" is not allowed/, "fresh session: $statement");
	}
}

# The library in use, or loaded from the start
$node->safe_psql('app', "$use; $_", @as_app)
  for 'ALTER ROLE app SET hnsw.ef_search = 100', 'ALTER DATABASE app SET ivfflat.probes = 5';
is($node->safe_psql('app', "$use SHOW hnsw.ef_search; SHOW ivfflat.probes", @as_app), "[1]\n100\n5", 'once the library is in use');
$node->safe_psql('app', q{ALTER DATABASE app SET session_preload_libraries = 'vector'});
$node->safe_psql('app', 'ALTER ROLE app SET hnsw.ef_search = 101', @as_app);
is($node->safe_psql('app', 'SHOW hnsw.ef_search', @as_app), '101', 'session_preload_libraries');
$node->safe_psql('app', 'ALTER DATABASE app RESET session_preload_libraries');

# A dump has the database's settings before the extension.
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump.sql';
$node->command_ok([ 'pg_dump', '--create', '-f', $dump, 'app' ], 'dump');
$node->safe_psql('postgres', 'DROP DATABASE app');
$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', 'postgres', '-f', $dump ], 'a superuser restores it');
is($node->safe_psql('app', "$use SHOW ivfflat.probes", @as_app), "[1]\n5", 'with its settings');
$node->safe_psql('postgres', 'DROP DATABASE app');
$node->append_conf('postgresql.conf', q{session_preload_libraries = 'vector'});
$node->reload;
$node->command_ok([ 'psql', '-XqAt', '-U', 'app', '-v', 'ON_ERROR_STOP=1', '-d', 'postgres', '-c', 'SHOW hnsw.ef_search', '-f', $dump ],
	'and an ordinary role, with session_preload_libraries');
is($node->safe_psql('app', "SHOW ivfflat.probes", @as_app), '5', 'with its settings');

# What parallel builds say
foreach my $method (qw(hnsw ivfflat))
{
	($rc, $out, $err) = $node->psql('app', qq{
		SET client_min_messages = debug1; SET max_parallel_maintenance_workers = 1; SET min_parallel_table_scan_size = 0;
		CREATE TABLE $method AS SELECT i, ARRAY[i % 97, i % 89, i]::vector(3) AS v FROM generate_series(1, 2000) i;
		ALTER TABLE $method SET (parallel_workers = 1);
		CREATE INDEX ON $method USING $method (v vector_l2_ops);});
	like($err, qr/DEBUG:  using 1 parallel workers/, "$method says how many workers build");
}

$node->stop;
done_testing();
