/*
 * filter.c
 *	  Filter columns: values become keys, conditions become tests of keys.
 *
 * Of each type we know how to make an unsigned number that orders as its values
 * do, or fall back on the type's hash function.  A key of 0 means null; so a
 * value whose number would be 0 shares key 1 with the next one.  That, and what
 * a narrower number loses, is why tests take both ends of a range in where the
 * key of a constant is not exact, and ask for a recheck.
 */
#include "index/filter.h"

#include <float.h>
#include <math.h>
#include <sys/socket.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type_d.h"
#include "common/hashfn.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/inet.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"
#include "utils/uuid.h"

#include "index/column.h"
#include "math/keys/keys.h"

/* From so many members on, a set is searched by halves */
#define SET_SEARCH	8

/* Bit 0 of a signature: the array is not null */
#define SIGNATURE_ANY	UINT64CONST(1)

/* ------------------------------------------------------------------------
 * Columns
 */

/* What is known of a type whose keys are in order, or need no hash */
typedef struct KnownType
{
	Oid			type;
	FilterKind	kind;
	uint8		width;
	bool		exact;
} KnownType;

static const KnownType known_types[] = {
	{BOOLOID, FILTER_ORDERED, 1, true},
	{CHAROID, FILTER_ORDERED, 2, true},
	{INT2OID, FILTER_ORDERED, 4, true},
	{INT4OID, FILTER_ORDERED, 4, true},
	{INT8OID, FILTER_ORDERED, 8, true},
	{OIDOID, FILTER_ORDERED, 4, true},
	{FLOAT4OID, FILTER_ORDERED, 4, true},
	{FLOAT8OID, FILTER_ORDERED, 8, true},
	{CASHOID, FILTER_ORDERED, 8, true},
	{DATEOID, FILTER_ORDERED, 4, true},
	{TIMEOID, FILTER_ORDERED, 8, true},
	{TIMETZOID, FILTER_ORDERED, 8, false},
	{INTERVALOID, FILTER_ORDERED, 8, false},
	{TIMESTAMPOID, FILTER_ORDERED, 8, true},
	{TIMESTAMPTZOID, FILTER_ORDERED, 8, true},
	{NUMERICOID, FILTER_ORDERED, 8, false},
	{UUIDOID, FILTER_ORDERED, 8, false},
	{ANYENUMOID, FILTER_EQUALITY, 4, true},
};

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

	if (column->type != TEXTOID && column->type != BPCHAROID &&
		column->type != BYTEAOID)
		return NULL;
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

static void
describe_column(Relation index, AttrNumber attno, FilterColumn *column)
{
	Oid			declared = TupleDescAttr(RelationGetDescr(index), attno - 1)->atttypid;
	Oid			type = getBaseType(declared);

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

	for (int i = 0; i < (int) lengthof(known_types); i++)
	{
		if (known_types[i].type == column->type)
		{
			column->kind = known_types[i].kind;
			column->width = known_types[i].width;
			column->exact = known_types[i].exact;
			if (column->type == ANYENUMOID)
				column->enum_type = type;
			return;
		}
	}
	if (column->type == ANYARRAYOID)
	{
		column->kind = FILTER_ELEMENTS;
		column->width = FILTER_MAX_WIDTH;
		column->element = get_base_element_type(type);
		if (!OidIsValid(column->element))
			elog(ERROR, "type %u is not an array", type);
		find_hash(index, column->element, &column->hash);
		return;
	}
	column->kind = FILTER_EQUALITY;
	column->width = 4;
	find_hash(index, column->type, &column->hash);
	column->prefix = find_prefix(column);
	column->ordered_next = column->prefix != NULL || column->type == INETOID;
}

/* The second key of a column, that orders */
static void
describe_second(const FilterColumn *first, FilterColumn *second)
{
	*second = *first;
	second->kind = FILTER_ORDERED;
	second->ordered_next = false;
	second->width = 8;
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
	{
		FilterColumn *column = &shape->columns[shape->count++];

		describe_column(index, attno, column);
		if (column->ordered_next)
			describe_second(column, &shape->columns[shape->count++]);
	}
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
												   column->exact << 8 | column->width));
		digest = hash_combine(digest, murmurhash32(column->type));
	}
	return digest;
}

