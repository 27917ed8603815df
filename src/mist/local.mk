# Room: src/mist - the gate, privacy noise, feature streams.
libmist_a_SOURCES += \
	src/mist/noise.c src/mist/noise.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/t-noise
tests_unit_t_noise_SOURCES = tests/unit/t-noise.c
tests_unit_t_noise_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_noise_LDADD = $(LDADD) $(CMOCKA_LIBS)
endif
