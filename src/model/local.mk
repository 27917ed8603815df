# Room: src/model

libmist_a_SOURCES += \
	src/model/ciou.c src/model/ciou.h \
	src/model/config.c src/model/config.h \
	src/model/detect.c src/model/detect.h \
	src/model/head.c src/model/head.h \
	src/model/hyp.c src/model/hyp.h \
	src/model/import.c src/model/import.h \
	src/model/info.c src/model/info.h \
	src/model/loss.c src/model/loss.h \
	src/model/model.c src/model/model.h \
	src/model/nms.c \
	src/model/parts.c src/model/parts.h \
	src/model/results.c src/model/results.h \
	src/model/schedule.c src/model/schedule.h \
	src/model/transfer.c src/model/transfer.h \
	src/model/weightdiff.c src/model/weightdiff.h

tests_unit_t_parity_SOURCES = tests/unit/t-parity.c tests/unit/parity.h \
	tests/unit/parity-compare.c tests/unit/parity-eval.c tests/unit/parity-train.c

bench_programs += tests/bench/b-fused tests/bench/b-net tests/bench/b-nms
tests_bench_b_fused_SOURCES = tests/bench/b-fused.c $(bench_sources)
tests_bench_b_net_SOURCES = tests/bench/b-net.c $(bench_sources)
tests_bench_b_nms_SOURCES = tests/bench/b-nms.c $(bench_sources) tests/unit/nms-cases.h

unit_tests += tests/unit/t-config tests/unit/t-head tests/unit/t-hyp tests/unit/t-loss tests/unit/t-nms \
	tests/unit/t-parity tests/unit/t-results tests/unit/t-schedule
fuzz_targets += tests/fuzz/fuzz-config tests/fuzz/fuzz-hyp tests/fuzz/fuzz-results
