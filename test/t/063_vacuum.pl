# Vacuum, for every access method: part of the rows deleted, vacuumed, as many
# inserted; then histories at random.  An index answers as well as one made of the
# same rows, takes no more room, and is written to with as little work; what is
# dead takes nothing from a scan's answers.  Kinds and comparison are in Stress.pm,
# which tells what the environment can set.
use strict;
use warnings;

use Index;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Stress;
use Test::More;

my $cycles = cycles(1);
my $seed = seed(3);
my $small = $cycles == 1;
my @kinds = kinds(few => 1);
my $queries = $small ? 30 : 200;

# Without images of pages, the amount of WAL tells what was written
my $node = PostgreSQL::Test::Cluster->new('vacuum');
$node->init;
$node->append_conf('postgresql.conf', stress_configuration() . "full_page_writes = off\nshared_buffers = 64MB\n");
$node->start;
stress_prepare($node);
$node->safe_psql(
	'postgres', q{
	-- Recall of the ten nearest with the session's settings, for queries that
	-- an expression over n gives; ties do no harm
	CREATE FUNCTION recall_of(t text, op text, value text, queries int) RETURNS numeric LANGUAGE plpgsql AS $$
	DECLARE
		q text;
		found float8[];
		exact float8[];
		hits int := 0;
		total int := 0;
	BEGIN
		FOR n IN 1 .. queries LOOP
			EXECUTE format('SELECT (%s)::text FROM (SELECT $1::bigint AS n OFFSET 0) s', value) INTO q USING 5000000 + n;
			EXECUTE format('SELECT array_agg(d) FROM (SELECT v %2$s %3$L AS d FROM %1$s ORDER BY v %2$s %3$L LIMIT 10) f', t, op, q) INTO found;
			EXECUTE format('SELECT array_agg(d) FROM (SELECT (v %2$s %3$L) + 0 AS d FROM %1$s WHERE v IS NOT NULL ORDER BY 1 LIMIT 10) f', t, op, q) INTO exact;
			hits := hits + (SELECT count(*) FROM unnest(found) d WHERE d <= exact[cardinality(exact)]);
			total := total + coalesce(cardinality(exact), 0);
		END LOOP;
		RETURN CASE WHEN total = 0 THEN 1 ELSE round(hits::numeric / total, 4) END;
	END $$ SET jit = off SET enable_seqscan = off SET vector.enable_exact_scan = off
	-- half of the lists: each training divides the rows in another way
	SET ivfflat.probes = 6 SET ivfpq.probes = 5 SET ivfrabitq.probes = 5;

	-- Buffers that a statement looks at
	CREATE FUNCTION buffers(statement text) RETURNS bigint LANGUAGE plpgsql AS $$
	DECLARE plan json;
	BEGIN
		EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT json) ' || statement INTO plan;
		RETURN (plan->0->'Plan'->>'Shared Hit Blocks')::bigint + (plan->0->'Plan'->>'Shared Read Blocks')::bigint;
	END $$;});

sub sql { return $node->safe_psql('postgres', shift) }

sub insert
{
	my ($kind, $t, $from, $n) = @_;

	return "INSERT INTO $t SELECT id, 0, 0, id % 10, v_$kind->{name}(id, 0) FROM generate_series($from, $from + $n - 1) id";
}

# WAL and buffers of twenty insertions, one by one
sub cost_of_inserts
{
	my ($kind, $t, $from) = @_;
	my $r = sql("SELECT pg_current_wal_insert_lsn();" . join('', map { "SELECT buffers('" . insert($kind, $t, $from + $_, 1) . "');" } 1 .. 20) . 'SELECT pg_current_wal_insert_lsn()');
	my ($before, @buffers) = split /\n/, $r;
	my $after = pop @buffers;
	my $sum = 0;

	$sum += $_ foreach @buffers;
	return (sql("SELECT '$after'::pg_lsn - '$before'::pg_lsn"), $sum);
}

# Beside a table of the same rows whose index is new: recall, size, the work of
# insertions
sub as_good_as_new
{
	my ($kind, $what) = @_;
	my $t = $kind->{name};
	my @wrong = (compare_all($node, [$kind]), own_values($node, [$kind]), index_checks($node, [$kind]));

	sql("DROP TABLE IF EXISTS fresh; CREATE TABLE fresh (LIKE $t); INSERT INTO fresh SELECT * FROM $t; CREATE INDEX fresh_i ON fresh USING $kind->{index}; CREATE UNIQUE INDEX ON fresh (id)");
	my ($recall, $fresh) = split /\|/, sql("SELECT recall_of('$t', '$kind->{op}', \$\$$kind->{value}\$\$, $queries), recall_of('fresh', '$kind->{op}', \$\$$kind->{value}\$\$, $queries)");
	# what training by chance does to few lists is more than what vacuum may
	my $less = ($small ? 0.05 : 0.01) + ($kind->{method} =~ /^ivf/ ? 0.03 : 0);
	push @wrong, "${t}_i: recall $recall, of a new index $fresh" if $recall < $fresh - $less;

	my ($wal, $buffers) = cost_of_inserts($kind, $t, 800000);
	my ($fresh_wal, $fresh_buffers) = cost_of_inserts($kind, 'fresh', 800000);
	push @wrong, "${t}_i: 20 insertions write $wal bytes of WAL, into a new index $fresh_wal" if $wal > 1.6 * $fresh_wal + 40000;
	push @wrong, "${t}_i: 20 insertions look at $buffers buffers, of a new index $fresh_buffers" if $buffers > 1.6 * $fresh_buffers + 400;
	sql("DELETE FROM $t WHERE id >= 800000");
	note "$t, $what: recall $recall, $fresh; WAL $wal, $fresh_wal; buffers $buffers, $fresh_buffers";
	violation("$what, seed $seed", @wrong);
	keep($node, "vacuum-$seed-$t") if @wrong;
}

