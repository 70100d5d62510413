#!/usr/bin/env bash
# The unit tests, or regression tests, under valgrind's memcheck.
#
#	tools/valgrind.sh unit [TEST...]	test_keys, say; by default all
#	tools/valgrind.sh regress [TEST...]	hnsw_scan, say; by default a few
#
# What memcheck reports fails, but for what PostgreSQL's own list of suppressions
# has: src/tools/valgrind.supp of its source, or VALGRIND_SUPPRESSIONS. A server
# under valgrind takes fifty times as long. It is that with assertions, which knows
# nothing of valgrind: memory contexts hide some of what is read too far, and what
# AddressSanitizer finds (make test-asan) is found there.
#
# valgrind 3.19 has no AVX-512, so kernels are those of AVX2.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/server.sh"

command -v valgrind >/dev/null || die "no valgrind here"
what=${1:-unit}
shift || true
out=$TOP/build/valgrind
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
		pg_config=$("$TOP/tools/build-postgres.sh" assert "${PG_CONFIG:-pg_config}")
		bin=$("$TOP/tools/private-install.sh" -t assert -c -Werror "$pg_config")
		supp=${VALGRIND_SUPPRESSIONS:-}
		[ -n "$supp" ] || die "VALGRIND_SUPPRESSIONS must name src/tools/valgrind.supp of PostgreSQL's source"
		SERVER_KEEP_LOG=$out/server.log
		rm -f "$out"/server.log "$out"/memcheck.*
		chmod 1777 "$out"
		# in the place of the server's program one that runs it
		cat >"$out/postgres" <<-END
			#!/bin/sh
			exec valgrind -q --leak-check=no --gen-suppressions=all --suppressions="$supp" \\
				--trace-children=yes --time-stamp=yes --log-file="$out/memcheck.%p" --child-silent-after-fork=no \\
				"$bin/postgres" "\$@"
		END
		chmod 755 "$out/postgres"
		SERVER_PROGRAM=$out/postgres server_start "$bin" shared_buffers=32MB autovacuum=off statement_timeout=0
		createdb valgrind
		export PGDATABASE=valgrind VECTOR_TEST=$TOP/test
		psql -Xqc 'CREATE EXTENSION vector'
		for t; do
			psql -Xqa -v HIDE_TABLEAM=on -f "$TOP/test/sql/$t.sql" >"$out/$t.out" 2>&1 || true
			say "$t: $(cat "$out"/memcheck.* | grep -cE '^==.*(Invalid|Conditional|Use of|Syscall)' || true) reports so far"
		done
		server_stop
		grep -hE '^==.*(Invalid|Conditional|Use of|Syscall)' "$out"/memcheck.* && failed=1
		;;
	*) die "usage: $0 unit|regress [TEST...]" ;;
esac
exit "$failed"
