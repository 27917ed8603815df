#include "mist/extract.h"

#include "base/num.h"
#include "data/letterbox.h"
#include "mist/extract_account.h"
#include "mist/extract_gate.h"
#include "mist/labelnoise.h"
#include "mist/thin.h"
#include "nn/net.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_RELEASES 2 /* of an image: it and its mirror image */

/* Networks are made for as many workers as fit into this; one always is. What else a worker holds
 * (a decoded photograph) is not planned. */
#define WORKER_MEMORY ((size_t)96 << 20)

struct worker {
	struct net *net;
	struct image letterboxed;
	unsigned char *payload; /* of all tensors, for each release */
	struct label *labels;
	int cap;
	struct buf json[MAX_RELEASES];
	struct book_release release[MAX_RELEASES]; /* for the ledger */
	struct book_release label_release;
	double picture_bytes;
};

struct extract {
	const struct model *model;
	const struct dataset *set;
	const struct noise *noise;
	struct labelnoise labelnoise; /* where classes are randomised */
	struct extract_options opt;
	struct features_header header;
	size_t payload_bytes; /* of one release */
	size_t bytes[FEATURES_MAX_TENSORS],
		sent[FEATURES_MAX_TENSORS]; /* of each tensor; and bits */
	double release_epsilon;             /* what it costs the first time */
	char *context; /* what besides the clean bits determines a release's noise */
	struct worker *workers;
	int nworkers;
	struct pool *pool;

	/* the writer: whose turn it is, under the lock */
	pthread_mutex_t lock;
	pthread_cond_t turned;
	int turn;
	bool failed;
	struct err err;
	struct features_writer *writer;
	long images, skipped, objects, objects_most;
	double picture_bytes; /* of the files of the images */
	struct extract_account account;
};

/* ------------------------------------------------------------------ what it costs */

static struct privacy privacy_of(const struct extract *x, long images)
{
	struct privacy p = features_privacy(&x->header);

	p.images = images;
	p.label_epsilon = x->labelnoise.threshold ? x->labelnoise.epsilon_effective : 0;
	p.objects = x->objects;
	p.objects_most = x->objects_most;
	return p;
}

static void count_objects(struct extract *x, const struct item *item)
{
	x->objects += item->nlabels;
	if (item->nlabels > x->objects_most)
		x->objects_most = item->nlabels;
}

static struct certificate certificate_of(const struct extract *x, long images)
{
	return (struct certificate){.spent = privacy_of(x, images),
				    .ledger = x->opt.ledger ? ledger_path(x->opt.ledger) : NULL,
				    .account = x->account.sum,
				    .image_bytes = extract_image_bytes(x),
				    .picture_bytes = images ? x->picture_bytes / (double)images : 0,
				    .weights_bytes = x->model->graph->nfloats * sizeof(float)};
}

static void prepare_account(struct extract *x)
{
	const struct privacy each = privacy_of(x, 1);
	struct certificate c;
	int i;

	for (i = 0; i < x->set->nitems; i++)
		count_objects(x, &x->set->items[i]);
	c = certificate_of(x, x->set->nitems);
	x->objects = x->objects_most = 0;
	x->release_epsilon = each.seeded ? INFINITY : privacy_per_release(&each);
	extract_account_init(&x->account, x->opt.ledger, x->opt.budget, x->opt.budget_image,
			     &x->header, &each);
	x->header.certificate = certificate_json(&c, false);
}

char *extract_client(const char *dataset)
{
	char *real = realpath(dataset, NULL), *name, *dot;

	name = xstrdup(path_base(real ? real : dataset));
	dot = strrchr(name, '.');
	if (dot && dot > name && (!strcmp(dot, ".yaml") || !strcmp(dot, ".txt")))
		*dot = '\0';
	free(real);
	return name;
}

void extract_key(struct noise *noise, const struct ledger *ledger)
{
	if (ledger && !noise->seeded)
		memcpy(noise->key, ledger_key(ledger)->noise, sizeof(noise->key));
}

/* ------------------------------------------------------------------ making */

/* Where YOLOv5 is cut in Sedna's and Plato's MistNet examples. */
#define DEFAULT_CUT 4

