#!/usr/bin/env bash
# make test: run test suites, print one line for each and the sum as the last.
#
#   tools/test.sh STEP...	see the step_ functions below
#   tools/test.sh --one TEST...	single tests by their names, with their output:
#				files of test/sql, test/specs, test/t, test/unit
#
# Each step runs as a process of its own with its output in
# build/test-logs/STEP.log, shown when something in it failed. Two steps run side
# by side (TEST_JOBS says how many): each has servers and temporary folders of
# its own, and what two of them need is built under a lock. A suite that
# exists must report a result: none, or a failing exit status without a failed
# test to show for it, counts as one failure.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/server.sh"

pg_config=${PG_CONFIG:-pg_config}
part=1
logs=$TOP/build/test-logs
passed=0 failed=0 skipped=0

# Leaks are PostgreSQL's way: a memory context is dropped as a whole. An abort
# looks like a crash to the server, an exit would not. What has been freed is kept
# back only a little: a test measures the server's memory, and contexts poison
# what they free by themselves. Tests of many cases try a third of them each.
asan_options()
{
	part=3
	export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:detect_stack_use_after_return=0:quarantine_size_mb=8
	export UBSAN_OPTIONS=print_stacktrace=1:abort_on_error=1
}
# By -Og it compiles in half the time, and runs a third longer, which is more.
asan_flags='-O2 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer'

# The counters: "passed failed skipped" of an output file.
count_cmocka()
{
	awk '/^\[  PASSED  \] [0-9]+ test/ { p += $4 }
		/^\[  FAILED  \] [0-9]+ test/ { f += $4 }
		/^\[  SKIPPED \] [0-9]+ test/ { s += $4 }
		END { print p + 0, f + 0, s + 0 }' "$1"
}

count_fuzz()
{
	sed -nE 's/^fuzz: ([0-9]+) passed, ([0-9]+) failed.*/\1 \2/p' "$1" |
		awk '{ p += $1; f += $2 } END { print p + 0, f + 0, 0 }'
}

# Up to PostgreSQL 15 "test name ... ok", from 16 on "ok 1 - name".
count_regress()
{
	awk '/ \.\.\. +ok / || /^ok [0-9]+ / { p++ }
		/ \.\.\. +(FAILED|failed)/ || /^not ok [0-9]+ / { f++ }
		END { print p + 0, f + 0, 0 }' "$1"
}

# Subtests are indented: only whole tests count.
count_tap()
{
	awk '/^(not )?ok [0-9]+.*# (SKIP|skip)/ { s++; next }
		/^ok [0-9]+/ { p++ }
		/^not ok [0-9]+.*# TODO/ { s++; next }
		/^not ok [0-9]+/ { f++ }
		END { print p + 0, f + 0, s + 0 }' "$1"
}

# The last line of pytest -q: "2 failed, 20 passed, 1 skipped in 3.21s".
count_pytest()
{
	tail -n 1 "$1" | awk '{ for (i = 2; i <= NF; i++) { k = $i; sub(/,$/, "", k); n[k] += $(i - 1) } }
		END { print n["passed"] + 0, n["failed"] + n["error"] + n["errors"], n["skipped"] + 0 }'
}

# tally KIND NAME COMMAND...: run one test program and add up its results.
tally()
{
	local kind=$1 name=$2 rc=0 p f s out
	shift 2

	echo "# $name"
	out=$(mktemp)
	"$@" >"$out" 2>&1 </dev/null || rc=$?
	cat "$out"
	read -r p f s < <("count_$kind" "$out")
	rm -f "$out"
	if [ "$rc" -ne 0 ] && [ "$f" -eq 0 ]; then
		echo "FAILED: $name ended with status $rc"
		f=1
	elif [ $((p + f + s)) -eq 0 ]; then
		echo "FAILED: $name reported no result"
		f=1
	fi
	passed=$((passed + p))
	failed=$((failed + f))
	skipped=$((skipped + s))
}

have()
{
	compgen -G "$TOP/$1" >/dev/null
}

# unit_tests BUILD MAKE_ARGUMENT...: make the unit tests, run every one.
unit_tests()
{
	local build=$1 t
	shift

	have 'test/unit/test_*.c' || return 0
	make -j"$(nproc)" -C "$TOP/test/unit" all "$@"
	for t in "$TOP"/test/unit/test_*.c; do
		t=$(basename "$t" .c)
		tally cmocka "$t" ${RUN:+$RUN} "$TOP/build/$build/$t"
	done
}

