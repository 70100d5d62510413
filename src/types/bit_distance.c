/*
 * bit_distance.c
 *	  Hamming and Jaccard distance of PostgreSQL's bit strings.
 */
#include "compat/pg.h"

#include "utils/varbit.h"

#include "math/distance/distance.h"

/* PostgreSQL keeps the bits behind the last one 0, so whole bytes compare. */
static void
check_same_length(VarBit *a, VarBit *b)
{
	if (VARBITLEN(a) != VARBITLEN(b))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("different bit lengths %u and %u",
						VARBITLEN(a), VARBITLEN(b))));
}

/* The number of bits that differ */
SQL_FUNCTION(hamming_distance)
{
	VarBit	   *a = PG_GETARG_VARBIT_P(0);
	VarBit	   *b = PG_GETARG_VARBIT_P(1);

	check_same_length(a, b);
	PG_RETURN_FLOAT8((double) distance_kernels->bit_hamming(VARBITS(a),
															VARBITS(b),
															VARBITBYTES(a)));
}

/* 1 - |a AND b| / |a OR b|; 1 where they have no bit in common */
SQL_FUNCTION(jaccard_distance)
{
	VarBit	   *a = PG_GETARG_VARBIT_P(0);
	VarBit	   *b = PG_GETARG_VARBIT_P(1);
	uint64_t	both;
	uint64_t	either;

	check_same_length(a, b);
	distance_kernels->bit_jaccard(VARBITS(a), VARBITS(b), VARBITBYTES(a),
								  &both, &either);
	if (both == 0)
		PG_RETURN_FLOAT8(1);
	PG_RETURN_FLOAT8(1 - (double) both / (double) either);
}
