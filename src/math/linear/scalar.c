/*
 * scalar.c
 *	  The loops for any processor: on ARM, that is NEON.
 */
#define TARGET
#define LANES		4
#define TILE_ROWS	6
#define TABLE_NAME	"scalar"
#define table_name	linear_scalar

#include "loops.h"
