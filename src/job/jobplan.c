#include "job/jobplan.h"

#include "base/file.h"
#include "job/folder.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROUND_MODEL "rounds/" QUOTE_ROUND "/model.safetensors"
#define PREV_MODEL  "rounds/" QUOTE_PREV "/model.safetensors"
#define FIRST_MODEL "rounds/0/model.safetensors"
#define DRAWN       "rounds/" QUOTE_ROUND "/clients"
#define EDGE_PART   "rounds/0/start.edge.safetensors"

const char *const engine_names[] = {"sh", "make", "slurm", NULL};
const char *const engine_files[] = {"plan.sh", "plan.mk", "plan.slurm"};

static struct jobplan_step *add_step(struct jobplan_steps *list, const struct worker *w,
				     const char *name, const char *out)
{
	struct jobplan_step *s;

	GROW(list->step, list->n, list->cap);
	s = &list->step[list->n++];
	*s = (struct jobplan_step){.name = xstrdup(name), .out = xstrdup(out), .memory = w->memory};
	s->client = w->dataset ? w->id : NULL;
	s->rounds = strstr(name, QUOTE_ROUND) != NULL;
	return s;
}

/* An edge's step, whose output goes as the manifest's transmitter says. */
static struct jobplan_step *add_edge_step(struct jobplan *p, const struct worker *w,
					  const char *name, const char *out)
{
	struct jobplan_step *s = add_step(&p->edges, w, name, out);
	const struct manifest *m = p->manifest;

	if (m->transmit) {
		s->through = xasprintf("%s/%s/%s", m->transmit, m->name, out);
		s->profile = m->credential;
	}
	return s;
}

static void add_words(struct jobplan_step *s, const char *first, ...) __attribute__((sentinel));
static void add_words(struct jobplan_step *s, const char *first, ...)
{
	const char *word;
	va_list ap;

	va_start(ap, first);
	for (word = first; word; word = va_arg(ap, const char *))
		words_add(&s->command, word);
	va_end(ap);
}

/* What is relative in a manifest is so to the manifest's folder. */
static char *local_path(const struct jobplan *p, const char *url)
{
	char *dir, *path;

	if (!strncmp(url, "file://", 7))
		url += 7;
	if (*url == '/' || strstr(url, "://"))
		return xstrdup(url);
	dir = path_dir(p->source);
	path = path_join(dir, url);
	free(dir);
	return path;
}

/* A path that is an option's value: relative to the manifest where it is there, else as it is. */
static void fix_paths(const struct jobplan *p, struct words *command)
{
	size_t i, k;

	for (i = 0; i + 1 < command->n; i++) {
		const struct setting *s;

		for (k = 0; (s = setting_row(k)); k++)
			if (s->kind == SETTING_PATH && s->option &&
			    !strcmp(s->option, command->word[i])) {
				char *path = local_path(p, command->word[i + 1]);

				if (path_exists(path)) {
					free(command->word[i + 1]);
					command->word[i + 1] = path;
				} else {
					free(path);
				}
			}
	}
}

static void add_options(const struct jobplan *p, struct jobplan_step *s, const struct worker *w,
			enum setting_to program)
{
	const struct setting *threads = setting_find("threads");
	char n[16];

	manifest_options(p->manifest, w, program, &s->command);
	fix_paths(p, &s->command);
	if (w->cpus && (threads->to & (unsigned)program) &&
	    !manifest_value(p->manifest, w, "threads")) {
		snprintf(n, sizeof(n), "%d", w->cpus);
		add_words(s, "--threads", n, NULL);
	}
}

static const char *cloud_value(const struct jobplan *p, const char *env)
{
	return manifest_value(p->manifest, &p->manifest->cloud, env);
}

