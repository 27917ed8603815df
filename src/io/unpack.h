/*
 * unpack.h - unpack an archive from a stranger into one folder and nowhere else.
 *
 * zip and tar, plain or compressed with gzip, xz or zstd; a single compressed file (x.gz) becomes a
 * file named without the suffix. Read through libarchive; what may be made on disk is decided here:
 * regular files, folders, hard links to files made before, and symbolic links that lead nowhere
 * outside. Absolute names, "..", devices and the like refuse the whole archive. Owners, modes,
 * times and attributes are not taken over, so nothing is setuid. Symbolic links are made after
 * everything else: nothing is ever written through one.
 *
 * Size, number of members and ratio are bounded, so that a small file does not fill the disk.
 */
#ifndef MIST_IO_UNPACK_H
#define MIST_IO_UNPACK_H

#include "base/err.h"

#include <stdint.h>

/* COCO train2017 is 19 GB in 118288 members; JPEG hardly shrinks, labels shrink to a fourth. */
#define UNPACK_BYTES   (UINT64_C(256) << 30)
#define UNPACK_MEMBERS 4000000
#define UNPACK_RATIO   200
/* Below this an archive may be as dense as it likes. */
#define UNPACK_FREE (UINT64_C(64) << 20)

struct unpack_options {
	uint64_t max_bytes;   /* of all files; 0: UNPACK_BYTES */
	uint64_t max_members; /* 0: UNPACK_MEMBERS */
	uint64_t max_ratio;   /* bytes unpacked to bytes of the archive; 0: UNPACK_RATIO */
	/* Take only what lies below this folder of the archive, without it: "val2017"; NULL: all.
	 */
	const char *below;
	const char *lone; /* what a single compressed file is to be called; NULL: as it is,
			     unsuffixed */
	/* Non-zero ends the work (status system, "interrupted"). `total` is the archive's size. */
	int (*progress)(void *ctx, uint64_t done, uint64_t total);
	void *ctx;
};

/*
 * Unpacks into the existing folder `dir` (best empty and staged, base/file.h: after a failure it
 * holds a part of the archive). The archive's own faults have status input.
 */
int unpack(const char *archive, const char *dir, const struct unpack_options *opt, struct err *err);

#endif