/* ------------------------------------------------------------------------
 * Keys
 */

/* The greatest key of a width */
static inline uint64
greatest_key(int width)
{
	return width >= 8 ? PG_UINT64_MAX : (UINT64CONST(1) << (8 * width)) - 1;
}

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

/* Floats order by their bits, once negative ones are turned around; NaN last */
static uint64
float8_key(double value)
{
	uint64		bits;

	if (isnan(value))
		return PG_UINT64_MAX;
	value += 0.0;				/* no negative zero */
	memcpy(&bits, &value, sizeof(bits));
	return bits >> 63 ? ~bits : bits | UINT64CONST(1) << 63;
}

static uint32
float4_key(float value)
{
	uint32		bits;

	if (isnan(value))
		return PG_UINT32_MAX;
	value += 0.0f;
	memcpy(&bits, &value, sizeof(bits));
	return bits >> 31 ? ~bits : bits | (uint32) 1 << 31;
}

/* Numbers beyond the range of a double become infinite. */
static uint64
numeric_key(Datum value)
{
	return float8_key(DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
														 value)));
}

static uint64
uuid_key(Datum value)
{
	const pg_uuid_t *uuid = DatumGetUUIDP(value);
	uint64		key = 0;

	for (int i = 0; i < 8; i++)
		key = key << 8 | uuid->data[i];
	return key;
}

/* UTC, then the zone; not quite all of the zone's order */
static uint64
timetz_key(Datum value)
{
	const TimeTzADT *time = DatumGetTimeTzADTP(value);

	return signed_key(time->time + time->zone * USECS_PER_SEC);
}

/*
 * Days, months being 30 of them, and 2 ms of a day.  Intervals compare as
 * numbers of microseconds, of 96 bits.
 */
static uint64
interval_key(Datum value)
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
inet_key(Datum value)
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

/* The second key of a column: what orders of text, bytea or inet */
static uint64
second_key(FilterColumn *column, Datum value)
{
	if (column->type == INETOID)
		return not_null(inet_key(value));
	return not_null((uint64) column->prefix->abbrev_converter(value, column->prefix));
}

/* The two bits of an element's hash, in a signature */
static void
add_to_signature(uint64 *signature, uint32 hash)
{
	for (int i = 0; i < 2; i++)
	{
		int			bit = 1 + (hash >> (16 * i)) % 127;

		signature[bit / 64] |= UINT64CONST(1) << bit % 64;
	}
}

static inline uint32
element_hash(FilterColumn *column, Datum element)
{
	return DatumGetUInt32(FunctionCall1Coll(&column->hash, column->collation,
											element));
}

/* The members of an array that are not null */
static Datum *
array_members(Datum value, int *count)
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

/* All elements' bits; nulls, which no operator finds, have none. */
static void
array_signature(FilterColumn *column, Datum value, uint64 *signature)
{
	int			count;
	Datum	   *elements = array_members(value, &count);

	signature[0] = SIGNATURE_ANY;
	signature[1] = 0;
	for (int i = 0; i < count; i++)
		add_to_signature(signature, element_hash(column, elements[i]));
	pfree(elements);
}

/* The key of a value of the column's own type; not of arrays */
static uint64
value_key(FilterColumn *column, Datum value)
{
	switch (column->type)
	{
		case BOOLOID:
			return DatumGetBool(value) ? 2 : 1;
		case CHAROID:
			return (uint64) (uint8) DatumGetChar(value) + 1;
		case INT2OID:
			return (uint64) ((int64) DatumGetInt16(value) - PG_INT16_MIN) + 1;
		case INT4OID:
		case DATEOID:
			return not_null((uint32) DatumGetInt32(value) ^ (uint32) 1 << 31);
		case INT8OID:
		case CASHOID:
		case TIMEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return not_null(signed_key(DatumGetInt64(value)));
		case OIDOID:
		case ANYENUMOID:
			return not_null(DatumGetObjectId(value));
		case FLOAT4OID:
			return not_null(float4_key(DatumGetFloat4(value)));
		case FLOAT8OID:
			return not_null(float8_key(DatumGetFloat8(value)));
		case NUMERICOID:
			return not_null(numeric_key(value));
		case UUIDOID:
			return not_null(uuid_key(value));
		case TIMETZOID:
			return not_null(timetz_key(value));
		case INTERVALOID:
			return not_null(interval_key(value));
		default:
			if (column->kind == FILTER_ORDERED)
				return second_key(column, value);
			return not_null(DatumGetUInt32(FunctionCall1Coll(&column->hash,
															 column->collation,
															 value)));
	}
}