/* The weights one begins with, in our format. */
static void jobplan_weights(struct jobplan *p, const char *out)
{
	const struct manifest *m = p->manifest;
	struct jobplan_step *s = add_step(&p->start, &m->cloud, "weights", out);
	const char *cfg = cloud_value(p, "model");
	char *path;

	if (m->pretrained) {
		path = local_path(p, m->pretrained->url);
		if (!strcmp(m->pretrained->format, "safetensors"))
			add_words(s, "mist-job", "deliver", path, out, NULL);
		else
			add_words(s, "mist-model", "import", path, "-o", out, NULL);
		free(path);
		return;
	}
	add_words(s, "mist-model", "init", NULL);
	add_options(p, s, &m->cloud, TO_INIT);
	if (cloud_value(p, "seed"))
		add_words(s, "--seed", cloud_value(p, "seed"), NULL);
	path = local_path(p, cfg ? cfg : "yolov5n.yaml");
	add_words(s, "-o", out, path_exists(path) ? path : cfg ? cfg : "yolov5n.yaml", NULL);
	free(path);
}

static void jobplan_start(struct jobplan *p)
{
	const struct manifest *m = p->manifest;
	bool mistnet = m->algorithm == ALGORITHM_MISTNET;
	const char *public = mistnet ? cloud_value(p, "public") : NULL;
	const char *cut = cloud_value(p, "cut_layer");
	struct jobplan_step *s;
	char *path;

	jobplan_weights(p, public ? "rounds/0/weights.safetensors" : FIRST_MODEL);
	if (!mistnet)
		return;
	if (public) {
		path = local_path(p, public);
		s = add_step(&p->start, &m->cloud, "calibrate", FIRST_MODEL);
		add_words(s, "mist-model", "calibrate", "rounds/0/weights.safetensors", "--cut",
			  cut ? cut : "4", "--data", path, NULL);
		add_options(p, s, &m->cloud, TO_CALIBRATE);
		add_words(s, "-o", FIRST_MODEL, NULL);
		free(path);
	}
	s = add_step(&p->start, &m->cloud, "split", EDGE_PART);
	add_words(s, "mist-model", "split", FIRST_MODEL, "--cut", cut ? cut : "4", "-o",
		  "rounds/0/start", NULL);
}

static char *client_list(const struct manifest *m)
{
	struct buf out = BUF_INIT;
	int i;

	for (i = 0; i < m->nedges; i++)
		buf_printf(&out, "%s%s", i ? "," : "", m->edges[i].id);
	return buf_detach(&out);
}

static void jobplan_extract(struct jobplan *p, int i)
{
	const struct manifest *m = p->manifest;
	const struct worker *w = &m->edges[i];
	const char *cut = manifest_value(m, w, "cut_layer");
	const char *mechanism = manifest_value(m, w, "mechanism");
	const char *seed = manifest_value(m, w, "noise_seed");
	char *name = xasprintf("extract.%s", w->id);
	char *out = xasprintf("inbox/%s.tar", w->id);
	struct jobplan_step *s = add_edge_step(p, w, name, out);
	char *data = local_path(p, w->dataset->url);

	words_add(&s->send, EDGE_PART);
	add_words(s, "mist-extract", "-w", EDGE_PART, "--cut", cut ? cut : "4", NULL);
	/* Sedna's epsilon is that of Plato's mechanism. */
	if (!mechanism && manifest_value(m, w, "epsilon"))
		mechanism = "sue";
	if (mechanism)
		add_words(s, "--mechanism", mechanism, NULL);
	add_options(p, s, w, TO_EXTRACT);
	if (seed) {
		words_add(&s->command, "--seed");
		words_addf(&s->command, "%s%d", seed, i + 1);
	}
	/* Edges of one machine share its ledger. */
	add_words(s, "--wait", "3600", "--client", w->id, "-o", out, data, NULL);
	free(data);
	free(out);
	free(name);
}

/* Who trains in a round, where not all do: a file of names. */
static void jobplan_draw(struct jobplan *p)
{
	const struct manifest *m = p->manifest;
	const char *sample = cloud_value(p, "sample"), *seed = cloud_value(p, "seed");
	struct jobplan_step *s;
	char *clients;

	if (!sample || m->algorithm != ALGORITHM_FEDAVG)
		return;
	s = add_step(&p->draw, &m->cloud, "draw." QUOTE_ROUND, DRAWN);
	clients = client_list(m);
	add_words(s, "mist-aggregate", "--sample", sample, "--clients", clients, "--round",
		  QUOTE_ROUND, NULL);
	if (seed)
		add_words(s, "--seed", seed, NULL);
	add_words(s, "-o", DRAWN, NULL);
	free(clients);
}

