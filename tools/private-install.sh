#!/usr/bin/env bash
# Build the extension and install it into a private copy of a PostgreSQL
# installation; print that copy's bin folder.
#
#   tools/private-install.sh [-t TAG] [-c COPT] [-o SOURCE] [PG_CONFIG]
#
# A server looks for its libraries and extensions relative to its own
# executable as long as the folders keep their places relative to each other.
# So a tree that holds copies of the executables and links to everything else
# is a complete installation, pg_config included, into which a plain
# `make install PG_CONFIG=...` works without root and without touching the
# system's.
#
# The sources are copied too, so that objects made for different servers or
# with different flags (COPT, say -Werror) never mix; TAG names the copy (by
# default pg-MAJOR). SOURCE is the checkout to build, by default this one.
# Both steps only do what has changed since the last time.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

tag=
copt=
while getopts t:c:o: opt; do
	case $opt in
		t) tag=$OPTARG ;;
		c) copt=$OPTARG ;;
		o) TOP=$(cd "$OPTARG" && pwd -P) ;;
		*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
pg_config=${1:-pg_config}

command -v "$pg_config" >/dev/null || die "no $pg_config; see tools/install-deps.sh"
pgxs=$("$pg_config" --pgxs)
[ -f "$pgxs" ] || die "no server headers for $pg_config; see tools/install-deps.sh"
version=$("$pg_config" --version)
: "${tag:=pg-$(sed -E 's/^PostgreSQL ([0-9]+).*/\1/' <<<"$version")}"

home=$(build_dir)/$tag
mkdir -p "$home"
# One at a time: the checkout may be shared.
exec 9>"$home/lock"
flock 9

tree=$home/root
src=$home/src
bindir=$("$pg_config" --bindir)
sharedir=$("$pg_config" --sharedir)
pkglibdir=$("$pg_config" --pkglibdir)

# link_into DIR: a folder of links to DIR's entries, leaving out any other
# installation of the extension.
link_into()
{
	local f
	mkdir -p "$tree$1"
	for f in "$1"/*; do
		case ${f##*/} in
			vector.so | vector.control | vector--*.sql) ;;
			*) ln -sfn "$f" "$tree$1/" ;;
		esac
	done
}

# The tree. Its stamp tells a minor upgrade of the server apart.
stamp="$version $(stat -L -c '%Y %s' "$bindir/postgres" "$pkglibdir/plpgsql.so" | tr '\n' ' ')"
if [ "$(cat "$home/tree.stamp" 2>/dev/null)" != "$stamp" ]; then
	rm -rf "$tree"
	mkdir -p "$tree$(dirname "$bindir")"
	cp -rL "$bindir" "$tree$bindir"
	link_into "$pkglibdir"
	link_into "$sharedir"
	rm -f "$tree$sharedir/extension"
	link_into "$sharedir/extension"
	# What an extension is compiled with lies outside these three when the
	# server came from a distribution.
	for dir in "$("$pg_config" --includedir)" "$("$pg_config" --pkgincludedir)" \
		"$("$pg_config" --includedir-server)" "$(dirname "$(dirname "$(dirname "$pgxs")")")"; do
		if [ -d "$dir" ] && [ ! -e "$tree$dir" ]; then
			mkdir -p "$tree$(dirname "$dir")"
			ln -sfn "$dir" "$tree$dir"
		fi
	done
	printf '%s\n' "$stamp" >"$home/tree.stamp"
fi
private=$tree$bindir/pg_config
[ "$("$private" --pkglibdir)" = "$tree$pkglibdir" ] ||
	die "this PostgreSQL cannot be relocated: $("$private" --pkglibdir) is not below $tree"

# The sources. Only files whose content differs are written, with the time of
# now: an edit during a build can then never look older than the object.
mkdir -p "$src"
while IFS= read -r f; do
	if ! cmp -s "$TOP/$f" "$src/$f"; then
		mkdir -p "$src/$(dirname "$f")"
		cp "$TOP/$f" "$src/$f"
	fi
done < <(list_sources "$TOP")
while IFS= read -r f; do
	# make would not relink for an object less.
	rm -f "$src/$f" "$src/${f%.c}.o" "$src"/*.so
done < <(comm -13 <(list_sources "$TOP" | sort) <(list_sources "$src" | sort))

# Is what has been built what is installed? Then it stays, for servers that run.
installed()
{
	local f

	cmp -s vector.so "$tree$pkglibdir/vector.so" || return
	for f in vector.control {,build/}sql/vector--*.sql test/upgrade/vector--*.sql; do
		[ ! -e "$f" ] || cmp -s "$f" "$tree$sharedir/extension/${f##*/}" || return
	done
}

build()
{
	local flags

	cd "$src" || return
	flags="$stamp $("${CC:-gcc}" --version | head -n 1) $copt"
	if [ "$(cat "$home/flags.stamp" 2>/dev/null)" != "$flags" ]; then
		make -s PG_CONFIG="$private" clean || return
		printf '%s\n' "$flags" >"$home/flags.stamp"
	fi
	# Those of another version would stay.
	rm -f build/sql/vector--*.sql
	make -s -j"$(nproc)" PG_CONFIG="$private" COPT="$copt" all || return
	installed && return
	# No script of a version that the sources no longer have; those of earlier
	# versions, so that tests can update from them.
	rm -f "$tree$sharedir"/extension/vector--*.sql
	make -s PG_CONFIG="$private" COPT="$copt" install || return
	if compgen -G 'test/upgrade/vector--*.sql' >/dev/null; then
		install -m 644 test/upgrade/vector--*.sql "$tree$sharedir/extension/"
	fi
}
log_run "$home/build.log" build || exit 1

echo "$tree$bindir"