int extract_cut(const struct model *m, int *cut, struct err *err)
{
	const char *own = model_meta(m, "mist.cut_layer");
	long v = DEFAULT_CUT;

	if (!*cut && own && num_long("mist.cut_layer of the weights", own, 1, INT_MAX, &v, err)) {
		err->status = STATUS_INPUT;
		return -1;
	}
	if (!*cut)
		*cut = (int)v;
	if (*cut < 1 || *cut >= m->graph->nlayers)
		return err_set(err, STATUS_USAGE, "cut layer %d is not from 1 to %d", *cut,
			       m->graph->nlayers - 1);
	/* a part of a weight file (mist-model split) does for its own cut and those before */
	if (m->from > 0 || *cut > m->to)
		return err_set(err, STATUS_INPUT,
			       "the weights are a part of a model that lacks layers before cut %d",
			       *cut);
	return 0;
}

static int fill_shapes(struct extract *x, struct err *err)
{
	struct features_header *h = &x->header;
	int layers[4 * FEATURES_MAX_TENSORS], i; /* so that one too many is seen */
	struct shape s;

	h->ntensors = graph_frontier(x->model->graph, h->cut, layers, (int)ARRAY_LEN(layers));
	if (h->ntensors < 1 || h->ntensors > FEATURES_MAX_TENSORS)
		return err_set(err, STATUS_USAGE, "%d tensors cross cut %d: at most %d are sent",
			       h->ntensors, h->cut, FEATURES_MAX_TENSORS);
	for (i = 0; i < h->ntensors; i++) {
		if (graph_shape(x->model->graph, layers[i], h->img, h->img, &s, err))
			return -1;
		h->shape[i].c = s.c;
		h->shape[i].h = s.h;
		h->shape[i].w = s.w;
	}
	if (extract_gates(x->model, h->cut, h->encoding, x->noise, &x->opt.thin, x->opt.notices,
			  &h->gates, err))
		return -1;
	for (i = 0; i < h->ntensors; i++) {
		const struct gate *g = &h->gates.gate[i];

		x->sent[i] = gate_sent(g, h->shape[i].h, h->shape[i].w);
		x->bytes[i] = gate_bytes(g, h->shape[i].h, h->shape[i].w);
		x->payload_bytes += x->bytes[i];
	}
	return 0;
}

/* Releases with other probabilities or shapes are others, whatever their bits. The caller frees. */
static char *noise_context(const struct features_header *h, const struct noise *n)
{
	struct buf text = BUF_INIT;
	int i;

	buf_printf(&text, "mistutils release 1, %s, T %016jx", encoding_names[h->encoding],
		   (uintmax_t)n->threshold);
	for (i = 0; i < h->ntensors; i++)
		buf_printf(&text, ", %dx%dx%d", h->shape[i].c, h->shape[i].h, h->shape[i].w);
	for (i = 0; i < h->gates.n; i++) {
		const struct gate *g = &h->gates.gate[i];

		if (thin_has(g)) /* nothing else would tell two subsets apart */
			buf_printf(&text, ", pool %d, keep %" PRIu32 " of %" PRIu64, g->pool,
				   g->keep, g->keep ? g->subset : 0);
	}
	return buf_detach(&text);
}

static int fill_header(struct extract *x, struct err *err)
{
	struct features_header *h = &x->header;
	int i;

	if (extract_cut(x->model, &x->opt.cut, err))
		return -1;
	h->client = xstrdup(x->opt.client);
	h->program = xstrdup(x->opt.program);
	h->labels = xstrdup(!x->opt.labels ? "none" : x->opt.label_epsilon != 0 ? "rr" : "clear");
	h->label_epsilon = x->opt.labels ? x->opt.label_epsilon : 0;
	h->cut = x->opt.cut;
	h->img = x->opt.img;
	h->encoding = x->opt.encoding;
	h->mechanism = x->noise->mechanism;
	h->epsilon = x->noise->epsilon;
	h->epsilon_effective = x->noise->epsilon_effective;
	h->epsilon_image = x->opt.epsilon_image;
	h->q = x->noise->q;
	h->seeded = x->noise->seeded;
	h->releases = x->opt.hflip ? 2 : 1;
	h->names = xcalloc((size_t)x->model->nnames, sizeof(*h->names));
	for (i = 0; i < x->model->nnames; i++)
		h->names[h->nnames++] = xstrdup(x->model->names[i]);
	if (fill_shapes(x, err))
		return -1;
	model_extractor_digest(x->model, h->cut, h->extractor);
	x->context = noise_context(h, x->noise);
	return 0;
}

