/*
 * openblas.c
 *	  OpenBLAS, loaded when a process first trains.
 *
 * Nothing is linked: the library is looked for by its soname when it is needed,
 * so that one build runs with and without it, and sessions that never train do
 * not have its 35 MB in their address space.  README.md says more.
 *
 * It must never start a thread: the process is a PostgreSQL backend, whose
 * signals and memory are made for one.  A variant with POSIX threads starts
 * them as it is loaded, unless an environment variable says 1; all variants
 * then are told 1 by a call, too.
 */
#include "linear.h"

const LinearLibrary *linear_library;

static bool allowed = true;

void
linear_allow_openblas(bool allow)
{
	allowed = allow;
	if (!allow)
		linear_library = NULL;
}

#ifdef VECTOR_OPENBLAS

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What reads the variable as it is loaded: threads, then OpenMP's */
#define THREADS_VARIABLE "OPENBLAS_NUM_THREADS"

/*
 * Buffers that OpenBLAS maps once, of which so much is touched by products of
 * the size that math/cluster asks for (README.md)
 */
#define OPENBLAS_BYTES	((size_t) 1 << 20)

static LinearLibrary library;
static bool tried;
static bool usable;

/* dlopen with the number of threads set to one, whatever it was */
static void *
open_single_threaded(const char *soname)
{
	const char *variable = getenv(THREADS_VARIABLE);
	char	   *before = variable != NULL ? strdup(variable) : NULL;
	void	   *handle = NULL;

	if (setenv(THREADS_VARIABLE, "1", 1) == 0)
		handle = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
	if (before != NULL)
		(void) setenv(THREADS_VARIABLE, before, 1);
	else
		(void) unsetenv(THREADS_VARIABLE);
	free(before);
	return handle;
}

/*
 * Does it use less of this processor than our own loops do?  A release that is
 * older than a processor takes it for the nearest one it knows, which may be
 * one without AVX2.
 */
static bool
takes_for_older(const char *core)
{
	static const char *const avx512[] = {
		"SkylakeX", "Cooperlake", "Sapphirerapids", "SAPPHIRERAPIDS", "Zen4"
	};
	static const char *const avx2[] = {"Haswell", "Zen", "Excavator"};

	for (size_t i = 0; i < sizeof(avx512) / sizeof(avx512[0]); i++)
		if (strcasecmp(core, avx512[i]) == 0)
			return false;
	if (simd_runs(SIMD_AVX512))
		return true;
	for (size_t i = 0; i < sizeof(avx2) / sizeof(avx2[0]); i++)
		if (strcasecmp(core, avx2[i]) == 0)
			return false;
	return simd_runs(SIMD_AVX2);
}

static void
load(const ClusterHost *host)
{
	void	   *handle = open_single_threaded(VECTOR_OPENBLAS);
	void		(*set_threads) (int threads);
	char	   *(*get_core) (void);
	char	   *(*get_config) (void);
	char		message[256];

	if (handle == NULL)
	{
		const char *reason = dlerror();

		snprintf(message, sizeof(message),
				 "linear algebra by the extension's own loops: %s",
				 reason != NULL ? reason : "out of memory");
		host_report(host, HOST_DETAIL, message, NULL);
		return;
	}
	*(void **) &library.sgemm = dlsym(handle, "cblas_sgemm");
	*(void **) &library.ssyevd = dlsym(handle, "ssyevd_");
	*(void **) &set_threads = dlsym(handle, "openblas_set_num_threads");
	*(void **) &get_core = dlsym(handle, "openblas_get_corename");
	*(void **) &get_config = dlsym(handle, "openblas_get_config");
	if (library.sgemm == NULL || library.ssyevd == NULL ||
		set_threads == NULL || get_core == NULL || get_config == NULL ||
		strstr(get_config(), "USE64BITINT") != NULL)
	{
		(void) dlclose(handle);
		host_report(host, HOST_NOTE,
					"linear algebra by the extension's own loops: "
					VECTOR_OPENBLAS " is not an OpenBLAS with LAPACK and 32-bit integers",
					NULL);
		return;
	}
	set_threads(1);
	usable = true;
	snprintf(message, sizeof(message), "linear algebra by %s for %s",
			 get_config(), get_core());
	host_report(host, HOST_DETAIL, message, NULL);
	if (takes_for_older(get_core()))
	{
		snprintf(message, sizeof(message),
				 "OpenBLAS takes this processor for an older one, \"%s\": index builds may be slow",
				 get_core());
		host_report(host, HOST_NOTE, message,
					simd_runs(SIMD_AVX512) ?
					"Set OPENBLAS_CORETYPE=SkylakeX in the server's environment, or install a newer OpenBLAS." :
					"Set OPENBLAS_CORETYPE=Haswell in the server's environment, or install a newer OpenBLAS.");
	}
}

bool
linear_begin(const ClusterHost *host)
{
	if (allowed && !tried)
	{
		tried = true;
		load(host);
	}
	linear_library = allowed && usable ? &library : NULL;
	return linear_library != NULL;
}

size_t
linear_bytes(void)
{
	return allowed ? OPENBLAS_BYTES : 0;
}

#else

/* Built without: see linear.h */
bool
linear_begin(const ClusterHost *host)
{
	(void) host;
	(void) allowed;
	return false;
}

size_t
linear_bytes(void)
{
	return 0;
}

#endif							/* VECTOR_OPENBLAS */
