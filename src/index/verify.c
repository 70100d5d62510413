/*
 * verify.c
 *	  What the verifiers of all access methods share: results, pages and slots
 *	  read without an error, maps, progress.
 */
#include "index/verify.h"

#include <math.h>

#include "commands/progress.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "index/index_check.h"
#include "storage/page_check.h"

/* ------------------------------------------------------------------------
 * Results
 */

void
verify_report(Verify *verify, const char *violation, BlockNumber block,
			  int64 slot, const ItemPointerData *tid, const char *detail,...)
{
	StringInfoData text;
	Datum		values[5];
	bool		nulls[5] = {false};
	va_list		arguments;
	int			needed;

	verify->violations++;
	if (verify->store == NULL)
		return;
	initStringInfo(&text);
	for (;;)
	{
		va_start(arguments, detail);
		needed = appendStringInfoVA(&text, detail, arguments);
		va_end(arguments);
		if (needed == 0)
			break;
		enlargeStringInfo(&text, needed);
	}
	values[0] = CStringGetTextDatum(violation);
	values[1] = Int64GetDatum((int64) block);
	nulls[1] = block == InvalidBlockNumber;
	values[2] = Int32GetDatum((int32) slot);
	nulls[2] = slot == NO_PLACE_SLOT;
	values[3] = PointerGetDatum(tid);
	nulls[3] = tid == NULL;
	values[4] = CStringGetTextDatum(text.data);
	tuplestore_putvalues(verify->store, verify->desc, values, nulls);
	pfree(text.data);
	pfree(DatumGetPointer(values[0]));
	pfree(DatumGetPointer(values[4]));
}

void
verify_count(Verify *verify, const char *item, int64 add)
{
	int			i = 0;

	while (i < verify->count_count && strcmp(verify->counts[i].item, item) != 0)
		i++;
	if (i == verify->count_count)
	{
		if (i == VERIFY_COUNTS)
			return;
		verify->counts[i].item = item;
		verify->counts[i].value = 0;
		verify->count_count++;
	}
	verify->counts[i].value += add;
}

/* ------------------------------------------------------------------------
 * Progress
 */

static void
show_phase(Verify *verify)
{
	/*
	 * Not one of PostgreSQL's commands: its view of index builds has a row whose
	 * command and phase are null.
	 */
	pgstat_progress_start_command(PROGRESS_COMMAND_CREATE_INDEX,
								  RelationGetRelid(verify->heap));
	pgstat_progress_update_param(PROGRESS_CREATEIDX_COMMAND, VERIFY_PHASE_PAGES);
	pgstat_progress_update_param(PROGRESS_CREATEIDX_INDEX_OID,
								 RelationGetRelid(verify->index));
	pgstat_progress_update_param(PROGRESS_CREATEIDX_PHASE, verify->phase);
	pgstat_progress_update_param(PROGRESS_SCAN_BLOCKS_TOTAL, verify->phase_blocks);
}

void
verify_phase(Verify *verify, int phase, BlockNumber blocks)
{
	verify->phase = phase;
	verify->phase_blocks = blocks;
	show_phase(verify);
}

void
verify_progress(BlockNumber done)
{
	pgstat_progress_update_param(PROGRESS_SCAN_BLOCKS_DONE, done);
}

/* ------------------------------------------------------------------------
 * Pages
 */

typedef struct GuardedCall
{
	Verify	   *verify;
	void		(*function) (Verify *, void *);
	void	   *argument;
} GuardedCall;

static void
run_guarded(void *state)
{
	GuardedCall *call = (GuardedCall *) state;

	call->function(call->verify, call->argument);
}

bool
verify_guard(Verify *verify, void (*function) (Verify *, void *), void *argument,
			 BlockNumber block)
{
	GuardedCall call = {verify, function, argument};
	ErrorData  *error = index_error_of(run_guarded, &call);

	if (error == NULL)
		return true;
	/* the end of the subtransaction has ended the progress, too */
	if (verify->phase > 0)
		show_phase(verify);
	verify_report(verify, "page_damaged", block, NO_PLACE_SLOT, NULL, "%s%s%s",
				  error->message, error->detail != NULL ? ": " : ".",
				  error->detail != NULL ? error->detail : "");
	FreeErrorData(error);
	return false;
}

