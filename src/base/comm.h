/*
 * comm.h - several processes that work on one thing: ranks 0 … size-1, the same program each.
 *
 * Built with MPI (configure --with-mpi) and started by mpirun or srun there are as many as asked for;
 * else there is one, every call is free, and nothing else of the library knows the difference. A
 * NULL comm is one rank, too. All ranks must make the same calls in the same order. Sums are taken in
 * the order of the ranks, so they are the same bits on every rank and in every run.
 */
#ifndef MIST_BASE_COMM_H
#define MIST_BASE_COMM_H

#include "base/err.h"
#include "base/mem.h"

struct comm;

/* Once a process. NULL on error. */
struct comm *comm_open(struct err *err);
void comm_close(struct comm *c);
int comm_rank(const struct comm *c);
int comm_size(const struct comm *c);

/* v[i] = sum over ranks; floats are added in double precision. */
void comm_sum(struct comm *c, double *v, size_t n);
void comm_sum_floats(struct comm *c, float *v, size_t n);
/* `all` gets what every rank has, one after the other (cleared first); size[rank] bytes are its. */
void comm_gather(struct comm *c, const void *mine, size_t size, struct buf *all, size_t *sizes);
/*
 * Did it (rc, err) succeed on every rank? 0, or -1 on all: the first rank that failed keeps its sentence,
 * the others get its status and no sentence, so that one is printed.
 */
int comm_settle(struct comm *c, int rc, struct err *err);

#endif
