# Tests: unit tests are listed by their rooms; bats files, fuzz targets and benchmarks are found by
# name. AM_CPPFLAGS of the tests finds unit.h.
EXTRA_DIST += tests/golden tests/fuzz/corpus tests/audit.bats tests/bench.bats \
	tests/coco-fetch.bats tests/coco-partition.bats tests/coco-synth.bats tests/experiments.bats \
	tests/faults.c tests/faults.sh tests/fuzz/run tests/helper.bash tests/job.bash \
	tests/ledger.bats tests/lsan.supp tests/manual.bats tests/mist-aggregate-inbox.bats \
	tests/mist-aggregate-strategy.bats tests/mist-aggregate.bats tests/mist-attack.bats tests/mist-attack-epsilon.bats \
	tests/mist-detect.bats tests/mist-eval.bats tests/mist-extract.bats tests/mist-job-coco128.bats \
	tests/mist-job-faults.bats tests/mist-job-hosts.bats tests/mist-job-store.bats tests/mist-job.bats tests/mist-model.bats \
	tests/mist-train-mpi.bats tests/mist-train.bats tests/nightly.bats tests/parity.bats tests/ration.bats tests/run \
	tests/run-one tests/s3.bash tests/s3d.js tests/simulate.bats tests/slurm.bash tests/sshd.bash \
	tests/startup.bats tests/store.bats tests/template.bats tests/unit/conv-cases.h \
	tests/unit/nms-cases.h tests/unit/nn-views.h tests/unit/unit.h
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

# Benchmarks: medians against a yardstick timed in the same run. `make check` builds them and runs each
# once, quickly (tests/bench.bats); BENCH=quick make bench does the same.
check_PROGRAMS += $(bench_programs)
bench_sources = tests/bench/bench.c tests/bench/bench.h
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
.PHONY: check-asan fuzz check-faults
