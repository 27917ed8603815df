# Tests: unit tests are listed by their rooms; bats files, fuzz targets and benchmarks are found by
# name. AM_CPPFLAGS of the tests finds unit.h.
EXTRA_DIST += tests/run tests/run-one tests/helper.bash tests/template.bats tests/unit/unit.h
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
EXTRA_DIST += tests/coco-fetch.bats

# Benchmarks: medians against a yardstick timed in the same run. Not built or run by anything else.
EXTRA_PROGRAMS += $(bench_programs)
AM_CPPFLAGS += -I$(top_srcdir)/tests/bench
bench: $(bench_programs)
	for b in $(bench_programs); do env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE ./$$b || exit; done
.PHONY: bench
