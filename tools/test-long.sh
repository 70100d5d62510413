#!/usr/bin/env bash
# make test-long: look for faults for hours, and print what was done and found.
#
#   tools/test-long.sh		HOURS=1 CLASS=regex METHOD=regex SEED=n TEST_JOBS=2
#
# A piece is a class of faults with an access method. Each runs by itself, two at
# a time, with its output in build/test-logs/long-CLASS-METHOD.log, and can be run
# again alone:
#
#   make test-long CLASS=crash METHOD=hnsw SEED=17
#
# What all pieces have counted so far, in whichever run, is in
# build/test-logs/long.tsv, from which the table at the end is made; it is
# written to build/test-logs/long.md, too. The exit status tells of violations.
#
# HOURS scales the cycles: with 1, some 200 crashes for each access method and
# 10,000 damages. On two idle cores everything then takes hours, not one.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

hours=${HOURS:-1}
class=${CLASS:-.}
method=${METHOD:-.}
seed=${SEED:-$(($(date +%s) % 1000000))}
logs=$TOP/build/test-logs
sums=$logs/long.tsv
methods='hnsw ivfflat ivfpq ivfrabitq flat sparse_inverted'

# cycles N: so many in an hour's run
cycles()
{
	awk -v n="$1" -v hours="$hours" 'BEGIN { c = int(n * hours + 0.5); print c < 1 ? 1 : c }'
}

# perl_piece TEST CYCLES [SERVER]: a TAP test of all access methods
perl_piece()
{
	SERVER=${3-assert} STEP=long-$piece_class-$piece_method VECTOR_METHOD="$piece_method\$" VECTOR_SEED=$seed \
		VECTOR_CYCLES=$(cycles "$2") PG_CONFIG=${PG_CONFIG:-pg_config} "$TOP/tools/test.sh" --one "$1"
}

# Damages of an access method
damage_piece()
{
	SERVER=asan STEP=long-$piece_class-$piece_method VECTOR_DAMAGE_SEED=$seed VECTOR_DAMAGE_METHOD="$piece_method\$" \
		VECTOR_DAMAGE_COUNT=$(cycles 10000) PG_CONFIG=${PG_CONFIG:-pg_config} "$TOP/tools/test.sh" --one 040_damage
}

fuzz_piece()
{
	local rc=0

	"$TOP/test/fuzz/run.sh" "$(cycles 300)" >"$logs/long-fuzz.out" 2>&1 || rc=$?
	cat "$logs/long-fuzz.out"
	awk '/ kept inputs, / { targets++; runs += $(NF - 1) }
		/ failed$/ { failed = $(NF - 1) }
		END { print "TALLY fuzz parsers", targets, runs, failed + 0 }' "$logs/long-fuzz.out"
	return "$rc"
}

# Random schemas, histories and queries, which have all access methods
generate_piece()
{
	local log=$logs/long-generate.out rc=0

	"$TOP/test/generate/run" --server assert --seconds "$(cycles 1800)" --seed "$seed" >"$log" 2>&1 || rc=$?
	cat "$log"
	sed -nE 's/^seed .*: ([0-9]+) cases passed, ([0-9]+) failed.*/\1 \2/p' "$log" |
		awk '{ print "TALLY generate all", $1 + $2, 0, $2 }'
	return "$rc"
}

# All access methods are in one database
upgrade_piece()
{
	local log=$logs/long-upgrade.out rc=0

	"$TOP/tools/test.sh" --step test-upgrade >"$log" 2>&1 || rc=$?
	cat "$log"
	awk '/^ok [0-9]+ - pg_(upgrade|restore) / { n++ } /^not ok/ { failed++ }
		END { print "TALLY upgrade all", n + 0, 0, failed + 0 }' "$log"
	return "$rc"
}

