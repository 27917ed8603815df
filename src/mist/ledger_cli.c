#include "mist/ledger_cli.h"

#include "mist/ledger_show.h"

#include <math.h>
#include <stdlib.h>

enum { KEY_LEDGER = 0x3000, KEY_NONE, KEY_SHOW, KEY_JSON, KEY_WAIT, KEY_BUDGET, KEY_IMAGE };

static const struct argp_option options[] = {
	{NULL, 0, NULL, 0, "The account of what was given away:", 1},
	{"ledger", KEY_LEDGER, "FILE", 0,
	 "Keep the account in FILE and its key in FILE.key (default: mistutils/ledger in "
	 "$XDG_STATE_HOME or ~/.local/state)",
	 1},
	{"no-ledger", KEY_NONE, NULL, 0,
	 "Keep no account; what is sent again gets other noise, which averages out", 1},
	{"budget", KEY_BUDGET, "E", 0,
	 "Refuse to send anything if the client's account would exceed epsilon E", 1},
	{"budget-image", KEY_IMAGE, "E", 0, "The same for the account of any one image", 1},
	{"wait", KEY_WAIT, "SECONDS", 0,
	 "Wait so long for a ledger that another program holds (default 5)", 1},
	{"show-ledger", KEY_SHOW, NULL, 0, "Show the accounts and do nothing else", 1},
	{"json", KEY_JSON, NULL, 0, "Show them as JSON", 1},
	{0},
};

static void check(const struct ledger_cli *o, struct argp_state *state)
{
	if (o->none && (o->path || o->show))
		argp_error(state, "--no-ledger and %s exclude each other",
			   o->path ? "--ledger" : "--show-ledger");
	if (o->none && (isfinite(o->budget) || isfinite(o->budget_image)))
		argp_error(state, "a budget needs a ledger");
	if (o->json && !o->show)
		argp_error(state, "--json is for --show-ledger");
}

static double parse_budget(struct argp_state *state, const char *option, const char *arg)
{
	const double v = cli_double(state, option, arg, -HUGE_VAL, HUGE_VAL);

	if (!(v > 0))
		argp_error(state, "%s: '%s' is not above 0", option, arg);
	return v;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct ledger_cli *o = state->input;

	switch (key) {
	case KEY_LEDGER:
		o->path = arg;
		return 0;
	case KEY_NONE:
		o->none = true;
		return 0;
	case KEY_SHOW:
		o->show = true;
		return 0;
	case KEY_JSON:
		o->json = true;
		return 0;
	case KEY_WAIT:
		o->wait = cli_double(state, "--wait", arg, 0, 86400);
		return 0;
	case KEY_BUDGET:
		o->budget = parse_budget(state, "--budget", arg);
		return 0;
	case KEY_IMAGE:
		o->budget_image = parse_budget(state, "--budget-image", arg);
		return 0;
	case ARGP_KEY_END:
		check(o, state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

const struct argp ledger_argp = {options, parse, NULL, NULL, NULL, NULL, NULL};

static char *choose_path(const struct ledger_cli *o, struct err *err)
{
	return o->path ? xstrdup(o->path) : ledger_default_path(err);
}

int ledger_cli_open(const struct ledger_cli *o, const struct notices *notices, struct ledger **out,
		    struct err *err)
{
	char *path, *dir;

	*out = NULL;
	if (o->none)
		return 0;
	path = choose_path(o, err);
	if (!path)
		return -1;
	dir = path_dir(path);
	if (o->path || !dir_make(dir, err))
		*out = ledger_open(path, o->wait, notices, err);
	free(dir);
	free(path);
	return *out ? 0 : -1;
}

int ledger_cli_show(const struct ledger_cli *o, const struct cli *cli, struct err *err)
{
	const struct notices notices = cli_notices(cli);
	char *ledger = choose_path(o, err);
	struct book *b = ledger ? ledger_load(ledger, &notices, err) : NULL;
	struct buf text = BUF_INIT;
	int rc = -1;

	if (b && o->json)
		ledger_show_json(b, ledger, &text);
	else if (b)
		ledger_show(b, ledger, &text);
	if (b)
		rc = file_write(cli->output ? cli->output : "-", text.data, text.len, err);
	buf_release(&text);
	book_free(b);
	free(ledger);
	return rc;
}
