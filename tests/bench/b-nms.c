/*
 * b-nms [SIZE] - decoding and suppression of one image's raw maps (SIZE 640: 25,200 boxes, 80 classes)
 * on one thread, against reading those maps (a copy of as many bytes). Tab-separated.
 */
#include "bench.h"
#include "model/model.h"
#include "nms-cases.h"

enum { MAPS = 3, MAX_DET = 1000 };

struct bench {
	struct nms *nms;
	struct view maps[MAPS];
	struct det dets[MAX_DET];
	int kept;
};

static void suppress(void *bench)
{
	struct bench *b = bench;

	b->kept = nms_run(b->nms, b->maps, MAPS, 0, b->dets);
}

static void run(const struct nms_case *c, const struct model *m, int size)
{
	struct bench b = {.nms = nms_new(m->graph, &c->opt)};
	struct bench_copy copy;
	const struct bench_task tasks[] = {{suppress, &b}, {bench_copy_once, &copy}};
	double times[ARRAY_LEN(tasks)];
	size_t bytes = 0;
	int i;

	nms_case_maps(c, m->graph, size, size, b.maps);
	for (i = 0; i < MAPS; i++)
		bytes += view_image(&b.maps[i]) * sizeof(float);
	bench_copy_init(&copy, NULL, bytes);
	bench_interleave(tasks, ARRAY_LEN(tasks), 1, times);
	printf("%s\t%d\t%d\t%.3f\t%.1f\t%.0f%%\n", c->name, detect_boxes(m->graph, b.maps), b.kept,
	       times[0] * 1e3, (double)bytes / times[0] * 1e-9, 100 * times[1] / times[0]);
	for (i = 0; i < MAPS; i++)
		free(b.maps[i].p);
	bench_copy_release(&copy);
	nms_free(b.nms);
}

int main(int argc, char **argv)
{
	const int size = bench_int(argc, argv, 1, bench_quick() ? 128 : 640);
	struct model *m = bench_model('n');
	size_t i;

	bench_print_processor();
	printf("# %d pixels, 80 classes, 1 thread\ncase\tboxes\tkept\tms/image\tGB/s\tof copy\n",
	       size);
	for (i = 0; i < ARRAY_LEN(nms_cases); i++)
		run(&nms_cases[i], m, size);
	model_free(m);
	return 0;
}