static void
store_key(uint8 *at, int width, uint64 key)
{
	uint8		key1 = (uint8) key;
	uint16		key2 = (uint16) key;
	uint32		key4 = (uint32) key;

	memcpy(at, width == 1 ? (void *) &key1 : width == 2 ? (void *) &key2
		   : width == 4 ? (void *) &key4 : (void *) &key, width);
}

static inline uint64
load_key(const uint8 *at, int width)
{
	uint16		key2;
	uint32		key4;
	uint64		key8;

	switch (width)
	{
		case 1:
			return *at;
		case 2:
			memcpy(&key2, at, sizeof(key2));
			return key2;
		case 4:
			memcpy(&key4, at, sizeof(key4));
			return key4;
		default:
			memcpy(&key8, at, sizeof(key8));
			return key8;
	}
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
			array_signature(column, value, signature);
			memcpy(keys + column->offset, signature, sizeof(signature));
		}
		else
			store_key(keys + column->offset, column->width,
					  value_key(column, value));
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

/* ------------------------------------------------------------------------
 * Conditions
 */

Filter *
filter_create(const FilterShape *shape)
{
	Filter	   *filter = (Filter *) palloc0(sizeof(Filter));

	filter->shape = shape;
	filter->context = AllocSetContextCreate(CurrentMemoryContext,
											"index filter",
											ALLOCSET_SMALL_SIZES);
	return filter;
}

/*
 * A constant's place among a column's keys: key is that of the greatest value
 * not above the constant (below: of the least value above it); exact if the
 * two are equal and no other value has the key.
 */
typedef struct Constant
{
	uint64		key;
	bool		exact;
	bool		too_low;		/* below all values */
	bool		too_high;		/* above all of them */
} Constant;

/* Integers of any width against columns of any other */
static Constant
integer_constant(const FilterColumn *column, int64 value)
{
	Constant	constant = {0};
	int64		least = column->type == INT2OID ? PG_INT16_MIN : column->type == INT4OID
		? PG_INT32_MIN : PG_INT64_MIN;
	int64		greatest = column->type == INT2OID ? PG_INT16_MAX : column->type == INT4OID
		? PG_INT32_MAX : PG_INT64_MAX;

	constant.too_low = value < least;
	constant.too_high = value > greatest;
	if (column->type == INT2OID)
		constant.key = (uint64) (value - PG_INT16_MIN) + 1;
	else if (column->type == INT4OID)
		constant.key = not_null((uint32) value ^ (uint32) 1 << 31);
	else
		constant.key = not_null(signed_key(value));
	constant.exact = constant.key > 1 || column->type == INT2OID;
	return constant;
}

/* A double against a column of floats */
static Constant
float_constant(const FilterColumn *column, double value)
{
	Constant	constant = {0};

	if (column->type == FLOAT8OID)
	{
		constant.key = not_null(float8_key(value));
		constant.exact = constant.key > 1;
	}
	else
	{
		float		narrow = (float) value;

		constant.key = not_null(float4_key(narrow));
		constant.exact = constant.key > 1 &&
			(isnan(value) || (double) narrow == value);
	}
	return constant;
}

/* The place of a value of a type that an operator has on its right */
static Constant
find_constant(FilterColumn *column, Oid subtype, Datum value)
{
	Constant	constant = {0};

	if (column->type == INT2OID || column->type == INT4OID ||
		column->type == INT8OID)
	{
		switch (subtype)
		{
			case INT2OID:
				return integer_constant(column, DatumGetInt16(value));
			case INT8OID:
				return integer_constant(column, DatumGetInt64(value));
			default:
				return integer_constant(column, DatumGetInt32(value));
		}
	}
	if (column->type == FLOAT4OID || column->type == FLOAT8OID)
		return float_constant(column, subtype == FLOAT4OID
							  ? (double) DatumGetFloat4(value) : DatumGetFloat8(value));
	constant.key = value_key(column, value);
	constant.exact = column->exact && (constant.key > 1 || column->width <= 2);
	return constant;
}

