#include "mist/privacy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The cheapest image worth the name of formal privacy: above it exp(epsilon) exceeds 20000, which
 * bounds nothing in practice. */
#define EMPTY_EPSILON 10

double privacy_per_image(const struct privacy *p)
{
	return p->per_bit * (double)p->values * p->releases;
}

double privacy_per_client(const struct privacy *p)
{
	return p->images ? privacy_per_image(p) * (double)p->images : 0;
}

double privacy_flips(const struct privacy *p)
{
	return p->q * (double)p->values * p->releases;
}

void privacy_format_up(double v, char *out, size_t size)
{
	double unit;

	snprintf(out, size, "%.6g", v);
	if (!isfinite(v) || strtod(out, NULL) >= v)
		return;
	unit = pow(10, floor(log10(v)) - 5);
	snprintf(out, size, "%.6g", (floor(v / unit) + 1) * unit);
}

static const char *label_sentence(const struct privacy *p)
{
	if (p->labels[0] == 'n')
		return "no labels are sent; file names travel in clear";
	if (p->labels[0] == 'r')
		return "classes are randomised; boxes and file names travel in clear";
	return "labels, boxes and file names travel in clear";
}

static void tell_mechanism(const struct privacy *p, const struct notices *to)
{
	if (p->mechanism == MECHANISM_NONE)
		notice(to, "mechanism none: %s without noise",
		       p->encoding == ENCODING_BIT ? "bits" : "features");
	else
		notice(to, "mechanism %s: each bit is flipped with probability %.6g (ChaCha20, %s)",
		       mechanism_names[p->mechanism], p->q,
		       p->seeded ? "keyed by --seed" : "keyed by the kernel's entropy");
}

static void tell_epsilon(const struct privacy *p, const struct notices *to)
{
	char bit[32], image[32], client[32];

	privacy_format_up(p->per_bit, bit, sizeof(bit));
	privacy_format_up(privacy_per_image(p), image, sizeof(image));
	privacy_format_up(privacy_per_client(p), client, sizeof(client));
	if (p->mechanism == MECHANISM_NONE)
		notice(to, "effective epsilon: infinite per bit, per image and per client");
	else
		notice(to,
		       "effective epsilon: %s per bit, %s per image (%zu bits, sent %d time%s), "
		       "%s per client (%ld image%s)",
		       bit, image, p->values, p->releases, p->releases == 1 ? "" : "s", client,
		       p->images, p->images == 1 ? "" : "s");
}

static void warn(const struct privacy *p, const struct notices *to)
{
	char image[32];

	if (p->mechanism == MECHANISM_NONE) {
		notice(to, "warning: no differential privacy: %s without noise",
		       p->encoding == ENCODING_BIT ? "bits are sent" : "features are sent");
		return;
	}
	if (privacy_flips(p) < 1)
		notice(to,
		       "warning: no privacy in practice: this epsilon flips %.2g of an image's %zu "
		       "bits on average",
		       privacy_flips(p), p->values * (size_t)p->releases);
	if (p->seeded)
		notice(to, "warning: --seed makes the noise reproducible: whoever knows the seed "
			   "removes it");
	privacy_format_up(privacy_per_image(p), image, sizeof(image));
	if (privacy_per_image(p) > EMPTY_EPSILON)
		notice(to,
		       "warning: an epsilon of %s per image promises nothing formally; what leaks "
		       "in practice must be measured",
		       image);
}

void privacy_certificate(const struct privacy *p, const struct notices *to)
{
	tell_mechanism(p, to);
	tell_epsilon(p, to);
	notice(to, "%s", label_sentence(p));
	warn(p, to);
}
