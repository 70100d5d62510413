# tools/grafana: each query of the exporters' files runs, for a monitoring role, and
# has the columns that its metrics name, with numbers; the dashboard and the alert
# rules use metrics that there are.
use strict;
use warnings;

use FindBin;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = "$FindBin::Bin/../../tools/grafana";
my $node = PostgreSQL::Test::Cluster->new('grafana');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'vector'\nshared_buffers = 32MB\n");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION vector;
	CREATE TABLE items AS SELECT i AS id, (SELECT array_agg(sin(i * j)) FROM generate_series(1, 8) j)::vector(8) AS v FROM generate_series(1, 400) i;
	CREATE INDEX items_graph ON items USING hnsw (v vector_l2_ops) WITH (m = 4, ef_construction = 16);
	CREATE INDEX items_lists ON items USING ivfflat (v vector_l2_ops) WITH (lists = 4);
	CREATE ROLE exporter LOGIN IN ROLE pg_monitor;
	GRANT SELECT ON items TO exporter;
	SET enable_seqscan = off; SET vector.enable_exact_scan = off;
	SELECT id FROM items ORDER BY v <-> '[1,1,1,1,1,1,1,1]' LIMIT 5;
});
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming'}) or die;

# The queries of a file, by name: SQL, and metrics with what they are used as, in order.
# Both kinds of files are written in one form, which is all that is read here.
sub queries
{
	my ($file) = @_;
	my (%queries, $name);

	foreach my $section (split /^(?=\w+:\n)/m, slurp_file("$dir/$file"))
	{
		next unless $section =~ /^(\w+):\n/;
		my $query = { name => $1 };
		($query->{sql}) = $section =~ /^  query: \|\n((?:    .*\n)+)/m;
		$query->{metrics} = [ $section =~ /^    - (\w+):/mg ];
		$query->{usage} = [ map { uc } $section =~ /\busage: "?(\w+)/g ];
		$queries{ $query->{name} } = $query;
	}
	return \%queries;
}

my $queries = queries('postgres_exporter.yaml');
is_deeply([ sort keys %$queries ], [qw(vector_index vector_recall vector_replica vector_scan)], 'queries for postgres_exporter');
is_deeply(queries('pg_exporter.yaml'), $queries, 'the same for pg_exporter');

my %metrics;
my %rows;
# vector_recall last, since its searches count as scans
foreach my $query (map { $queries->{$_} } sort { ($a eq 'vector_recall') <=> ($b eq 'vector_recall') || $a cmp $b } keys %$queries)
{
	my @metrics = @{ $query->{metrics} };
	my ($rc, $out, $err) = $node->psql('postgres', $query->{sql}, extra_params => [ '-U', 'exporter', '-P', 'tuples_only=off', '-P', 'footer=off' ]);
	my ($head, @rows) = split /\n/, $out;

	is($rc, 0, "$query->{name} runs for a monitoring role") or diag($err);
	is_deeply([ split /\|/, $head ], \@metrics, "$query->{name} has the columns of its metrics");
	is(scalar @{ $query->{usage} }, scalar @metrics, "$query->{name} says what each is used as");
	cmp_ok(scalar @rows, '>', 0, "$query->{name} has rows");
	my @wrong;
	foreach my $row (@rows)
	{
		my @values = split /\|/, $row, -1;

		foreach my $i (0 .. $#metrics)
		{
			push @wrong, "$metrics[$i] is $values[$i]" if $query->{usage}[$i] ne 'LABEL' && $values[$i] !~ /^-?\d+(\.\d+)?(e[-+]?\d+)?$/;
		}
		push @{ $rows{ $query->{name} } }, { map { $metrics[$_] => $values[$_] } 0 .. $#metrics };
	}
	is_deeply(\@wrong, [], "$query->{name} has numbers where there must be some");
	$metrics{"$query->{name}_$metrics[$_]"} = 1 foreach grep { $query->{usage}[$_] ne 'LABEL' } 0 .. $#metrics;
	# a counter has a name that says so
	is_deeply([ grep { ($query->{usage}[$_] eq 'COUNTER') != ($metrics[$_] =~ /_total$/) } 0 .. $#metrics ], [], "$query->{name} counts what is called a total");
}
my ($graph) = grep { $_->{indexrelname} eq 'items_graph' } @{ $rows{vector_index} };
is("$graph->{datname} $graph->{schemaname} $graph->{relname} $graph->{method} $graph->{rows} $graph->{cached_ratio} $graph->{needs_reindex}", 'postgres public items hnsw 400 1 0', 'figures of an index');
my ($scan) = grep { $_->{scans_total} > 0 } @{ $rows{vector_scan} };
is("$scan->{relname} $scan->{scans_total} $scan->{returned_total}", 'items 1 5', 'figures of its scans');
is_deeply([ grep { $_->{ratio} < 0.5 || $_->{ratio} > 1 } @{ $rows{vector_recall} } ], [], 'recalls');

# Metrics that are used exist.
sub used
{
	return grep { !$metrics{$_} } map { /\b(vector_(?:index|scan|replica|recall)_\w+)/g } @_;
}
my @expressions = slurp_file("$dir/alerts.yaml") =~ /^        expr: (.*)$/mg;
cmp_ok(scalar @expressions, '>=', 7, 'alert rules');
is_deeply([ used(@expressions) ], [], 'metrics of alert rules');

my $dashboard = decode_json(slurp_file("$dir/vector.json"));
my @panels = @{ $dashboard->{panels} };
my @targets = map { @{ $_->{targets} } } @panels;
cmp_ok(scalar @panels, '>=', 10, 'panels');
is_deeply([ used(map { $_->{expr} } @targets) ], [], 'metrics of panels');
is_deeply([ used(map { ref $_->{query} ? $_->{query}{query} : () } @{ $dashboard->{templating}{list} }) ], [], 'metrics of variables');
my %ids = map { $_->{id} => 1 } @panels;
is(scalar keys %ids, scalar @panels, 'panels have numbers of their own');
my %place;
foreach my $panel (@panels)
{
	my $grid = $panel->{gridPos};

	foreach my $x ($grid->{x} .. $grid->{x} + $grid->{w} - 1)
	{
		$place{"$x $_"}++ foreach $grid->{y} .. $grid->{y} + $grid->{h} - 1;
	}
}
is_deeply([ grep { $place{$_} > 1 || /^(2[4-9]|\d{3})/ } keys %place ], [], 'panels lie side by side, on 24 columns');

# What Prometheus itself says, where it is installed
SKIP:
{
	skip 'no promtool', 1 if system('promtool --version >/dev/null 2>&1') != 0;
	command_like([ 'promtool', 'check', 'rules', "$dir/alerts.yaml" ], qr/SUCCESS: 7 rules found/, 'alert rules are sound');
}

$standby->stop;
$node->stop;
done_testing();
