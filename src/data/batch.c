#include "data/batch.h"

#include "base/file.h"
#include "data/argsort.h"
#include "data/augment.h"

#include <math.h>
#include <pthread.h>

#define STRIDE 32
/* val.py's `pad` for rectangles: half a stride more than the pictures need. */
#define RECT_PAD 0.5

/* A decoded picture, waiting to be used. Slot p % nslots holds position p of the epoch's order. */
struct slot {
	bool ready;
	int rc; /* -1: err says why there is no picture */
	struct err err;
	struct image img;
	struct letterbox lb;
	struct label *labels; /* owned; normalised to img */
	int nlabels;
};

struct size {
	int w, h;
};

struct batches {
	const struct dataset *d;
	struct batch_options opt;
	int nbatches;
	int *base_order;    /* of the set: by aspect ratio in rect, else as it is */
	int *order;         /* of this epoch */
	struct size *sizes; /* of every batch */
	int epoch;

	/* The current batch; its slots are kept until the next is asked for. */
	int number; /* of the next batch */
	int held;   /* positions that the current batch covers */
	int n;
	int *items, *slot_of;
	struct letterbox *letterboxes;
	struct target *targets;
	int ntargets, targets_cap;
	char **told; /* sentences that were noticed */
	int ntold, told_cap;

	struct slot *slots;
	int nslots;

	/* Shared with the threads. */
	pthread_mutex_t lock;
	pthread_cond_t room, ready;
	pthread_t *threads;
	int nthreads;
	int base;   /* first position whose slot is in use */
	int next;   /* first position nobody has taken */
	int end;    /* of the epoch */
	int active; /* threads at work on a picture */
	bool quit;
};

/* --- pictures --- */

static void slot_clear(struct slot *s)
{
	image_release(&s->img);
	free(s->labels);
	*s = (struct slot){0};
}

static float clip_to(float v, float side)
{
	return fminf(fmaxf(v, 0), side - 1e-3f);
}

/* YOLOv5 clips boxes to the letterbox, short of its far edge (xyxy2xywhn, eps 1e-3). */
static void clip_label(struct label *l, int w, int h)
{
	float fw = (float)w, fh = (float)h;
	float x1 = clip_to((l->xc - l->w / 2) * fw, fw), x2 = clip_to((l->xc + l->w / 2) * fw, fw);
	float y1 = clip_to((l->yc - l->h / 2) * fh, fh), y2 = clip_to((l->yc + l->h / 2) * fh, fh);

	l->xc = (x1 + x2) / 2 / fw;
	l->yc = (y1 + y2) / 2 / fh;
	l->w = (x2 - x1) / fw;
	l->h = (y2 - y1) / fh;
}

static void evaluation_picture(const struct batches *b, int item, struct size size, struct slot *s)
{
	const struct item *it = &b->d->items[item];
	struct image whole;
	int i;

	s->rc = image_read(it->path, &whole, &s->err);
	if (s->rc)
		return;
	letterbox_plan(&s->lb, whole.w, whole.h, b->opt.img, size.w, size.h);
	letterbox_apply(&s->lb, &whole, &s->img);
	image_release(&whole);
	s->labels = xmalloc((size_t)it->nlabels * sizeof(*s->labels));
	s->nlabels = it->nlabels;
	for (i = 0; i < it->nlabels; i++) {
		struct label *l = &s->labels[i];

		*l = it->labels[i];
		letterbox_label(&s->lb, &l->xc, &l->yc, &l->w, &l->h);
		clip_label(l, size.w, size.h);
	}
}

static void training_picture(const struct batches *b, int item, int epoch, struct slot *s)
{
	struct sample sample;

	s->rc = augment_sample(b->d, b->opt.hyp, b->opt.img, b->opt.seed, epoch, item, &sample,
			       &s->err);
	if (s->rc)
		return;
	s->nlabels = sample.nboxes;
	s->labels = xmalloc((size_t)sample.nboxes * sizeof(*s->labels));
	sample_labels(&sample, s->labels);
	s->img = sample.img;
	sample.img = (struct image)IMAGE_INIT;
	sample_release(&sample);
}

static void produce(const struct batches *b, int position, struct slot *s)
{
	if (b->opt.hyp)
		training_picture(b, b->order[position], b->epoch, s);
	else
		evaluation_picture(b, b->order[position], b->sizes[position / b->opt.batch], s);
}

/* --- threads --- */

static void *decode_ahead(void *arg)
{
	struct batches *b = arg;

	pthread_mutex_lock(&b->lock);
	for (;;) {
		int position;

		while (!b->quit && (b->next >= b->end || b->next >= b->base + b->nslots))
			pthread_cond_wait(&b->room, &b->lock);
		if (b->quit)
			break;
		position = b->next++;
		b->active++;
		pthread_mutex_unlock(&b->lock);
		produce(b, position, &b->slots[position % b->nslots]);
		pthread_mutex_lock(&b->lock);
		b->slots[position % b->nslots].ready = true;
		b->active--;
		pthread_cond_broadcast(&b->ready);
	}
	pthread_mutex_unlock(&b->lock);
	return NULL;
}

