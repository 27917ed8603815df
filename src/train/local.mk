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

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/t-proximal
tests_unit_t_proximal_SOURCES = tests/unit/t-proximal.c
tests_unit_t_proximal_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_proximal_LDADD = $(LDADD) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/t-checkpoint tests/unit/t-gateway tests/unit/t-move tests/unit/t-train
tests_unit_t_checkpoint_SOURCES = tests/unit/t-checkpoint.c
tests_unit_t_checkpoint_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_checkpoint_LDADD = $(LDADD) $(CMOCKA_LIBS)
tests_unit_t_gateway_SOURCES = tests/unit/t-gateway.c
tests_unit_t_gateway_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_gateway_LDADD = $(LDADD) $(CMOCKA_LIBS)
tests_unit_t_move_SOURCES = tests/unit/t-move.c
tests_unit_t_move_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_move_LDADD = $(LDADD) $(CMOCKA_LIBS)
tests_unit_t_train_SOURCES = tests/unit/t-train.c
tests_unit_t_train_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_train_LDADD = $(LDADD) $(CMOCKA_LIBS)
endif

EXTRA_PROGRAMS += tests/fuzz/fuzz-checkpoint
tests_fuzz_fuzz_checkpoint_SOURCES = tests/fuzz/fuzz-checkpoint.c
tests_fuzz_fuzz_checkpoint_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
