/*
 * The client that the benchmarks time: a prepared statement with binary
 * parameters and binary results over libpq, by one or more connections.
 *
 *	driver CONNINFO CLIENTS
 *
 * It reads commands, one a line, and answers each with a line, "ok ..." or
 * "error ...":
 *
 *	pids				the backends' process ids follow on the line
 *	sql SQL				run by every connection; its result is left out
 *	load FILE			parameters: int32 statements, int32 parameters of each,
 *						then of each parameter int32 length and that many bytes
 *	prepare SQL			by every connection
 *	run FIRST COUNT K	statements FIRST, FIRST + 1, ... (modulo their number),
 *						taken by whichever connection is free.  After the line come
 *						int64 nanoseconds of the whole, COUNT int64 of each, and
 *						COUNT x K int32 of each one's first column (-1 past the end)
 *
 * Integers are in this machine's order.
 */
#include <libpq-fe.h>

#include <arpa/inet.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct
{
	PGconn	   *conn;
	char		error[512];
} Client;

static Client *clients;
static int	nclients;

static char *loaded;			/* the file, and into it: */
static int32_t nstatements, nparams;
static const char **values;
static int *lengths;
static int *formats;

static int64_t *latency;
static int32_t *ids;
static int64_t first;
static int	count, limit;
static atomic_int next;

static int64_t
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void *
need(void *memory)
{
	if (memory == NULL)
	{
		fprintf(stderr, "driver: out of memory\n");
		exit(1);
	}
	return memory;
}

/* One line, whatever the server said. */
static void
answer_error(const char *message)
{
	fputs("error ", stdout);
	for (; *message; message++)
		putchar(*message == '\n' ? ' ' : *message);
	putchar('\n');
	fflush(stdout);
}

static int
everywhere(const char *sql, int prepare)
{
	for (int i = 0; i < nclients; i++)
	{
		PGconn	   *conn = clients[i].conn;
		PGresult   *result;
		ExecStatusType status;

		if (prepare)
			PQclear(PQexec(conn, "DEALLOCATE ALL"));
		result = prepare ? PQprepare(conn, "s", sql, 0, NULL) : PQexec(conn, sql);
		status = PQresultStatus(result);
		if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		{
			answer_error(PQerrorMessage(conn));
			PQclear(result);
			return 0;
		}
		PQclear(result);
	}
	puts("ok");
	fflush(stdout);
	return 1;
}

static int
load(const char *path)
{
	FILE	   *file = fopen(path, "rb");
	long		size;
	char	   *at;

	if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 8)
	{
		answer_error("cannot read the parameters");
		return 0;
	}
	rewind(file);
	free(loaded);
	loaded = need(malloc(size));
	if (fread(loaded, 1, size, file) != (size_t) size)
	{
		answer_error("cannot read the parameters");
		return 0;
	}
	fclose(file);
	memcpy(&nstatements, loaded, 4);
	memcpy(&nparams, loaded + 4, 4);
	values = need(realloc(values, sizeof(*values) * nstatements * nparams));
	lengths = need(realloc(lengths, sizeof(*lengths) * nstatements * nparams));
	formats = need(realloc(formats, sizeof(*formats) * nparams));
	at = loaded + 8;
	for (int i = 0; i < nstatements * nparams; i++)
	{
		int32_t		length;

		memcpy(&length, at, 4);
		lengths[i] = length;
		values[i] = at + 4;
		at += 4 + length;
	}
	for (int i = 0; i < nparams; i++)
		formats[i] = 1;
	puts("ok");
	fflush(stdout);
	return 1;
}

static void *
work(void *arg)
{
	Client	   *client = arg;

	for (;;)
	{
		int			i = atomic_fetch_add(&next, 1);
		int64_t		which = (first + i) % nstatements * nparams;
		int64_t		started;
		PGresult   *result;
		ExecStatusType status;
		int			rows;

		if (i >= count)
			return NULL;
		started = now();
		result = PQexecPrepared(client->conn, "s", nparams, values + which, lengths + which, formats, 1);
		latency[i] = now() - started;
		status = PQresultStatus(result);
		if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		{
			snprintf(client->error, sizeof(client->error), "%s", PQerrorMessage(client->conn));
			PQclear(result);
			return NULL;
		}
		rows = PQntuples(result);
		for (int k = 0; k < limit; k++)
		{
			uint32_t	id = UINT32_MAX;

			if (k < rows)
			{
				memcpy(&id, PQgetvalue(result, k, 0), 4);
				id = ntohl(id);
			}
			ids[(int64_t) i * limit + k] = (int32_t) id;
		}
		PQclear(result);
	}
}

static void
run(void)
{
	pthread_t  *threads = need(calloc(nclients, sizeof(*threads)));
	int64_t		started, took;

	latency = need(realloc(latency, sizeof(*latency) * (count + 1)));
	ids = need(realloc(ids, sizeof(*ids) * ((int64_t) count * limit + 1)));
	atomic_store(&next, 0);
	started = now();
	for (int i = 1; i < nclients; i++)
		if (pthread_create(&threads[i], NULL, work, &clients[i]) != 0)
		{
			fprintf(stderr, "driver: no thread\n");
			exit(1);
		}
	work(&clients[0]);
	for (int i = 1; i < nclients; i++)
		pthread_join(threads[i], NULL);
	took = now() - started;
	free(threads);
	for (int i = 0; i < nclients; i++)
		if (clients[i].error[0])
		{
			answer_error(clients[i].error);
			clients[i].error[0] = '\0';
			return;
		}
	puts("ok");
	fwrite(&took, 8, 1, stdout);
	fwrite(latency, 8, count, stdout);
	fwrite(ids, 4, (size_t) count * limit, stdout);
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	char	   *line = NULL;
	size_t		room = 0;
	ssize_t		length;

	if (argc != 3 || (nclients = atoi(argv[2])) < 1)
	{
		fprintf(stderr, "usage: driver CONNINFO CLIENTS\n");
		return 2;
	}
	clients = need(calloc(nclients, sizeof(*clients)));
	for (int i = 0; i < nclients; i++)
	{
		clients[i].conn = PQconnectdb(argv[1]);
		if (PQstatus(clients[i].conn) != CONNECTION_OK)
		{
			answer_error(PQerrorMessage(clients[i].conn));
			return 1;
		}
	}
	puts("ok");
	fflush(stdout);
	while ((length = getline(&line, &room, stdin)) > 0)
	{
		if (line[length - 1] == '\n')
			line[length - 1] = '\0';
		if (strcmp(line, "pids") == 0)
		{
			fputs("ok", stdout);
			for (int i = 0; i < nclients; i++)
				printf(" %d", PQbackendPID(clients[i].conn));
			putchar('\n');
			fflush(stdout);
		}
		else if (strncmp(line, "sql ", 4) == 0)
			everywhere(line + 4, 0);
		else if (strncmp(line, "prepare ", 8) == 0)
			everywhere(line + 8, 1);
		else if (strncmp(line, "load ", 5) == 0)
			load(line + 5);
		else if (sscanf(line, "run %" SCNd64 " %d %d", &first, &count, &limit) == 3)
		{
			if (nstatements < 1 || first < 0 || count < 0 || limit < 0)
				answer_error("nothing to run");
			else
				run();
		}
		else
			answer_error("unknown command");
	}
	for (int i = 0; i < nclients; i++)
		PQfinish(clients[i].conn);
	return 0;
}
