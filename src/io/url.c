#include "io/url.h"

#include "base/file.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool url_is_http(const char *text)
{
	return !strncasecmp(text, "http://", 7) || !strncasecmp(text, "https://", 8);
}

static int digit(char c)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) % 16 : -1;
}

/* RFC 3986, section 2.1; a '%' without two digits stands for itself. NULL: a zero is encoded. */
static char *decoded(const char *text, size_t len)
{
	char *plain = xstrndup(text, len), *to = plain;
	const char *from = plain;

	while (*from) {
		if (*from == '%' && digit(from[1]) >= 0 && digit(from[2]) >= 0) {
			*to = (char)(16 * digit(from[1]) + digit(from[2]));
			from += 3;
		} else {
			*to = *from++;
		}
		if (!*to++) {
			free(plain);
			return NULL;
		}
	}
	*to = '\0';
	return plain;
}

char *url_local_path(const char *url)
{
	const char *path = url + 5;

	if (strncasecmp(url, "file:", 5))
		return NULL;
	if (!strncmp(path, "//localhost/", 12))
		path += 11;
	else if (!strncmp(path, "///", 3))
		path += 2;
	else if (!strncmp(path, "//", 2))
		return NULL;
	return path_exists(path) ? xstrdup(path) : decoded(path, strlen(path));
}

char *url_file_name(const char *url)
{
	const char *host = strstr(url, "://"), *path = host ? strchr(host + 3, '/') : url;
	size_t len = path ? strcspn(path, "?#") : 0, at = len;
	char *name;

	while (at && path[at - 1] != '/')
		at--;
	name = at < len ? decoded(path + at, len - at) : NULL;
	if (!name || name[0] == '.' || strpbrk(name, "/\\\n")) {
		free(name);
		return NULL;
	}
	return name;
}

char *url_shown(const char *url)
{
	const char *host = strchr(url, ':'), *at, *end;

	if (!host)
		return xstrdup(url);
	host += 1 + strspn(host + 1, "/"); /* libcurl takes one to three */
	end = host + strcspn(host, "/?#");
	for (at = end; at > host && at[-1] != '@'; at--)
		;
	return xasprintf("%.*s%s", (int)(host - url), url, at);
}
