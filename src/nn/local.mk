# Room: src/nn
libmist_a_SOURCES += src/nn/optim.c src/nn/optim.h
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/t-optim
tests_unit_t_optim_SOURCES = tests/unit/t-optim.c
tests_unit_t_optim_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_optim_LDADD = $(LDADD) $(CMOCKA_LIBS)
endif
