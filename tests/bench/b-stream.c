/*
 * b-stream [SAMPLES] - feature streams of what crosses YOLOv5n's cut 4 at 640 pixels: written (to
 * /dev/null), read (from the page cache), and two clients' aggregated, against memcpy on one thread.
 * Every byte goes through SHA-256 once on either way, so that is timed too. GB are of the stream.
 * Tab-separated.
 */
#include "base/file.h"
#include "bench.h"
#include "fed/merge.h"
#include "io/digest.h"
#include "mist/features.h"

enum { CUT = 4, CLASSES = 80, C = 64, SIDE = 80, CLIENTS = 2 };

struct bench {
	struct features_header h;
	unsigned char *payload;
	int samples;
	char *file[CLIENTS];
	size_t bytes; /* of one file */
};

static struct features_header header_new(enum encoding encoding, const char *client)
{
	struct features_header h = {.cut = CUT,
				    .img = 8 * SIDE,
				    .ntensors = 1,
				    .encoding = encoding,
				    .releases = 1,
				    .nnames = CLASSES};
	const bool noisy = encoding == ENCODING_BIT;
	struct err err = ERR_INIT;
	struct noise noise;
	int i;

	if (noise_init(&noise, noisy ? MECHANISM_RR : MECHANISM_NONE, 1, NULL, &err))
		bench_fail(&err);
	h.client = xstrdup(client);
	h.program = xstrdup("b-stream");
	h.labels = xstrdup("clear");
	memset(h.extractor, 'a', 64);
	h.mechanism = noise.mechanism;
	h.epsilon = noise.epsilon;
	h.epsilon_effective = noise.epsilon_effective;
	h.q = noise.q;
	h.shape[0].c = C;
	h.shape[0].h = h.shape[0].w = SIDE;
	h.names = xcalloc(CLASSES, sizeof(*h.names));
	for (i = 0; i < CLASSES; i++)
		h.names[i] = xasprintf("class %d", i);
	h.gates = (struct gates){CUT, 1, xcalloc(1, sizeof(struct gate))};
	gate_init(&h.gates.gate[0], encoding, C);
	gate_set_noise(&h.gates.gate[0], &noise);
	noise_release(&noise);
	return h;
}

static void write_stream(const struct bench *b, const char *path, const char *client)
{
	static const struct label labels[] = {{0, .5F, .25F, .125F, .0625F},
					      {1, .1F, .2F, .2F, .3F}};
	struct features_sample s = {.labels = labels,
				    .nlabels = 2,
				    .json = "{\"width\":640,\"height\":480}",
				    .data = {b->payload},
				    .size = {gate_payload_bytes(b->h.encoding, C, SIDE, SIDE)}};
	struct err err = ERR_INIT;
	struct features_writer *w = features_create(path, &b->h, &err);
	char key[64];
	int i;

	for (i = 0; w && i < b->samples; i++) {
		snprintf(key, sizeof(key), "%s-%012d", client, i);
		s.key = key;
		b->payload[0] =
			(unsigned char)client[strlen(client) - 1]; /* no two samples alike */
		memcpy(b->payload + 4, &i, sizeof(i));
		if (features_write(w, &s, &err))
			bench_fail(&err);
	}
	if (!w || features_finish(w, &err))
		bench_fail(&err);
}

static void write_null(void *bench)
{
	write_stream(bench, "/dev/null", "edge0");
}

static void read_all(void *bench)
{
	const struct bench *b = bench;
	struct err err = ERR_INIT;
	struct features_reader *r = features_open(b->file[0], &err);
	struct features_sample s;
	int rc = 1;

	while (r && (rc = features_next(r, &s, &err)) == 1)
		;
	if (!r || rc || features_count(r) != b->samples)
		bench_fail(&err);
	features_close(r);
}

static void aggregate(void *bench)
{
	struct bench *b = bench;
	const struct merge_options opt = {0};
	struct merge_result result;
	struct err err = ERR_INIT;

	if (merge_streams(b->file, CLIENTS, "/dev/null", &opt, &result, &err))
		bench_fail(&err);
	BUG_IF(result.samples != (long)CLIENTS * b->samples);
}

static void digest(void *copy)
{
	const struct bench_copy *c = copy;
	char hex[DIGEST_HEX];

	digest_bytes(c->from, c->bytes, hex);
}

static void bench_make(struct bench *b, enum encoding encoding, int samples, const char *dir)
{
	const size_t size = gate_payload_bytes(encoding, C, SIDE, SIDE);
	int i;

	*b = (struct bench){.samples = samples};
	b->payload = xaligned(size);
	memset(b->payload, 1, size); /* floats: small numbers */
	for (i = 0; i < CLIENTS; i++) {
		char client[16];

		snprintf(client, sizeof(client), "edge%d", i);
		b->h = header_new(encoding, client);
		b->file[i] = xasprintf("%s/%s.tar", dir, client);
		write_stream(b, b->file[i], client);
		if (i + 1 < CLIENTS)
			features_header_release(&b->h);
	}
	b->bytes = bench_file_bytes(b->file[0]);
}

static void bench_release(struct bench *b)
{
	int i;

	for (i = 0; i < CLIENTS; i++)
		free(b->file[i]);
	features_header_release(&b->h);
	free(b->payload);
}

static void run(enum encoding encoding, int samples)
{
	static const char *const names[] = {"write", "read", "aggregate", "SHA-256 alone", "copy"};
	char *dir = bench_tmpdir();
	struct bench_copy copy;
	struct bench b;
	const struct bench_task tasks[] = {{write_null, &b},
					   {read_all, &b},
					   {aggregate, &b},
					   {digest, &copy},
					   {bench_copy_once, &copy}};
	const int n = (int)ARRAY_LEN(tasks);
	double times[ARRAY_LEN(tasks)];
	int i;

	bench_make(&b, encoding, samples, dir);
	bench_copy_init(&copy, NULL, b.bytes);
	bench_interleave(tasks, n, 1, times);
	for (i = 0; i < n; i++) {
		const double files = tasks[i].fn == aggregate ? CLIENTS : 1;

		printf("%s\t%s\t%.3f\t%.2f\t%.0f%%\n", encoding_names[encoding], names[i],
		       times[i] * 1e3 / samples / files, files * (double)b.bytes / times[i] * 1e-9,
		       100 * times[n - 1] / times[i] * files);
	}
	bench_copy_release(&copy);
	bench_release(&b);
	bench_rmdir(dir);
}

int main(int argc, char **argv)
{
	const int samples = bench_int(argc, argv, 1, bench_quick() ? 3 : 128);

	bench_print_processor();
	printf("# %d samples of %d x %d x %d, 1 thread\n", samples, C, SIDE, SIDE);
	printf("encoding\tpass\tms/sample\tGB/s\tof copy\n");
	run(ENCODING_BIT, samples);
	run(ENCODING_F32, (samples + 3) / 4);
	return 0;
}