static FilterTest *
add_test(Filter *filter, FilterTestKind kind, int column)
{
	FilterTest *test = &filter->tests[filter->count++];

	memset(test, 0, sizeof(*test));
	test->kind = kind;
	test->column = column;
	return test;
}

/* Everything but null */
static void
add_not_null(Filter *filter, int column)
{
	int			width = filter->shape->columns[column].width;
	FilterTest *test;

	if (filter->shape->columns[column].kind == FILTER_ELEMENTS)
	{
		test = add_test(filter, FILTER_TEST_BITS, column);
		test->values = (uint64 *) palloc0(2 * sizeof(uint64));
		test->values[0] = SIGNATURE_ANY;
		test->count = 1;
		return;
	}
	test = add_test(filter, FILTER_TEST_RANGE, column);
	test->low = 1;
	test->high = greatest_key(width);
}

static void
add_null(Filter *filter, int column)
{
	(void) add_test(filter, filter->shape->columns[column].kind == FILTER_ELEMENTS
					? FILTER_TEST_NO_ARRAY : FILTER_TEST_RANGE, column);
}

/*
 * The keys that may fulfil a comparison: false if there are none.
 */
static bool
comparison_range(const FilterColumn *column, int strategy, Constant constant,
				 uint64 *low, uint64 *high, bool *exact)
{
	*low = 1;
	*high = greatest_key(column->width);
	*exact = true;
	switch (strategy)
	{
		case FILTER_LESS:
		case FILTER_LESS_EQUAL:
			if (constant.too_low)
				return false;
			if (constant.too_high)
				return true;
			*exact = constant.exact;
			*high = constant.key;
			if (strategy == FILTER_LESS && constant.exact)
				*high -= 1;
			return *high >= *low;
		case FILTER_EQUAL:
			*exact = constant.exact;
			*low = *high = constant.key;
			return !constant.too_low && !constant.too_high;
		default:
			if (constant.too_high)
				return false;
			if (constant.too_low)
				return true;
			*exact = constant.exact;
			*low = constant.key;
			if (strategy == FILTER_GREATER && constant.exact)
			{
				if (*low == *high)
					return false;
				*low += 1;
			}
			return true;
	}
}

static int
compare_keys(const void *a, const void *b)
{
	uint64		x = *(const uint64 *) a;
	uint64		y = *(const uint64 *) b;

	return x < y ? -1 : x > y ? 1 : 0;
}

/* Make a test of one of the collected keys: a range, if it is a single one. */
static void
finish_set(FilterTest *test)
{
	int			count = 0;

	qsort(test->values, test->count, sizeof(uint64), compare_keys);
	for (int i = 0; i < test->count; i++)
	{
		if (count == 0 || test->values[i] != test->values[count - 1])
			test->values[count++] = test->values[i];
	}
	test->count = count;
	if (count > 0)
	{
		test->low = test->values[0];
		test->high = test->values[count - 1];
	}
	if (count == 1)
		test->kind = FILTER_TEST_RANGE;
}

/* An enum's values that fulfil a comparison with one of some constants */
static void
add_enum_range(Filter *filter, int number, ScanKey key, const Datum *constants,
			   int count)
{
	FilterColumn *column = unconstify(FilterColumn *, &filter->shape->columns[number]);
	CatCList   *list = SearchSysCacheList1(ENUMTYPOIDNAME,
										   ObjectIdGetDatum(column->enum_type));
	FilterTest *test = add_test(filter, FILTER_TEST_SET, number);

	test->values = (uint64 *) palloc(mul_size(Max(list->n_members, 1), sizeof(uint64)));
	for (int i = 0; i < list->n_members; i++)
	{
		Oid			value = ((Form_pg_enum) GETSTRUCT(&list->members[i]->tuple))->oid;
		bool		holds = false;

		for (int k = 0; k < count && !holds; k++)
			holds = DatumGetBool(FunctionCall2Coll(&key->sk_func, key->sk_collation,
												   ObjectIdGetDatum(value),
												   constants[k]));
		if (holds)
			test->values[test->count++] = value;
	}
	ReleaseCatCacheList(list);
	finish_set(test);
	filter->impossible |= test->count == 0;
}

