/*
 * fuzz-features.c - a feature stream's bytes. The first byte says what is fuzzed: 0 the text of
 * mist.json, anything else a whole stream, which so need not be found by its checksums.
 */
#include "base/err.h"
#include "mist/features.h"

#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void header(const char *text, size_t size)
{
	struct features_header h, back;
	struct err err;
	char *again;

	if (features_header_parse("mist.json", text, size, &h, &err))
		return;
	again = features_header_json(&h);
	BUG_IF(features_header_parse("mist.json", again, strlen(again), &back, &err));
	BUG_IF(features_fit(&h, &back, &err));
	free(again);
	features_header_release(&h);
	features_header_release(&back);
}

static void stream(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct features_reader *r;
	struct features_sample s;
	struct err err;
	char path[32];

	BUG_IF(fd < 0 || write(fd, data, size) != (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = features_open(path, &err);
	while (r && features_next(r, &s, &err) == 1)
		;
	features_close(r);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size && !data[0])
		header((const char *)data + 1, size - 1);
	else if (size)
		stream(data + 1, size - 1);
	return 0;
}
