/*
 * b-fedavg [VARIANT [CLIENTS]] - federated averaging of weight files (YOLOv5n, 4 clients, as float32 and
 * as float16) in the page cache to /dev/null, against memcpy of as many bytes on one thread. Every file
 * goes through SHA-256 once (mist.parents). GB are of what is read. Tab-separated.
 */
#include "base/file.h"
#include "bench.h"
#include "fed/strategy.h"
#include "io/digest.h"
#include "model/model.h"

enum { MOST = 64 };

struct bench {
	char *file[MOST];
	int n;
};

static void average(void *bench)
{
	struct bench *b = bench;
	struct strategy_options opt;
	struct err err = ERR_INIT;

	strategy_defaults(&opt);
	if (strategy_run(b->file, b->n, "/dev/null", &opt, &err))
		bench_fail(&err);
}

static void digests(void *bench)
{
	struct bench *b = bench;
	struct err err = ERR_INIT;
	char hex[DIGEST_HEX];
	int i;

	for (i = 0; i < b->n; i++)
		if (digest_file(b->file[i], hex, &err))
			bench_fail(&err);
}

static size_t write_clients(struct bench *b, struct model *m, bool half, const char *dir)
{
	struct err err = ERR_INIT;
	size_t bytes = 0;
	int i;

	for (i = 0; i < b->n; i++) {
		b->file[i] = xasprintf("%s/edge%d.safetensors", dir, i);
		m->params[0] = (float)i; /* no two alike */
		model_set_meta(m, "mist.samples", "64");
		if (half ? model_save_half(m, b->file[i], &err) : model_save(m, b->file[i], &err))
			bench_fail(&err);
		bytes += bench_file_bytes(b->file[i]);
	}
	return bytes;
}

static void run(struct model *m, bool half, int n)
{
	static const char *const names[] = {"fedavg", "SHA-256 alone", "copy"};
	char *dir = bench_tmpdir();
	struct bench b = {.n = n};
	struct bench_copy copy;
	const struct bench_task tasks[] = {{average, &b}, {digests, &b}, {bench_copy_once, &copy}};
	const int ntasks = (int)ARRAY_LEN(tasks);
	double times[ARRAY_LEN(tasks)];
	const size_t bytes = write_clients(&b, m, half, dir);
	int i;

	bench_copy_init(&copy, NULL, bytes);
	bench_interleave(tasks, ntasks, 1, times);
	for (i = 0; i < ntasks; i++)
		printf("%s\t%s\t%.2f\t%.2f\t%.0f%%\n", half ? "f16" : "f32", names[i],
		       times[i] * 1e3 / n, (double)bytes / times[i] * 1e-9,
		       100 * times[ntasks - 1] / times[i]);
	for (i = 0; i < n; i++)
		free(b.file[i]);
	bench_copy_release(&copy);
	bench_rmdir(dir);
}

int main(int argc, char **argv)
{
	const char variant = argc > 1 ? *argv[1] : 'n';
	const int n = bench_int(argc, argv, 2, bench_quick() ? 2 : 4);
	struct model *m;

	if (n < 1 || n > MOST) {
		fprintf(stderr, "b-fedavg: between 1 and %d clients\n", MOST);
		return 2;
	}
	m = bench_model(variant);
	bench_print_processor();
	printf("# %d clients, YOLOv5%c, 1 thread\n", n, variant);
	printf("values\tpass\tms/client\tGB/s\tof copy\n");
	run(m, false, n);
	run(m, true, n);
	model_free(m);
	return 0;
}
