/*
 * coco-fetch.c - get a data set or pretrained weights by name, URL or local file.
 */
#include "base/cli.h"
#include "data/fetch.h"
#include "data/catalogue.h"
#include "io/digest.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_SHA256 = 0x100, KEY_NO_UNPACK, KEY_RETRIES, KEY_LIST, KEY_SOURCES, KEY_TIMEOUT };

struct opts {
	struct cli cli; /* first: the shared options */
	struct fetch_options fetch;
	const char *sources; /* --sources; NULL: $MISTUTILS_SOURCES */
	bool list;
	char **operands; /* borrowed from argv */
	int noperands;
	struct progress progress;
	const char *doing, *what; /* what the progress shows */
};

static const struct argp_option options[] = {
	{"directory", 'd', "DIR", 0, "Put the result into DIR (default: the current folder)", 0},
	{"sha256", KEY_SHA256, "HEX", 0, "The SHA-256 that the fetched file must have", 0},
	{"no-unpack", KEY_NO_UNPACK, NULL, 0, "Leave archives as they are", 0},
	{"retries", KEY_RETRIES, "N", 0,
	 "Try each mirror N times more after a passing failure (default 4)", 0},
	{"timeout", KEY_TIMEOUT, "SECONDS", 0,
	 "Give up on a connection that stands still so long (default 30)", 0},
	{"sources", KEY_SOURCES, "FILE", 0,
	 "Know the names in FILE too, before our own (default: $MISTUTILS_SOURCES)", 0},
	{"list", KEY_LIST, NULL, 0, "List the known names and end", 0},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->cli;
		return 0;
	case 'd':
		o->fetch.dir = arg;
		return 0;
	case KEY_SHA256:
		if (!digest_is_hex(arg))
			argp_error(state, "--sha256: '%s' is not 64 hexadecimal digits", arg);
		o->fetch.sha256 = arg;
		return 0;
	case KEY_NO_UNPACK:
		o->fetch.keep_packed = true;
		return 0;
	case KEY_RETRIES:
		o->fetch.retries = (int)cli_long(state, "--retries", arg, 0, 1000);
		return 0;
	case KEY_TIMEOUT:
		o->fetch.stall_seconds = cli_long(state, "--timeout", arg, 1, 86400);
		return 0;
	case KEY_SOURCES:
		o->sources = arg;
		return 0;
	case KEY_LIST:
		o->list = true;
		return 0;
	case ARGP_KEY_ARGS:
		o->operands = state->argv + state->next;
		o->noperands = state->argc - state->next;
		return 0;
	case ARGP_KEY_END:
		if (!o->list && !o->noperands)
			argp_error(state, "no NAME, URL or FILE was given");
		if (o->fetch.sha256 && o->noperands > 1)
			argp_error(state, "--sha256 goes with one operand only");
		if (o->cli.output)
			argp_error(state, "the result is named by what is fetched: "
					  "use -d DIR instead of -o");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options,
	parse,
	"NAME|URL|FILE...",
	"Get data sets and pretrained weights: NAME is one that --list shows, URL is http:, https: "
	"or "
	"file:, FILE is here already.\vArchives become the folder DIR/NAME, which is there whole "
	"or "
	"not at all; other files become DIR/FILE. What is there already is not fetched again. "
	"Broken "
	"transfers are taken up where they broke, by the same run or the next.",
	cli_children,
	NULL,
	NULL};

static int on_progress(void *ctx, const char *doing, const char *what, uint64_t done,
		       uint64_t total)
{
	struct opts *o = ctx;
	bool next = !o->doing || strcmp(o->doing, doing) || !o->what || strcmp(o->what, what);

	if (next) {
		char *title = xasprintf("%s %s", doing, what);

		if (o->doing)
			progress_end(&o->progress);
		free((char *)o->progress.what);
		/* A line a call would be thousands: -v gets its lines from notices. */
		progress_begin(&o->progress, &(struct cli){.quiet = o->cli.quiet}, title, "kB",
			       (long)(total / 1000));
		o->doing = doing;
		o->what = what;
	}
	o->progress.total = (long)(total / 1000);
	progress_step(&o->progress, (long)(done / 1000), NULL);
	return cli_signal() != 0;
}

static void end_progress(struct opts *o)
{
	if (o->doing)
		progress_end(&o->progress);
	free((char *)o->progress.what);
	o->progress = (struct progress){0};
	o->doing = o->what = NULL;
}

static void size_text(uint64_t bytes, char *out, size_t size)
{
	if (bytes >= 1000000000)
		snprintf(out, size, "%.1f GB", (double)bytes / 1e9);
	else if (bytes >= 1000000)
		snprintf(out, size, "%.1f MB", (double)bytes / 1e6);
	else if (bytes)
		snprintf(out, size, "%.1f kB", (double)bytes / 1e3);
	else
		snprintf(out, size, "?");
}

static void list_source(const struct source *s)
{
	bool verified = true, sized = true;
	uint64_t bytes = 0;
	char size[32];
	size_t i;

	for (i = 0; i < s->nfiles; i++) {
		bytes += s->files[i].size;
		sized = sized && s->files[i].size;
		verified = verified && s->files[i].sha256;
	}
	size_text(bytes, size, sizeof(size));
	printf("%-22s %9s%s  %-12s  %s\n", s->name, size, sized || !bytes ? " " : "+",
	       verified ? "verified" : "not verified", s->about ? s->about : "");
}

static int read_sources(struct catalogue *known, const struct opts *o, struct err *err)
{
	const char *own = o->sources ? o->sources : getenv("MISTUTILS_SOURCES");
	char *path;
	int rc;

	if (own && *own && catalogue_read(known, own, err))
		return -1;
	path = cli_share("sources.conf");
	rc = catalogue_read(known, path, err);
	free(path);
	return rc;
}

static int fetch_all(struct opts *o, const struct catalogue *known, struct err *err)
{
	struct notices notices = cli_notices(&o->cli);
	char *path;
	int i, rc = 0;

	o->fetch.notices = &notices;
	o->fetch.progress = on_progress;
	o->fetch.ctx = o;
	for (i = 0; i < o->noperands && !rc; i++) {
		rc = fetch(known, o->operands[i], &o->fetch, &path, err);
		end_progress(o);
		if (!rc)
			printf("%s\n", path);
		free(path);
	}
	return rc;
}

static int run(void *opts, struct err *err)
{
	struct opts *o = opts;
	struct catalogue known = CATALOGUE_INIT;
	size_t i;
	int rc = read_sources(&known, o, err);

	cli_catch_signals();
	for (i = 0; !rc && o->list && i < known.n; i++)
		list_source(&known.list[i]);
	if (!rc && !o->list)
		rc = fetch_all(o, &known, err);
	catalogue_release(&known);
	if (cli_signal()) {
		fprintf(stderr, "%s: %s\n", program_invocation_short_name, err->msg);
		raise(cli_signal()); /* the caller's shell sees how it ended */
	}
	return rc;
}

int main(int argc, char **argv)
{
	struct opts opts = {.fetch = {.retries = 4}};

	return cli_main(argc, argv, &argp, &opts, run);
}
