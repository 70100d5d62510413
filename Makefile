# vector: vector similarity search for PostgreSQL
#
#   make, make install, make installcheck	as in any PGXS extension; PG_CONFIG picks the server
#   make demo	the main job on real data, on a throwaway server
#   make test	every test; installs what it needs (Debian), ends in one line of counts
#   make help	the other targets

# Where this Makefile is: another folder than the current one in a VPATH build.
# PGXS, whose srcdir says the same, is read after the lists of files below.
SRC := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))

EXTENSION = vector
MODULE_big = vector

# The install script and the updates to it are assembled from sql/parts, where
# each object is written once. They are built, not kept: what is installed
# cannot differ from the parts. An update script that was released lies in sql/
# and never changes. pgvector's releases are updated from, and gone back to.
EXTVERSION := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" $(SRC)/vector.control)
EXTCOMMENT := $(shell sed -n "s/^comment = '\(.*\)'/\1/p" $(SRC)/vector.control)
PGVECTOR_COMMENT := vector data type and ivfflat and hnsw access methods
PGVECTOR := 0.5.0 0.5.1 0.6.0 0.6.1 0.6.2 0.7.0 0.7.1 0.7.2 0.7.3 0.7.4 \
	0.8.0 0.8.1 0.8.2 0.8.3 0.8.4 0.8.5 0.8.6
SQL_PARTS := $(sort $(wildcard $(SRC)/sql/parts/*.sql))
DATA = $(patsubst $(SRC)/%,%,$(sort $(wildcard $(SRC)/sql/vector--*.sql)))
DATA_built = build/sql/vector--$(EXTVERSION).sql \
	$(patsubst %,build/sql/vector--%--$(EXTVERSION).sql,1.0.0 $(PGVECTOR)) \
	$(patsubst %,build/sql/vector--$(EXTVERSION)--%.sql,$(PGVECTOR))

# Every room's sources; kernels of an instruction set compile to nothing on
# processors of another architecture.
OBJS = $(patsubst $(SRC)/%.c,%.o,$(sort $(wildcard $(addprefix $(SRC)/src/,*.c */*.c math/*/*.c))))

PG_CPPFLAGS = -I$(SRC)/src
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers -Wno-sign-compare
# Kernels and parsers are loops over arrays: they want the vectoriser, and
# errno is never read back from a math function.
PG_CFLAGS += -O3 -fno-math-errno -fvisibility=hidden
SHLIB_LINK = -lm

# Linear algebra of index builds: the file that is loaded when one begins, if it
# is there.  Nothing is linked with it, and no header of it is read.
#	make OPENBLAS=no			never
#	make OPENBLAS=libopenblasp.so.0		another name, or a path
OPENBLAS ?= libopenblas.so.0
ifneq ($(OPENBLAS),no)
PG_CPPFLAGS += -DVECTOR_OPENBLAS='"$(OPENBLAS)"'
endif

REGRESS = $(patsubst $(SRC)/test/sql/%.sql,%,$(sort $(wildcard $(SRC)/test/sql/*.sql)))
REGRESS_OPTS = --inputdir=$(SRC)/test --load-extension=vector
ISOLATION = $(patsubst $(SRC)/test/specs/%.spec,%,$(sort $(wildcard $(SRC)/test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=$(SRC)/test --load-extension=vector
# Where psql, wherever it runs, finds what several tests share
installcheck: export VECTOR_TEST := $(abspath $(SRC))/test

EXTRA_CLEAN = build

# JIT bitcode would let PostgreSQL inline our functions into a query, second
# copies of the dispatch table included; they are too large to gain from it.
override with_llvm := no

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
# Absent on a fresh machine, where make demo and make test install it first.
-include $(PGXS)
srcdir := $(SRC)

include $(SRC)/tools/targets.mk
