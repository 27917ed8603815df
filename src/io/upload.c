#include "io/upload.h"

#include "base/file.h"
#include "base/mem.h"
#include "io/digest.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CONNECT_SECONDS 30L
/* A line that stands below so many bytes a second for so long counts as standing still. */
#define STALL_BYTES   1000L
#define STALL_SECONDS 30L
#define MAX_PARTS     10000
#define MAX_ANSWER    (1u << 20)
#define MAX_TOKEN     1024

/* Where to, and with what. */
struct sender {
	struct upload to;
	struct libcurl lib;
};

/* One request: a piece of a file, a text, or nothing. */
struct request {
	const char *method, *url;
	int fd; /* >= 0: its bytes from `begin` on are the body, `size` of them */
	uint64_t begin, size, sent;
	const char *text; /* the body, else */
	struct buf answer;
	char etag[MAX_TOKEN];
	bool unreadable; /* the file could not be read */
};

/* ------------------------------------------------------------------ one request */

static size_t on_read(char *to, size_t one, size_t room, void *ctx)
{
	struct request *r = ctx;
	size_t want = one * room;
	ssize_t n;

	if (want > r->size - r->sent)
		want = (size_t)(r->size - r->sent);
	n = want ? pread(r->fd, to, want, (off_t)(r->begin + r->sent)) : 0;
	if (n < 0 || (want && !n)) {
		r->unreadable = true;
		return CURL_READFUNC_ABORT;
	}
	r->sent += (size_t)n;
	return (size_t)n;
}

static int on_seek(void *ctx, curl_off_t offset, int origin)
{
	struct request *r = ctx;

	if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > r->size)
		return CURL_SEEKFUNC_CANTSEEK;
	r->sent = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

static size_t on_answer(char *data, size_t one, size_t len, void *ctx)
{
	struct request *r = ctx;

	if (r->answer.len + len > MAX_ANSWER)
		return 0;
	buf_add(&r->answer, data, one * len);
	return len;
}

static size_t on_header(char *data, size_t one, size_t len, void *ctx)
{
	struct request *r = ctx;
	size_t end = one * len, at = 5;

	if (end <= at || strncasecmp(data, "ETag:", at))
		return end;
	while (at < end && isspace((unsigned char)data[at]))
		at++;
	while (end > at && isspace((unsigned char)data[end - 1]))
		end--;
	snprintf(r->etag, sizeof(r->etag), "%.*s", (int)(end - at), data + at);
	return one * len;
}

static void set_body(const struct libcurl *lib, CURL *c, struct request *r)
{
	if (r->fd >= 0) {
		libcurl_set(lib, c, CURLOPT_UPLOAD, 1L);
		libcurl_set(lib, c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)r->size);
		libcurl_set(lib, c, CURLOPT_READFUNCTION, on_read);
		libcurl_set(lib, c, CURLOPT_READDATA, r);
		libcurl_set(lib, c, CURLOPT_SEEKFUNCTION, on_seek);
		libcurl_set(lib, c, CURLOPT_SEEKDATA, r);
	} else if (r->text) {
		libcurl_set(lib, c, CURLOPT_POSTFIELDS, r->text);
	}
	libcurl_set(lib, c, CURLOPT_CUSTOMREQUEST, r->method);
}

