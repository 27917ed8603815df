/*
 * intake.h - what of an inbox was taken, and for which round: a JSON file beside the clients' files.
 *
 *	{"format": "mist-intake", "version": 1, "rounds": [{"round": "7", "opened": 1732312800.5,
 *	"output": "all.tar", "sha256": "…" or null, "files": [{"name": "a.tar", "clients": ["a"],
 *	"sha256": "…", "id": [dev, ino, size, mtime, ctime]}]}]}
 *
 * A round is opened by the first run that asks for it, gets its files when enough are there, and the
 * digest of its output when that is written. So a run that was killed is taken up where it was, and
 * a round that is done is not done again.
 */
#ifndef MIST_FED_INTAKE_H
#define MIST_FED_INTAKE_H

#include "base/err.h"
#include "fed/arrival.h"

struct intake_file {
	char *name, **clients;
	size_t nclients;
	char digest[DIGEST_HEX];
	struct file_id id;
};

struct intake_round {
	char *name;
	double opened; /* seconds since 1970 */
	char *output;  /* NULL: nothing chosen yet */
	struct intake_file *files;
	size_t nfiles;
	char digest[DIGEST_HEX]; /* of the output; "" until it is written */
};

struct intake {
	struct intake_round *rounds;
	size_t n;
};

/* A file that is not there is an empty record. */
int intake_read(struct intake *in, const char *path, struct err *err);
int intake_parse(struct intake *in, const char *name, const char *text, size_t len,
		 struct err *err);
char *intake_text(const struct intake *in); /* the caller frees */
int intake_write(const struct intake *in, const char *path, struct err *err);
void intake_release(struct intake *in);

/* The round of that name; a new one, opened at `now`, where there is none. Valid until the next. */
struct intake_round *intake_round(struct intake *in, const char *name, double now);
/* Chooses the files of a round (copies); n 0 forgets them. */
void intake_choose(struct intake_round *r, const char *output, const struct arrival *const *files,
		   size_t n);
/* The round that took this file, or one of the same content where `digest` is not ""; or NULL. */
const struct intake_round *intake_taken(const struct intake *in, const char *name,
					const struct file_id *id, const char *digest);

#endif
