# Every SQL statement of the README runs, in order, in an empty database, by its
# owner who is no superuser.
use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $readme = slurp_file("$FindBin::Bin/../../README.md");
my @blocks = $readme =~ /```sql\n(.*?)```/gs;
cmp_ok(scalar @blocks, '>', 10, 'the README has statements');

my $node = PostgreSQL::Test::Cluster->new('readme');
$node->init;
$node->start;
$node->safe_psql('postgres',
	'CREATE ROLE owner LOGIN; CREATE DATABASE readme OWNER owner');

# One session, so that blocks can build on each other; psql says where it fails.
my $script = join '', map { "\\echo block $_\n$blocks[$_ - 1]\n" } 1 .. @blocks;
# paths of the reader's machine
my $basedir = $node->basedir;
$script =~ s{'/tmp/}{'$basedir/}g;
# said again where a reader may start to read
$script =~ s/CREATE EXTENSION vector/CREATE EXTENSION IF NOT EXISTS vector/g;

my ($rc, $out, $err) =
  $node->psql('readme', $script, extra_params => [ '-U', 'owner' ], on_error_stop => 1);
is($rc, 0, 'every statement runs') or diag($out, $err);
like($out, qr/VectorExactScan/, 'the plan that the README shows');

$node->stop;
done_testing();