/* A comparison with one of some constants, none of them null */
static void
add_comparison(Filter *filter, int number, ScanKey key, const Datum *constants,
			   int count)
{
	FilterColumn *column = unconstify(FilterColumn *, &filter->shape->columns[number]);
	Oid			subtype = OidIsValid(key->sk_subtype) ? key->sk_subtype : column->type;
	uint64		low = PG_UINT64_MAX;
	uint64		high = 0;
	bool		any = false;
	FilterTest *test;

	if (key->sk_strategy != FILTER_EQUAL && column->type == ANYENUMOID)
	{
		add_enum_range(filter, number, key, constants, count);
		return;
	}

	/* a hash tells nothing of the order: there may be another key */
	if (key->sk_strategy != FILTER_EQUAL && column->ordered_next)
	{
		number++;
		column++;
	}
	if (key->sk_strategy != FILTER_EQUAL && column->kind == FILTER_EQUALITY)
	{
		add_not_null(filter, number);
		filter->recheck = true;
		filter->impossible |= count == 0;
		return;
	}

	test = add_test(filter, key->sk_strategy == FILTER_EQUAL
					? FILTER_TEST_SET : FILTER_TEST_RANGE, number);
	test->values = (uint64 *) palloc(mul_size(Max(count, 1), sizeof(uint64)));
	for (int i = 0; i < count; i++)
	{
		uint64		from;
		uint64		to;
		bool		exact;

		if (!comparison_range(column, key->sk_strategy,
							  find_constant(column, subtype, constants[i]),
							  &from, &to, &exact))
			continue;
		any = true;
		low = Min(low, from);
		high = Max(high, to);
		filter->recheck |= !exact;
		if (test->kind == FILTER_TEST_SET)
			test->values[test->count++] = from;
	}
	test->low = low;
	test->high = high;
	if (test->kind == FILTER_TEST_SET)
		finish_set(test);
	filter->impossible |= !any;
}

/* && or @> */
static void
add_array_condition(Filter *filter, int number, ScanKey key, Datum value)
{
	FilterColumn *column = unconstify(FilterColumn *, &filter->shape->columns[number]);
	FilterTest *test;
	Datum	   *elements;
	int			count;

	filter->recheck = true;
	test = add_test(filter, FILTER_TEST_BITS, number);
	if (key->sk_strategy == FILTER_CONTAINS)
	{
		test->values = (uint64 *) palloc0(2 * sizeof(uint64));
		array_signature(column, value, test->values);
		test->count = 1;
		return;
	}
	elements = array_members(value, &count);
	test->values = (uint64 *) palloc0(mul_size(Max(count, 1), 2 * sizeof(uint64)));
	test->count = count;
	for (int i = 0; i < count; i++)
		add_to_signature(test->values + 2 * i, element_hash(column, elements[i]));
	filter->impossible |= count == 0;
}

/* The (first) key of a column of the index */
static int
find_column(const FilterShape *shape, AttrNumber attribute)
{
	for (int i = 0; i < shape->count; i++)
	{
		if (shape->columns[i].attribute == attribute)
			return i;
	}
	elog(ERROR, "no key of column %d", attribute);
	pg_unreachable();
}

