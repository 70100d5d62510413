#!/usr/bin/env bash
# make test-rpm: build the RPM, and compare what it would install with what
# `make install` installs.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

pg_config=${PG_CONFIG:-pg_config}
major=$("$pg_config" --version | sed -E 's/^PostgreSQL ([0-9]+).*/\1/')
rpm=$("$TOP/tools/rpm.sh" "$pg_config")
bin=$("$TOP/tools/private-install.sh" -t test -c -Werror "$pg_config")
src=${bin%%/root/*}/src
here=$(mktemp -d "$(tmp_base)/vector-rpm.XXXXXX")
at_exit "rm -rf '$here'"

step()
{
	echo "ok $((++steps)) - $1"
}
steps=0

query()
{
	rpm --dbpath "$here/db" -qp "$@" "$rpm"
}

[ "$(query --queryformat '%{NAME}')" = "postgresql$major-vector" ]
query --conflicts | grep -qx "pgvector_$major"
query --recommends | grep -q openblas
query --requires | grep -qx "postgresql$major-server"
if query --requires | grep -qi blas; then exit 1; fi
step 'its name, and what it needs and excludes'

mkdir "$here/installed" "$here/unpacked"
make -s -C "$src" install PG_CONFIG="$pg_config" DESTDIR="$here/installed" >/dev/null
(cd "$here/unpacked" && rpm2cpio "$rpm" | cpio --quiet -idm)
(cd "$here/installed" && find . -type f | sort) >"$here/wanted"
(cd "$here/unpacked" && find . -type f ! -path './usr/share/doc/*' ! -path './usr/share/licenses/*' | sort) >"$here/found"
diff "$here/wanted" "$here/found"
grep -q '/vector.so$' "$here/found"
[ "$(grep -c '/vector--.*\.sql$' "$here/found")" -ge 36 ]
step 'the files are those of make install'

while IFS= read -r f; do
	case $f in
		*.so) cmp <(nm -D --defined-only "$here/installed/$f" | awk '{ print $3 }') \
			<(nm -D --defined-only "$here/unpacked/$f" | awk '{ print $3 }') ;;
		*) cmp "$here/installed/$f" "$here/unpacked/$f" ;;
	esac
done <"$here/wanted"
step 'with the same content'

for f in README.md docs/install.md docs/from/pgvector.md LICENSE; do
	[ -n "$(find "$here/unpacked/usr/share/doc" "$here/unpacked/usr/share/licenses" -path "*/$f")" ]
done
step 'documentation and license are in it'
echo "1..$steps"
