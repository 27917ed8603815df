#include "base/dynlib.h"

#include <dlfcn.h>
#include <string.h>

/* The loader's sentence, which begins with the name that ours has said. */
static int fail(const char *soname, struct err *err)
{
	const char *cause = dlerror();
	const size_t n = strlen(soname);

	if (!cause)
		cause = "it is not as expected";
	if (!strncmp(cause, soname, n) && !strncmp(cause + n, ": ", 2))
		cause += n + 2;
	return err_set(err, STATUS_SYSTEM, "cannot load '%s': %s", soname, cause);
}

int dynlib_load(const char *soname, const struct dynlib_call *calls, size_t n, void *table,
		struct err *err)
{
	void *library = dlopen(soname, RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE), *call;
	size_t i;

	if (!library)
		return fail(soname, err);
	for (i = 0; i < n; i++) {
		call = dlsym(library, calls[i].name);
		if (!call)
			return fail(soname, err);
		memcpy((char *)table + calls[i].at, &call, sizeof(call));
	}
	return 0;
}
