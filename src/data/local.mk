# Room: src/data - data sets: found, checked, resized, batched, split, drawn.
libmist_a_SOURCES += \
	src/data/dataset.c src/data/dataset.h \
	src/data/labels.c src/data/labels.h \
	src/data/letterbox.c src/data/letterbox.h \
	src/data/resize.c src/data/resize.h \
	src/data/sources.c src/data/sources.h

EXTRA_DIST += tests/unit/unpack.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/t-dataset tests/unit/t-labels tests/unit/t-letterbox
tests_unit_t_dataset_SOURCES = tests/unit/t-dataset.c
tests_unit_t_dataset_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_dataset_LDADD = $(LDADD) $(CMOCKA_LIBS)
tests_unit_t_labels_SOURCES = tests/unit/t-labels.c
tests_unit_t_labels_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_labels_LDADD = $(LDADD) $(CMOCKA_LIBS)
tests_unit_t_letterbox_SOURCES = tests/unit/t-letterbox.c
tests_unit_t_letterbox_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_letterbox_LDADD = $(LDADD) $(CMOCKA_LIBS)
endif

libmist_a_SOURCES += \
	src/data/fetch.c src/data/fetch.h \
	src/data/catalogue.c src/data/catalogue.h
EXTRA_PROGRAMS += tests/fuzz/fuzz-catalogue
tests_fuzz_fuzz_catalogue_SOURCES = tests/fuzz/fuzz-catalogue.c
tests_fuzz_fuzz_catalogue_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
