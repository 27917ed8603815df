/*
 * httpd.c - a small HTTP/1.1 server with bad manners, for the tests of coco-fetch.
 *
 *	httpd ROOT LOG
 *
 * Serves the files below ROOT on an ephemeral port of the loopback, which it prints as its first
 * line, one connection at a time; writes one line a request to LOG: "METHOD PATH RANGE IF-RANGE
 *STATUS". The first component of the path may ask for a manner, the rest is the file: /cut=N/F
 *break the connection after N bytes of the body /cutonce=N/F	the same, but only the first time
 *	/flaky=K/F	answer 503 to the first K requests
 *	/status=S/F	answer S
 *	/long=N/F	announce N bytes more than there are
 *	/redirect=P/F	redirect to "P:" in front of F; P = file, http (to /F), loop
 *	/slow=B/F	send B bytes, then stand still
 *	/norange/F	know nothing of ranges
 *	/changing/F	a new ETag each time
 *	/bare/F		neither ETag nor Last-Modified
 *	/badrange/F	answer a range that was not asked for
 *	/chunkcut=N/F	chunked; break after N bytes
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIFE 300 /* seconds: no server outlives its test run for long */

struct request {
	char method[16], manner[512], path[512], file[600];
	char range[64], if_range[128];
	long argument;
};

struct server {
	const char *root;
	FILE *log;
	int port;
	long served; /* requests so far */
	struct {
		char path[512];
		long times;
	} seen[64];
};

static long times_seen(struct server *s, const char *path)
{
	int i;

	for (i = 0; i < 63 && s->seen[i].path[0]; i++)
		if (!strcmp(s->seen[i].path, path))
			return s->seen[i].times++;
	snprintf(s->seen[i].path, sizeof(s->seen[i].path), "%s", path);
	s->seen[i].times = 1;
	return 0;
}

