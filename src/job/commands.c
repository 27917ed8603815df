#include "job/commands.h"

#include "base/clock.h"
#include "base/file.h"
#include "io/store.h"
#include "job/deliver.h"
#include "job/folder.h"
#include "job/slurm.h"
#include "job/standing.h"
#include "job/there.h"
#include "job/verdict.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_LOG ((size_t)1 << 30)

/* The folder of the job that --state or the first operand names; NULL with an error. */
static char *folder_from(const struct command_options *o, struct err *err)
{
	if (o->state)
		return xstrdup(o->state);
	if (!o->narg) {
		err_set(err, STATUS_USAGE, "which job? give its NAME, or --state DIR");
		return NULL;
	}
	return folder_of(o->arg[0], err);
}

static struct jobplan *make_plan(struct command_options *o, struct manifest **m, struct err *err)
{
	const struct jobplan_options opt = {o->engine, o->state, o->arg[0], o->hosts};

	*m = manifest_read(o->arg[0], err);
	return *m ? jobplan_new(*m, &opt, o->notices, err) : NULL;
}

static int command_plan(struct command_options *o, struct buf *out, struct buf *report,
			struct err *err)
{
	struct manifest *m;
	struct jobplan *p = make_plan(o, &m, err);
	int rc = p ? 0 : -1;

	(void)report;
	if (p)
		jobplan_write(p, out);
	jobplan_free(p);
	manifest_free(m);
	return rc;
}

/* One line at the end: how it stands. */
static int run_and_tell(const char *folder, int jobs, struct buf *out, struct err *err)
{
	struct err ignored = ERR_INIT;
	struct standing s;
	int rc = engine_run(folder, jobs, err);

	if (!standing_read(&s, folder, &ignored)) {
		standing_table(&s, 1, false, out);
		standing_release(&s);
	}
	return rc;
}

static int command_run(struct command_options *o, struct buf *out, struct buf *report,
		       struct err *err)
{
	struct manifest *m;
	struct jobplan *p = make_plan(o, &m, err);
	int rc = p ? engine_install(p, err) : -1;

	(void)report;
	if (!rc)
		rc = run_and_tell(p->folder, o->jobs, out, err);
	jobplan_free(p);
	manifest_free(m);
	return rc;
}

static int command_resume(struct command_options *o, struct buf *out, struct buf *report,
			  struct err *err)
{
	char *given = folder_from(o, err);
	char *folder = given ? realpath(given, NULL) : NULL;
	int rc = -1;

	(void)report;
	if (given && !folder)
		err_errno(err, "cannot enter '%s'", given);
	else if (given && !engine_unstop(folder, err))
		rc = run_and_tell(folder, o->jobs, out, err);
	free(folder);
	free(given);
	return rc;
}

/* Of the named jobs, or of --state's, or of all that are there. */
static int read_all(struct command_options *o, struct standing **out, size_t *n, struct err *err)
{
	char *root = folder_root(), **names = NULL;
	size_t count = 0, i, cap = 0;
	struct standing *list = NULL;
	struct err ignored = ERR_INIT;
	int rc = 0;

	*n = 0;
	if (!o->state && !o->narg && path_exists(root))
		rc = dir_list(root, &names, &count, err);
	for (i = 0; i < (o->state ? 1 : o->narg ? (size_t)o->narg : count) && !rc; i++) {
		/* A folder among all that never became a job is passed over. */
		bool asked = o->state || o->narg;
		char *folder = o->state ? xstrdup(o->state)
					: folder_of(o->narg ? o->arg[i] : names[i],
						    asked ? err : &ignored);

		GROW(list, *n, cap);
		if (folder)
			rc = standing_read(&list[*n], folder, err);
		else if (asked)
			rc = -1;
		*n += folder && !rc;
		free(folder);
	}
	names_free(names, count);
	free(root);
	*out = list;
	return rc;
}

static void print_json(const struct standing *list, size_t n, bool one, struct buf *out)
{
	json_t *all = json_array();
	char *text;
	size_t i;

	for (i = 0; i < n; i++)
		json_array_append_new(all, standing_json(&list[i]));
	text = json_text(one && n == 1 ? json_array_get(all, 0) : all);
	buf_printf(out, "%s\n", text);
	free(text);
	json_decref(all);
}

static int command_get(struct command_options *o, struct buf *out, struct buf *report,
		       struct err *err)
{
	const char *how = o->output ? o->output : "table";
	struct standing *list;
	size_t n, i;
	int rc;

