#include "mist/noise_cli.h"

#include "mist/ration.h"

#include <math.h>

enum { KEY_MECHANISM = 0x3100, KEY_EPSILON_IMAGE, KEY_POOL, KEY_SUBSET };

static const struct argp_option options[] = {
	{NULL, 0, NULL, 0, "Noise, and what it costs:", 2},
	{"mechanism", KEY_MECHANISM, "NAME", 0,
	 "rr: randomised response, each bit flipped with probability 1/(1+exp(E)) (default for "
	 "bits); sue: 1/(1+exp(E/2)), what Plato and Sedna mean; none: no noise and no privacy, to "
	 "be asked for by name where bits are sent",
	 2},
	{"epsilon", 'e', "E", 0, "Privacy parameter, per bit; rr and sue need it or the next", 2},
	{"epsilon-image", KEY_EPSILON_IMAGE, "E", 0,
	 "Let no image's features cost more than epsilon E, all copies together: of its bits a "
	 "public subset is sent (without --epsilon: of 2.5 a bit, or more if all can be sent)",
	 2},
	{"pool", KEY_POOL, "N", 0,
	 "Average squares of N x N values to one bit before the threshold (default: the weight "
	 "file's)",
	 2},
	{"subset", KEY_SUBSET, "N", 0,
	 "The public number that chooses the bits of --epsilon-image (default 0); clients of one "
	 "job need the same",
	 2},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct noise_cli *o = state->input;

	switch (key) {
	case KEY_MECHANISM:
		o->mechanism = cli_choice(state, "--mechanism", arg, mechanism_names);
		return 0;
	case 'e':
		o->epsilon = cli_positive(state, "--epsilon", arg);
		return 0;
	case KEY_EPSILON_IMAGE:
		o->image = cli_positive(state, "--epsilon-image", arg);
		return 0;
	case KEY_POOL:
		o->pool = (int)cli_long(state, "--pool", arg, 1, GATE_MAX_POOL);
		return 0;
	case KEY_SUBSET:
		o->subset = cli_long(state, "--subset", arg, 0, INT32_MAX);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

const struct argp noise_argp = {options, parse, NULL, NULL, NULL, NULL, NULL};

/* Privacy is the default: what is sent without noise was asked for by name. */
void noise_cli_check(struct noise_cli *o, enum encoding encoding, struct argp_state *state)
{
	const bool asked = !isnan(o->epsilon) || !isnan(o->image);

	if (encoding != ENCODING_BIT && o->mechanism > MECHANISM_NONE)
		argp_error(state, "--mechanism %s is for bits: --encoding %s has no noise",
			   mechanism_names[o->mechanism], encoding_names[encoding]);
	if (encoding != ENCODING_BIT && o->pool)
		argp_error(state, "--pool is for bits, not for --encoding %s",
			   encoding_names[encoding]);
	if (o->mechanism < 0)
		o->mechanism = encoding == ENCODING_BIT ? MECHANISM_RR : MECHANISM_NONE;
	if (o->mechanism == MECHANISM_NONE && asked)
		argp_error(state, "--epsilon%s means nothing without noise",
			   isnan(o->epsilon) ? "-image" : "");
	if (o->mechanism != MECHANISM_NONE && !asked)
		argp_error(state, "no --epsilon was given (bits without noise: --mechanism none)");
	if (o->subset >= 0 && isnan(o->image))
		argp_error(state, "--subset chooses the bits of --epsilon-image");
}

int noise_cli_make(const struct noise_cli *o, const struct model *m, struct extract_options *x,
		   struct noise *noise, struct err *err)
{
	const struct ration r = {.epsilon_image = o->image,
				 .cut = x->cut,
				 .img = x->img,
				 .releases = x->hflip ? 2 : 1,
				 .mechanism = (enum mechanism)o->mechanism,
				 .subset = o->subset > 0 ? (uint64_t)o->subset : 0,
				 .pool = o->pool};
	double epsilon = o->epsilon;

	x->thin = (struct thinning){.pool = o->pool};
	if (!isnan(o->image)) {
		x->epsilon_image = o->image;
		if (ration_choose(m, &r, &epsilon, &x->thin, err))
			return -1;
	}
	return noise_init(noise, r.mechanism, epsilon, x->seed, err);
}
