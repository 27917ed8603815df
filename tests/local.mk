# Tests: unit tests are listed by their rooms; bats files, fuzz targets and benchmarks are found by
# name. AM_CPPFLAGS of the tests finds unit.h.
EXTRA_DIST += tests/run tests/run-one tests/helper.bash tests/template.bats tests/unit/unit.h tests/fuzz/run tests/faults.c
AM_CPPFLAGS += -I$(top_srcdir)/tests/unit

check-local: all
	MIST_BUILDDIR='$(abs_builddir)' MIST_SRCDIR='$(abs_top_srcdir)' \
		$(SHELL) $(top_srcdir)/tests/run $(TESTS_ONLY)

# A server with bad manners for coco-fetch.bats.
check_PROGRAMS += tests/httpd
tests_httpd_SOURCES = tests/httpd.c
tests_httpd_LDADD =
check_PROGRAMS += tests/hostile
tests_hostile_SOURCES = tests/hostile.c
tests_hostile_LDADD = $(ARCHIVE_LIBS)
EXTRA_DIST += tests/coco-fetch.bats tests/manual.bats

# Benchmarks: medians against a yardstick timed in the same run. Not built or run by anything else.
EXTRA_PROGRAMS += $(bench_programs)
AM_CPPFLAGS += -I$(top_srcdir)/tests/bench
bench: $(bench_programs)
	for b in $(bench_programs); do env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE ./$$b || exit; done
.PHONY: bench

# The tests again, in a tree of their own under the address and undefined-behaviour sanitizers.
check-asan:
	$(MKDIR_P) sanitizers
	cd sanitizers && { test -f Makefile || $(abs_top_srcdir)/configure --enable-sanitizers; }
	$(MAKE) -C sanitizers check

# Every fuzz target for $FUZZ_SECONDS; clang builds them in a tree of their own.
fuzz:
	$(MKDIR_P) fuzz
	cd fuzz && { test -f Makefile || $(abs_top_srcdir)/configure CC=clang --enable-fuzz; }
	$(MAKE) -C fuzz fuzz-run
fuzz_programs = $(filter tests/fuzz/%,$(EXTRA_PROGRAMS))
fuzz-run: $(fuzz_programs)
	MIST_SRCDIR='$(abs_top_srcdir)' $(SHELL) $(top_srcdir)/tests/fuzz/run \
		$(addprefix ./,$(fuzz_programs))

# The programs over a library that lets the n-th read, write, fsync or rename fail.
tests/faults.so: tests/faults.c
	@$(MKDIR_P) tests
	$(AM_V_CC)$(CC) -std=gnu11 -O1 -shared -fPIC -o $@ $(srcdir)/tests/faults.c -ldl
CLEANFILES += tests/faults.so
check-faults: all tests/faults.so
	MIST_BUILDDIR='$(abs_builddir)' MIST_SRCDIR='$(abs_top_srcdir)' \
		bash $(top_srcdir)/tests/faults.sh
EXTRA_DIST += tests/faults.sh
.PHONY: check-asan fuzz fuzz-run check-faults