step_unit()
{
	unit_tests unit
}

step_unit-san()
{
	UBSAN_OPTIONS=print_stacktrace=1 unit_tests unit-san SAN=1
}

# Debian has cmocka for ARM as well; its files are taken out of the package and
# kept in the cache, without adding an architecture to this system.
step_unit-arm()
{
	local cross=aarch64-linux-gnu root

	have 'test/unit/test_*.c' || return 0
	root=$("$TOP/tools/fetch-arm.sh" libcmocka0 libcmocka-dev)
	RUN="qemu-aarch64 -cpu max -L /usr/$cross -E LD_LIBRARY_PATH=$root/usr/lib/$cross" \
		unit_tests unit-arm CROSS=arm CC="$cross-gcc -I$root/usr/include -L$root/usr/lib/$cross"
}

# Of 32 bits: Debian's gcc-12-multilib compiles, and its cmocka for i386 is unpacked
# into the cache. No part of make test.
step_unit-32()
{
	local root compiler=${CC_32:-gcc-12}

	have 'test/unit/test_*.c' || return 0
	root=$(FETCH_ARCH=i386 "$TOP/tools/fetch-arm.sh" libcmocka0 libcmocka-dev)
	RUN="env LD_LIBRARY_PATH=$root/usr/lib/i386-linux-gnu" unit_tests unit-32 CROSS=32 \
		CC="$compiler -m32 -msse2 -mfpmath=sse -I$root/usr/include -idirafter /usr/include/x86_64-linux-gnu -L$root/usr/lib/i386-linux-gnu"
}

step_fuzz()
{
	have test/fuzz/run.sh || return 0
	tally fuzz test/fuzz/run.sh bash "$TOP/test/fuzz/run.sh"
}

# Random cases; `make generate` says how long, with which seed and server.
step_generate()
{
	local options=(--seconds "${GENERATE_SECONDS:-60}")

	have test/generate/run || return 0
	[ -z "${GENERATE_SEED:-}" ] || options+=(--seed "$GENERATE_SEED")
	TAG=$tag tally fuzz 'random cases' "$TOP/test/generate/run" --server "${SERVER:-default}" "${options[@]}"
}

# has_regress, has_tap: is there anything to build a server for?
has_regress()
{
	have 'test/sql/*.sql' || have 'test/specs/*.spec'
}

has_tap()
{
	have 'test/t/*.pl'
}

# A server that found something wrong with itself may still have passed.
check_log()
{
	if grep -nE 'TRAP: |runtime error: |ERROR: AddressSanitizer|PANIC: ' "$@"; then
		echo "FAILED: see the server's log above"
		failed=$((failed + 1))
	fi
}

