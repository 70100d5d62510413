# What README.md and docs/ say: every SQL statement runs, in order, in an empty
# database for each file, by its owner, who is no superuser; links lead to files
# and headings that exist; docs/reference.md names everything that there is.
use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $top = "$FindBin::Bin/../..";
my @files = ('README.md', map { "docs/$_" } qw(reference.md filtering.md planner.md sparse.md performance.md internals.md reliability.md tuning.md from/pgvector.md from/importing.md from/chroma.md from/faiss.md from/qdrant.md from/milvus.md from/lancedb.md from/weaviate.md from/pinecone.md hybrid.md install.md vectorizer.md languages.md monitoring.md gpu-build.md scaling.md sizing.md));
my %text = map { $_ => slurp_file("$top/$_") } @files;

is_deeply([ sort map { s{^\Q$top\E/}{}r } glob("$top/docs/*.md $top/docs/*/*.md") ], [ sort grep { m{^docs/} } @files ],
	'this test knows every file of docs/');

my $node = PostgreSQL::Test::Cluster->new('readme');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE ROLE owner LOGIN');

# The statements of a file, in one session, so that blocks can build on each
# other; psql says where it fails.
my $basedir = $node->basedir;
my %output;
foreach my $file (@files)
{
	my @blocks = $text{$file} =~ /^```sql\n(.*?)^```/gms;
	next if $file eq 'docs/internals.md' && !@blocks;
	# between commands: tools/vectorizer/tests/test_docs.py runs both
	next if $file eq 'docs/vectorizer.md';
	# on several servers: 070_scaling.pl
	next if $file eq 'docs/scaling.md';
	# programs in other languages: make test-clients
	next if $file eq 'docs/languages.md';
	cmp_ok(scalar @blocks, '>=', 5, "$file has statements");

	my $database = $file =~ s/\W/_/gr;
	$node->safe_psql('postgres', qq{CREATE DATABASE "$database" OWNER owner});
	my $script = join '', map { "\\echo block $_\n$blocks[$_ - 1]\n" } 1 .. @blocks;
	# paths of the reader's machine
	$script =~ s{'/tmp/}{'$basedir/}g;
	# said again where a reader may start to read
	$script =~ s/CREATE EXTENSION vector/CREATE EXTENSION IF NOT EXISTS vector/g;
	my ($rc, $out, $err) =
	  $node->psql($database, $script, extra_params => [ '-U', 'owner' ], on_error_stop => 1);
	is($rc, 0, "every statement of $file runs") or diag($out, $err);
	$output{$file} = $out;
}
like($output{'docs/planner.md'}, qr/VectorExactScan/, 'the plan that docs/planner.md shows');
like($output{'docs/filtering.md'}, qr/documents_embedding|documents_lists/, 'scans of docs/filtering.md are by index');

# The fusion of search by words and by vectors finds by both, here and in the README.
like($output{'docs/hybrid.md'}, qr{^2\|0\.0161\d+\n1\|0\.0160}m, 'the fused search of docs/hybrid.md');
like($output{'README.md'}, qr{^1\|0\.0325}m, 'the hybrid search finds a row by its words and by its meaning');

# Links. A heading's anchor is what GitHub makes of it.
my %anchors;
foreach my $file (@files)
{
	(my $prose = $text{$file}) =~ s/^```.*?^```//gms;
	foreach my $heading ($prose =~ /^#+ (.*)$/mg)
	{
		my $anchor = lc $heading;
		$anchor =~ s/[^\w\- ]//g;
		$anchor =~ s/ /-/g;
		$anchors{$file}{$anchor} = 1;
	}
}
my @broken;
foreach my $file (@files)
{
	(my $prose = $text{$file}) =~ s/^```.*?^```//gms;
	foreach my $link ($prose =~ /\]\(([^)\s]+)\)/g)
	{
		next if $link =~ m{^https?://};
		my ($path, $anchor) = split /#/, $link, 2;
		my $dir = $file =~ m{^(.*/)} ? $1 : '';
		my $target = $path eq '' ? $file : "$dir$path";

		1 while $target =~ s{[^/.]+/\.\./}{};

		# These are not where the tests run; the rest is.
		next if $target =~ m{^(bench|demo|examples)/};
		push @broken, "$file: $link" if !-e "$top/$target"
		  || (defined $anchor && exists $text{$target} && !$anchors{$target}{$anchor});
	}
}
is_deeply(\@broken, [], 'links lead somewhere');

