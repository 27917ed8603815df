/* A model's YAML: what parses has a graph whose tables fit each other, and a plan. */
#include "base/mem.h"
#include "model/config.h"
#include "nn/net.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void check(const struct graph *g)
{
	size_t at = 0;
	int i, k;

	for (i = 0; i < g->nparams; i++) {
		BUG_IF(g->params[i].kind != PARAM_COUNTER && g->params[i].offset != at);
		at += g->params[i].kind == PARAM_COUNTER ? 0 : g->params[i].count;
	}
	BUG_IF(at != g->nfloats);
	for (i = 0; i < g->nsteps; i++)
		for (k = 0; k < g->steps[i].nin; k++)
			BUG_IF(g->steps[i].in[k] >= g->steps[i].out);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	char *text = xstrndup((const char *)data, size);
	struct err err;
	struct graph *g = config_parse("x", text, &err);

	if (g) {
		const int side = g->fixed_h ? g->fixed_h : 2 * g->max_stride;
		struct net_options opt = {.max_n = 1, .h = side, .w = side};

		check(g);
		if (g->nfloats < 1 << 20 && side <= 128) {
			net_bytes(g, &opt, NULL);
			opt.train = true;
			net_bytes(g, &opt, NULL);
		}
		graph_free(g);
	}
	free(text);
	return 0;
}
