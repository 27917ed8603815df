# Room: src/base - errors, memory, files, threads, randomness, command lines.
libmist_a_SOURCES += \
	src/base/banned.h \
	src/base/cli.c src/base/cli.h \
	src/base/clirow.c src/base/clirow.h \
	src/base/clock.c src/base/clock.h \
	src/base/comm.c src/base/comm.h \
	src/base/err.c src/base/err.h \
	src/base/file.c src/base/file.h \
	src/base/mem.c src/base/mem.h \
	src/base/nearest.c src/base/nearest.h \
	src/base/num.c src/base/num.h \
	src/base/pool.c src/base/pool.h \
	src/base/rng.c src/base/rng.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/t-clirow
tests_unit_t_clirow_SOURCES = tests/unit/t-clirow.c
tests_unit_t_clirow_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_clirow_LDADD = $(LDADD) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/t-comm
tests_unit_t_comm_SOURCES = tests/unit/t-comm.c
tests_unit_t_comm_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_comm_LDADD = $(LDADD) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/t-nearest
tests_unit_t_nearest_SOURCES = tests/unit/t-nearest.c
tests_unit_t_nearest_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_nearest_LDADD = $(LDADD) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/t-base
tests_unit_t_base_SOURCES = tests/unit/t-base.c
tests_unit_t_base_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_base_LDADD = $(LDADD) $(CMOCKA_LIBS)
endif
