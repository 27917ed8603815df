# Room: src/model

libmist_a_SOURCES += \
	src/model/ciou.c src/model/ciou.h \
	src/model/config.c src/model/config.h \
	src/model/detect.c src/model/detect.h \
	src/model/hyp.c src/model/hyp.h \
	src/model/import.c src/model/import.h \
	src/model/info.c src/model/info.h \
	src/model/loss.c \
	src/model/model.c src/model/model.h \
	src/model/nms.c \
	src/model/parts.c src/model/parts.h \
	src/model/results.c src/model/results.h \
	src/model/schedule.c src/model/schedule.h \
	src/model/transfer.c src/model/transfer.h \
	src/model/weightdiff.c src/model/weightdiff.h
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/t-hyp
tests_unit_t_hyp_SOURCES = tests/unit/t-hyp.c
tests_unit_t_hyp_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_hyp_LDADD = $(LDADD) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/t-results
tests_unit_t_results_SOURCES = tests/unit/t-results.c
tests_unit_t_results_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_results_LDADD = $(LDADD) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/t-schedule
tests_unit_t_schedule_SOURCES = tests/unit/t-schedule.c
tests_unit_t_schedule_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_schedule_LDADD = $(LDADD) $(CMOCKA_LIBS)
endif

EXTRA_PROGRAMS += tests/fuzz/fuzz-hyp tests/fuzz/fuzz-results
tests_fuzz_fuzz_hyp_SOURCES = tests/fuzz/fuzz-hyp.c
tests_fuzz_fuzz_hyp_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_results_SOURCES = tests/fuzz/fuzz-results.c
tests_fuzz_fuzz_results_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/t-parity
tests_unit_t_parity_SOURCES = tests/unit/t-parity.c tests/unit/parity.h \
	tests/unit/parity-compare.c tests/unit/parity-eval.c tests/unit/parity-train.c
tests_unit_t_parity_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_parity_LDADD = $(LDADD)
endif

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/t-config
tests_unit_t_config_SOURCES = tests/unit/t-config.c
tests_unit_t_config_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_config_LDADD = $(LDADD) $(CMOCKA_LIBS)
endif
bench_programs += tests/bench/b-fused tests/bench/b-net tests/bench/b-nms
tests_bench_b_fused_SOURCES = tests/bench/b-fused.c $(bench_sources)
tests_bench_b_net_SOURCES = tests/bench/b-net.c $(bench_sources)
tests_bench_b_nms_SOURCES = tests/bench/b-nms.c $(bench_sources) tests/unit/nms-cases.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/t-loss
tests_unit_t_loss_SOURCES = tests/unit/t-loss.c
tests_unit_t_loss_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_loss_LDADD = $(LDADD) $(CMOCKA_LIBS)
endif

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/t-nms
tests_unit_t_nms_SOURCES = tests/unit/t-nms.c tests/unit/nms-cases.h
tests_unit_t_nms_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_nms_LDADD = $(LDADD) $(CMOCKA_LIBS)
endif

EXTRA_PROGRAMS += tests/fuzz/fuzz-config
tests_fuzz_fuzz_config_SOURCES = tests/fuzz/fuzz-config.c
tests_fuzz_fuzz_config_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
