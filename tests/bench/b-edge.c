/*
 * b-edge [DATASET [SIZE]] - what the edge does to an image, stage by stage on one core: read and decode the
 * JPEG, letterbox to SIZE pixels (640), floats, layers 0-3 of YOLOv5n, gate, noise, ledger (pictures and
 * releases named, recorded and synced as one run), feature stream (to /dev/null); then mist-extract's
 * pipeline whole, without a ledger and with one that has all of it, on one thread, and on all. Without
 * a DATASET, pictures drawn here, as JPEGs of 640 x 480. The layers are measured against sgemm, the rest, by the bytes they
 * write, against memcpy. Tab-separated; at the end, as a comment, the share of gate,
 * noise and ledger.
 */
#include "bench.h"
#include "base/file.h"
#include "base/num.h"
#include "data/letterbox.h"
#include "data/synth.h"
#include "mist/extract.h"
#include "nn/net.h"

#include <math.h>

enum { CUT = 4, DRAWN = 640 };

enum stage {
	DECODE,
	LETTERBOX,
	FLOATS,
	LAYERS,
	GATE,
	NOISE,
	LEDGER,
	STREAM,
	COPY,
	GEMM,
	BARE,
	ONE,
	ALL,
	STAGES
};

struct bench {
	int side;
	struct model *model;
	struct dataset *set;
	struct noise noise;
	struct ledger *ledger;
	uint64_t releases; /* recorded so far: every one is new */
	struct net *net;
	struct view in, out;
	struct gate gate;
	unsigned char *payload;
	struct extract_options opt;
	struct extract *extract; /* for its header */
	/* every stage works on all pictures, kept as they leave each */
	struct image *pictures, *squares;
};

static void decode(void *bench)
{
	struct bench *b = bench;
	struct err err = ERR_INIT;
	int i;

	for (i = 0; i < b->set->nitems; i++) {
		image_release(&b->pictures[i]);
		if (image_read(b->set->items[i].path, &b->pictures[i], &err))
			bench_fail(&err);
	}
}

static void letterbox(void *bench)
{
	struct bench *b = bench;
	int i;

	for (i = 0; i < b->set->nitems; i++) {
		const struct image *p = &b->pictures[i];
		struct letterbox lb;

		image_release(&b->squares[i]);
		letterbox_plan(&lb, p->w, p->h, b->side, b->side, b->side);
		letterbox_apply(&lb, p, &b->squares[i]);
	}
}

static void floats(void *bench)
{
	struct bench *b = bench;
	int i;

	for (i = 0; i < b->set->nitems; i++)
		letterbox_to_view(&b->squares[i], &b->in, 0);
}

static void layers(void *bench)
{
	struct bench *b = bench;
	int i;

	for (i = 0; i < b->set->nitems; i++)
		net_forward(b->net, 1, b->model->params);
}

static void gate(void *bench)
{
	struct bench *b = bench;
	int i;

	for (i = 0; i < b->set->nitems; i++)
		gate_encode(&b->gate, &b->out, 0, b->payload);
}

/* With a key of its own made of the bits, as every release has. */
static void noise(void *bench)
{
	struct bench *b = bench;
	const size_t size = gate_packed_bytes(b->out.c, b->out.h, b->out.w);
	struct noise own;
	int i;

	for (i = 0; i < b->set->nitems; i++) {
		noise_derive(&b->noise, "bench", b->payload, size, &own);
		gate_flip(&own, 0, b->payload, b->out.c, b->out.h, b->out.w);
		noise_release(&own);
	}
}

/* What was not sent before, as an edge has it the first time. */
static void ledger(void *bench)
{
	struct bench *b = bench;
	const size_t n = (size_t)b->set->nitems;
	struct book_release *releases = xcalloc(n, sizeof(*releases));
	const struct ledger_spend spend = {.entry = {.client = "bench",
						     .model = extract_header(b->extract)->extractor,
						     .mechanism = "rr",
						     .labels = "clear",
						     .releases = releases,
						     .n = n},
					   .budget = INFINITY,
					   .budget_image = INFINITY};
	struct ledger_account account = {0};
	struct err err = ERR_INIT;
	uint8_t key[32] = {0};
	size_t i;

	for (i = 0; i < n; i++) {
		b->releases++;
		memcpy(key, &b->releases, sizeof(b->releases));
		ledger_key_image(ledger_key(b->ledger), &b->pictures[i], releases[i].image);
		ledger_key_tag(ledger_key(b->ledger), key, releases[i].tag);
		releases[i].epsilon = 1;
	}
	if (ledger_spend(b->ledger, &spend, &account, &err))
		bench_fail(&err);
	free(releases);
}

