#include "base/rng.h"
#include "model/ciou.h"
#include "model/head.h"
#include "model/model.h"
#include "unit.h"

#include <math.h>

#define N 2
#define H 32
#define W 48

#define TEXT                                                                                       \
	"nc: 3\nanchors: [[10,13, 16,30], [30,61, 62,45]]\nbackbone:\n"                            \
	"- [-1, 1, Conv, [16, 3, 4]]\n- [-1, 1, Conv, [16, 3, 2]]\n"                               \
	"head:\n- [[0, 1], 1, Detect, [nc, anchors]]\n"

/* The head's weights are the identity: what it reads are its maps, and the gradient it gives is theirs. */
struct fixture {
	struct model *m;
	struct view maps[2], dmaps[2];
	float *grads;
};

static struct view make_view(int h, int w, int c)
{
	struct view v = {NULL, N, h, w, c, c, 0};

	v.p = xcalloc((size_t)(N * h * w * c), sizeof(float));
	return v;
}

static void identity(struct model *m, const char *name)
{
	const struct param *q = graph_param(m->graph, name);
	float *w = m->params + q->offset;
	size_t i;

	assert_int_equal(q->count, 16 * 16);
	for (i = 0; i < q->count; i++)
		w[i] = i % 17 == 0;
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct err err;
	struct rng r;
	int i, k;

	f->m = model_new("x", TEXT, 0, &err);
	if (!f->m)
		fail_msg("%s", err.msg);
	memset(f->m->params, 0, f->m->graph->nfloats * sizeof(float));
	identity(f->m, "model.2.m.0.weight");
	identity(f->m, "model.2.m.1.weight");
	f->grads = xcalloc(f->m->graph->nfloats, sizeof(float));
	rng_init(&r, 1, "test", 0);
	for (i = 0; i < 2; i++) {
		f->maps[i] = make_view(H / 4 >> i, W / 4 >> i, 2 * 8);
		f->dmaps[i] = make_view(H / 4 >> i, W / 4 >> i, 2 * 8);
		for (k = 0; k < N * (H / 4 >> i) * (W / 4 >> i) * 16; k++)
			f->maps[i].p[k] = (float)rng_normal(&r);
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int i;

	for (i = 0; i < 2; i++) {
		free(f->maps[i].p);
		free(f->dmaps[i].p);
	}
	model_free(f->m);
	free(f->grads);
	free(f);
	return 0;
}

/* Several in one cell, one at a corner, one too small for any anchor. */
static const struct target targets[] = {
	{0, 1, 0.30f, 0.40f, 0.30f, 0.50f},   {0, 2, 0.31f, 0.41f, 0.35f, 0.45f},
	{0, 0, 0.99f, 0.01f, 0.40f, 0.60f},   {1, 1, 0.55f, 0.72f, 0.90f, 0.80f},
	{1, 2, 0.50f, 0.50f, 0.001f, 0.001f},
};

static const struct loss_hyp hyps[] = {
	{.box = 0.05f, .cls = 0.5f, .cls_pw = 1, .obj = 1, .obj_pw = 1, .anchor_t = 4},
	{.box = 0.07f,
	 .cls = 0.6f,
	 .cls_pw = 0.7f,
	 .obj = 0.8f,
	 .obj_pw = 1.4f,
	 .anchor_t = 3,
	 .fl_gamma = 1.5f,
	 .label_smoothing = 0.1f},
};

static double sum(const struct loss *l)
{
	return N * (l->box + l->obj + l->cls);
}

static double total(struct fixture *f, const struct loss_hyp *hyp)
{
	struct loss_ctx *c = loss_new(f->m->graph, hyp, N, H, W);
	struct loss l;

	loss_detect(c, NULL, f->maps, N, targets, ARRAY_LEN(targets), &l);
	loss_free(c);
	return sum(&l);
}

static struct head *make_head(const struct fixture *f, const struct loss_hyp *hyp,
			      struct pool *pool)
{
	const struct head_options o = {N, H, W, CONV_AUTO, hyp};

	return head_new(f->m->graph, &o, pool);
}

/* The loss by the head, and the gradient in dmaps. */
static double gradient(struct fixture *f, const struct loss_hyp *hyp, struct pool *pool)
{
	struct head *head = make_head(f, hyp, pool);
	struct loss l;

	head_step(head, f->m->params, f->maps, 0, N, N, targets, ARRAY_LEN(targets), f->dmaps,
		  f->grads, &l);
	head_free(head);
	return sum(&l);
}

static void the_head_s_loss_is_that_of_whole_maps(void **state)
{
	struct fixture *f = *state;
	size_t h;

	for (h = 0; h < ARRAY_LEN(hyps); h++) {
		const double want = total(f, &hyps[h]);

		assert_true(fabs(gradient(f, &hyps[h], NULL) - want) < 1e-6 * want);
	}
}

/* CIoU by its definition with a given alpha; a negative one asks for alpha itself. */
static double ciou_fixed(const double b[4], const double t[4], double alpha)
{
	const double w = fmax(0, fmin(b[0] + b[2] / 2, t[0] + t[2] / 2) -
					 fmax(b[0] - b[2] / 2, t[0] - t[2] / 2));
	const double h = fmax(0, fmin(b[1] + b[3] / 2, t[1] + t[3] / 2) -
					 fmax(b[1] - b[3] / 2, t[1] - t[3] / 2));
	const double cw =
		fmax(b[0] + b[2] / 2, t[0] + t[2] / 2) - fmin(b[0] - b[2] / 2, t[0] - t[2] / 2);
	const double ch =
		fmax(b[1] + b[3] / 2, t[1] + t[3] / 2) - fmin(b[1] - b[3] / 2, t[1] - t[3] / 2);
	const double iou = w * h / (b[2] * b[3] + t[2] * t[3] - w * h + 1e-7);
	const double rho2 = pow(t[0] - b[0], 2) + pow(t[1] - b[1], 2);
	const double v = 4 / (M_PI * M_PI) * pow(atan(t[2] / t[3]) - atan(b[2] / b[3]), 2);
	const double plain = iou - rho2 / (cw * cw + ch * ch + 1e-7);

	if (alpha < 0)
		return v / (v - iou + 1 + 1e-7);
	return plain - alpha * v;
}

static void ciou_s_gradient_is_its_slope(void **state)
{
	static const double rows[][8] = {
		{1, 2, 3, 4, 1.6, 2.2, 2, 5},  {0, 0, 1, 1, 0.2, -0.3, 3, 0.5},
		{0, 0, 1, 1, 5, 5, 2, 1},      {0, 0, 4, 3, 0.1, 0.2, 1, 1},
		{2, 1, 0.01, 3, 2, 1.1, 2, 2},
	};
	const double step = 1e-6;
	size_t i;
	int k;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		double box[4], grad[4];

		memcpy(box, rows[i], sizeof(box));
		assert_true(fabs(ciou(box, rows[i] + 4, grad) -
				 ciou_fixed(box, rows[i] + 4, ciou_fixed(box, rows[i] + 4, -1))) <
			    1e-12);
		for (k = 0; k < 4; k++) {
			/* alpha is a constant in the gradient */
			const double alpha = ciou_fixed(box, rows[i] + 4, -1);
			double up[4], down[4], slope;

			memcpy(up, box, sizeof(up));
			memcpy(down, box, sizeof(down));
			up[k] += step;
			down[k] -= step;
			slope = (ciou_fixed(up, rows[i] + 4, alpha) -
				 ciou_fixed(down, rows[i] + 4, alpha)) /
				(2 * step);
			assert_true(fabs(slope - grad[k]) < 1e-6 * (1 + fabs(slope)));
		}
	}
}

