#!/usr/bin/env bash
# Two servers of one PostgreSQL build, side by side: one with this checkout's
# extension, one with Debian's pgvector; run a command against them and stop.
#
#   bench/servers.sh [-v MAJOR] [-o SOURCE | -n] [-s name=value]... COMMAND...
#
# The command finds them in OURS and PEER, connection strings of Unix sockets.
# -v picks PostgreSQL 17 (default; pgvector 0.8.0) or 18 (pgvector 0.8.7), -s
# adds a server setting, -o builds another checkout, -n leaves ours out.
#
# Both run in the root folder that `tools/versions.sh -r MAJOR` sets up once in the
# cache (needs root), with mounts of their own but this system's processes, so
# that they can be pinned and measured from outside. Ours is built there, in a
# folder for each checkout, apart from what the tests build.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../tools/lib.sh"

major=17 ours=$TOP
settings=(shared_buffers=2GB maintenance_work_mem=2GB max_wal_size=16GB checkpoint_timeout=1h
	autovacuum=off max_parallel_workers=8)
while getopts v:o:s:n opt; do
	case $opt in
		v) major=$OPTARG ;;
		o) ours=$(cd "$OPTARG" && pwd -P) ;;
		s) settings+=("$OPTARG") ;;
		n) ours= ;;
		*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || die "no command"

root=$(find "$(cache_dir)" -maxdepth 1 -name "debian-*-pg$major")
[ -d "$root" ] || die "no root of PostgreSQL $major: run tools/versions.sh -r $major"
bin=/usr/lib/postgresql/$major/bin
sources=/vector-bench-$(printf %s "${ours:-$TOP}" | cksum | cut -d' ' -f1)

# in_root COMMAND...
in_root()
{
	# shellcheck disable=SC2016
	exec unshare --mount --propagation private bash -c '
		set -e
		root=$1
		shift
		mount -t proc proc "$root/proc"
		mkdir -p "$root/dev/shm"
		mount -t tmpfs tmpfs "$root/dev/shm"
		exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 "$@"
	' in_root "$root" "$@"
}

# start VARIABLE BINDIR: a server that ends when this script does and with it the
# pipe it reads; put the connection string into VARIABLE.
start()
{
	local keep pid host=

	: >"$hosts/$1"
	# shellcheck disable=SC2016
	exec {keep}> >(in_root bash -c '
		. "$1/tools/server.sh"
		server_start "${@:2}" >&2
		echo "$PGHOST"
		read -r' server "$sources" "$2" "${settings[@]}" >"$hosts/$1")
	pid=$!
	at_exit "exec $keep>&-; wait $pid"
	until read -r host <"$hosts/$1"; do
		kill -0 "$pid" 2>/dev/null || die "the server did not start"
		sleep 0.1
	done
	export "$1=host=$root$host port=5432 user=postgres dbname=postgres"
}

hosts=$(mktemp -d)
at_exit 'rm -rf "$hosts"'
mkdir -p "$root$sources"
find "$root$sources" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
list_sources "${ours:-$TOP}" | tar -C "${ours:-$TOP}" -cf - -T - | tar -C "$root$sources" -xf -
if [ -n "$ours" ]; then
	built=$(in_root "$sources/tools/private-install.sh" -t bench "$bin/pg_config")
	start OURS "$built"
fi
start PEER "$bin"
"$@"
