#include "mist/privacy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* What the sum lost is the difference (Knuth's two-sum); if it lost anything, the next number up. */
double privacy_add(double a, double b)
{
	const double sum = a + b, part = sum - a;
	const double lost = (a - (sum - part)) + (b - part);

	return isfinite(sum) && lost > 0 ? nextafter(sum, INFINITY) : sum;
}

double privacy_times(double a, double b)
{
	const double p = a * b;

	return isfinite(p) && fma(a, b, -p) > 0 ? nextafter(p, INFINITY) : p;
}

/* n objects' classes. */
static double classes(const struct privacy *p, long n)
{
	return n ? privacy_times(p->label_epsilon, (double)n) : 0;
}

double privacy_per_release(const struct privacy *p)
{
	return privacy_times(p->per_bit, (double)p->values);
}

static double features(const struct privacy *p)
{
	return privacy_times(privacy_per_release(p), p->releases);
}

double privacy_per_image(const struct privacy *p)
{
	return privacy_add(features(p), classes(p, p->objects_most));
}

double privacy_per_client(const struct privacy *p)
{
	if (!p->images)
		return 0;
	return privacy_add(privacy_times(features(p), (double)p->images), classes(p, p->objects));
}

double privacy_flips(const struct privacy *p)
{
	return p->q * (double)p->values * p->releases;
}

bool privacy_empty(const struct privacy *p)
{
	return privacy_flips(p) < 1 && privacy_per_image(p) > PRIVACY_EMPTY;
}

void privacy_format_up(double v, char *out, size_t size)
{
	double unit;

	if (v >= 1e6 && v < 1e15) { /* nobody reads 1.31072e+07 */
		snprintf(out, size, "%.0f", ceil(v));
		return;
	}
	snprintf(out, size, "%.6g", v);
	if (!isfinite(v) || strtod(out, NULL) >= v)
		return;
	unit = pow(10, floor(log10(v)) - 5);
	snprintf(out, size, "%.6g", (floor(v / unit) + 1) * unit);
}