/* A handful of raw values of every kind against differences. */
static void the_gradient_is_the_loss_s_slope(void **state)
{
	struct fixture *f = *state;
	size_t h;
	int i, k, hits = 0;

	for (h = 0; h < ARRAY_LEN(hyps); h++) {
		gradient(f, &hyps[h], NULL);
		for (i = 0; i < 2; i++)
			for (k = 0; k < N * (H / 4 >> i) * (W / 4 >> i) * 16; k++) {
				float *x = &f->maps[i].p[k], old = *x;
				const double grad = f->dmaps[i].p[k], step = 1e-2;
				double slope, up, down;

				/* all that bear a box or class term, and some of the others */
				if (k % 8 == 4 ? k % 56 != 4 : grad == 0 && k % 61)
					continue;
				/* objectness follows the IoU, but not in the gradient */
				if (k % 8 < 4)
					continue;
				*x = (float)(old + step);
				up = total(f, &hyps[h]);
				*x = (float)(old - step);
				down = total(f, &hyps[h]);
				*x = old;
				slope = (up - down) / (2 * step);
				hits += grad != 0;
				if (fabs(slope - grad) > 1e-3 * fabs(grad) + 1e-6)
					fail_msg("level %d, value %d: slope %g, gradient %g", i, k,
						 slope, grad);
			}
	}
	assert_true(hits > 100);
}

/* With no weight on objectness, boxes stand alone: alpha is nearly constant over a small step. */
static void the_box_gradient_is_its_slope(void **state)
{
	struct fixture *f = *state;
	struct loss_hyp hyp = hyps[0];
	int i, k, hits = 0;
	double worst = 0, norm = 0;

	hyp.obj = hyp.cls = 0;
	hyp.box = 1;
	gradient(f, &hyp, NULL);
	for (i = 0; i < 2; i++)
		for (k = 0; k < N * (H / 4 >> i) * (W / 4 >> i) * 16; k++) {
			float *x = &f->maps[i].p[k], old = *x;
			const double grad = f->dmaps[i].p[k];
			double slope, up;

			if (grad == 0)
				continue;
			assert_true(k % 8 < 4);
			*x = old + 0.005f;
			up = total(f, &hyp);
			*x = old - 0.005f;
			slope = (up - total(f, &hyp)) / 0.01;
			*x = old;
			worst += (slope - grad) * (slope - grad);
			norm += grad * grad;
			hits++;
		}
	assert_true(hits > 40);
	/* what alpha's own slope adds */
	assert_true(sqrt(worst / norm) < 0.1);
}

