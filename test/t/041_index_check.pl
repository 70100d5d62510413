# vector_index_check() finds what is wrong with an index.  Each kind of violation is
# made on purpose, by changing a few bytes of an index's file while the server is
# down; every name in docs/reliability.md is among them.  That it finds nothing in an
# index in order is in test/sql/index_check.sql, and at the end of other tests.
use strict;
use warnings;

use Index;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use File::Basename;
use Test::More;

my $page = 8192;
my $node = PostgreSQL::Test::Cluster->new('check');
init_without_checksums($node);
$node->append_conf(
	'postgresql.conf', q{
autovacuum = off
fsync = off
jit = off
max_parallel_maintenance_workers = 0
});
$node->start;

# ---------------------------------------------------------------------------
# A file, and what stands where

my $file;	# content, being damaged

sub align { return int(($_[0] + 7) / 8) * 8 }

sub get32 { return unpack('V', substr($file, $_[0], 4)) }

sub get16 { return unpack('v', substr($file, $_[0], 2)) }

sub get8 { return unpack('C', substr($file, $_[0], 1)) }

sub put32 { substr($file, $_[0], 4) = pack('V', $_[1]) }

sub put16 { substr($file, $_[0], 2) = pack('v', $_[1]) }

sub put8 { substr($file, $_[0], 1) = pack('C', $_[1]) }

sub blocks { return length($file) / $page }

sub kind { return get8($_[0] * $page + $page - 4) }

# Blocks of a kind
sub pages_of { my ($kind) = @_; return grep { kind($_) == $kind } 1 .. blocks() - 1 }

# ---------------------------------------------------------------------------
# hnsw.  A node: version 2, state 1, flags 1, edges 2, TID 6, more 4, value 4,
# level 4, hash 8, payload, edges.

my %size;

sub hnsw_sizes
{
	my ($dims, $m, $ef, undef, $payload, $value) = unpack('VvvVVV', substr($file, 24 + 64, 20));

	%size = (m => $m, payload => align($payload), value => $value, base => align(32 + align($payload) + 8 * $m), upper => align(32 + align($payload) + 4 * $m));
}

# Nodes of level 0 or above: number => offset
sub nodes
{
	my ($upper) = @_;
	my $size = $upper ? $size{upper} : $size{base};
	my $per = int(8160 / $size);
	my %nodes;

	foreach my $block (pages_of($upper ? 2 : 1))
	{
		my $count = int((get16($block * $page + 12) - 24) / $size);
		$nodes{ $block * $per + $_ } = $block * $page + 24 + $_ * $size foreach 0 .. $count - 1;
	}
	return %nodes;
}

sub used { return get8($_[0] + 2) == 1 }

sub flags { return get8($_[0] + 3) }

sub edge_at { my ($at, $i) = @_; return $at + 32 + $size{payload} + 4 * $i }

sub edge_count { return get16($_[0] + 4) }

sub edges { my ($at) = @_; return map { get32(edge_at($at, $_)) } 0 .. edge_count($at) - 1 }

# The place of a node's edge in the ring
sub ring_place { my ($at) = @_; return (grep { get32(edge_at($at, $_)) & 0x80000000 } (flags($at) & 4 ? 1 : 0) .. edge_count($at) - 1)[0] }

# An element in use with a row, no head or twin, and whose number passes a test
sub element
{
	my ($test) = @_;
	my %nodes = nodes(0);

	foreach my $id (sort { $a <=> $b } keys %nodes)
	{
		my $at = $nodes{$id};
		return ($id, $at) if used($at) && get16($at + 10) > 0 && !(flags($at) & 12) && (!$test || $test->($at, $id));
	}
	die 'no such element';
}

sub some_node { my ($upper, $test) = @_; my %nodes = nodes($upper); foreach my $id (sort { $a <=> $b } keys %nodes) { return ($id, $nodes{$id}) if $test->($nodes{$id}); } die 'no such node' }

# The place of an ordinary edge, whose end passes a test
sub plain_edge
{
	my ($at) = @_;
	return edge_at($at, (grep { !(get32(edge_at($at, $_)) & 0x80000000) } 0 .. edge_count($at) - 1)[0]);
}

# The page of keys: a byte for each element
sub key_byte { my ($id) = @_; my ($block) = pages_of(7); return $block * $page + 24 + $id }

