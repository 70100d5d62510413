# A dump of indexes with centroids from a table, restored by several processes,
# without data, under another owner, and by pg_upgrade: the index is built when
# its centroids are there.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('centroids');
$node->init;
$node->start;
my $base = $node->basedir;

# Names of indexed tables before and after those of centroids, and centroids
# enough for their COPY to take longer than that of the rows.
$node->safe_psql('postgres', q{
	CREATE ROLE owner LOGIN;
	CREATE DATABASE source OWNER owner;
	CREATE DATABASE one; CREATE DATABASE many; CREATE DATABASE bare OWNER owner;
});
$node->safe_psql('source', q{CREATE EXTENSION vector; CREATE SCHEMA "Other Schema" AUTHORIZATION owner; GRANT ALL ON SCHEMA public TO owner});
$node->safe_psql('source', q{
	SET ROLE owner;
	CREATE TABLE a_items (v vector(3), t varchar(5));
	INSERT INTO a_items SELECT ARRAY[i % 100, i % 7, 2]::vector FROM generate_series(1, 1000) i;
	CREATE TABLE z_centroids AS SELECT ARRAY[i % 100, i % 7, 2]::vector(3) AS v FROM generate_series(1, 20000) i;
	CREATE TABLE "Other Schema"."z' ""centroids""" AS SELECT v::halfvec(3) AS h FROM z_centroids LIMIT 5;
	CREATE TABLE parted (i int, v vector(3)) PARTITION BY LIST (i);
	CREATE TABLE a_part PARTITION OF parted FOR VALUES IN (1);
	INSERT INTO parted SELECT 1, v FROM a_items;
	CREATE INDEX flat ON a_items USING ivfflat (v vector_l2_ops) WITH (centroids = 'public.z_centroids');
	CREATE INDEX pq ON a_items USING ivfpq (v vector_ip_ops) WITH (centroids = '"Other Schema"."z'' ""centroids"""');
	CREATE INDEX rabitq ON a_items USING ivfrabitq (v vector_cosine_ops, t) WITH (centroids = 'public.z_centroids');
	CREATE INDEX parts ON parted USING ivfflat (v vector_l2_ops) WITH (centroids = 'public.z_centroids');
	-- what makes the index anew without building it
	ALTER TABLE a_items ALTER t TYPE varchar(10);
	REINDEX INDEX CONCURRENTLY flat;
	ALTER INDEX pq SET (lists = 9);
});

# index => lists of it
my $indexes = q{SELECT string_agg(concat_ws('|', i, d.lists, d.trained, d.entries), E'\n' ORDER BY i) FROM unnest('{flat,pq,rabitq,a_part_v_idx}'::text[]) i, ivf_drift(i::regclass) d};
my $before = $node->safe_psql('source', $indexes);
is($before, "a_part_v_idx|20000|t|1000\nflat|20000|t|1000\npq|5|t|1000\nrabitq|20000|t|1000", 'the indexes have their centroids');

$node->command_ok([ 'pg_dump', '-Fc', '-f', "$base/dump", 'source' ], 'dump');
my ($toc) = run_command([ 'pg_restore', '-l', '-v', "$base/dump" ]);
my %id = map { /^(\d+); .* TABLE (\S+ .*) \S+$/ ? ($2 => $1) : () } split /\n/, $toc;
foreach (
	[ 'flat', 'public z_centroids' ],
	[ 'pq', q{Other Schema z' "centroids"} ],
	[ 'rabitq', 'public z_centroids' ],
	[ 'a_part_v_idx', 'public z_centroids' ])
{
	my ($index, $table) = @$_;
	my ($depends) = $toc =~ /INDEX public $index \S+\n;\s+depends on: ([\d ]+)/;
	ok(defined $depends && defined $id{$table} && (grep { $_ eq $id{$table} } split / /, $depends), "$index depends on $table") or diag($toc);
}
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', 'one', "$base/dump" ], 'restored by one process');
is($node->safe_psql('one', $indexes), $before, 'with the same lists');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-j', '4', '-d', 'many', "$base/dump" ], 'restored by four');
is($node->safe_psql('many', $indexes), $before, 'with the same lists');
my ($rc, $out, $err) = $node->psql('many', 'DROP TABLE z_centroids');
like($err, qr/cannot drop table z_centroids because other objects depend on it/, 'and the same dependencies');
$node->safe_psql('many', 'TRUNCATE a_items; VACUUM FULL a_items; INSERT INTO a_items SELECT v FROM z_centroids LIMIT 100');
is($node->safe_psql('many', q{SELECT lists, entries FROM ivf_drift('flat')}), '20000|100', 'TRUNCATE and VACUUM FULL read the centroids again');

note 'without data';
$node->command_ok([ 'pg_restore', '--exit-on-error', '--schema-only', '-d', 'bare', "$base/dump" ], 'a schema');
$node->command_ok([ 'pg_restore', '--exit-on-error', '--data-only', '-d', 'bare', "$base/dump" ], 'its data later');
$node->safe_psql('bare', 'REINDEX TABLE a_items; REINDEX TABLE parted');
is($node->safe_psql('bare', $indexes), $before, 'REINDEX finds the centroids');

note 'the update of an extension that did not record them';
$node->safe_psql('many', q{
	DELETE FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = 'flat'::regclass AND refobjid = 'z_centroids'::regclass;
	ALTER INDEX flat SET (centroids = 'public.z_centroids')});
is($node->safe_psql('many', q{SELECT count(*) FROM pg_depend WHERE objid = 'flat'::regclass AND refobjid = 'z_centroids'::regclass}), '1', 'to set the same option records the dependency');

note 'pg_upgrade, to the same version';
my $new = PostgreSQL::Test::Cluster->new('upgraded');
$new->init;
my ($bin) = run_command([ 'pg_config', '--bindir' ]);
$node->stop;
SKIP:
{
	skip 'no pg_upgrade', 3 unless -x "$bin/pg_upgrade";
	chdir $new->basedir or die $!;
	command_ok([ 'pg_upgrade', '--no-sync', '-b', $bin, '-B', $bin, '-d', $node->data_dir, '-D', $new->data_dir, '-s', $new->host, '-p', $node->port, '-P', $new->port ], 'pg_upgrade');
	$new->start;
	is($new->safe_psql('source', $indexes), $before, 'the indexes are as they were');
	is($new->safe_psql('source', q{SELECT count(*) FROM pg_depend WHERE refobjid = 'z_centroids'::regclass AND deptype = 'n' AND classid = 'pg_class'::regclass}), '4', 'and depend on their centroids');
	$new->stop;
	chdir '/' or die $!;
}
done_testing();
