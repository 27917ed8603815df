#include "base/pool.h"

#include "base/err.h"
#include "base/mem.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

/* How often a worker looks for work before it sleeps: a layer takes tens of microseconds to some
 * milliseconds, and waking a sleeper costs about 50 µs of it. */
#define SPINS 20000

/* Jobs [next, end), one worker's before they are anyone's. On a cache line of its own. */
struct range {
	atomic_int next;
	int end;
	char rest[64 - sizeof(atomic_int) - sizeof(int)];
};

/*
 * What the threads agree by is one number: which round it is (one more for every pool_run), whether
 * it is open, and how many workers are in it. A worker that comes late, because the machine is busy
 * with something else, finds the round closed and nobody waiting for it: the others did its jobs.
 */
#define ROUND 32
#define OPEN  ((uint64_t)1 << 31)

struct pool {
	int threads;
	pthread_t *thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	_Atomic uint64_t state; /* round << ROUND | OPEN | workers in it */
	atomic_bool stop;
	int sleepers;
	struct range *ranges; /* one per thread */
	void (*fn)(void *, int, int);
	void *ctx;
};

struct worker {
	struct pool *pool;
	int id;
};

int pool_processors(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
		return CPU_COUNT(&set);
	return 1;
}

/* First one's own jobs, then what others have left. */
static void work(struct pool *p, int id)
{
	int k, job;

	for (k = 0; k < p->threads; k++) {
		struct range *r = &p->ranges[(id + k) % p->threads];

		while ((job = atomic_fetch_add(&r->next, 1)) < r->end)
			p->fn(p->ctx, job, id);
	}
}

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static uint32_t round_of(uint64_t state)
{
	return (uint32_t)(state >> ROUND);
}

/* Until there is another round than `seen`; its state. */
static uint64_t await_round(struct pool *p, uint32_t seen)
{
	uint64_t state;
	int i;

	for (i = 0; i < SPINS; i++) {
		state = atomic_load(&p->state);
		if (round_of(state) != seen)
			return state;
		relax();
	}
	pthread_mutex_lock(&p->lock);
	p->sleepers++;
	while (round_of(state = atomic_load(&p->state)) == seen)
		pthread_cond_wait(&p->wake, &p->lock);
	p->sleepers--;
	pthread_mutex_unlock(&p->lock);
	return state;
}

/* Whether the worker came before the round was closed; then it is counted. */
static bool enter(struct pool *p, uint64_t state)
{
	const uint32_t round = round_of(state);

	while (round_of(state) == round && (state & OPEN))
		if (atomic_compare_exchange_weak(&p->state, &state, state + 1))
			return true;
	return false;
}

static void *worker_main(void *arg)
{
	struct worker w = *(struct worker *)arg;
	uint64_t state = 0;

	free(arg);
	for (;;) {
		state = await_round(w.pool, round_of(state));
		if (atomic_load(&w.pool->stop))
			return NULL;
		if (!enter(w.pool, state))
			continue;
		work(w.pool, w.id);
		atomic_fetch_sub(&w.pool->state, 1);
	}
}

struct pool *pool_new(int threads)
{
	struct pool *p = xcalloc(1, sizeof(*p));
	int i;

	p->threads = threads > 0 ? threads : pool_processors();
	p->thread = xcalloc((size_t)p->threads, sizeof(*p->thread));
	p->ranges = xaligned((size_t)p->threads * sizeof(*p->ranges));
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	for (i = 1; i < p->threads; i++) {
		struct worker *w = xmalloc(sizeof(*w));

		*w = (struct worker){p, i};
		if (pthread_create(&p->thread[i], NULL, worker_main, w)) {
			free(w); /* fewer threads give the same results, later */
			p->threads = i;
		}
	}
	return p;
}

/* Nobody is in the round before: the number of workers is 0. */
static void begin_round(struct pool *p)
{
	const uint32_t next = round_of(atomic_load(&p->state)) + 1;

	pthread_mutex_lock(&p->lock);
	atomic_store(&p->state, (uint64_t)next << ROUND | OPEN);
	if (p->sleepers)
		pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

void pool_free(struct pool *p)
{
	int i;

	if (!p)
		return;
	atomic_store(&p->stop, true);
	begin_round(p);
	for (i = 1; i < p->threads; i++)
		pthread_join(p->thread[i], NULL);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	free(p->thread);
	free(p->ranges);
	free(p);
}

int pool_threads(const struct pool *pool)
{
	return pool ? pool->threads : 1;
}

static void run(struct pool *p, void (*fn)(void *ctx, int job, int worker), void *ctx)
{
	int spins = 0;

	p->fn = fn;
	p->ctx = ctx;
	begin_round(p);
	work(p, 0);
	atomic_fetch_and(&p->state, ~OPEN);
	while (atomic_load(&p->state) & (OPEN - 1)) {
		if (++spins < SPINS)
			relax();
		else
			sched_yield(); /* more threads than processors: let the last one run */
	}
}

/* Whether the caller can do it alone; then it is done. */
static bool run_alone(struct pool *p, int jobs, void (*fn)(void *ctx, int job, int worker),
		      void *ctx)
{
	int job;

	if (p && p->threads > 1 && jobs > 1)
		return false;
	for (job = 0; job < jobs; job++)
		fn(ctx, job, 0);
	return true;
}

void pool_run(struct pool *p, int jobs, void (*fn)(void *ctx, int job, int worker), void *ctx)
{
	int i;

	if (run_alone(p, jobs, fn, ctx))
		return;
	for (i = 0; i < p->threads; i++) { /* all of them in the first range: in order */
		p->ranges[i].end = i ? 0 : jobs;
		atomic_store(&p->ranges[i].next, 0);
	}
	run(p, fn, ctx);
}

void pool_spread(struct pool *p, int jobs, void (*fn)(void *ctx, int job, int worker), void *ctx)
{
	int i;

	if (run_alone(p, jobs, fn, ctx))
		return;
	for (i = 0; i < p->threads; i++) {
		p->ranges[i].end = (int)((long)jobs * (i + 1) / p->threads);
		atomic_store(&p->ranges[i].next, (int)((long)jobs * i / p->threads));
	}
	run(p, fn, ctx);
}