my $has_plain = sub { my ($at) = @_; return edge_count($at) > 2 };

# name => [violation, damage]
my %hnsw = (
	magic => [ 'page_damaged', sub { my ($b) = pages_of(1); put16($b * $page + $page - 2, 7) } ],
	zeroed => [ 'element_damaged', sub { my ($b) = pages_of(3); substr($file, $b * $page, $page) = "\0" x $page } ],
	unowned => [ 'page_unowned', sub { my ($b) = pages_of(4); put8($b * $page + $page - 4, 5) } ],
	unknown_code_page => [ 'page_unowned', sub { my ($b) = pages_of(4); put8($b * $page + $page - 4, 6) } ],
	listed => [ 'free_list', sub { my ($b) = grep { !get8($_ * $page + $page - 3) } pages_of(1); put8($b * $page + $page - 3, 1) } ],
	not_listed => [ 'free_list', sub { my ($b) = grep { get8($_ * $page + $page - 3) } pages_of(1); put8($b * $page + $page - 3, 0) } ],
	list_circle => [ 'free_list', sub { my ($b) = grep { get8($_ * $page + $page - 3) } pages_of(1); put32($b * $page + $page - 8, $b) } ],
	filling => [ 'free_list', sub { put32(24 + 8 + 7 * 4 + 1 * 4, (pages_of(3))[0]) } ],
	twice => [ 'row_twice', sub { my ($id, $at) = element(); my (undef, $other) = element(sub { $_[1] > $id }); substr($file, $other + 6, 6) = substr($file, $at + 6, 6) } ],
	beyond => [ 'row_gone', sub { my (undef, $at) = element(); put16($at + 6, 1); put16($at + 8, 7) } ],
	unused => [ 'row_gone', sub { my (undef, $at) = element(); put16($at + 10, 280) } ],
	missing => [ 'row_missing', sub { my (undef, $at) = element(); put16($at + 10, 0) } ],
	differs => [ 'row_differs', sub { my (undef, $at) = element(); put32($at + 24, 1) } ],
	entry => [ 'entry_point', sub { my ($id) = some_node(0, sub { get8($_[0] + 2) == 0 }); put32(24 + 96, $id); put32(24 + 100, 0) } ],
	entry_level => [ 'entry_point', sub { put32(24 + 100, get32(24 + 100) + 1) } ],
	entry_impossible => [ 'page_damaged', sub { put32(24 + 100, 77) } ],
	ring_open => [ 'ring', sub { my (undef, $at) = element(); my $place = edge_at($at, ring_place($at)); put32($place, get32($place) & 0x7FFFFFFF) } ],
	ring_none => [ 'ring', sub { my (undef, $at) = element(); my ($free) = some_node(0, sub { get8($_[0] + 2) == 0 }); put32(edge_at($at, ring_place($at)), $free | 0x80000000) } ],
	ring_short => [ 'unreachable', sub {
		my %nodes = nodes(0);
		my (undef, $at) = element(sub { my $next = $nodes{ get32(edge_at($_[0], ring_place($_[0]))) & 0x7FFFFFFF }; return used($next) && get16($next + 10) > 0 });
		my $next = $nodes{ get32(edge_at($at, ring_place($at))) & 0x7FFFFFFF };
		put32(edge_at($at, ring_place($at)), get32(edge_at($next, ring_place($next)))); } ],
	twins => [ 'twins', sub { my (undef, $head) = some_node(0, sub { used($_[0]) && flags($_[0]) & 4 }); my ($id) = element(); put32(edge_at($head, 0), $id | 0x80000000) } ],
	twins_lost => [ 'unreachable', sub { my ($id, $head) = some_node(0, sub { used($_[0]) && flags($_[0]) & 4 }); put32(edge_at($head, 0), $id | 0x80000000) } ],
	dangling => [ 'edge_dangling', sub { my (undef, $at) = element($has_plain); my ($free) = some_node(0, sub { get8($_[0] + 2) == 0 }); put32(plain_edge($at), $free) } ],
	far => [ 'edge_dangling', sub { my (undef, $at) = element($has_plain); put32(plain_edge($at), 0x7FFFFFF0) } ],
	level => [ 'edge_level', sub { my (undef, $at) = some_node(1, sub { get32($_[0] + 20) == 1 && edge_count($_[0]) > 0 }); my ($other) = some_node(1, sub { used($_[0]) && get32($_[0] + 20) == 2 }); put32(edge_at($at, 0), $other) } ],
	to_twin => [ 'edge_to_twin', sub { my (undef, $at) = element($has_plain); my ($twin) = some_node(0, sub { used($_[0]) && flags($_[0]) & 8 }); put32(plain_edge($at), $twin) } ],
	self => [ 'edge_self', sub { my ($id, $at) = element($has_plain); put32(plain_edge($at), $id) } ],
	duplicate => [ 'edge_duplicate', sub { my (undef, $at) = element($has_plain); my @e = map { $_ & 0x7FFFFFFF } edges($at); put32(plain_edge($at), (grep { $_ != (get32(plain_edge($at))) } @e)[0]) } ],
	above => [ 'upper_node', sub { my ($id) = element(); my (undef, $at) = some_node(1, sub { used($_[0]) && get32($_[0] + 12) != $id }); put32($at + 12, $id) } ],
	above_free => [ 'upper_node', sub { my ($id) = some_node(0, sub { get8($_[0] + 2) == 0 }); my (undef, $at) = some_node(1, sub { used($_[0]) }); put32($at + 12, $id) } ],
	below => [ 'upper_node', sub { my (undef, $at) = some_node(1, sub { used($_[0]) && get32($_[0] + 20) == 2 }); my ($other) = some_node(1, sub { used($_[0]) && get32($_[0] + 20) == 2 }); put32($at + 16, $other) } ],
	above_code => [ 'upper_node', sub { my (undef, $at) = some_node(1, sub { used($_[0]) }); put8($at + 50, get8($at + 50) ^ 0x55) } ],
	counts => [ 'node_damaged', sub { my (undef, $at) = element(); put16($at + 4, 5000) } ],
	state => [ 'node_damaged', sub { my (undef, $at) = element(); put8($at + 2, 9) } ],
	tids => [ 'element_damaged', sub { my (undef, $at) = element(); put32($at + 12, 7) } ],
	tids_circle => [ 'element_damaged', sub { my ($b) = pages_of(4); put32($b * $page + 24 + 8, $b * int(8160 / 136)) } ],
	value => [ 'element_damaged', sub { my (undef, $at) = element(); put32($at + 16, 0) } ],
	deleted => [ 'deleted_with_rows', sub { my (undef, $at) = element(); put8($at + 2, 2) } ],
	code => [ 'code', sub { my (undef, $at) = element(); put8($at + 40 + $_, get8($at + 40 + $_) ^ 0x80) foreach 0 .. 15 } ],
	code_factor => [ 'code', sub { my (undef, $at) = element(); substr($file, $at + 36, 4) = pack('f', 3 * unpack('f', substr($file, $at + 36, 4))) } ],
	half => [ 'row_differs', sub { my (undef, $at) = element(); my $per = int(8160 / $size{value}); my $value = get32($at + 16); my $v = int($value / $per) * $page + 24 + ($value % $per) * $size{value}; put16($v + 16, 0x3C00 + get16($v + 16) % 1000) } ],
	keys_missing => [ 'keys_missing', sub { my ($id) = element(); put8(key_byte($id), 0) } ],
	keys_left => [ 'keys_left', sub { my ($id) = some_node(0, sub { get8($_[0] + 2) == 0 }); put8(key_byte($id), 1) } ],
	keys_other => [ 'row_differs', sub { my ($id) = element(); my $per = 1632; put32(key_byte(0) + $per + 4 * $id, 77) } ],
	keys_shared => [ 'keys_shared', sub { my ($b) = grep { get32($_ * $page + 24) == (pages_of(7))[0] && get32($_ * $page + 28) == 0xFFFFFFFF } pages_of(5); put32($b * $page + 28, (pages_of(7))[0]) } ],
	directory => [ 'page_damaged', sub { my ($b) = grep { get32($_ * $page + 24) == (pages_of(7))[0] && get32($_ * $page + 28) == 0xFFFFFFFF } pages_of(5); put32($b * $page + 24, (pages_of(1))[0]) } ],
	metapage => [ 'page_damaged', sub { put16(24 + 64 + 4, 0) } ],
	truncated => [ 'unreachable', sub { $file = substr($file, 0, (pages_of(1))[-1] * $page) } ]);

