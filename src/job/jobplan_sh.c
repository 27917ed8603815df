/* jobplan_sh.c - a plan as a shell script, and the parts that other scripts share with it. */
#include "job/jobplan.h"

#include <string.h>

static const struct quote_names sh_names = {"$round", "$prev", false};

void jobplan_write_head(const struct jobplan *p, const char *how, struct buf *out)
{
	const struct manifest *m = p->manifest;

	buf_printf(out,
		   "#!/bin/sh\n"
		   "# The federated job '%s': %s over %d edge%s, planned by mist-job from\n"
		   "# %s\n"
		   "# %s\n"
		   "# What is done is not done again: run it as often as you like, by hand or from "
		   "cron. It is yours to edit.\n"
		   "set -eu\n",
		   m->name, algorithm_names[m->algorithm], m->nedges, m->nedges == 1 ? "" : "s",
		   p->source, how);
	buf_add_str(out, "state=");
	quote_word(out, p->folder, &sh_names);
	buf_add_str(out, "\nmkdir -p \"$state\"\ncd \"$state\"\n");
}

void jobplan_write_begin(const struct jobplan *p, const char *indent, bool locked,
			 const struct quote_names *names, struct buf *out)
{
	const struct manifest *m = p->manifest;
	struct words w = WORDS_INIT;
	int i;

	words_add(&w, "mist-job");
	words_add(&w, "begin");
	if (locked)
		words_add(&w, "--lock-fd=9");
	words_addf(&w, "--name=%s", m->name);
	words_addf(&w, "--engine=%s", engine_names[p->engine]);
	words_addf(&w, "--algorithm=%s", algorithm_names[m->algorithm]);
	words_addf(&w, "--ready=%d", m->min_clients);
	if (m->stop)
		words_addf(&w, "--stop=%s", m->stop);
	for (i = 0; i < m->nedges; i++)
		words_add(&w, m->edges[i].id);
	quote_words(out, &w, indent, 8, names);
	words_release(&w);
}

static void limit_words(const struct jobplan_step *s, struct words *w)
{
	const uint64_t mib = 1 << 20;

	if (s->memory && s->memory % mib == 0)
		words_addf(w, "--mem-limit=%lluM", (unsigned long long)(s->memory / mib));
	else if (s->memory)
		words_addf(w, "--mem-limit=%llu", (unsigned long long)s->memory);
}

void jobplan_write_step(const struct jobplan_step *s, const char *indent,
			const struct quote_names *names, struct buf *out)
{
	struct words w = WORDS_INIT;
	size_t i;

	words_add(&w, s->name);
	if (s->client)
		words_addf(&w, "--client=%s", s->client);
	if (s->rounds)
		words_add(&w, "--round=" QUOTE_ROUND);
	if (s->host)
		words_addf(&w, "--host=%s", s->host);
	limit_words(s, &w);
	if (s->through)
		words_addf(&w, "--through=%s", s->through);
	if (s->profile)
		words_addf(&w, "--profile=%s", s->profile);
	if (s->among)
		words_addf(&w, "--among=%s", s->among);
	for (i = 0; i < s->maybe.n; i++)
		words_addf(&w, "--maybe=%s", s->maybe.word[i]);
	for (i = 0; i < s->send.n; i++)
		words_addf(&w, "--send=%s", s->send.word[i]);
	if (s->results)
		words_addf(&w, "--results=%s", s->results);
	words_addf(&w, "--out=%s", s->out);
	words_add(&w, "--");
	quote_words(out, &w, indent, 24, names);
	buf_printf(out, " \\\n%s", indent);
	quote_words(out, &s->command, indent, 8 + strlen(indent), names);
	words_release(&w);
}

static void write_function(const char *name, size_t number, const struct jobplan_step *s, size_t n,
			   struct buf *out)
{
	size_t i;

	buf_printf(out, "\n%s", name);
	if (number)
		buf_printf(out, "_%zu", number);
	buf_add_str(out, "() {\n");
	for (i = 0; i < n; i++) {
		buf_add_str(out, "\tmist-job step ");
		jobplan_write_step(&s[i], "\t\t", &sh_names, out);
		buf_add_str(out, "\n");
	}
	if (!n)
		buf_add_str(out, "\t:\n");
	buf_add_str(out, "}\n");
}

void jobplan_write_functions(const struct jobplan *p, struct buf *out)
{
	size_t i;

	buf_add_str(out, "\n# The weights to begin with.");
	write_function("start", 0, p->start.step, p->start.n, out);
	if (p->draw.n) {
		buf_add_str(out, "\n# Who is to train in a round.");
		write_function("draw", 0, p->draw.step, p->draw.n, out);
	}
	buf_add_str(out, "\n# What each edge does. Of its data nothing else leaves it.");
	for (i = 0; i < p->edges.n; i++)
		write_function("edge", i + 1, &p->edges.step[i], 1, out);
	buf_add_str(out, "\n# What the cloud makes of it, once enough edges are ready.");
	write_function("combine", 0, p->combine.step, p->combine.n, out);
	write_function("one_round", 0, p->round.step, p->round.n, out);
	buf_add_str(out, "\n# Has the job come to its end? 0: yes, 1: not yet.\nis_over() {\n"
			 "\tmist-job verdict --round=\"$round\"");
	if (p->manifest->stop) {
		buf_add_str(out, " --stop=");
		quote_word(out, p->manifest->stop, &sh_names);
	}
	buf_add_str(out, "\n}\n\n# The model goes to where it is to lie.");
	for (i = 0; i < p->deliver.n; i++)
		write_function("deliver", i + 1, &p->deliver.step[i], 1, out);
}

/* Edges on machines of their own work at the same time; on one they would only share it. One that
 * fails is missed when what is there is combined. */
static void write_edges(const struct jobplan *p, const char *name, size_t n, const char *indent,
			struct buf *out)
{
	bool apart = false;
	size_t i;

	for (i = 0; i < p->edges.n; i++)
		apart |= p->edges.step[i].host != NULL;
	for (i = 0; i < n; i++)
		buf_printf(out, "%s%s_%zu %s\n", indent, name, i + 1, apart ? "&" : "|| :");
	if (apart)
		buf_printf(out, "%swait\n", indent);
}

void jobplan_write_sh(const struct jobplan *p, struct buf *out)
{
	bool mistnet = p->manifest->algorithm == ALGORITHM_MISTNET;

	jobplan_write_head(p, "Everything it knows lies in the folder below; see mist-job(5).",
			   out);
	buf_add_str(out, "exec 9>>lock # held until this script, and all it started, has ended\n");
	jobplan_write_begin(p, "\t", true, &sh_names, out);
	buf_add_str(out, "\n");
	jobplan_write_functions(p, out);
	buf_add_str(out, "\nstart\n");
	if (mistnet) {
		write_edges(p, "edge", p->edges.n, "", out);
		buf_add_str(out, "combine\n");
	}
	buf_add_str(out, "round=0\nwhile :; do\n\tprev=$round\n\tround=$((round + 1))\n");
	if (!mistnet) {
		buf_add_str(out, p->draw.n ? "\tdraw\n" : "");
		write_edges(p, "edge", p->edges.n, "\t", out);
		buf_add_str(out, "\tcombine\n");
	}
	buf_add_str(out, "\tone_round\n\tis_over && break\n\t[ $? -eq 1 ] || exit 4\ndone\n\n"
			 "mist-job deliver \"rounds/$round/model.safetensors\" "
			 "model.safetensors >/dev/null\n");
	write_edges(p, "deliver", p->deliver.n, "", out);
	buf_add_str(out, "mist-job end --round=\"$round\"\n");
}
