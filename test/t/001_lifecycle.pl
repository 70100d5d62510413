# What the values of our types go through in a server's life: installation by a
# database's owner, dump and restore, binary copies, replication, a crash, and
# the extension's removal.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# One line that changes when any value of the table does. Text output shows
# every value exactly.
my $digest = q{
	SELECT count(*), md5(string_agg(concat_ws('|', id, v, h, s), ';' ORDER BY id))
	FROM items};

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->start;

# A trusted extension: whoever owns the database may create it.
$primary->safe_psql('postgres',
	'CREATE ROLE tenant LOGIN; CREATE DATABASE app OWNER tenant;');
my @as_tenant = (extra_params => [ '-U', 'tenant' ]);
$primary->safe_psql('app', 'CREATE EXTENSION vector', @as_tenant);
is( $primary->safe_psql('app',
		q{SELECT extowner::regrole, extversion FROM pg_extension WHERE extname = 'vector'}),
	'tenant|1.1.0',
	'the owner of a database creates the extension');

$primary->safe_psql(
	'app', q{
	CREATE TABLE items (id int PRIMARY KEY, v vector(3), h halfvec(3), s sparsevec(1000));
	INSERT INTO items
		SELECT i, ARRAY[i, 1.0 / i, -i * 1e-30]::real[]::vector,
			ARRAY[i % 2048, 1.0 / i, -i]::real[]::halfvec,
			format('{%s:%s,1000:%s}/1000', 1 + i % 999, 1.0 / i, -i)::sparsevec
		FROM generate_series(1, 1000) i;
	INSERT INTO items VALUES
		(0, '[0,-0,3.4028235e38]', '[6e-8,65504,-0]', '{}/1000'),
		(-1, NULL, NULL, NULL);
}, @as_tenant);
my $rows = $primary->safe_psql('app', $digest);
like($rows, qr/^1002\|/, 'rows are there');

# Dump and restore, as SQL and as an archive.
my $dir = PostgreSQL::Test::Utils::tempdir();
my $types = q{
	SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum)
	FROM pg_attribute WHERE attrelid = 'items'::regclass AND attnum > 0};

$primary->safe_psql('postgres', 'CREATE DATABASE plain; CREATE DATABASE custom;');
$primary->command_ok([ 'pg_dump', '--inserts', '-f', "$dir/plain.sql", 'app' ],
	'dump as SQL');
$primary->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'plain', '-f', "$dir/plain.sql" ],
	'restore SQL');
$primary->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/custom", 'app' ],
	'dump as archive');
$primary->command_ok([ 'pg_restore', '--exit-on-error', '-d', 'custom', "$dir/custom" ],
	'restore archive');
for my $db (qw(plain custom))
{
	is($primary->safe_psql($db, $digest), $rows, "$db: rows restored");
	is( $primary->safe_psql($db, $types),
		'id integer, v vector(3), h halfvec(3), s sparsevec(1000)',
		"$db: types restored");
}

# Binary copy: the values are the same, and the column's dimensions are checked
# on this way in too.
$primary->safe_psql(
	'custom', qq{
	COPY items TO '$dir/items.bin' (FORMAT binary);
	TRUNCATE items;
	COPY items FROM '$dir/items.bin' (FORMAT binary);
});
is($primary->safe_psql('custom', $digest), $rows, 'binary copy out and in');

my ($rc, $out, $err) = $primary->psql(
	'custom', qq{
	CREATE TABLE other (id int, v vector(4), h halfvec(3), s sparsevec(1000));
	COPY other FROM '$dir/items.bin' (FORMAT binary)});
isnt($rc, 0, 'binary copy into a column of other dimensions fails');
like($err, qr/expected 4 dimensions, not 3/, 'and says why');

# A standby.
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

$primary->safe_psql(
	'app', q{
	UPDATE items SET v = v + '[1,1,1]', h = h * '[0.5,0.5,0.5]' WHERE id BETWEEN 1 AND 500;
	INSERT INTO items VALUES (2000, '[1,2,3]', '[4,5,6]', '{7:8}/1000');
});
$rows = $primary->safe_psql('app', $digest);
$primary->wait_for_catchup($standby);
is($standby->safe_psql('app', $digest), $rows, 'standby has the rows');

my $nearest = q{SELECT string_agg(id::text, ',') FROM
	(SELECT id FROM items ORDER BY v <-> '[100,1,1]', id LIMIT 10) n};
is( $standby->safe_psql('app', $nearest),
	$primary->safe_psql('app', $nearest),
	'standby finds the same neighbours');

# A crash loses nothing that was committed, on either of them.
$primary->safe_psql('app',
	q{INSERT INTO items VALUES (2001, '[4,5,6]', '[7,8,9]', '{10:11}/1000')});
$rows = $primary->safe_psql('app', $digest);
$primary->stop('immediate');
$primary->start;
is($primary->safe_psql('app', $digest), $rows, 'rows survive a crash');

$standby->stop('immediate');
$standby->start;
$primary->wait_for_catchup($standby);
is($standby->safe_psql('app', $digest), $rows, 'also on the standby');
$standby->stop;

# The extension can move to another schema with its columns in place.
$primary->safe_psql('app',
	'CREATE SCHEMA ext AUTHORIZATION tenant; ALTER EXTENSION vector SET SCHEMA ext');
is( $primary->safe_psql('app', "SET search_path = public, ext; $digest"),
	$rows, 'moved to another schema');

# It goes only with what depends on it, and leaves nothing behind.
($rc, $out, $err) = $primary->psql('app', 'DROP EXTENSION vector', @as_tenant);
isnt($rc, 0, 'columns hold the extension');
like($err, qr/other objects depend on it/, 'and say so');
$primary->safe_psql('app', 'DROP EXTENSION vector CASCADE', @as_tenant);
is( $primary->safe_psql('app', q{
		SELECT count(*) FROM pg_proc WHERE probin LIKE '%vector%'
		UNION ALL SELECT count(*) FROM pg_type WHERE typname ~ 'vec(tor)?$' AND typnamespace = 'ext'::regnamespace
		UNION ALL SELECT count(*) FROM items}),
	"0\n0\n1004",
	'dropped: functions and types are gone, rows stay');
$primary->safe_psql('app',
	q{CREATE EXTENSION vector; ALTER TABLE items ADD v vector(2) DEFAULT '[1,2]'},
	@as_tenant);
is( $primary->safe_psql('app', q{SELECT DISTINCT v FROM items}),
	'[1,2]', 'created again');

$primary->stop;
done_testing();
