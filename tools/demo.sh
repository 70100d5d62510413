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
cat <<'HINT'

All of this had its embeddings in a file. To have them made from text, and kept
up to date by a worker:  examples/ask.sh "what you are looking for"
(docs/vectorizer.md; installs Python packages, 200 MB of downloads, once)
HINT
