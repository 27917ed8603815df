#include "base/clock.h"

double clock_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void clock_utc(time_t t, char out[CLOCK_UTC])
{
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(out, CLOCK_UTC, "%Y-%m-%dT%H:%M:%SZ", &tm);
}
