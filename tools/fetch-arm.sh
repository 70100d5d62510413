#!/usr/bin/env bash
# Unpack Debian packages of another architecture, 64-bit ARM or FETCH_ARCH, into
# the cache folder, without telling this system about that architecture; print the
# root they are in.
#
#   tools/fetch-arm.sh PACKAGE...

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[ $# -gt 0 ] || die "usage: $0 PACKAGE..."
cache=$(cache_dir)
arch=${FETCH_ARCH:-arm64}
root=$cache/$arch
mkdir -p "$root"
exec 9>"$cache/$arch.lock"
flock 9

fetch()
{
	local deb

	private_apt deb "$work" -o APT::Architecture=$arch -o APT::Architectures::=$arch \
		-o Dir::State::status=/dev/null &&
		cd "$work" &&
		apt-get "${PRIVATE_APT[@]}" download "$@" || return
	for deb in *.deb; do
		dpkg-deb -x "$deb" "$root" || return
	done
}

if [ "$(cat "$root/.packages" 2>/dev/null)" != "$*" ]; then
	work=$(mktemp -d "$cache/apt.XXXXXX")
	at_exit "rm -rf '$work'"
	log_run "$cache/$arch.log" fetch "$@" || exit 1
	echo "$*" >"$root/.packages"
fi
echo "$root"
