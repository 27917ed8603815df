/*
 * unit.h - what every unit test includes: cmocka, a scratch folder, and the shared reference data.
 */
#ifndef MIST_TESTS_UNIT_H
#define MIST_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

#define TEST_GOLDEN TOP_SRCDIR "/tests/golden"
#define TEST_SHARED TOP_SRCDIR "/../shared"

/* A new empty folder under $TMPDIR; the caller removes (dir_remove) and frees. */
static inline char *unit_tmpdir(void)
{
	const char *base = getenv("TMPDIR");
	char *dir = xasprintf("%s/mist-unit.XXXXXX", base && *base ? base : "/tmp");

	assert_non_null(mkdtemp(dir));
	return dir;
}

/*
 * The path of a file of ../shared, or the test ends here: as skipped with a reason, or as failed
 * where MIST_REQUIRE_SHARED is set (CI). The caller frees.
 */
static inline char *unit_shared(const char *name)
{
	char *path = xasprintf("%s/%s", TEST_SHARED, name);

	if (access(path, R_OK) == 0)
		return path;
	if (getenv("MIST_REQUIRE_SHARED"))
		fail_msg("%s is not there, and MIST_REQUIRE_SHARED is set", path);
	print_message("skipped: %s is not there\n", path);
	free(path);
	skip();
	return NULL;
}

#endif
