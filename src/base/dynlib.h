/*
 * dynlib.h - shared libraries that few runs need, loaded by the run that needs them: a program that
 * names one at link time starts only after the dynamic loader has found, mapped and relocated it and all
 * that it needs itself, some thirty libraries for libcurl alone.
 *
 * The functions used stand in a table that its user owns: a struct of function pointers, the type of each
 * taken from the library's own header (typeof), so a call is checked as ever. What is loaded stays
 * loaded until the process ends, for libraries start threads and register handlers that point into
 * themselves; so a table needs no release, and to load again is to look up its names again,
 * microseconds.
 */
#ifndef MIST_BASE_DYNLIB_H
#define MIST_BASE_DYNLIB_H

#include "base/err.h"

struct dynlib_call {
	const char *name;
	size_t at; /* offset of its pointer in the table */
};

/* Fills `table`; system error where the library is not there or has not all of the calls. */
int dynlib_load(const char *soname, const struct dynlib_call *calls, size_t n, void *table,
		struct err *err);

/*
 * Tells who packages the program what it loads, for the loader's own list does not: a note in the
 * executable ("ELF dlopen metadata", The Linux Userspace API Group, type 0x407c0c0a, owner "FDO").
 * String literals without quotes in them; PRIORITY: "required", "recommended" or "suggested".
 */
#define DYNLIB_NOTE(feature, why, priority, soname)                                                \
	__asm__(".pushsection .note.dlopen,\"a\",%note\n"                                          \
		".balign 4\n"                                                                      \
		".long 4, 2f - 1f, 0x407c0c0a\n"                                                   \
		".asciz \"FDO\"\n"                                                                 \
		"1: .asciz \"[{\\\"feature\\\":\\\"" feature "\\\",\\\"description\\\":\\\"" why   \
		"\\\",\\\"priority\\\":\\\"" priority "\\\",\\\"soname\\\":[\\\"" soname           \
		"\\\"]}]\"\n"                                                                      \
		"2: .balign 4\n"                                                                   \
		".popsection\n")

#endif
