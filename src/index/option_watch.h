/*
 * option_watch.h
 *	  Learn of the options of an index that is created or altered.
 */
#ifndef VECTOR_INDEX_OPTION_WATCH_H
#define VECTOR_INDEX_OPTION_WATCH_H

#include "compat/pg.h"

#include "access/amapi.h"
#include "utils/relcache.h"

/*
 * Called before what it is about can be seen: an index has been created
 * (relation is NULL; its files are empty), or its row of pg_class has been
 * altered (relation is as before).  options are the new ones as amoptions parses
 * them, or NULL; changed says that an altered index has others than before, and
 * that they are to be checked: an error ends the command.
 */
typedef void (*OptionsChanged) (Oid index, Relation relation,
								const bytea *options, bool changed);

/* Have changed called for the indexes that are built by ambuild. */
extern void option_watch(ambuild_function ambuild, OptionsChanged changed);

#endif							/* VECTOR_INDEX_OPTION_WATCH_H */
