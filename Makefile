# vector: vector similarity search for PostgreSQL
#
#   make, make install, make installcheck	as in any PGXS extension; PG_CONFIG picks the server
#   make demo	the main job on real data, on a throwaway server
#   make test	every test; installs what it needs (Debian), ends in one line of counts
#   make help	the other targets

EXTENSION = vector
MODULE_big = vector
DATA = sql/vector--1.1.0.sql sql/vector--1.0.0--1.1.0.sql

# Every room's sources; kernels of an instruction set compile to nothing on
# processors of another architecture.
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/*/*.c src/math/*/*.c)))

PG_CPPFLAGS = -I$(srcdir)/src
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers -Wno-sign-compare
# Kernels and parsers are loops over arrays: they want the vectoriser, and
# errno is never read back from a math function.
PG_CFLAGS += -O3 -fno-math-errno -fvisibility=hidden
SHLIB_LINK = -lm

REGRESS = $(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql)))
REGRESS_OPTS = --inputdir=test --load-extension=vector
ISOLATION = $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --load-extension=vector

EXTRA_CLEAN = build

# JIT bitcode would let PostgreSQL inline our functions into a query, second
# copies of the dispatch table included; they are too large to gain from it.
override with_llvm := no

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
# Absent on a fresh machine, where make demo and make test install it first.
-include $(PGXS)
srcdir ?= .

include $(srcdir)/tools/targets.mk
