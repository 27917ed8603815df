/*
 * fuzz-cocojson.c - annotations and results of COCO: whatever is read can be evaluated, and figures
 * are finite. The first byte says which of the two the rest is.
 */
#include "base/mem.h"
#include "eval/cocojson.h"
#include "eval/metrics.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char ground[] =
	"{\"images\":[{\"id\":1,\"width\":500,\"height\":332},{\"id\":\"b\"}],\"categories\":"
	"[{\"id\":1,\"name\":\"a\"},{\"id\":3,\"name\":\"c\"}],\"annotations\":["
	"{\"image_id\":1,\"category_id\":1,\"bbox\":[10,10,50,40]},"
	"{\"image_id\":1,\"category_id\":1,\"bbox\":[12,10,50,40]},"
	"{\"image_id\":\"b\",\"category_id\":3,\"bbox\":[0,0,200,100],\"iscrowd\":1}]}";
static const char found[] =
	"[{\"image_id\":1,\"category_id\":1,\"bbox\":[11,10,50,40],\"score\":0.5}]";

static void evaluate(struct annotations *a, struct boxset *set)
{
	struct saved_by_val saved = {a->images, 640, GAIN_EXACT};
	struct metrics m = {.images = a->nimages};
	int i;

	metrics_compute(&m, set, PROTOCOL_BOTH, &saved, NULL);
	for (i = 0; i < COCO_FIGURES; i++)
		BUG_IF(!(m.coco.figure[i] >= -1 && m.coco.figure[i] <= 1));
	BUG_IF(!(m.yolo.map >= 0 && m.yolo.map <= 1) || !(m.yolo.p >= 0 && m.yolo.p <= 1));
	metrics_release(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_INIT;
	struct annotations a;
	struct boxset set;
	struct jsonpull p;
	bool annotations = size && data[0] == 'a';
	long skipped;
	int rc;

	if (!size)
		return 0;
	jsonpull_init(&p, "ground", annotations ? data + 1 : (const uint8_t *)ground,
		      annotations ? size - 1 : sizeof(ground) - 1);
	rc = cocojson_parse(&a, &set, &p, &err);
	jsonpull_close(&p);
	if (rc)
		return 0;
	jsonpull_init(&p, "found", annotations ? (const uint8_t *)found : data + 1,
		      annotations ? sizeof(found) - 1 : size - 1);
	rc = cocojson_parse_results(&set, &p, &a, &skipped, &err);
	jsonpull_close(&p);
	if (!rc)
		evaluate(&a, &set);
	annotations_release(&a);
	boxset_release(&set);
	return 0;
}