# Without a code, whose values tell their hash
my %hnsw_plain = (
	hash => [ 'hash', sub { my (undef, $at) = element(); put32($at + 24, 1) } ],
	plain => [ 'row_differs', sub { my (undef, $at) = element(); put32($at + 32 + 8, 1) } ],
	length => [ 'node_damaged', sub { my (undef, $at) = element(); put32($at + 32, 8) } ]);

# ---------------------------------------------------------------------------
# Inverted files.  A page of a list: list, count, next, unused, then arrays; those of
# factors and values, with 4 bytes for each slot, come before the TIDs.

# Blocks of a list's pages: with this list, and so many entries or more
sub list_pages { my ($list, $count) = @_; return grep { get32($_ * $page + 24) == $list && get32($_ * $page + 28) >= $count && !get8($_ * $page + $page - 3) } pages_of(1) }

# Where a page has its TIDs: as many as it has entries, of small blocks and offsets
sub tids_of
{
	my ($block) = @_;
	my $count = get32($block * $page + 28);

	for (my $at = $block * $page + 40; $at < $block * $page + 6000; $at += 2)
	{
		my $i = 0;
		$i++ while $i < $count && get16($at + 6 * $i) == 0 && get16($at + 6 * $i + 2) < 200 && get16($at + 6 * $i + 4) > 0 && get16($at + 6 * $i + 4) < 300;
		return $at if $i == $count;
	}
	die 'no TIDs';
}