static void set_options(const struct libcurl *lib, CURL *c, struct request *r, char *message)
{
	libcurl_set(lib, c, CURLOPT_URL, r->url);
	libcurl_set(lib, c, CURLOPT_ERRORBUFFER, message);
	libcurl_set(lib, c, CURLOPT_PROTOCOLS_STR, "http,https");
	libcurl_set(lib, c, CURLOPT_NOSIGNAL, 1L);
	libcurl_set(lib, c, CURLOPT_USERAGENT, "mistutils");
	libcurl_set(lib, c, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
	libcurl_set(lib, c, CURLOPT_LOW_SPEED_LIMIT, STALL_BYTES);
	libcurl_set(lib, c, CURLOPT_LOW_SPEED_TIME, STALL_SECONDS);
	libcurl_set(lib, c, CURLOPT_WRITEFUNCTION, on_answer);
	libcurl_set(lib, c, CURLOPT_WRITEDATA, r);
	libcurl_set(lib, c, CURLOPT_HEADERFUNCTION, on_header);
	libcurl_set(lib, c, CURLOPT_HEADERDATA, r);
	set_body(lib, c, r);
}

char *upload_xml_text(const char *xml, const char *name)
{
	char *open = xasprintf("<%s>", name), *text = NULL;
	const char *at = xml ? strstr(xml, open) : NULL, *end;

	if (at) {
		at += strlen(open);
		end = strchr(at, '<');
		if (end && end > at && end - at < MAX_TOKEN)
			text = xstrndup(at, (size_t)(end - at));
	}
	free(open);
	return text;
}

/* S3 says in a word what is wrong: <Code>NoSuchBucket</Code>. */
static void answer_cause(const struct request *r, long code, char *out, size_t size)
{
	char *word = upload_xml_text(r->answer.data, "Code");

	snprintf(out, size, "the server answered %ld", code);
	if (word &&
	    strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == strlen(word))
		snprintf(out, size, "the server answered %ld, %.64s", code, word);
	free(word);
}

/* Of the body, to be signed. */
static int digest_body(const struct sender *s, const struct request *r, char hex[DIGEST_HEX],
		       struct err *err)
{
	char block[1 << 16];
	struct digest d;
	uint64_t at = 0;
	ssize_t n;

	digest_init(&d);
	if (r->fd < 0 && r->text)
		digest_add(&d, r->text, strlen(r->text));
	for (; r->fd >= 0 && at < r->size; at += (uint64_t)n) {
		const uint64_t rest = r->size - at;

		n = pread(r->fd, block, rest < sizeof(block) ? (size_t)rest : sizeof(block),
			  (off_t)(r->begin + at));
		if (n <= 0)
			return err_errno(err, "cannot write '%s'", s->to.shown);
		digest_add(&d, block, (size_t)n);
	}
	digest_hex(&d, hex);
	return 0;
}

/* 0; -1: for good; 1: may pass. */
static int try_request(const struct sender *s, struct request *r, const char *sha256,
		       struct err *err)
{
	char message[CURL_ERROR_SIZE] = "", cause[CURL_ERROR_SIZE];
	const struct libcurl *lib = &s->lib;
	struct curl_slist *headers = NULL;
	CURL *c = lib->curl_easy_init();
	long code = 0;
	CURLcode rc;

	if (!c)
		return err_set(err, STATUS_SYSTEM, "libcurl could not be started");
	r->sent = 0;
	r->etag[0] = '\0';
	buf_clear(&r->answer);
	set_options(lib, c, r, message);
	wire_authorise(lib, c, s->to.auth, sha256, &headers);
	libcurl_set(lib, c, CURLOPT_HTTPHEADER, headers);
	rc = lib->curl_easy_perform(c);
	libcurl_get(lib, c, CURLINFO_RESPONSE_CODE, &code);
	lib->curl_slist_free_all(headers);
	lib->curl_easy_cleanup(c);
	if (rc == CURLE_OK && code >= 200 && code < 300)
		return 0;
	if (r->unreadable)
		return err_set(err, STATUS_SYSTEM,
			       "cannot write '%s': what is to be sent cannot be "
			       "read",
			       s->to.shown);
	if (rc == CURLE_OK)
		answer_cause(r, code, cause, sizeof(cause));
	else
		wire_cause(lib, rc, message, cause, sizeof(cause));
	err_set(err, STATUS_NETWORK, "cannot write '%s': %s", s->to.shown, cause);
	return wire_is_passing(rc == CURLE_OK ? CURLE_HTTP_RETURNED_ERROR : rc, code) ? 1 : -1;
}

static int perform(const struct sender *s, struct request *r, struct err *err)
{
	double pause = s->to.pause > 0 ? s->to.pause : 1;
	char sha256[DIGEST_HEX];
	int i, rc = digest_body(s, r, sha256, err);

	if (!rc)
		rc = try_request(s, r, sha256, err);

	for (i = 0; i < s->to.retries && rc == 1; i++, pause *= 2) {
		const struct timespec t = {(time_t)pause,
					   (long)((pause - (double)(time_t)pause) * 1e9)};

		nanosleep(&t, NULL);
		rc = try_request(s, r, sha256, err);
	}
	return rc ? -1 : 0;
}

/* ------------------------------------------------------------------ in parts */

static int begin_parts(const struct sender *s, char **id, struct err *err)
{
	/* "uploads=", since what is signed is a name with its value */
	char *url = xasprintf("%s?uploads=", s->to.url), *text;
	struct request r = {.method = "POST", .url = url, .fd = -1, .text = ""};
	int rc = perform(s, &r, err);

	*id = NULL;
	text = rc ? NULL : upload_xml_text(r.answer.data, "UploadId");
	if (text)
		*id = s->lib.curl_easy_escape(NULL, text, 0);
	if (!rc && !*id)
		rc = err_set(err, STATUS_NETWORK,
			     "cannot write '%s': the server's answer names no upload", s->to.shown);
	buf_release(&r.answer);
	free(text);
	free(url);
	return rc;
}

static int send_part(const struct sender *s, const char *id, int number, int fd, uint64_t begin,
		     uint64_t size, struct buf *list, struct err *err)
{
	char *url = xasprintf("%s?partNumber=%d&uploadId=%s", s->to.url, number, id);
	struct request r = {.method = "PUT", .url = url, .fd = fd, .begin = begin, .size = size};
	int rc = perform(s, &r, err);

	if (!rc && (!r.etag[0] || strpbrk(r.etag, "<>&")))
		rc = err_set(err, STATUS_NETWORK,
			     "cannot write '%s': the server's answer names no part", s->to.shown);
	if (!rc)
		buf_printf(list, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", number,
			   r.etag);
	buf_release(&r.answer);
	free(url);
	return rc;
}

/* The answer may say 200 and yet tell of an error (CompleteMultipartUpload). */
static int end_parts(const struct sender *s, const char *id, const char *list, struct err *err)
{
	char *url = xasprintf("%s?uploadId=%s", s->to.url, id);
	struct request r = {.method = "POST", .url = url, .fd = -1, .text = list};
	int rc = perform(s, &r, err);

	if (!rc && r.answer.data && strstr(r.answer.data, "<Error>"))
		rc = err_set(err, STATUS_NETWORK,
			     "cannot write '%s': the server did not put the parts together",
			     s->to.shown);
	buf_release(&r.answer);
	free(url);
	return rc;
}

static void abort_parts(const struct sender *s, const char *id)
{
	char *url = xasprintf("%s?uploadId=%s", s->to.url, id);
	struct request r = {.method = "DELETE", .url = url, .fd = -1};
	struct err ignored = ERR_INIT; /* what went wrong before is what is told */

	(void)perform(s, &r, &ignored);
	buf_release(&r.answer);
	free(url);
}

static int upload_parts(const struct sender *s, int fd, uint64_t size, struct err *err)
{
	uint64_t part = UPLOAD_PART, at, n;
	struct buf list = BUF_INIT;
	int number = 0, rc;
	char *id;

	if (size / part >= MAX_PARTS)
		part = size / MAX_PARTS + 1;
	if (begin_parts(s, &id, err))
		return -1;
	buf_add_str(&list, "<CompleteMultipartUpload>");
	for (at = 0, rc = 0; at < size && !rc; at += n) {
		n = size - at < part ? size - at : part;
		rc = send_part(s, id, ++number, fd, at, n, &list, err);
	}
	buf_add_str(&list, "</CompleteMultipartUpload>");
	if (!rc)
		rc = end_parts(s, id, list.data, err);
	if (rc)
		abort_parts(s, id);
	buf_release(&list);
	s->lib.curl_free(id);
	return rc;
}

/* ------------------------------------------------------------------ */

int upload_file(const struct upload *u, const char *path, struct err *err)
{
	struct sender s = {.to = *u};
	struct request r = {.method = "PUT", .url = u->url};
	struct stat st;
	int rc;

	if (libcurl_load(&s.lib, err))
		return -1;
	r.fd = file_open(path, err);
	if (r.fd < 0)
		return -1;
	if (fstat(r.fd, &st) || !S_ISREG(st.st_mode)) {
		file_close(r.fd);
		return err_set(err, STATUS_SYSTEM, "cannot write '%s': '%s' is not a file",
			       u->shown, path);
	}
	r.size = (uint64_t)st.st_size;
	rc = u->parts && r.size > UPLOAD_PART ? upload_parts(&s, r.fd, r.size, err)
					      : perform(&s, &r, err);
	buf_release(&r.answer);
	file_close(r.fd);
	return rc;
}
