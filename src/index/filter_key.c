/*
 * filter_key.c
 *	  Values of filter columns become keys.
 *
 * Of each type the table here says how to make an unsigned number that orders
 * as its values do; of all others the hash function is used.  A key of 0 means
 * null, so a value whose number would be 0 shares key 1 with the next one.
 * That, and what a narrower number loses, is why a test takes both ends of a
 * range in where the key of a constant is not exact, and asks for a recheck.
 *
 * A new type is a row of the table, and operator classes in SQL.
 */
#include "index/filter.h"

#include <math.h>
#include <sys/socket.h>

#include "access/genam.h"
#include "catalog/pg_type_d.h"
#include "common/hashfn.h"
#include "port/pg_bswap.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/inet.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"
#include "utils/uuid.h"

#include "index/column.h"
#include "math/heap/topk.h"

/* ------------------------------------------------------------------------
 * Numbers in the order of values
 */

/* Not the null key */
static inline uint64
not_null(uint64 key)
{
	return Max(key, 1);
}

static inline uint64
signed_key(int64 value)
{
	return (uint64) value ^ (UINT64CONST(1) << 63);
}

/* Numbers that order as floats do; NaN last */
static uint64
float8_bits(double value)
{
	return isnan(value) ? PG_UINT64_MAX : topk_key(value);
}

static uint32
float4_bits(float value)
{
	uint32		bits;

	if (isnan(value))
		return PG_UINT32_MAX;
	value += 0.0f;
	memcpy(&bits, &value, sizeof(bits));
	return bits >> 31 ? ~bits : bits | (uint32) 1 << 31;
}

static inline uint64
int2_number(int64 value)
{
	return (uint64) (value - PG_INT16_MIN) + 1;
}

static inline uint64
int4_number(int64 value)
{
	return (uint32) value ^ (uint32) 1 << 31;
}

#define KEY_FUNCTION(name, number) \
	static uint64 \
	name(FilterColumn *column, Datum value) \
	{ \
		return number; \
	} \
	extern int	no_such_variable

KEY_FUNCTION(bool_key, DatumGetBool(value) ? 2 : 1);
KEY_FUNCTION(char_key, (uint64) (uint8) DatumGetChar(value) + 1);
KEY_FUNCTION(int2_key, int2_number(DatumGetInt16(value)));
KEY_FUNCTION(int4_key, int4_number(DatumGetInt32(value)));
KEY_FUNCTION(int8_key, signed_key(DatumGetInt64(value)));
KEY_FUNCTION(oid_key, DatumGetObjectId(value));
KEY_FUNCTION(float4_key, float4_bits(DatumGetFloat4(value)));
KEY_FUNCTION(float8_key, float8_bits(DatumGetFloat8(value)));

/* Numbers beyond the range of a double become infinite. */
KEY_FUNCTION(numeric_key,
			 float8_bits(DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
															value))));

static uint64
uuid_key(FilterColumn *column, Datum value)
{
	uint64		key;

	memcpy(&key, DatumGetUUIDP(value)->data, sizeof(key));
	return pg_ntoh64(key);
}

/* UTC, then the zone; not quite all of the zone's order */
static uint64
timetz_key(FilterColumn *column, Datum value)
{
	const TimeTzADT *time = DatumGetTimeTzADTP(value);

	return signed_key(time->time + time->zone * USECS_PER_SEC);
}

/*
 * Days, months being 30 of them, and 2 ms of a day.  Intervals compare as
 * numbers of microseconds, of 96 bits.
 */
static uint64
interval_key(FilterColumn *column, Datum value)
{
	const Interval *interval = DatumGetIntervalP(value);
	int64		days = interval->month * INT64CONST(30) + interval->day +
		interval->time / USECS_PER_DAY;
	int64		rest = interval->time % USECS_PER_DAY;

	if (rest < 0)
	{
		rest += USECS_PER_DAY;
		days--;
	}
	return (uint64) (days + (INT64CONST(1) << 37)) << 26 | (uint64) rest >> 11;
}

/*
 * Addresses order by family, by the bits that both networks have, by the length
 * of the network, and last by the address.  The network of either, its other
 * bits zero, is in that order as well: 31 bits of it, or 63, and of an IPv4
 * address also the network's last bit, its length, and bits of the host.
 */