static void stream(void *bench)
{
	struct bench *b = bench;
	struct err err = ERR_INIT;
	struct features_writer *w = features_create("/dev/null", extract_header(b->extract), &err);
	int i;

	for (i = 0; w && i < b->set->nitems; i++) {
		const struct features_sample s = {
			.key = b->set->items[i].key,
			.data = {b->payload},
			.size = {gate_packed_bytes(b->out.c, b->out.h, b->out.w)},
			.labels = b->set->items[i].labels,
			.nlabels = b->set->items[i].nlabels,
			.json = "{\"width\":640,\"height\":480}"};

		if (features_write(w, &s, &err))
			bench_fail(&err);
	}
	if (!w || features_finish(w, &err))
		bench_fail(&err);
}

/* From packing the weights to the end of the stream. */
static void pipeline(struct bench *b, int threads, struct ledger *l)
{
	struct extract_options opt = b->opt;
	struct noise noise = b->noise;
	struct certificate spent;
	struct err err = ERR_INIT;
	struct extract *x;

	opt.threads = threads;
	opt.ledger = l;
	extract_key(&noise, l);
	x = extract_new(b->model, b->set, &noise, &opt, &err);
	if (!x || extract_run(x, "/dev/null", &spent, &err))
		bench_fail(&err);
	extract_free(x);
	noise_release(&noise);
}

static void no_ledger(void *bench)
{
	pipeline(bench, 1, NULL);
}

static void one_thread(void *bench)
{
	struct bench *b = bench;

	pipeline(b, 1, b->ledger);
}

static void all_threads(void *bench)
{
	struct bench *b = bench;

	pipeline(b, 0, b->ledger);
}

/* ------------------------------------------------------------------ set-up */

static void draw(const char *dir, int images)
{
	const struct synth_options opt = {.images = images, .classes = 3, .img = DRAWN, .seed = 1};
	struct err err = ERR_INIT;

	if (synth_write(&opt, dir, NULL, NULL, NULL, &err))
		bench_fail(&err);
}

static void bench_make(struct bench *b, const char *dataset, int side, const char *dir)
{
	char *path = path_join(dir, "ledger");
	const struct dataset_options dopt = {.any_class = true};
	const struct net_options nopt = {
		.to = CUT, .max_n = 1, .h = side, .w = side, .path = bench_kernel()};
	struct err err = ERR_INIT;

	*b = (struct bench){.side = side,
			    .model = bench_model('n'),
			    .set = dataset_open(dataset, &dopt, &err),
			    .ledger = ledger_open(path, 5, NULL, &err)};
	free(path);
	if (!b->set || !b->ledger || noise_init(&b->noise, MECHANISM_RR, 1, NULL, &err))
		bench_fail(&err);
	b->opt = (struct extract_options){.cut = CUT,
					  .img = side,
					  .client = "bench",
					  .program = "b-edge",
					  .labels = true,
					  .strict = true,
					  .budget = INFINITY,
					  .budget_image = INFINITY,
					  .path = nopt.path};
	b->extract = extract_new(b->model, b->set, &b->noise, &b->opt, &err);
	if (b->extract)
		b->net = net_new(b->model->graph, &nopt, NULL, &err);
	if (!b->net)
		bench_fail(&err);
	net_load_params(b->net, b->model->params);
	b->in = net_input(b->net, 0, 1);
	b->out = net_output(b->net, 0, 1);
	gate_init(&b->gate, ENCODING_BIT, b->out.c);
	b->payload = xmalloc(gate_packed_bytes(b->out.c, b->out.h, b->out.w));
	b->pictures = xcalloc((size_t)b->set->nitems, sizeof(*b->pictures));
	b->squares = xcalloc((size_t)b->set->nitems, sizeof(*b->squares));
	decode(b);
	letterbox(b);
}

static void bench_release(struct bench *b)
{
	int i;

	for (i = 0; i < b->set->nitems; i++) {
		image_release(&b->pictures[i]);
		image_release(&b->squares[i]);
	}
	free(b->pictures);
	free(b->squares);
	free(b->payload);
	gate_release(&b->gate);
	net_free(b->net);
	extract_free(b->extract);
	ledger_close(b->ledger);
	noise_release(&b->noise);
	dataset_free(b->set);
	model_free(b->model);
}

/* ------------------------------------------------------------------ figures */

