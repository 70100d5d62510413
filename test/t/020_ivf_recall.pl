# Recall of inverted files: at their defaults, at a recall asked for, after
# changes, and where there was little to learn from.
use strict;
use warnings;

use Index;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rows = 3000;
my @kinds = qw(ivfflat ivfpq ivfrabitq);

my $node = PostgreSQL::Test::Cluster->new('ivf_recall');
$node->init;
$node->append_conf('postgresql.conf',
	"autovacuum = off\njit = off\nfsync = off\nshared_buffers = 256MB\nmaintenance_work_mem = 128MB\nclient_min_messages = warning");
$node->start;
index_prepare($node);

sub sql
{
	return $node->safe_psql('postgres', shift);
}

# The exact ten of each query are kept: the same for all indexes on the data.
sql(q{
	CREATE TABLE queries (dims int, n int, v vector);
	CREATE FUNCTION exact(t regclass, op text, q vector) RETURNS float8 LANGUAGE plpgsql AS $$
	DECLARE d float8;
	BEGIN
		EXECUTE format('SELECT max(d) FROM (SELECT (v %2$s $1) + 0 AS d FROM %1$s ORDER BY 1 LIMIT 10) f', t, op) INTO d USING q;
		RETURN d;
	END $$;
	CREATE TABLE answers (t text, op text, n int, tenth float8, v vector);
	-- Recall of the ten nearest of t by an index; rows have to come in order.
	CREATE FUNCTION recall_of(t text, op text) RETURNS numeric LANGUAGE plpgsql AS $$
	DECLARE
		q record;
		found float8[];
		hits int := 0;
		total int := 0;
	BEGIN
		FOR q IN SELECT * FROM answers a WHERE a.t = recall_of.t AND a.op = recall_of.op LOOP
			EXECUTE format('SELECT array_agg(d) FROM (SELECT v %2$s $1 AS d FROM %1$s ORDER BY v %2$s $1 LIMIT 10) f', t, op)
				INTO found USING q.v;
			IF found IS DISTINCT FROM (SELECT array_agg(d ORDER BY d) FROM unnest(found) d) OR cardinality(found) <> 10 THEN
				RAISE 'rows of % are out of order: %', t, found;
			END IF;
			hits := hits + (SELECT count(*) FROM unnest(found) d WHERE d <= q.tenth);
			total := total + 10;
		END LOOP;
		RETURN round(hits::numeric / total, 4);
	END $$;
});
foreach my $dims (64, 300)
{
	sql(qq{
		INSERT INTO queries SELECT $dims, n, item(10000000 + n, $dims) FROM generate_series(1, 100) n;
		CREATE TABLE t$dims (id int, v vector($dims));
		INSERT INTO t$dims SELECT i, item(i, $dims) FROM generate_series(1, $rows) i;
		INSERT INTO answers SELECT 't$dims', op, n, exact('t$dims', op, v), v
		FROM queries, unnest('{<->,<#>,<=>}'::text[]) op WHERE dims = $dims AND n <= 6400 / dims;});
}

sub recall_of
{
	my ($t, $op, $settings) = @_;

	return sql("SET enable_seqscan = off; SET vector.enable_exact_scan = off; @{[$settings // '']}; SELECT recall_of('$t', '$op')");
}

sub build
{
	my ($t, $using) = @_;

	sql("DROP INDEX IF EXISTS i; CREATE INDEX i ON $t USING $using");
}

note 'defaults';
my %class = ('<->' => 'vector_l2_ops', '<#>' => 'vector_ip_ops', '<=>' => 'vector_cosine_ops');
foreach my $case (
	[ 64, 'ivfrabitq', '' ],
	[ 64, 'ivfrabitq', 'bits = 1, rerank = index' ],
	[ 64, 'ivfpq', '' ],
	[ 64, 'ivfpq', 'nbits = 8' ],
	[ 64, 'ivfpq', 'opq = on, rerank = index' ],
	[ 64, 'ivfpq', 'nbits = 8, opq = on' ],
	[ 300, 'ivfrabitq', '' ],
	[ 300, 'ivfrabitq', 'bits = 4, rerank = index' ],
	[ 300, 'ivfpq', 'rerank = index' ],
	[ 300, 'ivfpq', 'nbits = 8, rerank = index' ])
{
	my ($dims, $kind, $options) = @$case;
	my $with = $options ? "WITH ($options)" : '';

	foreach my $op (sort keys %class)
	{
		my $name = "$dims dimensions, $kind ($options), $class{$op}";
		build("t$dims", "$kind (v $class{$op}) $with");
		my $recall = recall_of("t$dims", $op);
		cmp_ok($recall, '>=', 0.9, "$name: recall $recall");
		ivf_ok($node, "t$dims", $name, op => $op, dims => $dims) if $op eq '<#>' || $options =~ /index/;
	}
}