static uint64
inet_key(FilterColumn *column, Datum value)
{
	inet	   *address = DatumGetInetPP(value);
	const unsigned char *bytes = ip_addr(address);
	uint64		bits = 0;
	uint64		network;
	int			length = ip_bits(address);

	for (int i = 0; i < 8; i++)
		bits = bits << 8 | (i < ip_addrsize(address) ? bytes[i] : 0);
	network = length >= 64 ? bits : length == 0 ? 0 : bits & (~UINT64CONST(0) << (64 - length));
	if (ip_family(address) != PGSQL_AF_INET)
		return UINT64CONST(1) << 63 | network >> 1;
	/* network: bits 62 to 31; length: 30 to 25; of the host: 24 to 0 */
	return network >> 1 | (uint64) length << 25 | (bits & ~network) >> 32 >> 7;
}

/* The first bytes of a value, or of its sort key (find_prefix) */
KEY_FUNCTION(prefix_key,
			 (uint64) column->prefix->abbrev_converter(value, column->prefix));

/* Of a value, or of an array's element */
KEY_FUNCTION(hash_key,
			 DatumGetUInt32(FunctionCall1Coll(&column->hash, column->collation,
											  value)));

/* ------------------------------------------------------------------------
 * Constants of other types than the column's
 */

static FilterConstant
constant_of_key(uint64 key, int exact_from)
{
	FilterConstant constant = {0};

	constant.key = not_null(key);
	constant.exact = exact_from > 0 && constant.key >= exact_from;
	return constant;
}

static int64
integer_argument(Oid subtype, Datum value)
{
	return subtype == INT2OID ? DatumGetInt16(value)
		: subtype == INT8OID ? DatumGetInt64(value) : DatumGetInt32(value);
}

static FilterConstant
int2_constant(Oid subtype, Datum value)
{
	int64		number = integer_argument(subtype, value);
	FilterConstant constant = constant_of_key(int2_number(number), 1);

	constant.too_low = number < PG_INT16_MIN;
	constant.too_high = number > PG_INT16_MAX;
	return constant;
}

static FilterConstant
int4_constant(Oid subtype, Datum value)
{
	int64		number = integer_argument(subtype, value);
	FilterConstant constant = constant_of_key(int4_number(number), 2);

	constant.too_low = number < PG_INT32_MIN;
	constant.too_high = number > PG_INT32_MAX;
	return constant;
}

static FilterConstant
int8_constant(Oid subtype, Datum value)
{
	return constant_of_key(signed_key(integer_argument(subtype, value)), 2);
}

static double
float_argument(Oid subtype, Datum value)
{
	return subtype == FLOAT4OID ? (double) DatumGetFloat4(value) : DatumGetFloat8(value);
}

static FilterConstant
float4_constant(Oid subtype, Datum value)
{
	double		number = float_argument(subtype, value);
	float		narrow = (float) number;
	FilterConstant constant = constant_of_key(float4_bits(narrow), 2);

	constant.exact &= isnan(number) || (double) narrow == number;
	return constant;
}

static FilterConstant
float8_constant(Oid subtype, Datum value)
{
	return constant_of_key(float8_bits(float_argument(subtype, value)), 2);
}

FilterConstant
filter_constant(FilterColumn *column, Oid subtype, Datum value)
{
	if (column->constant != NULL)
		return column->constant(subtype, value);
	return constant_of_key(column->key(column, value), column->exact_from);
}

/* ------------------------------------------------------------------------
 * Signatures of arrays
 */

void
filter_add_element(FilterColumn *column, Datum element, uint64 *signature)
{
	uint32		hash = (uint32) hash_key(column, element);

	for (int i = 0; i < 2; i++)
	{
		int			bit = 1 + (hash >> (16 * i)) % 127;

		signature[bit / 64] |= UINT64CONST(1) << bit % 64;
	}
}

Datum *
filter_array_members(Datum value, int *count)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	int16		length;
	bool		by_value;
	char		align;
	Datum	   *members;
	bool	   *nulls;
	int			all;

	get_typlenbyvalalign(ARR_ELEMTYPE(array), &length, &by_value, &align);
	deconstruct_array(array, ARR_ELEMTYPE(array), length, by_value, align,
					  &members, &nulls, &all);
	*count = 0;
	for (int i = 0; i < all; i++)
	{
		if (!nulls[i])
			members[(*count)++] = members[i];
	}
	pfree(nulls);
	return members;
}

void
filter_array_signature(FilterColumn *column, Datum array, uint64 *signature)
{
	int			count;
	Datum	   *elements = filter_array_members(array, &count);

	signature[0] = SIGNATURE_ANY;
	signature[1] = 0;
	for (int i = 0; i < count; i++)
		filter_add_element(column, elements[i], signature);
	pfree(elements);
}

/* ------------------------------------------------------------------------
 * Types
 */

