# What a release says of itself: META.json follows PGXN's specification (version 1)
# and names what there is; every file that has a version has the same one.
use strict;
use warnings;

use FindBin;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $top = "$FindBin::Bin/../..";
my ($version) = slurp_file("$top/vector.control") =~ /^default_version = '(.*)'$/m;
my $semver = qr/^(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*)){2}(?:-[a-zA-Z][-0-9A-Za-z]*)?$/;
like($version, $semver, 'the version is a semantic one');

my $meta = JSON::PP->new->decode(slurp_file("$top/META.json"));
my %required = map { $_ => 1 } qw(abstract license maintainer meta-spec name provides version);
my %known = (%required, map { $_ => 1 } qw(description generated_by no_index prereqs release_status resources tags));
is_deeply([ grep { !defined $meta->{$_} } sort keys %required ], [], 'META.json has the required keys');
is_deeply([ grep { !$known{$_} && !/^[xX]_/ } sort keys %$meta ], [], 'META.json has no keys that PGXN does not know');
is_deeply($meta->{'meta-spec'}, { version => '1.0.0', url => 'https://pgxn.org/meta/spec.txt' }, 'its specification');
is($meta->{name}, 'vector', 'the name');
is($meta->{license}, 'postgresql', 'the license, by a name that PGXN knows');
like($meta->{release_status}, qr/^(?:stable|testing|unstable)$/, 'the status');
cmp_ok(scalar @{ $meta->{maintainer} }, '>=', 1, 'somebody maintains it');
my %seen;
is_deeply([ grep { length > 255 || !length || m{[/\\[:cntrl:]]} || $seen{$_}++ } @{ $meta->{tags} } ], [], 'tags are terms, each once');

# Versions
is($meta->{version}, $version, 'the version in META.json');
is_deeply([ sort keys %{ $meta->{provides} } ], ['vector'], 'one extension');
my $extension = $meta->{provides}{vector};
is_deeply([ grep { !/^(?:abstract|docfile|file|version)$/ } sort keys %$extension ], [], 'its keys are known');
is($extension->{version}, $version, 'its version');
ok(-f "$top/$extension->{$_}", "its $_ exists: $extension->{$_}") foreach qw(file docfile);
my ($packaged) = slurp_file("$top/debian/changelog") =~ /^postgresql-vector \((.*)-\d+\)/;
is($packaged, $version, 'the version in debian/changelog');
my $spec = slurp_file("$top/tools/rpm/vector.spec");
is(($spec =~ /^Version: (.*)$/m)[0], $version, 'the version in the spec of the RPM');
like(slurp_file("$top/CHANGELOG.md"), qr/^## \Q$version\E\b/m, 'CHANGELOG.md has a section for it');

# PostgreSQL's versions
my ($oldest, $newest) = slurp_file("$top/README.md") =~ /^You need PostgreSQL (\d+) to (\d+)/m;
is($meta->{prereqs}{runtime}{requires}{PostgreSQL}, "$oldest.0.0", 'the oldest PostgreSQL in META.json');
is(slurp_file("$top/debian/pgversions"), "$oldest+\n", 'and in debian/pgversions');
my ($image) = slurp_file("$top/Dockerfile") =~ /^ARG PG_MAJOR=(\d+)$/m;
my ($service) = slurp_file("$top/docker-compose.yml") =~ /PG_MAJOR:-(\d+)/;
is_deeply([ $image, $service ], [ $newest, $newest ], 'images have the newest');

# Access methods, as the script that is installed creates them
my $script = slurp_file("$top/build/sql/vector--$version.sql");
my @access_methods = sort $script =~ /^CREATE ACCESS METHOD (\w+)/mg;
cmp_ok(scalar @access_methods, '>=', 5, 'there are access methods');
is_deeply([ grep { $meta->{description} !~ /\b$_\b/ } @access_methods ], [], 'META.json describes them all');
is_deeply([ grep { my $am = $_; !grep { $_ eq $am } @{ $meta->{tags} } } @access_methods ], [], 'META.json has them as tags');
is_deeply([ grep { slurp_file("$top/debian/control.in") !~ /\b$_\b/ } @access_methods ], [], 'debian/control.in describes them');

is_deeply([ grep { $spec !~ /\b$_\b/ } @access_methods ], [], 'so does the spec of the RPM');

done_testing();