static void
add_key(Filter *filter, ScanKey key)
{
	int			number = find_column(filter->shape, key->sk_attno);
	Datum	   *members;
	int			count;

	if (key->sk_flags & (SK_UNARY | SK_ROW_HEADER | SK_ROW_MEMBER | SK_ROW_END |
						 SK_ORDER_BY))
		elog(ERROR, "unexpected scan key of a filter column: flags %x",
			 key->sk_flags);
	if (key->sk_flags & SK_SEARCHNULL)
		add_null(filter, number);
	else if (key->sk_flags & SK_SEARCHNOTNULL)
		add_not_null(filter, number);
	else if (key->sk_flags & SK_ISNULL)
		filter->impossible = true;
	else if (key->sk_flags & SK_SEARCHARRAY)
	{
		members = array_members(key->sk_argument, &count);
		if (filter->shape->columns[number].kind == FILTER_ELEMENTS)
		{
			add_not_null(filter, number);
			filter->recheck = true;
			filter->impossible |= count == 0;
		}
		else
			add_comparison(filter, number, key, members, count);
	}
	else if (key->sk_strategy > FILTER_GREATER)
		add_array_condition(filter, number, key, key->sk_argument);
	else
		add_comparison(filter, number, key, &key->sk_argument, 1);
}

void
filter_set(Filter *filter, ScanKey keys, int nkeys)
{
	MemoryContext caller;

	MemoryContextReset(filter->context);
	filter->impossible = false;
	filter->recheck = false;
	filter->count = 0;
	caller = MemoryContextSwitchTo(filter->context);
	filter->tests = (FilterTest *) palloc(mul_size(Max(nkeys, 1), sizeof(FilterTest)));
	for (int i = 0; i < nkeys; i++)
	{
		if (keys[i].sk_attno > 1)
			add_key(filter, &keys[i]);
	}
	MemoryContextSwitchTo(caller);
}

/* ------------------------------------------------------------------------
 * Tests
 */

static inline bool
in_set(const FilterTest *test, uint64 key)
{
	int			low = 0;
	int			high = test->count;

	if (key < test->low || key > test->high)
		return false;
	while (high - low > SET_SEARCH)
	{
		int			middle = low + (high - low) / 2;

		if (test->values[middle] <= key)
			low = middle;
		else
			high = middle;
	}
	for (; low < high; low++)
	{
		if (test->values[low] == key)
			return true;
	}
	return false;
}

/* Has a signature all bits of one of the test's? */
static inline bool
has_bits(const FilterTest *test, const uint8 *key)
{
	uint64		words[2];

	memcpy(words, key, sizeof(words));
	if (!(words[0] & SIGNATURE_ANY))
		return false;
	for (int i = 0; i < test->count; i++)
	{
		const uint64 *bits = test->values + 2 * i;

		if ((words[0] & bits[0]) == bits[0] && (words[1] & bits[1]) == bits[1])
			return true;
	}
	return false;
}

static inline bool
test_key(const FilterTest *test, const uint8 *key, int width)
{
	uint64		number;

	switch (test->kind)
	{
		case FILTER_TEST_BITS:
			return has_bits(test, key);
		case FILTER_TEST_NO_ARRAY:
			return !(load_key(key, 8) & SIGNATURE_ANY);
		case FILTER_TEST_SET:
			return in_set(test, load_key(key, width));
		default:
			number = load_key(key, width);
			return number >= test->low && number <= test->high;
	}
}

bool
filter_passes(const Filter *filter, uint8 *const *columns, uint32 slot)
{
	if (filter->impossible)
		return false;
	for (int i = 0; i < filter->count; i++)
	{
		const FilterTest *test = &filter->tests[i];
		int			width = filter->shape->columns[test->column].width;

		if (!test_key(test, columns[test->column] + (Size) slot * width, width))
			return false;
	}
	return true;
}

/* Sets of so few members are compared with one after the other, for many keys */
#define SET_LOOP_MEMBERS	16
#define SET_LOOP_KEYS		1024

/* Test keys of a column against a small set. */
static void
pass_small_set(const FilterTest *test, const uint8 *column, int width,
			   uint32 count, uint8 *pg_restrict passes)
{
	int			kernel = key_width_number(width);

	for (uint32 first = 0; first < count; first += SET_LOOP_KEYS)
	{
		uint32		part = Min(count - first, SET_LOOP_KEYS);
		uint8		any[SET_LOOP_KEYS];

		memset(any, 0, part);
		for (int m = 0; m < test->count; m++)
			key_kernels->equal[kernel] (column + (Size) first * width, part,
										test->values[m], any);
		for (uint32 i = 0; i < part; i++)
			passes[first + i] &= any[i];
	}
}

