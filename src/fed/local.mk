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

EXTRA_PROGRAMS += tests/fuzz/fuzz-stop tests/fuzz/fuzz-intake
tests_fuzz_fuzz_intake_SOURCES = tests/fuzz/fuzz-intake.c
tests_fuzz_fuzz_intake_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_stop_SOURCES = tests/fuzz/fuzz-stop.c
tests_fuzz_fuzz_stop_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/t-inbox
tests_unit_t_inbox_SOURCES = tests/unit/t-inbox.c
tests_unit_t_inbox_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_inbox_LDADD = $(LDADD) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/t-combine
tests_unit_t_combine_SOURCES = tests/unit/t-combine.c
tests_unit_t_combine_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_combine_LDADD = $(LDADD) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/t-sampling
tests_unit_t_sampling_SOURCES = tests/unit/t-sampling.c
tests_unit_t_sampling_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_sampling_LDADD = $(LDADD) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/t-gather
tests_unit_t_gather_SOURCES = tests/unit/t-gather.c
tests_unit_t_gather_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_gather_LDADD = $(LDADD) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/t-strategy
tests_unit_t_strategy_SOURCES = tests/unit/t-strategy.c
tests_unit_t_strategy_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_strategy_LDADD = $(LDADD) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/t-stop
tests_unit_t_stop_SOURCES = tests/unit/t-stop.c
tests_unit_t_stop_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_stop_LDADD = $(LDADD) $(CMOCKA_LIBS)
endif

bench_programs += tests/bench/b-stream tests/bench/b-fedavg
tests_bench_b_stream_SOURCES = tests/bench/b-stream.c $(bench_sources)
tests_bench_b_fedavg_SOURCES = tests/bench/b-fedavg.c $(bench_sources)
