/*
 * ledger_show.h - a ledger's accounts for people, and as JSON.
 */
#ifndef MIST_MIST_LEDGER_SHOW_H
#define MIST_MIST_LEDGER_SHOW_H

#include "base/mem.h"
#include "mist/ledger_book.h"

/* A line per client under a head, appended to `out`; epsilons are rounded up. */
void ledger_show(const struct book *b, const char *path, struct buf *out);
/*
 * {"ledger", "version", "key", "clients": [{"client", "images", "releases", "epsilon_per_client",
 * "epsilon_per_image_max", "first", "last"}]}; null: infinite. A line.
 */
void ledger_show_json(const struct book *b, const char *path, struct buf *out);

#endif
