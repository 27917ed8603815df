/*
 * libcurl.h - libcurl, loaded by the first that fetches or sends (base/dynlib). A struct that talks to
 * servers owns a `struct libcurl`, loads it once and calls its functions by their names,
 * lib->curl_easy_init(); the two that take any type go through the macros below.
 */
#ifndef MIST_IO_LIBCURL_H
#define MIST_IO_LIBCURL_H

#include "base/err.h"

#include <curl/curl.h>

#define LIBCURL_CALLS(CALL)                                                                        \
	CALL(curl_easy_cleanup)                                                                    \
	CALL(curl_easy_escape)                                                                     \
	CALL(curl_easy_getinfo)                                                                    \
	CALL(curl_easy_init)                                                                       \
	CALL(curl_easy_perform)                                                                    \
	CALL(curl_easy_setopt)                                                                     \
	CALL(curl_easy_strerror)                                                                   \
	CALL(curl_free)                                                                            \
	CALL(curl_slist_append)                                                                    \
	CALL(curl_slist_free_all)                                                                  \
	CALL(curl_url)                                                                             \
	CALL(curl_url_cleanup)                                                                     \
	CALL(curl_url_get)                                                                         \
	CALL(curl_url_set)                                                                         \
	CALL(curl_version_info)

struct libcurl {
#define LIBCURL_MEMBER(name) typeof(name) *name;
	LIBCURL_CALLS(LIBCURL_MEMBER)
#undef LIBCURL_MEMBER
};

/* System error where there is none, or one that is too old. */
int libcurl_load(struct libcurl *lib, struct err *err);
/* Is it new enough? libcurl_load has asked. */
int libcurl_check(const struct libcurl *lib, struct err *err);

/*
 * curl's own macros check an argument's type against its option, then call what their name means
 * where they stand: here the table's function.
 */
#define LIBCURL_NAMED(lib, name, call)                                                             \
	__extension__({                                                                            \
		_Pragma("GCC diagnostic push");                                                    \
		_Pragma("GCC diagnostic ignored \"-Wshadow\"");                                    \
		typeof(name) *const name = (lib)->name;                                            \
		_Pragma("GCC diagnostic pop");                                                     \
		call;                                                                              \
	})
#define libcurl_set(lib, curl, option, value)                                                      \
	LIBCURL_NAMED(lib, curl_easy_setopt, curl_easy_setopt(curl, option, value))
#define libcurl_get(lib, curl, info, to)                                                           \
	LIBCURL_NAMED(lib, curl_easy_getinfo, curl_easy_getinfo(curl, info, to))

#endif
