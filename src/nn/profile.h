/*
 * profile.h - where the time of a run went: a table per layer and operation of its networks, and of
 * the parts between them, against sgemm and a copy of memory timed in the same run.
 *
 *	p = profile_new();
 *	t = clock_seconds();  read_pictures();  t = profile_lap(p, "input", t);
 *	net_forward(…);  …  profile_net(p, net);	before the net is freed
 *	profile_text(p, pool, path, seconds, images, &text);
 *
 * A NULL profile takes nothing. Not thread-safe: one caller.
 */
#ifndef MIST_NN_PROFILE_H
#define MIST_NN_PROFILE_H

#include "base/mem.h"
#include "nn/net.h"

struct profile;
struct profile *profile_new(void);
void profile_free(struct profile *p); /* NULL is harmless */

/* The time since `start` went into `what` (borrowed for ever: a literal); returns the time now. */
double profile_lap(struct profile *p, const char *what, double start);
/* Adds what the net's operations took since it was made or reset, and resets it. */
void profile_net(struct profile *p, struct net *net);

/*
 * The table: milliseconds per image, share of the whole, rate, and that as a percentage of sgemm (of
 * operations that multiply) or of a copy (of those that move memory; both are timed here, on the
 * pool's threads). What `seconds`, the whole run, holds beyond the rows is "everything else", so
 * that the column adds up.
 */
void profile_text(const struct profile *p, struct pool *pool, enum conv_path path, double seconds,
		  double images, struct buf *out);

#endif