# Slots of a page, of an index with so many arrays of 4 bytes
sub slots_of { my ($block, $arrays) = @_; return (tids_of($block) - $block * $page - 40) / (4 * $arrays) }

sub keys_of { my ($block, $arrays) = @_; return align(tids_of($block) - $block * $page + 6 * slots_of($block, $arrays)) + $block * $page }

sub first_page { return (list_pages(1, 5), list_pages(1, 1))[0] }

# One that another page of its list follows
sub followed { return (grep { get32($_ * $page + 32) != 0xFFFFFFFF } map { list_pages($_, 1) } 0 .. 3)[0] }

my %ivf = (
	leads_to_none => [ 'list_page', sub { put32(first_page() * $page + 32, (pages_of(3))[0]) } ],
	leads_to_other => [ 'list_page', sub { put32(first_page() * $page + 32, (list_pages(0, 1))[0]) } ],
	circle => [ 'list_page', sub { put32(first_page() * $page + 32, first_page()) } ],
	count => [ 'list_page', sub { put32(first_page() * $page + 28, 7777) } ],
	length => [ 'list_page', sub { put32(first_page() * $page + 28, 2) } ],
	head => [ 'list_page', sub { put32($page + 24 + 24, (pages_of(3))[0]) } ],
	fill => [ 'list_record', sub { put32($page + 24 + 24 + 4, 99999) } ],
	cut => [ 'page_unowned', sub { put32(followed() * $page + 32, 0xFFFFFFFF) } ],
	cut_rows => [ 'row_missing', sub { put32(followed() * $page + 32, 0xFFFFFFFF) } ],
	directory => [ 'page_damaged', sub { put16($page + 12, 24) } ],
	kind => [ 'page_unowned', sub { put8((pages_of(3))[0] * $page + $page - 4, 4) } ],
	constants => [ 'page_unowned', sub { put8(2 * $page + $page - 4, 3) } ],
	listed => [ 'free_list', sub { my ($b) = pages_of(3); put8($b * $page + $page - 3, 1 - get8($b * $page + $page - 3)) } ],
	no_tid => [ 'entry_damaged', sub { put16(tids_of(first_page()) + 4, 0) } ],
	no_value => [ 'entry_damaged', sub { my $b = first_page(); put32(tids_of($b) - 4 * slots_of($b, 3), 0) } ],
	other_value => [ 'entry_damaged', sub { my $b = first_page(); my $at = tids_of($b) - 4 * slots_of($b, 3); put32($at, get32($at + 4)) } ],
	twice => [ 'row_twice', sub { my $at = tids_of(first_page()); substr($file, $at, 6) = substr($file, $at + 6, 6) } ],
	twice_elsewhere => [ 'row_twice', sub { my $at = tids_of(first_page()); substr($file, $at, 6) = substr($file, tids_of((list_pages(2, 1))[0]), 6) } ],
	gone => [ 'row_gone', sub { put16(tids_of(first_page()) + 4, 280) } ],
	beyond => [ 'row_gone', sub { put16(tids_of(first_page()), 3) } ],
	missing => [ 'row_missing', sub { put16(tids_of(first_page()) + 4, 280) } ],
	key => [ 'summary', sub { put32(keys_of(first_page(), 3), 0x7FFFFF00) } ],
	key_of_row => [ 'row_differs', sub { my $at = keys_of(first_page(), 3); put32($at, get32($at + (grep { get32($at + $_) != get32($at) } map { 4 * $_ } 1 .. get32(first_page() * $page + 28) - 1)[0])) } ],
	summary => [ 'summary', sub { my $b = get32(24 + 64); substr($file, ($page * (grep { get16($_ * $page + 12) > 24 && kind($_) == 5 } 1 .. blocks() - 1)[-1]) + 24 + 64, 64) = "\0" x 64 } ],
	code => [ 'row_differs', sub { my $b = first_page(); my $at = align(keys_of($b, 3) - $b * $page + 4 * slots_of($b, 3)) + $b * $page; put8($at + $_, get8($at + $_) ^ 0xFF) foreach 0 .. 255 } ],
	add => [ 'row_differs', sub { substr($file, first_page() * $page + 40, 4) = pack('f', -1234) } ],
	half => [ 'row_differs', sub { my ($b) = pages_of(3); put16($b * $page + 24 + 8 + 16 + 2 * $_, 0x4000 + $_) foreach 0 .. 15 } ],
	version => [ 'page_damaged', sub { put32(24 + 4, 9) } ]);

