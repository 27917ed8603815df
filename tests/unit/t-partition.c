#include "unit.h"

#include "base/rng.h"
#include "data/partition.h"

#include <math.h>

#define N 400

/* A set without files: picture i has 0 to 3 labels of classes 0 … 9, the low ones frequent. */
struct world {
	struct dataset d;
	struct item items[N];
	struct label labels[N][3];
	int owner[N];
	struct err err;
};

static struct world *world_new(void)
{
	struct world *w = xcalloc(1, sizeof(*w));
	struct rng rng;
	int i, k;

	rng_init(&rng, 1, "test", 0);
	w->d.items = w->items;
	w->d.nitems = N;
	for (i = 0; i < N; i++) {
		w->items[i].labels = w->labels[i];
		w->items[i].nlabels = i % 20 == 0 ? 0 : 1 + (int)rng_below(&rng, 3);
		for (k = 0; k < w->items[i].nlabels; k++) {
			double u = rng_double(&rng);

			w->labels[i][k].cls = (int)(10 * u * u);
		}
	}
	return w;
}

static void assign(struct world *w, struct partition_options opt)
{
	if (partition_assign(&w->d, &opt, w->owner, &w->err))
		fail_msg("%s", w->err.msg);
}

/* Pictures per client; every owner in range. */
static void count(const struct world *w, int clients, int *counts)
{
	int i;

	memset(counts, 0, (size_t)clients * sizeof(*counts));
	for (i = 0; i < N; i++) {
		assert_in_range(w->owner[i], 0, clients - 1);
		counts[w->owner[i]]++;
	}
}

static void iid_and_contiguous_are_even(void **state)
{
	struct world *w = world_new();
	int counts[7], k, i, rises = 0;

	(void)state;
	assign(w, (struct partition_options){.scheme = PARTITION_IID, .clients = 7});
	count(w, 7, counts);
	for (k = 0; k < 7; k++)
		assert_in_range(counts[k], 57, 58);
	for (i = 1; i < N; i++)
		rises += w->owner[i] != w->owner[i - 1];
	assert_true(rises > N / 2);
	assign(w, (struct partition_options){.scheme = PARTITION_CONTIGUOUS, .clients = 7});
	count(w, 7, counts);
	for (k = 0; k < 7; k++)
		assert_in_range(counts[k], 57, 58);
	for (i = 1; i < N; i++)
		assert_in_range(w->owner[i] - w->owner[i - 1], 0, 1);
	free(w);
}

static void the_seed_decides(void **state)
{
	enum partition_scheme scheme;
	struct world *a = world_new(), *b = world_new();

	(void)state;
	for (scheme = PARTITION_IID; partition_schemes[scheme]; scheme++) {
		struct partition_options opt = {
			.scheme = scheme, .clients = 5, .alpha = 1, .classes = 4, .seed = 3};

		assign(a, opt);
		assign(b, opt);
		assert_memory_equal(a->owner, b->owner, sizeof(a->owner));
		opt.seed = 4;
		assign(b, opt);
		assert_int_equal(memcmp(a->owner, b->owner, sizeof(a->owner)) == 0,
				 scheme == PARTITION_CONTIGUOUS);
	}
	free(a);
	free(b);
}

/* The share of the largest client in each class, averaged: 1/clients when even, 1 when apart. */
static double skew(const struct world *w, int clients)
{
	double sum = 0;
	int cls, i, k;

	for (cls = 0; cls < 10; cls++) {
		int counts[10] = {0}, total = 0, most = 0;

		for (i = 0; i < N; i++)
			for (k = 0; k < w->items[i].nlabels; k++)
				if (w->items[i].labels[k].cls == cls) {
					counts[w->owner[i]]++;
					total++;
				}
		for (k = 0; k < clients; k++)
			most = counts[k] > most ? counts[k] : most;
		sum += (double)most / total / 10;
	}
	return sum;
}

