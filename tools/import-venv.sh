#!/usr/bin/env bash
# Install tools/import as a user does, into the cache; print its python.
#
#   tools/import-venv.sh core|full
#
# core: what the package itself needs, and pytest. full: also the libraries of
# the systems that it imports from. What has not changed since the last time stays.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

kind=${1:-core}
case $kind in
	core) extras=test ;;
	full) extras=test,chroma,faiss,hdf5,lancedb,milvus,parquet,qdrant ;;
	*) die "usage: $0 core|full" ;;
esac

home=$(cache_dir)/import-$kind
venv=$home/venv
mkdir -p "$home"
exec 9>"$home/lock"
flock 9

pip_install()
{
	log_run "$home/pip.log" "$venv/bin/python" -m pip install -q --disable-pip-version-check "$@"
}

# setuptools builds beside its sources: in a copy of them.
copy=$(mktemp -d)
at_exit "rm -rf '$copy'"
cp -r "$TOP/tools/import/." "$copy"

python=$(python3 --version)
wanted="$python $(cat "$copy/pyproject.toml" "${BASH_SOURCE[0]}" | cksum)"
if [ "$(cat "$home/stamp" 2>/dev/null)" != "$wanted" ]; then
	say "installing Python packages into $home, once"
	rm -rf "$venv"
	log_run "$home/venv.log" python3 -m venv "$venv"
	pip_install "$copy[$extras]"
	printf '%s\n' "$wanted" >"$home/stamp"
	rm -f "$home/sources"
fi
sources=$(cd "$copy" && find src -name '*.py' -print0 | sort -z | xargs -0 cksum | cksum)
if [ "$(cat "$home/sources" 2>/dev/null)" != "$sources" ]; then
	pip_install --no-deps --force-reinstall "$copy"
	printf '%s\n' "$sources" >"$home/sources"
fi
echo "$venv/bin/python"