static int prepare_labels(struct extract *x, struct err *err)
{
	if (strcmp(x->header.labels, "rr"))
		return 0;
	if (labelnoise_init(&x->labelnoise, x->opt.label_epsilon, x->header.nnames, x->opt.seed,
			    err))
		return -1;
	extract_key(&x->labelnoise.key, x->opt.ledger);
	return 0;
}

static int make_workers(struct extract *x, struct err *err)
{
	struct net_options opt = {.to = x->opt.cut,
				  .max_n = 1,
				  .h = x->opt.img,
				  .w = x->opt.img,
				  .path = x->opt.path};
	int want = x->opt.threads > 0 ? x->opt.threads : pool_processors();
	size_t each = net_bytes(x->model->graph, &opt, NULL) + x->payload_bytes +
		      (size_t)x->opt.img * (size_t)x->opt.img * 3,
	       room = 0;
	int i;

	for (i = 0; i < x->header.ntensors; i++) { /* where a thinned gate packs all first */
		const size_t all = gate_packed_bytes(x->header.shape[i].c, x->header.shape[i].h,
						     x->header.shape[i].w);

		room = all > room ? all : room;
	}
	if (want > x->set->nitems)
		want = x->set->nitems;
	if ((size_t)want > WORKER_MEMORY / each)
		want = WORKER_MEMORY / each ? (int)(WORKER_MEMORY / each) : 1;
	x->pool = pool_new(want);
	x->workers = xcalloc((size_t)pool_threads(x->pool), sizeof(*x->workers));
	for (; x->nworkers < pool_threads(x->pool); x->nworkers++) {
		struct worker *w = &x->workers[x->nworkers];

		w->net = net_new(x->model->graph, &opt, NULL, err);
		if (!w->net)
			return -1;
		net_load_params(w->net, x->model->params);
		w->payload = xmalloc(x->payload_bytes * (size_t)x->header.releases + room);
	}
	return 0;
}

struct extract *extract_new(const struct model *m, const struct dataset *d,
			    const struct noise *noise, const struct extract_options *opt,
			    struct err *err)
{
	struct extract *x = xcalloc(1, sizeof(*x));

	BUG_IF(opt->encoding != ENCODING_BIT && noise->mechanism != MECHANISM_NONE);
	x->model = m;
	x->set = d;
	x->noise = noise;
	x->opt = *opt;
	pthread_mutex_init(&x->lock, NULL);
	pthread_cond_init(&x->turned, NULL);
	if (fill_header(x, err) || prepare_labels(x, err) || make_workers(x, err)) {
		extract_free(x);
		return NULL;
	}
	prepare_account(x);
	return x;
}

void extract_free(struct extract *x)
{
	int i, k;

	if (!x)
		return;
	for (i = 0; i < x->nworkers; i++) {
		net_free(x->workers[i].net);
		free(x->workers[i].payload);
		free(x->workers[i].labels);
		for (k = 0; k < MAX_RELEASES; k++)
			buf_release(&x->workers[i].json[k]);
	}
	free(x->workers);
	pool_free(x->pool);
	labelnoise_release(&x->labelnoise);
	extract_account_release(&x->account);
	features_header_release(&x->header);
	free(x->context);
	pthread_cond_destroy(&x->turned);
	pthread_mutex_destroy(&x->lock);
	free(x);
}

const struct features_header *extract_header(const struct extract *x)
{
	return &x->header;
}

long extract_skipped(const struct extract *x)
{
	return x->skipped;
}

size_t extract_image_bytes(const struct extract *x)
{
	return x->payload_bytes * (size_t)x->header.releases;
}

/* ------------------------------------------------------------------ one image */

static void mirror(struct image *img)
{
	int y, l, r, k;

	for (y = 0; y < img->h; y++) {
		unsigned char *row = img->rgb + (size_t)y * 3 * (size_t)img->w;

		for (l = 0, r = img->w - 1; l < r; l++, r--)
			for (k = 0; k < 3; k++) {
				unsigned char t = row[3 * l + k];

				row[3 * l + k] = row[3 * r + k];
				row[3 * r + k] = t;
			}
	}
}

/* The letterboxed image through the layers and the gate, clean. */
static void encode(const struct extract *x, struct worker *w, unsigned char *payload)
{
	const struct features_header *h = &x->header;
	struct view in = net_input(w->net, 0, 1);
	int i;

	letterbox_to_view(&w->letterboxed, &in, 0);
	net_forward(w->net, 1, x->model->params);
	for (i = 0; i < h->ntensors; i++) {
		const struct gate *g = &h->gates.gate[i];
		const struct view out = net_output(w->net, i, 1);

		gate_encode(g, &out, 0, payload);
		payload += x->bytes[i];
	}
}

