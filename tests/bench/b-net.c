/*
 * b-net [CASE [REPEATS [KERNEL [THREADS]]]] - whole networks at 640 pixels: inference, the edge's
 * part (layers 0-3), the training step (forward, loss, backward, SGD, EMA) and the cloud's part of it
 * (layers 4-24), in milliseconds per image, against sgemm timed between the repetitions. GF/s are those
 * of the convolutions as they are defined.
 * CASE: infer-n-1, edge-n-1, train-n-16, … (kind, model, batch). Tab-separated.
 * A name with "+profile" behind it also prints the time per operation.
 */
#include "bench.h"
#include "base/clock.h"
#include "base/rng.h"
#include "model/head.h"
#include "model/model.h"
#include "nn/optim.h"
#include "nn/profile.h"

enum kind { INFER, EDGE, TRAIN, CLOUD };
static const char *const kinds[] = {"infer", "edge", "train", "cloud"};
static const char *const quick_cases[] = {"edge-n-1", "train-n-1"};
static const char *const cases[] = {"infer-n-1",  "infer-s-1", "infer-n-16", "edge-n-1",
				    "train-n-16", "train-s-8", "cloud-n-16"};
enum { CUT = 4, SIDE = 640, BOXES = 7, MAPS = 3 };

struct bench {
	enum kind kind;
	char variant;
	int n;
	bool profile;
	struct model *model;
	struct net *net;
	struct pool *pool;
	struct head *head;
	struct optim *optim;
	struct target *targets;
	float *grads, *ema, *x[GRAPH_MAX_FROM];
	struct net_options opt;
	struct head_options head_opt;
	struct profile *times;
};

static void parse_case(struct bench *b, const char *name)
{
	struct err err = ERR_INIT;
	size_t i;

	for (i = 0; i < ARRAY_LEN(kinds); i++) {
		size_t len = strlen(kinds[i]);

		if (!strncmp(name, kinds[i], len) && name[len] == '-' && name[len + 1]) {
			b->kind = (enum kind)i;
			b->variant = name[len + 1];
			b->n = (int)strtol(name + len + 3, NULL, 10);
			b->profile = strstr(name, "+profile") != NULL;
			return;
		}
	}
	err_set(&err, STATUS_USAGE, "'%s' is no case", name);
	bench_fail(&err);
}

/* Seven boxes an image, about COCO's mean. */
static void draw_targets(struct bench *b)
{
	struct rng rng;
	int i;

	rng_init(&rng, 1, "targets", 0);
	b->targets = xcalloc((size_t)(b->n * BOXES), sizeof(*b->targets));
	for (i = 0; i < b->n * BOXES; i++)
		b->targets[i] = (struct target){.image = i / BOXES,
						.cls = (int)rng_below(&rng, 80),
						.xc = (float)rng_range(&rng, .2, .8),
						.yc = (float)rng_range(&rng, .2, .8),
						.w = (float)rng_range(&rng, .02, .32),
						.h = (float)rng_range(&rng, .02, .32)};
}

static void make_inputs(struct bench *b)
{
	int i;

	for (i = 0; i < net_ninputs(b->net); i++) {
		const struct view v = net_input(b->net, i, b->n);

		b->x[i] = bench_floats((size_t)v.n * (size_t)v.c * (size_t)v.h * (size_t)v.w);
	}
}

/* Before every step: a net keeps nothing that it does not need itself. */
static void fill_inputs(struct bench *b)
{
	int i;

	for (i = 0; i < net_ninputs(b->net); i++) {
		const struct view v = net_input(b->net, i, b->n);

		view_from_nchw(&v, b->x[i]);
	}
}

static void bench_make(struct bench *b, enum conv_path path, struct pool *pool)
{
	const bool train = b->kind == TRAIN || b->kind == CLOUD;
	struct loss_hyp hyp;
	struct err err = ERR_INIT;

	b->model = bench_model(b->variant);
	b->pool = pool;
	b->opt = (struct net_options){.from = b->kind == CLOUD ? CUT : 0,
				      .to = b->kind == EDGE ? CUT : 0,
				      .max_n = b->n,
				      .h = SIDE,
				      .w = SIDE,
				      .path = path,
				      .train = train};
	if (train) {
		b->opt.to = head_layer(b->model->graph);
		b->opt.overwrite = head_in_place(b->model->graph);
	}
	b->net = net_new(b->model->graph, &b->opt, pool, &err);
	if (!b->net)
		bench_fail(&err);
	make_inputs(b);
	net_load_params(b->net, b->model->params);
	if (!train)
		return;
	loss_hyp_default(&hyp);
	loss_hyp_scale(&hyp, MAPS, 80, SIDE);
	b->head_opt = (struct head_options){b->n, SIDE, SIDE, path, &hyp};
	b->head = head_new(b->model->graph, &b->head_opt, pool);
	b->optim = optim_new(b->model->graph, OPTIM_SGD, b->opt.from);
	b->grads = xcalloc(b->model->graph->nfloats, sizeof(float));
	b->ema = xcalloc(b->model->graph->nfloats, sizeof(float));
	draw_targets(b);
}

static void bench_free(struct bench *b)
{
	int i;

	for (i = 0; i < net_ninputs(b->net); i++)
		free(b->x[i]);
	net_free(b->net);
	profile_free(b->times);
	head_free(b->head);
	if (b->optim)
		optim_free(b->optim);
	free(b->grads);
	free(b->ema);
	free(b->targets);
	model_free(b->model);
}