note 'a recall asked for';
foreach my $kind (@kinds)
{
	foreach my $op ('<->', '<#>')
	{
		my $last = 0;

		build('t64', "$kind (v $class{$op}) WITH (lists = 100)");
		# all lists find all, but for what product codes lose
		my $most = $kind eq 'ivfpq' ? 0.97 : 1;
		is(sql(qq{SELECT bool_and(r >= before AND p > before_p) AND min(r) < 0.8 AND max(r) >= $most FROM
			(SELECT recall AS r, lag(recall, 1, 0) OVER (ORDER BY probes) AS before, probes AS p, lag(probes, 1, 0) OVER (ORDER BY probes) AS before_p FROM ivf_recall('i')) s}),
			't', "$kind, $op: more lists, more recall");
		foreach my $target (0.8, 0.95, 0.99)
		{
			my $recall = recall_of('t64', $op, "SET ivf.target_recall = $target");
			my $read = sql(qq{SET enable_seqscan = off; SET vector.enable_exact_scan = off; SET $kind.iterative_scan = off; SET ivf.target_recall = $target;
				SELECT count(*) FROM (SELECT FROM t64 ORDER BY v $op item(10000001, 64) LIMIT 1000000) s});
			my $probes = sql("SELECT min(probes) FROM ivf_recall('i') WHERE recall >= $target");

			cmp_ok($recall, '>=', $target - 0.03, "$kind, $op: recall $recall, asked for $target ($probes probes)");
			cmp_ok($read, '>', $last, "$kind, $op: $read rows read for $target");
			$last = $read;
		}
	}
}

note 'little to learn from';
sql(q{
	CREATE TABLE centroids AS SELECT centroid FROM vector_kmeans('SELECT v FROM t64', 50);
	CREATE TABLE few (LIKE t64);
	INSERT INTO answers SELECT 'few', op, n, tenth, v FROM answers WHERE t = 't64';});
foreach my $kind (@kinds)
{
	foreach my $case (
		[ 'an empty table', 0, '' ],
		[ 'an empty table, with centroids', 0, q{centroids = 'public.centroids'} ],
		[ 'a hundred rows', 100, 'lists = 0' ],
		[ 'a hundred rows, with centroids', 100, q{centroids = 'public.centroids'} ])
	{
		my ($name, $before, $options) = @$case;
		my $with = $options ? "WITH ($options)" : '';

		# probes of ivfflat are not chosen by themselves
		my $set = $kind ne 'ivfflat' ? '' : 'SET ivf.target_recall = 0.95';

		sql(qq{TRUNCATE few; DROP INDEX IF EXISTS little; INSERT INTO few SELECT * FROM t64 WHERE id <= $before;
			CREATE INDEX little ON few USING $kind (v vector_l2_ops) $with;
			INSERT INTO few SELECT * FROM t64 WHERE id > $before;});
		my $recall = recall_of('few', '<->', $set);
		cmp_ok($recall, '>=', 0.95, "$kind on $name: recall $recall");
		ivf_ok($node, 'few', "$kind on $name", dims => 64, work_mem => '64kB');
	}
}
sql('DROP INDEX little');

note 'deleted and inserted';
foreach my $kind (@kinds)
{
	my $set = $kind ne 'ivfflat' ? '' : 'SET ivfflat.probes = 25';

	sql("TRUNCATE few; INSERT INTO few SELECT * FROM t64");
	build('few', "$kind (v vector_l2_ops) WITH (lists = 50)");
	my $fresh = recall_of('few', '<->', $set);
	sql('DELETE FROM few WHERE noise(id, 5) < 0');
	sql('VACUUM few');
	ivf_ok($node, 'few', "$kind, half deleted", dims => 64);
	sql('INSERT INTO few SELECT * FROM t64 WHERE noise(id, 5) < 0');
	my $recall = recall_of('few', '<->', $set);
	cmp_ok($recall, '>=', $fresh - 0.03, "$kind, half inserted again: recall $recall, of a fresh build $fresh");
	ivf_ok($node, 'few', "$kind, half inserted again", dims => 64);
}

note 'drift';
foreach my $kind (@kinds)
{
	sql('TRUNCATE few; INSERT INTO few SELECT * FROM t64 WHERE id % 40 < 20');
	build('few', "$kind (v vector_l2_ops) WITH (lists = 50)");
	is(sql(q{SELECT lists, trained, built_entries, entries, abs(error / built_error - 1) < 0.01, abs(imbalance / built_imbalance - 1) < 0.001 FROM ivf_drift('i')}),
		join('|', 50, 't', $rows / 2, $rows / 2, 't', 't'), "$kind: no drift yet");
	sql('INSERT INTO few SELECT * FROM t64 WHERE id % 40 >= 20');
	my $drift = sql(q{SELECT round((error / built_error)::numeric, 2) FROM ivf_drift('i')});
	is(sql(q{SELECT built_entries, entries FROM ivf_drift('i')}), join('|', $rows / 2, $rows), "$kind: rows counted");
	cmp_ok($drift, '>', 1.5, "$kind: other clusters, error times $drift");
	sql('REINDEX INDEX i');
	is(sql(q{SELECT built_entries, abs(error / built_error - 1) < 0.01 FROM ivf_drift('i')}), "$rows|t", "$kind: REINDEX is the cure");
}

