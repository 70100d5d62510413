/*
 * distance_function.c
 *	  The distance functions, callable from C without fmgr.
 */
#include "types/distance_function.h"

typedef struct
{
	PGFunction	function;
	DistanceValue value;
} DistanceEntry;

#define DISTANCE_ENTRY(name) {name, name##_value},
static const DistanceEntry distances[] = {
	ALL_DISTANCE_FUNCTIONS(DISTANCE_ENTRY)
};

DistanceValue
distance_value_of(Oid function)
{
	FmgrInfo	info;

	fmgr_info(function, &info);
	for (int i = 0; i < (int) lengthof(distances); i++)
	{
		if (distances[i].function == info.fn_addr)
			return distances[i].value;
	}
	return NULL;
}
