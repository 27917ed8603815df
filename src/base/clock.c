#include "base/clock.h"

static double seconds_of(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double clock_seconds(void)
{
	return seconds_of(CLOCK_MONOTONIC);
}

double clock_wall(void)
{
	return seconds_of(CLOCK_REALTIME);
}

void clock_utc(time_t t, char out[CLOCK_UTC])
{
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(out, CLOCK_UTC, "%Y-%m-%dT%H:%M:%SZ", &tm);
}
