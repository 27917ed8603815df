/*
 * shapes.h - the classes of synthetic pictures: which points lie inside a shape. Integers only, so that
 * every machine draws the same. A shape fits a circle of radius SHAPE_UNIT around (0, 0); y points
 * down.
 */
#ifndef MIST_DATA_SHAPES_H
#define MIST_DATA_SHAPES_H

#include <stdbool.h>

#define SHAPE_UNIT 1024

/* "circle", "square", …; NULL at and beyond shape_count(). */
const char *shape_name(int shape);
int shape_count(void);

/* Is the point inside the shape, `inset` units away from its outline? */
bool shape_inside(int shape, int x, int y, int inset);

#endif
