#include "io/credentials.h"

#include "base/file.h"
#include "base/mem.h"

#include <ctype.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE (1u << 16)

static void wipe(char **text)
{
	if (*text)
		sodium_memzero(*text, strlen(*text));
	free(*text);
	*text = NULL;
}

void credentials_release(struct credentials *c)
{
	wipe(&c->bearer);
	wipe(&c->secret);
	wipe(&c->session);
	wipe(&c->user);
	free(c->netrc);
	free(c->sigv4);
	free(c->region);
	free(c->endpoint);
	*c = (struct credentials){0};
}

/* ------------------------------------------------------------------ files */

static int check_private(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st))
		return err_errno(err, "cannot read '%s'", path);
	if (st.st_mode & 077)
		return err_set(err, STATUS_PRIVACY,
			       "refused: others can read the credentials in '%s' (chmod 600)",
			       path);
	return 0;
}

static int read_private(const char *path, struct buf *out, struct err *err)
{
	return check_private(path, err) || file_read(path, MAX_FILE, out, err) ? -1 : 0;
}

static void release_private(struct buf *text)
{
	if (text->data)
		sodium_memzero(text->data, text->len);
	buf_release(text);
}

static const char *set(const char *name)
{
	const char *v = getenv(name);

	return v && *v ? v : NULL;
}

/* $NAME, or `below` the home; NULL: no home. The caller frees. */
static char *choose_file(const char *name, const char *below)
{
	const char *home = set("HOME");

	if (set(name))
		return xstrdup(set(name));
	return home ? path_join(home, below) : NULL;
}

/* ------------------------------------------------------------------ AWS */

/* The value of `key` in a line "key = value", or NULL; it ends where the line does. */
static char *line_value(const char *line, size_t len, const char *key)
{
	const char *p = line, *end = line + len;
	const size_t n = strlen(key);

	while (p < end && isspace((unsigned char)*p))
		p++;
	if ((size_t)(end - p) <= n || strncmp(p, key, n))
		return NULL;
	for (p += n; p < end && isspace((unsigned char)*p); p++)
		;
	if (p == end || *p++ != '=')
		return NULL;
	while (p < end && isspace((unsigned char)*p))
		p++;
	while (end > p && isspace((unsigned char)end[-1]))
		end--;
	return end > p ? xstrndup(p, (size_t)(end - p)) : NULL;
}

static void take(char **to, char *value)
{
	if (value) {
		wipe(to);
		*to = value;
	}
}

void credentials_parse(struct credentials *c, const char *text, const char *profile)
{
	char *head = xasprintf("[%s]", profile);
	const size_t n = strlen(head);
	bool inside = false;
	size_t len;

	for (; *text; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		if (*text == '[') {
			inside = len >= n && !strncmp(text, head, n);
		} else if (inside) {
			take(&c->user, line_value(text, len, "aws_access_key_id"));
			take(&c->secret, line_value(text, len, "aws_secret_access_key"));
			take(&c->session, line_value(text, len, "aws_session_token"));
			take(&c->region, line_value(text, len, "region"));
			take(&c->endpoint, line_value(text, len, "endpoint_url"));
		}
	}
	free(head);
}

static int read_profile(struct credentials *c, const char *profile, struct err *err)
{
	char *path = choose_file("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials");
	struct buf text = BUF_INIT;
	int rc = 0;

	if (path && path_exists(path)) {
		rc = read_private(path, &text, err);
		if (!rc)
			credentials_parse(c, text.data, profile);
	}
	release_private(&text);
	free(path);
	return rc;
}

static void read_environment(struct credentials *c)
{
	c->user = xstrdup(set("AWS_ACCESS_KEY_ID"));
	c->secret = xstrdup(set("AWS_SECRET_ACCESS_KEY"));
	c->session = set("AWS_SESSION_TOKEN") ? xstrdup(set("AWS_SESSION_TOKEN")) : NULL;
}

