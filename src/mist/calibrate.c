#include "mist/calibrate.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

const char *const threshold_names[] = {"zero", "median", "otsu", NULL};

struct calibration {
	int channels, images, per_image;
	int added;
	size_t n;      /* values a channel so far */
	float *values; /* channels rows of images * per_image */
};

struct calibration *calibration_new(int channels, int images, int per_image)
{
	struct calibration *cal = xcalloc(1, sizeof(*cal));
	size_t row, all;

	BUG_IF(channels <= 0 || images <= 0 || per_image <= 0);
	BUG_IF(size_mul((size_t)images, (size_t)per_image, &row) ||
	       size_mul(row, (size_t)channels, &all));
	*cal = (struct calibration){.channels = channels, .images = images, .per_image = per_image};
	cal->values = xreallocarray(NULL, all, sizeof(*cal->values));
	return cal;
}

void calibration_free(struct calibration *cal)
{
	if (!cal)
		return;
	free(cal->values);
	free(cal);
}

static float *channel(const struct calibration *cal, int c)
{
	return cal->values + (size_t)c * (size_t)cal->images * (size_t)cal->per_image;
}

void calibration_add(struct calibration *cal, const struct view *x, int image)
{
	size_t positions = (size_t)x->h * (size_t)x->w;
	size_t take = (size_t)cal->per_image < positions ? (size_t)cal->per_image : positions;
	size_t i;
	int c;

	BUG_IF(x->c != cal->channels || cal->added == cal->images);
	for (i = 0; i < take; i++) {
		size_t at = i * positions / take;
		const float *p =
			view_at(x, image, (int)(at / (size_t)x->w), (int)(at % (size_t)x->w));

		for (c = 0; c < x->c; c++)
			channel(cal, c)[cal->n + i] = p[c];
	}
	cal->n += take;
	cal->added++;
}

static int ascending(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static double mean(const float *v, size_t n)
{
	double sum = 0;
	size_t i;

	for (i = 0; i < n; i++)
		sum += v[i];
	return n ? sum / (double)n : 0;
}

/* Between two sorted values, so that neither lies on it whatever the rounding. */
static float between(float low, float high)
{
	float mid = (float)(((double)low + high) / 2);

	return mid < high ? mid : low;
}

static float otsu(const float *v, size_t n)
{
	double total = mean(v, n) * (double)n, below = 0, best = -1;
	float threshold = v[n / 2];
	size_t i;

	for (i = 1; i < n; i++) {
		double m0, m1, between_classes;

		below += v[i - 1];
		if (v[i] == v[i - 1])
			continue;
		m0 = below / (double)i;
		m1 = (total - below) / (double)(n - i);
		between_classes = (double)i * (double)(n - i) * (m1 - m0) * (m1 - m0);
		if (between_classes > best) {
			best = between_classes;
			threshold = between(v[i - 1], v[i]);
		}
	}
	return threshold;
}

static float choose(enum threshold_rule rule, const float *v, size_t n)
{
	switch (rule) {
	case THRESHOLD_ZERO:
		return 0;
	case THRESHOLD_MEDIAN:
		return n % 2 ? v[n / 2] : between(v[n / 2 - 1], v[n / 2]);
	case THRESHOLD_OTSU:
		return otsu(v, n);
	}
	BUG_IF(true);
}

static void finish_channel(float *v, size_t n, enum threshold_rule rule, float *threshold,
			   float *low, float *high, float *average)
{
	size_t below = 0;

	*average = (float)mean(v, n);
	qsort(v, n, sizeof(*v), ascending);
	*threshold = choose(rule, v, n);
	while (below < n && v[below] <= *threshold)
		below++;
	*low = (float)mean(v, below);
	*high = (float)mean(v + below, n - below);
	if (below == 0)
		*low = *high;
	if (below == n)
		*high = *low;
}

int calibration_finish(struct calibration *cal, enum threshold_rule rule, struct gate *gate,
		       struct err *err)
{
	size_t i, bytes = (size_t)cal->channels * sizeof(float);
	int c;

	BUG_IF(gate->encoding != ENCODING_BIT || gate->c != cal->channels);
	if (cal->n == 0)
		return err_set(err, STATUS_INPUT,
			       "cannot calibrate the gate: no image was readable");
	for (c = 0; c < cal->channels; c++)
		for (i = 0; i < cal->n; i++)
			if (!isfinite(channel(cal, c)[i]))
				return err_set(
					err, STATUS_NONFINITE,
					"cannot calibrate the gate: channel %d holds a value "
					"that is not finite",
					c);
	if (!gate->threshold)
		gate->threshold = xmalloc(bytes);
	if (!gate->low)
		gate->low = xmalloc(bytes);
	if (!gate->high)
		gate->high = xmalloc(bytes);
	if (!gate->mean)
		gate->mean = xmalloc(bytes);
	for (c = 0; c < cal->channels; c++)
		finish_channel(channel(cal, c), cal->n, rule, &gate->threshold[c], &gate->low[c],
			       &gate->high[c], &gate->mean[c]);
	return 0;
}
