# shellcheck shell=bash
# A private, throwaway PostgreSQL server; sourced, not run.
#
#   . tools/server.sh
#   server_start BINDIR [name=value ...]	settings go to the server's command line
#   psql ...				PGHOST, PGPORT, PGUSER and PATH point at it
#   server_run COMMAND...			run something as the server's user
#   server_log				show the end of its log
#   server_stop				also happens on its own when the script ends
#
# The server listens on a Unix socket in its own temporary folder and nowhere
# else: no TCP port, no clash with another server, nothing to configure. Only
# the user who started it can reach the socket, so it asks for no password.
# Set SERVER_KEEP_LOG to a file name to keep the log.
#
# Call server_start from the script's main shell: the server is told by the
# kernel to shut down when the shell that started it is gone, even by kill -9.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

SERVER_DIR=
SERVER_PID=

server_run()
{
	run_unprivileged "$@"
}

server_log()
{
	if [ -n "$SERVER_DIR" ] && [ -f "$SERVER_DIR/log" ]; then
		tail -n 40 "$SERVER_DIR/log"
	fi
}

server_start()
{
	local bin=$1 setting args=()
	shift

	[ -z "$SERVER_DIR" ] || die "server_start: already started"
	SERVER_DIR=$(mktemp -d "$(tmp_base)/vector-server.XXXXXX")
	at_exit server_stop
	chmod 700 "$SERVER_DIR"
	[ "$(id -u)" -ne 0 ] || chown "$UNPRIVILEGED_USER:" "$SERVER_DIR"

	# shellcheck disable=SC2024
	(cd / && server_run "$bin/initdb" -D "$SERVER_DIR/data" -U postgres \
		-A trust -E UTF8 --no-locale --no-sync) \
		>"$SERVER_DIR/initdb.log" 2>&1 || {
		cat "$SERVER_DIR/initdb.log" >&2
		die "initdb failed"
	}

	# Durability is for data one wants back; a caller's settings come last
	# and win.
	for setting in fsync=off log_min_messages=warning \
		"unix_socket_directories=$SERVER_DIR" listen_addresses= port=5432 "$@"; do
		args+=(-c "$setting")
	done

	(cd / && exec ${UNPRIVILEGED[@]+"${UNPRIVILEGED[@]}"} setpriv --pdeathsig INT \
		"${SERVER_PROGRAM:-$bin/postgres}" -D "$SERVER_DIR/data" "${args[@]}") \
		>"$SERVER_DIR/log" 2>&1 </dev/null &
	SERVER_PID=$!

	export PGHOST=$SERVER_DIR PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
	export PATH=$bin:$PATH

	until "$bin/pg_isready" -q; do
		kill -0 "$SERVER_PID" 2>/dev/null || {
			server_log >&2
			die "the server did not start"
		}
		sleep 0.05
	done
}

server_stop()
{
	local i

	[ -n "$SERVER_DIR" ] || return 0
	if [ -n "$SERVER_PID" ]; then
		kill -INT "$SERVER_PID" 2>/dev/null || true
		for ((i = 0; i < 600; i++)); do
			kill -0 "$SERVER_PID" 2>/dev/null || break
			sleep 0.1
		done
		# Whatever hangs after a minute is not to stay behind.
		kill -QUIT "$SERVER_PID" 2>/dev/null || true
		wait "$SERVER_PID" 2>/dev/null || true
		SERVER_PID=
	fi
	if [ -n "${SERVER_KEEP_LOG:-}" ] && [ -f "$SERVER_DIR/log" ]; then
		mkdir -p "$(dirname "$SERVER_KEEP_LOG")"
		cp "$SERVER_DIR/log" "$SERVER_KEEP_LOG"
	fi
	rm -rf "$SERVER_DIR"
	SERVER_DIR=
	return 0
}
