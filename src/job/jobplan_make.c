/*
 * jobplan_make.c - a plan as a makefile: files are targets, make -j runs edges at the same time.
 *
 * Prerequisites are order-only: a file that is there is done, whatever the clocks of the machines
 * say. An edge's recipe may fail ('-'): who combines counts what is there.
 */
#include "job/jobplan.h"

static const struct quote_names make_names = {"$(ROUND)", "$(PREV)", true};

/* A name as target or prerequisite: ours hold no blanks. */
static void add_name(struct buf *out, const char *name)
{
	quote_word(out, name, &make_names);
}

static void write_rule(const struct jobplan_step *s, const char *mark, const char *const *needs,
		       size_t n, struct buf *out)
{
	size_t i;

	buf_add_str(out, "\n");
	add_name(out, s->out);
	buf_add_str(out, ":");
	for (i = 0; i < n; i++) {
		buf_add_str(out, i ? " " : " | ");
		add_name(out, needs[i]);
	}
	buf_printf(out, "\n\t%s@mist-job step ", mark);
	jobplan_write_step(s, "\t\t", &make_names, out);
	buf_add_str(out, "\n");
}

/* Each needs the one before. */
static void write_chain(const struct jobplan_steps *list, const char *first, struct buf *out)
{
	const char *need = first;
	size_t i;

	for (i = 0; i < list->n; i++) {
		write_rule(&list->step[i], "", &need, need ? 1 : 0, out);
		need = list->step[i].out;
	}
}

static void write_rules(const struct jobplan *p, struct buf *out)
{
	/* Round 0's model is what one begins with: it has a rule of its own. */
	static const char only_rounds[] = "\nifneq ($(ROUND),0)\n";
	bool mistnet = p->manifest->algorithm == ALGORITHM_MISTNET;
	const char **needs = xcalloc(p->edges.n, sizeof(*needs));
	size_t i;

	write_chain(&p->start, NULL, out);
	if (!mistnet)
		buf_add_str(out, only_rounds);
	write_chain(&p->draw, NULL, out);
	for (i = 0; i < p->edges.n; i++) {
		const struct jobplan_step *s = &p->edges.step[i];
		const char *need = mistnet ? s->send.word[0] : s->among;

		needs[i] = s->out;
		write_rule(s, "-", &need, need ? 1 : 0, out);
	}
	write_rule(&p->combine.step[0], "", needs, p->edges.n, out);
	if (mistnet)
		buf_add_str(out, only_rounds);
	write_chain(&p->round, mistnet ? NULL : p->combine.step[0].out, out);
	buf_add_str(out, "\nendif\n");
	for (i = 0; i < p->deliver.n; i++)
		write_rule(&p->deliver.step[i], "-", NULL, 0, out);
	free(needs);
}

/* The loop over rounds: a makefile has no loops of its own. */
static void write_all(const struct jobplan *p, struct buf *out)
{
	const struct manifest *m = p->manifest;
	bool mistnet = m->algorithm == ALGORITHM_MISTNET;
	const char *last = p->round.n ? p->round.step[p->round.n - 1].out : p->combine.step[0].out;
	size_t i;

	buf_add_str(out, "\nall:\n\t+@mkdir -p ");
	quote_word(out, p->folder, &make_names);
	buf_add_str(out, " && cd ");
	quote_word(out, p->folder, &make_names);
	buf_add_str(out, " && exec 9>>lock && \\\n\t");
	jobplan_write_begin(p, "\t\t", true, &make_names, out);
	buf_add_str(out, " && \\\n\t$(again) ROUND=0 PREV=0 start && \\\n");
	buf_add_str(out, "\tround=0 && while :; do \\\n"
			 "\t\tprev=$$round; round=$$((round + 1)); \\\n"
			 "\t\t$(again) ROUND=$$round PREV=$$prev round || exit; \\\n"
			 "\t\tmist-job verdict --round=$$round");
	if (m->stop) {
		buf_add_str(out, " --stop=");
		quote_word(out, m->stop, &make_names);
	}
	buf_add_str(out, "; over=$$?; \\\n"
			 "\t\t[ $$over -le 1 ] || exit $$over; [ $$over -eq 1 ] || break; \\\n"
			 "\tdone && \\\n"
			 "\tmist-job deliver rounds/$$round/model.safetensors model.safetensors "
			 ">/dev/null && \\\n"
			 "\t$(again) ROUND=$$round PREV=$$prev deliver && \\\n"
			 "\tmist-job end --round=$$round\n\n");
	buf_printf(out, "start: | ");
	add_name(out, mistnet ? p->combine.step[0].out : p->start.step[p->start.n - 1].out);
	buf_add_str(out, "\nround: | ");
	add_name(out, last);
	buf_add_str(out, "\ndeliver: |");
	for (i = 0; i < p->deliver.n; i++) {
		buf_add_str(out, " ");
		add_name(out, p->deliver.step[i].out);
	}
	buf_add_str(out, "\n");
}

void jobplan_write_make(const struct jobplan *p, struct buf *out)
{
	const struct manifest *m = p->manifest;

	buf_printf(out,
		   "# The federated job '%s': %s over %d edge%s, planned by mist-job from\n"
		   "# %s\n"
		   "# make -j2 -f THIS runs two edges at the same time. What is done is not done "
		   "again. It is yours to edit.\n",
		   m->name, algorithm_names[m->algorithm], m->nedges, m->nedges == 1 ? "" : "s",
		   p->source);
	buf_add_str(out, ".SUFFIXES:\n.PHONY: all start round deliver\nstate = ");
	quote_word(out, p->folder, &make_names);
	buf_add_str(out, "\nself := $(if $(filter /%,$(firstword $(MAKEFILE_LIST))),,$(CURDIR)/)"
			 "$(strip $(MAKEFILE_LIST))\n"
			 "again = $(MAKE) --no-print-directory -f '$(subst ','\\'',$(self))'\n");
	write_all(p, out);
	write_rules(p, out);
}
