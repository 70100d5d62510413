#!/usr/bin/env bash
# make test-deb: build the Debian package in a root of its own, install it in a
# clean one, where it takes the place of a pgvector package, use it and remove it.
#
#   tools/deb-test.sh [RELEASE MAJOR]	by default bookworm 15
#
# The roots are kept in the cache; each run works on copies. Needs root.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$TOP/tools/root.sh"

release=${1:-bookworm} major=${2:-15}
[ "$(id -u)" -eq 0 ] || die "needs root"
root=$(cache_dir)/debian-$release-deb$major
log=$TOP/build/test-logs/deb-$release.log

make_roots()
{
	bare_root "$root.new" "$release" &&
		in_root "$root.new" apt-get install -y -q --no-install-recommends "postgresql-$major" || return
	rm -rf "$root-clean"
	cp -a "$root.new" "$root-clean"
	in_root "$root.new" apt-get install -y -q --no-install-recommends \
		build-essential debhelper fakeroot lintian postgresql-server-dev-all || return
	mv "$root.new" "$root"
}

if [ ! -d "$root" ]; then
	"$TOP/tools/install-deps.sh" versions
	say "setting up $root, once"
	log_run "$log" make_roots
fi

# In the root for builds, as somebody who builds packages would
package()
{
	mkdir -p "$root/vector"
	find "$root/vector" -mindepth 1 -delete
	list_sources "$TOP" | tar -C "$TOP" -cf - -T - | tar -C "$root/vector" -xf -
	in_root "$root" /vector/tools/deb.sh
}
log_run "$log" package
deb=$(find "$root/vector/build/deb" -name "postgresql-$major-vector_*.deb")
[ -f "$deb" ] || die "no package for PostgreSQL $major; see $log"
in_root "$root" lintian --allow-root --fail-on error --suppress-tags initial-upload-closes-no-bugs "${deb#"$root"}"

trial=$root-trial
rm -rf "$trial"
at_exit "rm -rf '$trial'"
cp -a "$root-clean" "$trial"
cp "$deb" "$trial/"
cp "$TOP/tools/deb-trial.sh" "$trial/"
in_root "$trial" bash /deb-trial.sh "$major" "/${deb##*/}"