/* Noise over a whole clean payload, which determines it, and so `tag`, its name in the ledger. */
static void add_noise(const struct extract *x, unsigned char *payload, uint8_t tag[LEDGER_ID])
{
	const struct features_header *h = &x->header;
	struct noise n;
	int i;

	noise_derive(x->noise, x->context, payload, x->payload_bytes, &n);
	if (x->opt.ledger)
		ledger_key_tag(ledger_key(x->opt.ledger), n.key, tag);
	for (i = 0; i < h->ntensors && n.mechanism != MECHANISM_NONE; i++) {
		gate_flip_payload(&h->gates.gate[i], &n, (uint64_t)i, payload, h->shape[i].h,
				  h->shape[i].w, x->sent[i]);
		payload += x->bytes[i];
	}
	noise_release(&n);
}

static void describe(const struct letterbox *lb, bool flipped, struct buf *json)
{
	buf_clear(json);
	buf_printf(json,
		   "{\"width\":%d,\"height\":%d,\"ratio\":%.17g,\"resized\":[%d,%d],"
		   "\"left\":%d,\"top\":%d,\"flipped\":%s}",
		   lb->src_w, lb->src_h, lb->ratio, lb->new_w, lb->new_h, lb->left, lb->top,
		   flipped ? "true" : "false");
}

static void take_labels(const struct item *item, const struct letterbox *lb, struct worker *w)
{
	int i;

	if (item->nlabels > w->cap) {
		w->cap = item->nlabels;
		w->labels = xreallocarray(w->labels, (size_t)w->cap, sizeof(*w->labels));
	}
	for (i = 0; i < item->nlabels; i++) {
		struct label *l = &w->labels[i];

		*l = item->labels[i];
		letterbox_label(lb, &l->xc, &l->yc, &l->w, &l->h);
	}
}

/* Once an image: a mirror image has the same classes. `clean`: its features before their noise. */
static void randomise_labels(const struct extract *x, struct worker *w, const struct item *item,
			     const unsigned char *clean)
{
	struct book_release *r = &w->label_release;
	uint8_t key[32];

	if (!x->labelnoise.threshold || !item->nlabels)
		return;
	labelnoise_apply(&x->labelnoise, clean, x->payload_bytes, w->labels, item->nlabels, key);
	if (x->opt.ledger) {
		*r = w->release[0];
		ledger_key_tag(ledger_key(x->opt.ledger), key, r->tag);
		r->epsilon =
			x->opt.seed ? INFINITY
				    : privacy_times(x->labelnoise.epsilon_effective, item->nlabels);
	}
	sodium_memzero(key, sizeof(key));
}

/* What the ledger and the certificate want to know of the picture itself. */
static void name_image(const struct extract *x, struct worker *w, const struct item *item,
		       const struct image *img)
{
	struct stat st;
	int r;

	w->picture_bytes = stat(item->path, &st) ? 0 : (double)st.st_size;
	for (r = 0; r < x->header.releases && x->opt.ledger; r++) {
		if (!r)
			ledger_key_image(ledger_key(x->opt.ledger), img, w->release[r].image);
		else
			memcpy(w->release[r].image, w->release[0].image, LEDGER_ID);
		w->release[r].epsilon = x->release_epsilon;
	}
}

/* Everything that can be done out of turn. */
static int prepare(const struct extract *x, struct worker *w, int job, struct err *err)
{
	const struct item *item = &x->set->items[job];
	const int releases = x->header.releases;
	struct letterbox lb;
	struct image img;
	int r;

	if (image_read(item->path, &img, err))
		return -1;
	name_image(x, w, item, &img);
	letterbox_plan(&lb, img.w, img.h, x->opt.img, x->opt.img, x->opt.img);
	letterbox_apply(&lb, &img, &w->letterboxed);
	image_release(&img);
	take_labels(item, &lb, w);
	for (r = 0; r < releases; r++) {
		unsigned char *payload = w->payload + (size_t)r * x->payload_bytes;

		if (r)
			mirror(&w->letterboxed);
		describe(&lb, r, &w->json[r]);
		encode(x, w, payload);
		if (!r)
			randomise_labels(x, w, item, payload);
		add_noise(x, payload, w->release[r].tag);
	}
	image_release(&w->letterboxed);
	return 0;
}

