/*
 * mist-job.c - a federated job from a manifest: planned as a script, run, watched, taken up again.
 */
#include "base/cli.h"
#include "job/commands.h"

#include <stddef.h>
#include <stdlib.h>

struct opts {
	struct cli cli; /* first */
	struct command_options command;
};

/* One row an option: where its value goes. */
enum kind { TEXT, LIST, WHOLE, BYTES, YES, ENGINE };
static const struct row {
	const char *name, *arg;
	enum kind kind;
	size_t to;
	const char *doc;
} rows[] = {
#define TO(member) offsetof(struct command_options, member)
	{"state", "DIR", TEXT, TO(state),
	 "The job's folder (default: its name in $XDG_STATE_HOME/mistutils/jobs)"},
	{"engine", "NAME", ENGINE, TO(engine),
	 "plan, run: sh (default), make, which runs -j edges at a time, or slurm"},
	{"host", "NODE=USER@HOST", LIST, TO(hosts),
	 "plan, run: run that node's steps there, over ssh (slurm: on that node of Slurm's)"},
	{"compare", NULL, YES, TO(compare), "get: what each job was worth, and what it cost"},
	{"since", "FILE", TEXT, TO(since), "should-stop: time began when FILE was last written"},
	{NULL, NULL, TEXT, 0, "What scripts say:"},
	{"client", "NAME", TEXT, TO(client), "step: whose step it is"},
	{"among", "FILE", TEXT, TO(among), "step: only where FILE has the client's name in a line"},
	{"out", "FILE", TEXT, TO(out), "step: what it makes; when that is there, it is done"},
	{"send", "FILE", LIST, TO(send), "step: what the client is sent"},
	{"through", "URL", TEXT, TO(through),
	 "step: what it makes comes by way of URL (s3://BUCKET/KEY), not through ssh's pipe"},
	{"profile", "NAME", TEXT, TO(profile),
	 "step: whose credentials --through shows to a store"},
	{"maybe", "FILE", LIST, TO(maybe),
	 "step: words of the command that end in FILE are left out where it is not there"},
	{"ready", "N", WHOLE, TO(ready), "begin: so many clients must be ready"},
	{"mem-limit", "SIZE", BYTES, TO(memory), "step: it is killed beyond SIZE"},
	{"results", "FILE", TEXT, TO(results), "step: a results.csv it writes"},
	{"round", "N", WHOLE, TO(round), "step, verdict, end: the round"},
	{"stop", "EXPR", TEXT, TO(stop), "begin, verdict: when it is enough"},
	{"name", "NAME", TEXT, TO(name), "begin, there: the job's, or the step's"},
	{"job", "NAME", TEXT, TO(job), "there: the job's name"},
	{"receive", "SIZE:SHA256:NAME", LIST, TO(receive), "there: a file on standard input"},
	{"algorithm", "NAME", TEXT, TO(algorithm), "begin: mistnet or fedavg"},
	{"lock-fd", "FD", WHOLE, TO(lock_fd), "begin: the descriptor of the folder's lock"},
};

enum { FIRST_KEY = 0x5000 };

static void take(const struct row *row, struct opts *o, char *arg, struct argp_state *state)
{
	void *to = (char *)&o->command + row->to;
	char name[32];

	snprintf(name, sizeof(name), "--%s", row->name);
	if (row->kind == TEXT)
		*(const char **)to = arg;
	else if (row->kind == LIST)
		words_add(to, arg);
	else if (row->kind == WHOLE)
		*(long *)to = cli_long(state, name, arg, 0, 1L << 40);
	else if (row->kind == BYTES)
		*(uint64_t *)to = cli_size(state, name, arg);
	else if (row->kind == ENGINE)
		*(enum engine *)to = (enum engine)cli_choice(state, name, arg, engine_names);
	else
		*(bool *)to = true;
}