/* The hash function of a type; error if it has none. */
static void
find_hash(Relation index, Oid type, FmgrInfo *hash)
{
	TypeCacheEntry *entry = lookup_type_cache(type, TYPECACHE_HASH_PROC_FINFO);

	if (!OidIsValid(entry->hash_proc))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("type %s has no hash function, as a filter column of index \"%s\" needs",
						format_type_be(type), RelationGetRelationName(index))));
	fmgr_info_copy(hash, &entry->hash_proc_finfo, CurrentMemoryContext);
}

/*
 * How text and bytea become 8 bytes that order as they do: the abbreviated keys
 * that PostgreSQL sorts by, unsigned numbers of the first bytes of the value or
 * of its sort key (ICU).  NULL where there are none: with a collation of the C
 * library, whose sort keys PostgreSQL does not trust.
 */
static SortSupport
find_prefix(const FilterColumn *column)
{
	TypeCacheEntry *entry = lookup_type_cache(column->type, TYPECACHE_LT_OPR);
	SortSupport support;

	support = (SortSupport) palloc0(sizeof(SortSupportData));
	support->ssup_cxt = CurrentMemoryContext;
	support->ssup_collation = column->collation;
	support->abbreviate = true;
	PrepareSortSupportFromOrderingOp(entry->lt_opr, support);
	if (support->abbrev_converter == NULL)
	{
		pfree(support);
		return NULL;
	}
	return support;
}

/* What is known of an operator class's input type */
typedef struct FilterType
{
	Oid			type;
	FilterKind	kind;
	uint8		width;			/* of a key */
	uint8		exact_from;		/* see FilterColumn */
	FilterKeyOf key;
	FilterConstantOf constant;
	FilterKeyOf second;			/* of 8 bytes, FILTER_ORDERED; or NULL */
} FilterType;

static const FilterType types[] = {
	{BOOLOID, FILTER_ORDERED, 1, 1, bool_key},
	{CHAROID, FILTER_ORDERED, 2, 1, char_key},
	{INT2OID, FILTER_ORDERED, 4, 1, int2_key, int2_constant},
	{INT4OID, FILTER_ORDERED, 4, 2, int4_key, int4_constant},
	{INT8OID, FILTER_ORDERED, 8, 2, int8_key, int8_constant},
	{OIDOID, FILTER_ORDERED, 4, 2, oid_key},
	{FLOAT4OID, FILTER_ORDERED, 4, 2, float4_key, float4_constant},
	{FLOAT8OID, FILTER_ORDERED, 8, 2, float8_key, float8_constant},
	{CASHOID, FILTER_ORDERED, 8, 2, int8_key},
	{DATEOID, FILTER_ORDERED, 4, 2, int4_key},
	{TIMEOID, FILTER_ORDERED, 8, 2, int8_key},
	{TIMETZOID, FILTER_ORDERED, 8, 0, timetz_key},
	{INTERVALOID, FILTER_ORDERED, 8, 0, interval_key},
	{TIMESTAMPOID, FILTER_ORDERED, 8, 2, int8_key},
	{TIMESTAMPTZOID, FILTER_ORDERED, 8, 2, int8_key},
	{NUMERICOID, FILTER_ORDERED, 8, 0, numeric_key},
	{UUIDOID, FILTER_ORDERED, 8, 0, uuid_key},
	{ANYENUMOID, FILTER_EQUALITY, 4, 2, oid_key},
	{INETOID, FILTER_EQUALITY, 4, 0, hash_key, NULL, inet_key},
	{TEXTOID, FILTER_EQUALITY, 4, 0, hash_key, NULL, prefix_key},
	{BPCHAROID, FILTER_EQUALITY, 4, 0, hash_key, NULL, prefix_key},
	{BYTEAOID, FILTER_EQUALITY, 4, 0, hash_key, NULL, prefix_key},
	{ANYARRAYOID, FILTER_ELEMENTS, FILTER_MAX_WIDTH, 0},
	/* last: any other type */
	{InvalidOid, FILTER_EQUALITY, 4, 0, hash_key},
};

/* ------------------------------------------------------------------------
 * Columns
 */

