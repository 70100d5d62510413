#!/usr/bin/env bash
# Build, once, a PostgreSQL that checks itself; print its pg_config.
#
#   tools/build-postgres.sh assert|asan|valgrind [PG_CONFIG]
#
# The source is Debian's source package of the major version PG_CONFIG belongs
# to, fetched through a private package list beside the system's own. Only what
# our tests need is built, and it is kept in the cache folder.
#
# assert: with PostgreSQL's assertions.
# asan: with assertions and AddressSanitizer, which is also told what is
#	palloc'ed, pfree'd and pinned (see asan-valgrind/valgrind/memcheck.h).
# valgrind: with assertions, and it tells Valgrind the same (package valgrind); its
#	list of what is known and harmless is beside it, share/valgrind.supp.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[ $# -ge 1 ] || die "usage: $0 assert|asan|valgrind [PG_CONFIG]"
flavour=$1
pg_config=${2:-pg_config}
major=$("$pg_config" --version | sed -E 's/^PostgreSQL ([0-9]+).*/\1/')
cache=$(cache_dir)
tools=$TOP/tools

cppflags=
# -g1 has the lines of a backtrace, and compiles in three quarters of the time.
cflags="-O1 -g1 -fno-omit-frame-pointer"
case $flavour in
	assert) ;;
	asan)
		cflags+=" -fsanitize=address"
		# configure runs programs that leak.
		export ASAN_OPTIONS=detect_leaks=0
		;;
	valgrind) cppflags=-DUSE_VALGRIND ;;
	*) die "unknown flavour $flavour" ;;
esac

prefix=$cache/pg-$major-$flavour

# Fetch the source package into the current folder. Mirrors do not always hold
# what their lists promise: the newest version that is there will do.
fetch_source()
{
	local version

	private_apt deb-src "$work/apt" || return
	for version in $(apt-cache "${PRIVATE_APT[@]}" showsrc "postgresql-$major" |
		sed -n 's/^Version: //p' | sort -Vr -u); do
		apt-get "${PRIVATE_APT[@]}" source --download-only "postgresql-$major=$version" && return
	done
	return 1
}

build()
{
	local dirs d

	tar -xf "$1" --strip-components=1 || return
	rm -rf "$prefix"
	if [ "$flavour" = asan ]; then
		mkdir -p "$prefix/include" &&
			cp -r "$tools/asan-valgrind" "$prefix/include/" || return
		cppflags="-DUSE_VALGRIND -I$prefix/include/asan-valgrind"
	fi
	./configure --prefix="$prefix" --enable-cassert --enable-tap-tests \
		--without-readline --without-zlib --without-icu \
		--with-system-tzdata=/usr/share/zoneinfo \
		CFLAGS="$cflags" CPPFLAGS="$cppflags" || return

	make -C src/backend generated-headers || return
	dirs="common port timezone backend backend/utils/mb/conversion_procs
		backend/snowball include interfaces/libpq backend/replication/libpqwalreceiver
		backend/replication/pgoutput fe_utils bin/initdb bin/pg_ctl bin/psql
		bin/pg_dump bin/pg_basebackup bin/pg_config bin/pg_waldump
		bin/scripts bin/pgbench pl/plpgsql test/regress test/isolation test/perl"
	for d in $dirs; do
		make -j"$(nproc)" -C "src/$d" all || return
		make -C "src/$d" install || return
	done
	make -C config install && make -C src/makefiles install && make -C src install-local
}

exec 9>"$cache/lock"
flock 9

# The stamp names everything the result depends on.
stamp="$major $cflags $(declare -f build | cksum) $(cat "$tools"/asan-valgrind/valgrind/* | cksum) $(gcc --version | head -n 1)"
if [ "$(cat "$prefix/stamp" 2>/dev/null)" = "$stamp" ]; then
	echo "$prefix/bin/pg_config"
	exit 0
fi

work=$(mktemp -d "$cache/build.XXXXXX")
at_exit "rm -rf '$work'"

say "building PostgreSQL $major ($flavour) from source, once"
log=$cache/pg-$major-$flavour.log
source=$cache/source-$major
if ! compgen -G "$source/*.orig.tar.*" >/dev/null; then
	mkdir "$work/source"
	(cd "$work/source" && log_run "$log" fetch_source) || exit 1
	rm -rf "$source"
	mv "$work/source" "$source"
fi
mkdir "$work/src"
(cd "$work/src" && log_run "$log" build "$(find "$source" -name '*.orig.tar.*' ! -name '*.asc')") || exit 1
[ "$flavour" != valgrind ] || cp "$work/src/src/tools/valgrind.supp" "$prefix/share/"
printf '%s\n' "$stamp" >"$prefix/stamp"
echo "$prefix/bin/pg_config"
