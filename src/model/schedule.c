#include "model/schedule.h"

#include <math.h>

/* utils/torch_utils.py, ModelEMA. */
#define EMA_DECAY 0.9999
#define EMA_TAU   2000.0

static double max_double(double a, double b)
{
	return a > b ? a : b;
}

/* Python's round(): halves to even. */
static double round_even(double x)
{
	return nearbyint(x);
}

/* np.interp(x, [0, width], [a, b]) */
static double interpolate(double x, double width, double a, double b)
{
	if (x >= width)
		return b;
	return a + (b - a) * (x / width);
}

void schedule_init(struct schedule *s, const struct hyp *hyp, enum optim_kind kind, bool cosine,
		   long epochs, long nb, int batch, int nbs, int warmup_floor)
{
	double accumulate = max_double(round_even((double)nbs / batch), 1);

	*s = (struct schedule){
		.hyp = *hyp,
		.kind = kind,
		.cosine = cosine,
		.epochs = epochs,
		.nb = nb,
		.batch = batch,
		.nbs = nbs,
	};
	s->warmup = (long)max_double(round_even(hyp->warmup_epochs * (double)nb), warmup_floor);
	s->decay = hyp->weight_decay * batch * accumulate / nbs;
}

double schedule_factor(const struct schedule *s, long epoch)
{
	double x = (double)epoch / (double)s->epochs;

	if (s->cosine)
		return (1 - cos(x * M_PI)) / 2 * (s->hyp.lrf - 1) + 1;
	return (1 - x) * (1 - s->hyp.lrf) + s->hyp.lrf;
}

int schedule_at(const struct schedule *s, long ni, long epoch, struct optim_rates *rates)
{
	const double lr = s->hyp.lr0 * schedule_factor(s, epoch);
	const double x = (double)ni, width = (double)s->warmup;
	const double full = (double)s->nbs / s->batch;
	int j;

	for (j = 0; j < OPTIM_GROUPS; j++) {
		rates->lr[j] = lr;
		rates->decay[j] = 0;
	}
	rates->decay[OPTIM_WEIGHT] = s->decay;
	rates->momentum = s->hyp.momentum;
	if (ni > s->warmup || s->warmup == 0)
		return (int)max_double(round_even(full), 1);
	for (j = 0; j < OPTIM_GROUPS; j++)
		rates->lr[j] =
			interpolate(x, width, j == OPTIM_BIAS ? s->hyp.warmup_bias_lr : 0, lr);
	if (s->kind == OPTIM_SGD)
		rates->momentum = interpolate(x, width, s->hyp.warmup_momentum, s->hyp.momentum);
	return (int)max_double(round_even(interpolate(x, width, 1, full)), 1);
}

double schedule_ema(int64_t updates)
{
	return EMA_DECAY * (1 - exp(-(double)updates / EMA_TAU));
}

double schedule_fitness(double map50, double map)
{
	return 0.1 * map50 + 0.9 * map;
}
