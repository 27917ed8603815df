#include "io/libcurl.h"

#include "base/dynlib.h"
#include "base/mem.h"

/* CURLOPT_PROTOCOLS_STR is of 7.85; an older one would ignore what transfers are kept to by it. */
#define LEAST      0x075500
#define LEAST_TEXT "7.85.0"

int libcurl_check(const struct libcurl *lib, struct err *err)
{
	const curl_version_info_data *v = lib->curl_version_info(CURLVERSION_NOW);

	return v->version_num >= LEAST
		       ? 0
		       : err_set(err, STATUS_SYSTEM,
				 "libcurl " LEAST_TEXT " or newer is needed, this is %s",
				 v->version);
}

#ifdef LIBCURL_SONAME
DYNLIB_NOTE("fetch", "Files named by URLs", "recommended", LIBCURL_SONAME);

int libcurl_load(struct libcurl *lib, struct err *err)
{
#define ROW(name) {#name, offsetof(struct libcurl, name)},
	static const struct dynlib_call calls[] = {LIBCURL_CALLS(ROW)};

	if (dynlib_load(LIBCURL_SONAME, calls, ARRAY_LEN(calls), lib, err))
		return -1;
	return libcurl_check(lib, err);
}
#else /* linked: configure found no shared one */
int libcurl_load(struct libcurl *lib, struct err *err)
{
#define LINKED(name) .name = (name),
	*lib = (struct libcurl){LIBCURL_CALLS(LINKED)};
	return libcurl_check(lib, err);
}
#endif