my %ivf_flat = (
	length => [ 'entry_damaged', sub { my $b = first_page(); my $at = $b * $page + align(tids_of($b) - $b * $page + 6 * $size{slots}); put32($at, 8) } ],
	value => [ 'row_differs', sub { my $b = first_page(); my $at = $b * $page + align(tids_of($b) - $b * $page + 6 * $size{slots}); put32($at + 8, 7) } ]);

my %ivf_pieces = (
	piece => [ 'list_page', sub { put32(first_page() * $page + 40, first_page()) } ],
	piece_value => [ 'row_differs', sub { put32(get32(first_page() * $page + 40) * $page + 24 + 64, 7) } ]);

my %ivf_pq = (
	code => [ 'row_differs', sub { my $b = first_page(); my $at = tids_of($b) + 6 * (tids_of($b) - $b * $page - 40) / 4; $at = align($at - $b * $page) + $b * $page; put8($at + $_, get8($at + $_) ^ 0xFF) foreach 0 .. 15 } ],
	add => [ 'row_differs', sub { substr($file, first_page() * $page + 40, 4) = pack('f', -1234) } ]);

my %ivf_four = (
	code => [ 'row_differs', sub { my $b = first_page(); my $at = tids_of($b) + 6 * $size{slots}; $at = align($at - $b * $page) + $b * $page; put8($at + 8 + $_, get8($at + 8 + $_) ^ 0xFF) foreach 0 .. 15 } ]);

# flat, of one list: norms, scales and errors, then TIDs, then codes
sub flat_page { return (list_pages(0, 5))[0] }
sub flat_number { my ($array, $number) = @_; my $b = flat_page(); substr($file, $b * $page + 40 + 4 * $array * slots_of($b, 3), 4) = pack('f', $number) }
my %flat = (
	norm => [ 'row_differs', sub { flat_number(0, 1e-3) } ],
	scale => [ 'row_differs', sub { flat_number(1, 7) } ],
	error => [ 'row_differs', sub { flat_number(2, 1e-12) } ],
	no_number => [ 'row_differs', sub { flat_number(2, 'NaN') } ],
	code => [ 'row_differs', sub { my $b = flat_page(); my $at = keys_of($b, 3); put8($at + $_, get8($at + $_) ^ 0x80) foreach 0 .. 3 } ],
	circle => [ 'list_page', sub { put32(flat_page() * $page + 32, flat_page()) } ],
	count => [ 'list_page', sub { put32(flat_page() * $page + 28, 7777) } ],
	cut => [ 'row_missing', sub { put32(flat_page() * $page + 32, 0xFFFFFFFF) } ],
	twice => [ 'row_twice', sub { my $at = tids_of(flat_page()); substr($file, $at, 6) = substr($file, $at + 6, 6) } ],
	weights => [ 'page_unowned', sub { put8(2 * $page + $page - 4, 3) } ],
	metapage => [ 'page_damaged', sub { put32(24 + 4, 9) } ]);

