# Room: src/mist - the gate, privacy noise, feature streams.
libmist_a_SOURCES += \
	src/mist/calibrate.c src/mist/calibrate.h \
	src/mist/calibrate_model.c src/mist/calibrate_model.h \
	src/mist/certificate.c src/mist/certificate.h \
	src/mist/extract.c src/mist/extract.h \
	src/mist/extract_account.c src/mist/extract_account.h \
	src/mist/extract_gate.c src/mist/extract_gate.h \
	src/mist/features.h src/mist/features_header.c src/mist/features_read.c \
	src/mist/features_model.c src/mist/features_model.h src/mist/features_write.c \
	src/mist/filter.c src/mist/filter.h \
	src/mist/gate.c src/mist/gate.h \
	src/mist/gate_json.c src/mist/gate_json.h \
	src/mist/gate_text.c src/mist/gate_text.h \
	src/mist/labelnoise.c src/mist/labelnoise.h \
	src/mist/ledger.c src/mist/ledger.h \
	src/mist/ledger_book.c src/mist/ledger_book.h \
	src/mist/ledger_cli.c src/mist/ledger_cli.h \
	src/mist/ledger_key.c src/mist/ledger_key.h \
	src/mist/ledger_show.c src/mist/ledger_show.h \
	src/mist/noise.c src/mist/noise.h \
	src/mist/privacy.c src/mist/privacy.h \
	src/mist/wiener.c src/mist/wiener.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/t-certificate
tests_unit_t_certificate_SOURCES = tests/unit/t-certificate.c
tests_unit_t_certificate_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_certificate_LDADD = $(LDADD) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/t-ledger
tests_unit_t_ledger_SOURCES = tests/unit/t-ledger.c
tests_unit_t_ledger_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_ledger_LDADD = $(LDADD) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/t-privacy
tests_unit_t_privacy_SOURCES = tests/unit/t-privacy.c
tests_unit_t_privacy_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_privacy_LDADD = $(LDADD) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/t-calibrate
tests_unit_t_calibrate_SOURCES = tests/unit/t-calibrate.c
tests_unit_t_calibrate_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_calibrate_LDADD = $(LDADD) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/t-filter
tests_unit_t_filter_SOURCES = tests/unit/t-filter.c
tests_unit_t_filter_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_filter_LDADD = $(LDADD) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/t-wiener
tests_unit_t_wiener_SOURCES = tests/unit/t-wiener.c
tests_unit_t_wiener_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_wiener_LDADD = $(LDADD) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/t-labelnoise
tests_unit_t_labelnoise_SOURCES = tests/unit/t-labelnoise.c
tests_unit_t_labelnoise_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_labelnoise_LDADD = $(LDADD) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/t-features
tests_unit_t_features_SOURCES = tests/unit/t-features.c
tests_unit_t_features_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_features_LDADD = $(LDADD) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/t-gate
tests_unit_t_gate_SOURCES = tests/unit/t-gate.c
tests_unit_t_gate_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_gate_LDADD = $(LDADD) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/t-noise
tests_unit_t_noise_SOURCES = tests/unit/t-noise.c
tests_unit_t_noise_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_noise_LDADD = $(LDADD) $(CMOCKA_LIBS)
endif

EXTRA_PROGRAMS += tests/fuzz/fuzz-features
tests_fuzz_fuzz_features_SOURCES = tests/fuzz/fuzz-features.c
tests_fuzz_fuzz_features_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)

EXTRA_PROGRAMS += tests/fuzz/fuzz-gate
tests_fuzz_fuzz_gate_SOURCES = tests/fuzz/fuzz-gate.c
tests_fuzz_fuzz_gate_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)

EXTRA_PROGRAMS += tests/fuzz/fuzz-ledger
tests_fuzz_fuzz_ledger_SOURCES = tests/fuzz/fuzz-ledger.c
tests_fuzz_fuzz_ledger_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
bench_programs += tests/bench/b-gate
tests_bench_b_gate_SOURCES = tests/bench/b-gate.c $(bench_sources)
bench_programs += tests/bench/b-edge
tests_bench_b_edge_SOURCES = tests/bench/b-edge.c $(bench_sources)
