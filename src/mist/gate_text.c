#include "mist/gate_text.h"

#include <math.h>

static void add_noise(const struct gate *g, struct buf *out)
{
	if (g->mechanism == MECHANISM_NONE)
		buf_add_str(out, "no noise");
	else
		buf_printf(out, "%s with epsilon %g a bit (each flips with probability %.4g)",
			   g->mechanism == MECHANISM_RR ? "randomised response"
							: "symmetric unary encoding",
			   g->epsilon, g->q);
}

void gates_describe(const struct gates *g, struct buf *out)
{
	int i;

	for (i = 0; i < g->n; i++) {
		const struct gate *gate = &g->gate[i];

		buf_printf(out, "gate at cut %d: %s, %d channels, ", g->cut,
			   encoding_names[gate->encoding], gate->c);
		add_noise(gate, out);
		buf_printf(out, "%s%s%s", gate->threshold ? ", thresholds" : "",
			   gate->low || gate->high ? ", levels" : "",
			   gate->debias ? ", de-biased" : "");
		if (gate->filter)
			buf_printf(out, ", filter of %dx%d", gate->filter_size, gate->filter_size);
		if (gate->pool > 1)
			buf_printf(out, ", squares of %dx%d", gate->pool, gate->pool);
		if (gate->keep)
			buf_printf(out, ", %.4g %% of the bits", ldexp(100.0 * gate->keep, -32));
		if (gate->net)
			buf_printf(out, ", network of %d channels", gate->net_width);
		buf_add_str(out, "\n");
	}
}

int gates_describe_json(const char *json, struct buf *out, struct err *err)
{
	struct gates gates;

	if (!json)
		return 0;
	if (gates_parse(json, &gates, err))
		return -1;
	gates_describe(&gates, out);
	gates_release(&gates);
	return 0;
}