static void threads_change_no_bit(void **state)
{
	struct fixture *f = *state;
	const double loss = gradient(f, &hyps[1], NULL);
	const size_t bytes = N * H / 4 * W / 4 * 16 * sizeof(float);
	const size_t params = f->m->graph->nfloats * sizeof(float);
	float *first = xmalloc(bytes), *grads = xmalloc(params);
	int threads;

	memcpy(first, f->dmaps[0].p, bytes);
	memset(f->grads, 0, params);
	gradient(f, &hyps[1], NULL);
	memcpy(grads, f->grads, params);
	for (threads = 1; threads <= 3; threads++) {
		struct pool *pool = pool_new(threads);

		memset(f->dmaps[0].p, 0x7f, bytes);
		memset(f->grads, 0, params);
		assert_true(gradient(f, &hyps[1], pool) == loss);
		assert_memory_equal(f->dmaps[0].p, first, bytes);
		assert_memory_equal(f->grads, grads, params);
		pool_free(pool);
	}
	free(first);
	free(grads);
}

static void parts_of_a_batch_are_shares_of_its_loss(void **state)
{
	struct fixture *f = *state;
	const double loss = gradient(f, &hyps[1], NULL);
	struct head *head = make_head(f, &hyps[1], NULL);
	double all = 0;
	int image, i, k;

	for (image = 0; image < N; image++) {
		struct view maps[2], dmaps[2];
		struct loss l;

		for (i = 0; i < 2; i++) {
			maps[i] = dmaps[i] = view_batch(&f->maps[i], 1);
			maps[i].p += (size_t)image * view_image(&maps[i]);
			dmaps[i].p = xcalloc(view_image(&maps[i]), sizeof(float));
		}
		head_step(head, f->m->params, maps, image, 1, N, targets, ARRAY_LEN(targets), dmaps,
			  f->grads, &l);
		all += sum(&l);
		for (i = 0; i < 2; i++) {
			const float *want = view_at(&f->dmaps[i], image, 0, 0);

			for (k = 0; k < (int)view_image(&maps[i]); k++)
				assert_true(fabsf(dmaps[i].p[k] - want[k]) <=
					    1e-6f * (1 + fabsf(want[k])));
			free(dmaps[i].p);
		}
	}
	assert_true(fabs(all - loss) <= 1e-9 * loss);
	head_free(head);
}

static void no_targets_leave_objectness_alone(void **state)
{
	struct fixture *f = *state;
	struct head *head = make_head(f, &hyps[0], NULL);
	struct loss l;
	double want = 0;
	int i, k;

	head_step(head, f->m->params, f->maps, 0, N, N, NULL, 0, f->dmaps, f->grads, &l);
	assert_true(l.box == 0 && l.cls == 0);
	for (i = 0; i < 2; i++) {
		const int cells = N * (H / 4 >> i) * (W / 4 >> i) * 2;

		for (k = 0; k < cells; k++) {
			const double x = f->maps[i].p[8 * k + 4];

			want += (i ? 1 : 4) * log1p(exp(x)) / cells;
			assert_true(f->dmaps[i].p[8 * k] == 0 && f->dmaps[i].p[8 * k + 5] == 0);
			assert_true(f->dmaps[i].p[8 * k + 4] > 0);
		}
	}
	assert_true(fabs(l.obj - want) < 1e-6 * want);
	head_free(head);
}

static void gains_scale_as_theirs_do(void **state)
{
	struct loss_hyp h;

	(void)state;
	loss_hyp_default(&h);
	loss_hyp_scale(&h, 4, 20, 320);
	assert_true(fabs(h.box - 0.05 * 3 / 4) < 1e-7);
	assert_true(fabs(h.cls - 0.5 * 20 / 80 * 3 / 4) < 1e-7);
	assert_true(fabs(h.obj - 0.25 * 3 / 4) < 1e-7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ciou_s_gradient_is_its_slope),
		cmocka_unit_test(the_head_s_loss_is_that_of_whole_maps),
		cmocka_unit_test(the_gradient_is_the_loss_s_slope),
		cmocka_unit_test(the_box_gradient_is_its_slope),
		cmocka_unit_test(threads_change_no_bit),
		cmocka_unit_test(parts_of_a_batch_are_shares_of_its_loss),
		cmocka_unit_test(no_targets_leave_objectness_alone),
		cmocka_unit_test(gains_scale_as_theirs_do),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
