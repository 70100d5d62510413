# Binary messages, well formed, malformed and random: a clear error or a value
# that keeps the type's invariants, never a crash.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('binary');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION vector');

my $file = $node->basedir . '/message';

# Write messages as the rows of a binary COPY file with one column.
sub write_copy
{
	my ($name, @messages) = @_;
	open my $fh, '>:raw', $name or die "$name: $!";
	print $fh "PGCOPY\n\377\r\n\0", pack('NN', 0, 0);
	print $fh pack('nN', 1, length $_), $_ for @messages;
	print $fh pack('n', 0xffff);
	close $fh;
}

# What the server makes of one message: the value as text, or SQLSTATE and error
sub receive
{
	my ($type, $message) = @_;
	write_copy($file, $message);
	my ($rc, $out, $err) = $node->psql(
		'postgres', qq{
		\\set VERBOSITY verbose
		CREATE TEMP TABLE t (v $type);
		COPY t FROM '$file' (FORMAT binary);
		SELECT v FROM t;});
	return $out if $rc == 0;
	return $err =~ /ERROR:\s+(\w{5}: [^\n]*)(?:\nDETAIL:\s+([^\n]*))?/
	  ? join(' ', grep { defined } $1, $2)
	  : $err;
}

sub dense
{
	my ($dim, $reserved, @values) = @_;
	return pack('s>s>f>*', $dim, $reserved, @values);
}

sub sparse
{
	my ($dim, $nnz, $reserved, $indices, $values) = @_;
	return pack('l>l>l>l>*', $dim, $nnz, $reserved, @$indices) . pack('f>*', @$values);
}

my $nan = pack('s>s>N', 1, 0, 0x7fc00000);
my $inf = pack('s>s>N', 1, 0, 0xff800000);

my @cases = (
	[ 'vector', dense(3, 0, 1, 2.5, -3), '[1,2.5,-3]' ],
	[ 'vector(2)', dense(3, 0, 1, 2, 3), '22000: expected 2 dimensions, not 3' ],
	[ 'vector', '', '08P01: insufficient data left in message' ],
	[ 'vector', "\0", '08P01: insufficient data left in message' ],
	[ 'vector', dense(3, 0, 1, 2), '08P01: insufficient data left in message' ],
	[ 'vector', dense(1, 0, 1, 2), '22P03: incorrect binary data format' ],
	[ 'vector', dense(0, 0), '22000: vector must have at least 1 dimension' ],
	[ 'vector', dense(-1, 0), '22000: vector must have at least 1 dimension' ],
	[ 'vector', dense(16001, 0), '54000: vector cannot have more than 16000 dimensions' ],
	[ 'vector', dense(16000, 0, (1) x 15999), '08P01: insufficient data left in message' ],
	[ 'vector', dense(1, 7, 1), '22P03: invalid binary representation of type vector Its reserved field must be 0.' ],
	[ 'vector', $nan, '22000: NaN not allowed in vector' ],
	[ 'vector', $inf, '22000: infinite value not allowed in vector' ],
	[ 'halfvec', pack('s>s>n2', 2, 0, 0x3c00, 0xc000), '[1,-2]' ],
	[ 'halfvec(1)', pack('s>s>n2', 2, 0, 0x3c00, 0xc000), '22000: expected 1 dimensions, not 2' ],
	[ 'halfvec', pack('s>s>n', 2, 0, 0x3c00), '08P01: insufficient data left in message' ],
	[ 'halfvec', pack('s>s>n', 1, 0, 0x7e00), '22000: NaN not allowed in halfvec' ],
	[ 'halfvec', pack('s>s>n', 1, 0, 0xfc00), '22000: infinite value not allowed in halfvec' ],
	[ 'halfvec', pack('s>s>n', 1, 1, 0x3c00), '22P03: invalid binary representation of type halfvec Its reserved field must be 0.' ],
	[ 'sparsevec', sparse(5, 2, 0, [ 0, 4 ], [ 1.5, -2 ]), '{1:1.5,5:-2}/5' ],
	[ 'sparsevec', sparse(5, 0, 0, [], []), '{}/5' ],
	[ 'sparsevec(4)', sparse(5, 0, 0, [], []), '22000: expected 4 dimensions, not 5' ],
	[ 'sparsevec', sparse(5, 2, 0, [ 0, 4 ], [1.5]), '08P01: insufficient data left in message' ],
	[ 'sparsevec', sparse(0, 0, 0, [], []), '22000: sparsevec must have at least 1 dimension' ],
	[ 'sparsevec', sparse(1000000001, 0, 0, [], []), '54000: sparsevec cannot have more than 1000000000 dimensions' ],
	[ 'sparsevec', sparse(5, -1, 0, [], []), '22P03: invalid binary representation of type sparsevec Its number of non-zero elements must not be negative.' ],
	[ 'sparsevec', sparse(20000, 16001, 0, [], []), '54000: sparsevec cannot have more than 16000 non-zero elements' ],
	[ 'sparsevec', sparse(20000, 0x7fffffff, 0, [], []), '54000: sparsevec cannot have more than 16000 non-zero elements' ],
	[ 'sparsevec', sparse(1, 2, 0, [ 0, 1 ], [ 1, 1 ]), '22P03: invalid binary representation of type sparsevec It must not have more non-zero elements than dimensions.' ],
	[ 'sparsevec', sparse(5, 1, 3, [0], [1]), '22P03: invalid binary representation of type sparsevec Its reserved field must be 0.' ],
	[ 'sparsevec', sparse(5, 2, 0, [ 4, 0 ], [ 1, 1 ]), '22P03: invalid binary representation of type sparsevec Its indices must be in ascending order.' ],
	[ 'sparsevec', sparse(5, 2, 0, [ 1, 1 ], [ 1, 1 ]), '22000: sparsevec indices must not contain duplicates' ],
	[ 'sparsevec', sparse(5, 1, 0, [5], [1]), '22000: sparsevec index out of bounds' ],
	[ 'sparsevec', sparse(5, 1, 0, [-1], [1]), '22000: sparsevec index out of bounds' ],
	[ 'sparsevec', sparse(5, 1, 0, [0], [0]), '22P03: invalid binary representation of type sparsevec It must not contain zero values.' ],
	[ 'sparsevec', sparse(5, 1, 0, [0], ['NaN']), '22000: NaN not allowed in sparsevec' ],
	[ 'sparsevec', sparse(5, 1, 0, [0], ['Inf']), '22000: infinite value not allowed in sparsevec' ],);

