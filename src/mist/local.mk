# Room: src/mist - the gate, privacy noise, feature streams.
libmist_a_SOURCES += \
	src/mist/calibrate.c src/mist/calibrate.h \
	src/mist/calibrate_model.c src/mist/calibrate_model.h \
	src/mist/certificate.c src/mist/certificate.h \
	src/mist/denoise.c src/mist/denoise.h \
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
	src/mist/noise_cli.c src/mist/noise_cli.h \
	src/mist/privacy.c src/mist/privacy.h \
	src/mist/ration.c src/mist/ration.h \
	src/mist/thin.c src/mist/thin.h \
	src/mist/wiener.c src/mist/wiener.h

bench_programs += tests/bench/b-gate
tests_bench_b_gate_SOURCES = tests/bench/b-gate.c $(bench_sources)
bench_programs += tests/bench/b-codes
tests_bench_b_codes_SOURCES = tests/bench/b-codes.c $(bench_sources)
bench_programs += tests/bench/b-edge
tests_bench_b_edge_SOURCES = tests/bench/b-edge.c $(bench_sources)

unit_tests += tests/unit/t-calibrate tests/unit/t-certificate tests/unit/t-denoise tests/unit/t-features \
	tests/unit/t-filter tests/unit/t-gate tests/unit/t-labelnoise tests/unit/t-ledger \
	tests/unit/t-noise tests/unit/t-privacy tests/unit/t-ration tests/unit/t-thin \
	tests/unit/t-wiener
fuzz_targets += tests/fuzz/fuzz-features tests/fuzz/fuzz-gate tests/fuzz/fuzz-ledger
