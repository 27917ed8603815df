#include "mist/denoise.h"

#include "base/file.h"
#include "base/rng.h"
#include "data/letterbox.h"
#include "data/synth.h"
#include "mist/calibrate_model.h"
#include "mist/filter.h"
#include "nn/net.h"
#include "unit.h"

#include <math.h>

enum { C = 5, HIDDEN = 4, H = 6, W = 7, N = 2, TAPS = 9 };

static void fill(float *v, size_t n, uint64_t index)
{
	struct rng r;
	size_t i;

	rng_init(&r, 1, "t-denoise", index);
	for (i = 0; i < n; i++)
		v[i] = (float)rng_range(&r, -.5, .5);
}

static struct gate gate_new(void)
{
	struct gate g;

	gate_init(&g, ENCODING_BIT, C);
	g.filter_size = 1;
	g.filter = xreallocarray(NULL, gate_filter_floats(&g), sizeof(float));
	g.mean = xreallocarray(NULL, C, sizeof(float));
	g.net_width = HIDDEN;
	g.net = xreallocarray(NULL, gate_net_floats(&g), sizeof(float));
	fill(g.filter, gate_filter_floats(&g), 1);
	fill(g.mean, C, 2);
	fill(g.net, gate_net_floats(&g), 3);
	return g;
}

static struct view view_new(float **buffer, int h, int w, int c)
{
	struct view v = {NULL, N, h, w, c, (c + 15) / 16 * 16, 1};
	float *values = xreallocarray(NULL, (size_t)N * (size_t)h * (size_t)(w * c), sizeof(float));
	size_t lead, floats = view_floats(&v, &lead);

	fill(values, (size_t)N * (size_t)h * (size_t)(w * c), 4);
	*buffer = xaligned(floats * sizeof(float));
	v.p = *buffer + lead;
	view_clear(&v);
	view_from_nchw(&v, values);
	free(values);
	return v;
}

/* y = act(w * x + b) at every place, term by term; w is OIHW. Returns what is behind w and b. */
static const float *convolve(const float *w, const double *x, int cin, double *y, int cout,
			     bool act)
{
	const float *b = w + (size_t)cout * (size_t)cin * TAPS;
	int o, i, row, col, k;

	for (o = 0; o < cout; o++)
		for (row = 0; row < H; row++)
			for (col = 0; col < W; col++) {
				double sum = b[o];

				for (i = 0; i < cin; i++)
					for (k = 0; k < TAPS; k++) {
						const int r = row + k / 3 - 1, c = col + k % 3 - 1;

						if (r >= 0 && r < H && c >= 0 && c < W)
							sum += w[(o * cin + i) * TAPS + k] *
							       x[(i * H + r) * W + c];
					}
				y[(o * H + row) * W + col] = act ? sum / (1 + exp(-sum)) : sum;
			}
	return b + cout;
}

/* The formula of denoise.h. */
static void define(const struct gate *g, const struct view *d, int n, double *y)
{
	double x[C * H * W], u1[HIDDEN * H * W], u2[HIDDEN * H * W];
	const float *w = g->net;
	int o, i, row, col;

	for (i = 0; i < C; i++)
		for (row = 0; row < H; row++)
			for (col = 0; col < W; col++)
				x[(i * H + row) * W + col] = view_at(d, n, row, col)[i];
	w = convolve(w, x, C, u1, HIDDEN, true);
	w = convolve(w, u1, HIDDEN, u2, HIDDEN, true);
	w = convolve(w, u2, HIDDEN, y, C, false);
	assert_int_equal(w - g->net, gate_net_floats(g));
	for (o = 0; o < C; o++)
		for (i = 0; i < H * W; i++) {
			int k;

			y[o * H * W + i] += g->mean[o];
			for (k = 0; k < C; k++)
				y[o * H * W + i] += g->filter[o * C + k] * x[k * H * W + i];
		}
}

static void a_network_is_its_definition_on_any_threads(void **state)
{
	struct pool *pool = pool_new(2);
	struct gate g = gate_new();
	enum conv_path path;
	struct err err;
	float *a, *b, *c;
	struct view d = view_new(&a, H, W, C), x = view_new(&b, H, W, C), y = view_new(&c, H, W, C);
	struct filter *one, *two;
	double want[C * H * W];
	int n, row, col, k;

	(void)state;
	assert_int_equal(conv_resolve(CONV_AUTO, &path, &err), 0);
	one = filter_new(&g, N, H, W, path, NULL, false);
	two = filter_new(&g, N + 1, H, W, path, pool, false);
	filter_run(one, NULL, &x);
	filter_run(two, pool, &y);
	for (n = 0; n < N; n++) {
		define(&g, &d, n, want);
		for (row = 0; row < H; row++)
			for (col = 0; col < W; col++) {
				for (k = 0; k < C; k++)
					assert_float_equal(view_at(&x, n, row, col)[k],
							   want[(k * H + row) * W + col], 1e-4);
				assert_memory_equal(view_at(&x, n, row, col),
						    view_at(&y, n, row, col), C * sizeof(float));
			}
	}
	filter_free(one);
	filter_free(two);
	gate_release(&g);
	pool_free(pool);
	free(a);
	free(b);
	free(c);
}

