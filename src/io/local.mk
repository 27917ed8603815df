# Room: src/io - formats: nothing here knows what a tensor means.
libmist_a_SOURCES += \
	src/io/exif.c src/io/exif.h \
	src/io/image.c src/io/image.h \
	src/io/imgjpeg.c src/io/imgjpeg.h \
	src/io/imgpng.c src/io/imgpng.h

libmist_a_SOURCES += \
	src/io/digest.c src/io/digest.h \
	src/io/half.c src/io/half.h \
	src/io/json.c src/io/json.h \
	src/io/jsonpull.c src/io/jsonpull.h \
	src/io/libarchive.c src/io/libarchive.h \
	src/io/npy.c src/io/npy.h \
	src/io/safetensors.c src/io/safetensors.h \
	src/io/pickle.c src/io/pickle.h \
	src/io/tarstream.c src/io/tarstream.h \
	src/io/torchpt.c src/io/torchpt.h \
	src/io/yaml.c src/io/yaml.h

libmist_a_SOURCES += \
	src/io/http.c src/io/http.h \
	src/io/part.c src/io/part.h \
	src/io/unpack.c src/io/unpack.h

EXTRA_DIST += tests/fuzz/memfile.h

# Elsewhere: object stores and servers as operands and outputs.
libmist_a_SOURCES += \
	src/io/credentials.c src/io/credentials.h \
	src/io/libcurl.c src/io/libcurl.h \
	src/io/store.c src/io/store.h \
	src/io/wire.c src/io/wire.h \
	src/io/upload.c src/io/upload.h \
	src/io/url.c src/io/url.h

unit_tests += tests/unit/t-digest tests/unit/t-golden tests/unit/t-image tests/unit/t-libcurl tests/unit/t-npy \
	tests/unit/t-safetensors tests/unit/t-store tests/unit/t-tarstream tests/unit/t-torchpt \
	tests/unit/t-unpack tests/unit/t-url tests/unit/t-yaml
fuzz_targets += tests/fuzz/fuzz-exif tests/fuzz/fuzz-image tests/fuzz/fuzz-json \
	tests/fuzz/fuzz-npy tests/fuzz/fuzz-safetensors tests/fuzz/fuzz-store tests/fuzz/fuzz-tarstream \
	tests/fuzz/fuzz-torchpt tests/fuzz/fuzz-unpack tests/fuzz/fuzz-yaml