static void
copy_page(Verify *verify, void *argument)
{
	BlockNumber block = *(const BlockNumber *) argument;
	Buffer		buffer = ReadBuffer(verify->index, block);

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	memcpy(verify->page.data, BufferGetPage(buffer), BLCKSZ);
	UnlockReleaseBuffer(buffer);
}

bool
verify_read_page(Verify *verify, BlockNumber block)
{
	Page		page = (Page) verify->page.data;

	CHECK_FOR_INTERRUPTS();
	verify->kinds[block] = VERIFY_PAGE_DAMAGED;
	if (!verify_guard(verify, copy_page, &block, block))
		return false;
	if (PageIsNew(page))
	{
		/* a crash may leave such ones */
		verify->kinds[block] = VERIFY_PAGE_NEW;
		verify_count(verify, "pages_new", 1);
		return false;
	}
	if (!page_has_form(page) || page_opaque(page)->kind > PAGE_KEYS ||
		(page_opaque(page)->kind == PAGE_META) != (block == META_BLOCK) ||
		page_opaque(page)->in_free_list > 1)
	{
		verify_report(verify, "page_damaged", block, NO_PLACE_SLOT, NULL,
					  "It is not a page of such an index.");
		return false;
	}
	verify->kinds[block] = page_opaque(page)->kind;
	return true;
}

bool
verify_read_slot(Verify *verify, const SlotGeometry *geometry, SlotId id,
				 void *copy)
{
	BlockNumber block = slot_block(geometry, id);
	BufferMap  *map = buffer_map(verify->index);
	Buffer		buffer;
	Page		page;
	bool		there;

	if (block == META_BLOCK ||
		(block < verify->blocks
		 ? verify->kinds[block] == VERIFY_PAGE_DAMAGED : !map_has_block(map, block)))
		return false;
	buffer = map_read(map, block);
	page = BufferGetPage(buffer);

	/* a page's kind never changes; another one may be locked by the caller */
	if (!page_is_sound(page, geometry->kind))
	{
		ReleaseBuffer(buffer);
		return false;
	}
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	there = page_is_sound(page, geometry->kind) &&
		id % geometry->per_page < slots_in_use(geometry, page);
	if (there)
		memcpy(copy, slot_of(geometry, page, id), geometry->slot_size);
	UnlockReleaseBuffer(buffer);
	return there;
}

/* ------------------------------------------------------------------------
 * Maps
 */

