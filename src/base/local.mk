# Room: src/base - errors, memory, files, threads, randomness, command lines.
libmist_a_SOURCES += \
	src/base/banned.h \
	src/base/cli.c src/base/cli.h \
	src/base/clirow.c src/base/clirow.h \
	src/base/clock.c src/base/clock.h \
	src/base/comm.c src/base/comm.h \
	src/base/dynlib.c src/base/dynlib.h \
	src/base/err.c src/base/err.h \
	src/base/file.c src/base/file.h \
	src/base/ints.h \
	src/base/mem.c src/base/mem.h \
	src/base/nearest.c src/base/nearest.h \
	src/base/num.c src/base/num.h \
	src/base/pool.c src/base/pool.h \
	src/base/rng.c src/base/rng.h

unit_tests += tests/unit/t-base tests/unit/t-clirow tests/unit/t-comm tests/unit/t-dynlib tests/unit/t-nearest
