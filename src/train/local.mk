# Room: src/train - the loop that trains: sources, checkpoints, epochs.
libmist_a_SOURCES += \
	src/train/checkpoint.c src/train/checkpoint.h \
	src/train/gateway.c src/train/gateway.h \
	src/train/move.c src/train/move.h \
	src/train/plan.c src/train/plan.h \
	src/train/proximal.c src/train/proximal.h \
	src/train/ranks.c src/train/ranks.h \
	src/train/session.c src/train/session.h \
	src/train/source.c src/train/source.h \
	src/train/source_features.c src/train/source_images.c \
	src/train/train.c src/train/train.h \
	src/train/validate.c src/train/validate.h

unit_tests += tests/unit/t-checkpoint tests/unit/t-gateway tests/unit/t-move \
	tests/unit/t-proximal tests/unit/t-source tests/unit/t-train
fuzz_targets += tests/fuzz/fuzz-checkpoint
