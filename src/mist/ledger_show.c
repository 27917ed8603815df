#include "mist/ledger_show.h"

#include "io/json.h"
#include "mist/privacy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void ledger_show(const struct book *b, const char *path, struct buf *out)
{
	const struct book_client *c;
	char client[32], image[32];
	int n, i, width = 8;

	c = book_clients(b, &n);
	for (i = 0; i < n; i++)
		if ((int)strlen(c[i].name) > width)
			width = (int)strlen(c[i].name);
	buf_printf(out, "ledger '%s', %d client%s\n", path, n, n == 1 ? "" : "s");
	if (!n)
		return;
	buf_printf(out, "%-*s %8s %9s %14s %14s  %-10s  %-10s\n", width, "CLIENT", "IMAGES",
		   "RELEASES", "EPSILON/IMAGE", "EPSILON/CLIENT", "FIRST", "LAST");
	for (i = 0; i < n; i++) {
		privacy_format_up(c[i].epsilon, client, sizeof(client));
		privacy_format_up(c[i].image_max, image, sizeof(image));
		buf_printf(out, "%-*s %8ld %9ld %14s %14s  %.10s  %.10s\n", width, c[i].name,
			   c[i].images, c[i].releases, image, client, c[i].first, c[i].last);
	}
}

static json_t *epsilon_to_json(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

void ledger_show_json(const struct book *b, const char *path, struct buf *out)
{
	json_t *o = json_object(), *list = json_array();
	const struct book_client *c;
	char *text;
	int n, i;

	c = book_clients(b, &n);
	for (i = 0; i < n; i++) {
		json_t *client = json_object();

		json_object_set_new(client, "client", json_string(c[i].name));
		json_object_set_new(client, "images", json_integer(c[i].images));
		json_object_set_new(client, "releases", json_integer(c[i].releases));
		json_object_set_new(client, "epsilon_per_client", epsilon_to_json(c[i].epsilon));
		json_object_set_new(client, "epsilon_per_image_max",
				    epsilon_to_json(c[i].image_max));
		json_object_set_new(client, "first", json_string(c[i].first));
		json_object_set_new(client, "last", json_string(c[i].last));
		json_array_append_new(list, client);
	}
	json_object_set_new(o, "version", json_integer(1));
	json_object_set_new(o, "ledger", json_string(path));
	json_object_set_new(o, "key", json_string(book_key(b)));
	json_object_set_new(o, "clients", list);
	text = json_text(o);
	buf_printf(out, "%s\n", text);
	free(text);
	json_decref(o);
}
