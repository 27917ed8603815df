/*
 * torchpt.h - PyTorch checkpoints (.pt, .pth), read without running anything in them (pickle.h).
 *
 * A checkpoint is a zip archive of stored members: NAME/data.pkl and the storages NAME/data/KEY
 * (torch/serialization.py). Accepted are
 *   - Ultralytics' checkpoints: a dictionary whose `ema`, or else `model`, is a module; its tensors
 *     are named as state_dict() names them, its `yaml`, `names` and `nc` attributes are given too;
 *   - a module alone;
 *   - a state_dict: a dictionary of tensors, also under the key state_dict, model_state_dict or
 * model.
 *
 * Tensors of half, bfloat16, float, double, long, int, short, char, byte and bool storages; strides
 * and offsets are obeyed and checked against the storage before anything is read.
 */
#ifndef MIST_IO_TORCHPT_H
#define MIST_IO_TORCHPT_H

#include "base/err.h"
#include "base/mem.h"

#define TORCHPT_MAX_DIMS 8

struct torchpt_tensor {
	char *name;
	bool integer; /* else floating */
	int ndim;     /* 0: a scalar */
	size_t dim[TORCHPT_MAX_DIMS];
	size_t count; /* elements */
	/* private */
	const unsigned char *storage; /* element (0, …, 0) */
	size_t stride[TORCHPT_MAX_DIMS];
	int type;
};

struct torchpt {
	struct torchpt_tensor *tensors; /* in state_dict order, names unique */
	int ntensors;
	char *yaml;   /* the model's dictionary as YAML text; NULL: a state_dict has none */
	char **names; /* of the classes, in order; NULL: none */
	int nnames;
	/* private */
	struct torchpt_archive *archive;
};

/* "-": standard input. The file is held in memory until torchpt_free. NULL on error. */
struct torchpt *torchpt_read(const char *path, struct err *err);
struct torchpt *torchpt_parse(const char *name, const void *data, size_t size, struct err *err);
void torchpt_free(struct torchpt *pt);

/* NULL when absent. */
const struct torchpt_tensor *torchpt_find(const struct torchpt *pt, const char *name);
/* t->count values in C order, whatever the strides; integers become floats. */
void torchpt_floats(const struct torchpt_tensor *t, float *out);
/* The same for integer tensors. */
void torchpt_ints(const struct torchpt_tensor *t, int64_t *out);

#endif
