# Room: src/io - formats: nothing here knows what a tensor means.
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

libmist_a_SOURCES += \
	src/io/digest.c src/io/digest.h \
	src/io/half.c src/io/half.h \
	src/io/json.c src/io/json.h \
	src/io/jsonpull.c src/io/jsonpull.h \
	src/io/npy.c src/io/npy.h \
	src/io/safetensors.c src/io/safetensors.h \
	src/io/pickle.c src/io/pickle.h \
	src/io/tarstream.c src/io/tarstream.h \
	src/io/torchpt.c src/io/torchpt.h \
	src/io/yaml.c src/io/yaml.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/t-safetensors tests/unit/t-yaml tests/unit/t-npy tests/unit/t-tarstream tests/unit/t-torchpt tests/unit/t-golden
tests_unit_t_safetensors_SOURCES = tests/unit/t-safetensors.c
tests_unit_t_safetensors_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_safetensors_LDADD = $(LDADD) $(CMOCKA_LIBS)
tests_unit_t_yaml_SOURCES = tests/unit/t-yaml.c
tests_unit_t_yaml_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_yaml_LDADD = $(LDADD) $(CMOCKA_LIBS)
tests_unit_t_npy_SOURCES = tests/unit/t-npy.c
tests_unit_t_npy_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_npy_LDADD = $(LDADD) $(CMOCKA_LIBS)
tests_unit_t_golden_SOURCES = tests/unit/t-golden.c
tests_unit_t_golden_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_golden_LDADD = $(LDADD) $(CMOCKA_LIBS)
tests_unit_t_torchpt_SOURCES = tests/unit/t-torchpt.c
tests_unit_t_torchpt_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_torchpt_LDADD = $(LDADD) $(CMOCKA_LIBS)
tests_unit_t_tarstream_SOURCES = tests/unit/t-tarstream.c
tests_unit_t_tarstream_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_tarstream_LDADD = $(LDADD) $(CMOCKA_LIBS)
endif

libmist_a_SOURCES += \
	src/io/http.c src/io/http.h \
	src/io/part.c src/io/part.h \
	src/io/unpack.c src/io/unpack.h
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/t-unpack
tests_unit_t_unpack_SOURCES = tests/unit/t-unpack.c
tests_unit_t_unpack_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_unpack_LDADD = $(LDADD) $(CMOCKA_LIBS)
endif
EXTRA_PROGRAMS += tests/fuzz/fuzz-unpack
tests_fuzz_fuzz_unpack_SOURCES = tests/fuzz/fuzz-unpack.c
tests_fuzz_fuzz_unpack_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)

EXTRA_PROGRAMS += tests/fuzz/fuzz-image tests/fuzz/fuzz-exif
tests_fuzz_fuzz_image_SOURCES = tests/fuzz/fuzz-image.c
tests_fuzz_fuzz_image_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_exif_SOURCES = tests/fuzz/fuzz-exif.c
tests_fuzz_fuzz_exif_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)

EXTRA_DIST += tests/fuzz/memfile.h
EXTRA_PROGRAMS += tests/fuzz/fuzz-json
tests_fuzz_fuzz_json_SOURCES = tests/fuzz/fuzz-json.c
tests_fuzz_fuzz_json_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_PROGRAMS += tests/fuzz/fuzz-npy
tests_fuzz_fuzz_npy_SOURCES = tests/fuzz/fuzz-npy.c
tests_fuzz_fuzz_npy_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_PROGRAMS += tests/fuzz/fuzz-safetensors
tests_fuzz_fuzz_safetensors_SOURCES = tests/fuzz/fuzz-safetensors.c
tests_fuzz_fuzz_safetensors_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_PROGRAMS += tests/fuzz/fuzz-tarstream
tests_fuzz_fuzz_tarstream_SOURCES = tests/fuzz/fuzz-tarstream.c
tests_fuzz_fuzz_tarstream_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_PROGRAMS += tests/fuzz/fuzz-torchpt
tests_fuzz_fuzz_torchpt_SOURCES = tests/fuzz/fuzz-torchpt.c
tests_fuzz_fuzz_torchpt_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_PROGRAMS += tests/fuzz/fuzz-yaml
tests_fuzz_fuzz_yaml_SOURCES = tests/fuzz/fuzz-yaml.c
tests_fuzz_fuzz_yaml_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)

# Elsewhere: object stores and servers as operands and outputs.
libmist_a_SOURCES += \
	src/io/credentials.c src/io/credentials.h \
	src/io/store.c src/io/store.h \
	src/io/wire.c src/io/wire.h \
	src/io/upload.c src/io/upload.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/t-store
tests_unit_t_store_SOURCES = tests/unit/t-store.c
tests_unit_t_store_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_store_LDADD = $(LDADD) $(CMOCKA_LIBS)
endif

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/t-digest
tests_unit_t_digest_SOURCES = tests/unit/t-digest.c
tests_unit_t_digest_CFLAGS = $(AM_CFLAGS) $(unit_cflags)
tests_unit_t_digest_LDADD = $(LDADD) $(CMOCKA_LIBS)
endif

EXTRA_PROGRAMS += tests/fuzz/fuzz-store
tests_fuzz_fuzz_store_SOURCES = tests/fuzz/fuzz-store.c
tests_fuzz_fuzz_store_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
