# What the tests of all access methods under faults share: kinds of indexes, a
# load from several sessions, a ledger of what they committed, and the comparison
# of an index with its table.
#
#	VECTOR_METHOD	a regular expression for access methods
#	VECTOR_CYCLES	how many cycles, in place of a test's few
#	VECTOR_SEED	of the generator; printed
#	VECTOR_KEEP	a folder that gets the files of a server with a violation
#
# Each test ends in a line per access method that `make test-long` collects:
# "TALLY class method cycles faults violations".
package Stress;
use strict;
use warnings;

use Exporter 'import';
use Index;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(cycles seed kinds stress_configuration stress_prepare create_kind
  compare_all own_values index_checks ledger_new load_begin load_end readers_begin readers_end clean_up kill_all restart wait_until_back postmaster
  violation violations fault count_cycle tally keep any);

my (%cycles, %faults, %violations);

sub any { return $_[ int(rand(@_)) ] }

sub cycles { return $ENV{VECTOR_CYCLES} // shift }

# Seeds the generator, too.
sub seed
{
	my $seed = $ENV{VECTOR_SEED} // shift;

	note "seed $seed";
	srand($seed);
	return $seed;
}

# ---------------------------------------------------------------------------
# Kinds of indexes
#
# name; the access method; type of the column; the index, with K for filter
# columns; operator; rows of a table; value of row n; what promises an order.

my $dense = 'item(n, %d)';
my $sparse = 'sparse_item(n)';
my $bits = 'bit_item(n)';
# later rows are far from those that lists have been learned from
my $moving = 'item(n, 16) + array_fill((n / 50000)::real, ARRAY[16])::vector';

my @kinds = (
	{ name => 'hnsw', type => 'vector(16)', index => 'hnsw (v vector_l2_ops)', value => 'item(n, 16)' },
	{ name => 'hnsw_filter', type => 'halfvec(12)', index => 'hnsw (v halfvec_cosine_ops, k) WITH (m = 8, ef_construction = 40, ef_search = 100, quantizer = rabitq4)', op => '<=>', value => 'item(n, 12)::halfvec', filter => 1 },
	{ name => 'hnsw_sparse', type => 'sparsevec(300)', index => 'hnsw (v sparsevec_l2_ops) WITH (ef_construction = 100)', value => $sparse },
	{ name => 'hnsw_bit', type => 'bit(64)', index => 'hnsw (v bit_hamming_ops, k) WITH (m = 12)', op => '<~>', value => $bits, filter => 1 },
	{ name => 'hnsw_ip', type => 'vector(16)', index => 'hnsw (v vector_ip_ops) WITH (m = 8, ef_construction = 32, rerank = heap)', op => '<#>', value => 'item(n, 16)' },
	{ name => 'hnsw_pieces', type => 'vector(2100)', index => 'hnsw (v vector_l1_ops, k) WITH (m = 4, ef_construction = 16)', op => '<+>', value => 'item(n, 2100)', rows => 20, filter => 1 },
	{ name => 'ivfflat', type => 'vector(16)', index => 'ivfflat (v vector_l2_ops) WITH (lists = 12)', value => 'item(n, 16)', ordered => 1 },
	{ name => 'ivfflat_filter', type => 'halfvec(12)', index => 'ivfflat (v halfvec_ip_ops, k) WITH (lists = 7)', op => '<#>', value => 'item(n, 12)::halfvec', filter => 1, ordered => 1 },
	{ name => 'ivfflat_bit', type => 'bit(64)', index => 'ivfflat (v bit_hamming_ops) WITH (lists = 5)', op => '<~>', value => $bits, ordered => 1 },
	{ name => 'ivfflat_pieces', type => 'vector(2100)', index => 'ivfflat (v vector_l2_ops, k) WITH (lists = 3)', value => 'item(n, 2100)', rows => 20, filter => 1, ordered => 1 },
	{ name => 'ivfpq', type => 'vector(16)', index => 'ivfpq (v vector_l2_ops) WITH (lists = 9, m = 4, nbits = 8, rerank = index)', value => 'item(n, 16)', ordered => 1 },
	{ name => 'ivfpq_filter', type => 'halfvec(12)', index => 'ivfpq (v halfvec_cosine_ops, k) WITH (lists = 6, m = 6, nbits = 4, opq = on)', op => '<=>', value => 'item(n, 12)::halfvec', filter => 1, ordered => 1 },
	{ name => 'ivfrabitq', type => 'vector(16)', index => 'ivfrabitq (v vector_l2_ops, k) WITH (lists = 9, bits = 1, rerank = index, vacuum_budget = 100000)', value => $moving, filter => 1, ordered => 1 },
	{ name => 'ivfrabitq_four', type => 'halfvec(12)', index => 'ivfrabitq (v halfvec_ip_ops) WITH (lists = 5, bits = 4)', op => '<#>', value => 'item(n, 12)::halfvec', ordered => 1 },
	{ name => 'flat', type => 'vector(16)', index => 'flat (v vector_l2_ops, k)', value => 'item(n, 16)', filter => 1, ordered => 1 },
	{ name => 'flat_cosine', type => 'halfvec(12)', index => 'flat (v halfvec_cosine_ops)', op => '<=>', value => 'item(n, 12)::halfvec', ordered => 1 },
	{ name => 'flat_pieces', type => 'vector(8300)', index => 'flat (v vector_ip_ops, k)', op => '<#>', value => 'item(n, 8300)', rows => 12, filter => 1, ordered => 1 },
	{ name => 'sparse', type => 'sparsevec(300)', index => 'sparse_inverted (v, k) WITH (pending_list_limit = 64)', op => '<#>', value => $sparse, filter => 1, ordered => 1 },
	{ name => 'sparse_floats', type => 'sparsevec(300)', index => 'sparse_inverted (v sparsevec_cosine_ops) WITH (pending_list_limit = 64, weights = float4)', op => '<=>', value => $sparse, ordered => 1 },
);
foreach (@kinds)
{
	($_->{method}) = $_->{index} =~ /^(\w+)/;
	$_->{op} //= '<->';
	$_->{rows} //= 300;
}

# Those of the access methods that are wanted.  If nothing is said: all, or where
# each kind takes its time, one of each access method.
sub kinds
{
	my (%o) = @_;
	my %few = map { $_ => 1 } qw(hnsw_filter ivfflat_pieces ivfpq_filter ivfrabitq flat sparse);

	return grep { $few{ $_->{name} } } @kinds if $o{few} && !$ENV{VECTOR_METHOD} && !$ENV{VECTOR_CYCLES};
	my $method = $ENV{VECTOR_METHOD} // '.';
	my @wanted = grep { $_->{method} =~ /^(?:$method)/ } @kinds;

	BAIL_OUT("no access method is like $method") if !@wanted;
	return @wanted;
}

sub stress_configuration
{
	return q{
autovacuum = off
fsync = off
jit = off
shared_buffers = 16MB
maintenance_work_mem = 16MB
max_worker_processes = 12
max_parallel_maintenance_workers = 2
min_parallel_table_scan_size = 0
min_parallel_index_scan_size = 0
max_prepared_transactions = 4
deadlock_timeout = 200ms
client_min_messages = error
restart_after_crash = on
log_statement = none
log_replication_commands = off
log_min_messages = warning
};
}

# All settings by which a scan to the end gives all
my $settings = join ' ', 'SET jit = off', 'SET vector.enable_exact_scan = off', 'SET vector.approximate_without_limit = on', 'SET work_mem = \'64MB\'',
  'SET hnsw.iterative_scan = relaxed_order', 'SET hnsw.max_scan_tuples = 2000000000', 'SET hnsw.scan_mem_multiplier = 1000',
  map({ ("SET ivf$_.probes = 32768", "SET ivf$_.iterative_scan = relaxed_order") } qw(flat pq rabitq)),
  map({ "SET ivf$_.rerank = 100000" } qw(pq rabitq));

sub stress_prepare
{
	my ($node, $db) = @_;

	index_prepare($node, $db);
	$node->safe_psql(
		$db // 'postgres', qq{
	CREATE FUNCTION sparse_item(seed bigint) RETURNS sparsevec IMMUTABLE PARALLEL SAFE LANGUAGE sql AS \$\$
		SELECT ('{' || string_agg(d || ':' || w, ',' ORDER BY d) || '}/300')::sparsevec
		FROM (SELECT DISTINCT ON (d) 1 + (power((hashint8extended(i, seed) & 65535) / 65536.0, 3) * 300)::int % 300 AS d,
			((hashint8extended(i, seed + 1000000) & 255) - 40.5) / 16 AS w
			FROM generate_series(1, CASE WHEN seed % 50 = 49 THEN 300 ELSE 12 END) AS i) AS elements \$\$;
	CREATE FUNCTION bit_item(seed bigint) RETURNS bit IMMUTABLE PARALLEL SAFE LANGUAGE sql AS
		\$\$SELECT hashint8extended(1, seed % 40)::bit(64) # (hashint8extended(1, seed) & hashint8extended(2, seed) & hashint8extended(3, seed))::bit(64)\$\$;

	CREATE FUNCTION checked(index text) RETURNS SETOF text LANGUAGE plpgsql AS \$\$
	BEGIN
		RETURN QUERY SELECT index || ' is checked: ' || c::text FROM vector_index_check(index::regclass, true) c LIMIT 5;
	-- not every access method has one
	EXCEPTION WHEN feature_not_supported OR wrong_object_type THEN RETURN;
	END \$\$;

	-- What is wrong with a scan of an index to its end, beside its table under
	-- the same snapshot; nothing if nothing is
	CREATE FUNCTION compare(t text, index text, op text, q text, ordered bool, condition text DEFAULT 'true') RETURNS text LANGUAGE plpgsql AS \$\$
	DECLARE
		query text := format('SELECT array_agg(id ORDER BY place), array_agg(d ORDER BY place) FROM (SELECT id, d, row_number() OVER () AS place
			FROM (SELECT id, v %2\$s %4\$L AS d FROM %1\$I WHERE v IS NOT NULL AND %3\$s ORDER BY v %2\$s %4\$L LIMIT 1000000) a) b', t, op, condition, q);
		found int[];
		rows int[];
		near float8[];
		line text;
		plan text := '';
		r text;
	BEGIN
		PERFORM set_config('enable_seqscan', 'off', true), set_config('enable_indexscan', 'on', true), set_config('enable_bitmapscan', 'off', true);
		FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
			plan := plan || line;
		END LOOP;
		-- or its twin, while one is being made, or its old one, whose name has changed
		IF plan NOT LIKE '%Index Scan using ' || left(index, -1) || '%' THEN RETURN 'no scan of ' || index || ': ' || left(plan, 200); END IF;
		EXECUTE query INTO found, near;
		PERFORM set_config('enable_seqscan', 'on', true), set_config('enable_indexscan', 'off', true);
		EXECUTE format('SELECT array_agg(id) FROM %I WHERE v IS NOT NULL AND %s', t, condition) INTO rows;
		SELECT string_agg(what || ' ' || ids, '; ') INTO r FROM (
			SELECT 'lost' AS what, (array_agg(id))[1:20]::text AS ids, count(*) AS n FROM (SELECT unnest(rows) EXCEPT SELECT unnest(found)) x (id)
			UNION ALL SELECT 'not in the table', (array_agg(id))[1:20]::text, count(*) FROM (SELECT unnest(found) EXCEPT SELECT unnest(rows)) x (id)
			UNION ALL SELECT 'twice', (array_agg(id))[1:20]::text, count(*) FROM (SELECT id FROM unnest(found) id GROUP BY id HAVING count(*) > 1) x
			UNION ALL SELECT 'out of order', count(*)::text, count(*) FROM (SELECT d < lag(d) OVER (ORDER BY n) AS bad FROM unnest(near) WITH ORDINALITY y (d, n)) x WHERE bad AND ordered
		) s WHERE n > 0;
		RETURN CASE WHEN r IS NOT NULL THEN index || CASE condition WHEN 'true' THEN '' ELSE ', ' || condition END || ', ' || coalesce(cardinality(rows), 0) || ' rows: ' || r END;
	END \$\$ $settings;});
}

