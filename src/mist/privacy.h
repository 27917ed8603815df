/*
 * privacy.h - what a release of features gives away, in the figures that are never told one without
 * the others: epsilon per bit, per image and per client (sequential composition, MistNet's theorem
 * 4.1: an image of r bits costs r * ln(p / q)).
 */
#ifndef MIST_MIST_PRIVACY_H
#define MIST_MIST_PRIVACY_H

#include "base/err.h"
#include "mist/gate.h"

/* Above it exp(epsilon) exceeds 20000, which bounds nothing in practice. */
#define PRIVACY_EMPTY 10

struct privacy {
	enum encoding encoding;
	enum mechanism mechanism;
	bool seeded;
	double q;       /* flip probability */
	double per_bit; /* effective epsilon; infinite for none */
	size_t values;  /* of one release: bits, where the encoding is bits */
	int releases;   /* per image */
	long images;
	const char *labels;         /* "clear", "none", "rr" */
	double label_epsilon;       /* of each object's class, with "rr"; else 0 */
	long objects, objects_most; /* whose classes are sent: of all images, and of one of them */
};

/* a * b and a + b, not rounded down. */
double privacy_times(double a, double b);
double privacy_add(double a, double b);

/*
 * Features of one release; and all that is counted of an image (that with the most objects) and of the
 * client: features of all releases, and randomised classes, once an image. Infinite without a mechanism.
 */
double privacy_per_release(const struct privacy *p);
double privacy_per_image(const struct privacy *p);
double privacy_per_client(const struct privacy *p);
/* Bits of an image that the noise flips, on average. */
double privacy_flips(const struct privacy *p);
/* Are so few flipped, less than one an image, of so many that nothing is hidden? */
bool privacy_empty(const struct privacy *p);

/* At least v, in six significant digits or as a whole number: a published epsilon is never rounded down. */
void privacy_format_up(double v, char *out, size_t size);

#endif
