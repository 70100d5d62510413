/*
 * scalar.c
 *	  Tests of keys in plain C: the specification.
 */
#include "tables.h"

#include <string.h>

#define TARGET

#include "loops.h"

static uint32_t
pack(const uint8_t *bytes, size_t count, uint8_t *bits)
{
	uint32_t	ones = 0;

	for (size_t i = 0; i < count / 8; i++)
	{
		uint64_t	word;

		memcpy(&word, bytes + 8 * i, sizeof(word));
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
		word = __builtin_bswap64(word);
#endif
		/* each product brings one byte's bit to its place in the highest byte */
		bits[i] = (uint8_t) ((word * UINT64_C(0x0102040810204080)) >> 56);
		ones += (uint32_t) ((word * UINT64_C(0x0101010101010101)) >> 56);
	}
	return ones;
}

const KeyKernels keys_scalar = KEYS_TABLE("scalar");