foreach my $kind (@kinds)
{
	my $t = $kind->{name};
	my $n = $kind->{rows} < 100 ? 60 : $small ? 400 : 2000;
	my $next = 1;

	create_kind($node, $kind);
	sql("CREATE INDEX ${t}_h ON $t (h)");
	foreach my $part (10, 50, 99, 100)
	{
		my $before;
		my $live;

		sql("TRUNCATE $t; " . insert($kind, $t, $next, $n) . "; REINDEX INDEX ${t}_i");
		$next += $n;
		sql(insert($kind, $t, $next, int($n / 4)));
		$next += int($n / 4);
		$before = sql("SELECT pg_relation_size('${t}_i')");
		sql("DELETE FROM $t WHERE hashint4(id + $part) & 65535 < 65536 * $part / 100");

		# the dead are still in the index
		my $r = sql("SET enable_seqscan = off; SET vector.enable_exact_scan = off; SET hnsw.iterative_scan = relaxed_order; SET ivfflat.iterative_scan = relaxed_order; SET ivfpq.iterative_scan = relaxed_order; SET ivfrabitq.iterative_scan = relaxed_order;
			SELECT count(*) FROM (SELECT FROM $t ORDER BY v $kind->{op} v_$t(100001, 0) LIMIT 10) s;
			SELECT count(*) FROM (SELECT FROM $t WHERE v IS NOT NULL LIMIT 10) s") =~ s/\n/ /r;
		my ($found, $there) = split ' ', $r;
		violation("$part % deleted, seed $seed", "${t}_i: $found of the ten nearest of $there rows, beside dead ones") if $found != $there;
		fault([$kind]);
		sql($part == 50 ? "VACUUM (PARALLEL 2, INDEX_CLEANUP on) $t" : "VACUUM (INDEX_CLEANUP on) $t");
		violation("$part % deleted and vacuumed, seed $seed", compare_all($node, [$kind]), own_values($node, [$kind]), index_checks($node, [$kind]));
		my $gone = $n + int($n / 4) - sql("SELECT count(*) FROM $t");
		sql(insert($kind, $t, $next, $gone)) if $gone > 0;
		$next += $gone;
		my $after = sql("SELECT pg_relation_size('${t}_i')");

		# segments of sparse_inverted are written anew, beside the old ones
		my $most = ($kind->{method} eq 'sparse_inverted' ? 6 : 1.2) * $before + 10 * 8192;
		violation("$part % deleted, vacuumed, inserted, seed $seed", "${t}_i: $after bytes, before $before") if $after > $most;
		as_good_as_new($kind, "$part % deleted, vacuumed, inserted");
		count_cycle([$kind]);
	}

	# histories
	my $largest = 0;
	for my $cycle (2 .. $cycles)
	{
		for (1 .. 4 + int(rand(10)))
		{
			my $c = rand();

			if ($c < 0.3) { sql("DELETE FROM $t WHERE hashint4(id + " . int(rand(1000000)) . ') & 65535 < ' . int(rand(65536))) }
			elsif ($c < 0.4) { sql("DELETE FROM $t WHERE id % 40 < " . int(rand(38))) }
			elsif ($c < 0.6) { my $more = int(rand($n / 2)) + 1; sql(insert($kind, $t, $next, $more)); $next += $more }
			elsif ($c < 0.7) { sql("UPDATE $t SET rev = rev + 1, v = v_$t(id, rev + 1) WHERE hashint4(id) & 7 = " . int(rand(8))) }
			elsif ($c < 0.75) { sql('BEGIN; ' . insert($kind, $t, $next, 50) . '; ROLLBACK'); $next += 50 }
			else { sql("VACUUM (INDEX_CLEANUP on) $t") }
			my $size = sql("SELECT count(*) FROM $t");
			sql("DELETE FROM $t WHERE hashint4(id) & 1 = 0") if $size > 2 * $n;
			fault([$kind]);
		}
		my $live = sql("SELECT count(v) FROM $t");
		if ($live < $n / 4) { sql(insert($kind, $t, $next, int($n / 2))); $next += int($n / 2) }
		sql("VACUUM (INDEX_CLEANUP on) $t");

		# of at most twice as many rows as at first, however many cycles there were
		my $after = sql("SELECT pg_relation_size('${t}_i')");
		$largest = $after if !$largest;
		violation("history $cycle, seed $seed", "${t}_i: $after bytes, after the first history $largest") if $cycle > 4 && $after > 4 * $largest + 20 * 8192;
		as_good_as_new($kind, "history $cycle");
		count_cycle([$kind]);
	}
}
is(violations(), 0, "no violation in $cycles cycles");
tally('vacuum', \@kinds);

$node->stop;
done_testing();