static void a_small_alpha_skews_labels(void **state)
{
	struct world *w = world_new();
	double even, uneven;

	(void)state;
	assign(w, (struct partition_options){
			  .scheme = PARTITION_DIRICHLET, .clients = 4, .alpha = 1000});
	even = skew(w, 4);
	assign(w, (struct partition_options){
			  .scheme = PARTITION_DIRICHLET, .clients = 4, .alpha = 0.1});
	uneven = skew(w, 4);
	assert_true(even < 0.36);
	assert_true(uneven > 0.55);
	free(w);
}

static void a_small_alpha_skews_sizes_but_nobody_goes_empty(void **state)
{
	struct world *w = world_new();
	int counts[10], k, most = 0;

	(void)state;
	assign(w, (struct partition_options){
			  .scheme = PARTITION_QUANTITY, .clients = 10, .alpha = 0.01});
	count(w, 10, counts);
	for (k = 0; k < 10; k++) {
		assert_true(counts[k] >= 1);
		most = counts[k] > most ? counts[k] : most;
	}
	assert_true(most > 200);
	free(w);
}

/* The rarest class of a picture, by hand. */
static int main_class(const struct world *w, int picture)
{
	int pictures[10] = {0}, i, k, c, best = -1;

	for (i = 0; i < N; i++)
		for (c = 0; c < 10; c++)
			for (k = 0; k < w->items[i].nlabels; k++)
				if (w->items[i].labels[k].cls == c) {
					pictures[c]++;
					break;
				}
	for (k = 0; k < w->items[picture].nlabels; k++) {
		c = w->items[picture].labels[k].cls;
		if (best < 0 || pictures[c] < pictures[best] ||
		    (pictures[c] == pictures[best] && c < best))
			best = c;
	}
	return best;
}

static void a_client_gets_pictures_of_its_classes_only(void **state)
{
	struct world *w = world_new();
	bool has[5][10] = {{false}};
	int counts[5], i, c, k;

	(void)state;
	assign(w,
	       (struct partition_options){.scheme = PARTITION_CLASSES, .clients = 5, .classes = 2});
	count(w, 5, counts);
	for (i = 0; i < N; i++) {
		c = main_class(w, i);
		if (c >= 0)
			has[w->owner[i]][c] = true;
	}
	for (k = 0; k < 5; k++) {
		int classes = 0;

		for (c = 0; c < 10; c++)
			classes += has[k][c];
		assert_in_range(classes, 1, 2);
	}
	free(w);
}

static void what_cannot_be_met_is_an_error(void **state)
{
	static const struct {
		struct partition_options opt;
		const char *part;
	} bad[] = {
		{{.scheme = PARTITION_IID, .clients = N + 1}, "401 clients, but only 400 pictures"},
		{{.scheme = PARTITION_CLASSES, .clients = 2, .classes = 2},
		 "at least 5 per client"},
		{{.scheme = PARTITION_CLASSES, .clients = 2, .classes = 11}, "only 10 classes"},
		{{.scheme = PARTITION_DIRICHLET, .clients = 300, .alpha = 0.01},
		 "take a larger alpha or fewer clients"},
	};
	struct world *w = world_new();
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(partition_assign(&w->d, &bad[i].opt, w->owner, &w->err), -1);
		assert_int_equal(w->err.status, STATUS_INPUT);
		if (!strstr(w->err.msg, bad[i].part))
			assert_string_equal(w->err.msg, bad[i].part);
	}
	free(w);
}

static void as_many_clients_as_pictures_is_possible(void **state)
{
	struct world *w = world_new();
	int counts[N];

	(void)state;
	assign(w, (struct partition_options){.scheme = PARTITION_IID, .clients = N});
	count(w, N, counts);
	assign(w,
	       (struct partition_options){.scheme = PARTITION_QUANTITY, .clients = N, .alpha = 1});
	count(w, N, counts);
	assert_int_equal(partition_check(w->owner, N, N, &w->err), 0);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(iid_and_contiguous_are_even),
		cmocka_unit_test(the_seed_decides),
		cmocka_unit_test(a_small_alpha_skews_labels),
		cmocka_unit_test(a_small_alpha_skews_sizes_but_nobody_goes_empty),
		cmocka_unit_test(a_client_gets_pictures_of_its_classes_only),
		cmocka_unit_test(what_cannot_be_met_is_an_error),
		cmocka_unit_test(as_many_clients_as_pictures_is_possible),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
