# Tests: unit tests are listed by their rooms; bats files, fuzz targets and benchmarks are found by
# name. AM_CPPFLAGS of the tests finds unit.h.
EXTRA_DIST += tests/lsan.supp tests/run tests/run-one tests/helper.bash tests/job.bash tests/template.bats tests/unit/unit.h tests/unit/conv-cases.h tests/unit/nms-cases.h tests/unit/nn-views.h tests/fuzz/run tests/faults.c
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
# An auditor for audit.bats.
check_PROGRAMS += tests/audit
tests_audit_SOURCES = tests/audit.c
EXTRA_DIST += tests/s3d.js tests/coco-fetch.bats tests/manual.bats

# Benchmarks: medians against a yardstick timed in the same run. `make check` builds them and runs each
# once, quickly (tests/bench.bats); BENCH=quick make bench does the same.
check_PROGRAMS += $(bench_programs)
bench_sources = tests/bench/bench.c tests/bench/bench.h
EXTRA_DIST += tests/bench.bats tests/experiments.bats tests/startup.bats
AM_CPPFLAGS += -I$(top_srcdir)/tests/bench
bench: $(bench_programs)
	for b in $(bench_programs); do env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE ./$$b || exit; done
.PHONY: bench

# The tests again, in a tree of their own under the address and undefined-behaviour sanitizers.
check-asan:
	$(MKDIR_P) sanitizers
	cd sanitizers && { test -f Makefile || $(abs_top_srcdir)/configure --enable-sanitizers; }
	$(MAKE) -C sanitizers check

# Several ranks, in a tree that is built with MPI (Debian: libopenmpi-dev openmpi-bin).
check-mpi:
	$(MKDIR_P) mpi
	cd mpi && { test -f Makefile || $(abs_top_srcdir)/configure --with-mpi; }
	$(MAKE) -C mpi check TESTS_ONLY=train-mpi
.PHONY: check-mpi

# Fuzz targets, tests/fuzz/fuzz-*.c, are built with clang in a tree of their own: build/fuzz.
# FUZZ_SECONDS=300 make fuzz; FUZZ_TARGETS='yaml npy' for some of them.
AM_CPPFLAGS += -I$(top_srcdir)/tests/fuzz
EXTRA_DIST += tests/fuzz/run
fuzz:
	MIST_BUILDDIR='$(abs_builddir)' MIST_SRCDIR='$(abs_top_srcdir)' \
		$(SHELL) $(top_srcdir)/tests/fuzz/run $(FUZZ_TARGETS)

# The programs over a library that lets the n-th read, write, fsync or rename fail.
tests/faults.so: tests/faults.c
	@$(MKDIR_P) tests
	$(AM_V_CC)$(CC) -std=gnu11 -O1 -shared -fPIC -o $@ $(srcdir)/tests/faults.c -ldl
CLEANFILES += tests/faults.so
check-faults: all tests/faults.so
	MIST_BUILDDIR='$(abs_builddir)' MIST_SRCDIR='$(abs_top_srcdir)' \
		bash $(top_srcdir)/tests/faults.sh
EXTRA_DIST += tests/faults.sh
.PHONY: check-asan fuzz check-faults