static void send_all(int fd, const void *data, size_t size)
{
	const char *p = data;

	while (size) {
		ssize_t n = send(fd, p, size, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		p += n;
		size -= (size_t)n;
	}
}

static void header_field(const char *head, const char *name, char *out, size_t size)
{
	const char *at = strcasestr(head, name);
	size_t n = 0;

	out[0] = '\0';
	if (!at)
		return;
	at += strlen(name);
	while (*at == ' ')
		at++;
	while (at[n] && at[n] != '\r' && n + 1 < size)
		n++;
	memcpy(out, at, n);
	out[n] = '\0';
}

/* Reads and takes apart a request; false when there was none. */
static bool read_request(int fd, struct request *r)
{
	char head[8192], target[512] = "", *slash, *equals;
	size_t have = 0;

	*r = (struct request){0};
	do {
		ssize_t n = recv(fd, head + have, sizeof(head) - 1 - have, 0);

		if (n <= 0)
			return false;
		have += (size_t)n;
		head[have] = '\0';
	} while (!strstr(head, "\r\n\r\n") && have < sizeof(head) - 1);
	if (sscanf(head, "%15s %511s", r->method, target) != 2)
		return false;
	header_field(head, "\r\nRange:", r->range, sizeof(r->range));
	header_field(head, "\r\nIf-Range:", r->if_range, sizeof(r->if_range));
	snprintf(r->path, sizeof(r->path), "%s", target);
	snprintf(r->file, sizeof(r->file), "%s", target + 1);
	slash = strchr(target + 1, '/');
	if (slash) {
		*slash = '\0';
		snprintf(r->manner, sizeof(r->manner), "%s", target + 1);
		equals = strchr(r->manner, '=');
		if (equals) {
			*equals = '\0';
			r->argument = strtol(equals + 1, NULL, 10);
		}
		snprintf(r->file, sizeof(r->file), "%s", slash + 1);
	}
	return true;
}

static bool is(const struct request *r, const char *manner)
{
	return !strcmp(r->manner, manner);
}

static void answer(struct server *s, int fd, const struct request *r, int status, const char *head)
{
	char text[2048];
	int n = snprintf(text, sizeof(text), "HTTP/1.1 %d Whatever\r\nConnection: close\r\n%s\r\n",
			 status, head);

	send_all(fd, text, (size_t)n);
	fprintf(s->log, "%s %s %s %s %d\n", r->method, r->path, r->range[0] ? r->range : "-",
		r->if_range[0] ? r->if_range : "-", status);
	fflush(s->log);
}

static void redirect(struct server *s, int fd, const struct request *r)
{
	char head[1024];

	if (strstr(r->path, "=file/"))
		snprintf(head, sizeof(head), "Location: file:///%s\r\nContent-Length: 0\r\n",
			 r->file);
	else if (strstr(r->path, "=loop/"))
		snprintf(head, sizeof(head), "Location: %s\r\nContent-Length: 0\r\n", r->path);
	else
		snprintf(head, sizeof(head),
			 "Location: http://127.0.0.1:%d/%s\r\nContent-Length: 0\r\n", s->port,
			 r->file);
	answer(s, fd, r, 302, head);
}

static char *slurp(const struct server *s, const char *name, size_t *size)
{
	char path[2048], *data;
	struct stat st;
	FILE *fp;

	snprintf(path, sizeof(path), "%s/%s", s->root, name);
	fp = fopen(path, "rb");
	if (!fp || fstat(fileno(fp), &st) || !S_ISREG(st.st_mode)) {
		if (fp)
			fclose(fp);
		return NULL;
	}
	data = malloc((size_t)st.st_size + 1);
	*size = data ? fread(data, 1, (size_t)st.st_size, fp) : 0;
	fclose(fp);
	return data;
}

static void reset(int fd)
{
	struct linger now = {1, 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

static void chunked_cut(struct server *s, int fd, const struct request *r, const char *data,
			size_t size)
{
	char length[32];
	size_t n = (size_t)r->argument < size ? (size_t)r->argument : size;

	answer(s, fd, r, 200, "Transfer-Encoding: chunked\r\n");
	send_all(fd, length, (size_t)snprintf(length, sizeof(length), "%zx\r\n", size));
	send_all(fd, data, n);
}

/* The body and its headers, as far as the manners let it. */
static void serve(struct server *s, int fd, const struct request *r, const char *data, size_t size)
{
	char head[1024], etag[64], extra[256] = "";
	size_t from = 0, limit;
	int status = 200, n;

	snprintf(etag, sizeof(etag), "\"tag-%zu-%ld\"", size, is(r, "changing") ? s->served : 0);
	if (r->range[0] && !is(r, "norange") && (!r->if_range[0] || !strcmp(r->if_range, etag))) {
		from = strtoul(r->range + strlen("bytes="), NULL, 10);
		if (from >= size) {
			answer(s, fd, r, 416, "Content-Length: 0\r\n");
			return;
		}
		status = 206;
		snprintf(extra, sizeof(extra), "Content-Range: bytes %zu-%zu/%zu\r\n",
			 is(r, "badrange") ? from + 1 : from, size - 1, size);
	}
	n = snprintf(head, sizeof(head), "%sContent-Length: %zu\r\n", extra,
		     size - from + (is(r, "long") ? (size_t)r->argument : 0));
	if (!is(r, "bare"))
		snprintf(head + n, sizeof(head) - (size_t)n, "ETag: %s\r\n", etag);
	answer(s, fd, r, status, head);
	limit = size - from;
	if (is(r, "cut") || is(r, "slow") || (is(r, "cutonce") && !times_seen(s, r->path)))
		limit = (size_t)r->argument < limit ? (size_t)r->argument : limit;
	if (strcmp(r->method, "HEAD"))
		send_all(fd, data + from, limit);
	if (is(r, "slow"))
		sleep(5);
}

static void handle(struct server *s, int fd)
{
	struct request r;
	char *data;
	size_t size = 0;

	if (!read_request(fd, &r))
		return;
	s->served++;
	data = slurp(s, r.file, &size);
	if (is(&r, "redirect"))
		redirect(s, fd, &r);
	else if (is(&r, "status"))
		answer(s, fd, &r, (int)r.argument, "Content-Length: 5\r\n\r\noops\n");
	else if (is(&r, "flaky") && times_seen(s, r.path) < r.argument)
		answer(s, fd, &r, 503, "Content-Length: 0\r\n");
	else if (!data)
		answer(s, fd, &r, 404, "Content-Length: 0\r\n");
	else if (is(&r, "chunkcut"))
		chunked_cut(s, fd, &r, data, size);
	else
		serve(s, fd, &r, data, size);
	if (is(&r, "chunkcut"))
		reset(fd);
	free(data);
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	struct server s = {0};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (argc != 3 || !(s.log = fopen(argv[2], "a"))) {
		fprintf(stderr, "usage: httpd ROOT LOG\n");
		return 2;
	}
	s.root = argv[1];
	alarm(LIFE);
	if (bind(listener, (struct sockaddr *)&at, len) || listen(listener, 16) ||
	    getsockname(listener, (struct sockaddr *)&at, &len)) {
		perror("httpd");
		return 4;
	}
	s.port = ntohs(at.sin_port);
	printf("%d\n", s.port);
	fflush(stdout);
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			continue;
		handle(&s, fd);
		/* Read what is still coming, so that closing does not reset what was sent. */
		shutdown(fd, SHUT_WR);
		close(fd);
	}
}