note 'centroids out and in';
foreach my $case (
	[ 'ivfflat', '<->', '' ],
	[ 'ivfflat', '<=>', '' ],
	[ 'ivfpq', '<->', ', opq = on' ],
	[ 'ivfpq', '<#>', '' ],
	[ 'ivfrabitq', '<->', '' ],
	[ 'ivfrabitq', '<=>', ', bits = 1' ],
	[ 'ivfrabitq', '<#>', ', bits = 4' ])
{
	my ($kind, $op, $options) = @$case;

	build('t64', "$kind (v $class{$op}) WITH (lists = 40 $options)");
	my $recall = recall_of('t64', $op, 'SET ivf.target_recall = 0.95');
	sql(q{DROP TABLE centroids; CREATE TABLE centroids AS SELECT list, centroid FROM ivf_centroids('i')});
	build('t64', "$kind (v $class{$op}) WITH (centroids = 'public.centroids' $options)");
	is(sql(q{SELECT count(*), count(DISTINCT list) FROM ivf_centroids('i')}), '40|40', "$kind, $op $options: all centroids");
	my $far = sql(q{SELECT greatest(max(there), max(back)) FROM
		(SELECT (SELECT min(b.centroid <-> a.centroid) FROM ivf_centroids('i') b) AS there FROM centroids a) x,
		(SELECT (SELECT min(b.centroid <-> a.centroid) FROM centroids b) AS back FROM ivf_centroids('i') a) y});
	cmp_ok($far, '<', 1e-4, "$kind, $op $options: the same centroids");
	my $again = recall_of('t64', $op, 'SET ivf.target_recall = 0.95');
	cmp_ok($again, '>=', $recall - 0.03, "$kind, $op $options: recall $again, before $recall");
}

note 'k-means';
foreach my $source ('t64', 'SELECT v FROM t64 WHERE id % 3 = 0', 'SELECT v::halfvec(64) FROM t64 WHERE id <= 1000 UNION ALL SELECT NULL')
{
	my $from = $source =~ /SELECT/ ? $source : "SELECT v FROM $source";

	is( sql(qq{WITH k AS MATERIALIZED (SELECT * FROM vector_kmeans(\$\$$source\$\$, 30)),
		rows AS MATERIALIZED (SELECT (SELECT k.id FROM k ORDER BY k.centroid <-> v::vector(64) LIMIT 1) AS id, v::vector(64) FROM ($from) f (v) WHERE v IS NOT NULL),
		means AS (SELECT k.id, size, error, count(rows.id), avg((rows.v <-> k.centroid) ^ 2) AS mean FROM k LEFT JOIN rows USING (id) GROUP BY 1, 2, 3)
		SELECT count(*), min(id), max(id), sum(size) - (SELECT count(*) FROM rows), sum(abs(size - count)) <= 2, max(abs(error - mean)) < 0.1 FROM means}),
		'30|1|30|0|t|t', "sizes and errors: $source");
}
is(sql(q{SELECT count(*), sum(size), sum(error) FROM vector_kmeans('SELECT v FROM t64 WHERE id <= 7', 30)}), '7|7|0', 'more centroids than rows');

note 'few rows fulfil a condition, far from most queries';
sql(q{
	CREATE TABLE far (id int, g int, v vector(32));
	INSERT INTO far SELECT i, i / 40 % 150, item(i, 32) FROM generate_series(1, 12000) i;
	INSERT INTO answers SELECT 'far WHERE g = 3', '<->', n, (SELECT max(d) FROM (SELECT (v <-> q) + 0 AS d FROM far WHERE g = 3 ORDER BY 1 LIMIT 10) f), q
	FROM (SELECT n, item(10000000 + n, 32) AS q FROM generate_series(1, 50) n) s});
foreach my $kind (@kinds)
{
	sql("DROP INDEX IF EXISTS far_v; CREATE INDEX far_v ON far USING $kind (v vector_l2_ops, g) WITH (lists = 80); ANALYZE far");
	my $recall = recall_of('far WHERE g = 3', '<->', 'SET enable_sort = off; SET enable_bitmapscan = off');
	cmp_ok($recall, '>=', 0.95, "$kind, one row in 150: recall $recall");
}

$node->stop;
done_testing();
