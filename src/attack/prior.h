/*
 * prior.h - what photographs are like: mostly smooth, with edges where all colours change at once.
 * Vectorial total variation (Rudin, Osher and Fatemi 1992; Blomgren and Chan 1998) in opponent
 * colours, the two chromatic ones weighing more, since photographs vary less in them.
 */
#ifndef MIST_ATTACK_PRIOR_H
#define MIST_ATTACK_PRIOR_H

/*
 * Of one picture x (h x w x 3, dense): sum over pixels of sqrt(sum_k (w_k d_k)^2 + .01^2) - .01, where d
 * runs over the differences to the right and below of the three opponent colours. Adds `weight` times
 * its gradient to dx; returns `weight` times its value.
 */
double prior_variation(const float *x, int h, int w, double weight, float *dx);

#endif