/* A column's key, and a second one behind it if it has one; how many they are */
static int
describe_column(Relation index, AttrNumber attno, FilterColumn *column)
{
	const FilterType *type = types;
	Oid			base = getBaseType(TupleDescAttr(RelationGetDescr(index),
												 attno - 1)->atttypid);

	memset(column, 0, sizeof(*column));
	column->attribute = attno;
	column->type = index->rd_opcintype[attno - 1];
	column->collation = index->rd_indcollation[attno - 1];

	/* a second vector */
	if (OidIsValid(index_getprocid(index, attno, DISTANCE_PROC)))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("index \"%s\" cannot have more than one vector column",
						RelationGetRelationName(index)),
				 errdetail("The columns behind the first are conditions' only."),
				 errhint("Create an index for each vector column.")));

	while (OidIsValid(type->type) && type->type != column->type)
		type++;
	column->kind = type->kind;
	column->width = type->width;
	column->exact_from = type->exact_from;
	column->key = type->key;
	column->constant = type->constant;
	if (type->type == ANYENUMOID)
		column->enum_type = base;
	if (type->kind == FILTER_ELEMENTS)
		find_hash(index, get_base_element_type(base), &column->hash);
	else if (type->key == hash_key)
		find_hash(index, column->type, &column->hash);
	if (type->second == prefix_key)
		column->prefix = find_prefix(column);
	if (type->second == NULL ||
		(type->second == prefix_key && column->prefix == NULL))
		return 1;
	column->ordered_next = true;
	column[1] = column[0];
	column[1].kind = FILTER_ORDERED;
	column[1].ordered_next = false;
	column[1].width = 8;
	column[1].key = type->second;
	return 2;
}

FilterShape *
filter_shape(Relation index)
{
	int			attributes = IndexRelationGetNumberOfKeyAttributes(index);
	FilterShape *shape;

	if (attributes <= 1)
		return NULL;
	shape = (FilterShape *)
		palloc0(add_size(offsetof(FilterShape, columns),
						 mul_size(2 * (attributes - 1), sizeof(FilterColumn))));
	for (AttrNumber attno = 2; attno <= attributes; attno++)
		shape->count += describe_column(index, attno,
										&shape->columns[shape->count]);
	for (int i = 0; i < shape->count; i++)
	{
		shape->columns[i].offset = shape->entry_bytes;
		shape->entry_bytes += shape->columns[i].width;
	}
	return shape;
}

uint32
filter_digest(const FilterShape *shape)
{
	uint32		digest = shape->count;

	for (int i = 0; i < shape->count; i++)
	{
		const FilterColumn *column = &shape->columns[i];

		digest = hash_combine(digest, murmurhash32(column->kind << 16 |
												   (column->exact_from > 0) << 8 |
												   column->width));
		digest = hash_combine(digest, murmurhash32(column->type));
	}
	return digest;
}

/* ------------------------------------------------------------------------
 * Keys
 */

static void
store_key(uint8 *at, int width, uint64 key)
{
	uint8		key1 = (uint8) key;
	uint16		key2 = (uint16) key;
	uint32		key4 = (uint32) key;

	memcpy(at, width == 1 ? (void *) &key1 : width == 2 ? (void *) &key2
		   : width == 4 ? (void *) &key4 : (void *) &key, width);
}

void
filter_make_keys(FilterShape *shape, const Datum *values, const bool *isnull,
				 uint8 *keys)
{
	memset(keys, 0, shape->entry_bytes);
	for (int i = 0; i < shape->count; i++)
	{
		FilterColumn *column = &shape->columns[i];
		Datum		value = values[column->attribute - 1];
		uint64		signature[2];

		if (isnull[column->attribute - 1])
			continue;
		if (column->kind == FILTER_ELEMENTS)
		{
			filter_array_signature(column, value, signature);
			memcpy(keys + column->offset, signature, sizeof(signature));
		}
		else
			store_key(keys + column->offset, column->width,
					  not_null(column->key(column, value)));
	}
}

/* ------------------------------------------------------------------------
 * Blocks
 */

Size
filter_block_bytes(const FilterShape *shape, uint32 slots)
{
	Size		bytes = 0;

	for (int i = 0; i < shape->count; i++)
		bytes = add_size(bytes, MAXALIGN(mul_size(slots, shape->columns[i].width)));
	return bytes;
}

void
filter_block_columns(const FilterShape *shape, void *base, uint32 slots,
					 uint8 **columns)
{
	uint8	   *at = (uint8 *) base;

	for (int i = 0; i < shape->count; i++)
	{
		columns[i] = at;
		at += MAXALIGN((Size) slots * shape->columns[i].width);
	}
}

void
filter_put(const FilterShape *shape, uint8 *const *columns, uint32 slot,
		   const uint8 *keys)
{
	for (int i = 0; i < shape->count; i++)
	{
		const FilterColumn *column = &shape->columns[i];

		memcpy(columns[i] + (Size) slot * column->width, keys + column->offset,
			   column->width);
	}
}

void
filter_get(const FilterShape *shape, uint8 *const *columns, uint32 slot,
		   uint8 *keys)
{
	for (int i = 0; i < shape->count; i++)
	{
		const FilterColumn *column = &shape->columns[i];

		memcpy(keys + column->offset, columns[i] + (Size) slot * column->width,
			   column->width);
	}
}
