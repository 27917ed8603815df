#include "base/num.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int bad(const char *what, const char *text, const char *want, struct err *err)
{
	return err_set(err, STATUS_USAGE, "%s: '%s' is not %s", what, text, want);
}

int num_long(const char *what, const char *text, long min, long max, long *out, struct err *err)
{
	char *end;
	long v;

	errno = 0;
	v = strtol(text, &end, 10);
	if (end == text || *end || isspace((unsigned char)text[0]))
		return bad(what, text, "a whole number", err);
	if (errno == ERANGE || v < min || v > max)
		return err_set(err, STATUS_USAGE, "%s: %s is not between %ld and %ld", what, text,
			       min, max);
	*out = v;
	return 0;
}

static int u64_prefix(const char *text, uint64_t *out, char **end)
{
	unsigned long long v;

	if (!isdigit((unsigned char)text[0])) /* strtoull takes "-1" */
		return -1;
	errno = 0;
	v = strtoull(text, end, 10);
	if (errno == ERANGE)
		return -1;
	*out = v;
	return 0;
}

int num_u64(const char *what, const char *text, uint64_t *out, struct err *err)
{
	char *end;

	if (u64_prefix(text, out, &end) || *end)
		return bad(what, text, "a whole number from 0 to 18446744073709551615", err);
	return 0;
}

int num_double(const char *what, const char *text, double min, double max, double *out,
	       struct err *err)
{
	char *end;
	double v;

	errno = 0;
	v = strtod(text, &end);
	if (end == text || *end || isspace((unsigned char)text[0]))
		return bad(what, text, "a number", err);
	if (!isfinite(v))
		return bad(what, text, "a finite number", err);
	if (v < min || v > max)
		return err_set(err, STATUS_USAGE, "%s: %s is not between %g and %g", what, text,
			       min, max);
	*out = v;
	return 0;
}

int num_size(const char *what, const char *text, uint64_t *out, struct err *err)
{
	static const char units[] = "KMG";
	static const char want[] = "a size such as 900M (bytes, or K, M, G)";
	const char *suffix;
	uint64_t v;
	char *end;
	int shift = 0;

	if (u64_prefix(text, &v, &end))
		return bad(what, text, want, err);
	if (*end) {
		suffix = strchr(units, toupper((unsigned char)*end));
		if (!suffix || (end[1] && strcmp(end + 1, "iB") && strcmp(end + 1, "i")))
			return bad(what, text, want, err);
		shift = 10 * (int)(suffix - units + 1);
	}
	if (v > UINT64_MAX >> shift)
		return bad(what, text, want, err);
	*out = v << shift;
	return 0;
}

int num_duration(const char *what, const char *text, double *out, struct err *err)
{
	static const char units[] = "smhd";
	static const double seconds[] = {1, 60, 3600, 86400};
	static const char want[] = "a time such as 90, 90s, 15m, 8h or 2d";
	const char *unit;
	char *end;
	double v;

	v = strtod(text, &end);
	if (end == text || isspace((unsigned char)text[0]) || !isfinite(v) || v < 0 || v > 1e9)
		return bad(what, text, want, err);
	unit = *end ? strchr(units, *end) : units;
	if (!unit || (*end && end[1]))
		return bad(what, text, want, err);
	*out = v * seconds[unit - units];
	return 0;
}
