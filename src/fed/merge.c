#include "fed/merge.h"

#include "base/file.h"
#include "io/json.h"
#include "io/tarstream.h"
#include "mist/features.h"
#include "mist/privacy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct merge {
	const struct merge_options *opt;
	struct merge_result *result;
	struct tarstream_writer tar;
	struct features_header first; /* what the others must fit */
	const char *first_path;
	struct seen keys, contents;
	struct buf id;
	bool told_noise;
	long alike; /* noiseless samples that were there before */
	/* of the segment that is being read */
	long segment, samples;
	struct privacy spent;
	char *client;
	/* over clients */
	struct {
		double bit, image, client; /* the largest epsilons */
		long unkept,
			unprotected; /* clients without a ledger, and without noise that lasts */
	} all;
};

/* ------------------------------------------------------------------ headers */

static int refuse_seeded(const struct merge *m, const char *path, const struct features_header *h,
			 struct err *err)
{
	if (!h->seeded || m->opt->allow_seeded)
		return 0;
	return err_set(
		err, STATUS_PRIVACY,
		"cannot use '%s': the noise of client '%s' was made with --seed, so it can be "
		"removed (--allow-seeded)",
		path, h->client);
}

static int check_header(struct merge *m, const char *path, const struct features_header *h,
			struct err *err)
{
	if (refuse_seeded(m, path, h, err))
		return -1;
	if (!m->first.json) {
		m->first_path = path;
		return features_header_parse("mist.json", h->json, strlen(h->json), &m->first, err);
	}
	if (features_fit(&m->first, h, err))
		return err_prefix(err, "'%s' and '%s' do not fit", m->first_path, path);
	if (h->q != m->first.q && !h->gates.gate[0].debias && !m->told_noise) {
		m->told_noise = true;
		notice(m->opt->notices,
		       "'%s' and '%s' are differently noisy, and their bits are not de-biased",
		       m->first_path, path);
	}
	return 0;
}

/* Every header that can be looked at before anything is written; pipes must wait for their turn. */
static int check_headers(struct merge *m, char *const *paths, int n, struct err *err)
{
	struct stat st;
	int i, rc = 0;

	for (i = 0; i < n && !rc; i++) {
		struct features_reader *r;

		if (stat(paths[i], &st) || !S_ISREG(st.st_mode))
			continue;
		r = features_open(paths[i], err);
		rc = r ? check_header(m, paths[i], features_header(r), err) : -1;
		features_close(r);
	}
	return rc;
}

/* ------------------------------------------------------------------ clients */

/* What the client's account says it has given away so far, where its end member tells; else what this
 * segment comes to. *kept: does it keep a ledger? */
static double client_account(const struct merge *m, const char *end, bool *kept)
{
	const double here = m->spent.seeded ? INFINITY : privacy_per_client(&m->spent);
	const json_t *c, *v;
	struct err ignored;
	json_t *o = end ? json_parse("mist.end.json", end, strlen(end), &ignored) : NULL;
	double account = here;

	c = json_object_get(o, "certificate");
	v = json_object_get(c, "epsilon_per_client");
	*kept = json_is_true(json_object_get(c, "ledger"));
	if (json_is_null(v))
		account = INFINITY;
	else if (json_is_number(v)) /* less than what is here cannot be */
		account = fmax(here, json_number_value(v));
	json_decref(o);
	return account;
}

static void end_client(struct merge *m, const char *end)
{
	const struct notices *to = m->opt->details;
	char bit[32], image[32], client[32];
	double account;
	bool kept;

	if (!m->client)
		return;
	m->spent.images = m->samples / m->spent.releases;
	m->spent.objects /= m->spent.releases; /* a copy's classes are the same draws */
	account = client_account(m, end, &kept);
	privacy_format_up(m->spent.per_bit, bit, sizeof(bit));
	privacy_format_up(privacy_per_image(&m->spent), image, sizeof(image));
	privacy_format_up(account, client, sizeof(client));
	notice(to,
	       "client '%s': %ld samples, mechanism %s, epsilon %s per bit, %s per image, %s per "
	       "client%s, labels %s",
	       m->client, m->samples, mechanism_names[m->spent.mechanism], bit, image, client,
	       kept ? "" : " (no ledger)", m->spent.labels);
	m->all.bit = fmax(m->all.bit, m->spent.per_bit);
	m->all.image = fmax(m->all.image, privacy_per_image(&m->spent));
	m->all.client = fmax(m->all.client, account);
	m->all.unkept += !kept;
	m->all.unprotected +=
		m->spent.seeded || m->spent.mechanism == MECHANISM_NONE || privacy_empty(&m->spent);
	free(m->client);
	m->client = NULL;
}

