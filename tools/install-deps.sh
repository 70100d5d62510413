#!/usr/bin/env bash
# Install what is missing from Debian's packages, and nothing else.
#
#   tools/install-deps.sh demo|test|versions|valgrind|bench|deb|rpm [PG_CONFIG]
#
# demo: a server, its headers, a compiler. test: also what the tests use.
# versions: also what tools/versions.sh uses. valgrind: also valgrind. bench: what bench/bench.sh uses.
# deb: what builds the Debian packages, no server. rpm: what builds the RPM. A PG_CONFIG outside Debian's
# /usr/lib/postgresql brings its own server, so none is installed then.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[ $# -ge 1 ] || die "usage: $0 demo|test|versions|valgrind|bench|deb|rpm [PG_CONFIG]"
set_name=$1
pg_config=${2:-pg_config}

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
	say "${0##*/}: no Debian here; going on with what is installed"
	exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
	as_root=(sudo -n)
fi

# missing PACKAGE...: those of them that are not installed.
missing()
{
	local installed p
	installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null |
		sed -n 's/ installed$//p') || true
	for p in "$@"; do
		grep -qxF "$p" <<<"$installed" || echo "$p"
	done
}

apt_updated=
apt_install()
{
	local cmd=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -q
		--no-install-recommends "$@")

	if [ "$(id -u)" -ne 0 ] && ! sudo -n true 2>/dev/null; then
		die "not root, and sudo asks for a password; please run: sudo apt-get install --no-install-recommends $*"
	fi
	if [ -z "$apt_updated" ]; then
		log_run "$log" ${as_root[@]+"${as_root[@]}"} apt-get update -q
		apt_updated=1
	fi
	say "installing $*"
	log_run "$log" ${as_root[@]+"${as_root[@]}"} "${cmd[@]}"
}

log=$(mktemp)
at_exit "rm -f '$log'"

# The server's major version: the one pg_config belongs to, else Debian's.
major=
own_server=
if command -v "$pg_config" >/dev/null && [ -f "$("$pg_config" --pgxs)" ]; then
	major=$("$pg_config" --version | sed -E 's/^PostgreSQL ([0-9]+).*/\1/')
	case $("$pg_config" --bindir) in
		/usr/lib/postgresql/*) ;;
		*) own_server=1 ;;
	esac
elif [ $# -ge 2 ] && [ "$2" != pg_config ]; then
	die "$2 is no pg_config with server headers beside it"
else
	default_major()
	{
		apt-cache depends postgresql 2>/dev/null |
			sed -nE 's/^ *Depends: postgresql-([0-9]+)$/\1/p' | head -n 1
	}
	major=$(default_major)
	if [ -z "$major" ]; then
		log_run "$log" ${as_root[@]+"${as_root[@]}"} apt-get update -q
		apt_updated=1
		major=$(default_major)
	fi
	[ -n "$major" ] || die "Debian's package lists know no postgresql"
fi

packages=(make gcc libc6-dev gzip libopenblas0-serial)
[ -n "$own_server" ] || packages+=("postgresql-$major" "postgresql-server-dev-$major")
case $set_name in
	demo) ;;
	deb) packages=(build-essential debhelper fakeroot postgresql-server-dev-all) ;;
	rpm) packages+=(rpm cpio gawk) ;;
	bench) packages+=(g++ python3-venv python3-dev libpq-dev debootstrap) ;;
	test | versions | valgrind)
		# clang for the fuzzers; IPC::Run and prove for the TAP tests;
		# bzip2 and bison, flex for the server built from source; an
		# ARM compiler and emulator for the other kernels; psycopg2 for
		# random cases.
		packages+=(libcmocka-dev clang libclang-rt-dev perl libipc-run-perl
			bzip2 unzip gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user python3-venv python3-psycopg2)
		# Source tarballs up to 16 carry the generated parsers.
		[ "$major" -lt 17 ] || packages+=(bison flex pkg-config)
		case $set_name in
			versions) packages+=(debootstrap python3-pip) ;;
			valgrind) packages+=(valgrind) ;;
		esac
		;;
	*) die "unknown set $set_name" ;;
esac

mapfile -t wanted < <(missing "${packages[@]}")
[ ${#wanted[@]} -gt 0 ] || exit 0

# Debian's postgresql-N makes and starts a cluster when it is first installed.
# We want none: say so in the place postgresql-common reads it from, for as
# long as the installation takes.
if printf '%s\n' "${wanted[@]}" | grep -qxF "postgresql-$major"; then
	if [ -n "$(missing postgresql-common)" ]; then
		apt_install postgresql-common
	fi
	conf=/etc/postgresql-common/createcluster.d
	${as_root[@]+"${as_root[@]}"} sh -c "mkdir -p $conf &&
		echo 'create_main_cluster = false' >$conf/zz-vector-tests.conf"
	at_exit "${as_root[*]-} sh -c 'rm -f $conf/zz-vector-tests.conf; rmdir $conf 2>/dev/null; true'"
fi

apt_install "${wanted[@]}"
