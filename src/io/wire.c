#include "io/wire.h"

#include "base/mem.h"
#include "io/digest.h"

#include <ctype.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_header(const struct libcurl *lib, struct curl_slist **headers, const char *name,
		       const char *value)
{
	char *line = xasprintf("%s: %s", name, value);

	*headers = lib->curl_slist_append(*headers, line);
	sodium_memzero(line, strlen(line));
	free(line);
}

void wire_authorise(const struct libcurl *lib, CURL *curl, const struct wire_auth *auth,
		    const char *sha256, struct curl_slist **headers)
{
	char empty[DIGEST_HEX];

	if (!auth)
		return;
	if (auth->bearer) {
		libcurl_set(lib, curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
		libcurl_set(lib, curl, CURLOPT_XOAUTH2_BEARER, auth->bearer);
	} else if (auth->netrc) {
		libcurl_set(lib, curl, CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL);
		libcurl_set(lib, curl, CURLOPT_NETRC_FILE, auth->netrc);
	}
	if (!auth->sigv4)
		return;
	libcurl_set(lib, curl, CURLOPT_AWS_SIGV4, auth->sigv4);
	libcurl_set(lib, curl, CURLOPT_USERNAME, auth->user);
	libcurl_set(lib, curl, CURLOPT_PASSWORD, auth->secret);
	/* libcurl signs what this header says, and adds none of its own (before 8.0) */
	digest_bytes("", 0, empty);
	add_header(lib, headers, "x-amz-content-sha256", sha256 ? sha256 : empty);
	if (auth->session)
		add_header(lib, headers, "x-amz-security-token", auth->session);
}

bool wire_is_passing(CURLcode rc, long code)
{
	switch (rc) {
	case CURLE_HTTP_RETURNED_ERROR:
		return code == 408 || code == 425 || code == 429 || code == 500 || code == 502 ||
		       code == 503 || code == 504;
	case CURLE_COULDNT_CONNECT:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_PARTIAL_FILE:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return true;
	default:
		return false;
	}
}

void wire_cause(const struct libcurl *lib, CURLcode rc, const char *message, char *out, size_t size)
{
	size_t len;

	snprintf(out, size, "%s", message[0] ? message : lib->curl_easy_strerror(rc));
	if (isupper((unsigned char)out[0]) && !isupper((unsigned char)out[1]))
		out[0] = (char)tolower((unsigned char)out[0]);
	for (len = strlen(out); len && strchr(".\r\n ", out[len - 1]); len--)
		out[len - 1] = '\0';
	for (; len; len--)
		if (out[len - 1] == '\n')
			out[len - 1] = ' ';
}
