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

unit_tests += tests/unit/t-argsort tests/unit/t-augment tests/unit/t-batch tests/unit/t-dataset \
	tests/unit/t-hsv tests/unit/t-labels tests/unit/t-letterbox tests/unit/t-partition \
	tests/unit/t-resize tests/unit/t-shapes tests/unit/t-synth tests/unit/t-warp
fuzz_targets += tests/fuzz/fuzz-catalogue tests/fuzz/fuzz-labels tests/fuzz/fuzz-sources
