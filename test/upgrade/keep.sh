#!/usr/bin/env bash
# Keep the index files of a release: test/upgrade/keep.sh VERSION CHECKOUT
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../tools/server.sh"

[ $# -eq 2 ] || die "usage: $0 VERSION CHECKOUT"
here=$TOP/test/upgrade
bin=$("$TOP/tools/private-install.sh" -t "v$1" -o "$2")
server_start "$bin" max_parallel_maintenance_workers=0
psql -Xq -v ON_ERROR_STOP=1 -c 'CREATE EXTENSION vector' -f "$here/indexes.sql" -c CHECKPOINT
mkdir -p "$here/$1"
psql -XAtF ' ' -c "SELECT relname, pg_relation_filepath(c.oid) FROM pg_class c JOIN pg_am a ON a.oid = relam
	WHERE relname LIKE 'kept\_%' AND amname ~ '^(hnsw|ivf)'" >"$SERVER_DIR.list"
while read -r name path; do
	gzip -9n <"$SERVER_DIR/data/$path" >"$here/$1/$name.gz"
done <"$SERVER_DIR.list"
rm "$SERVER_DIR.list"