/* Training, on an edge or in the cloud: `project` is where checkpoints are kept. */
static void jobplan_train(struct jobplan *p, struct jobplan_step *s, const struct worker *w)
{
	const struct manifest *m = p->manifest;
	const char *epochs = manifest_value(m, w, "epochs");
	const char *seed = manifest_value(m, w, "seed");
	const char *warmup = manifest_value(m, w, "warmup_epochs");
	char *project = path_dir(s->out);

	if (w->dataset) {
		free(project);
		project = xasprintf("rounds/" QUOTE_ROUND "/%s", w->id);
	}
	add_words(s, "mist-train", "-w", PREV_MODEL, "--epochs", epochs ? epochs : "1", NULL);
	add_options(p, s, w, TO_TRAIN);
	/* A round goes on where the last one ended: it does not warm up unless told to. */
	add_words(s, "--warmup-epochs", warmup ? warmup : "0", "--seed", NULL);
	words_addf(&s->command, "%s" QUOTE_ROUND, seed ? seed : "");
	if (w->memory)
		words_addf(&s->command, "--mem-limit=%llu", (unsigned long long)w->memory);
	add_words(s, "--project", project, "--resume", "-o", s->out, NULL);
	s->results = xasprintf("%s/results.csv", project);
	free(project);
}

static void jobplan_train_edge(struct jobplan *p, int i)
{
	const struct worker *w = &p->manifest->edges[i];
	char *name = xasprintf("train.%s." QUOTE_ROUND, w->id);
	char *out = xasprintf("rounds/" QUOTE_ROUND "/inbox/%s.safetensors", w->id);
	struct jobplan_step *s = add_edge_step(p, w, name, out);
	char *data = local_path(p, w->dataset->url);

	s->among = p->draw.n ? DRAWN : NULL;
	words_add(&s->send, PREV_MODEL);
	jobplan_train(p, s, w);
	add_words(s, "--client", w->id, "--data", data, NULL);
	free(data);
	free(out);
	free(name);
}

/* The server's own state, where the strategy has one, goes from round to round. */
static void jobplan_server(struct jobplan *p, struct jobplan_step *s)
{
	static const char *const with_state[] = {"fedavgm", "fedadam", "fedyogi"};
	const char *strategy = cloud_value(p, "strategy");
	size_t i;

	add_words(s, "--global", PREV_MODEL, "--report",
		  "rounds/" QUOTE_ROUND "/contributions.json", NULL);
	for (i = 0; strategy && i < ARRAY_LEN(with_state); i++)
		if (!strcmp(strategy, with_state[i])) {
			words_add(&s->maybe, "rounds/" QUOTE_PREV "/server.safetensors");
			add_words(s, "--state-in=rounds/" QUOTE_PREV "/server.safetensors",
				  "--state-out=rounds/" QUOTE_ROUND "/server.safetensors", NULL);
		}
}

static void jobplan_combine(struct jobplan *p)
{
	const struct manifest *m = p->manifest;
	bool mistnet = m->algorithm == ALGORITHM_MISTNET;
	char *clients = p->draw.n ? xstrdup("@" DRAWN) : client_list(m);
	struct jobplan_step *s;
	int i;

	s = add_step(&p->combine, &m->cloud, mistnet ? "aggregate" : "aggregate." QUOTE_ROUND,
		     mistnet ? "features.tar" : ROUND_MODEL);
	add_words(s, "mist-aggregate", "--inbox",
		  mistnet ? "inbox" : "rounds/" QUOTE_ROUND "/inbox", "--clients", clients,
		  "--min-clients", NULL);
	words_addf(&s->command, "%d", m->min_clients);
	free(clients);
	if (!mistnet) {
		add_options(p, s, &m->cloud, TO_AGGREGATE);
		jobplan_server(p, s);
	}
	for (i = 0; mistnet && i < m->nedges; i++)
		if (manifest_value(m, &m->edges[i], "noise_seed")) {
			add_words(s, "--allow-seeded", NULL);
			break;
		}
	add_words(s, "-o", s->out, NULL);
}

