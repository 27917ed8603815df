#include "io/http.h"

#include "base/file.h"
#include "base/mem.h"
#include "io/part.h"
#include "io/url.h"
#include "io/wire.h"

#include <ctype.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* A line that stands below this many bytes a second counts as standing still. */
#define STALL_BYTES     1000L
#define STALL_SECONDS   30L
#define CONNECT_SECONDS 30L
#define REDIRECTS       10L
/* No pause is longer, whatever the number of attempts or the server's Retry-After. */
#define LONGEST_PAUSE 60.0
/* Progress of this many bytes makes the attempts count from the beginning again: a poor line may
 * break a hundred times in the course of COCO's 19 GB. */
#define FRESH_BYTES (1u << 20)

enum outcome { DONE, AGAIN, NEXT, STOP }; /* of an attempt: try again, next mirror, give up */

struct transfer {
	const struct http_request *rq;
	const char *url;
	struct part *part;
	struct libcurl lib;
	CURL *curl;
	uint64_t start;    /* bytes that were there when the attempt began */
	bool answered;     /* the first byte of the body has come */
	bool failed;       /* `err` was set by a callback */
	bool interrupted;  /* progress said stop */
	char etag[256];    /* of the last answer; empty: none, or a weak one */
	char modified[64]; /* its Last-Modified */
	uint64_t range_at; /* first byte of its Content-Range */
	long pause;        /* its Retry-After */
	struct err *err;
};

/* The value of header NAME in LINE, without the white space around it, when it is that header. */
static bool header_value(const char *line, size_t len, const char *name, char *out, size_t size)
{
	size_t skip = strlen(name);

	if (len <= skip || strncasecmp(line, name, skip) || line[skip] != ':')
		return false;
	for (skip++; skip < len && isspace((unsigned char)line[skip]); skip++)
		;
	while (len > skip && isspace((unsigned char)line[len - 1]))
		len--;
	if (len - skip >= size) /* too long for us: as if it were not there */
		len = skip;
	memcpy(out, line + skip, len - skip);
	out[len - skip] = '\0';
	return true;
}

static size_t on_header(char *line, size_t one, size_t len, void *ctx)
{
	struct transfer *t = ctx;
	char range[128];

	(void)one;
	if (len > 5 && !strncasecmp(line, "HTTP/", 5)) { /* a new answer: of a redirect's target */
		t->etag[0] = t->modified[0] = '\0';
		t->range_at = 0;
	}
	header_value(line, len, "Last-Modified", t->modified, sizeof(t->modified));
	/* If-Range takes strong validators only. */
	if (header_value(line, len, "ETag", t->etag, sizeof(t->etag)) && t->etag[0] != '"')
		t->etag[0] = '\0';
	if (header_value(line, len, "Content-Range", range, sizeof(range)) &&
	    !strncasecmp(range, "bytes ", 6))
		t->range_at = strtoull(range + 6, NULL, 10);
	return len;
}

static int fail(struct transfer *t, enum status status, const char *cause)
{
	char *shown = url_shown(t->url);

	t->failed = true;
	err_set(t->err, status, "cannot fetch '%s': %s", shown, cause);
	free(shown);
	return -1;
}

/* The first byte of a body: does the server go on where we stopped, or begin again? */
static int begin_body(struct transfer *t)
{
	char *shown;
	long code = 0;
	int rc = 0;

	t->answered = true;
	libcurl_get(&t->lib, t->curl, CURLINFO_RESPONSE_CODE, &code);
	if (code == 206 && t->start && t->range_at == t->start)
		return 0;
	if (code == 206)
		return fail(t, STATUS_NETWORK, "the server sent another range than was asked for");
	if (t->part->have && part_restart(t->part, t->err)) {
		t->failed = true;
		return -1;
	}
	shown = url_shown(t->url);
	if (part_note(t->part, shown,
		      t->etag[0]       ? t->etag
		      : t->modified[0] ? t->modified
				       : NULL,
		      t->err)) {
		t->failed = true;
		rc = -1;
	}
	free(shown);
	return rc;
}

