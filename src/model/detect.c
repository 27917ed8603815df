#include "model/detect.h"

#include <math.h>

static float sigmoid(float x)
{
	return 1 / (1 + expf(-x));
}

/* One box: centre and size in pixels, objectness, classes (models/yolo.py, Detect.forward). */
static void decode_box(const float *raw, int nc, int x, int y, int stride, const float anchor[2],
		       float *out)
{
	int k;

	out[0] = (sigmoid(raw[0]) * 2 - 0.5f + (float)x) * (float)stride;
	out[1] = (sigmoid(raw[1]) * 2 - 0.5f + (float)y) * (float)stride;
	for (k = 0; k < 2; k++) {
		const float s = sigmoid(raw[2 + k]) * 2;

		out[2 + k] = s * s * anchor[k];
	}
	for (k = 4; k < 5 + nc; k++)
		out[k] = sigmoid(raw[k]);
}

void detect_decode(const struct graph *g, const struct view *maps, int image, float *out)
{
	const int no = 5 + g->nc;
	int i, a, y, x;

	for (i = 0; i < g->nl; i++)
		for (a = 0; a < g->na; a++)
			for (y = 0; y < maps[i].h; y++)
				for (x = 0; x < maps[i].w; x++, out += no)
					decode_box(view_at(&maps[i], image, y, x) + a * no, g->nc,
						   x, y, g->strides[i], g->anchors[i][a], out);
}

int detect_boxes(const struct graph *g, const struct view *maps)
{
	int i, n = 0;

	for (i = 0; i < g->nl; i++)
		n += g->na * maps[i].h * maps[i].w;
	return n;
}
