/*
 * pool.h - threads. A pool runs numbered jobs; which thread runs which job is not fixed, so a job's
 * result must depend on its number alone: split work by shape, never by pool_threads(). That is
 * what makes every output the same on any number of threads.
 */
#ifndef MIST_BASE_POOL_H
#define MIST_BASE_POOL_H

#include <stddef.h>

struct pool;

/* threads <= 0: as many as the processors this process may use. Never NULL. */
struct pool *pool_new(int threads);
void pool_free(struct pool *pool);
int pool_threads(const struct pool *pool);

/*
 * Calls fn(ctx, job, worker) for job = 0 … jobs-1, low numbers first, and returns when all are
 * done. worker is 0 … pool_threads()-1, for scratch memory. The caller's thread works too. A NULL
 * pool runs everything on the caller's thread. Not re-entrant.
 */
void pool_run(struct pool *pool, int jobs, void (*fn)(void *ctx, int job, int worker), void *ctx);

/*
 * The same but for the order: each thread begins with its own part of the jobs, a run of neighbours,
 * and helps the others when it is through. For sweeps over data, one after another: where they are
 * cut alike, a core finds in its cache what it wrote before.
 */
void pool_spread(struct pool *pool, int jobs, void (*fn)(void *ctx, int job, int worker),
		 void *ctx);

/* The processors this process may use. */
int pool_processors(void);

#endif
