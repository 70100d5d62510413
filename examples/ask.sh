#!/usr/bin/env bash
# Run examples/ask.py on a throwaway server; installs what is missing, as make demo does.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../tools/server.sh"

"$TOP/tools/install-deps.sh" demo "${PG_CONFIG:-pg_config}"
python=$("$TOP/tools/package-venv.sh" vectorizer full)
bin=$("$TOP/tools/private-install.sh" "${PG_CONFIG:-pg_config}")
server_start "$bin"
"$python" "$TOP/examples/ask.py" "$@"
