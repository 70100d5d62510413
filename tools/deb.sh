#!/usr/bin/env bash
# make deb: Debian packages of the files in the checkout, one for each version of
# PostgreSQL that Debian's pg_buildext finds headers for; prints where they lie,
# in build/deb.
#
# debian/control is made from debian/control.in for these versions. Everything
# happens in a copy of the sources. The regression tests, which take long, do not
# run; they do where dpkg-buildpackage is called by itself.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

"$TOP/tools/install-deps.sh" deb
version=$(sed -n "s/^default_version = '\(.*\)'/\1/p" "$TOP/vector.control")
home=$(build_dir)/deb
src=$home/postgresql-vector-$version
rm -rf "$home"
mkdir -p "$src"

# copy_sources: those that git knows or would take; from an unpacked zip, all.
copy_sources()
{
	cd "$TOP"
	if [ -e .git ]; then
		git ls-files -z --cached --others --exclude-standard
	else
		find . -path ./build -prune -o -type f ! -name '*.o' ! -name '*.so' -print0
	fi | tar --null --files-from=- --ignore-failed-read -cf - | tar -C "$src" -xf -
}

build()
{
	cd "$src" &&
		pg_buildext updatecontrol &&
		DEB_BUILD_OPTIONS="nocheck parallel=$(nproc)" dpkg-buildpackage -b -us -uc
}

copy_sources
log_run "$home/build.log" build
ls "$home"/*.deb
