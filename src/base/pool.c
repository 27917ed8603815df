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

struct pool {
	int threads;
	pthread_t *thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	_Atomic unsigned round; /* one more for every pool_run */
	atomic_int next;        /* the next job */
	atomic_int busy;        /* workers not yet done with this round */
	atomic_bool stop;
	int sleepers;
	int jobs;
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

static void work(struct pool *p, int id)
{
	int job;

	while ((job = atomic_fetch_add(&p->next, 1)) < p->jobs)
		p->fn(p->ctx, job, id);
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
	free(p);
}

int pool_threads(const struct pool *pool)
{
	return pool ? pool->threads : 1;
}

void pool_run(struct pool *p, int jobs, void (*fn)(void *ctx, int job, int worker), void *ctx)
{
	int job, spins = 0;

	if (!p || p->threads == 1 || jobs <= 1) {
		for (job = 0; job < jobs; job++)
			fn(ctx, job, 0);
		return;
	}
	p->fn = fn;
	p->ctx = ctx;
	p->jobs = jobs;
	atomic_store(&p->next, 0);
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
