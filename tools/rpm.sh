#!/usr/bin/env bash
# make rpm: an RPM of the files in the checkout, for the version of PostgreSQL that
# PG_CONFIG names; prints where it lies, in build/rpm.
#
# rpmbuild knows what is installed by its own database only; where that is not the
# system's, as on Debian, it is told not to look.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

pg_config=${1:-${PG_CONFIG:-pg_config}}
"$TOP/tools/install-deps.sh" rpm "$pg_config"
version=$(sed -n "s/^default_version = '\(.*\)'/\1/p" "$TOP/vector.control")
home=$(build_dir)/rpm
rm -rf "$home"
mkdir -p "$home/SOURCES"

options=()
[ ! -e /etc/debian_version ] || options=(--nodeps)
list_sources "$TOP" | tar -C "$TOP" --transform "s,^,vector-$version/," -czf "$home/SOURCES/vector-$version.tar.gz" -T -
log_run "$home/build.log" rpmbuild -bb "${options[@]}" \
	--define "_topdir $home" \
	--define "pgmajor $("$pg_config" --version | sed -E 's/^PostgreSQL ([0-9]+).*/\1/')" \
	--define "pgconfig $(command -v "$pg_config")" \
	"$TOP/tools/rpm/vector.spec"
find "$home/RPMS" -name '*.rpm'