# Of arrays, whose rows have an entry for each vector
my %ivf_arrays = (
	entries => [ 'row_entries', sub {
		my $at = tids_of(first_page());
		my ($other) = grep { substr($file, $at + 6 * $_, 6) ne substr($file, $at, 6) } 1 .. get32(first_page() * $page + 28) - 1;
		substr($file, $at, 6) = substr($file, $at + 6 * $other, 6); } ]);

# Slots of a page without arrays before the TIDs: as many entries as one has
sub ivf_slots { %size = (slots => (sort { $b <=> $a } map { get32($_ * $page + 28) } grep { get32($_ * $page + 24) < 1000 } pages_of(1))[0]) }

# ---------------------------------------------------------------------------
# sparse_inverted.  A page: owner 4, part 1, sealed 1, long 2, count 4, next 4, data.

my $segment = 24 + 136;	# the first one in the metapage: id, root, docs, dead, pages

# The data of the pages of a part of it
sub part { my ($part) = @_; return map { $_ * $page + 40 } grep { get32($_ * $page + 24) == get32($segment) && get8($_ * $page + 28) == $part } pages_of(1) }

sub root { return get32($segment + 4) * $page + 40 }

sub pending { return get32(24 + 100) * $page + 40 }

# Codes of a page of postings are behind the places of as many as it can have
my $codes = 4072;

my %sparse = (
	missing => [ 'row_missing', sub { put16((part(0))[0] + 4, 0) } ],
	gone => [ 'row_gone', sub { put16((part(0))[0] + 4, 280) } ],
	twice => [ 'row_twice', sub { my ($at) = part(0); substr($file, $at + 6, 6) = substr($file, $at, 6) } ],
	twice_pending => [ 'row_twice', sub { substr($file, pending() + 4, 6) = substr($file, (part(0))[0], 6) } ],
	weight => [ 'row_differs', sub { my ($at) = part(4); put8($at + $codes + $_, 1) foreach 0 .. 5 } ],
	place => [ 'posting', sub { put8((part(4))[0], 200) } ],
	order => [ 'posting', sub { my ($at) = part(4); my $place = get8($at); put8($at, get8($at + 1)); put8($at + 1, $place) } ],
	bound => [ 'posting', sub { my ($at) = part(3); put8($at + 3, 1) } ],
	zero => [ 'posting', sub { my ($at) = part(4); put8($at + $codes + 3, 0) } ],
	range => [ 'group', sub { my ($at) = part(3); put16($at + 4, get16($at)) } ],
	many => [ 'group', sub { my ($at) = part(3); put8($at + 2, 63); put8($at + 6, 63); put8($at + 10, 63); put8($at + 14, 63); put8($at + 18, 63); put8($at + 22, 63); put8($at + 26, 63); put8($at + 30, 63); put8($at + 34, 63); put8($at + 38, 63); put8($at + 42, 63); put8($at + 46, 63); put8($at + 50, 63); put8($at + 54, 63) } ],
	dims => [ 'term', sub { my ($at) = part(1); put32($at + 48, 0) } ],
	step => [ 'term', sub { my ($at) = part(1); put32($at + 12, 0) } ],
	documents => [ 'term', sub { my ($at) = part(1); put32($at + 4, get32($at + 4) + 1) } ],
	top => [ 'term', sub { my ($at) = part(2); put32($at, get32($at) + 1) } ],
	dead => [ 'segment_counts', sub { put32($segment + 12, 400) } ],
	counted => [ 'segment_counts', sub { put32($segment + 24, 1) } ],
	longest => [ 'segment_counts', sub { put32(root() + 32, 1) } ],
	listed => [ 'segment_page', sub { my $b = int((part(4))[0] / $page); put8($b * $page + $page - 3, 1) } ],
	map => [ 'page_damaged', sub { my ($at) = part(6); put32($at, (int((part(4))[0] / $page))) } ],
	root => [ 'page_damaged', sub { put32($segment + 4, 1) } ],
	# two of one id, of which the first cannot be opened
	ids => [ 'page_damaged', sub { put32(24 + 128, 2); substr($file, $segment + 32, 32) = substr($file, $segment, 32); put32($segment + 4, 1) } ],
	root_docs => [ 'page_damaged', sub { put32(root(), 7) } ],
	kind => [ 'page_unowned', sub { my $b = int((part(4))[0] / $page); put8($b * $page + $page - 4, 3) } ],
	another => [ 'page_unowned', sub { my ($b) = grep { get32($_ * $page + 24) != get32($segment) && get8($_ * $page + 28) == 7 } pages_of(1); put32($b * $page + 24, get32($segment)); put8($b * $page + 28, 3) } ],
	pending_key => [ 'row_differs', sub { put32(pending() + 12, 12345) } ],
	pending_value => [ 'row_differs', sub { put32(pending() + 16 + 16 + 4 * get32(pending() + 24), 0x3E000000) } ],
	pending_order => [ 'pending_row', sub { put32(pending() + 16 + 16, 1900) } ],
	pending_size => [ 'page_damaged', sub { put32(pending(), 5) } ],
	pending_tail => [ 'pending_page', sub { put32(24 + 104, int((part(4))[0] / $page)) } ],
	pending_head => [ 'page_damaged', sub { put32(24 + 100, int((part(4))[0] / $page)) } ],
	key => [ 'row_differs', sub { my ($at) = part(0); my $docs = int(8144 / 10); $docs-- while align($docs * 6) + align(4 * $docs) > 8144; put32($at + align($docs * 6), 12345) } ],
	metapage => [ 'page_damaged', sub { put32(24 + 128, 999) } ]);

