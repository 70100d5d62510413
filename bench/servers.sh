#!/usr/bin/env bash
# Two servers of one PostgreSQL build, side by side: one with this checkout's
# extension, one with Debian's pgvector; run a command against them and stop.
#
#   bench/servers.sh [-v MAJOR] [-o SOURCE | -n] [-p] [-s name=value]... COMMAND...
#
# The command finds them in OURS and PEER, connection strings of Unix sockets.
# -v picks PostgreSQL 17 (default; pgvector 0.8.0) or 18 (pgvector 0.8.7), -s
# adds a server setting, -o builds another checkout, -n leaves ours out, -p the other.
#
# Shared buffers lie in huge pages where as many can be had: they are reserved
# while the servers run. (Without, every visit to memory that is not in a cache
# also waits for the page's address, in a virtual machine twice.)
#
# Both run in the root folder that `tools/versions.sh -r MAJOR` sets up once in the
# cache (needs root), with mounts of their own but this system's processes, so
# that they can be pinned and measured from outside. Ours is built there, in a
# folder for each checkout, apart from what the tests build.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../tools/lib.sh"

major=17 ours=$TOP peer=1
settings=(shared_buffers=2GB maintenance_work_mem=2GB max_wal_size=16GB checkpoint_timeout=1h
	autovacuum=off max_parallel_workers=8)
while getopts v:o:s:np opt; do
	case $opt in
		v) major=$OPTARG ;;
		o) ours=$(cd "$OPTARG" && pwd -P) ;;
		s) settings+=("$OPTARG") ;;
		n) ours= ;;
		p) peer= ;;
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

# reserve_huge_pages BUFFERS: for every server's shared_buffers, until this script
# ends; all or none. What PostgreSQL shares beside is less than a tenth.
reserve_huge_pages()
{
	local control=/proc/sys/vm/nr_hugepages servers=0 had memory wanted

	[ -w $control ] || return 0
	had=$(cat $control)
	memory=$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)
	wanted=$(($(numfmt --from=iec "${1%B}") / 1048576 * 11 / 10 + 64))
	[ -z "$ours" ] || servers=$((servers + 1))
	[ -z "$peer" ] || servers=$((servers + 1))
	wanted=$((wanted / 2 * servers))
	[ $((wanted * 2048)) -lt $((memory * 2 / 3)) ] || {
		say "no huge pages: buffers take more than two thirds of the memory"
		return 0
	}
	sync
	echo 3 >/proc/sys/vm/drop_caches
	echo $((had + wanted)) >$control
	if [ "$(cat $control)" -lt $((had + wanted)) ]; then
		echo "$had" >$control
		say "no huge pages: the kernel has not got $wanted"
		return 0
	fi
	at_exit "echo $had >$control"
}

hosts=$(mktemp -d)
at_exit 'rm -rf "$hosts"'
for setting in "${settings[@]}"; do
	[[ $setting != shared_buffers=* ]] || buffers=${setting#*=}
done
reserve_huge_pages "$buffers"
mkdir -p "$root$sources"
find "$root$sources" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
list_sources "${ours:-$TOP}" | tar -C "${ours:-$TOP}" -cf - -T - | tar -C "$root$sources" -xf -
if [ -n "$ours" ]; then
	built=$(in_root "$sources/tools/private-install.sh" -t bench "$bin/pg_config")
	start OURS "$built"
fi
[ -z "$peer" ] || start PEER "$bin"
"$@"
