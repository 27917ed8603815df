#include "base/cli.h"

#include "base/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef MIST_VERSION
#define MIST_VERSION "0.1.0"
#endif

const char *argp_program_bug_address = "the project's issue tracker";

enum { KEY_SEED = 0x4000 };
enum { MODE_SILENT, MODE_BAR, MODE_LINES };

/* Groups: -1 puts them behind the program's own options. */
static const struct argp_option shared[] = {
	{NULL, 0, NULL, 0, "Options of every program:", -1},
	{"output", 'o', "FILE", 0, "Write to FILE; '-' is standard output", -1},
	{"threads", 'j', "N", 0,
	 "Use N threads (default: all processors); results do not depend on it", -1},
	{"quiet", 'q', NULL, 0, "Say nothing but errors", -1},
	{"verbose", 'v', NULL, 0, "Say more; may be repeated", -1},
	{"seed", KEY_SEED, "N", 0, "Seed of everything reproducible (default 0)", -1},
	{0},
};

static error_t parse_shared(int key, char *arg, struct argp_state *state)
{
	struct cli *cli = state->input;
	struct err err;

	switch (key) {
	case 'o':
		cli->output = arg;
		return 0;
	case 'j':
		cli->threads = (int)cli_long(state, "--threads", arg, 1, 1024);
		return 0;
	case 'q':
		cli->quiet = true;
		return 0;
	case 'v':
		cli->verbose++;
		return 0;
	case KEY_SEED:
		if (num_u64("--seed", arg, &cli->seed, &err))
			argp_error(state, "%s", err.msg);
		cli->seeded = true;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

const struct argp cli_argp = {shared, parse_shared, NULL, NULL, NULL, NULL, NULL};
const struct argp_child cli_children[] = {{&cli_argp, 0, NULL, -1}, {0}};

static void print_version(FILE *out, struct argp_state *state)
{
	fprintf(out, "%s (mistutils) %s\n", state->name, MIST_VERSION);
	fputs("License Apache-2.0: <https://www.apache.org/licenses/LICENSE-2.0>\n", out);
}

static volatile sig_atomic_t signalled;

static void on_signal(int number)
{
	signalled = number;
}

void cli_catch_signals(void)
{
	const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

int cli_signal(void)
{
	return signalled;
}

static bool told; /* run failed and said why */

/* coreutils' rule: output that could not be written is a failure, also at exit. */
static void close_stdout(void)
{
	bool failed = ferror(stdout) != 0;

	if ((fclose(stdout) == 0 && !failed) || told)
		return;
	if (errno != EPIPE)
		fprintf(stderr, "%s: cannot write standard output: %s\n",
			program_invocation_short_name, strerror(errno));
	_exit(STATUS_SYSTEM);
}

static int run_around(void *opts, int (*run)(void *opts, struct err *err),
		      const struct cli_around *around, struct err *err)
{
	int rc;

	if (!around)
		return run(opts, err);
	rc = around->before(around->ctx, err);
	if (!rc)
		rc = run(opts, err);
	return around->after(around->ctx, rc, err);
}

int cli_main(int argc, char **argv, const struct argp *argp, void *opts,
	     int (*run)(void *opts, struct err *err))
{
	return cli_main_around(argc, argv, argp, opts, run, NULL);
}

int cli_main_around(int argc, char **argv, const struct argp *argp, void *opts,
		    int (*run)(void *opts, struct err *err), const struct cli_around *around)
{
	struct err err = ERR_INIT;

	/* argp prints argv[0] raw. */
	if (argc > 0)
		argv[0] = program_invocation_short_name;
	/* A closed pipe is an error of the write, so that what was begun is cleaned up. */
	signal(SIGPIPE, SIG_IGN);
	argp_err_exit_status = STATUS_USAGE;
	argp_program_version_hook = print_version;
	atexit(close_stdout);
	if (argp_parse(argp, argc, argv, 0, NULL, opts))
		return STATUS_USAGE;
	if (run_around(opts, run, around, &err) == 0)
		return STATUS_OK;
	if (err.msg[0])
		fprintf(stderr, "%s: %s\n", program_invocation_short_name, err.msg);
	told = true;
	return err.status;
}

long cli_long(struct argp_state *state, const char *option, const char *arg, long min, long max)
{
	struct err err;
	long v = min;

	if (num_long(option, arg, min, max, &v, &err))
		argp_error(state, "%s", err.msg);
	return v;
}

double cli_double(struct argp_state *state, const char *option, const char *arg, double min,
		  double max)
{
	struct err err;
	double v = min;

	if (num_double(option, arg, min, max, &v, &err))
		argp_error(state, "%s", err.msg);
	return v;
}

double cli_positive(struct argp_state *state, const char *option, const char *arg)
{
	const double v = cli_double(state, option, arg, -HUGE_VAL, HUGE_VAL);

	if (!(v > 0))
		argp_error(state, "%s: '%s' is not above 0", option, arg);
	return v;
}

uint64_t cli_size(struct argp_state *state, const char *option, const char *arg)
{
	struct err err;
	uint64_t v = 0;

	if (num_size(option, arg, &v, &err))
		argp_error(state, "%s", err.msg);
	return v;
}

int cli_choice(struct argp_state *state, const char *option, const char *arg,
	       const char *const *names)
{
	char list[256] = ""; /* on the stack: argp_error does not return */
	size_t len = 0;
	int i;

	for (i = 0; names[i]; i++) {
		if (!strcmp(names[i], arg))
			return i;
		if (len < sizeof(list))
			len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s",
						i ? ", " : "", names[i]);
	}
	argp_error(state, "%s: '%s' is not one of %s", option, arg, list);
	return 0;
}

size_t cli_command(struct argp_state *state, const void *table, size_t n, size_t stride)
{
	const char *name = state->argv[state->next];
	size_t i;

	for (i = 0; i < n; i++)
		if (!strcmp(name, *(const char *const *)((const char *)table + i * stride)))
			return i;
	argp_error(state, "there is no command '%s'", name);
	return 0;
}

static void say(const char *fmt, va_list ap)
{
	char text[1200];

	vsnprintf(text, sizeof(text), fmt, ap);
	fprintf(stderr, "%s: %s\n", program_invocation_short_name, text);
}

void cli_note(const struct cli *cli, const char *fmt, ...)
{
	va_list ap;

	if (cli->quiet)
		return;
	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
}

void cli_verbose(const struct cli *cli, int level, const char *fmt, ...)
{
	va_list ap;

	if (cli->quiet || cli->verbose < level)
		return;
	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
}

static void note_sentence(void *ctx, const char *sentence)
{
	cli_note(ctx, "%s", sentence);
}

void cli_tell_take(char *text)
{
	fputs(text, stderr);
	free(text);
}

struct notices cli_notices(const struct cli *cli)
{
	return (struct notices){note_sentence, (void *)cli};
}

static void print_line(void *ctx, const char *line)
{
	const struct cli *cli = ctx;

	if (!cli->quiet)
		fprintf(stderr, "  %s\n", line);
}

struct notices cli_lines(const struct cli *cli)
{
	return (struct notices){print_line, (void *)cli};
}

void progress_begin(struct progress *p, const struct cli *cli, const char *what, const char *unit,
		    long total)
{
	*p = (struct progress){cli, what, unit, total, 0, clock_seconds(), 0, MODE_SILENT};
	if (cli->quiet)
		return;
	if (isatty(STDERR_FILENO))
		p->mode = MODE_BAR;
	else if (cli->verbose)
		p->mode = MODE_LINES;
}

static void duration(char *out, size_t size, double seconds)
{
	long s = (long)(seconds + 0.5);

	if (s >= 3600)
		snprintf(out, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
	else
		snprintf(out, size, "%ld:%02ld", s / 60, s % 60);
}

static void draw_bar(struct progress *p, const char *detail, double now)
{
	enum { CELLS = 24 };
	char bar[CELLS + 1], left[32] = "?";
	double elapsed = now - p->start;
	double rate = elapsed > 0 ? (double)p->done / elapsed : 0;
	int full = p->total > 0 ? (int)(CELLS * p->done / p->total) : 0;

	memset(bar, ' ', CELLS);
	memset(bar, '=', (size_t)(full > CELLS ? CELLS : full));
	bar[CELLS] = '\0';
	if (rate > 0 && p->total > 0)
		duration(left, sizeof(left), (double)(p->total - p->done) / rate);
	if (p->total > 0)
		fprintf(stderr, "\r%s [%s] %ld/%ld %s  %.1f/s  %s left  %s\033[K", p->what, bar,
			p->done, p->total, p->unit, rate, left, detail ? detail : "");
	else
		fprintf(stderr, "\r%s %ld %s  %.1f/s  %s\033[K", p->what, p->done, p->unit, rate,
			detail ? detail : "");
}

void progress_step(struct progress *p, long done, const char *detail)
{
	double now;

	p->done = done;
	if (p->mode == MODE_SILENT)
		return;
	if (p->mode == MODE_LINES) {
		fprintf(stderr, "%s %ld/%ld %s%s%s\n", p->what, done, p->total, p->unit,
			detail ? "  " : "", detail ? detail : "");
		return;
	}
	now = clock_seconds();
	if (now - p->shown < 0.1 && done != p->total) /* ten a second is all an eye wants */
		return;
	p->shown = now;
	draw_bar(p, detail, now);
}

void progress_count(void *ctx, long done)
{
	progress_step(ctx, done, NULL);
}

void progress_end(struct progress *p)
{
	if (p->mode == MODE_BAR)
		fputs("\r\033[K", stderr);
	p->mode = MODE_SILENT;
}

char *cli_share(const char *name)
{
	const char *dir = getenv("MISTUTILS_SHARE");
	char *path;

	if (dir && *dir)
		return path_join(dir, name);
	path = path_join(TOP_SRCDIR "/share/mistutils", name);
	if (path_exists(path))
		return path;
	free(path);
	return path_join(PKGDATADIR, name);
}
