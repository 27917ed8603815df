#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int file_open(const char *path, struct err *err)
{
	struct stat st;
	int fd;

	if (!strcmp(path, "-"))
		return STDIN_FILENO;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		err_errno(err, "cannot read '%s'", path);
		if (errno == ENOENT || errno == ENOTDIR)
			err->status = STATUS_INPUT;
		return -1;
	}
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		close(fd);
		return err_set(err, STATUS_INPUT, "cannot read '%s': it is a folder", path);
	}
	return fd;
}

void file_close(int fd)
{
	if (fd > STDERR_FILENO)
		close(fd);
}

long file_read_some(int fd, void *data, size_t size, const char *name, struct err *err)
{
	size_t done = 0;
	ssize_t n;

	while (done < size) {
		n = read(fd, (char *)data + done, size - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, "cannot read '%s'", name);
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (long)done;
}

int file_read(const char *path, size_t max, struct buf *out, struct err *err)
{
	char block[1 << 16];
	size_t start = out->len;
	int fd = file_open(path, err);
	long n;

	if (fd < 0)
		return -1;
	buf_add(out, "", 0);
	do {
		n = file_read_some(fd, block, sizeof(block), path, err);
		if (n > 0)
			buf_add(out, block, (size_t)n);
		if (n > 0 && out->len - start > max)
			n = err_set(err, STATUS_INPUT, "cannot read '%s': longer than %zu bytes",
				    path, max);
	} while (n == (long)sizeof(block));
	file_close(fd);
	return n < 0 ? -1 : 0;
}

/* True when `path` is something that cannot be replaced by a rename: a pipe, a device, … */
static bool is_special(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

static mode_t file_mode(void)
{
	mode_t mask = umask(0);

	umask(mask);
	return 0666 & ~mask;
}

static int open_aside(struct outfile *o, struct err *err)
{
	char *dir = path_dir(o->path);
	int fd;

	o->temp = xasprintf("%s/.%s.XXXXXX", dir, path_base(o->path));
	free(dir);
	fd = mkostemp(o->temp, O_CLOEXEC);
	if (fd < 0) {
		err_errno(err, "cannot write '%s'", o->path);
		free(o->temp);
		o->temp = NULL;
		return -1;
	}
	(void)fchmod(fd, file_mode()); /* mkostemp's 0600 is not what a user expects */
	o->fp = fdopen(fd, "wb");
	BUG_IF(!o->fp);
	return 0;
}

int outfile_open(struct outfile *o, const char *path, bool binary, struct err *err)
{
	int rc = 0;

	*o = (struct outfile){.path = xstrdup(path)};
	if (!strcmp(path, "-")) {
		if (binary && isatty(STDOUT_FILENO))
			rc = err_set(
				err, STATUS_USAGE,
				"not writing binary data to a terminal: use -o FILE or a pipe");
		else
			o->fp = stdout;
	} else if (path_is_dir(path)) {
		rc = err_set(err, STATUS_USAGE, "cannot write '%s': it is a folder", path);
	} else if (is_special(path)) {
		o->fp = fopen(path, "wbe");
		if (!o->fp)
			rc = err_errno(err, "cannot write '%s'", path);
	} else {
		rc = open_aside(o, err);
	}
	if (rc)
		outfile_abort(o);
	return rc;
}

static int write_failed(struct outfile *o, struct err *err)
{
	o->failed = true;
	if (!strcmp(o->path, "-"))
		return err_errno(err, "cannot write standard output");
	return err_errno(err, "cannot write '%s'", o->path);
}

int outfile_write(struct outfile *o, const void *data, size_t size, struct err *err)
{
	if (size && fwrite(data, 1, size, o->fp) != size)
		return write_failed(o, err);
	return 0;
}

int outfile_printf(struct outfile *o, struct err *err, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vfprintf(o->fp, fmt, ap);
	va_end(ap);
	return n < 0 ? write_failed(o, err) : 0;
}

static int close_aside(struct outfile *o, struct err *err)
{
	int rc = 0;

	if (fflush(o->fp) || (o->temp && fsync(fileno(o->fp))))
		rc = write_failed(o, err);
	if (o->fp != stdout && fclose(o->fp) && !rc)
		rc = write_failed(o, err);
	o->fp = NULL;
	if (!rc && o->temp && rename(o->temp, o->path))
		rc = write_failed(o, err);
	return rc;
}

int outfile_commit(struct outfile *o, struct err *err)
{
	int rc = o->failed ? err_set(err, STATUS_SYSTEM,
				     "cannot write '%s': an earlier write failed", o->path)
			   : close_aside(o, err);

	if (!rc) {
		free(o->temp);
		o->temp = NULL;
	}
	outfile_abort(o);
	return rc;
}

void outfile_abort(struct outfile *o)
{
	if (o->fp && o->fp != stdout)
		fclose(o->fp);
	if (o->temp)
		unlink(o->temp);
	free(o->temp);
	free(o->path);
	*o = (struct outfile){0};
}

int file_write(const char *path, const void *data, size_t size, struct err *err)
{
	struct outfile o;

	if (outfile_open(&o, path, false, err))
		return -1;
	if (outfile_write(&o, data, size, err)) {
		outfile_abort(&o);
		return -1;
	}
	return outfile_commit(&o, err);
}

int dir_make(const char *path, struct err *err)
{
	char *copy = xstrdup(path);
	char *p = copy;
	int rc = 0;

	do {
		p = strchr(p + 1, '/');
		if (p)
			*p = '\0';
		if (mkdir(copy, 0777) && errno != EEXIST)
			rc = err_errno(err, "cannot make the folder '%s'", copy);
		if (p)
			*p = '/';
	} while (p && !rc);
	free(copy);
	if (!rc && !path_is_dir(path))
		rc = err_set(err, STATUS_INPUT, "cannot make the folder '%s': it is a file", path);
	return rc;
}

static int remove_entry(int at, const char *name, const char *top, struct err *err)
{
	struct dirent *entry;
	DIR *dir;
	int fd, rc = 0;

	if (unlinkat(at, name, 0) == 0 || errno == ENOENT)
		return 0;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return err_errno(err, "cannot remove '%s'", top);
	while (!rc && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			rc = remove_entry(fd, entry->d_name, top, err);
	closedir(dir);
	if (!rc && unlinkat(at, name, AT_REMOVEDIR))
		rc = err_errno(err, "cannot remove '%s'", top);
	return rc;
}

int dir_remove(const char *path, struct err *err)
{
	return remove_entry(AT_FDCWD, path, path, err);
}

int dir_stage(const char *path, char **temp, struct err *err)
{
	char *parent = path_dir(path);
	int rc = dir_make(parent, err);

	if (!rc) {
		*temp = xasprintf("%s/.%s.XXXXXX", parent, path_base(path));
		if (!mkdtemp(*temp)) {
			rc = err_errno(err, "cannot make a folder in '%s'", parent);
			free(*temp);
			*temp = NULL;
		} else {
			(void)chmod(*temp, file_mode() | 0111);
		}
	}
	free(parent);
	return rc;
}

int dir_install(const char *temp, const char *path, struct err *err)
{
	/* rename replaces an empty folder, which is as good as nothing being there. */
	if (rename(temp, path) == 0)
		return 0;
	if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR)
		return err_set(err, STATUS_INPUT, "'%s' exists already", path);
	return err_errno(err, "cannot make '%s'", path);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int dir_list(const char *path, char ***names, size_t *n, struct err *err)
{
	struct dirent *entry;
	size_t cap = 0;
	DIR *dir = opendir(path);

	*names = NULL;
	*n = 0;
	if (!dir) {
		err_errno(err, "cannot read the folder '%s'", path);
		if (errno == ENOENT || errno == ENOTDIR)
			err->status = STATUS_INPUT;
		return -1;
	}
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		GROW(*names, *n, cap);
		(*names)[(*n)++] = xstrdup(entry->d_name);
	}
	closedir(dir);
	if (*n)
		qsort(*names, *n, sizeof(**names), by_name);
	return 0;
}

void names_free(char **names, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

char **names_split(const char *text, size_t *n)
{
	char **names = xcalloc(strlen(text) + 1, sizeof(*names));

	for (*n = 0; text; ++*n) {
		const char *comma = strchr(text, ',');

		names[*n] = xstrndup(text, comma ? (size_t)(comma - text) : strlen(text));
		text = comma ? comma + 1 : NULL;
	}
	return names;
}

bool path_exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

bool path_is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

char *path_join(const char *dir, const char *name)
{
	size_t len = strlen(dir);

	if (name[0] == '/' || len == 0)
		return xstrdup(name);
	return xasprintf("%s%s%s", dir, dir[len - 1] == '/' ? "" : "/", name);
}

const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

char *path_dir(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return xstrdup(".");
	return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}