# regress BIN [MAKE_ARGUMENT...]: pg_regress on a throwaway server from BIN. What
# a VACUUM in a test removes must not depend on whether autovacuum, which comes by
# the clock, has an older snapshot just then. Plans with enable_seqscan = off cost so
# much that each would be compiled with all of LLVM's optimizations; without these it
# is still compiled. Of cases that test/README.md says of, one of $part is tried.
regress()
{
	local bin=$1 src log
	shift

	src=${bin%%/root/*}/src
	log=$logs/$step-server.log
	SERVER_KEEP_LOG=$log
	server_start "$bin" autovacuum=off jit_inline_above_cost=-1 jit_optimize_above_cost=-1 \
		"vector_test.part=$part"
	rm -f "$src"/regression.diffs "$src"/output_iso/regression.diffs
	tally regress installcheck \
		make -C "$src" installcheck PG_CONFIG="$bin/pg_config" "$@"
	server_stop
	cat "$src"/{,output_iso/}regression.diffs 2>/dev/null || true
	check_log "$log"
}

# tap BIN FILE...: TAP tests, whose servers come from BIN. On a busy machine a
# server may take long to start, and an event to come.
tap()
{
	local bin=$1 src pgxs dir perl log
	shift

	[ $# -gt 0 ] || set -- "$TOP"/test/t/*.pl
	src=${bin%%/root/*}/src
	pgxs=$(dirname "$("$bin/pg_config" --pgxs)")/../..
	perl=${TAP_PERL:-$pgxs/src/test/perl}
	dir=$(mktemp -d "$(tmp_base)/vector-tap.XXXXXX")
	at_exit "rm -rf '$dir'"
	[ "$(id -u)" -ne 0 ] || chown "$UNPRIVILEGED_USER:" "$dir"
	# Up to PostgreSQL 15 TESTDIR, from 16 on the other two.
	cd "$src"
	tally tap prove run_unprivileged env \
		PATH="$bin:$PATH" TMPDIR="$dir" \
		PG_TEST_TIMEOUT_DEFAULT="${PG_TEST_TIMEOUT_DEFAULT:-900}" \
		TESTDIR="$dir" TESTDATADIR="$dir/tmp_check" TESTLOGDIR="$dir/tmp_check/log" \
		PG_REGRESS="$pgxs/src/test/regress/pg_regress" \
		PGCTLTIMEOUT=600 PG_TEST_TIMEOUT_DEFAULT=1200 \
		prove --verbose --jobs "${TEST_JOBS:-2}" -I "$perl" -I test/t "${@#"$TOP"/}"
	rm -rf "$logs/$step-tap"
	mkdir -p "$logs/$step-tap"
	cp -r "$dir/tmp_check/log/." "$logs/$step-tap" || true
	# What a test died of, or the rest of what a failed one had to say.
	# Its lines begin with the time: "[21:03:33.914](0.104s) ok 16 - ...".
	for log in "$logs/$step-tap"/regress_log_*; do
		if grep -qE '^(\[[^ ]*)? ?not ok' "$log" || ! grep -qE '^(\[[^ ]*)? ?1\.\.' "$log"; then
			echo "# the end of $log"
			grep -E -A 8 '^(\[[^ ]*)? ?not ok' "$log" | head -n 40 || true
			tail -n 20 "$log"
		fi
	done
	check_log -r "$logs/$step-tap"
	rm -rf "$dir"
}

step_regress()
{
	local bin

	has_regress || return 0
	bin=$("$TOP/tools/private-install.sh" -t "$tag" -c -Werror "$pg_config")
	regress "$bin"
}

# same_files SRC INSTALLED WHAT: what is installed is what the build in SRC would
# install.
same_files()
{
	local src=$1 installed=$2 so

	so=$(find "$installed" -name vector.so)
	cmp <(nm -D --defined-only "$so" | awk '{ print $3 }') <(nm -D --defined-only "$src/vector.so" | awk '{ print $3 }') || return
	echo "ok 1 - $3: the library has all functions"
	cmp <(cd "$(dirname "$(find "$installed" -name vector.control)")" && cat vector*) \
		<(cat "$src"/build/sql/vector--*.sql "$src"/vector.control) || return
	echo "ok 2 - $3: the control file and the scripts are installed"
}

# objects_of DIR: take the objects of a build in DIR, all but one of each folder. What
# is left to compile shows that each folder's sources are found; how the others are
# compiled is known from that build.
objects_of()
{
	local object folder=

	while IFS= read -r object; do
		if [ "${object%/*}" = "$folder" ]; then
			mkdir -p "$folder"
			cp "$1/$object" "$object"
		fi
		folder=${object%/*}
	done < <(cd "$1" && find src -name '*.o' | sort)
}

# elsewhere BIN DIR [VPATH=...]: a build in the folder DIR, which is empty or has
# objects, links what a build in the sources links, installs what that installs, and
# runs its tests.
elsewhere()
(
	local bin=$1 dir=$2 src
	shift 2
	src=${bin%%/root/*}/src
	mkdir -p "$dir" && cd "$dir" || exit
	make -s -j"$(nproc)" -f "$TOP/Makefile" "$@" PG_CONFIG="$bin/pg_config" COPT=-O0 &&
		make -s -f "$TOP/Makefile" "$@" PG_CONFIG="$bin/pg_config" COPT=-O0 DESTDIR="$dir/installed" install || exit
	same_files "$src" installed "${1:-a Makefile elsewhere}" || exit
	make -s -f "$TOP/Makefile" "$@" PG_CONFIG="$bin/pg_config" \
		installcheck REGRESS='surface domain' ISOLATION=hnsw_vacuum || exit
	echo "ok 3 - ${1:-a Makefile elsewhere}: tests are found from there"
)

# from_zip BIN DIR BUILT: the zip of a release (make dist), unpacked into the empty
# folder DIR, has all sources; with objects of the build in BUILT, it builds and
# installs what a build in the sources does.
from_zip()
(
	local bin=$1 dir=$2 built=$3 zip f lost=0
	mkdir -p "$dir" && cd "$dir" || exit
	zip=$("$TOP/tools/dist.sh" -w "$dir") &&
		unzip -q "$zip" && cd "$(basename "$zip" .zip)" || exit
	while IFS= read -r f; do
		[ ! -f "$TOP/$f" ] || cmp "$TOP/$f" "$f" || lost=1
	done < <(git -C "$TOP" ls-files --cached --others --exclude-standard src sql Makefile vector.control tools/targets.mk)
	[ "$lost" = 0 ] || exit
	objects_of "$built"
	make -s -j"$(nproc)" PG_CONFIG="$bin/pg_config" COPT=-O0 &&
		make -s PG_CONFIG="$bin/pg_config" COPT=-O0 DESTDIR="$dir/installed" install || exit
	same_files "${bin%%/root/*}/src" "$dir/installed" 'the zip of a release' || exit
	echo 'ok 3 - the zip of a release: it has all sources'
)

step_test-vpath()
{
	local bin dir

	has_regress || return 0
	bin=$("$TOP/tools/private-install.sh" -t "$tag" -c -Werror "$pg_config")
	dir=$(mktemp -d "$(tmp_base)/vector-build.XXXXXX")
	at_exit "rm -rf '$dir'"
	server_start "$bin" autovacuum=off
	tally tap 'VPATH build' elsewhere "$bin" "$dir/vpath" "VPATH=$TOP"
	mkdir -p "$dir/by_f"
	(cd "$dir/by_f" && objects_of "$dir/vpath")
	tally tap 'build by make -f' elsewhere "$bin" "$dir/by_f"
	# An unpacked zip has no git, and is what one would be made of.
	[ ! -e "$TOP/.git" ] || tally tap 'build of the zip' from_zip "$bin" "$dir/zip" "$dir/vpath"
	server_stop
}

# Those from 010 on take long, and run on the server with assertions (the step
# tap-assert), but for those that want programs or extensions beside the server,
# which that one does not have; TAP_ALL=1 runs all here, too, where no such server
# is built.
step_tap()
{
	local bin files=(test/t/00*.pl test/t/023_ivf_centroids.pl
		test/t/031_buffer_usage.pl test/t/045_build.pl test/t/047_same_answers.pl test/t/070_scaling.pl)

	has_tap || return 0
	cd "$TOP"
	[ -z "${TAP_ALL:-}" ] || files=(test/t/*.pl)
	bin=$("$TOP/tools/private-install.sh" -t "$tag" -c -Werror "$pg_config")
	tap "$bin" "${files[@]}"
}

# pg_upgrade from this server to 17 and on to 18, which PyPI has.
step_test-upgrade()
{
	local major bin bins=() libs=

	has_tap || return 0
	cd "$TOP"
	. "$TOP/tools/wheel.sh"
	bin=$("$TOP/tools/private-install.sh" -t "$tag" -c -Werror "$pg_config")
	for major in 17 18; do
		[ "$major" -gt "$("$pg_config" --version | sed -E 's/^PostgreSQL ([0-9]+).*/\1/')" ] || continue
		if ! wheel_postgres "$major"; then
			tally plain pg_upgrade echo "PostgreSQL $major: $WHEEL_PROBLEM"$'\n''0 passed, 0 failed, 1 skipped'
			continue
		fi
		bins+=("$bin")
		libs+=${libs:+:}$WHEEL_LIBS
		bin=$("$TOP/tools/private-install.sh" -t "upgrade-$major" -c -Werror "$WHEEL_CONFIG")
	done
	[ ${#bins[@]} -gt 0 ] || return 0
	# They come without PostgreSQL's Perl modules.
	export LD_LIBRARY_PATH=$libs UPGRADE_BINDIRS
	UPGRADE_BINDIRS=$(IFS=: && echo "${bins[*]}")
	TAP_PERL=$(dirname "$("$pg_config" --pgxs)")/../../src/test/perl tap "$bin" test/t/008_pg_upgrade.pl
}

step_test-assert()
{
	local bin server

	has_regress || return 0
	server=$("$TOP/tools/build-postgres.sh" assert "$pg_config")
	bin=$("$TOP/tools/private-install.sh" -t assert -c -Werror "$server")
	# memory that nobody has written holds something else than zeros
	MALLOC_PERTURB_=165 regress "$bin"
}

step_tap-assert()
{
	local bin server

	has_tap || return 0
	cd "$TOP"
	server=$("$TOP/tools/build-postgres.sh" assert "$pg_config")
	bin=$("$TOP/tools/private-install.sh" -t assert -c -Werror "$server")
	tap "$bin" test/t/*.pl
}

step_test-asan()
{
	local bin server

	has_regress || return 0
	server=$("$TOP/tools/build-postgres.sh" asan "$pg_config")
	asan_options
	bin=$("$TOP/tools/private-install.sh" -t asan -c "$asan_flags" "$server")
	regress "$bin"
	# What is read from damaged pages is what AddressSanitizer is for.
	VECTOR_DAMAGE_ROUNDS=1 tap "$bin" test/t/040_damage.pl
}

# package_tests PACKAGE KIND PYTEST_ARGUMENT...: tests of a Python package of tools/.
package_tests()
{
	local package=$1 kind=$2 bin python
	shift 2

	# Without a package index in reach there is nothing to run it with.
	if ! python=$("$TOP/tools/package-venv.sh" "$package" "$kind"); then
		if grep -qE 'from versions: none|NewConnectionError|ConnectTimeout|ReadTimeout|Could not fetch URL|Connection refused|Name or service not known' \
			"$(cache_dir)/$package-$kind/pip.log"; then
			tally pytest "$package" echo "$package: no Python packages can be reached: 1 skipped"
			return 0
		fi
		die "the Python packages of tools/$package cannot be installed"
	fi
	bin=$("$TOP/tools/private-install.sh" -t "$tag" -c -Werror "$pg_config")
	SERVER_KEEP_LOG=$logs/$step-server.log
	server_start "$bin"
	tally pytest "$package" env HF_HUB_OFFLINE=1 "$python" -m pytest -q -p no:cacheprovider \
		--color=no --durations=5 -c "$TOP/tools/$package/pyproject.toml" "$@" "$TOP/tools/$package/tests"
	server_stop
	check_log "$SERVER_KEEP_LOG"
}

# Its own embeddings stand in for a model here.
step_vectorizer()
{
	package_tests vectorizer core -m 'not full'
}

step_test-vectorizer()
{
	package_tests vectorizer full
}

# From files, and from stubs of the servers' interfaces.
step_import()
{
	package_tests import core -m 'not full'
}

# On the CPU; with FAISS and PyTorch where the environment has them.
step_gpu-build()
{
	package_tests gpu-build core
}

# Also with the libraries of the systems that it imports from.
step_test-import()
{
	package_tests import full
}

# The last line of tools/clients.sh: "20 passed, 0 failed, 1 skipped".
count_plain()
{
	tail -n 1 "$1" | sed -nE 's/^([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped$/\1 \2 \3/p' | grep . || echo 0 0 0
}

# Those that are small and quick to install; make test-clients runs all.
step_clients()
{
	tally plain clients "$TOP/tools/clients.sh" --tag "$tag" --quick
}

# One step, in a process of its own: the last line of its log is its counts.
# TAG names the copy of the sources to build it in.
if [ "${1:-}" = --step ]; then
	step=$2
	tag=${3:-test}
	"step_$step"
	printf 'counts: %d %d %d\n' "$passed" "$failed" "$skipped"
	exit 0
fi

[ $# -gt 0 ] || die "usage: $0 STEP..., or --one TEST..."
mkdir -p "$logs"

# Single tests, whatever they are called: hnsw_scan, 040_damage, damage,
# test_text. SERVER=assert or asan picks another server than PG_CONFIG's; TAG names
# the copy of the sources to build in, STEP the folder for logs.
if [ "$1" = --one ]; then
	shift
	step=${STEP:-one} regress=() isolation=() tap=() unit=()
	[ $# -gt 0 ] || die "which test?"
	for name; do
		name=$(basename "$name")
		name=${name%.*}
		found=("$TOP"/test/t/"$name".pl "$TOP"/test/t/[0-9]*_"$name".pl)
		if [ -f "$TOP/test/sql/$name.sql" ]; then
			regress+=("$name")
		elif [ -f "$TOP/test/specs/$name.spec" ]; then
			isolation+=("$name")
		elif [ -f "${found[0]}" ] || [ -f "${found[1]}" ]; then
			[ -f "${found[0]}" ] || found[0]=${found[1]}
			tap+=("${found[0]}")
		elif [ -f "$TOP/test/unit/test_${name#test_}.c" ]; then
			unit+=("test_${name#test_}")
		else
			die "no test is called $name: see test/sql, test/specs, test/t and test/unit"
		fi
	done
	if [ $((${#regress[@]} + ${#isolation[@]} + ${#tap[@]})) -gt 0 ]; then
		copt=-Werror
		if [ -n "${SERVER:-}" ]; then
			pg_config=$("$TOP/tools/build-postgres.sh" "$SERVER" "$pg_config")
			if [ "$SERVER" = asan ]; then
				asan_options
				copt=$asan_flags
			fi
		fi
		bin=$("$TOP/tools/private-install.sh" -t "${SERVER:-${TAG:-test}}" -c "$copt" "$pg_config")
	fi
	for name in ${unit[@]+"${unit[@]}"}; do
		make -s -C "$TOP/test/unit" "../../build/unit/$name"
		tally cmocka "$name" "$TOP/build/unit/$name"
	done
	if [ $((${#regress[@]} + ${#isolation[@]})) -gt 0 ]; then
		regress "$bin" REGRESS="${regress[*]}" ISOLATION="${isolation[*]}"
	fi
	[ ${#tap[@]} -eq 0 ] || tap "$bin" "${tap[@]}"
	echo "$passed passed, $failed failed, $skipped skipped"
	exit $((failed > 0))
fi
exec 8>"$TOP/build/test.lock"
flock -n 8 || {
	say "waiting for another test run in this checkout"
	flock 8
}
"$TOP/tools/install-deps.sh" test "$pg_config"

# report STEP STATUS SECONDS: what a step counted, and the end of its log if
# something failed
report()
{
	local step=$1 rc=$2 seconds=$3 log=$logs/$1.log p f s

	read -r p f s < <(sed -n '$s/^counts: //p' "$log") || {
		# It ended before it could count.
		p=0 f=1 s=0
		echo "FAILED: $step ended with status $rc" >>"$log"
	}
	if [ "$f" -gt 0 ]; then
		echo "==== the end of $log"
		tail -n 100 "$log"
		echo "==== what failed in it"
		grep -hE '^not ok |^#   (Failed|at )|^# (Looks like|.* died)|\(Wstat|Dubious|\.\.\. +(FAILED|failed)|FAILED( |:)' "$log" | head -n 40 || true
		echo "===="
	fi
	printf '%-12s %5d passed %3d failed %3d skipped %5d s\n' \
		"$step" "$p" "$f" "$s" "$seconds"
	passed=$((passed + p))
	failed=$((failed + f))
	skipped=$((skipped + s))
}

# Each step has a session of its own, all of which ends when we do.
jobs=${TEST_JOBS:-2}
waiting=("$@")
declare -A running=() started=()
at_exit 'for pid in "${!running[@]}"; do kill -TERM -- "-$pid" 2>/dev/null; done'
while [ ${#waiting[@]} -gt 0 ] || [ ${#running[@]} -gt 0 ]; do
	if [ ${#waiting[@]} -gt 0 ] && [ ${#running[@]} -lt "$jobs" ]; then
		step=${waiting[0]}
		waiting=("${waiting[@]:1}")
		setsid "$TOP/tools/test.sh" --step "$step" >"$logs/$step.log" 2>&1 </dev/null 8>&- &
		running[$!]=$step
		started[$step]=$SECONDS
		continue
	fi
	rc=0
	wait -n -p pid "${!running[@]}" || rc=$?
	step=${running[$pid]}
	unset "running[$pid]"
	report "$step" "$rc" $((SECONDS - started[$step]))
done

if [ "$skipped" -gt 0 ]; then
	echo "$passed passed, $failed failed, $skipped skipped"
else
	echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ]
