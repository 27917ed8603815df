# Room: src/data - data sets: found, checked, resized, batched, split, drawn.
libmist_a_SOURCES += \
	src/data/argsort.c src/data/argsort.h \
	src/data/augment.c src/data/augment.h \
	src/data/backdrop.c src/data/backdrop.h \
	src/data/batch.c src/data/batch.h \
	src/data/catalogue.c src/data/catalogue.h \
	src/data/dataset.c src/data/dataset.h \
	src/data/fetch.c src/data/fetch.h \
	src/data/hsv.c src/data/hsv.h \
	src/data/labels.c src/data/labels.h \
	src/data/letterbox.c src/data/letterbox.h \
	src/data/partition.c src/data/partition.h \
	src/data/resize.c src/data/resize.h \
	src/data/shapes.c src/data/shapes.h \
	src/data/shards.c src/data/shards.h \
	src/data/sources.c src/data/sources.h \
	src/data/synth.c src/data/synth.h \
	src/data/warp.c src/data/warp.h

EXTRA_DIST += tests/unit/pictures.h tests/unit/coco128.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/t-augment \
	tests/unit/t-batch \
	tests/unit/t-dataset \
	tests/unit/t-hsv \
	tests/unit/t-labels \
	tests/unit/t-letterbox \
	tests/unit/t-partition \
	tests/unit/t-resize \
	tests/unit/t-shapes \
	tests/unit/t-synth \
	tests/unit/t-warp
tests_unit_t_augment_SOURCES = tests/unit/t-augment.c
tests_unit_t_augment_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_augment_LDADD = $(LDADD) $(CMOCKA_LIBS)
tests_unit_t_batch_SOURCES = tests/unit/t-batch.c
tests_unit_t_batch_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_batch_LDADD = $(LDADD) $(CMOCKA_LIBS)
tests_unit_t_dataset_SOURCES = tests/unit/t-dataset.c
tests_unit_t_dataset_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_dataset_LDADD = $(LDADD) $(CMOCKA_LIBS)
tests_unit_t_hsv_SOURCES = tests/unit/t-hsv.c
tests_unit_t_hsv_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_hsv_LDADD = $(LDADD) $(CMOCKA_LIBS)
tests_unit_t_labels_SOURCES = tests/unit/t-labels.c
tests_unit_t_labels_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_labels_LDADD = $(LDADD) $(CMOCKA_LIBS)
tests_unit_t_letterbox_SOURCES = tests/unit/t-letterbox.c
tests_unit_t_letterbox_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_letterbox_LDADD = $(LDADD) $(CMOCKA_LIBS)
tests_unit_t_partition_SOURCES = tests/unit/t-partition.c
tests_unit_t_partition_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_partition_LDADD = $(LDADD) $(CMOCKA_LIBS)
tests_unit_t_resize_SOURCES = tests/unit/t-resize.c
tests_unit_t_resize_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_resize_LDADD = $(LDADD) $(CMOCKA_LIBS)
tests_unit_t_shapes_SOURCES = tests/unit/t-shapes.c
tests_unit_t_shapes_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_shapes_LDADD = $(LDADD) $(CMOCKA_LIBS)
tests_unit_t_synth_SOURCES = tests/unit/t-synth.c
tests_unit_t_synth_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_synth_LDADD = $(LDADD) $(CMOCKA_LIBS)
tests_unit_t_warp_SOURCES = tests/unit/t-warp.c
tests_unit_t_warp_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_warp_LDADD = $(LDADD) $(CMOCKA_LIBS)
endif

EXTRA_PROGRAMS += tests/fuzz/fuzz-catalogue
tests_fuzz_fuzz_catalogue_SOURCES = tests/fuzz/fuzz-catalogue.c
tests_fuzz_fuzz_catalogue_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/t-argsort
tests_unit_t_argsort_SOURCES = tests/unit/t-argsort.c
tests_unit_t_argsort_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_argsort_LDADD = $(LDADD) $(CMOCKA_LIBS)
endif

EXTRA_PROGRAMS += tests/fuzz/fuzz-labels tests/fuzz/fuzz-sources
tests_fuzz_fuzz_labels_SOURCES = tests/fuzz/fuzz-labels.c
tests_fuzz_fuzz_labels_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_sources_SOURCES = tests/fuzz/fuzz-sources.c
tests_fuzz_fuzz_sources_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
