#include "job/quantity.h"

#include "base/mem.h"
#include "base/num.h"

#include <math.h>
#include <string.h>

static const struct suffix {
	const char *text;
	double factor;
} suffixes[] = {
	{"Ki", 1024.0},
	{"Mi", 1048576.0},
	{"Gi", 1073741824.0},
	{"Ti", 1099511627776.0},
	{"Pi", 1125899906842624.0},
	{"k", 1e3},
	{"M", 1e6},
	{"G", 1e9},
	{"T", 1e12},
	{"P", 1e15},
	{"m", 1e-3},
	{"", 1.0},
};

static int quantity(const char *what, const char *text, double *out, struct err *err)
{
	size_t len = strlen(text), i;
	char number[64];
	double value;

	for (i = 0; i < ARRAY_LEN(suffixes); i++) {
		size_t n = strlen(suffixes[i].text);

		if (len <= n || len - n >= sizeof(number) ||
		    strcmp(text + len - n, suffixes[i].text) != 0)
			continue;
		memcpy(number, text, len - n);
		number[len - n] = '\0';
		if (num_double(what, number, 0, 1e18, &value, err))
			break;
		*out = value * suffixes[i].factor;
		return 0;
	}
	return err_set(err, STATUS_INPUT, "%s: '%s' is not a quantity such as 2Gi or 500M", what,
		       text);
}

int quantity_bytes(const char *what, const char *text, uint64_t *out, struct err *err)
{
	const double least = 1048576.0, most = 1125899906842624.0;
	double bytes;

	if (quantity(what, text, &bytes, err))
		return -1;
	if (bytes < least || bytes > most)
		return err_set(err, STATUS_INPUT, "%s: '%s' is not between 1Mi and 1Pi", what,
			       text);
	*out = (uint64_t)ceil(bytes);
	return 0;
}

int quantity_cpus(const char *what, const char *text, int *out, struct err *err)
{
	double cpus;

	if (quantity(what, text, &cpus, err))
		return -1;
	if (cpus <= 0 || cpus > 1024)
		return err_set(err, STATUS_INPUT, "%s: '%s' is not between 1m and 1024", what,
			       text);
	*out = (int)ceil(cpus);
	return 0;
}
