/*
 * random.h
 *	  Random numbers (xorshift64*), the same in every run.
 */
#ifndef TEST_UNIT_RANDOM_H
#define TEST_UNIT_RANDOM_H

#include <stdint.h>

/* Anything but 0 */
static uint64_t random_state = 0x9e3779b97f4a7c15u;

static inline uint32_t
random_bits(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (uint32_t) ((random_state * 0x2545f4914f6cdd1du) >> 32);
}

#endif							/* TEST_UNIT_RANDOM_H */
