/*
 * spawn.h - another program, run to its end: with its files, its limit of memory, what it took.
 *
 * Signals: while it waits, spawn_run takes SIGTERM, SIGINT and SIGHUP and passes them on; the
 * program then ends as it likes. It must be called from a process of one thread.
 *
 * Memory is limited as a container's is, by what is resident: the program's high-water mark is
 * looked at 20 times a second, and a program beyond the limit is killed. Limits of address space
 * would count stacks of threads and reserves that are never touched (8 MiB a thread and more).
 * Against a burst between two looks, RLIMIT_DATA bounds what can be allocated at all.
 */
#ifndef MIST_JOB_SPAWN_H
#define MIST_JOB_SPAWN_H

#include "base/err.h"

#include <stdint.h>

struct spawn {
	char *const *argv; /* argv[0] is looked for in PATH */
	int in, out, err;  /* descriptors; -1: /dev/null */
	uint64_t memory;   /* bytes; 0: no limit */
};

struct usage {
	int status;     /* exit status; 128 + N for signal N, as a shell says it */
	int forwarded;  /* a signal that was passed on; 0: none */
	bool exceeded;  /* it was killed for its memory */
	double seconds; /* of the wall */
	double cpu;     /* user and system */
	uint64_t peak;  /* resident, bytes */
};

/* -1 only where it could not be run at all (a missing program: status system). */
int spawn_run(const struct spawn *s, struct usage *out, struct err *err);

#endif
