/*
 * dataset.yaml and list files: any text gives a list of pictures or one sentence. The first byte says
 * which of both the rest is. Slashes are taken out of the YAML, lest it names the whole machine.
 */
#include "base/file.h"
#include "data/sources.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

/* A scratch folder with one picture; made once, its files are overwritten. */
static const char *scratch(void)
{
	static char *dir;
	const char *base = getenv("TMPDIR");
	struct err err;
	char *path;

	if (dir)
		return dir;
	dir = xasprintf("%s/fuzz-sources.XXXXXX", base && *base ? base : "/tmp");
	if (!mkdtemp(dir))
		abort();
	path = path_join(dir, "1.jpg");
	if (file_write(path, "", 0, &err))
		abort();
	free(path);
	return dir;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	bool yaml = size && data[0] & 1;
	char *path = path_join(scratch(), yaml ? "x.yaml" : "x.txt");
	struct err err = ERR_INIT;
	struct sources s;
	FILE *fp = fopen(path, "wb");
	size_t i;

	if (!fp)
		abort();
	for (i = 1; i < size; i++) {
		bool climbs = data[i] == '/' || (data[i] == '.' && data[i - 1] == '.');

		fputc(yaml && climbs ? '_' : data[i], fp);
	}
	fclose(fp);
	if (sources_find(&s, path, NULL, NULL, &err)) {
		if (!err.msg[0])
			abort();
	} else if (!s.n) {
		abort();
	}
	sources_release(&s);
	free(path);
	return 0;
}