static void take_command(struct opts *o, char **args, int n, struct argp_state *state)
{
	o->command.arg = args + 1;
	o->command.narg = n - 1;
	o->command.command = command_find(args[0]);
	if (!o->command.command)
		argp_error(state, "'%s' is not a command", args[0]);
	else if (!command_fits(o->command.command, n - 1))
		argp_error(state, "%s: %s", args[0],
			   n == 1 ? "an operand is missing" : "wrong number of operands");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->cli;
		return 0;
	case ARGP_KEY_ARGS:
		take_command(o, state->argv + state->next, state->argc - state->next, state);
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no command was given");
		return 0;
	}
	if (key < FIRST_KEY || key >= FIRST_KEY + (int)ARRAY_LEN(rows))
		return ARGP_ERR_UNKNOWN;
	take(&rows[key - FIRST_KEY], o, arg, state);
	return 0;
}

static const char args_doc[] = "plan JOB.yaml\n"
			       "run JOB.yaml\n"
			       "get [NAME...]\n"
			       "logs NAME [STEP]\n"
			       "stop NAME\n"
			       "resume NAME\n"
			       "delete NAME\n"
			       "compare NAME...\n"
			       "should-stop EXPR RESULTS.csv\n"
			       "begin CLIENT...\n"
			       "step NAME -- COMMAND...\n"
			       "verdict\n"
			       "deliver FILE PLACE\n"
			       "end\n"
			       "there -- COMMAND...";

static const char doc[] =
	"Run a federated job as its manifest says: Sedna's own YAML, without a cluster.\v"
	"plan prints the job as a script that you can read, edit and put in cron; run plans and "
	"runs it. get shows how jobs stand (-o wide, -o json), logs what a step said. stop ends a "
	"job and resume goes on with it; what is done is not done again. NAME is a job's name, or "
	"is left out with --state. compare sets jobs side by side. should-stop exits with 0 when "
	"EXPR, such as 'rounds>100 or accuracy>0.95 or deltaLoss<0.03', holds of the table, with "
	"1 when not. The others are what scripts are made of.";

static int run(void *opts, struct err *err)
{
	struct opts *o = opts;
	struct notices notices = cli_notices(&o->cli);
	struct buf out = BUF_INIT, report = BUF_INIT;
	struct outfile file;
	int rc;

	o->command.output = o->cli.output;
	o->command.jobs = o->cli.threads;
	o->command.notices = &notices;
	rc = o->command.command->run(&o->command, &out, &report, err);
	if (out.len && (rc == 0 || err->status == STATUS_NO)) {
		const char *to =
			o->command.command->own_output || !o->cli.output ? "-" : o->cli.output;
		struct err writing = ERR_INIT;

		if (outfile_open(&file, to, false, &writing) ||
		    outfile_write(&file, out.data, out.len, &writing) ||
		    outfile_commit(&file, &writing)) {
			*err = writing;
			rc = -1;
		}
	}
	/* What a step on another machine tells: the last line, whatever else was said. */
	if (rc && report.len && err->msg[0]) {
		cli_note(&o->cli, "%s", err->msg);
		err->msg[0] = '\0';
	}
	if (report.len)
		fprintf(stderr, "%s\n", report.data);
	buf_release(&report);
	buf_release(&out);
	words_release(&o->command.send);
	words_release(&o->command.maybe);
	words_release(&o->command.receive);
	words_release(&o->command.hosts);
	return rc;
}

int main(int argc, char **argv)
{
	struct argp_option options[ARRAY_LEN(rows) + 1] = {{0}};
	const struct argp argp = {options, parse, args_doc, doc, cli_children, NULL, NULL};
	struct opts opts = {.command = {.lock_fd = -1}};
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++)
		options[i] =
			(struct argp_option){rows[i].name, rows[i].name ? FIRST_KEY + (int)i : 0,
					     rows[i].arg,  0,
					     rows[i].doc,  0};
	return cli_main(argc, argv, &argp, &opts, run);
}
