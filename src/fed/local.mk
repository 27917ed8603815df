# Room: src/fed
libmist_a_SOURCES += src/fed/stop.c src/fed/stop.h

EXTRA_PROGRAMS += tests/fuzz/fuzz-stop
tests_fuzz_fuzz_stop_SOURCES = tests/fuzz/fuzz-stop.c
tests_fuzz_fuzz_stop_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/t-stop
tests_unit_t_stop_SOURCES = tests/unit/t-stop.c
tests_unit_t_stop_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_stop_LDADD = $(LDADD) $(CMOCKA_LIBS)
endif
