# Tests: unit tests are listed by their rooms; bats files, fuzz targets and benchmarks are found by
# name. AM_CPPFLAGS of the tests finds unit.h.
EXTRA_DIST += tests/run tests/run-one tests/helper.bash tests/template.bats tests/unit/unit.h
AM_CPPFLAGS += -I$(top_srcdir)/tests/unit

check-local: all
	MIST_BUILDDIR='$(abs_builddir)' MIST_SRCDIR='$(abs_top_srcdir)' \
		$(SHELL) $(top_srcdir)/tests/run $(TESTS_ONLY)
