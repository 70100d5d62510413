#!/usr/bin/env bash
# make test-versions: build with -Werror and run the regression and TAP tests on
# the major versions of PostgreSQL that this Debian does not have.
#
#   tools/versions.sh [-r] [MAJOR...]	by default 16 17 18
#
# -r only sets up what is missing and tests nothing (for bench/).
#
# 17 and 18 come from later releases of Debian, each in a root folder of its own
# kept in the cache (tools/root.sh). Needs root.
#
# 16 is in no release of Debian. The PyPI package pgserver holds a complete
# build of it, headers included, which runs on any Linux.
#
# 14 is missing: no package registry was found to hold its headers.
#
# Every version must at least build, start and report a result: whatever does
# not counts as a failure.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$TOP/tools/root.sh"

roots_only=
needs=versions
while getopts r opt; do
	case $opt in
		r) roots_only=1 needs=bench ;;
		*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
versions=("$@")
[ $# -gt 0 ] || versions=(16 17 18)
logs=$TOP/build/test-logs
passed=0 failed=0 skipped=0
mkdir -p "$logs"

# make_root ROOT RELEASE MAJOR: a Debian with that PostgreSQL and a compiler. As
# peer for benchmarks, Debian's own pgvector where the release has one.
make_root()
{
	local root=$1 release=$2 major=$3

	bare_root "$root.new" "$release" || return
	in_root "$root.new" apt-get install -y -q --no-install-recommends \
		gcc libc6-dev make perl libipc-run-perl \
		"postgresql-$major" "postgresql-server-dev-$major" || return
	in_root "$root.new" apt-get install -y -q --no-install-recommends "postgresql-$major-pgvector" ||
		echo "no pgvector for $major in $release"
	in_root "$root.new" apt-get clean
	mv "$root.new" "$root"
}

# copy_sources DIR
copy_sources()
{
	mkdir -p "$1"
	find "$1" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
	list_sources "$TOP" | tar -C "$TOP" -cf - -T - | tar -C "$1" -xf -
}

debian_version()
{
	local major=$1 release=$2 root step

	[ "$(id -u)" -eq 0 ] || {
		echo "PostgreSQL $major: skipped, needs root"
		return
	}
	root=$(cache_dir)/debian-$release-pg$major
	if [ ! -d "$root" ]; then
		"$TOP/tools/install-deps.sh" "$needs"
		say "setting up PostgreSQL $major in $root, once"
		log_run "$logs/version-$major-root.log" make_root "$root" "$release" "$major" || {
			echo "PostgreSQL $major: FAILED to set up Debian $release"
			failed=$((failed + 1))
			return
		}
	fi
	[ -z "$roots_only" ] || return 0
	copy_sources "$root/vector"
	for step in regress tap; do
		run_step "$major" "$step" in_root "$root" \
			env TAP_ALL=1 PG_CONFIG="/usr/lib/postgresql/$major/bin/pg_config" \
			/vector/tools/test.sh --step "$step" test
	done
}

# run_step MAJOR STEP COMMAND...
run_step()
{
	local major=$1 step=$2 log p f s
	shift 2

	log=$logs/version-$major-$step.log
	# How it ended is in its last line, or that is missing.
	"$@" >"$log" 2>&1 </dev/null || true
	read -r p f s < <(sed -n '$s/^counts: //p' "$log") || p=0 f=1 s=0
	if [ "$f" -gt 0 ]; then
		echo "==== the end of $log"
		tail -n 60 "$log"
		echo "===="
	fi
	printf 'PostgreSQL %s, %-7s %5d passed %3d failed %3d skipped\n' "$major" "$step" "$p" "$f" "$s"
	passed=$((passed + p))
	failed=$((failed + f))
	skipped=$((skipped + s))
}

# fetch_pgserver DIR
fetch_pgserver()
{
	rm -rf "$1.new" &&
		mkdir -p "$1.new" &&
		cd "$1.new" &&
		python3 -m pip download -q --no-deps --only-binary :all: --python-version 3.11 \
			--platform manylinux2014_x86_64 --platform manylinux_2_17_x86_64 pgserver==0.1.4 &&
		python3 -m zipfile -e ./*.whl . &&
		rm ./*.whl &&
		chmod +x pgserver/pginstall/bin/* \
			pgserver/pginstall/lib/postgresql/pgxs/src/test/*/pg_* \
			pgserver/pginstall/lib/postgresql/pgxs/src/test/isolation/isolationtester \
			pgserver/pginstall/lib/postgresql/pgxs/config/* &&
		mv "$1.new" "$1"
}

pypi_version()
{
	local major=$1 dir step older

	[ "$(uname -m)" = x86_64 ] || {
		echo "PostgreSQL $major: skipped, only built for x86_64"
		return
	}
	dir=$(cache_dir)/pypi-pg$major
	if [ ! -d "$dir" ]; then
		"$TOP/tools/install-deps.sh" versions
		say "fetching PostgreSQL $major, once"
		log_run "$logs/version-$major-root.log" fetch_pgserver "$dir" || {
			echo "PostgreSQL $major: FAILED to fetch pgserver"
			failed=$((failed + 1))
			return
		}
	fi
	[ -z "$roots_only" ] || return 0
	# It comes without PostgreSQL's Perl modules: those of the version at
	# hand run its tests as well. That one is also what pg_upgrade starts from.
	older=$("$TOP/tools/private-install.sh" -t test -c -Werror)
	for step in regress tap; do
		run_step "$major" "$step" env \
			LD_LIBRARY_PATH="$dir/pgserver.libs" OLD_BINDIR="$older" \
			PG_CONFIG="$dir/pgserver/pginstall/bin/pg_config" \
			TAP_ALL=1 TAP_PERL="$(dirname "$(pg_config --pgxs)")/../../src/test/perl" \
			"$TOP/tools/test.sh" --step "$step" "test-$major"
	done
}

for major in "${versions[@]}"; do
	case $major in
		16) pypi_version 16 ;;
		17) debian_version 17 trixie ;;
		18) debian_version 18 sid ;;
		*) die "no source of PostgreSQL $major" ;;
	esac
done
[ -z "$roots_only" ] || exit "$((failed > 0))"
echo "PostgreSQL 14: not tested, its headers are in no package registry we know"
if [ "$skipped" -gt 0 ]; then
	echo "$passed passed, $failed failed, $skipped skipped"
else
	echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ]