/* Bytes that a stage writes per image, on average. */
static double stage_bytes(const struct bench *b, enum stage s)
{
	const double packed = (double)gate_packed_bytes(b->out.c, b->out.h, b->out.w);
	double pixels = 0;
	int i;

	switch (s) {
	case DECODE:
		for (i = 0; i < b->set->nitems; i++)
			pixels += 3.0 * b->pictures[i].w * b->pictures[i].h;
		return pixels / b->set->nitems;
	case LETTERBOX:
		return 3.0 * b->side * b->side;
	case FLOATS:
		return 3.0 * b->side * b->side * sizeof(float);
	default:
		return packed;
	}
}

static void print(const struct bench *b, const double *times, const struct bench_copy *copy,
		  const struct bench_gemm *gemm)
{
	static const char *const names[] = {"read and decode", "letterbox", "floats",
					    "layers 0-3",      "gate",      "noise",
					    "ledger",          "stream"};
	const double copy_rate = (double)copy->bytes / times[COPY] * 1e-9;
	const double gemm_rate = bench_gemm_flops(gemm) / times[GEMM] * 1e-9;
	const double n = b->set->nitems;
	double flops = 0, sum = 0;
	int s;

	for (s = 0; s < CUT; s++)
		flops += graph_layer_flops(b->model->graph, s, b->side, b->side);
	for (s = DECODE; s <= STREAM; s++)
		sum += times[s];
	for (s = DECODE; s <= STREAM; s++) {
		const double work = s == LAYERS ? flops : stage_bytes(b, s);
		const double rate = work * n / times[s] * 1e-9;

		printf("%s\t%.3f\t%s\t%.1f%%\t%.2f\t%.0f%%\n", names[s], times[s] / n * 1e3,
		       s == LAYERS ? "GF/s of sgemm" : "GB/s of copy", 100 * times[s] / sum, rate,
		       100 * rate / (s == LAYERS ? gemm_rate : copy_rate));
	}
	printf("sum\t%.3f\timages/s of sum\t100.0%%\t%.1f\t100%%\n", sum / n * 1e3, n / sum);
	printf("mist-extract, no ledger\t%.3f\timages/s of sum\t%.1f%%\t%.1f\t%.0f%%\n",
	       times[BARE] / n * 1e3, 100 * times[BARE] / sum, n / times[BARE],
	       100 * sum / times[BARE]);
	printf("mist-extract, 1 thread\t%.3f\timages/s of sum\t%.1f%%\t%.1f\t%.0f%%\n",
	       times[ONE] / n * 1e3, 100 * times[ONE] / sum, n / times[ONE],
	       100 * sum / times[ONE]);
	printf("mist-extract, %d threads\t%.3f\timages/s of sum\t%.1f%%\t%.1f\t%.0f%%\n",
	       pool_processors(), times[ALL] / n * 1e3, 100 * times[ALL] / sum, n / times[ALL],
	       100 * sum / times[ALL]);
	printf("# gate and noise: %.1f%% of an image's time on one core, with the ledger %.1f%%\n",
	       100 * (times[GATE] + times[NOISE]) / sum,
	       100 * (times[GATE] + times[NOISE] + times[LEDGER]) / sum);
}

int main(int argc, char **argv)
{
	char *dir = bench_tmpdir(), *drawn = xasprintf("%s/set", dir);
	struct bench_copy copy;
	struct bench_gemm gemm;
	struct bench b;
	const struct bench_task tasks[STAGES] = {{decode, &b},
						 {letterbox, &b},
						 {floats, &b},
						 {layers, &b},
						 {gate, &b},
						 {noise, &b},
						 {ledger, &b},
						 {stream, &b},
						 {bench_copy_once, &copy},
						 {bench_gemm_once, &gemm},
						 {no_ledger, &b},
						 {one_thread, &b},
						 {all_threads, &b}};
	double times[STAGES];
	struct err err = ERR_INIT;
	long side = 640;

	if (argc > 2 && num_long("SIZE", argv[2], 32, 8192, &side, &err))
		bench_fail(&err);
	bench_print_processor();
	if (argc < 2)
		draw(drawn, bench_quick() ? 2 : 24);
	bench_make(&b, argc < 2 ? drawn : argv[1], (int)side, dir);
	bench_copy_init(&copy, NULL, 16 << 20);
	bench_gemm_init(&gemm, NULL);
	printf("# %d images to %ld pixels, kernel %s, 1 thread where nothing else is said\n",
	       b.set->nitems, side, conv_path_name(bench_kernel()));
	printf("stage\tms/image\tyardstick\tof sum\trate\tof yardstick\n");
	bench_interleave(tasks, STAGES, 1, times);
	print(&b, times, &copy, &gemm);
	bench_copy_release(&copy);
	bench_gemm_release(&gemm);
	bench_release(&b);
	bench_rmdir(dir);
	free(drawn);
	return 0;
}
