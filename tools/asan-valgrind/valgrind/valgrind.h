/*
 * valgrind.h
 *		The requests PostgreSQL makes of Valgrind besides those in memcheck.h:
 *		nobody is there to answer them.
 */
#ifndef ASAN_VALGRIND_H
#define ASAN_VALGRIND_H

#define RUNNING_ON_VALGRIND 0
#define VALGRIND_COUNT_ERRORS 0
#define VALGRIND_PRINTF(...) do {} while (0)
#define VALGRIND_PRINTF_BACKTRACE(...) do {} while (0)
#define VALGRIND_DO_CHANGED_LEAK_CHECK do {} while (0)
#define VALGRIND_DISABLE_ERROR_REPORTING do {} while (0)
#define VALGRIND_ENABLE_ERROR_REPORTING do {} while (0)

#endif							/* ASAN_VALGRIND_H */
