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
	src/eval/gain.c src/eval/gain.h \
	src/eval/match.c src/eval/match.h \
	src/eval/metrics.c src/eval/metrics.h

bin_PROGRAMS += tools/mist-eval
tools_mist_eval_SOURCES = tools/mist-eval.c
