/*
 * argsort.h - the order in which NumPy sorts, equal keys included.
 *
 * YOLOv5 sorts pictures by aspect ratio with `ar.argsort()`, whose default is an unstable quicksort:
 * where many pictures have one ratio, which of them share a batch (and so a rectangle) depends on
 * every step of it. Figures "as val.py --rect" need those steps: numpy/core/src/npysort/quicksort.cpp
 * (1.24 and before; later ones may use other code on some processors).
 */
#ifndef MIST_DATA_ARGSORT_H
#define MIST_DATA_ARGSORT_H

/* order: filled with 0 … n-1 so that key[order[…]] ascends. Keys are not NaN. */
void argsort(const double *key, int *order, int n);

#endif
