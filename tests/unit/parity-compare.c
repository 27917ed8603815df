#include "parity.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

void parity_verdict(struct parity *p, const char *name, double error, double tolerance,
		    const char *what)
{
	const bool ok = error <= tolerance; /* NaN is not */

	printf("%-48s %10.3g of %-8.3g %s%s\n", name, error, tolerance, what, ok ? "" : "  FAILED");
	p->compared++;
	p->failed += !ok;
}

/* The largest |a - b| in units of what is allowed at that value; 1 is the limit. */
void parity_values(struct parity *p, const char *name, const float *ours, const float *theirs,
		   size_t n, double abs, double rel)
{
	double worst = 0, most = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		const double d = fabs((double)ours[i] - theirs[i]);
		const double share = d / (abs + rel * fabs(theirs[i]));

		if (!(share <= worst))
			worst = share;
		if (!(d <= most))
			most = d;
	}
	parity_verdict(p, name, worst, 1, "of what is allowed");
	printf("%-48s %10.3g largest difference\n", "", most);
}

void parity_norm(struct parity *p, const char *name, const float *ours, const float *theirs,
		 size_t n, double rel)
{
	double d = 0, norm = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		d += ((double)ours[i] - theirs[i]) * ((double)ours[i] - theirs[i]);
		norm += (double)theirs[i] * theirs[i];
	}
	parity_verdict(p, name, norm > 0 ? sqrt(d / norm) : sqrt(d), rel, "relative, L2");
}

void parity_number(struct parity *p, const char *name, double ours, double theirs, double rel)
{
	const double d = fabs(ours - theirs);

	parity_verdict(p, name, theirs != 0 ? d / fabs(theirs) : d, rel, "relative");
}

void parity_missing(struct parity *p, const char *name, const char *why)
{
	printf("%-48s %s  FAILED\n", name, why);
	p->compared++;
	p->failed++;
}

/* A tensor of the reference as floats; NULL when it is not there. The caller frees. */
float *parity_floats(struct parity *p, const char *name, size_t *count)
{
	const struct safetensors_tensor *t = safetensors_find(&p->ref, name);
	float *v;

	if (!t)
		return NULL;
	v = xreallocarray(NULL, t->count + 1, sizeof(*v));
	*count = t->count;
	if (safetensors_read_floats(&p->ref, t, v, &p->err)) {
		parity_missing(p, name, p->err.msg);
		free(v);
		return NULL;
	}
	return v;
}

float *parity_exactly(struct parity *p, const char *name, size_t want)
{
	size_t n;
	float *v = parity_floats(p, name, &n);

	if (!v || n == want)
		return v;
	parity_missing(p, name, "has another number of values");
	free(v);
	return NULL;
}

size_t parity_count(const struct view *v)
{
	return (size_t)v->n * (size_t)v->c * (size_t)v->h * (size_t)v->w;
}

void parity_view(struct parity *p, const char *name, const struct view *v)
{
	float *theirs = parity_exactly(p, name, parity_count(v)), *ours;

	if (!theirs)
		return;
	ours = xreallocarray(NULL, parity_count(v), sizeof(*ours));
	view_to_nchw(v, ours);
	parity_values(p, name, ours, theirs, parity_count(v), FEATURE_ABS, FEATURE_REL);
	free(ours);
	free(theirs);
}
