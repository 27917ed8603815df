/*
 * jobplan_slurm.c - a plan as a script that submits itself to Slurm, stage by stage.
 *
 * A round is: the edges' jobs (those that want the same of a node are one array), then the cloud's,
 * which waits for all of them to end, well or not, and submits the next round or the deliveries.
 */
#include "job/jobplan.h"

#include <stdlib.h>
#include <string.h>

static const struct quote_names sh_names = {"$round", "$prev", false};

/* What a worker wants of Slurm: sbatch's options. */
static void wants(const struct jobplan *p, int edge, struct words *w)
{
	const struct worker *who = edge < 0 ? &p->manifest->cloud : &p->manifest->edges[edge];
	const char *node = edge >= 0 && p->hosts[edge] ? p->hosts[edge] : who->node;
	const uint64_t mib = 1 << 20;

	if (node)
		words_addf(w, "--nodelist=%s", node);
	if (who->memory)
		words_addf(w, "--mem=%lluM", (unsigned long long)((who->memory + mib - 1) / mib));
	if (who->cpus)
		words_addf(w, "--cpus-per-task=%d", who->cpus);
}

static char *wants_text(const struct jobplan *p, int edge)
{
	struct words w = WORDS_INIT;
	struct buf out = BUF_INIT;
	size_t i;

	wants(p, edge, &w);
	for (i = 0; i < w.n; i++) {
		buf_add_str(&out, " ");
		quote_word(&out, w.word[i], &sh_names);
	}
	words_release(&w);
	return buf_detach(&out);
}

/* One submission for each set of edges that want the same. */
static void write_submissions(const struct jobplan *p, const char *stage, struct buf *out)
{
	int n = p->manifest->nedges, i, k;
	char **want = xcalloc((size_t)n, sizeof(*want));

	for (i = 0; i < n; i++)
		want[i] = wants_text(p, i);
	for (i = 0; i < n; i++) {
		struct buf members = BUF_INIT;
		int count = 0;

		if (!want[i])
			continue;
		for (k = i; k < n; k++)
			if (want[k] && !strcmp(want[k], want[i])) {
				buf_printf(&members, "%s%d", count++ ? "," : "", k + 1);
				if (k > i) {
					free(want[k]);
					want[k] = NULL;
				}
			}
		buf_printf(out, "\tsubmit \"$1\" --array=%s%s -- %s \"$round\"\n", members.data,
			   want[i], stage);
		buf_release(&members);
		free(want[i]);
		want[i] = NULL;
	}
	free(want);
}

static void write_submit(const struct jobplan *p, struct buf *out)
{
	buf_add_str(
		out,
		"\n# submit DEPENDENCY OPTION... -- STAGE ROUND: prints \":NUMBER\" of the job.\n"
		"submit() {\n"
		"\tafter=$1\n"
		"\tshift\n"
		"\tif [ -n \"$after\" ]; then set -- --dependency=\"$after\" \"$@\"; fi\n");
	buf_add_str(out, "\toptions=$(($# - 3))\n"
			 "\tid=$(sbatch_with \"$options\" \"$@\")\n"
			 "\tid=${id%%;*}\n"
			 "\tprintf '%s\\n' \"$id\" >>slurm.jobs\n"
			 "\tprintf ':%s' \"$id\"\n"
			 "}\n");
	buf_printf(out,
		   "\n# Options come before the script, its arguments behind it.\n"
		   "sbatch_with() {\n"
		   "\tn=$1\n"
		   "\tshift\n"
		   "\ti=0\n"
		   "\twhile [ \"$i\" -lt \"$n\" ]; do\n"
		   "\t\tset -- \"$@\" \"$1\"\n"
		   "\t\tshift\n"
		   "\t\ti=$((i + 1))\n"
		   "\tdone\n"
		   "\tshift # the --\n"
		   "\tstage=$1 number=$2\n"
		   "\tshift 2\n"
		   "\tsbatch --parsable --kill-on-invalid-dep=yes --chdir=\"$state\" \\\n"
		   "\t\t--job-name=\"mist-%s-$stage-$number\" --output=logs/slurm-%%A-%%a.log \\\n"
		   "\t\t\"$@\" \"$state/plan.slurm\" \"$stage\" \"$number\"\n"
		   "}\n",
		   p->manifest->name);
}

