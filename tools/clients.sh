#!/usr/bin/env bash
# make test-clients: released client libraries, unmodified, and their own test
# suites, on a throwaway server; test/clients/README.md.
#
#   tools/clients.sh [--tag TAG] [--quick | CLIENT...]
#
# What they need is installed once, into the cache. The suites want a server on
# localhost:5432, whatever else there is: they run in a network namespace of their
# own, whose only address is its loopback. So nothing that they do reaches beyond
# this machine either.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/server.sh"

export PYTHONDONTWRITEBYTECODE=1
clients=$TOP/test/clients/clients.py
if [ "${1:-}" = --inside ]; then
	bin=$2
	shift 2
	python3 "$clients" loopback
	server_start "$bin" listen_addresses=localhost max_connections=200 shared_buffers=128MB
	PGHOST=localhost python3 "$clients" run "$@"
	exit
fi

tag=clients
if [ "${1:-}" = --tag ]; then
	tag=$2
	shift 2
fi
export VECTOR_CLIENTS=${VECTOR_CLIENTS:-$(cache_dir)/clients}

mapfile -t names < <(python3 "$clients" list "$@")
[ ${#names[@]} -gt 0 ] || die "see test/clients/README.md for the names of clients"

namespace=(unshare --net)
[ "$(id -u)" -eq 0 ] || namespace=(unshare --user --map-current-user --keep-caps --net)
if ! "${namespace[@]}" true; then
	echo "no network namespace can be made here"
	echo "0 passed, 0 failed, ${#names[@]} skipped"
	exit 0
fi

bin=$("$TOP/tools/private-install.sh" -t "$tag" -c -Werror "${PG_CONFIG:-pg_config}")
python3 "$clients" install "${names[@]}"
"${namespace[@]}" "$0" --inside "$bin" "${names[@]}"
