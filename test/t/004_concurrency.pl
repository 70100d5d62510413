# Exact scans beside writers and vacuum: in one snapshot they find what a
# sequential scan under a sort finds, in line and out of line.
use strict;
use warnings;

use Index;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = 5;

my $node = PostgreSQL::Test::Cluster->new('concurrency');
$node->init;

# A small buffer pool, so that buffers change hands under the scans' guesses
$node->append_conf('postgresql.conf', "shared_buffers = 1MB\nautovacuum = off");
$node->start;
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION vector;
	CREATE FUNCTION random_vector(dims int) RETURNS vector VOLATILE LANGUAGE sql AS
		'SELECT array_agg(random())::vector FROM generate_series(1, dims)';
	CREATE TABLE inline (id int, v vector(100));
	CREATE TABLE external (id int, v vector(700));
	INSERT INTO inline SELECT i, random_vector(100 + i * 0) FROM generate_series(1, 400) i;
	INSERT INTO external SELECT i, random_vector(700 + i * 0) FROM generate_series(1, 200) i;
	CREATE TABLE outcome (t text, comparisons int, differences int);
});

# Both searches in one statement, hence in one snapshot
sub reader
{
	my ($table, $dims) = @_;
	return qq{
	DO \$\$
	DECLARE
		q vector;
		compared int := 0;
		different int := 0;
		stop timestamptz := clock_timestamp() + interval '$seconds s';
	BEGIN
		WHILE clock_timestamp() < stop OR compared <= 10 LOOP
			q := random_vector($dims);
			IF ARRAY(SELECT v <-> q FROM $table ORDER BY v <-> q LIMIT 30)
				IS DISTINCT FROM ARRAY(SELECT (v <-> q) + 0 FROM $table ORDER BY (v <-> q) + 0 LIMIT 30) THEN
				different := different + 1;
			END IF;
			compared := compared + 1;
			COMMIT;
		END LOOP;
		INSERT INTO outcome VALUES ('$table', compared, different);
	END \$\$;};
}

# Change, remove and add rows, and give some of it up again
sub writer
{
	my ($table, $dims) = @_;
	return qq{
	DO \$\$
	DECLARE
		stop timestamptz := clock_timestamp() + interval '$seconds s';
	BEGIN
		WHILE clock_timestamp() < stop LOOP
			UPDATE $table SET v = random_vector($dims + id * 0) WHERE id % 17 = (random() * 17)::int;
			DELETE FROM $table WHERE id % 23 = (random() * 23)::int;
			INSERT INTO $table SELECT i, random_vector($dims + i * 0) FROM generate_series(1, 20) i;
			DELETE FROM $table WHERE ctid IN (SELECT ctid FROM $table ORDER BY random() LIMIT greatest((SELECT count(*) FROM $table) - 400, 0));
			IF random() < 0.2 THEN ROLLBACK; ELSE COMMIT; END IF;
		END LOOP;
	END \$\$;};
}

my @running = map { start_psql($node, $_) } reader('inline', 100), reader('external', 700),
  writer('inline', 100), writer('external', 700);

my $end = time() + $seconds;
my $vacuums = 0;
# one may take all of the time on a busy machine, and so may a comparison
while (time() < $end || $vacuums < 2)
{
	$node->safe_psql('postgres', 'VACUUM inline, external');
	$vacuums++;
}
is(finish_psql($_), '', 'session ran without errors') foreach @running;
cmp_ok($vacuums, '>', 1, 'vacuums ran beside');
is( $node->safe_psql('postgres', 'SELECT t, comparisons > 10, differences FROM outcome ORDER BY t'),
	"external|t|0\ninline|t|0",
	'both searches agree');
like(
	$node->safe_psql('postgres', q{
	SELECT '[1]'::vector;
	EXPLAIN SELECT id FROM external ORDER BY v <-> (SELECT v FROM external LIMIT 1) LIMIT 30}),
	qr/VectorExactScan/,
	'one of them by an exact scan');
note $node->safe_psql('postgres', 'SELECT * FROM outcome');

$node->stop;
done_testing();