my %sparse_floats = (
	weight => [ 'row_differs', sub { my ($at) = part(4); my $postings = int(8144 / 5 / 8) * 8; put32($at + $postings, 0x3A000000) } ],
	infinite => [ 'posting', sub { my ($at) = part(4); my $postings = int(8144 / 5 / 8) * 8; put32($at + $postings, 0x7F800000) } ],
	flags => [ 'row_differs', sub { my ($at) = part(0); my $docs = int(8144 / 7); $docs-- while align($docs * 7) > 8144; put8($at + 6 * $docs, 1) } ]);

# ---------------------------------------------------------------------------
# Tables: of each set of cases one, with an index in order, and one for each case

my %sets = (
	hnsw => { index => 'hnsw (v vector_l2_ops, k) WITH (m = 4, ef_construction = 16)', cases => \%hnsw, sizes => \&hnsw_sizes },
	ivf => { index => 'ivfrabitq (v vector_l2_ops, k) WITH (lists = 4, bits = 1, rerank = index)', cases => \%ivf, sizes => sub { }, rows => 1800 },
	ivf_flat => { index => 'ivfflat (v vector_l2_ops) WITH (lists = 3)', cases => \%ivf_flat, sizes => \&ivf_slots },
	ivf_pieces => { index => 'ivfflat (v vector_l2_ops) WITH (lists = 2)', cases => \%ivf_pieces, sizes => sub { }, dims => 2200, rows => 60 },
	ivf_arrays => { index => 'ivfflat (a vector_maxsim_ops) WITH (lists = 2)', cases => \%ivf_arrays, sizes => sub { } },
	ivf_pq => { index => 'ivfpq (v vector_l2_ops) WITH (lists = 3, m = 16, nbits = 8)', cases => \%ivf_pq, sizes => sub { } },
	ivf_four => { index => 'ivfrabitq (v vector_ip_ops) WITH (lists = 3, bits = 4)', cases => \%ivf_four, sizes => \&ivf_slots },
	flat => { index => 'flat (v vector_l2_ops)', cases => \%flat, sizes => sub { } },
	sparse => { index => 'sparse_inverted (s, k)', cases => \%sparse, sizes => sub { } },
	sparse_floats => { index => 'sparse_inverted (s sparsevec_cosine_ops) WITH (weights = float4)', cases => \%sparse_floats, sizes => sub { } },
	hnsw_plain => { index => 'hnsw (v vector_l1_ops) WITH (m = 4, ef_construction = 16)', cases => \%hnsw_plain, sizes => \&hnsw_sizes });

