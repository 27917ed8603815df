# Room: src/eval - matching, average precision, figures; likeness of pictures; drawing.
libmist_a_SOURCES += src/eval/similarity.c src/eval/similarity.h
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/t-similarity
tests_unit_t_similarity_SOURCES = tests/unit/t-similarity.c
tests_unit_t_similarity_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_similarity_LDADD = $(LDADD) $(CMOCKA_LIBS)
endif

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

EXTRA_PROGRAMS += tests/fuzz/fuzz-jsonpull tests/fuzz/fuzz-cocojson
tests_fuzz_fuzz_jsonpull_SOURCES = tests/fuzz/fuzz-jsonpull.c
tests_fuzz_fuzz_jsonpull_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_cocojson_SOURCES = tests/fuzz/fuzz-cocojson.c
tests_fuzz_fuzz_cocojson_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/t-jsonpull tests/unit/t-cocojson tests/unit/t-metrics
tests_unit_t_jsonpull_SOURCES = tests/unit/t-jsonpull.c
tests_unit_t_jsonpull_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_jsonpull_LDADD = $(LDADD) $(CMOCKA_LIBS)
tests_unit_t_cocojson_SOURCES = tests/unit/t-cocojson.c
tests_unit_t_cocojson_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_cocojson_LDADD = $(LDADD) $(CMOCKA_LIBS)
tests_unit_t_metrics_SOURCES = tests/unit/t-metrics.c
tests_unit_t_metrics_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_metrics_LDADD = $(LDADD) $(CMOCKA_LIBS)
endif

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/t-draw tests/unit/t-evaluate
tests_unit_t_evaluate_SOURCES = tests/unit/t-evaluate.c
tests_unit_t_evaluate_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_evaluate_LDADD = $(LDADD) $(CMOCKA_LIBS)
tests_unit_t_draw_SOURCES = tests/unit/t-draw.c
tests_unit_t_draw_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_draw_LDADD = $(LDADD) $(CMOCKA_LIBS)
endif

bench_programs += tests/bench/b-eval
tests_bench_b_eval_SOURCES = tests/bench/b-eval.c $(bench_sources)