# A table and its index.  A third of all rows share few values, the others are in many clusters; a few have none.
sub create_kind
{
	my ($node, $kind, %o) = @_;
	my $t = $o{table} // $kind->{name};
	my $rows = $o{rows} // 0;
	my $function = $kind->{value} =~ s/\bn\b/CASE WHEN \$1 % 3 = 0 THEN \$1 % 7 + \$2 % 2 ELSE \$1::bigint * 1009 + \$2 END/gr;
	my $type = $kind->{type} =~ s/\(.*//r;
	my $unlogged = $o{unlogged} ? 'UNLOGGED' : '';

	$node->safe_psql(
		$o{db} // 'postgres', qq{
		CREATE OR REPLACE FUNCTION v_$kind->{name}(id int, rev int) RETURNS $type IMMUTABLE PARALLEL SAFE LANGUAGE sql AS
			\$\$SELECT CASE WHEN \$1 % 97 <> 0 THEN $function END\$\$;
		CREATE $unlogged TABLE $t (id int PRIMARY KEY, rev int NOT NULL, h int NOT NULL DEFAULT 0, k int, v $kind->{type}) WITH (fillfactor = 80, parallel_workers = 2);
		INSERT INTO $t SELECT id, 0, 0, id % 10, v_$kind->{name}(id, 0) FROM generate_series(1, $rows) id;
		CREATE INDEX ${t}_i ON $t USING $kind->{index};});
}