my $setup = q{
CREATE EXTENSION vector;
CREATE FUNCTION item(n int, dims int) RETURNS vector IMMUTABLE LANGUAGE sql AS
	'SELECT array_agg(sin(n * j * 0.7 + j)) FROM generate_series(1, dims) j';
CREATE FUNCTION sparse(n int) RETURNS sparsevec IMMUTABLE LANGUAGE sql AS
	$$SELECT ('{' || string_agg(j * (1 + n % 20) || ':' || 2 + sin(n * j), ',') || '}/2000')::sparsevec FROM generate_series(1, 3 + n % 9) j$$;
};
foreach my $set (sort keys %sets)
{
	# copies with keys of their own, and with the same; places that are free again
	my $dims = $sets{$set}{dims} // 32;
	my $rows = $sets{$set}{rows} // 900;
	$setup .= "CREATE TABLE $set (id int, k int, v vector($dims), s sparsevec(2000), a vector(8)[]);
		INSERT INTO $set SELECT i, CASE WHEN i % 5 = 0 THEN i % 4 ELSE i % 3 END, item(CASE WHEN i % 5 = 0 THEN i % 2 ELSE i END, $dims), sparse(i), ARRAY[item(i, 8), item(i + 1, 8), item(i + 2, 8)] FROM generate_series(1, $rows) i;
		CREATE INDEX ${set}_good ON $set USING $sets{$set}{index};
		DELETE FROM $set WHERE id BETWEEN 100 AND 250;
		VACUUM $set;
		INSERT INTO $set SELECT i, i % 3, item(i, $dims), sparse(i), ARRAY[item(i, 8), item(i + 1, 8), item(i + 2, 8)] FROM generate_series(10001, 10020) i;
	";
	$setup .= "CREATE INDEX ${set}_$_ ON ${set} USING $sets{$set}{index};\n" foreach sort keys %{ $sets{$set}{cases} };
}
$node->safe_psql('postgres', $setup);
my %path = split /\n|\|/, $node->safe_psql('postgres', q{SELECT relname, pg_relation_filepath(oid) FROM pg_class WHERE relkind = 'i' AND relnamespace = 'public'::regnamespace});
foreach my $set (sort keys %sets)
{
	is($node->safe_psql('postgres', "SELECT * FROM vector_index_check('${set}_good', true)"), '', "$set: nothing is wrong before");
}
$node->stop;

foreach my $set (sort keys %sets)
{
	my $good = slurp_file($node->data_dir . '/' . $path{"${set}_good"});

	foreach my $case (sort keys %{ $sets{$set}{cases} })
	{
		my $name = $node->data_dir . '/' . $path{"${set}_$case"};

		$file = $good;
		$sets{$set}{sizes}->();
		eval { $sets{$set}{cases}{$case}[1]->() };
		is($@, q(), "$set, $case: damaged");
		ok($file ne $good, "$set, $case: is another file");
		open my $fh, '>:raw', $name or die "$name: $!";
		print $fh $file;
		close $fh;
	}
}

$node->start;
my %found;
foreach my $set (sort keys %sets)
{
	foreach my $case (sort keys %{ $sets{$set}{cases} })
	{
		my $violation = $sets{$set}{cases}{$case}[0];
		my ($rc, $out, $err) = $node->psql('postgres', "SELECT violation, count(*), min(block), min(slot), min(heap_tid), min(detail) FROM vector_index_check('${set}_$case', true) GROUP BY 1 ORDER BY 1");
		my ($brief) = $node->psql('postgres', "SELECT value FROM vector_index_check_summary('${set}_$case') WHERE item = 'violations'");

		is($err, '', "$set, $case: no error");
		like($out, qr/^$violation\|/m, "$set, $case: $violation is found");
		note $out;
		$found{ (split /\|/)[0] } = 1 foreach split /\n/, $out;
	}
}
is($node->safe_psql('postgres', "SELECT * FROM vector_index_check('${_}_good', true)"), '', "$_: nothing is wrong after") foreach sort keys %sets;

# The documentation has all names, and each has been found.
my ($doc) = slurp_file(dirname(__FILE__) . '/../../docs/reliability.md') =~ /### What it finds(.*)/s;
my %named = map { $_ => 1 } map { /`(\w+)`/g } $doc =~ /^\| (`\w+`(?:, `\w+`)*) \|/mg;
delete @named{qw(violation block slot heap_tid detail)};
is_deeply([ sort keys %found ], [ sort keys %named ], 'violations found are those in docs/reliability.md');

$node->stop;
done_testing();
