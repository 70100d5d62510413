/*
 * cases.h
 *	  How many random cases are tried.
 *
 * CASES(N) of N: one of CASES_PART, where each costs many times as much, as it is
 * watched by sanitizers or its processor is emulated.  What cases are drawn from,
 * and what is said of each, is the same.
 */
#ifndef TEST_UNIT_CASES_H
#define TEST_UNIT_CASES_H

#ifndef CASES_PART
#define CASES_PART 1
#endif

#define CASES(n) ((n) > CASES_PART ? (n) / CASES_PART : 1)

#endif							/* TEST_UNIT_CASES_H */
