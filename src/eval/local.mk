# Room: src/eval

libmist_a_SOURCES += src/eval/similarity.c src/eval/similarity.h
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/t-similarity
tests_unit_t_similarity_SOURCES = tests/unit/t-similarity.c
tests_unit_t_similarity_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_similarity_LDADD = $(LDADD) $(CMOCKA_LIBS)
endif
