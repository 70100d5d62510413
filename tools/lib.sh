# shellcheck shell=bash
# Common ground of the scripts in this folder; sourced, not run.
#
# Gives: TOP (the checkout), say, die, at_exit, run_unprivileged, build_dir,
# cache_dir, log_run.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

# The server runs as another user: what we create must be readable by it.
umask 022

# Messages and sorting must not depend on who runs us, nor must the server the
# user may have configured for psql be the one we talk to.
export LC_ALL=C.UTF-8
unset LANGUAGE PGHOST PGHOSTADDR PGPORT PGUSER PGDATABASE PGPASSWORD PGSERVICE PGOPTIONS PGDATA PGAPPNAME
# make passes its own flags down; the makes we start have nothing to do with it.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES

say()
{
	printf '%s\n' "$*" >&2
}

die()
{
	say "${0##*/}: $*"
	exit 1
}

# at_exit COMMAND: run COMMAND when the script ends, however it ends; the last
# one registered runs first.
EXIT_JOBS=()
at_exit()
{
	EXIT_JOBS=("$1" ${EXIT_JOBS[@]+"${EXIT_JOBS[@]}"})
}

run_exit_jobs()
{
	local rc=$? job

	# A second Ctrl-C must not cut the cleaning short.
	trap - EXIT
	trap '' INT TERM HUP
	set +e
	for job in ${EXIT_JOBS[@]+"${EXIT_JOBS[@]}"}; do
		eval "$job"
	done
	exit "$rc"
}
trap run_exit_jobs EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# The words that turn a command line into one run by somebody other than root,
# as PostgreSQL insists on: empty unless we are root.
UNPRIVILEGED=()
UNPRIVILEGED_USER=$(id -un)
if [ "$(id -u)" -eq 0 ]; then
	UNPRIVILEGED_USER=nobody
	if getent passwd postgres >/dev/null; then
		UNPRIVILEGED_USER=postgres
	fi
	UNPRIVILEGED=(env HOME=/nonexistent setpriv "--reuid=$UNPRIVILEGED_USER"
		"--regid=$(id -gn "$UNPRIVILEGED_USER")" --init-groups)
fi

run_unprivileged()
{
	${UNPRIVILEGED[@]+"${UNPRIVILEGED[@]}"} "$@"
}

# own_dir NAME: /var/tmp/NAME-UID, made ours; a folder somebody else put there
# under that name is refused.
own_dir()
{
	local dir
	dir=/var/tmp/$1-$(id -u)
	mkdir -p "$dir"
	if [ ! -O "$dir" ] || [ -L "$dir" ]; then
		die "$dir is not ours"
	fi
	echo "$dir"
}

# Where what is built from this checkout goes: its build folder, unless the
# server's user cannot look into the checkout (one below /root, say).
build_dir()
{
	if mkdir -p "$TOP/build" && run_unprivileged test -x "$TOP/build" -a -r "$TOP/build"; then
		echo "$TOP/build"
	else
		local dir
		dir=$(own_dir vector-build)/$(printf %s "$TOP" | cksum | cut -d' ' -f1)
		mkdir -p "$dir"
		echo "$dir"
	fi
}

# Where what outlives a checkout goes: servers built from source, roots of
# other Debian releases.
cache_dir()
{
	local dir=${VECTOR_CACHE:-${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/vector-test}

	if mkdir -p "$dir" 2>/dev/null && run_unprivileged test -x "$dir" -a -r "$dir"; then
		(cd "$dir" && pwd -P)
	else
		rmdir "$dir" 2>/dev/null || true
		own_dir vector-test-cache
	fi
}

# A folder for temporary files which the server's user can reach.
tmp_base()
{
	if run_unprivileged test -w "${TMPDIR:-/tmp}" -a -x "${TMPDIR:-/tmp}"; then
		echo "${TMPDIR:-/tmp}"
	else
		echo /tmp
	fi
}

# list_sources DIR: what a build and its tests need of the checkout DIR, without
# anything built.
list_sources()
(
	cd "$1" || exit
	find . -maxdepth 1 -type f ! -name '.*' ! -name '*.so' ! -name 'regression.*' \
		-printf '%P\n'
	find sql src test expected tools docs debian -type f \
		! -name '*.o' ! -name '*.so' ! -name '*.bc' 2>/dev/null || true
)

# log_run LOG COMMAND...: run with the output in LOG, shown only on failure.
log_run()
{
	local log=$1 rc=0
	shift
	mkdir -p "$(dirname "$log")"
	"$@" >"$log" 2>&1 </dev/null || rc=$?
	if [ "$rc" -ne 0 ]; then
		say "failed ($rc): $*; the end of $log:"
		tail -n 60 "$log" >&2
	fi
	return "$rc"
}

# private_apt TYPE DIR [OPTION...]: set PRIVATE_APT to the options that make
# apt-get and apt-cache read this system's Debian sources as TYPE (deb or
# deb-src) with all their state in DIR, and update that.
private_apt()
{
	local type=$1 dir=$2 option=
	local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	shift 2

	PRIVATE_APT=(-q -o "Dir::Etc::sourcelist=$dir/sources.list" -o Dir::Etc::sourceparts=/dev/null
		-o "Dir::State::lists=$dir/lists" -o "Dir::Cache=$dir/cache"
		-o APT::Sandbox::User=root "$@")
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" || return
	[ ! -f "$keyring" ] || option="[signed-by=$keyring] "
	# shellcheck disable=SC2016
	apt-get indextargets 'Created-By: Packages' \
		--format '$(LABEL)|$(SITE) $(RELEASE) $(COMPONENT)' |
		sed -nE "s,^Debian[^|]*\\|,$type $option,p" | sort -u >"$dir/sources.list"
	apt-get "${PRIVATE_APT[@]}" update
}