static void threads_begin(struct batches *b)
{
	int i, rc;

	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->room, NULL);
	pthread_cond_init(&b->ready, NULL);
	if (b->opt.threads < 2)
		return;
	b->threads = xmalloc((size_t)b->opt.threads * sizeof(*b->threads));
	for (i = 0; i < b->opt.threads; i++) {
		rc = pthread_create(&b->threads[i], NULL, decode_ahead, b);
		if (rc)
			break; /* fewer threads give the same pictures */
		b->nthreads++;
	}
}

static void threads_end(struct batches *b)
{
	int i;

	pthread_mutex_lock(&b->lock);
	b->quit = true;
	pthread_cond_broadcast(&b->room);
	pthread_mutex_unlock(&b->lock);
	for (i = 0; i < b->nthreads; i++)
		pthread_join(b->threads[i], NULL);
	free(b->threads);
	pthread_mutex_destroy(&b->lock);
	pthread_cond_destroy(&b->room);
	pthread_cond_destroy(&b->ready);
}

/* Makes the slots of positions base … base+n-1 ready. */
static void wait_for(struct batches *b, int n)
{
	int i;

	if (!b->nthreads) {
		for (i = 0; i < n; i++, b->next++)
			produce(b, b->base + i, &b->slots[(b->base + i) % b->nslots]);
		return;
	}
	pthread_mutex_lock(&b->lock);
	for (i = 0; i < n; i++)
		while (!b->slots[(b->base + i) % b->nslots].ready)
			pthread_cond_wait(&b->ready, &b->lock);
	pthread_mutex_unlock(&b->lock);
}

/* Gives back the slots of the current batch. */
static void let_go(struct batches *b)
{
	int i;

	for (i = 0; i < b->held; i++)
		slot_clear(&b->slots[(b->base + i) % b->nslots]);
	pthread_mutex_lock(&b->lock);
	b->base += b->held;
	b->held = 0;
	pthread_cond_broadcast(&b->room);
	pthread_mutex_unlock(&b->lock);
}

/* --- order and sizes --- */

/* The smallest rectangle for ratios (height over width) lo … hi. */
static struct size rectangle(double lo, double hi, int img, int stride)
{
	double h = hi < 1 ? hi : 1, w = lo > 1 ? 1 / lo : 1;

	return (struct size){(int)ceil(w * img / stride + RECT_PAD) * stride,
			     (int)ceil(h * img / stride + RECT_PAD) * stride};
}

static void plan_rectangles(struct batches *b)
{
	int n = b->d->nitems, stride = b->opt.stride ? b->opt.stride : STRIDE, i;
	double *ratio = xreallocarray(NULL, (size_t)n, sizeof(*ratio));

	for (i = 0; i < n; i++)
		ratio[i] = (double)b->d->items[i].h / b->d->items[i].w;
	argsort(ratio, b->base_order, n);
	for (i = 0; i < b->nbatches; i++) {
		int first = i * b->opt.batch;
		int last = first + b->opt.batch < n ? first + b->opt.batch - 1 : n - 1;

		b->sizes[i] = rectangle(ratio[b->base_order[first]], ratio[b->base_order[last]],
					b->opt.img, stride);
	}
	free(ratio);
}

static void plan(struct batches *b)
{
	int i;

	for (i = 0; i < b->d->nitems; i++)
		b->base_order[i] = i;
	for (i = 0; i < b->nbatches; i++)
		b->sizes[i] = (struct size){b->opt.img, b->opt.img};
	if (b->opt.rect)
		plan_rectangles(b);
}

/* --- the interface --- */

struct batches *batches_new(const struct dataset *d, const struct batch_options *opt,
			    struct err *err)
{
	size_t batch = (size_t)opt->batch, n = (size_t)d->nitems;
	struct batches *b;

	BUG_IF(opt->batch <= 0 || opt->img <= 0 || d->nitems <= 0);
	BUG_IF(opt->rect && (opt->hyp || opt->shuffle));
	if (opt->hyp && augment_check(opt->hyp, err))
		return NULL;
	if (batch > n)
		batch = n;
	b = xcalloc(1, sizeof(*b));
	b->d = d;
	b->opt = *opt;
	b->opt.batch = (int)batch;
	b->nbatches = (int)((n + batch - 1) / batch);
	b->base_order = xmalloc(n * sizeof(int));
	b->order = xmalloc(n * sizeof(int));
	b->sizes = xmalloc((size_t)b->nbatches * sizeof(*b->sizes));
	b->items = xmalloc(batch * sizeof(int));
	b->slot_of = xmalloc(batch * sizeof(int));
	b->letterboxes = xmalloc(batch * sizeof(*b->letterboxes));
	/* The batch in use, and as many more as keep the threads busy while it is used. */
	b->nslots = (int)batch + (opt->threads < 2 ? 0 : (int)batch + opt->threads);
	b->slots = xcalloc((size_t)b->nslots, sizeof(*b->slots));
	plan(b);
	threads_begin(b);
	batches_start(b, 0, 0);
	return b;
}