piece()
{
	piece_class=$1 piece_method=$2
	case $1 in
		crash) perl_piece 060_crash 200 ;;
		concurrency) perl_piece 061_concurrency 60 ;;
		interleave) perl_piece 048_interleavings 1 ;;
		# the server with assertions has no pg_rewind
		replication) perl_piece 062_replication 20 '' ;;
		vacuum) perl_piece 063_vacuum 10 ;;
		mvcc) perl_piece 064_mvcc 5 ;;
		damage) damage_piece ;;
		fuzz) fuzz_piece ;;
		generate) generate_piece ;;
		upgrade) upgrade_piece ;;
		*) die "no class $1" ;;
	esac
}

if [ "${1:-}" = --piece ]; then
	piece "$2" "$3"
	exit
fi

mkdir -p "$logs"
touch "$sums"
waiting=()
for m in $methods; do
	for c in crash concurrency interleave replication vacuum mvcc damage; do
		if [[ $c =~ ^($class) && $m =~ ^($method) ]]; then
			waiting+=("$c $m")
		fi
	done
done
if [ "$method" = . ]; then
	for c in 'generate all' 'fuzz parsers' 'upgrade all'; do
		[[ ! $c =~ ^($class) ]] || waiting+=("$c")
	done
fi
[ ${#waiting[@]} -gt 0 ] || die "no class is like '$class' and no access method like '$method'"

# What a piece's log has counted takes the place of what was there of it.  The log of
# one that failed has it again in the end of the test's own log.
collect()
{
	local name=$1 rc=$2 seconds=$3 log=$4 c m

	read -r c m <<<"$name"
	awk -F '\t' -v c="$c" -v m="$m" '!($1 == c && $2 == m)' "$sums" >"$sums.new"
	sed -nE 's/^.*TALLY (\S+) (\S+) ([0-9]+) ([0-9]+) ([0-9]+)$/\1\t\2\t\3\t\4\t\5/p' "$log" | sort -u |
		awk -F '\t' -v OFS='\t' -v seconds="$seconds" -v seed="$seed" -v rc="$rc" '
			{ print $0, seconds, seed, (rc == 0 ? "to the end" : ($5 > 0) ? "violations" : "failed"); n++ }
			END { exit n == 0 }' >>"$sums.new" ||
		printf '%s\t%s\t0\t0\t0\t%s\t%s\tended with status %s\n' "$c" "$m" "$seconds" "$seed" "$rc" >>"$sums.new"
	mv "$sums.new" "$sums"
	if [ "$rc" -eq 0 ]; then
		say "$name: done in $seconds s"
	else
		say "$name: status $rc, see $log"
	fi
}

say "seed $seed, ${#waiting[@]} pieces"
declare -A running=() started=()
failed=0
at_exit 'for pid in "${!running[@]}"; do kill -TERM -- "-$pid" 2>/dev/null; done'
while [ ${#waiting[@]} -gt 0 ] || [ ${#running[@]} -gt 0 ]; do
	if [ ${#waiting[@]} -gt 0 ] && [ ${#running[@]} -lt "${TEST_JOBS:-2}" ]; then
		name=${waiting[0]}
		waiting=("${waiting[@]:1}")
		# shellcheck disable=SC2086
		SEED=$seed setsid nice "$TOP/tools/test-long.sh" --piece $name >"$logs/long-${name/ /-}.log" 2>&1 </dev/null &
		running[$!]=$name
		started[$name]=$SECONDS
		continue
	fi
	rc=0
	wait -n -p pid "${!running[@]}" || rc=$?
	name=${running[$pid]}
	unset "running[$pid]"
	[ "$rc" -eq 0 ] || failed=1
	collect "$name" "$rc" $((SECONDS - started[$name])) "$logs/long-${name/ /-}.log"
done

{
	echo '| class | access method | cycles | faults injected | violations found | minutes | seed | |'
	echo '|---|---|---:|---:|---:|---:|---:|---|'
	sort "$sums" | awk -F '\t' '{ printf "| %s | %s | %d | %d | %d | %d | %s | %s |\n", $1, $2, $3, $4, $5, ($6 + 59) / 60, $7, $8 }'
} >"$logs/long.md"
cat "$logs/long.md"
exit "$failed"
