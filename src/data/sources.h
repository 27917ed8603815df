/*
 * sources.h - which pictures a data set is made of, before any is opened: folders, list files and
 * dataset.yaml (dataset.h says the rules).
 */
#ifndef MIST_DATA_SOURCES_H
#define MIST_DATA_SOURCES_H

#include "base/err.h"

#include <stddef.h>

struct sources {
	char **paths; /* sorted bytewise, each once */
	size_t n, cap;
	char **names; /* class names; NULL if none are given */
	int nnames;
	int repeated; /* pictures that were listed more than once */
};

int sources_find(struct sources *s, const char *path, const char *split,
		 const struct notices *notices, struct err *err);
void sources_release(struct sources *s);

#endif
