#include "base/comm.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_MPI
#include <mpi.h>
#endif

struct comm {
	int rank, size;
};

int comm_rank(const struct comm *c)
{
	return c ? c->rank : 0;
}

int comm_size(const struct comm *c)
{
	return c ? c->size : 1;
}

#ifdef HAVE_MPI
/* What one message may hold: its count is an int. */
#define MOST ((size_t)1 << 28)

/* Were we started by something that starts ranks? Else MPI need not be woken, which takes long. */
static bool is_launched(void)
{
	return getenv("OMPI_COMM_WORLD_SIZE") || getenv("PMIX_RANK") || getenv("PMI_RANK");
}

struct comm *comm_open(struct err *err)
{
	struct comm *c = xmalloc(sizeof(*c));
	int level;

	*c = (struct comm){0, 1};
	if (!is_launched())
		return c;
	if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level) ||
	    MPI_Comm_rank(MPI_COMM_WORLD, &c->rank) || MPI_Comm_size(MPI_COMM_WORLD, &c->size)) {
		free(c);
		err_set(err, STATUS_SYSTEM, "MPI cannot be started");
		return NULL;
	}
	return c;
}

void comm_close(struct comm *c)
{
	int is_up = 0;

	MPI_Initialized(&is_up);
	if (c && is_up)
		MPI_Finalize();
	free(c);
}

void comm_sum(struct comm *c, double *v, size_t n)
{
	double *all;
	size_t i;
	int r;

	if (comm_size(c) == 1)
		return;
	BUG_IF(n > MOST);
	all = xreallocarray(NULL, n * (size_t)c->size, sizeof(*all));
	MPI_Allgather(v, (int)n, MPI_DOUBLE, all, (int)n, MPI_DOUBLE, MPI_COMM_WORLD);
	memcpy(v, all, n * sizeof(*v));
	for (r = 1; r < c->size; r++)
		for (i = 0; i < n; i++)
			v[i] += all[(size_t)r * n + i];
	free(all);
}

/* Every rank adds up a share of the values, and all get all shares. */
static void sum_floats(struct comm *c, float *v, size_t n)
{
	const size_t share = n / (size_t)c->size;
	float *parts = xreallocarray(NULL, share * (size_t)c->size + 1, sizeof(*parts)), *mine;
	size_t i;
	int r;

	MPI_Alltoall(v, (int)share, MPI_FLOAT, parts, (int)share, MPI_FLOAT, MPI_COMM_WORLD);
	mine = v + share * (size_t)c->rank;
	for (i = 0; i < share; i++) {
		double sum = 0;

		for (r = 0; r < c->size; r++)
			sum += (double)parts[share * (size_t)r + i];
		mine[i] = (float)sum;
	}
	memcpy(parts, mine, share * sizeof(*parts));
	MPI_Allgather(parts, (int)share, MPI_FLOAT, v, (int)share, MPI_FLOAT, MPI_COMM_WORLD);
	free(parts);
}

void comm_sum_floats(struct comm *c, float *v, size_t n)
{
	double *rest;
	size_t done, m, i;

	if (comm_size(c) == 1)
		return;
	for (done = 0; done < n; done += m) {
		m = n - done < MOST ? n - done : MOST;
		sum_floats(c, v + done, m);
		/* what does not go into equal shares: fewer than there are ranks */
		rest = xcalloc((size_t)c->size, sizeof(*rest));
		for (i = 0; i < m % (size_t)c->size; i++)
			rest[i] = (double)v[done + m - 1 - i];
		comm_sum(c, rest, m % (size_t)c->size);
		for (i = 0; i < m % (size_t)c->size; i++)
			v[done + m - 1 - i] = (float)rest[i];
		free(rest);
	}
}

void comm_gather(struct comm *c, const void *mine, size_t size, struct buf *all, size_t *sizes)
{
	int *count, *at, bytes = (int)size, r, total = 0;

	buf_clear(all);
	sizes[0] = size;
	if (comm_size(c) == 1) {
		buf_add(all, mine, size);
		return;
	}
	BUG_IF(size > MOST);
	count = xcalloc((size_t)c->size, sizeof(*count));
	at = xcalloc((size_t)c->size, sizeof(*at));
	MPI_Allgather(&bytes, 1, MPI_INT, count, 1, MPI_INT, MPI_COMM_WORLD);
	for (r = 0; r < c->size; r++) {
		BUG_IF(count[r] > INT_MAX - total);
		at[r] = total;
		total += count[r];
		sizes[r] = (size_t)count[r];
	}
	buf_add_zeros(all, (size_t)total + 1);
	all->len--;
	MPI_Allgatherv(size ? mine : "", bytes, MPI_BYTE, all->data, count, at, MPI_BYTE,
		       MPI_COMM_WORLD);
	free(count);
	free(at);
}
#else
struct comm *comm_open(struct err *err)
{
	struct comm *c = xmalloc(sizeof(*c));

	(void)err;
	*c = (struct comm){0, 1};
	return c;
}

void comm_close(struct comm *c)
{
	free(c);
}

void comm_sum(struct comm *c, double *v, size_t n)
{
	(void)c;
	(void)v;
	(void)n;
}

void comm_sum_floats(struct comm *c, float *v, size_t n)
{
	(void)c;
	(void)v;
	(void)n;
}

void comm_gather(struct comm *c, const void *mine, size_t size, struct buf *all, size_t *sizes)
{
	(void)c;
	buf_clear(all);
	buf_add(all, mine, size);
	sizes[0] = size;
}
#endif

int comm_settle(struct comm *c, int rc, struct err *err)
{
	const int size = comm_size(c);
	double *status;
	int r;

	if (size == 1)
		return rc;
	status = xcalloc((size_t)size, sizeof(*status));
	status[comm_rank(c)] = rc ? (double)err->status : 0;
	comm_sum(c, status, (size_t)size);
	for (r = 0; r < size && !(status[r] > 0); r++)
		;
	if (r < size && r != comm_rank(c)) {
		err->status = (enum status)status[r];
		err->msg[0] = '\0';
	}
	free(status);
	return r < size ? -1 : 0;
}
