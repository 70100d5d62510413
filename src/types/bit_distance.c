/*
 * bit_distance.c
 *	  Hamming and Jaccard distance of PostgreSQL's bit strings.
 */
#include "compat/pg.h"

#include "utils/varbit.h"

#include "math/distance/distance.h"
#include "types/distance_function.h"

/* PostgreSQL keeps the bits behind the last one 0, so whole bytes compare. */
static void
check_same_length(const VarBit *a, const VarBit *b)
{
	if (VARBITLEN(a) != VARBITLEN(b))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("different bit lengths %u and %u",
						VARBITLEN(a), VARBITLEN(b))));
}

/* The number of bits that differ */
static double
hamming(const VarBit *a, const VarBit *b)
{
	check_same_length(a, b);
	return (double) distance_kernels->bit_hamming(VARBITS(a), VARBITS(b),
												  VARBITBYTES(a));
}

/* 1 - |a AND b| / |a OR b|; 1 where they have no bit in common */
static double
jaccard(const VarBit *a, const VarBit *b)
{
	uint64_t	both;
	uint64_t	either;

	check_same_length(a, b);
	distance_kernels->bit_jaccard(VARBITS(a), VARBITS(b), VARBITBYTES(a),
								  &both, &either);
	return both == 0 ? 1 : 1 - (double) both / (double) either;
}

DISTANCE_FUNCTION(hamming_distance, VarBit, hamming(a, b));
DISTANCE_FUNCTION(jaccard_distance, VarBit, jaccard(a, b));
