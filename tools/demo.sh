#!/usr/bin/env bash
# make demo: build, install privately, run demo/demo.sql on a throwaway server.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/server.sh"

"$TOP/tools/install-deps.sh" demo "${PG_CONFIG:-pg_config}"
bin=$("$TOP/tools/private-install.sh" "${PG_CONFIG:-pg_config}")

SERVER_KEEP_LOG=$TOP/build/demo-server.log
server_start "$bin"
psql -X -q -c 'CREATE DATABASE demo'
psql -X -q -d demo -v ON_ERROR_STOP=1 -v data="$TOP/demo/data" -f "$TOP/demo/demo.sql"
