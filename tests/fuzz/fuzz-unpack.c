/* Unpacking: whatever the archive says, nothing appears outside its folder. */
#include "base/file.h"
#include "io/unpack.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char top[4096];
	struct unpack_options opt = {.max_bytes = 1 << 20, .max_members = 100};
	struct err err = ERR_INIT;
	char **names, *archive, *into;
	size_t n;

	snprintf(top, sizeof(top), "%s/mist-fuzz.XXXXXX",
		 getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (!mkdtemp(top))
		abort();
	archive = path_join(top, "x");
	into = path_join(top, "into");
	if (file_write(archive, data, size, &err) || dir_make(into, &err))
		abort();
	if (unpack(archive, into, &opt, &err) && !err.msg[0])
		abort();
	if (dir_list(top, &names, &n, &err) || n != 2)
		abort();
	names_free(names, n);
	dir_remove(top, &err);
	free(archive);
	free(into);
	return 0;
}
