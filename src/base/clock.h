/* clock.h - what time it is: to measure by, and to write down. */
#ifndef MIST_BASE_CLOCK_H
#define MIST_BASE_CLOCK_H

#include <time.h>

/* Seconds of a clock that is never set, from some moment on: for differences. */
double clock_seconds(void);

/* Seconds since 1970, as the machine's clock has them. */
double clock_wall(void);

#define CLOCK_UTC 32 /* bytes */
/* "2026-11-22T21:17:00Z", as RFC 3339 has it. */
void clock_utc(time_t t, char out[CLOCK_UTC]);

#endif
