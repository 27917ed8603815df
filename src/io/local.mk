# Room: src/io
libmist_a_SOURCES += \
	src/io/exif.c src/io/exif.h \
	src/io/image.c src/io/image.h \
	src/io/imgjpeg.c src/io/imgjpeg.h \
	src/io/imgpng.c src/io/imgpng.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/t-image
tests_unit_t_image_SOURCES = tests/unit/t-image.c
tests_unit_t_image_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_image_LDADD = $(LDADD) $(CMOCKA_LIBS)
endif
