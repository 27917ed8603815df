/*
 * commands.h - what mist-job's words do, each as a call: what it prints goes to a buffer.
 */
#ifndef MIST_JOB_COMMANDS_H
#define MIST_JOB_COMMANDS_H

#include "job/engine.h"

struct command_options {
	const struct command *command;
	char **arg; /* behind the command's name */
	int narg;
	const char *output; /* -o */
	int jobs;           /* -j; 0: as many as there are processors */
	const struct notices *notices;
	const char *state, *out, *client, *results, *name, *job, *algorithm, *stop, *since, *among;
	const char *through, *profile;
	struct words send, maybe, receive, hosts;
	enum engine engine;
	long ready, lock_fd, round;
	uint64_t memory;
	bool compare;
};

struct command {
	const char *name;
	int least, most; /* operands; most -1: any number */
	bool own_output; /* -o is not where what is printed goes */
	/* `out` is printed on success, and with status no; `report` is for `there`. */
	int (*run)(struct command_options *o, struct buf *out, struct buf *report, struct err *err);
};

const struct command *command_find(const char *name);
bool command_fits(const struct command *c, int operands);

#endif