	(void)report;
	if (strcmp(how, "table") != 0 && strcmp(how, "wide") != 0 && strcmp(how, "json") != 0)
		return err_set(err, STATUS_USAGE, "-o: '%s' is not one of table, wide, json", how);
	rc = read_all(o, &list, &n, err);
	if (!rc && o->compare)
		standing_compare(list, n, out);
	else if (!rc && !strcmp(how, "json"))
		print_json(list, n, o->state || o->narg == 1, out);
	else if (!rc)
		standing_table(list, n, !strcmp(how, "wide"), out);
	for (i = 0; i < n; i++)
		standing_release(&list[i]);
	free(list);
	return rc;
}

static int command_compare(struct command_options *o, struct buf *out, struct buf *report,
			   struct err *err)
{
	o->compare = true;
	return command_get(o, out, report, err);
}

static int add_log(const char *dir, const char *name, bool title, struct buf *out, struct err *err)
{
	char *path = path_join(dir, name);
	int rc;

	if (title)
		buf_printf(out, "==> %s <==\n", name);
	rc = file_read(path, MAX_LOG, out, err);
	free(path);
	return rc;
}

static int command_logs(struct command_options *o, struct buf *out, struct buf *report,
			struct err *err)
{
	char *folder = folder_from(o, err);
	char *dir = folder ? folder_path(folder, "logs") : NULL;
	const char *step = o->state ? (o->narg ? o->arg[0] : NULL) : o->narg > 1 ? o->arg[1] : NULL;
	char *file = xasprintf("%s.log", step ? step : "");
	char **names = NULL;
	size_t n = 0, i;
	int rc = folder ? 0 : -1;

	(void)report;
	if (!rc && step && strchr(step, '/'))
		rc = err_set(err, STATUS_USAGE, "'%s' is no name of a step", step);
	else if (!rc && step)
		rc = add_log(dir, file, false, out, err);
	else if (!rc)
		rc = dir_list(dir, &names, &n, err);
	for (i = 0; i < n && !rc; i++)
		rc = add_log(dir, names[i], true, out, err);
	names_free(names, n);
	free(file);
	free(dir);
	free(folder);
	return rc;
}

static int with_folder(struct command_options *o, int (*fn)(const char *folder, struct err *err),
		       struct err *err)
{
	char *folder = folder_from(o, err);
	int rc = folder ? fn(folder, err) : -1;

	free(folder);
	return rc;
}

static int command_stop(struct command_options *o, struct buf *out, struct buf *report,
			struct err *err)
{
	(void)out;
	(void)report;
	return with_folder(o, engine_stop, err);
}

static int command_delete(struct command_options *o, struct buf *out, struct buf *report,
			  struct err *err)
{
	(void)out;
	(void)report;
	return with_folder(o, engine_delete, err);
}

/* The answer as status: 0 it should, 1 not yet, which says nothing on standard error. */
static int answer(bool stop, const char *reason, struct buf *out, struct err *err)
{
	if (stop) {
		buf_printf(out, "%s\n", reason);
		return 0;
	}
	return err_set(err, STATUS_NO, "%s", "");
}

static int command_should_stop(struct command_options *o, struct buf *out, struct buf *report,
			       struct err *err)
{
	double seconds = -1;
	char reason[256];
	struct stat st;
	bool stop;

	(void)report;
	if (o->since && stat(o->since, &st))
		return err_errno(err, "cannot look at '%s'", o->since);
	if (o->since)
		seconds = clock_wall() - (double)st.st_mtim.tv_sec;
	if (verdict_should_stop(o->arg[0], o->arg[1], seconds, &stop, reason, sizeof(reason), err))
		return -1;
	return answer(stop, reason, out, err);
}

static int command_verdict(struct command_options *o, struct buf *out, struct buf *report,
			   struct err *err)
{
	char reason[256];
	bool stop;

	(void)report;
	if (verdict_round(o->state ? o->state : ".", o->round, o->stop, &stop, reason,
			  sizeof(reason), err))
		return -1;
	if (stop)
		notice(o->notices, "round %ld is the last: %s", o->round, reason);
	return stop ? 0 : answer(false, "", out, err);
}

/* Slurm's jobs hold no lock while they wait. Where Slurm cannot be asked, submitting will fail. */
static int refuse_twice(const struct command_options *o, struct err *err)
{
	struct err ignored = ERR_INIT;
	bool left = false;

	if (o->engine == ENGINE_SLURM &&
	    !slurm_jobs_left(o->state ? o->state : ".", &left, &ignored) && left)
		return err_set(err, STATUS_NO, "the job '%s' is running already", o->name);
	return 0;
}

static int command_begin(struct command_options *o, struct buf *out, struct buf *report,
			 struct err *err)
{
	struct job_info info = {0};
	int i, rc;