static void train_step(struct bench *b)
{
	static const struct optim_rates rates = {{1e-5, 1e-5, 1e-5}, {0, 5e-4, 0}, .937};
	struct view x[MAPS], dx[MAPS];
	struct loss loss;
	double t;
	int i;

	net_forward(b->net, b->n, b->model->params);
	t = clock_seconds();
	for (i = 0; i < MAPS; i++) {
		x[i] = net_output(b->net, i, b->n);
		dx[i] = net_output_grad(b->net, i, b->n);
	}
	head_step(b->head, b->model->params, x, 0, b->n, b->n, b->targets, b->n * BOXES, dx,
		  b->grads, &loss);
	profile_lap(b->times, "head and loss", t);
	net_backward(b->net, b->n, b->grads);
	t = clock_seconds();
	optim_step(b->optim, b->pool, &rates, b->model->params, b->grads, 1, b->ema, .999);
	t = profile_lap(b->times, "optimiser", t);
	net_load_params(b->net, b->model->params);
	profile_lap(b->times, "packing of weights", t);
}

static double step_seconds(struct bench *b)
{
	double start;

	fill_inputs(b);
	start = bench_now(pool_threads(b->pool));
	if (b->optim)
		train_step(b);
	else
		net_forward(b->net, b->n, b->model->params);
	return bench_now(pool_threads(b->pool)) - start;
}

/* Multiply-adds count twice; a training step does every convolution three times, but for the
 * gradient of the image. */
static double step_flops(const struct bench *b)
{
	const struct graph *g = b->model->graph;
	const int to = b->kind == EDGE ? b->opt.to : g->nlayers;
	double flops = 0;
	int i;

	for (i = b->opt.from; i < to; i++)
		flops += graph_layer_flops(g, i, SIDE, SIDE) * (b->optim ? i == 0 ? 2 : 3 : 1);
	return flops;
}

static void print_profile(const struct bench *b, enum conv_path path, double seconds, int repeats)
{
	struct buf text = BUF_INIT;

	profile_net(b->times, b->net);
	profile_text(b->times, b->pool, path, seconds, (double)b->n * repeats, &text);
	fputs(text.data, stdout);
	buf_release(&text);
}

/* Gigaflops of one round of the yardstick. */
static double yard_gf(struct bench_gemm *gemm)
{
	const int threads = pool_threads(gemm->pool);
	const double start = bench_now(threads);

	bench_gemm_once(gemm);
	return bench_gemm_flops(gemm) * 1e-9 / (bench_now(threads) - start);
}

static double planned(const struct bench *b)
{
	const struct graph *g = b->model->graph;

	return (double)net_bytes(g, &b->opt, b->pool) +
	       (b->head ? (double)head_bytes(g, &b->head_opt) : 0);
}

static void run(const char *name, int repeats, enum conv_path path, struct pool *pool,
		struct bench_gemm *gemm)
{
	double times[100], yard[100], ms, gf, all = 0;
	struct bench b = {0};
	int i;

	parse_case(&b, name);
	bench_make(&b, path, pool);
	if (!bench_quick())
		step_seconds(&b);
	net_profile_reset(b.net);
	b.times = b.profile ? profile_new() : NULL;
	for (i = 0; i < repeats; i++) {
		yard[i] = yard_gf(gemm);
		times[i] = step_seconds(&b);
		all += times[i];
	}
	ms = bench_median(times, repeats) * 1e3 / b.n;
	gf = step_flops(&b) * 1e-6 / ms;
	printf("%s\t%.2f\t%.1f\t%.1f\t%.1f%%\t%.0f\n", name, ms, times[0] * 1e3 / b.n, gf,
	       100 * gf / bench_median(yard, repeats), planned(&b) / 1048576);
	if (b.profile)
		print_profile(&b, path, all, repeats);
	fflush(stdout);
	bench_free(&b);
}

int main(int argc, char **argv)
{
	const int repeats = bench_int(argc, argv, 2, bench_repeats(7));
	const size_t ncases = bench_quick() ? ARRAY_LEN(quick_cases) : ARRAY_LEN(cases);
	struct pool *pool = pool_new(bench_int(argc, argv, 4, 0));
	enum conv_path path = bench_kernel();
	struct err err = ERR_INIT;
	struct bench_gemm gemm;
	size_t i;

	if (repeats < 1 || repeats > 100) {
		fprintf(stderr, "b-net: between 1 and 100 repeats\n");
		return 2;
	}
	if (argc > 3 && (conv_path_parse(argv[3], &path, &err) || conv_resolve(path, &path, &err)))
		bench_fail(&err);
	bench_print_processor();
	printf("# 640 pixels, kernel %s, %d threads\n", conv_path_name(path), pool_threads(pool));
	printf("case\tms/image\tbest\tGF/s\tof sgemm\tMiB planned\n");
	bench_gemm_init(&gemm, pool);
	if (argc > 1)
		run(argv[1], repeats, path, pool, &gemm);
	else
		for (i = 0; i < ncases; i++)
			run(bench_quick() ? quick_cases[i] : cases[i], repeats, path, pool, &gemm);
	bench_gemm_release(&gemm);
	pool_free(pool);
	return 0;
}
