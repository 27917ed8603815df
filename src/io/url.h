/*
 * url.h - what a URL says without anybody being asked: is it one, what is the file called, how is it
 * shown. What a connection depends on (its host, its scheme) libcurl's parser tells, which makes it.
 */
#ifndef MIST_IO_URL_H
#define MIST_IO_URL_H

#include <stdbool.h>

/* True for "http:" and "https:" URLs, in any case of letters. */
bool url_is_http(const char *text);
/*
 * The path of a "file:" URL (file:PATH, file:///PATH), percent-decoded unless it exists as it
 * stands; NULL: no such URL, or one of another host. The caller frees.
 */
char *url_local_path(const char *url);
/* The last component of the URL's path, percent-decoded; NULL: it makes no file name. The caller
 * frees. */
char *url_file_name(const char *url);
/* The URL without user name and password, for messages; the caller frees. */
char *url_shown(const char *url);

#endif