void batches_free(struct batches *b)
{
	int i;

	if (!b)
		return;
	threads_end(b);
	for (i = 0; i < b->nslots; i++)
		slot_clear(&b->slots[i]);
	names_free(b->told, (size_t)b->ntold);
	free(b->slots);
	free(b->targets);
	free(b->letterboxes);
	free(b->slot_of);
	free(b->items);
	free(b->sizes);
	free(b->order);
	free(b->base_order);
	free(b);
}

int batches_count(const struct batches *b)
{
	return b->nbatches;
}

void batches_largest(const struct batches *b, int *w, int *h)
{
	int i;

	*w = *h = 0;
	for (i = 0; i < b->nbatches; i++) {
		*w = b->sizes[i].w > *w ? b->sizes[i].w : *w;
		*h = b->sizes[i].h > *h ? b->sizes[i].h : *h;
	}
}

/* Waits until no thread is at work, and forgets what they made. */
static void stop_epoch(struct batches *b)
{
	int i;

	pthread_mutex_lock(&b->lock);
	b->end = 0;
	while (b->active)
		pthread_cond_wait(&b->ready, &b->lock);
	pthread_mutex_unlock(&b->lock);
	for (i = 0; i < b->nslots; i++)
		slot_clear(&b->slots[i]);
	b->held = 0;
	b->n = 0;
}

void batches_start(struct batches *b, int epoch, int first)
{
	struct rng rng;

	BUG_IF(first < 0 || first > b->nbatches);
	stop_epoch(b);
	memcpy(b->order, b->base_order, (size_t)b->d->nitems * sizeof(int));
	if (b->opt.shuffle) {
		rng_init(&rng, b->opt.seed, "shuffle", (uint64_t)epoch);
		rng_shuffle(&rng, b->order, (size_t)b->d->nitems);
	}
	b->number = first;
	pthread_mutex_lock(&b->lock);
	b->epoch = epoch;
	b->base = b->next = first * b->opt.batch;
	b->end = b->d->nitems;
	pthread_cond_broadcast(&b->room);
	pthread_mutex_unlock(&b->lock);
}

static bool is_told(const struct batches *b, const char *sentence)
{
	int i;

	for (i = 0; i < b->ntold; i++)
		if (!strcmp(b->told[i], sentence))
			return true;
	return false;
}

/* A picture that could not be made: 0 when it may be skipped. */
static int skip(struct batches *b, const struct slot *s, struct err *err)
{
	if (b->opt.strict || s->err.status != STATUS_INPUT) {
		*err = s->err;
		return -1;
	}
	if (!is_told(b, s->err.msg)) {
		GROW(b->told, b->ntold, b->told_cap);
		b->told[b->ntold++] = xstrdup(s->err.msg);
		notice(b->opt.notices, "skipped: %s", s->err.msg);
	}
	return 0;
}

static void take(struct batches *b, int position, const struct slot *s)
{
	int i;

	b->items[b->n] = b->order[position];
	b->slot_of[b->n] = position % b->nslots;
	b->letterboxes[b->n] = s->lb;
	for (i = 0; i < s->nlabels; i++) {
		const struct label *l = &s->labels[i];

		GROW(b->targets, b->ntargets, b->targets_cap);
		b->targets[b->ntargets++] = (struct target){b->n, l->cls, l->xc, l->yc, l->w, l->h};
	}
	b->n++;
}

int batches_next(struct batches *b, struct batch *out, struct err *err)
{
	int count, i;

	let_go(b);
	b->n = 0;
	b->ntargets = 0;
	if (b->base >= b->d->nitems)
		return 0;
	count = b->d->nitems - b->base < b->opt.batch ? b->d->nitems - b->base : b->opt.batch;
	wait_for(b, count);
	b->held = count;
	for (i = 0; i < count; i++) {
		const struct slot *s = &b->slots[(b->base + i) % b->nslots];

		if (!s->rc)
			take(b, b->base + i, s);
		else if (skip(b, s, err))
			return -1;
	}
	*out = (struct batch){.n = b->n,
			      .w = b->sizes[b->number].w,
			      .h = b->sizes[b->number].h,
			      .items = b->items,
			      .letterboxes = b->opt.hyp ? NULL : b->letterboxes,
			      .targets = b->targets,
			      .ntargets = b->ntargets};
	b->number++;
	return 1;
}

void batches_fill(struct batches *b, const struct view *v)
{
	int i;

	for (i = 0; i < b->n; i++)
		letterbox_to_view(&b->slots[b->slot_of[i]].img, v, i);
}

const unsigned char *batches_pixels(const struct batches *b, int i)
{
	BUG_IF(i < 0 || i >= b->n);
	return b->slots[b->slot_of[i]].img.rgb;
}

int batches_skipped(const struct batches *b)
{
	return b->ntold;
}
