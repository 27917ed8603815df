#include "base/pool.h"

#include "base/err.h"
#include "base/mem.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
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

struct pool {
	int threads;
	pthread_t *thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	_Atomic unsigned round; /* one more for every pool_run */
	atomic_int busy;        /* workers not yet done with this round */
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

static void await_round(struct pool *p, unsigned seen)
{
	int i;

	for (i = 0; i < SPINS; i++) {
		if (atomic_load_explicit(&p->round, memory_order_acquire) != seen)
			return;
		relax();
	}
	pthread_mutex_lock(&p->lock);
	p->sleepers++;
	while (atomic_load(&p->round) == seen)
		pthread_cond_wait(&p->wake, &p->lock);
	p->sleepers--;
	pthread_mutex_unlock(&p->lock);
}

static void *worker_main(void *arg)
{
	struct worker w = *(struct worker *)arg;
	unsigned seen = 0;

	free(arg);
	for (;;) {
		await_round(w.pool, seen);
		seen++;
		if (atomic_load(&w.pool->stop))
			return NULL;
		work(w.pool, w.id);
		atomic_fetch_sub_explicit(&w.pool->busy, 1, memory_order_release);
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

static void begin_round(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	atomic_fetch_add_explicit(&p->round, 1, memory_order_release);
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
	atomic_store(&p->busy, p->threads - 1);
	begin_round(p);
	work(p, 0);
	while (atomic_load_explicit(&p->busy, memory_order_acquire)) {
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
