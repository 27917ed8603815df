#include "mist/extract_account.h"

#include "io/digest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A group is recorded at once, which syncs the disk twice; what waits is on disk too, unsynced. */
#define GROUP       64
#define GROUP_BYTES ((size_t)8 << 20)

/* Extractor, cut, size and the gates but for their noise: what makes one image's clean bits. */
static void model_digest(const struct features_header *h, char hex[DIGEST_HEX])
{
	struct gates clean = {h->gates.cut, h->gates.n, NULL};
	struct digest d;
	char size[32], *json;
	int i;

	clean.gate = xcalloc((size_t)clean.n, sizeof(*clean.gate));
	for (i = 0; i < clean.n; i++) {
		gate_copy(&clean.gate[i], &h->gates.gate[i]);
		clean.gate[i].mechanism = MECHANISM_NONE;
		clean.gate[i].epsilon = 0;
		clean.gate[i].q = 0;
		clean.gate[i].debias = false;
	}
	json = gates_json(&clean);
	snprintf(size, sizeof(size), " %d ", h->img);
	digest_init(&d);
	digest_add(&d, h->extractor, strlen(h->extractor));
	digest_add(&d, size, strlen(size));
	digest_add(&d, json, strlen(json));
	digest_hex(&d, hex);
	free(json);
	gates_release(&clean);
}

void extract_account_init(struct extract_account *a, struct ledger *ledger, double budget,
			  double budget_image, const struct features_header *h,
			  const struct privacy *each)
{
	*a = (struct extract_account){.ledger = ledger,
				      .budget = budget,
				      .budget_image = budget_image,
				      .client = h->client,
				      .labels = h->labels,
				      .seeded = h->seeded};
	if (each->mechanism == MECHANISM_NONE)
		a->mechanism = xasprintf("none, %s, %zu values", encoding_names[each->encoding],
					 each->values);
	else
		a->mechanism =
			xasprintf("%s, epsilon %.9g per bit, %zu bits",
				  mechanism_names[each->mechanism], each->per_bit, each->values);
	model_digest(h, a->model);
}

void extract_account_release(struct extract_account *a)
{
	free(a->mechanism);
	free(a->releases);
	*a = (struct extract_account){0};
}

struct features_writer *extract_account_open(struct extract_account *a, const char *path,
					     const struct features_header *h, size_t payload_bytes,
					     struct err *err)
{
	struct features_writer *w;

	if (!a->ledger)
		return features_create(path, h, err);
	w = features_create_held(path, h, err);
	a->group = SIZE_MAX;
	if (w && features_in_place(w) && !isfinite(a->budget) && !isfinite(a->budget_image)) {
		a->group = GROUP_BYTES / payload_bytes + 1;
		if (a->group > GROUP)
			a->group = GROUP;
	}
	return w;
}

int extract_account_settle(struct extract_account *a, struct features_writer *w, struct err *err)
{
	const struct ledger_spend spend = {.entry = {.client = a->client,
						     .model = a->model,
						     .mechanism = a->mechanism,
						     .labels = a->labels,
						     .seeded = a->seeded,
						     .releases = a->releases,
						     .n = a->n},
					   .budget = a->budget,
					   .budget_image = a->budget_image};

	if (a->n && ledger_spend(a->ledger, &spend, &a->sum, err))
		return -1;
	a->n = 0;
	return features_let_go(w, err);
}

int extract_account_add(struct extract_account *a, const struct book_release *r,
			struct features_writer *w, struct err *err)
{
	if (!a->ledger)
		return 0;
	GROW(a->releases, a->n, a->cap);
	a->releases[a->n++] = *r;
	return a->n < a->group ? 0 : extract_account_settle(a, w, err);
}