void *
verify_map(Verify *verify, Size bytes)
{
	if (bytes > verify->memory)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("maintenance_work_mem is too small to check index \"%s\"",
						RelationGetRelationName(verify->index)),
				 errhint("A check takes about one percent of the index's size.")));
	verify->memory -= bytes;
	return palloc_extended(Max(bytes, 1), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

void
verify_bits_init(Verify *verify, const SlotGeometry *geometry, VerifyBits *bits)
{
	bits->end = (uint64) verify->blocks * geometry->per_page;
	bits->bits = (uint8 *) verify_map(verify, bits->end / 8 + 1);
}

/* ------------------------------------------------------------------------
 * Lists of pages with free slots
 */

typedef struct FreeWalk
{
	Verify	   *verify;
	VerifyBits	met;			/* blocks; geometry of one slot a page */
	VerifyBits	unlisted;		/* say that they are in a list, and were not met */
	bool		final;			/* the metapage is locked: nothing changes */
	bool		doubtful;		/* something looks wrong */
} FreeWalk;

/* Copy of a page's opaque area; false if it is not a page of ours */
static bool
read_opaque(Verify *verify, BlockNumber block, PageOpaque *opaque)
{
	Buffer		buffer;
	bool		sound;

	if (block >= RelationGetNumberOfBlocks(verify->index) || block == META_BLOCK ||
		(block < verify->blocks && verify->kinds[block] == VERIFY_PAGE_DAMAGED))
		return false;
	buffer = ReadBuffer(verify->index, block);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	sound = page_has_form(BufferGetPage(buffer));
	*opaque = *page_opaque(BufferGetPage(buffer));
	UnlockReleaseBuffer(buffer);
	return sound;
}

static void
free_list_wrong(FreeWalk *walk, BlockNumber block, const char *what)
{
	walk->doubtful = true;
	if (walk->final)
		verify_report(walk->verify, "free_list", block, NO_PLACE_SLOT, NULL, "%s",
					  what);
}

/* Follow the list of a kind from a block on. */
static void
walk_free_list(FreeWalk *walk, PageKind kind, BlockNumber block)
{
	BlockNumber before = META_BLOCK;

	while (block != InvalidBlockNumber && (walk->final || !walk->doubtful))
	{
		PageOpaque	opaque;

		if (!walk->final)
			CHECK_FOR_INTERRUPTS();
		if (!read_opaque(walk->verify, block, &opaque) || opaque.kind != kind)
		{
			free_list_wrong(walk, before,
							"It leads to a page that is none of its list of free pages.");
			return;
		}
		if (!opaque.in_free_list)
		{
			free_list_wrong(walk, block,
							"It is in use, but the list of free pages leads to it.");
			return;
		}
		if (verify_bit(&walk->met, block))
		{
			free_list_wrong(walk, block,
							"The list of free pages leads to it twice.");
			return;
		}
		verify_set_bit(&walk->met, block);
		before = block;
		block = opaque.next_free;
	}
}

/* Follow the lists of all kinds, as the metapage has them. */
static void
walk_free_lists(FreeWalk *walk, const FreeSpace *space)
{
	memset(walk->met.bits, 0, walk->met.end / 8 + 1);
	walk->doubtful = false;
	for (int kind = 0; kind < PAGE_KINDS; kind++)
	{
		BlockNumber filling = space->filling[kind];
		PageOpaque	opaque;

		walk_free_list(walk, (PageKind) kind, space->list[kind]);
		if (filling != InvalidBlockNumber &&
			(!read_opaque(walk->verify, filling, &opaque) || opaque.kind != kind))
			free_list_wrong(walk, META_BLOCK,
							"The page that is being filled is none of its kind.");
	}
}

/* Does a page that no list has led to say that it is in one? */
static bool
says_listed(const FreeWalk *walk, BlockNumber block)
{
	PageOpaque	opaque;

	return !verify_bit(&walk->met, block) &&
		walk->verify->kinds[block] <= PAGE_KEYS &&
		read_opaque(walk->verify, block, &opaque) && opaque.in_free_list;
}

/*
 * Note such pages among all that there were, or of those noted only which still are
 * so; how many there are.
 */
static int64
note_unlisted(FreeWalk *walk, bool again)
{
	int64		count = 0;

	for (BlockNumber block = 1; block < walk->verify->blocks; block++)
	{
		if (!walk->final)
			CHECK_FOR_INTERRUPTS();
		if (again && !verify_bit(&walk->unlisted, block))
			continue;
		if (says_listed(walk, block))
		{
			verify_set_bit(&walk->unlisted, block);
			count++;
		}
		else
			verify_clear_bit(&walk->unlisted, block);
	}
	return count;
}

/*
 * Pages come and go at the head of a list while it is followed, so that what looks
 * wrong need not be.  In the end the metapage is locked, without which no list
 * changes.  Whoever needs a free page waits meanwhile: so only the lists are
 * followed then, and pages read that have looked wrong before.
 */
void
verify_free_lists(Verify *verify)
{
	static const SlotGeometry pages = {.per_page = 1};
	FreeWalk	walk = {.verify = verify};
	int64		listed = 0;
	bool		wrong = true;

	verify_bits_init(verify, &pages, &walk.met);
	verify_bits_init(verify, &pages, &walk.unlisted);
	for (int attempt = 0; attempt < 3 && wrong; attempt++)
	{
		Buffer		buffer = ReadBuffer(verify->index, META_BLOCK);
		FreeSpace	space;

		walk.final = attempt == 2;
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		space = page_meta(BufferGetPage(buffer))->space;
		if (!walk.final)
			UnlockReleaseBuffer(buffer);
		walk_free_lists(&walk, &space);
		wrong = walk.doubtful | (note_unlisted(&walk, attempt > 0) > 0);
		if (walk.final)
			UnlockReleaseBuffer(buffer);
	}
	for (BlockNumber block = 1; block < verify->blocks; block++)
	{
		listed += verify_bit(&walk.met, block);
		if (walk.final && verify_bit(&walk.unlisted, block))
			verify_report(verify, "free_list", block, NO_PLACE_SLOT, NULL,
						  "It says that it is in a list of free pages, but none leads to it.");
	}
	verify_count(verify, "pages_with_free_slots", listed);
}

/* ------------------------------------------------------------------------
 * Codes and values
 */

double
verify_product(const float *a, const float *b, int dims)
{
	double		sum = 0;

	for (int i = 0; i < dims; i++)
		sum += (double) a[i] * b[i];
	return sum;
}

bool
verify_near(double x, double y, double part, double size)
{
	return fabs(x - y) <= part * size + 1e-30;
}

bool
verify_code(CodecQuery *query, const void *encoded, const void *payload,
			double slack)
{
	const Codec *codec = query->codec;
	int			dims = codec->rotation.padded;
	const RabitqCode *fresh = (const RabitqCode *) encoded;
	const RabitqCode *code = (const RabitqCode *) payload;
	bool		square = !codec->column.traits->product || codec->centred;
	double		part = VERIFY_CODE_SLACK + slack;
	double		norm = sqrt(verify_product(query->residual, query->residual, dims));
	float	   *u;
	double		angle[2];
	double		along;
	double		size;

	if (memcmp(encoded, payload, codec->payload_size) == 0)
		return true;
	/* nothing can be said where rounding is as large as the value, or floats end */
	if (part > 0.5 || !isfinite(norm) || norm > 1e18)
		return true;
	if (norm < 1e-18)
		return fabs(code->k) < 1e-9;

	u = (float *) palloc(dims * sizeof(float));
	for (int i = 0; i < 2; i++)
	{
		rabitq_decode(i == 0 ? fresh->levels : code->levels, dims, codec->bits, u);
		along = verify_product(u, query->residual, dims);
		angle[i] = along / (sqrt(verify_product(u, u, dims)) * norm);
	}
	pfree(u);
	size = square ? norm * norm
		: fabs(fresh->add) + norm * sqrt(codec->mean_norm2);
	/* k makes the direction, however long it is, the value (rabitq.h) */
	return angle[1] >= angle[0] - part &&
		verify_near(code->k * along, (square ? -2 : -1) * norm * norm, 2 * part, norm * norm) &&
		verify_near(code->add, fresh->add, 2 * part, size);
}

bool
verify_bounded(const BoundedQuery *query, const void *bounded)
{
	const IndexColumn *column = query->column;
	const BoundedValue *value = (const BoundedValue *) bounded;
	double		error2 = 0;
	double		norm2 = 0;

	if (column->type->kind == COLUMN_HALFVEC)
		return memcmp(bounded, query->value, VARSIZE(query->value)) == 0;
	for (int i = 0; i < column->dims; i++)
	{
		double		x = query->floats[i];
		double		h = half_to_float(value->halves[i]);

		/* too large for a half: infinite, and so is the error */
		if (!isfinite(h) || fabs(x) >= 65504)
			return isinf(value->error) || fabs(x) < 65520;
		if (fabs(x - h) > fabs(x) * 0x1p-10 + 0x1p-24)
			return false;
		error2 += (x - h) * (x - h);
		norm2 += h * h;
	}
	return value->error >= sqrt(error2) * (1 - 1e-5) - 1e-7 * sqrt(norm2) &&
		value->norm >= sqrt(norm2) * (1 - 1e-5);
}
