#include "attack/leakfiles.h"

#include "attack/leaks.h"
#include "attack/sheet.h"
#include "base/file.h"

#include <stdlib.h>
#include <string.h>

static int save(const char *path, void (*format)(const struct inversion *v, struct buf *out),
		const struct inversion *v, struct err *err)
{
	struct buf text = BUF_INIT;
	int rc;

	if (!path)
		return 0;
	format(v, &text);
	rc = file_write(path, text.data, text.len, err);
	buf_release(&text);
	return rc;
}

static int save_sheet(const struct inversion *v, const char *path, struct err *err)
{
	struct image sheet;
	int rc;

	if (!path)
		return 0;
	if (sheet_draw(v, 0, &sheet, err))
		return -1;
	rc = image_write(path, &sheet, err);
	image_release(&sheet);
	return rc;
}

static int save_recovered(const struct inversion *v, const char *recovered, struct err *err)
{
	int i, rc = 0;

	for (i = 0; recovered && i < v->n && !rc; i++) {
		const struct setting *s = &v->setting[i];
		char *dir = xasprintf("%s/%d", recovered, i + 1);

		rc = dir_make(dir, err) ||
		     outcome_save(&s->outcome[s->best], &v->victims, dir, err);
		free(dir);
	}
	return rc ? -1 : 0;
}

int leakfiles_write(const struct inversion *v, const struct leakfiles *files, struct err *err)
{
	const bool json_out = files->json && !strcmp(files->json, "-");

	if (save_sheet(v, files->sheet, err) || save_recovered(v, files->recovered, err) ||
	    save(files->tsv, leaks_tsv, v, err) || save(files->json, leaks_json, v, err))
		return -1;
	if (!files->table && json_out)
		return 0;
	return save(files->table ? files->table : "-", leaks_table, v, err);
}