static int check_length(struct transfer *t, size_t more)
{
	char cause[96];
	uint64_t have = t->part->have + more;

	if (t->rq->size && have > t->rq->size) {
		snprintf(cause, sizeof(cause), "it is longer than the expected %llu bytes",
			 (unsigned long long)t->rq->size);
		return fail(t, STATUS_INPUT, cause);
	}
	if (t->rq->max_size && have > t->rq->max_size) {
		snprintf(cause, sizeof(cause), "it is longer than the allowed %llu bytes",
			 (unsigned long long)t->rq->max_size);
		return fail(t, STATUS_INPUT, cause);
	}
	return 0;
}

static size_t on_body(char *data, size_t one, size_t len, void *ctx)
{
	struct transfer *t = ctx;

	(void)one;
	if (!t->answered && begin_body(t))
		return 0;
	if (check_length(t, len))
		return 0;
	if (part_add(t->part, data, len, t->err)) {
		t->failed = true;
		return 0;
	}
	return len;
}

static int on_progress(void *ctx, curl_off_t total, curl_off_t now, curl_off_t a, curl_off_t b)
{
	struct transfer *t = ctx;
	uint64_t all = t->rq->size;

	(void)now, (void)a, (void)b;
	if (!all && total > 0)
		all = (uint64_t)total + (t->answered && t->range_at ? t->start : 0);
	if (t->rq->progress && t->rq->progress(t->rq->ctx, t->part->have, all)) {
		t->interrupted = true;
		return 1;
	}
	return 0;
}

/* May the part be gone on with at this URL? Its digest or its validator must be able to tell. */
static bool may_resume(const struct transfer *t)
{
	const struct part *p = t->part;
	char *shown;
	bool same;

	if (!p->have || t->rq->sha256)
		return p->have > 0;
	shown = url_shown(t->url);
	same = p->validator && p->url && !strcmp(shown, p->url);
	free(shown);
	return same;
}

static struct curl_slist *resume_headers(struct transfer *t)
{
	struct curl_slist *headers = NULL;
	char range[32], *line;

	t->start = 0;
	if (!may_resume(t))
		return NULL;
	t->start = t->part->have;
	snprintf(range, sizeof(range), "%llu-", (unsigned long long)t->start);
	libcurl_set(&t->lib, t->curl, CURLOPT_RANGE, range);
	if (t->part->validator && !t->rq->sha256) {
		line = xasprintf("If-Range: %s", t->part->validator);
		headers = t->lib.curl_slist_append(NULL, line);
		free(line);
	}
	return headers;
}

