#include "mist/labelnoise.h"

#include "base/mem.h"

#include <endian.h>
#include <float.h>
#include <math.h>
#include <sodium.h>
#include <string.h>

uint64_t labelnoise_threshold(double epsilon, int classes)
{
	long double b = classes / (expl((long double)epsilon) + (long double)(classes - 1));

	b += b * 16 * LDBL_EPSILON; /* more than expl, sum and quotient can have rounded down */
	b = fmaxl(ceill(ldexpl(b, 64)), 1);
	return b < 0x1p64L ? (uint64_t)b : UINT64_MAX;
}

double labelnoise_epsilon(uint64_t threshold, int classes)
{
	long double t = threshold, e = log1pl(classes * ((0x1p64L - t) / t));

	return nextafter((double)e, INFINITY);
}

double labelnoise_effective(double epsilon, int classes)
{
	/* T is rounded up, so what was asked for is an upper bound too, and the rounder number */
	return fmin(labelnoise_epsilon(labelnoise_threshold(epsilon, classes), classes), epsilon);
}

int labelnoise_init(struct labelnoise *l, double epsilon, int classes, const uint64_t *seed,
		    struct err *err)
{
	*l = (struct labelnoise){.classes = classes, .epsilon = epsilon};
	if (!isfinite(epsilon) || epsilon <= 0)
		return err_set(err, STATUS_USAGE,
			       "the labels' epsilon must be a finite number above 0, not %g",
			       epsilon);
	if (classes < 2)
		return err_set(err, STATUS_USAGE,
			       "the labels' epsilon is for models of several classes, not of %d",
			       classes);
	l->threshold = labelnoise_threshold(epsilon, classes);
	l->epsilon_effective = labelnoise_effective(epsilon, classes);
	return noise_init(&l->key, MECHANISM_RR, 1, seed, err);
}

void labelnoise_release(struct labelnoise *l)
{
	sodium_memzero(l, sizeof(*l));
}

struct stream {
	const uint8_t *key;
	uint64_t block;
	size_t next;
	uint64_t word[8]; /* a block of ChaCha20 */
};

static uint64_t next_word(struct stream *s)
{
	static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES] = {0};

	if (s->next == ARRAY_LEN(s->word)) {
		memset(s->word, 0, sizeof(s->word));
		crypto_stream_chacha20_xor_ic((uint8_t *)s->word, (const uint8_t *)s->word,
					      sizeof(s->word), nonce, s->block++, s->key);
		s->next = 0;
	}
	return le64toh(s->word[s->next++]);
}

/* Evenly from 0 … n-1: the words of the last, incomplete round of n are drawn again. */
static int draw_below(struct stream *s, uint64_t n)
{
	const uint64_t limit = UINT64_MAX - UINT64_MAX % n;
	uint64_t u;

	do
		u = next_word(s);
	while (u >= limit);
	return (int)(u % n);
}

void labelnoise_apply(const struct labelnoise *l, const void *features, size_t size,
		      struct label *labels, int n, uint8_t key[32])
{
	char context[80];
	struct noise image, release;
	struct stream s = {.key = release.key, .next = ARRAY_LEN(s.word)};
	int i;

	snprintf(context, sizeof(context), "mistutils labels 1, T %016jx of %d",
		 (uintmax_t)l->threshold, l->classes);
	noise_derive(&l->key, context, features, size, &image);
	noise_derive(&image, context, labels, (size_t)n * sizeof(*labels), &release);
	memcpy(key, release.key, sizeof(release.key));
	for (i = 0; i < n; i++) {
		BUG_IF(labels[i].cls < 0 || labels[i].cls >= l->classes);
		if (next_word(&s) < l->threshold)
			labels[i].cls = draw_below(&s, (uint64_t)l->classes);
	}
	noise_release(&image);
	noise_release(&release);
	sodium_memzero(&s, sizeof(s));
}