/* ------------------------------------------------------------------ learning */

static const char yaml[] = "nc: 2\n"
			   "depth_multiple: 1.0\n"
			   "width_multiple: 1.0\n"
			   "anchors:\n  - [8, 8, 16, 16, 24, 24]\n"
			   "backbone:\n"
			   "  - [-1, 1, Conv, [16, 6, 4, 1]]\n"
			   "head:\n"
			   "  - [-1, 1, Conv, [16, 3, 1]]\n"
			   "  - [[1], 1, Detect, [nc, anchors]]\n";
enum { IMG = 64, PUBLIC = 16, OTHER = 8 };

static struct model *calibrated(const char *weights, const char *set, int width, int threads)
{
	struct calibrate_options o = CALIBRATE_DEFAULTS;
	struct err err = ERR_INIT;
	struct model *m;

	o.cut = 1;
	o.img = IMG;
	o.epsilon = 1;
	o.net = width;
	o.net_steps = 60;
	m = calibrate_file(weights, set, &o, threads, &err);
	if (!m)
		fail_msg("%s", err.msg);
	return m;
}

/* Squares of what the estimates lack, over pictures that nothing was learnt from. */
static double lacks(struct model *m)
{
	const struct synth_options synth = {.images = OTHER, .classes = 2, .img = IMG, .seed = 2};
	const struct net_options o = {
		.to = 1, .max_n = 1, .h = IMG, .w = IMG, .path = CONV_OPENBLAS};
	const uint64_t seed = 3;
	struct err err = ERR_INIT;
	struct net *net = net_new(m->graph, &o, NULL, &err);
	struct gates gates;
	struct noise noise;
	struct filter *f;
	struct view in, out, x;
	unsigned char *scratch;
	float *buffer;
	double sum = 0;
	int i, row, col, c;

	assert_non_null(net);
	assert_int_equal(gates_parse(model_meta(m, "mist.gate"), &gates, &err), 0);
	assert_int_equal(noise_init(&noise, MECHANISM_RR, 1, &seed, &err), 0);
	net_load_params(net, m->params);
	in = net_input(net, 0, 1);
	out = net_output(net, 0, 1);
	x = view_new(&buffer, out.h, out.w, out.c);
	x.n = 1;
	f = filter_new(&gates.gate[0], 1, out.h, out.w, CONV_OPENBLAS, NULL, false);
	scratch = xmalloc(gate_packed_bytes(out.c, out.h, out.w));
	for (i = 0; i < OTHER; i++) {
		struct image img;
		struct labels labels;

		synth_draw(&synth, false, i, &img, &labels);
		if (img.w == IMG && img.h == IMG) {
			letterbox_to_view(&img, &in, 0);
			net_forward(net, 1, m->params);
			view_copy(NULL, &out, &x);
			gate_apply_noisy(&gates.gate[0], NULL, &x, &noise, (uint64_t)i, scratch);
			filter_run(f, NULL, &x);
			for (row = 0; row < x.h; row++)
				for (col = 0; col < x.w; col++)
					for (c = 0; c < x.c; c++)
						sum += pow(view_at(&x, 0, row, col)[c] -
								   view_at(&out, 0, row, col)[c],
							   2);
		}
		image_release(&img);
		labels_release(&labels);
	}
	filter_free(f);
	gates_release(&gates);
	noise_release(&noise);
	net_free(net);
	free(scratch);
	free(buffer);
	return sum;
}

static void a_network_recovers_what_the_filter_cannot(void **state)
{
	const struct synth_options synth = {.images = PUBLIC, .classes = 2, .img = IMG, .seed = 1};
	char *dir = unit_tmpdir(), *set = path_join(dir, "set"),
	     *w = path_join(dir, "w.safetensors");
	struct err err = ERR_INIT;
	struct model *m = model_init(yaml, 2, NULL, 3, &err), *filter, *net, *again;
	double without, with;

	(void)state;
	assert_non_null(m);
	assert_int_equal(model_save(m, w, &err), 0);
	assert_int_equal(synth_write(&synth, set, NULL, NULL, NULL, &err), 0);
	filter = calibrated(w, set, 0, 1);
	net = calibrated(w, set, 16, 1);
	again = calibrated(w, set, 16, 2);
	assert_string_equal(model_meta(net, "mist.gate"), model_meta(again, "mist.gate"));
	without = lacks(filter);
	with = lacks(net);
	assert_true(without > 0);
	if (!(with < 0.97 * without))
		fail_msg("the filter lacks %g, with the network %g", without, with);
	model_free(filter);
	model_free(net);
	model_free(again);
	model_free(m);
	assert_int_equal(dir_remove(dir, &err), 0);
	free(dir);
	free(set);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_network_is_its_definition_on_any_threads),
		cmocka_unit_test(a_network_recovers_what_the_filter_cannot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