static void jobplan_round(struct jobplan *p)
{
	const struct manifest *m = p->manifest;
	const char *val = cloud_value(p, "val");
	struct jobplan_step *s;
	char *path;

	if (m->algorithm == ALGORITHM_MISTNET) {
		s = add_step(&p->round, &m->cloud, "train." QUOTE_ROUND, ROUND_MODEL);
		jobplan_train(p, s, &m->cloud);
		add_words(s, "--features", "features.tar", NULL);
	}
	if (!val)
		return;
	path = local_path(p, val);
	s = add_step(&p->round, &m->cloud, "eval." QUOTE_ROUND, "rounds/" QUOTE_ROUND "/eval.json");
	add_words(s, "mist-eval", "-w", ROUND_MODEL, NULL);
	add_options(p, s, &m->cloud, TO_EVAL);
	add_words(s, "--json", "-o", s->out, path, NULL);
	free(path);
}

/* Where the model is to lie: the manifest's place; what we write is a safetensors file. */
static char *delivery_path(const struct jobplan *p)
{
	char *path = local_path(p, p->manifest->model->url), *whole;
	char *base = path + (path_base(path) - path);
	char *dot = strrchr(base, '.');

	if (strcmp(p->manifest->model->format, "safetensors") == 0)
		return path;
	if (dot && dot != base)
		*dot = '\0';
	whole = xasprintf("%s.safetensors", path);
	free(path);
	return whole;
}

static void jobplan_deliver(struct jobplan *p)
{
	const struct manifest *m = p->manifest;
	char *to = delivery_path(p);
	int i;

	for (i = -1; i < m->nedges; i++) {
		const struct worker *w = i < 0 ? &m->cloud : &m->edges[i];
		char *name = xasprintf("deliver.%s", w->id);
		char *out = xasprintf("delivered/%s", w->id);
		struct jobplan_step *s = add_step(&p->deliver, w, name, out);

		s->memory = 0;
		words_add(&s->send, "model.safetensors");
		add_words(s, "mist-job", "deliver", "-o", out, "model.safetensors", to, NULL);
		free(out);
		free(name);
	}
	free(to);
}

/* "edge1=user@host": of an edge's node, or its name. */
static int take_hosts(struct jobplan *p, const struct words *hosts, struct err *err)
{
	const struct manifest *m = p->manifest;
	size_t k;
	int i;

	p->hosts = xcalloc((size_t)m->nedges, sizeof(*p->hosts));
	for (k = 0; k < hosts->n; k++) {
		const char *text = hosts->word[k], *eq = strchr(text, '=');
		size_t n = eq ? (size_t)(eq - text) : 0;
		bool found = false;

		if (!n || !eq[1] || eq[1] == '-')
			return err_set(err, STATUS_USAGE, "--host: '%s' is not NODE=USER@HOST",
				       text);
		for (i = 0; i < m->nedges; i++) {
			const struct worker *w = &m->edges[i];

			if ((w->node && strlen(w->node) == n && !strncmp(w->node, text, n)) ||
			    (strlen(w->id) == n && !strncmp(w->id, text, n))) {
				p->hosts[i] = eq + 1;
				found = true;
			}
		}
		if (!found)
			return err_set(err, STATUS_USAGE,
				       "--host: no training worker runs on '%.*s'", (int)n, text);
	}
	return 0;
}

static void set_hosts(struct jobplan *p)
{
	int i;

	for (i = 0; i < p->manifest->nedges && p->engine != ENGINE_SLURM; i++) {
		p->edges.step[i].host = p->hosts[i];
		p->deliver.step[i + 1].host = p->hosts[i];
	}
}

static int check_paths(const struct jobplan *p, struct err *err)
{
	const struct manifest *m = p->manifest;
	int i;

	if (strstr(m->model->url, "://") && strncmp(m->model->url, "file://", 7) != 0)
		return yaml_err(m->model->at, err, "a model is delivered to a path, not to '%s'",
				m->model->url);
	for (i = 0; i < m->nedges; i++)
		if (p->hosts[i] && p->engine != ENGINE_SLURM && *m->edges[i].dataset->url != '/')
			return yaml_err(m->edges[i].dataset->at, err,
					"'%s' lies on '%s': its path must be absolute",
					m->edges[i].dataset->url, p->hosts[i]);
	return 0;
}

