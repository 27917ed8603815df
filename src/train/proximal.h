/*
 * proximal.h - FedProx (Li et al. 2020, "Federated optimization in heterogeneous networks", equation 2):
 * the loss of a step gets mu/2 |w - w0|^2, where w0 are the weights that training started from, so that
 * clients of different data do not drift apart. Of trained parameters only.
 *
 * The loss of a step is what train.py sums: means over a batch times its size, added up to --nbs images.
 */
#ifndef MIST_TRAIN_PROXIMAL_H
#define MIST_TRAIN_PROXIMAL_H

#include "nn/graph.h"

/* grads += mu * (w - start) for what is trained of layers >= from; arenas as the graph lays them out. */
void proximal_add(const struct graph *g, int from, double mu, const float *w, const float *start,
		  float *grads);

#endif