# Everything that a session can see of the extension is in the reference, as
# code: in backquotes, alone or in front of its arguments.
my %named;
(my $prose = $text{'docs/reference.md'}) =~ s/^```.*?^```//gms;
$named{$_ =~ s/\\\|/|/gr} = 1 foreach map { ($_, /^(\w+)\(/ ? $1 : ()) } $prose =~ /`([^`\n]+)`/g;

sub is_named
{
	my ($what, $query) = @_;
	my @names = split /\n/, $node->safe_psql('docs_reference_md', "SELECT '[1]'::vector \\g /dev/null\n$query");
	cmp_ok(scalar @names, '>', 3, "there are $what");
	is_deeply([ grep { !$named{$_} } @names ], [], "docs/reference.md has all $what");
}
my $members = q{JOIN pg_depend d ON d.objid = o.oid AND d.classid = o.tableoid AND d.deptype = 'e'
	JOIN pg_extension e ON d.refobjid = e.oid AND d.refclassid = 'pg_extension'::regclass AND e.extname = 'vector'};
is_named('settings', q{SELECT name FROM pg_settings WHERE name ~ '^(vector|hnsw|ivf|sparse)' ORDER BY 1});
is_named('functions', "SELECT DISTINCT proname FROM pg_proc o $members ORDER BY 1");
is_named('operators', "SELECT DISTINCT oprname FROM pg_operator o $members ORDER BY 1");
is_named('operator classes', "SELECT DISTINCT opcname FROM pg_opclass o $members ORDER BY 1");
is_named('access methods', "SELECT amname FROM pg_am o $members ORDER BY 1");
is_named('columns of functions about indexes',
	"SELECT DISTINCT unnest(proargnames) FROM pg_proc o $members WHERE provariadic = 0 AND proargmodes IS NOT NULL AND proretset OR proname = 'vector_last_scan' ORDER BY 1");

my @types = split /\n/, $node->safe_psql('docs_reference_md', "SELECT typname FROM pg_type o $members WHERE typname !~ '^_' ORDER BY 1");
is_deeply([ grep { !$named{$_} && !$named{"$_(n)"} } @types ], [], 'docs/reference.md has all types');

# Storage parameters and conditions of errors are in no catalog: the source has them.
my $source = join '', map { slurp_file($_) } glob("$top/src/*.c $top/src/*/*.c $top/src/*/*/*.c");
my %options = map { $_ => 1 } $source =~ /add_\w+_reloption\(\s*\w+,\s*"(\w+)"/g;
cmp_ok(scalar keys %options, '>=', 10, 'there are storage parameters');
is_deeply([ grep { !$named{$_} } sort keys %options ], [], 'docs/reference.md has all storage parameters');

my ($sharedir) = `pg_config --sharedir` =~ /(.+)/;
SKIP:
{
	skip 'no errcodes.txt in this installation', 2 if !-e "$sharedir/errcodes.txt";
	my %sqlstate = map { /^(\w{5})\s+\S\s+(ERRCODE_\w+)/ ? ($2 => $1) : () } split /\n/, slurp_file("$sharedir/errcodes.txt");
	my %raised = map { $sqlstate{$_} // $_ => 1 } $source =~ /\b(ERRCODE_[A-Z_0-9]+)\b/g;
	cmp_ok(scalar keys %raised, '>', 10, 'there are errors');
	is_deeply([ grep { !$named{$_} } sort keys %raised ], [], 'docs/reference.md has the SQLSTATE of each error');
}

$node->stop;
done_testing();
