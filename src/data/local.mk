# Room: src/data
libmist_a_SOURCES += \
	src/data/letterbox.c src/data/letterbox.h \
	src/data/resize.c src/data/resize.h