void
filter_pass_many(const Filter *filter, uint8 *const *columns, uint32 count,
				 uint8 *passes)
{
	if (filter->impossible)
	{
		memset(passes, 0, count);
		return;
	}
	for (int t = 0; t < filter->count; t++)
	{
		const FilterTest *test = &filter->tests[t];
		const uint8 *column = columns[test->column];
		int			width = filter->shape->columns[test->column].width;

		if (test->kind == FILTER_TEST_RANGE)
		{
			key_kernels->range[key_width_number(width)] (column, count,
														 test->low, test->high,
														 passes);
			continue;
		}
		if (test->kind == FILTER_TEST_SET && test->count <= SET_LOOP_MEMBERS)
		{
			pass_small_set(test, column, width, count, passes);
			continue;
		}
		for (uint32 i = 0; i < count; i++)
		{
			if (passes[i])
				passes[i] = test_key(test, column + (Size) i * width, width);
		}
	}
}

/* ------------------------------------------------------------------------
 * Summaries
 */

/* The word of a summary that tells whether an array is null */
#define NULL_ARRAY_WORD	2

/* A key's bit in a summary (Steele, Lea and Flood's mix of 64 bits) */
static inline uint32
bound_bit(uint64 key)
{
	key = (key ^ key >> 30) * UINT64CONST(0xbf58476d1ce4e5b9);
	key = (key ^ key >> 27) * UINT64CONST(0x94d049bb133111eb);
	return (uint32) (((key >> 32) * (64 * FILTER_BOUND_WORDS)) >> 32);
}

static inline bool
has_bound_bit(const FilterBounds *bounds, uint64 key)
{
	uint32		bit = bound_bit(key);

	return (bounds->bits[bit / 64] >> bit % 64) & 1;
}

void
filter_bounds_init(const FilterShape *shape, FilterBounds *bounds)
{
	memset(bounds, 0, shape->count * sizeof(FilterBounds));
	for (int i = 0; i < shape->count; i++)
		bounds[i].low = PG_UINT64_MAX;
}

bool
filter_bounds_add(const FilterShape *shape, FilterBounds *bounds,
				  const uint8 *keys)
{
	bool		changed = false;

	for (int i = 0; i < shape->count; i++)
	{
		const FilterColumn *column = &shape->columns[i];
		const uint8 *key = keys + column->offset;
		FilterBounds after = bounds[i];

		if (column->kind == FILTER_ELEMENTS)
		{
			after.bits[0] |= load_key(key, 8);
			after.bits[1] |= load_key(key + 8, 8);
			after.bits[NULL_ARRAY_WORD] |= !(load_key(key, 8) & SIGNATURE_ANY);
		}
		else
		{
			uint64		number = load_key(key, column->width);
			uint32		bit = bound_bit(number);

			after.bits[bit / 64] |= UINT64CONST(1) << bit % 64;
			if (number > 0)
			{
				after.low = Min(after.low, number);
				after.high = Max(after.high, number);
			}
		}
		changed |= memcmp(&after, &bounds[i], sizeof(after)) != 0;
		bounds[i] = after;
	}
	return changed;
}

bool
filter_may_pass(const Filter *filter, const FilterBounds *bounds)
{
	if (filter->impossible)
		return false;
	for (int t = 0; t < filter->count; t++)
	{
		const FilterTest *test = &filter->tests[t];
		const FilterBounds *bound = &bounds[test->column];
		bool		any = false;

		switch (test->kind)
		{
			case FILTER_TEST_NO_ARRAY:
				any = bound->bits[NULL_ARRAY_WORD] & 1;
				break;
			case FILTER_TEST_BITS:
				any = has_bits(test, (const uint8 *) bound->bits);
				break;
			case FILTER_TEST_SET:
				for (int i = 0; i < test->count && !any; i++)
					any = test->values[i] >= bound->low &&
						test->values[i] <= bound->high &&
						has_bound_bit(bound, test->values[i]);
				break;
			case FILTER_TEST_RANGE:
				any = test->low == test->high
					? has_bound_bit(bound, test->low)
					: bound->low <= test->high && bound->high >= test->low;
				break;
		}
		if (!any)
			return false;
	}
	return true;
}