	(void)out;
	(void)report;
	if (!o->name || !o->algorithm)
		return err_set(err, STATUS_USAGE, "begin needs --name and --algorithm");
	info.name = xstrdup(o->name);
	info.algorithm = xstrdup(o->algorithm);
	info.engine = xstrdup(engine_names[o->engine]);
	info.stop = xstrdup(o->stop ? o->stop : "");
	info.min_clients = o->ready ? (int)o->ready : o->narg;
	for (i = 0; i < o->narg; i++)
		words_add(&info.clients, o->arg[i]);
	rc = refuse_twice(o, err);
	if (!rc)
		rc = job_begin(o->state ? o->state : ".", &info, (int)o->lock_fd, err);
	job_info_release(&info);
	return rc;
}

static int command_step(struct command_options *o, struct buf *out, struct buf *report,
			struct err *err)
{
	struct step s = {.folder = o->state ? o->state : ".",
			 .name = o->arg[0],
			 .client = o->client,
			 .host = o->hosts.n ? o->hosts.word[0] : NULL,
			 .out = o->out,
			 .results = o->results,
			 .among = o->among,
			 .through = o->through,
			 .profile = o->profile,
			 .round = o->round,
			 .memory = o->memory,
			 .notices = o->notices};
	int i, rc;

	(void)out;
	(void)report;
	if (!o->out)
		return err_set(err, STATUS_USAGE, "a step needs --out FILE");
	if (o->through && !store_is_remote(o->through))
		return err_set(err, STATUS_USAGE,
			       "--through: '%s' is neither s3://BUCKET/KEY nor an https: URL",
			       o->through);
	if (o->among && !o->client)
		return err_set(err, STATUS_USAGE, "--among needs --client");
	words_append(&s.send, &o->send);
	words_append(&s.maybe, &o->maybe);
	for (i = 1; i < o->narg; i++)
		words_add(&s.command, o->arg[i]);
	rc = step_run(&s, err);
	step_release(&s);
	return rc;
}

static int command_there(struct command_options *o, struct buf *out, struct buf *report,
			 struct err *err)
{
	struct there t = {.job = o->job,
			  .step = o->name,
			  .out = o->out,
			  .results = o->results,
			  .through = o->through,
			  .profile = o->profile,
			  .memory = o->memory};
	int i, rc;

	(void)out;
	if (!o->job || !o->name || !o->out)
		return err_set(err, STATUS_USAGE, "there needs --job, --name and --out");
	words_append(&t.receive, &o->receive);
	for (i = 0; i < o->narg; i++)
		words_add(&t.command, o->arg[i]);
	rc = there_run(&t, report, err);
	there_release(&t);
	return rc;
}

static int command_deliver(struct command_options *o, struct buf *out, struct buf *report,
			   struct err *err)
{
	char hex[DIGEST_HEX];

	(void)report;
	if (deliver_file(o->arg[0], o->arg[1], hex, err))
		return -1;
	buf_printf(out, "%s  %s\n", hex, o->arg[1]);
	return 0;
}

static int command_end(struct command_options *o, struct buf *out, struct buf *report,
		       struct err *err)
{
	const char *folder = o->state ? o->state : ".";
	char reason[256], *missing = NULL;
	bool stop;
	int rc;

	(void)out;
	(void)report;
	rc = verdict_round(folder, o->round, NULL, &stop, reason, sizeof(reason), err);
	if (!rc)
		rc = deliver_end(folder, o->round, reason, &missing, err);
	if (!rc && missing)
		notice(o->notices, "not delivered to: %s", missing);
	free(missing);
	return rc;
}

static const struct command commands[] = {
	{"plan", 1, 1, false, command_plan},
	{"run", 1, 1, true, command_run},
	{"get", 0, -1, true, command_get},
	{"logs", 0, 2, false, command_logs},
	{"stop", 0, 1, true, command_stop},
	{"resume", 0, 1, true, command_resume},
	{"delete", 0, 1, true, command_delete},
	{"compare", 0, -1, true, command_compare},
	{"should-stop", 2, 2, true, command_should_stop},
	{"begin", 1, -1, true, command_begin},
	{"step", 2, -1, true, command_step},
	{"verdict", 0, 0, true, command_verdict},
	{"deliver", 2, 2, false, command_deliver},
	{"end", 0, 0, true, command_end},
	{"there", 1, -1, true, command_there},
};

const struct command *command_find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

bool command_fits(const struct command *c, int operands)
{
	return operands >= c->least && (c->most < 0 || operands <= c->most);
}
