#!/usr/bin/env bash
# Is this checkout as fast as another commit?  Two servers, the same data, the
# same queries by turns; ratios of medians, recall beside.
#
#   bench/paired/paired.sh COMMIT [--data DIR] [--rounds N] [--only NAME]
#
# Needs Debian's server and python3-venv. --data names the folder of the data
# sets (bench/README.md).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
. "$here/../../tools/lib.sh"

[ $# -ge 1 ] || die "usage: $0 COMMIT [--data DIR] [--rounds N] [--only NAME]"
commit=$(git -C "$TOP" rev-parse "$1")
shift
build=$(build_dir)
source=$build/paired-src
[ -d "$source" ] || git -C "$TOP" worktree add --force --detach "$source" "$commit" >&2
git -C "$source" checkout -q --detach "$commit"
new=$("$TOP/tools/private-install.sh" -t paired-new)
old=$("$TOP/tools/private-install.sh" -t paired-old -o "$source")
venv=$build/paired-venv
if [ ! -x "$venv/bin/python" ]; then
	python3 -m venv "$venv"
	"$venv/bin/pip" install -q 'psycopg[binary]' numpy
fi
exec "$venv/bin/python" "$here/paired.py" "$old" "$new" "$@"
