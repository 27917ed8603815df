#include "attack/victims.h"

#include <stdlib.h>
#include <string.h>

int victims_init(struct victims *v, const struct dataset *d, int limit, int img, struct err *err)
{
	const int n = limit > 0 && limit < d->nitems ? limit : d->nitems;

	*v = (struct victims){.set = d, .img = img};
	v->lb = xcalloc((size_t)n, sizeof(*v->lb));
	v->image = xcalloc((size_t)n, sizeof(*v->image));
	for (; v->n < n; v->n++)
		if (letterbox_read(d->items[v->n].path, img, &v->lb[v->n], &v->image[v->n], err))
			return -1;
	return 0;
}

void victims_release(struct victims *v)
{
	int i;

	for (i = 0; i < v->n; i++)
		image_release(&v->image[i]);
	free(v->image);
	free(v->lb);
	*v = (struct victims){0};
}

void victims_crop(const struct letterbox *lb, const struct image *boxed, struct image *out)
{
	const size_t row = 3 * (size_t)lb->new_w;
	int y;

	BUG_IF(boxed->w != lb->out_w || boxed->h != lb->out_h);
	image_alloc(out, lb->new_w, lb->new_h);
	for (y = 0; y < lb->new_h; y++)
		memcpy(out->rgb + (size_t)y * row,
		       boxed->rgb +
			       3 * ((size_t)(lb->top + y) * (size_t)boxed->w + (size_t)lb->left),
		       row);
}
