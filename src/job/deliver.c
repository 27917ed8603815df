#include "job/deliver.h"

#include "base/clock.h"
#include "base/file.h"
#include "job/folder.h"
#include "job/record.h"

#include <stdlib.h>
#include <string.h>

static int copy(int fd, const char *from, const char *to, struct digest *d, struct err *err)
{
	static const size_t piece = (size_t)256 << 10;
	char *data = xmalloc(piece);
	struct outfile o;
	long n;

	if (outfile_open(&o, to, true, err)) {
		free(data);
		return -1;
	}
	while ((n = file_read_some(fd, data, piece, from, err)) > 0) {
		digest_add(d, data, (size_t)n);
		if (outfile_write(&o, data, (size_t)n, err))
			break;
	}
	free(data);
	if (!n)
		return outfile_commit(&o, err);
	outfile_abort(&o);
	return -1;
}

int deliver_file(const char *from, const char *to, char hex[DIGEST_HEX], struct err *err)
{
	char *dir = path_dir(to);
	char again[DIGEST_HEX];
	struct digest d;
	int fd, rc = -1;

	digest_init(&d);
	fd = dir_make(dir, err) ? -1 : file_open(from, err);
	free(dir);
	if (fd < 0)
		return -1;
	if (!copy(fd, from, to, &d, err) && !digest_file(to, again, err)) {
		digest_hex(&d, hex);
		rc = strcmp(hex, again) == 0 ? 0
					     : err_set(err, STATUS_SYSTEM,
						       "'%s' is not what was written there", to);
	}
	file_close(fd);
	return rc;
}

static bool has_digest(const char *folder, const char *client, const char *hex)
{
	char *path = folder_path(folder, "delivered/%s", client);
	struct err ignored = ERR_INIT;
	struct buf text = BUF_INIT;
	bool same = !file_read(path, 8192, &text, &ignored) && text.len > DIGEST_HEX &&
		    !strncmp(text.data, hex, DIGEST_HEX - 1);

	buf_release(&text);
	free(path);
	return same;
}

/* Did one of the client's steps, other than being delivered to, end well? */
static bool took_part(const struct record *list, size_t n, const char *client)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (list[i].client && !strcmp(list[i].client, client) && list[i].up &&
		    strncmp(list[i].name, "deliver.", 8) != 0 && list[i].state == RECORD_SUCCEEDED)
			return true;
	return false;
}

static int check_all(const char *folder, const struct job_info *info, const char *hex,
		     struct buf *others, struct err *err)
{
	struct record *list;
	size_t n, i;
	int rc = record_all(&list, &n, folder, err);

	for (i = 0; i < info->clients.n && !rc; i++) {
		const char *client = info->clients.word[i];

		if (has_digest(folder, client, hex))
			continue;
		if (took_part(list, n, client))
			rc = err_set(err, STATUS_NO, "the model was not delivered to '%s'", client);
		else
			buf_printf(others, "%s%s", others->len ? ", " : "", client);
	}
	records_free(list, n);
	return rc;
}

/* Has the job ended so before? Then it keeps the time when it did. */
static bool is_told(const char *folder, const char *hex)
{
	struct err ignored = ERR_INIT;
	json_t *doc = folder_json(folder, "done.json", &ignored);
	const char *told = json_string_value(json_object_get(doc, "sha256"));
	const bool same = told && !strcmp(told, hex);

	json_decref(doc);
	return same;
}

int deliver_end(const char *folder, long rounds, const char *reason, char **missing,
		struct err *err)
{
	char *model = folder_path(folder, "model.safetensors");
	struct buf others = BUF_INIT;
	struct job_info info = {0};
	char hex[DIGEST_HEX];
	json_t *doc;
	int rc;

	rc = digest_file(model, hex, err) || job_info_read(&info, folder, err) ||
	     check_all(folder, &info, hex, &others, err);
	if (!rc && !is_told(folder, hex)) {
		doc = json_pack("{s:s, s:f, s:I, s:s, s:s}", "sha256", hex, "ended", clock_wall(),
				"rounds", (json_int_t)rounds, "reason", reason, "notDelivered",
				others.len ? others.data : "");
		rc = folder_write_json(folder, "done.json", doc, err);
		json_decref(doc);
	}
	*missing = others.len ? buf_detach(&others) : NULL;
	buf_release(&others);
	job_info_release(&info);
	free(model);
	return rc ? -1 : 0;
}
