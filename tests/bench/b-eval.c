/*
 * b-eval [IMAGES [DETECTIONS]] - saved detections judged by saved annotations, as large as COCO's
 * validation set: 5,000 images, 36,000 objects of 80 classes, and as many detections an image as YOLOv5n
 * finds there with confidence .001 (235 on COCO128). Both protocols; as a call, and as mist-eval from
 * start to end. GB are of JSON, against memcpy of as many bytes. Tab-separated.
 */
#include "base/file.h"
#include "base/rng.h"
#include "bench.h"
#include "eval/evaluate.h"

#include <math.h>
#include <spawn.h>
#include <sys/wait.h>

enum { CLASSES = 80, WIDTH = 640, HEIGHT = 480 };

extern char **environ;

struct bench {
	char *predictions, *annotations, *program;
	struct pool *pool;
	const char *protocol;
	unsigned protocols;
};

static struct box draw_box(struct rng *r)
{
	struct box b;

	/* from 8 pixels to half the picture, small ones more often */
	b.w = 8 * exp2(5 * rng_double(r));
	b.h = fmin(b.w * exp2(rng_range(r, -1, 1)), HEIGHT);
	b.x = rng_range(r, 0, WIDTH - b.w);
	b.y = rng_range(r, 0, HEIGHT - b.h);
	return b;
}

/* Every other detection is near an object; scores as a detector's, most of them low. */
static void draw_detections(struct rng *r, const struct truth *t, int nt, int n, int image,
			    struct boxset *set)
{
	int i;

	for (i = 0; i < n; i++) {
		struct detection d = {.image = image, .cls = (int)rng_below(r, CLASSES)};

		d.box = draw_box(r);
		d.score = 0.001 + 0.999 * pow(rng_double(r), 8);
		if (nt && i % 2) {
			const struct truth *near = &t[rng_below(r, (uint32_t)nt)];

			d.box = near->box;
			d.box.x += 0.2 * d.box.w * rng_normal(r);
			d.box.y += 0.2 * d.box.h * rng_normal(r);
			d.cls = rng_below(r, 4) ? near->cls : d.cls;
		}
		boxset_add_detection(set, &d);
	}
}

/* The annotations are printed, the detections go through the project's own writer. */
static void draw(const struct bench *b, int images, int objects, int dets)
{
	struct boxset set = {.nimages = images, .nclasses = CLASSES};
	char **keys = xcalloc((size_t)images, sizeof(*keys));
	struct truth *t = xcalloc((size_t)objects + 1, sizeof(*t));
	struct buf json = BUF_INIT;
	struct err err = ERR_INIT;
	int i, k, done = 0;

	buf_add_str(&json, "{\"images\":[");
	for (i = 0; i < images; i++) {
		keys[i] = xasprintf("%012d", i + 1);
		buf_printf(&json, "%s{\"id\":%d,\"width\":%d,\"height\":%d}", i ? "," : "", i + 1,
			   WIDTH, HEIGHT);
	}
	buf_add_str(&json, "],\"categories\":[");
	for (k = 0; k < CLASSES; k++)
		buf_printf(&json, "%s{\"id\":%d,\"name\":\"%d\"}", k ? "," : "", k, k);
	buf_add_str(&json, "],\"annotations\":[");
	for (i = 0; i < images; i++) {
		const int upto = (int)((double)objects * (i + 1) / images), nt = upto - done;
		struct rng r;

		rng_init(&r, 1, "b-eval", (uint64_t)i);
		for (k = 0; k < nt; k++) {
			t[k] = (struct truth){.cls = (int)rng_below(&r, CLASSES), .image = i};
			t[k].box = draw_box(&r);
			buf_printf(&json,
				   "%s{\"id\":%d,\"image_id\":%d,\"category_id\":%d,\"bbox\":[%.2f,"
				   "%.2f,%.2f,%.2f],\"area\":%.4f,\"iscrowd\":0}",
				   done + k ? "," : "", done + k + 1, i + 1, t[k].cls, t[k].box.x,
				   t[k].box.y, t[k].box.w, t[k].box.h,
				   0.7 * t[k].box.w * t[k].box.h);
		}
		done = upto;
		draw_detections(&r, t, nt, dets, i, &set);
	}
	buf_add_str(&json, "]}");
	if (file_write(b->annotations, json.data, json.len, &err) ||
	    cocojson_write_results(b->predictions, &set, keys, NULL, &err))
		bench_fail(&err);
	names_free(keys, (size_t)images);
	buf_release(&json);
	boxset_release(&set);
	free(t);
}

static void call(void *bench)
{
	const struct bench *b = bench;
	struct evaluate_options opt;
	struct evaluation result;
	struct annotations a;
	struct err err = ERR_INIT;

	evaluate_defaults(&opt);
	opt.protocols = b->protocols;
	if (evaluate_saved(&result, &a, b->predictions, b->annotations, &opt, b->pool, &err))
		bench_fail(&err);
	evaluation_release(&result);
	annotations_release(&a);
}

static void program(void *bench)
{
	struct bench *b = bench;
	char *argv[] = {
		b->program,   "--predictions",     b->predictions, "--annotations", b->annotations,
		"--protocol", (char *)b->protocol, "-o",           "/dev/null",     NULL};
	int status = -1;
	pid_t pid;

	if (posix_spawn(&pid, b->program, NULL, NULL, argv, environ) ||
	    waitpid(pid, &status, 0) != pid || status) {
		fprintf(stderr, "b-eval: '%s' failed\n", b->program);
		exit(4);
	}
}

static void run(struct bench *b, const char *protocol, unsigned protocols)
{
	static const char *const names[] = {"call", "mist-eval", "copy"};
	const size_t bytes = bench_file_bytes(b->predictions) + bench_file_bytes(b->annotations);
	struct bench_copy copy;
	const struct bench_task tasks[] = {{call, b}, {program, b}, {bench_copy_once, &copy}};
	const int n = (int)ARRAY_LEN(tasks);
	double times[ARRAY_LEN(tasks)];
	int i;

	b->protocol = protocol;
	b->protocols = protocols;
	bench_copy_init(&copy, NULL, bytes);
	bench_interleave(tasks, n, pool_threads(b->pool), times);
	for (i = 0; i < n; i++)
		printf("%s\t%s\t%.3f\t%.3f\t%.1f%%\n", protocol, names[i], times[i],
		       (double)bytes / times[i] * 1e-9, 100 * times[n - 1] / times[i]);
	bench_copy_release(&copy);
}

int main(int argc, char **argv)
{
	const int images = bench_int(argc, argv, 1, bench_quick() ? 50 : 5000);
	const int dets = bench_int(argc, argv, 2, 235), objects = (int)(7.2 * images);
	char *dir = bench_tmpdir(), *here = path_dir(argv[0]);
	struct bench b = {.predictions = path_join(dir, "predictions.json"),
			  .annotations = path_join(dir, "annotations.json"),
			  .program = path_join(here, "../../tools/mist-eval"),
			  .pool = pool_new(0)};

	draw(&b, images, objects, dets);
	bench_print_processor();
	printf("# %d images, %d objects, %d detections, %d threads\n", images, objects,
	       images * dets, pool_threads(b.pool));
	printf("protocol\tas\tseconds\tGB/s\tof copy\n");
	run(&b, "yolov5", PROTOCOL_YOLO);
	run(&b, "coco", PROTOCOL_COCO);
	run(&b, "both", PROTOCOL_YOLO | PROTOCOL_COCO);
	pool_free(b.pool);
	free(b.predictions);
	free(b.annotations);
	free(b.program);
	free(here);
	bench_rmdir(dir);
	return 0;
}