static int find_s3(struct credentials *c, const char *profile, struct err *err)
{
	if (profile)
		return read_profile(c, profile, err);
	if (set("AWS_ACCESS_KEY_ID") && set("AWS_SECRET_ACCESS_KEY")) {
		read_environment(c);
		return 0;
	}
	return read_profile(c, set("AWS_PROFILE") ? set("AWS_PROFILE") : "default", err);
}

/* The first of these that is set in the environment takes the place of what the profile said. */
static void override(char **to, const char *first, const char *second)
{
	const char *v = set(first) ? set(first) : set(second);

	if (v)
		take(to, xstrdup(v));
}

int credentials_s3(struct credentials *c, const char *shown, const char *profile, struct err *err)
{
	*c = (struct credentials){0};
	if (find_s3(c, profile, err)) {
		credentials_release(c);
		return -1;
	}
	if (!c->user || !c->secret) {
		credentials_release(c);
		if (profile)
			return err_set(err, STATUS_USAGE,
				       "no credentials for '%s': ~/.aws/credentials has no "
				       "profile '%s' with a key and its secret",
				       shown, profile);
		return err_set(err, STATUS_USAGE,
			       "no credentials for '%s': set AWS_ACCESS_KEY_ID and "
			       "AWS_SECRET_ACCESS_KEY, or write ~/.aws/credentials",
			       shown);
	}
	override(&c->region, "AWS_REGION", "AWS_DEFAULT_REGION");
	override(&c->endpoint, "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL");
	if (!c->region)
		c->region = xstrdup("us-east-1");
	c->sigv4 = xasprintf("aws:amz:%s:s3", c->region);
	c->auth = (struct wire_auth){
		.sigv4 = c->sigv4, .user = c->user, .secret = c->secret, .session = c->session};
	return 0;
}

/* ------------------------------------------------------------------ HTTP */

/* A token in clear would be everybody's; this machine is nobody's wire. */
static bool may_carry_token(const struct libcurl *lib, const char *url)
{
	static const char *const hosts[] = {"localhost", "127.0.0.1", "[::1]"};
	char *scheme = NULL, *host = NULL;
	CURLU *parts = lib->curl_url();
	bool may = false;
	size_t i;

	if (parts && !lib->curl_url_set(parts, CURLUPART_URL, url, 0) &&
	    !lib->curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) &&
	    !lib->curl_url_get(parts, CURLUPART_HOST, &host, 0)) {
		may = !strcmp(scheme, "https");
		for (i = 0; i < ARRAY_LEN(hosts); i++)
			may |= !strcasecmp(host, hosts[i]);
	}
	lib->curl_free(scheme);
	lib->curl_free(host);
	lib->curl_url_cleanup(parts);
	return may;
}

static int check_token(const char *url, struct err *err)
{
	struct libcurl lib;

	if (libcurl_load(&lib, err))
		return -1;
	return may_carry_token(&lib, url)
		       ? 0
		       : err_set(err, STATUS_PRIVACY,
				 "refused: a bearer token is not sent in clear, over http:");
}

static int get_token(struct credentials *c, struct err *err)
{
	const char *path = set("MISTUTILS_TOKEN_FILE");
	struct buf text = BUF_INIT;
	int rc = 0;

	if (set("MISTUTILS_TOKEN")) {
		c->bearer = xstrdup(set("MISTUTILS_TOKEN"));
	} else if (path) {
		rc = read_private(path, &text, err);
		if (!rc)
			c->bearer = xstrndup(text.data, strcspn(text.data, "\r\n"));
		release_private(&text);
	}
	return rc;
}

int credentials_http(struct credentials *c, const char *url, struct err *err)
{
	char *netrc;
	int rc;

	*c = (struct credentials){0};
	rc = get_token(c, err);
	if (!rc && c->bearer)
		rc = check_token(url, err);
	if (!rc && !c->bearer) {
		netrc = choose_file("NETRC", ".netrc");
		if (netrc && path_exists(netrc)) {
			rc = check_private(netrc, err);
			c->netrc = netrc;
		} else {
			free(netrc);
		}
	}
	if (rc)
		credentials_release(c);
	c->auth = (struct wire_auth){.bearer = c->bearer, .netrc = c->netrc};
	return rc;
}
