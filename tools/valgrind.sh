#!/usr/bin/env bash
# The unit tests, or regression tests, under valgrind's memcheck.
#
#	tools/valgrind.sh unit [TEST...]	test_keys, say; by default all
#	tools/valgrind.sh regress [TEST...]	hnsw_scan, say; by default a few
#
# What memcheck reports fails, but for what PostgreSQL's own list of suppressions
# has. The server is one with assertions that tells valgrind of its memory: a read
# past a palloc'ed chunk, of a freed one or of a page that is not pinned is reported,
# and so is what depends on memory that nobody has written. A test that differs from
# its expected output fails, too, so that one which did not run is none that passed.
#
# A server under valgrind takes fifty times as long; VALGRIND_TIMEOUT bounds a test,
# in seconds. Reports are in build/valgrind-reports, one folder for each test.
#
# valgrind 3.19 has no AVX-512, so kernels are those of AVX2.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/server.sh"

what=${1:-unit}
shift || true
"$TOP/tools/install-deps.sh" valgrind "${PG_CONFIG:-pg_config}"
out=$(build_dir)/valgrind-reports
mkdir -p "$out"
failed=0

case $what in
	unit)
		# fewer decimals, as emulated
		make -s -j2 -C "$TOP/test/unit" all CROSS=valgrind CFLAGS='-O1 -g'
		if [ $# -eq 0 ]; then
			for t in "$TOP"/test/unit/test_*.c; do set -- "$@" "$(basename "$t" .c)"; done
		fi
		for t; do
			rc=0
			valgrind -q --error-exitcode=99 --track-origins=yes --log-file="$out/$t.log" \
				"$TOP/build/unit-valgrind/$t" >"$out/$t.out" 2>&1 || rc=$?
			errors=$(grep -cE '^==[0-9]+== (Invalid|Conditional|Use of|Syscall|Mismatched|Source and)' "$out/$t.log" || true)
			say "$t: status $rc, $errors reports, $(sed -nE 's/^\[  PASSED  \] ([0-9]+).*/\1/p' "$out/$t.out" | head -n 1) tests passed"
			[ "$rc" -eq 0 ] || failed=1
		done
		;;
	regress)
		[ $# -gt 0 ] || set -- types functions hnsw_scan ivf_scan flat sparse_inverted
		pg_config=$("$TOP/tools/build-postgres.sh" valgrind "${PG_CONFIG:-pg_config}")
		bin=$("$TOP/tools/private-install.sh" -t valgrind -c -Werror "$pg_config")
		# In the place of the server's program, one that runs it. The origin of
		# undefined values costs half as much time again: VALGRIND_OPTIONS.
		cat >"$out/postgres" <<-END
			#!/bin/sh
			exec valgrind -q --leak-check=no --error-limit=no --gen-suppressions=all --num-callers=24 \\
				--suppressions="$(dirname "$(dirname "$pg_config")")/share/valgrind.supp" \\
				--trace-children=yes --time-stamp=yes --log-file="\$VALGRIND_LOGS/memcheck.%p" ${VALGRIND_OPTIONS:-} \\
				"$bin/postgres" "\$@"
		END
		chmod 755 "$out/postgres"
		for t; do
			rm -rf "${out:?}/$t"
			mkdir -m 1777 "$out/$t"
			began=$SECONDS
			rc=0
			export VALGRIND_LOGS=$out/$t
			SERVER_KEEP_LOG=$out/$t/server.log
			SERVER_PROGRAM=$out/postgres
			server_start "$bin" shared_buffers=32MB autovacuum=off vector_test.part=3
			timeout "${VALGRIND_TIMEOUT:-3600}" make -C "${bin%%/root/*}/src" installcheck PG_CONFIG="$bin/pg_config" \
				REGRESS="$t" ISOLATION= >"$out/$t/out" 2>&1 </dev/null || rc=$?
			cp "${bin%%/root/*}/src/regression.diffs" "$out/$t/" 2>/dev/null || true
			server_stop
			count=$(find "$out/$t" -name 'memcheck.*' -exec cat {} + | grep -cF '<insert_a_suppression_name_here>' || true)
			say "$t: status $rc, $count reports, $((SECONDS - began)) s"
			[ "$rc" -eq 0 ] && [ "$count" -eq 0 ] || failed=1
		done
		;;
	*) die "usage: $0 unit|regress [TEST...]" ;;
esac
exit "$failed"