/* ------------------------------------------------------------------ writing in turn */

static void mirror_labels(struct label *labels, int n)
{
	int i;

	for (i = 0; i < n; i++)
		labels[i].xc = 1 - labels[i].xc;
}

static int write_release(struct extract *x, struct worker *w, const struct item *item, int release,
			 struct err *err)
{
	const struct features_header *h = &x->header;
	unsigned char *payload = w->payload + (size_t)release * x->payload_bytes;
	struct features_sample s = {
		.labels = w->labels, .nlabels = item->nlabels, .json = w->json[release].data};
	/* '~' is in no key of a data set, so this is nobody else's name */
	char *key = release ? xasprintf("%s~flip", item->key) : xstrdup(item->key);
	int i, rc;

	s.key = key;
	for (i = 0; i < h->ntensors; i++) {
		s.data[i] = payload;
		s.size[i] = x->bytes[i];
		payload += s.size[i];
	}
	rc = features_write(x->writer, &s, err);
	free(key);
	return rc;
}

/* Adding a release may settle the account and let go of what is written: labels come first. */
static int write_item(struct extract *x, struct worker *w, const struct item *item, struct err *err)
{
	int r;

	if (x->labelnoise.threshold && item->nlabels &&
	    extract_account_add(&x->account, &w->label_release, x->writer, err))
		return -1;

	for (r = 0; r < x->header.releases; r++) {
		if (r)
			mirror_labels(w->labels, item->nlabels);
		if (write_release(x, w, item, r, err) ||
		    extract_account_add(&x->account, &w->release[r], x->writer, err))
			return -1;
	}
	x->images++;
	count_objects(x, item);
	x->picture_bytes += w->picture_bytes;
	return 0;
}

/* Called when it is `job`'s turn; rc and err are what prepare said. */
static void finish_job(struct extract *x, struct worker *w, int job, int rc, struct err *err)
{
	if (rc && !x->opt.strict) {
		notice(x->opt.notices, "skipped: %s", err->msg);
		x->skipped++;
	} else if (rc || write_item(x, w, &x->set->items[job], err)) {
		x->failed = true;
		x->err = *err;
	}
	if (!x->failed && x->opt.progress)
		x->opt.progress(x->opt.progress_ctx, job + 1);
}

/*
 * Jobs begin in the order of their numbers, so the lowest that is not done is always running, and
 * waiting for a turn cannot wait for ever.
 */
static void run_job(void *ctx, int job, int worker)
{
	struct extract *x = ctx;
	struct err err = ERR_INIT;
	bool failed;
	int rc = 0;

	pthread_mutex_lock(&x->lock);
	failed = x->failed;
	pthread_mutex_unlock(&x->lock);
	if (!failed)
		rc = prepare(x, &x->workers[worker], job, &err);
	pthread_mutex_lock(&x->lock);
	while (x->turn != job)
		pthread_cond_wait(&x->turned, &x->lock);
	if (!x->failed)
		finish_job(x, &x->workers[worker], job, rc, &err);
	x->turn++;
	pthread_cond_broadcast(&x->turned);
	pthread_mutex_unlock(&x->lock);
}

/* Whatever is said of the client in the end is the ledger's word. */
static int finish(struct extract *x, struct certificate *out, struct err *err)
{
	char *json;

	if (extract_account_settle(&x->account, x->writer, err)) {
		features_discard(x->writer);
		return -1;
	}
	*out = certificate_of(x, x->images);
	json = certificate_json(out, true);
	features_end_object(x->writer, "certificate", json);
	free(json);
	features_end_number(x->writer, "images", (double)x->images);
	if (isfinite(certificate_per_client(out)))
		features_end_number(x->writer, "epsilon_per_client", certificate_per_client(out));
	return features_finish(x->writer, err);
}

int extract_run(struct extract *x, const char *path, struct certificate *out, struct err *err)
{
	x->writer = extract_account_open(&x->account, path, &x->header, x->payload_bytes, err);
	if (!x->writer)
		return -1;
	pool_run(x->pool, x->set->nitems, run_job, x);
	if (!x->failed && !x->images)
		x->failed = err_set(&x->err, STATUS_INPUT, "cannot read '%s': no usable picture",
				    x->set->path);
	if (x->failed) {
		features_discard(x->writer);
		*err = x->err;
		return -1;
	}
	return finish(x, out, err);
}
