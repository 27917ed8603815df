# Room: src/fed
libmist_a_SOURCES += src/fed/stop.c src/fed/stop.h
libmist_a_SOURCES += \
	src/fed/arrival.c src/fed/arrival.h \
	src/fed/candidates.c src/fed/candidates.h \
	src/fed/cohort.c src/fed/cohort.h \
	src/fed/combine.c src/fed/combine.h \
	src/fed/contribution.c src/fed/contribution.h \
	src/fed/sampling.c src/fed/sampling.h \
	src/fed/server.c src/fed/server.h \
	src/fed/gather.c src/fed/gather.h src/fed/gather_text.c \
	src/fed/intake.c src/fed/intake.h \
	src/fed/inbox.c src/fed/inbox.h \
	src/fed/merge.c src/fed/merge.h \
	src/fed/strategy.c src/fed/strategy.h

bench_programs += tests/bench/b-stream tests/bench/b-fedavg
tests_bench_b_stream_SOURCES = tests/bench/b-stream.c $(bench_sources)
tests_bench_b_fedavg_SOURCES = tests/bench/b-fedavg.c $(bench_sources)

unit_tests += tests/unit/t-combine tests/unit/t-gather tests/unit/t-inbox tests/unit/t-sampling \
	tests/unit/t-stop tests/unit/t-strategy
fuzz_targets += tests/fuzz/fuzz-intake tests/fuzz/fuzz-stop
