#!/usr/bin/env bash
# Static analysis of src/: cppcheck and gcc -fanalyzer.
#
#	tools/analyze.sh [FILE...]	all of src/, or some of its files
#
# Each finding becomes a line without its place in the file, so that it stays the
# same when code above it changes:
#
#	TOOL FILE KIND TEXT
#
# test/analysis/accepted.tsv has those that have been looked at and are no faults,
# with a reason each. Any other one fails, and so does one of the list that is no
# more (when all of src/ is analyzed). The output is in build/analysis.
# The list is that of Debian 12, gcc 12 and cppcheck 2.10; others find other things.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

pg_config=${PG_CONFIG:-pg_config}
accepted=$TOP/test/analysis/accepted.tsv
out=$TOP/build/analysis
cc=${ANALYZER_CC:-gcc}
mkdir -p "$out"
rm -f "$out"/*.gcc
for tool in cppcheck "$cc" "$pg_config"; do
	command -v "$tool" >/dev/null || die "no $tool here"
done

cd "$TOP"
whole=
if [ $# -eq 0 ]; then
	whole=1
	mapfile -t files < <(find src -name '*.c' | sort)
else
	files=("$@")
fi
includes=(-Isrc "-I$("$pg_config" --includedir-server)")
export analyze="$cc -std=gnu11 -D_GNU_SOURCE -DVECTOR_OPENBLAS=\"libopenblas.so.0\" ${includes[*]} -fno-math-errno -fanalyzer -S -o /dev/null"

# A file takes seconds up to a minute.
analyze_one()
{
	$analyze "$1" 2>"$2/$(tr / _ <<<"$1").gcc" || { cat "$2/$(tr / _ <<<"$1").gcc" >&2; return 1; }
}
export -f analyze_one
printf '%s\n' "${files[@]}" |
	xargs -P "${ANALYZE_JOBS:-2}" -I FILE bash -c 'analyze_one FILE "$1"' - "$out"

# PostgreSQL's headers are not read: cppcheck takes their macros for functions.
cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
	--library=posix -Isrc -D__x86_64__ -D__linux__ -DVECTOR_OPENBLAS='"libopenblas.so.0"' \
	--suppress=missingInclude --suppress=unknownMacro --suppress=preprocessorErrorDirective \
	--template='{file}:{line}:{id}:{message}' -j "${ANALYZE_JOBS:-2}" \
	"${files[@]}" 2>"$out/cppcheck.out" || { cat "$out/cppcheck.out" >&2; exit 1; }

{
	cat "$out"/*.gcc | sed -nE 's/^(src\/[^:]+):[0-9]+:[0-9]+: warning: (.*) \[(CWE-[0-9]+\] \[)?-Wanalyzer-([a-z0-9-]+)\]$/gcc\t\1\t\4\t\2/p'
	sed -nE 's/^(src\/[^:]+):[0-9]+:([A-Za-z_0-9]+):(.*)$/cppcheck\t\1\t\2\t\3/p' "$out/cppcheck.out"
} | sed -E 's/_[0-9]+(\(D\))?//g; s/ \[CWE-[0-9]+\]$//' | sort -u >"$out/findings.tsv"
grep -v '^#' "$accepted" | cut -f 1-4 | sort -u >"$out/accepted.tsv"

new=$(comm -23 "$out/findings.tsv" "$out/accepted.tsv")
gone=
[ -z "$whole" ] || gone=$(comm -13 "$out/findings.tsv" "$out/accepted.tsv")
[ -z "$new" ] || printf 'new:\n%s\n' "$new"
[ -z "$gone" ] || printf 'accepted, but not found any more:\n%s\n' "$gone"
say "${#files[@]} files, $(wc -l <"$out/findings.tsv") findings, $(grep -c . <<<"$new" || true) of them new"
[ -z "$new$gone" ]