static int check_privacy(const struct manifest *m, struct err *err)
{
	int i;

	for (i = 0; i < m->nedges && m->algorithm == ALGORITHM_MISTNET; i++) {
		const struct worker *w = &m->edges[i];
		const char *encoding = manifest_value(m, w, "encoding");

		if (!manifest_value(m, w, "epsilon") && !manifest_value(m, w, "mechanism") &&
		    (!encoding || !strcmp(encoding, "bit")))
			return yaml_err(
				w->at, err,
				"'epsilon' is not said; features without noise are asked for "
				"by mechanism: none");
	}
	return 0;
}

static void tell(const struct jobplan *p, const struct notices *notices)
{
	const struct manifest *m = p->manifest;
	const char *format = m->model->format;
	struct words said = WORDS_INIT;
	struct buf list = BUF_INIT;
	size_t i;

	for (i = 0; i < m->ignored.n && list.len < 800; i++) {
		const char *name = strrchr(m->ignored.word[i], '.');

		name = name ? name + 1 : m->ignored.word[i];
		if (!words_have(&said, name)) {
			buf_printf(&list, "%s%s", said.n ? ", " : "", name);
			words_add(&said, name);
		}
	}
	if (list.len)
		notice(notices, "without a meaning here: %s", list.data);
	words_release(&said);
	buf_release(&list);
	if (strcmp(format, "safetensors") != 0)
		notice(notices, "the model is delivered as safetensors, not as %s", format);
	if (!cloud_value(p, "val"))
		notice(notices, "no 'val' in the aggregation worker's env: nothing is evaluated%s",
		       m->stop && strstr(m->stop, "ccuracy") ? ", accuracy is never known" : "");
	for (i = 0; i < (size_t)m->nedges; i++)
		if (manifest_value(m, &m->edges[i], "noise_seed")) {
			notice(notices, "noise_seed: whoever knows the seed removes the noise");
			break;
		}
}

/* Absolute: a plan runs wherever one stands. */
static char *absolute(const char *path)
{
	char here[PATH_MAX];

	if (*path == '/' || !getcwd(here, sizeof(here)))
		return xstrdup(path);
	return path_join(here, path);
}

struct jobplan *jobplan_new(const struct manifest *m, const struct jobplan_options *opt,
			    const struct notices *notices, struct err *err)
{
	struct jobplan *p = xcalloc(1, sizeof(*p));
	char *root = folder_root();
	char *folder = opt->folder ? xstrdup(opt->folder) : path_join(root, m->name);
	int i;

	p->manifest = m;
	p->engine = opt->engine;
	p->folder = absolute(folder);
	p->source = absolute(opt->source);
	free(folder);
	free(root);
	if (take_hosts(p, &opt->hosts, err) || check_paths(p, err) || check_privacy(m, err)) {
		jobplan_free(p);
		return NULL;
	}
	jobplan_start(p);
	jobplan_draw(p);
	for (i = 0; i < m->nedges; i++)
		m->algorithm == ALGORITHM_MISTNET ? jobplan_extract(p, i)
						  : jobplan_train_edge(p, i);
	jobplan_combine(p);
	jobplan_round(p);
	jobplan_deliver(p);
	set_hosts(p);
	tell(p, notices);
	return p;
}

static void release_steps(struct jobplan_steps *list)
{
	size_t i;

	for (i = 0; i < list->n; i++) {
		free(list->step[i].name);
		free(list->step[i].out);
		free(list->step[i].results);
		free(list->step[i].through);
		words_release(&list->step[i].send);
		words_release(&list->step[i].maybe);
		words_release(&list->step[i].command);
	}
	free(list->step);
}

void jobplan_free(struct jobplan *p)
{
	if (!p)
		return;
	release_steps(&p->start);
	release_steps(&p->draw);
	release_steps(&p->edges);
	release_steps(&p->combine);
	release_steps(&p->round);
	release_steps(&p->deliver);
	free(p->hosts);
	free(p->folder);
	free(p->source);
	free(p);
}

void jobplan_write(const struct jobplan *p, struct buf *out)
{
	if (p->engine == ENGINE_SH)
		jobplan_write_sh(p, out);
	else if (p->engine == ENGINE_MAKE)
		jobplan_write_make(p, out);
	else
		jobplan_write_slurm(p, out);
}