static void write_stages(const struct jobplan *p, struct buf *out)
{
	bool mistnet = p->manifest->algorithm == ALGORITHM_MISTNET;
	char *cloud = wants_text(p, -1);

	buf_add_str(out, "\nsubmit_edges() {\n");
	write_submissions(p, "edge", out);
	buf_add_str(out, "}\n\nsubmit_deliveries() {\n");
	write_submissions(p, "deliver", out);
	buf_printf(out,
		   "}\n\nsubmit_cloud() { # DEPENDENCY STAGE\n"
		   "\tsubmit \"$1\"%s -- \"$2\" \"$round\"\n}\n",
		   cloud);
	free(cloud);
	buf_add_str(out, "\n# The cloud's part of a round, and what follows it.\ncloud() {\n"
			 "\tstart\n");
	if (mistnet)
		buf_add_str(out, "\t[ \"$round\" -gt 1 ] || combine\n");
	else
		buf_add_str(out, "\tcombine\n");
	buf_add_str(out, "\tone_round\n"
			 "\tover=0\n"
			 "\tis_over || over=$?\n"
			 "\tcase $over in\n"
			 "\t0)\n"
			 "\t\tmist-job deliver \"rounds/$round/model.safetensors\" "
			 "model.safetensors >/dev/null\n"
			 "\t\tdeliver_1\n"
			 "\t\tjobs=$(submit_deliveries '')\n"
			 "\t\tsubmit_cloud \"afterany$jobs\" end >/dev/null\n"
			 "\t\t;;\n"
			 "\t1)\n"
			 "\t\tround=$((round + 1))\n");
	if (mistnet)
		buf_add_str(out, "\t\tsubmit_cloud '' cloud >/dev/null\n");
	else
		buf_printf(out,
			   "%s\t\tjobs=$(submit_edges '')\n"
			   "\t\tsubmit_cloud \"afterany$jobs\" cloud >/dev/null\n",
			   p->draw.n ? "\t\tdraw\n" : "");
	buf_add_str(out, "\t\t;;\n\t*) exit 4 ;;\n\tesac\n}\n");
}

void jobplan_write_slurm(const struct jobplan *p, struct buf *out)
{
	jobplan_write_head(
		p, "Its folder must be one that all of Slurm's nodes see; see mist-job(5).", out);
	buf_add_str(out, "round=${2-1}\nprev=$((round - 1))\n");
	jobplan_write_functions(p, out);
	write_submit(p, out);
	write_stages(p, out);
	buf_add_str(out, "\ncase ${1-submit} in\nsubmit)\n\t");
	jobplan_write_begin(p, "\t\t", false, &sh_names, out);
	buf_add_str(out, "\n"
			 "\tcase $0 in /*) self=$0 ;; *) self=$OLDPWD/$0 ;; esac\n"
			 "\tcmp -s \"$self\" plan.slurm || cp \"$self\" plan.slurm\n"
			 "\t: >slurm.jobs\n"
			 "\ttrap 'xargs -r scancel <slurm.jobs' EXIT # all of them or none\n"
			 "\tfirst=$(submit_cloud '' start)\n"
			 "\tjobs=$(submit_edges \"afterok$first\")\n"
			 "\tsubmit_cloud \"afterany$jobs\" cloud >/dev/null\n"
			 "\ttrap - EXIT\n"
			 "\t;;\n"
			 "start)\n"
			 "\tstart\n");
	buf_add_str(out, p->draw.n ? "\tdraw\n" : "");
	buf_add_str(out, "\t;;\n"
			 "edge) \"edge_$SLURM_ARRAY_TASK_ID\" ;;\n"
			 "cloud) cloud ;;\n"
			 "deliver) \"deliver_$((SLURM_ARRAY_TASK_ID + 1))\" ;;\n"
			 "end) mist-job end --round=\"$round\" ;;\n"
			 "*)\n"
			 "\techo \"usage: $0 [submit]\" >&2\n"
			 "\texit 2\n"
			 "\t;;\n"
			 "esac\n");
}