static void set_options(struct transfer *t, char *message)
{
	const struct http_request *rq = t->rq;
	bool tls = !strncasecmp(t->url, "https:", 6);
	const struct libcurl *lib = &t->lib;
	CURL *c = t->curl;

	libcurl_set(lib, c, CURLOPT_URL, t->url);
	libcurl_set(lib, c, CURLOPT_ERRORBUFFER, message);
	libcurl_set(lib, c, CURLOPT_PROTOCOLS_STR, "http,https");
	libcurl_set(lib, c, CURLOPT_REDIR_PROTOCOLS_STR, tls ? "https" : "http,https");
	libcurl_set(lib, c, CURLOPT_FOLLOWLOCATION, 1L);
	libcurl_set(lib, c, CURLOPT_MAXREDIRS, REDIRECTS);
	libcurl_set(lib, c, CURLOPT_FAILONERROR, 1L);
	libcurl_set(lib, c, CURLOPT_NOSIGNAL, 1L);
	libcurl_set(lib, c, CURLOPT_USERAGENT, rq->agent ? rq->agent : "mistutils");
	libcurl_set(lib, c, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
	libcurl_set(lib, c, CURLOPT_LOW_SPEED_LIMIT, STALL_BYTES);
	libcurl_set(lib, c, CURLOPT_LOW_SPEED_TIME,
		    rq->stall_seconds ? rq->stall_seconds : STALL_SECONDS);
	libcurl_set(lib, c, CURLOPT_HEADERFUNCTION, on_header);
	libcurl_set(lib, c, CURLOPT_HEADERDATA, t);
	libcurl_set(lib, c, CURLOPT_WRITEFUNCTION, on_body);
	libcurl_set(lib, c, CURLOPT_WRITEDATA, t);
	libcurl_set(lib, c, CURLOPT_NOPROGRESS, 0L);
	libcurl_set(lib, c, CURLOPT_XFERINFOFUNCTION, on_progress);
	libcurl_set(lib, c, CURLOPT_XFERINFODATA, t);
}

static enum outcome judge(struct transfer *t, CURLcode rc, const char *message)
{
	char cause[CURL_ERROR_SIZE];
	curl_off_t wait = 0;
	long code = 0;

	if (rc == CURLE_OK)
		return DONE;
	if (t->interrupted) {
		fail(t, STATUS_SYSTEM, "interrupted");
		return STOP;
	}
	if (t->failed)
		return t->err->status == STATUS_SYSTEM ? STOP : NEXT;
	libcurl_get(&t->lib, t->curl, CURLINFO_RESPONSE_CODE, &code);
	libcurl_get(&t->lib, t->curl, CURLINFO_RETRY_AFTER, &wait);
	t->pause = (long)wait;
	if (rc == CURLE_HTTP_RETURNED_ERROR)
		snprintf(cause, sizeof(cause), "the server answered %ld", code);
	else
		wire_cause(&t->lib, rc, message, cause, sizeof(cause));
	fail(t, STATUS_NETWORK, cause);
	if (code == 416 && t->start) /* our part is no beginning of what is there now */
		return part_restart(t->part, t->err) ? STOP : AGAIN;
	return wire_is_passing(rc, code) ? AGAIN : NEXT;
}

static enum outcome attempt(struct transfer *t)
{
	char message[CURL_ERROR_SIZE] = "";
	struct curl_slist *headers;
	enum outcome outcome;

	t->answered = t->failed = t->interrupted = false;
	t->etag[0] = t->modified[0] = '\0';
	t->range_at = 0;
	t->pause = 0;
	t->curl = t->lib.curl_easy_init();
	if (!t->curl) {
		fail(t, STATUS_SYSTEM, "libcurl could not be started");
		return STOP;
	}
	set_options(t, message);
	headers = resume_headers(t);
	wire_authorise(&t->lib, t->curl, t->rq->auth, NULL, &headers);
	libcurl_set(&t->lib, t->curl, CURLOPT_HTTPHEADER, headers);
	outcome = judge(t, t->lib.curl_easy_perform(t->curl), message);
	/* An empty file has no first byte, so what was there must go here. */
	if (outcome == DONE && !t->answered && !t->start && part_restart(t->part, t->err))
		outcome = STOP;
	t->lib.curl_slist_free_all(headers);
	t->lib.curl_easy_cleanup(t->curl);
	return outcome;
}

/* Sleeps in small pieces, so that an interruption is seen; non-zero: interrupted. */
static int pause_before(const struct transfer *t, double seconds)
{
	struct timespec tick = {0, 50000000};

	for (; seconds > 0; seconds -= 0.05) {
		if (t->rq->progress && t->rq->progress(t->rq->ctx, t->part->have, t->rq->size))
			return -1;
		if (seconds < 0.05)
			tick.tv_nsec = (long)(seconds * 1e9);
		nanosleep(&tick, NULL);
	}
	return 0;
}

/* Half of the doubled pause and a random half more, so that many clients do not come at once. */
static double pause_length(const struct transfer *t, int tries)
{
	double pause = t->rq->pause > 0 ? t->rq->pause : 1;
	int i;

	for (i = 0; i < tries && pause < LONGEST_PAUSE; i++)
		pause *= 2;
	pause *= 0.5 + (double)randombytes_uniform(1u << 20) / (double)(1u << 21);
	if (pause < (double)t->pause)
		pause = (double)t->pause;
	return pause < LONGEST_PAUSE ? pause : LONGEST_PAUSE;
}

/* Size and digest of a whole part. A resumed part that is wrong gets one more chance from nothing.
 */
static enum outcome verify(struct transfer *t, char sha256[DIGEST_HEX])
{
	char cause[256];

	part_digest(t->part, sha256);
	cause[0] = '\0';
	if (t->rq->size && t->part->have != t->rq->size)
		snprintf(cause, sizeof(cause), "it has %llu bytes, %llu were expected",
			 (unsigned long long)t->part->have, (unsigned long long)t->rq->size);
	else if (t->rq->sha256 && strcasecmp(sha256, t->rq->sha256))
		snprintf(cause, sizeof(cause), "its SHA-256 is %s, %s was expected", sha256,
			 t->rq->sha256);
	if (!cause[0])
		return DONE;
	fail(t, STATUS_INPUT, cause);
	if (part_restart(t->part, t->err))
		return STOP;
	return t->start ? AGAIN : NEXT;
}

static enum outcome try_mirror(struct transfer *t, char sha256[DIGEST_HEX])
{
	uint64_t fresh = t->part->have;
	enum outcome outcome;
	double pause;
	int tries = 0;

	for (;;) {
		t->start = t->part->have;
		if (t->rq->sha256 && t->start && t->start == t->rq->size)
			outcome = DONE; /* whole already, perhaps right */
		else
			outcome = attempt(t);
		if (outcome == DONE)
			outcome = verify(t, sha256);
		if (t->part->have >= fresh + FRESH_BYTES) {
			fresh = t->part->have;
			tries = 0;
		}
		if (outcome != AGAIN || tries >= t->rq->retries)
			return outcome == AGAIN ? NEXT : outcome;
		pause = pause_length(t, tries++);
		notice(t->rq->notices, "%s; trying again in %.1f s", t->err->msg, pause);
		if (pause_before(t, pause)) {
			fail(t, STATUS_SYSTEM, "interrupted");
			return STOP;
		}
	}
}

static int give_up(struct transfer *t)
{
	struct part *p = t->part;
	bool keep = p->have >= HTTP_KEEP && (p->validator || t->rq->sha256) &&
		    t->err->status != STATUS_INPUT;

	if (keep) {
		size_t used = strlen(t->err->msg);

		snprintf(t->err->msg + used, sizeof(t->err->msg) - used,
			 " (%.1f MB are kept; run it again to go on)", (double)p->have / 1e6);
	}
	part_abandon(p, keep);
	return -1;
}

int http_get(const struct http_request *rq, const char *path, char sha256[65], struct err *err)
{
	struct part part;
	struct transfer t = {.rq = rq, .part = &part, .err = err};
	enum outcome outcome = NEXT;
	size_t i;

	BUG_IF(rq->nurls == 0);
	if (sodium_init() < 0)
		return err_set(err, STATUS_SYSTEM, "libsodium could not be started");
	if (libcurl_load(&t.lib, err) || part_open(&part, path, err))
		return -1;
	if (rq->size && part.have > rq->size && part_restart(&part, err))
		outcome = STOP;
	for (i = 0; i < rq->nurls && outcome == NEXT; i++) {
		t.url = rq->urls[i];
		outcome = try_mirror(&t, sha256);
		if (outcome == NEXT && i + 1 < rq->nurls)
			notice(rq->notices, "%s; trying the next mirror", err->msg);
	}
	return outcome == DONE ? part_commit(&part, err) : give_up(&t);
}
