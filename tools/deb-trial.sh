#!/usr/bin/env bash
# Runs in a clean root (tools/deb-test.sh): install the package over another one
# that has its files, use what it installed, remove it.
#
#   deb-trial.sh MAJOR PACKAGE

set -euo pipefail
major=$1 deb=$2
files="/usr/lib/postgresql/$major/lib/vector.so /usr/share/postgresql/$major/extension/vector.control"

step()
{
	echo "ok $((++steps)) - $1"
}
steps=0

# quietly COMMAND...: what it says, only if it fails
quietly()
{
	"$@" >/tmp/said 2>&1 || {
		cat /tmp/said
		return 1
	}
}

# What Debian's pgvector has in common with ours: its name and two files
other=$(mktemp -d)
mkdir -p "$other/DEBIAN"
for f in $files; do
	install -D -m 644 /dev/null "$other$f"
done
printf '%s\n' "Package: postgresql-$major-pgvector" 'Version: 0.8.0-1' 'Architecture: all' \
	'Maintainer: nobody <nobody@vector.invalid>' 'Description: stands in for pgvector' >"$other/DEBIAN/control"
dpkg-deb --root-owner-group --build "$other" /pgvector.deb >/dev/null
quietly apt-get install -y -q /pgvector.deb
quietly apt-get install -y -q --no-install-recommends "$deb"
[ "$(dpkg-query -W -f '${db:Status-Status}' "postgresql-$major-vector")" = installed ]
[ "$(dpkg-query -W -f '${db:Status-Status}' "postgresql-$major-pgvector" 2>/dev/null || true)" != installed ]
dpkg --verify "postgresql-$major-vector"
step 'the package takes the place of the other'

if dpkg --install /pgvector.deb >/dev/null 2>&1; then
	echo 'dpkg installs both'
	exit 1
fi
dpkg --verify "postgresql-$major-vector"
step 'the other cannot be installed beside it'

dpkg-query -W -f '${Recommends}\n' "postgresql-$major-vector" | grep -q openblas
[ "$(ldd "/usr/lib/postgresql/$major/lib/vector.so" | grep -c openblas)" = 0 ]
step 'OpenBLAS is recommended, and not linked with'

quietly pg_createcluster "$major" trial --start
sql()
{
	su postgres -c "psql -X -q -A -t -v ON_ERROR_STOP=1 ${2:-postgres}" <<<"$1"
}
sql 'CREATE ROLE app LOGIN; CREATE DATABASE app OWNER app'
sql 'SET ROLE app; CREATE EXTENSION vector' app
step 'CREATE EXTENSION by an owner who is no superuser'

sql "CREATE TABLE items (id int, v vector(3), s sparsevec(3));
	INSERT INTO items SELECT i, ARRAY[i, i % 7, 1]::vector, ARRAY[i, 0, 1]::vector::sparsevec FROM generate_series(1, 1000) i" app
for am in hnsw ivfflat ivfpq ivfrabitq flat sparse_inverted; do
	column='v vector_l2_ops' order="v <-> '[500,3,1]'" id=500
	[ "$am" != sparse_inverted ] || column='s' order="s <#> '{1:1}/3'" id=1000
	sql "CREATE INDEX items_$am ON items USING $am ($column)" app
	answer=$(sql "SET enable_seqscan = off; SET vector.enable_exact_scan = off;
		EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY $order LIMIT 1;
		SELECT id FROM items ORDER BY $order LIMIT 1" app)
	grep -q "items_$am" <<<"$answer"
	[ "$(tail -n 1 <<<"$answer")" = "$id" ]
	sql "DROP INDEX items_$am" app
	step "an index by $am answers"
done
[ -z "$(sql "SELECT amname FROM pg_am JOIN pg_depend ON objid = pg_am.oid AND classid = 'pg_am'::regclass AND deptype = 'e'
	WHERE amname NOT IN ('hnsw', 'ivfflat', 'ivfpq', 'ivfrabitq', 'flat', 'sparse_inverted')" app)" ]
step 'there are no others'

pg_dropcluster "$major" trial --stop
quietly apt-get purge -y -q "postgresql-$major-vector"
for f in $files; do
	[ ! -e "$f" ]
done
step 'nothing is left when it is removed'
echo "1..$steps"