sub query_value
{
	my ($kind, $n) = @_;

	return "(SELECT ($kind->{value})::text FROM (SELECT ${n}::bigint AS n OFFSET 0) s)";
}

sub compare_calls
{
	my ($kind, $t, $n) = @_;
	my $ordered = $kind->{ordered} ? 'true' : 'false';
	my $call = "compare('$t', '${t}_i', '$kind->{op}', " . query_value($kind, $n) . ", $ordered";

	return ("$call)", $kind->{filter} ? ("$call, 'k = 3')", "$call, 'k < 6')") : ());
}

# What is wrong with indexes of these kinds, one line each.
sub compare_all
{
	my ($node, $kinds, %o) = @_;
	my $sql = '';

	foreach my $kind (@$kinds)
	{
		my $t = ($o{prefix} // '') . $kind->{name};

		$sql .= "SELECT $_;\n" foreach compare_calls($kind, $t, int(rand(1000000)));
	}
	my $out = $node->safe_psql($o{db} // 'postgres', $sql);
	return grep { $_ ne '' } split /\n/, $out;
}

# Kinds of which more rows are not found by their own value than of an index
# that was just built of the same rows, with some leeway: in hnsw a scan's look at
# all pages would hide a graph that has fallen apart.  The other index gets as many
# dead rows as the one compared: values far from all others are harder to find among
# more, be they alive or not, until VACUUM.
sub own_values
{
	my ($node, $kinds, %o) = @_;
	my $db = $o{db} // 'postgres';
	my @wrong;

	# a test of a few cycles looks for what has fallen apart only
	my $part = $ENV{VECTOR_CYCLES} ? 25 : 5;
	my $measure = sub {
		my ($t, $op) = @_;
		return split /\|/, $node->safe_psql($db, "SET jit = off; SET enable_seqscan = off; SET vector.enable_exact_scan = off; SET hnsw.ef_search = 100;
			SELECT lost, found FROM lost('$t', '$op', 1)");
	};

	foreach my $kind (grep { $_->{method} eq 'hnsw' && $_->{op} ne '<#>' } @$kinds)
	{
		my ($lost, $found) = $measure->($kind->{name}, $kind->{op});

		next if $lost <= 2 + $found / 100;
		$node->safe_psql($db, "CREATE TABLE own_fresh AS SELECT * FROM $kind->{name};
			INSERT INTO own_fresh (id, rev, k, v) SELECT -id, rev, k, v_$kind->{name}(id, rev + n)
				FROM $kind->{name}, generate_series(1, 1000) n WHERE v IS NOT NULL ORDER BY n, id
				LIMIT (SELECT greatest(rows - (SELECT count(v) FROM $kind->{name}), 0) FROM vector_index_info(ARRAY['$kind->{name}_i'::regclass], true));
			CREATE INDEX ON own_fresh USING $kind->{index};
			DELETE FROM own_fresh WHERE id < 0;");
		my ($fresh) = $measure->('own_fresh', $kind->{op});
		$node->safe_psql($db, 'DROP TABLE own_fresh');
		push @wrong, "$kind->{name}: $lost of " . ($lost + $found) . " rows are not found by their own value, $fresh of a new index" if $lost > $fresh + 2 + $found / $part;
	}
	return @wrong;
}

# What the index check has to say
sub index_checks
{
	my ($node, $kinds, %o) = @_;
	my $prefix = $o{prefix} // '';

	return grep { $_ ne '' } split /\n/, $node->safe_psql($o{db} // 'postgres', join ' ', map { "SELECT * FROM checked('$prefix$_->{name}_i');" } @$kinds);
}

# ---------------------------------------------------------------------------
# Load and ledger
#
# A client has rows of its own: no other changes them, so what its transactions
# leave is known from those that were acknowledged.  The one that was under way
# when the client ended may have committed or not.

sub ledger_new
{
	my ($kinds, $clients) = @_;
	my %ledger = (kinds => $kinds, clients => []);

	for my $c (0 .. $clients - 1)
	{
		push @{ $ledger{clients} }, { number => $c, of => $clients, next => 1, rows => { map { $_->{name} => {} } @$kinds } };
	}
	return \%ledger;
}

sub some_of
{
	my ($n, @list) = @_;
	my @some;

	push @some, splice(@list, int(rand(@list)), 1) while @list && @some < $n;
	return @some;
}

# A statement of client, and what it changes: [table, id, row or undef]...
sub statement
{
	my ($client, $kind, $rows) = @_;
	my $t = $kind->{name};
	my @ids = sort { $a <=> $b } keys %$rows;
	my $size = $kind->{rows};
	my $choice = rand();

	$choice = rand(0.4) if @ids < $size / 4;
	$choice = 0.7 + rand(0.2) if @ids > $size;
	if ($choice < 0.4 || !@ids)
	{
		my $n = any(1, 1, 3, 10, $size >= 100 ? 40 : 2);
		my @new = map { $client->{next}++ * $client->{of} + $client->{number} } 1 .. $n;

		return ("INSERT INTO $t (id, rev, k, v) SELECT id, 0, id % 10, v_$t(id, 0) FROM unnest('{" . join(',', @new) . "}'::int[]) id",
			map { [ $t, $_, [ 0, 0 ] ] } @new);
	}
	if ($choice < 0.6)
	{
		my @some = some_of(any(1, 2, 8), @ids);

		return ("UPDATE $t SET rev = rev + 1, v = v_$t(id, rev + 1) WHERE id = ANY ('{" . join(',', @some) . "}')",
			map { [ $t, $_, [ $rows->{$_}[0] + 1, $rows->{$_}[1] ] ] } @some);
	}
	if ($choice < 0.7)
	{
		# may be a heap-only tuple
		my @some = some_of(5, @ids);

		return ("UPDATE $t SET h = h + 1 WHERE id = ANY ('{" . join(',', @some) . "}')",
			map { [ $t, $_, [ $rows->{$_}[0], $rows->{$_}[1] + 1 ] ] } @some);
	}
	my @some = some_of(any(1, 3, 10, int(@ids / 2)), @ids);
	return ("DELETE FROM $t WHERE id = ANY ('{" . join(',', @some) . "}')", map { [ $t, $_, undef ] } @some);
}

# Statements in a transaction, with subtransactions; what they change in all
sub transaction
{
	my ($ledger, $client) = @_;
	my %now = map { $_ => { %{ $client->{planned}{$_} } } } keys %{ $client->{planned} };
	my @sql = ('BEGIN');
	my $tables = any(1, 1, 2);
	my @kinds = some_of($tables, @{ $ledger->{kinds} });
	my (@changes, @kept);

	# in one order of tables for all
	foreach my $kind (sort { $a->{name} cmp $b->{name} } @kinds)
	{
		my $t = $kind->{name};

		for (1 .. any(1, 1, 2, 3))
		{
			my $sub = rand() < 0.2;
			my ($sql, @changes) = statement($client, $kind, $now{$t});

			push @sql, 'SAVEPOINT s' if $sub;
			push @sql, $sql;
			if ($sub && rand() < 0.5)
			{
				push @sql, 'ROLLBACK TO s';
				next;
			}
			push @sql, 'RELEASE s' if $sub;
			foreach (@changes)
			{
				if ($_->[2]) { $now{$t}{ $_->[1] } = $_->[2] }
				else { delete $now{$t}{ $_->[1] } }
			}
			push @kept, @changes;
		}
	}
	if (rand() < 0.1)
	{
		push @sql, 'ROLLBACK';
		return { sql => \@sql, changes => [] };
	}
	push @sql, 'COMMIT';
	$client->{planned} = \%now;
	return { sql => \@sql, changes => \@kept };
}

# What one client beside the others does to indexes
sub maintenance
{
	my (@kinds) = @_;
	my $kind = any(@kinds);
	my $t = $kind->{name};
	# inverted files say that they need some
	my $memory = any($kind->{method} =~ /^ivf/ ? '8MB' : '1MB', '16MB');
	my $settings = 'SET max_parallel_maintenance_workers = ' . any(0, 2) . "; SET maintenance_work_mem = '$memory';";
	my @commands = (
		"VACUUM (INDEX_CLEANUP on) $t", "VACUUM (INDEX_CLEANUP on) $t", "VACUUM (PARALLEL 2, INDEX_CLEANUP on) $t", "VACUUM (FREEZE) $t",
		"REINDEX INDEX CONCURRENTLY ${t}_i", "REINDEX INDEX ${t}_i",
		"CREATE INDEX CONCURRENTLY ${t}_x ON $t USING $kind->{index}; DROP INDEX IF EXISTS ${t}_x",
		'CHECKPOINT', 'CHECKPOINT');
	push @commands, "SELECT sparse_inverted_flush('${t}_i', true)", "SELECT sparse_inverted_flush('${t}_i', false)" if $kind->{method} eq 'sparse_inverted';
	my $command = any(@commands);
	# a vacuum or a build that takes its time is met more often
	my $cost = $command =~ /^VACUUM/ && rand() < 0.4 ? "SET vacuum_cost_limit = 20; SET vacuum_cost_delay = '5ms';" : '';
	return join "\n", "$settings $cost", (map { "$_;" } split /; /, $command), 'RESET vacuum_cost_delay; RESET vacuum_cost_limit;';
}

# Start the clients, each with so many transactions, and so many that maintain.
sub load_begin
{
	my ($node, $ledger, %o) = @_;
	my $n = $o{transactions} // 300;

	foreach my $client (@{ $ledger->{clients} })
	{
		$client->{planned} = { map { $_ => { %{ $client->{rows}{$_} } } } keys %{ $client->{rows} } };
		$client->{transactions} = [ map { transaction($ledger, $client) } 1 .. $n ];
		my $i = 0;
		$client->{session} = start_psql($node, join '', map { $i++; join('', map { "$_;\n" } @{ $_->{sql} }) . "\\echo ack $i\n" } @{ $client->{transactions} });
	}
	# each has tables of its own: two that build the same index wait for each other
	my @kinds = @{ $ledger->{kinds} };
	my @parts = map { my $part = $_; [ @kinds[ grep { $_ % 2 == $part } 0 .. $#kinds ] ] } 0 .. 1;
	$ledger->{maintainers} = [ map { my $part = $_; start_psql($node, "\\set ON_ERROR_STOP off\n" . join("\n", map { maintenance(@$part) } 1 .. $o{maintenance} // 60)) } grep { @$_ } @parts ];
}

# Rows of a client as the table has them
sub rows_of
{
	my ($node, $client, $t, $db) = @_;

	return $node->safe_psql($db // 'postgres', "SET enable_indexscan = off; SET enable_bitmapscan = off;
		SELECT string_agg(id || ':' || rev || ':' || h, ' ' ORDER BY id) FROM $t WHERE id % $client->{of} = $client->{number}");
}

# All sessions have ended, or will by themselves: what they committed is in the
# tables; returns what is wrong.  expected: errors that sessions may have met.
sub load_end
{
	my ($node, $ledger, %o) = @_;
	my $expected = $o{expected} // qr/^$/;
	my @wrong;

	foreach my $client (@{ $ledger->{clients} })
	{
		my $err = finish_psql($client->{session});
		my @acks = $client->{session}{out} =~ /^ack (\d+)$/mg;
		my $n = @acks;
		my $done = $n;

		push @wrong, "client $client->{number}: $err" if $err ne '' && $err !~ $expected;
		$client->{acknowledged} += $n;
		my @doubt = $n < @{ $client->{transactions} } ? @{ $client->{transactions}[$n]{changes} } : ();
		foreach my $change (map { @{ $_->{changes} } } @{ $client->{transactions} }[ 0 .. $n - 1 ])
		{
			my ($t, $id, $row) = @$change;
			if ($row) { $client->{rows}{$t}{$id} = $row }
			else { delete $client->{rows}{$t}{$id} }
		}
		# the one in doubt is there in all tables or in none
		my %after = map { $_ => { %{ $client->{rows}{$_} } } } keys %{ $client->{rows} };
		foreach my $change (@doubt)
		{
			my ($t, $id, $row) = @$change;
			if ($row) { $after{$t}{$id} = $row }
			else { delete $after{$t}{$id} }
		}
		my (@not_without, @not_with);
		foreach my $t (sort keys %after)
		{
			my $there = rows_of($node, $client, $t);
			my $text = sub { my ($rows) = @_; return join ' ', map { "$_:$rows->{$_}[0]:$rows->{$_}[1]" } sort { $a <=> $b } keys %$rows };

			push @not_without, $t if $there ne $text->($client->{rows}{$t});
			push @not_with, $t if $there ne $text->($after{$t});
		}
		if (@not_without)
		{
			push @wrong, "client $client->{number}, $n acknowledged: tables differ from the ledger: @not_without" if @not_with;
			$client->{rows} = \%after;
		}
	}
	foreach (@{ $ledger->{maintainers} })
	{
		my $err = finish_psql($_);

		push @wrong, "maintenance: $1" while $err =~ /((?:ERROR|PANIC|FATAL):\s+(?!.*(?:$expected)).*)/g;
	}
	return @wrong;
}

# Sessions that compare indexes with tables again and again, each time under one
# snapshot, until readers_end.
sub readers_begin
{
	my ($node, $kinds, $n, %o) = @_;
	my @calls = map { compare_calls($_, $_->{name}, 'floor(random() * 1000000)') } @$kinds;

	return map {
		start_psql($node, q{
		SET default_transaction_isolation = 'repeatable read';
		DO $$
		DECLARE
			r text;
			scans int := 0;
		BEGIN
			WHILE working() OR scans = 0 LOOP
				} . join("\n", map { "
				IF random() < 0.5 THEN
					r := $_;
					IF r IS NOT NULL THEN RAISE 'violation: % (scan %)', r, scans; END IF;
					scans := scans + 1;
					COMMIT;
				END IF;" } sort { rand() <=> 0.5 } @calls) . q{
			END LOOP;
			PERFORM set_config('client_min_messages', 'notice', false);
			RAISE NOTICE '% scans', scans;
		END $$})
	} 1 .. $n;
}

# Returns what they found, and how many comparisons those made that came to their end.
sub readers_end
{
	my ($expected, @readers) = @_;
	my @wrong;
	my $scans = 0;

	foreach (@readers)
	{
		my $err = finish_psql($_);

		if ($err =~ /NOTICE:  (\d+) scans/) { $scans += $1 }
		elsif ($err =~ /(violation: .*)/) { push @wrong, "reader: $1" }
		elsif ($err !~ $expected) { push @wrong, "reader: $err" }
	}
	return ($scans, @wrong);
}

# Indexes that commands left behind which did not come to their end
sub clean_up
{
	my ($node) = @_;
	my $left = $node->safe_psql('postgres', q{SELECT string_agg(format('DROP INDEX %I', relname), ';') FROM pg_class WHERE relkind = 'i' AND relname ~ '_x(_ccnew|_ccold)?[0-9]*$|_i_cc(new|old)[0-9]*$'});

	$node->safe_psql('postgres', $left) if $left ne '';
}

# ---------------------------------------------------------------------------
# Faults

# The process that the server's file names; an empty string if there is none
sub postmaster
{
	my ($node) = @_;

	open my $fh, '<', $node->data_dir . '/postmaster.pid' or return '';
	my $pid = <$fh> // '';
	close $fh;
	chomp $pid;
	return $pid;
}

# Kill the server's processes all at once, as if the machine had stopped, but for
# what the operating system keeps of files.
sub kill_all
{
	my ($node) = @_;
	my $postmaster = postmaster($node) || return;
	my @children;

	# stopped, it begets no others meanwhile
	kill('STOP', $postmaster);
	@children = split ' ', `ps -o pid= --ppid $postmaster`;
	kill('KILL', @children, $postmaster);
	foreach my $pid ($postmaster, @children)
	{
		# one that nobody has waited for yet still counts for pg_ctl
		select(undef, undef, undef, 0.002) while -e "/proc/$pid";
	}
	$node->{_pid} = undef;
}

sub restart
{
	my ($node) = @_;

	$node->start(fail_ok => 1) or BAIL_OUT('the server does not start: ' . $node->logfile);
}

# After one process was killed. New sessions are tried without anything on their
# standard input: one that is refused ends before it has read that.
sub wait_until_back
{
	my ($node) = @_;
	my ($out, $err);

	for (1 .. 6000)
	{
		return if IPC::Run::run([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'SELECT true' ], '<', \undef, '>', \$out, '2>', \$err);
		select(undef, undef, undef, 0.05);
	}
	BAIL_OUT("the server is not back: $err");
}

# ---------------------------------------------------------------------------
# Counts, by access method or for all of them

sub method_of { my ($what) = @_; my ($m) = map { $_->{method} } grep { $what =~ /\b$_->{name}(_[ix])?\b/ } reverse sort { length($a->{name}) <=> length($b->{name}) } @kinds; return $m }

sub count_cycle { my ($kinds, $n) = @_; my %m = map { $_->{method} => 1 } @$kinds; $cycles{$_} += $n // 1 foreach keys %m }

sub fault { my ($kinds, $n) = @_; my %m = map { $_->{method} => 1 } @$kinds; $faults{$_} += $n // 1 foreach keys %m }

sub violation
{
	my ($where, @wrong) = @_;

	foreach (@wrong)
	{
		diag("$where: " . substr($_, 0, 500));
		$violations{ method_of($_) // 'any' }++;
	}
}

sub violations { my $n = 0; $n += $_ foreach values %violations; return $n }

sub tally
{
	my ($class, $kinds) = @_;
	my %m = map { $_->{method} => 1 } @$kinds;

	note join ' ', 'TALLY', $class, $_, $cycles{$_} // 0, $faults{$_} // 0, ($violations{$_} // 0) + (keys %m == 1 ? $violations{any} // 0 : 0) foreach sort keys %m;
	note "TALLY $class any 0 0 $violations{any}" if $violations{any} && keys %m > 1;
}

# The files of a server, for who looks into a violation
sub keep
{
	my ($node, $name) = @_;

	system('cp', '-r', $node->data_dir, "$ENV{VECTOR_KEEP}/$name-$$") if $ENV{VECTOR_KEEP};
}

1;
