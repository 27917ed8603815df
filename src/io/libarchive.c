#include "io/libarchive.h"

#include "base/dynlib.h"
#include "base/mem.h"

#ifdef LIBARCHIVE_SONAME
DYNLIB_NOTE("archives", "Streams of features, PyTorch's files, data sets", "required",
	    LIBARCHIVE_SONAME);

int libarchive_load(struct libarchive *lib, struct err *err)
{
#define ROW(name) {#name, offsetof(struct libarchive, name)},
	static const struct dynlib_call calls[] = {LIBARCHIVE_CALLS(ROW)};

	return dynlib_load(LIBARCHIVE_SONAME, calls, ARRAY_LEN(calls), lib, err);
}
#else /* linked: configure found no shared one */
int libarchive_load(struct libarchive *lib, struct err *err)
{
#define LINKED(name) .name = (name),
	(void)err;
	*lib = (struct libarchive){LIBARCHIVE_CALLS(LINKED)};
	return 0;
}
#endif
