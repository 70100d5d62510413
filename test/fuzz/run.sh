#!/bin/sh
# Fuzz the parsers of src/math/text with libFuzzer and the sanitizers.
#
#   test/fuzz/run.sh [SECONDS]		SECONDS of new inputs a target, 10 unless told
#
# A target's corpus (test/fuzz/corpus/TARGET) is run first and must pass.  New
# finds go to build/fuzz/TARGET.new, inputs that fail to build/fuzz/TARGET-*;
# the corpus in git changes by hand only.  CLANG names another clang.

set -u
seconds=${1:-10}
case $seconds in
	'' | *[!0-9]*) echo "usage: $0 [SECONDS]" >&2; exit 2 ;;
esac
cd "$(dirname "$0")/../.." || exit 2
here=test/fuzz
out=build/fuzz
mkdir -p "$out" || exit 2

clang=${CLANG:-}
if [ -z "$clang" ]; then
	for c in clang clang-19 clang-18 clang-17 clang-16 clang-15 clang-14 clang-13; do
		if command -v "$c" >/dev/null 2>&1; then
			clang=$c
			break
		fi
	done
fi
if [ -z "$clang" ] || ! command -v "$clang" >/dev/null 2>&1; then
	echo "fuzz: no clang here; apt-get install clang-14 libclang-rt-14-dev" >&2
	exit 2
fi

flags="-g -O1 -std=gnu11 -Wall -Wextra -Werror -fno-math-errno -fno-omit-frame-pointer"
flags="$flags -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -Isrc"

# The sanitizers' runtime is a package of its own
echo 'int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n); int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { (void) d; (void) n; return 0; }' >"$out/probe.c"
if ! "$clang" $flags -o "$out/probe" "$out/probe.c" 2>"$out/probe.log"; then
	major=$("$clang" -dumpversion | cut -d. -f1)
	cat "$out/probe.log" >&2
	echo "fuzz: $clang cannot link libFuzzer; apt-get install libclang-rt-$major-dev" >&2
	exit 2
fi

passed=0
failed=0

# target name, its source, its flags and the longest input
fuzz()
{
	name=$1 source=$2 defines=$3 max_len=$4
	corpus=$here/corpus/$name
	new=$out/$name.new
	mkdir -p "$new"

	if ! "$clang" $flags $defines -o "$out/$name" "$here/$source" src/math/text/*.c -lm; then
		echo "fuzz: $name: does not build"
		failed=$((failed + 1))
		return
	fi

	if ! ls "$corpus"/* >/dev/null 2>&1; then
		echo "fuzz: $name: no corpus at $corpus"
		failed=$((failed + 1))
		return
	fi
	if ! "$out/$name" -artifact_prefix="$out/$name-" "$corpus"/* >"$out/$name.log" 2>&1; then
		tail -40 "$out/$name.log"
		echo "fuzz: $name: the corpus fails"
		failed=$((failed + 1))
		return
	fi

	if [ "$seconds" -gt 0 ] &&
		! "$out/$name" -artifact_prefix="$out/$name-" -max_total_time="$seconds" \
			-max_len="$max_len" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
			"$new" "$corpus" >"$out/$name.log" 2>&1; then
		tail -40 "$out/$name.log"
		echo "fuzz: $name: fails; the input is kept as $out/$name-*"
		failed=$((failed + 1))
		return
	fi

	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$out/$name.log")
	echo "fuzz: $name: $(ls "$corpus" | wc -l) kept inputs, ${runs:-0} runs"
	passed=$((passed + 1))
}

fuzz decimal decimal.c "" 600
fuzz dense_text_f32 dense_text.c "-DLIMIT=INFINITY" 1000
fuzz dense_text_f16 dense_text.c "-DLIMIT=65520.0f" 1000
fuzz sparse_text sparse_text.c "" 1000
fuzz dense_wire_f32 dense_wire.c "" 400
fuzz dense_wire_f16 dense_wire.c "-DHALF" 400
fuzz sparse_wire sparse_wire.c "" 400

echo "fuzz: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