/* The clients' certificates in one. */
static void tell_all(const struct merge *m)
{
	const struct notices *to = m->opt->details;
	char bit[32], image[32], client[32];

	privacy_format_up(m->all.bit, bit, sizeof(bit));
	privacy_format_up(m->all.image, image, sizeof(image));
	privacy_format_up(m->all.client, client, sizeof(client));
	notice(to,
	       "%ld samples of %ld clients: epsilon at most %s per bit, %s per image, %s per "
	       "client; labels %s",
	       m->result->samples, m->result->clients, bit, image, client, m->first.labels);
	if (m->all.unprotected)
		notice(to, "warning: of %ld clients, %ld sent features that no noise protects",
		       m->result->clients, m->all.unprotected);
	if (m->all.unkept)
		notice(to, "warning: of %ld clients, %ld kept no ledger", m->result->clients,
		       m->all.unkept);
}

static int begin_client(struct merge *m, const char *path, const struct features_header *h,
			struct err *err)
{
	if (check_header(m, path, h, err))
		return -1;
	m->samples = 0;
	m->client = xstrdup(h->client);
	m->spent = features_privacy(h);
	m->spent.labels = m->first.labels; /* as h->labels, but it stays */
	m->result->clients++;
	return 0;
}

/* ------------------------------------------------------------------ samples */

/* Are these bits there already? */
static bool repeats(struct merge *m, const struct features_header *h,
		    const struct features_sample *s)
{
	int i;

	buf_clear(&m->id);
	for (i = 0; i < h->ntensors; i++)
		buf_add(&m->id, s->data[i], s->size[i]);
	return seen_before(&m->contents, m->id.data, m->id.len);
}

/* The same bits after noise are the same release: chance repeats even 64 fair bits never. */
static int refuse_repeated(struct merge *m, const char *path, const struct features_header *h,
			   const struct features_sample *s, struct err *err)
{
	if (h->mechanism == MECHANISM_NONE || privacy_flips(&m->spent) < 64) {
		m->alike++;
		return 0;
	}
	return err_set(
		err, STATUS_INPUT,
		"cannot use '%s': sample %s of client '%s' is the same release as one before "
		"(--drop-duplicates)",
		path, s->key, h->client);
}

static int check_sample(struct merge *m, struct features_reader *r, const char *path,
			const struct features_sample *s, struct err *err)
{
	const struct features_header *h = features_header(r);
	const bool repeated = repeats(m, h, s);

	if (repeated && m->opt->drop_duplicates) {
		features_drop(r);
		m->result->dropped++;
		return 0;
	}
	buf_clear(&m->id);
	buf_add(&m->id, h->client, strlen(h->client) + 1);
	buf_add_str(&m->id, s->key);
	if (seen_before(&m->keys, m->id.data, m->id.len))
		return err_set(err, STATUS_INPUT,
			       "cannot use '%s': sample %s of client '%s' is there twice", path,
			       s->key, h->client);
	m->samples++;
	m->result->samples++;
	m->spent.objects += s->nlabels;
	if (s->nlabels > m->spent.objects_most)
		m->spent.objects_most = s->nlabels;
	return repeated ? refuse_repeated(m, path, h, s, err) : 0;
}

static int merge_one(struct merge *m, const char *path, struct err *err)
{
	struct features_reader *r = features_open(path, err);
	struct features_sample s;
	int rc = r ? 1 : -1;

	m->segment = 0;
	if (r)
		features_tee(r, &m->tar);
	while (rc == 1) {
		const struct features_header *h;

		rc = features_next(r, &s, err);
		h = features_header(r);
		/* a stream without samples has a header to be checked, too */
		if (rc >= 0 && features_segments(r) != m->segment) {
			m->segment = features_segments(r);
			end_client(m, features_end(r));
			if (begin_client(m, path, h, err))
				rc = -1;
		}
		if (rc == 1 && check_sample(m, r, path, &s, err))
			rc = -1;
	}
	end_client(m, r ? features_end(r) : NULL);
	features_close(r);
	return rc;
}

static void release(struct merge *m)
{
	tarstream_discard(&m->tar);
	features_header_release(&m->first);
	seen_release(&m->keys);
	seen_release(&m->contents);
	buf_release(&m->id);
	free(m->client);
}

int merge_streams(char *const *paths, int n, const char *output, const struct merge_options *opt,
		  struct merge_result *out, struct err *err)
{
	struct merge m = {.opt = opt, .result = out};
	int i, rc;

	*out = (struct merge_result){0};
	rc = seen_init(&m.keys, err) || seen_init(&m.contents, err) ? -1 : 0;
	if (!rc)
		rc = check_headers(&m, paths, n, err);
	if (!rc)
		rc = tarstream_create(&m.tar, output, err);
	for (i = 0; i < n && !rc; i++)
		rc = merge_one(&m, paths[i], err);
	if (!rc)
		tell_all(&m);
	if (!rc && m.alike)
		notice(opt->notices, "%ld samples are the same as others: do clients share images?",
		       m.alike);
	if (!rc && out->dropped)
		notice(opt->notices, "%ld samples were there before, and are left out",
		       out->dropped);
	if (!rc && opt->confirm)
		rc = opt->confirm->fn(opt->confirm->ctx, err);
	if (!rc)
		rc = tarstream_finish(&m.tar, err);
	release(&m);
	return rc;
}
