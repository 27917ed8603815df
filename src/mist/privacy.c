#include "mist/privacy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* a * b, not rounded down. */
static double product_up(double a, double b)
{
	const double p = a * b;

	return isfinite(p) && fma(a, b, -p) > 0 ? nextafter(p, INFINITY) : p;
}

double privacy_per_release(const struct privacy *p)
{
	return product_up(p->per_bit, (double)p->values);
}

double privacy_per_image(const struct privacy *p)
{
	return product_up(privacy_per_release(p), p->releases);
}

double privacy_per_client(const struct privacy *p)
{
	return p->images ? product_up(privacy_per_image(p), (double)p->images) : 0;
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
