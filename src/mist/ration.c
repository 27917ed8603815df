#include "mist/ration.h"

#include "mist/extract_gate.h"
#include "mist/features.h"

#include <math.h>

/* The tensors that cross, and the gates that they would pass, all bits sent. */
struct crossing {
	struct gates gates;
	int h[FEATURES_MAX_TENSORS], w[FEATURES_MAX_TENSORS];
	size_t bits;
};

static int cross(const struct model *m, const struct ration *r, struct crossing *x, struct err *err)
{
	const struct thinning all = {.pool = r->pool, .chosen = true};
	const struct noise none = {.mechanism = MECHANISM_NONE};
	int layers[4 * FEATURES_MAX_TENSORS], n, i;
	struct shape s;

	*x = (struct crossing){.bits = 0};
	n = graph_frontier(m->graph, r->cut, layers, (int)ARRAY_LEN(layers));
	if (n < 1 || n > FEATURES_MAX_TENSORS)
		return err_set(err, STATUS_USAGE, "%d tensors cross cut %d: at most %d are sent", n,
			       r->cut, FEATURES_MAX_TENSORS);
	if (extract_gates(m, r->cut, ENCODING_BIT, &none, &all, NULL, &x->gates, err))
		return -1;
	for (i = 0; i < n; i++) {
		if (graph_shape(m->graph, layers[i], r->img, r->img, &s, err))
			return -1;
		x->gates.gate[i].subset = r->subset + (uint64_t)i; /* as thin_set chooses it */
		x->h[i] = s.h;
		x->w[i] = s.w;
		x->bits += gate_sent(&x->gates.gate[i], s.h, s.w);
	}
	return 0;
}

static double cost(const struct ration *r, double epsilon, size_t bits)
{
	const struct privacy p = {.mechanism = r->mechanism,
				  .per_bit = noise_effective(r->mechanism, epsilon),
				  .values = bits,
				  .releases = r->releases};

	return privacy_per_image(&p);
}

/* The mechanism's epsilon that makes a bit cost `per_bit`. */
static double requested(const struct ration *r, double per_bit)
{
	return r->mechanism == MECHANISM_SUE ? 2 * per_bit : per_bit;
}

/* At least RATION_EPSILON a bit, more where all bits are sent and the budget is not spent. */
static double choose_epsilon(const struct ration *r, size_t bits)
{
	double e = r->epsilon_image / ((double)r->releases * (double)bits);

	if (e < RATION_EPSILON)
		return requested(r, RATION_EPSILON);
	while (cost(r, requested(r, e), bits) > r->epsilon_image)
		e = nextafter(e, 0);
	return requested(r, e);
}

/* As many as the budget pays for; rounded up, a bit's price may be one too dear. */
static size_t afford(const struct ration *r, double epsilon, size_t most)
{
	const double each = noise_effective(r->mechanism, epsilon) * r->releases;
	const double n = floor(r->epsilon_image / each);
	size_t bits = n < (double)most ? (size_t)n : most;

	while (bits && cost(r, epsilon, bits) > r->epsilon_image)
		bits--;
	return bits;
}

static bool all_send(const struct crossing *x, const struct thinning *t)
{
	int i;

	thin_set(x->gates.gate, x->gates.n, t);
	for (i = 0; i < x->gates.n; i++)
		if (!gate_sent(&x->gates.gate[i], x->h[i], x->w[i]))
			return false;
	return true;
}

static int choose(const struct ration *r, const struct crossing *x, double *epsilon,
		  struct thinning *out, struct err *err)
{
	size_t bits, sent;

	if (isnan(*epsilon))
		*epsilon = choose_epsilon(r, x->bits);
	bits = afford(r, *epsilon, x->bits);
	out->keep = thin_choose(x->gates.gate, x->h, x->w, x->gates.n, bits, &sent);
	if (!sent || !all_send(x, out))
		return err_set(err, STATUS_USAGE,
			       "an --epsilon-image of %g does not pay for one bit of epsilon %g in "
			       "every tensor, sent %d time%s",
			       r->epsilon_image, *epsilon, r->releases,
			       r->releases == 1 ? "" : "s");
	return 0;
}

int ration_choose(const struct model *m, const struct ration *r, double *epsilon,
		  struct thinning *out, struct err *err)
{
	struct crossing x;
	int rc;

	*out = (struct thinning){.pool = r->pool, .chosen = true, .subset = r->subset};
	rc = cross(m, r, &x, err);
	if (!rc)
		rc = choose(r, &x, epsilon, out, err);
	gates_release(&x.gates);
	return rc;
}
