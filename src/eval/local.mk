# Room: src/eval - matching, average precision, figures; likeness of pictures; drawing.
libmist_a_SOURCES += src/eval/similarity.c src/eval/similarity.h

libmist_a_SOURCES += \
	src/eval/ap.c src/eval/ap.h \
	src/eval/boxes.c src/eval/boxes.h \
	src/eval/coco.c src/eval/coco.h \
	src/eval/cocojson.c src/eval/cocojson.h \
	src/eval/draw.c src/eval/draw.h \
	src/eval/evaluate.c src/eval/evaluate.h \
	src/eval/gain.c src/eval/gain.h \
	src/eval/gallery.c src/eval/gallery.h \
	src/eval/inspect.c src/eval/inspect.h \
	src/eval/match.c src/eval/match.h \
	src/eval/metrics.c src/eval/metrics.h \
	src/eval/runner.c src/eval/runner.h

bin_PROGRAMS += tools/mist-detect tools/mist-eval
tools_mist_detect_SOURCES = tools/mist-detect.c
tools_mist_eval_SOURCES = tools/mist-eval.c

bench_programs += tests/bench/b-eval
tests_bench_b_eval_SOURCES = tests/bench/b-eval.c $(bench_sources)

unit_tests += tests/unit/t-cocojson tests/unit/t-draw tests/unit/t-evaluate \
	tests/unit/t-jsonpull tests/unit/t-metrics tests/unit/t-similarity
fuzz_targets += tests/fuzz/fuzz-cocojson tests/fuzz/fuzz-jsonpull