foreach my $case (@cases)
{
	my ($type, $message, $expected) = @$case;
	is(receive($type, $message), $expected, "$type " . unpack('H*', substr($message, 0, 24)));
}

# Random and mutated messages: each is refused or gives a value that survives
# its own text form.  The seed makes a failure repeatable.
srand(20261120);
my %seeds = (
	vector => dense(4, 0, 1, -2, 0.5, 3e38),
	halfvec => pack('s>s>n4', 4, 0, 0x3c00, 0xc000, 0x0001, 0x7bff),
	sparsevec => sparse(9, 3, 0, [ 0, 4, 8 ], [ 1.5, -2, 1e-40 ]));
my $count = 400;
foreach my $type (sort keys %seeds)
{
	my $dir = $node->basedir . "/$type";
	mkdir $dir;
	for my $i (1 .. $count)
	{
		my $message = $seeds{$type};
		for (1 .. 1 + int rand 3)
		{
			my $what = rand;
			my $at = int rand(length($message) || 1);
			if ($what < 0.6 && length $message)
			{
				substr($message, $at, 1) = chr(int rand 256);
			}
			elsif ($what < 0.8)
			{
				substr($message, $at) = '';
			}
			else
			{
				$message .= chr(int rand 256) for 1 .. 1 + int rand 8;
			}
		}
		write_copy("$dir/$i", $message);
	}
	my $result = $node->safe_psql(
		'postgres', qq{
		CREATE TABLE fuzz_$type (v $type);
		DO \$\$
		DECLARE refused int := 0;
		BEGIN
			FOR i IN 1 .. $count LOOP
				BEGIN
					EXECUTE format('COPY fuzz_$type FROM %L (FORMAT binary)', '$dir/' || i);
				EXCEPTION WHEN data_exception OR program_limit_exceeded OR protocol_violation OR bad_copy_file_format THEN
					refused := refused + 1;
				END;
			END LOOP;
			CREATE TABLE fuzz_${type}_refused AS SELECT refused;
		END \$\$;
		SELECT (SELECT count(*) FROM fuzz_$type) + refused, (SELECT count(*) > 0 FROM fuzz_$type), refused > 0,
			(SELECT count(*) FROM fuzz_$type WHERE v IS DISTINCT FROM v::text::$type) FROM fuzz_${type}_refused;});
	is($result, "$count|t|t|0", "$count mutated messages of $type");
}

# Binary COPY out and in again gives the same values, at the limits too.
my $out = $node->basedir . '/out';
is( $node->safe_psql(
		'postgres', qq{
		CREATE TABLE b (v vector, h halfvec, s sparsevec, bits bit(5));
		INSERT INTO b SELECT x, x::halfvec, x::sparsevec, B'10101' FROM (
			SELECT array_agg(sin(i))::vector AS x FROM generate_series(1, 16000) i
			UNION ALL SELECT '[0]' UNION ALL SELECT '[-65504,6e-8,0,1e-3]') q;
		INSERT INTO b VALUES (NULL, NULL, '{1000000000:1,1:1e-45}/1000000000', NULL);
		COPY b TO '$out' (FORMAT binary);
		CREATE TABLE b2 (LIKE b);
		COPY b2 FROM '$out' (FORMAT binary);
		SELECT count(*) FROM (SELECT * FROM b EXCEPT SELECT * FROM b2) d;
		SELECT count(*) FROM b2;}),
	"0\n4",
	'binary COPY round trip');

$node->stop;
done_testing();
