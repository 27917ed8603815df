#include "io/unpack.h"

#include "base/file.h"
#include "base/mem.h"
#include "io/libarchive.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK       (1u << 16)
#define MEMBER_COST 512 /* tar's header */

struct link {
	char *name, *target;
};

struct unpacker {
	const char *archive_name, *dir;
	struct unpack_options opt;
	struct libarchive lib;
	struct archive *archive;
	int root;        /* descriptor of `dir` */
	uint64_t packed; /* bytes of the archive */
	uint64_t bytes, members;
	uint64_t taken;     /* members that were made */
	struct link *links; /* symbolic links, made last */
	size_t nlinks, caplinks;
	struct err *err;
};

static int refuse(struct unpacker *u, const char *member, const char *cause)
{
	return err_set(u->err, STATUS_INPUT, "cannot unpack '%s': the member '%.300s' %s",
		       u->archive_name, member, cause);
}

static int broken(struct unpacker *u)
{
	const char *cause = u->lib.archive_error_string(u->archive);

	/* libarchive reports a failed read of the file with errno's number, a bad archive with its
	 * own. */
	return err_set(u->err,
		       u->lib.archive_errno(u->archive) == EIO ? STATUS_SYSTEM : STATUS_INPUT,
		       "cannot unpack '%s': %s", u->archive_name,
		       cause ? cause : "it is damaged or truncated");
}

/*
 * The member's name as a path below the folder: components joined by single slashes, without "."
 * and trailing slashes. NULL with `cause` when it must not be used. The caller frees.
 */
static char *safe_name(const char *name, const char **cause)
{
	struct buf out = BUF_INIT;
	const char *p = name;

	buf_add(&out, "", 0);
	*cause = NULL;
	if (name[0] == '/')
		*cause = "has an absolute name";
	while (*p && !*cause) {
		size_t len = strcspn(p, "/");

		if (len == 2 && !memcmp(p, "..", 2))
			*cause = "has '..' in its name";
		else if (len > NAME_MAX || out.len + len > PATH_MAX / 2)
			*cause = "has too long a name";
		else if (len && !(len == 1 && *p == '.')) {
			if (out.len)
				buf_add_str(&out, "/");
			buf_add(&out, p, len);
		}
		p += len;
		p += strspn(p, "/");
	}
	if (*cause) {
		buf_release(&out);
		return NULL;
	}
	return buf_detach(&out);
}

/* `name` below opt.below: what remains of it, borrowed; NULL: it lies elsewhere. "": the folder. */
static const char *wanted(const struct unpacker *u, const char *name)
{
	size_t len = u->opt.below ? strlen(u->opt.below) : 0;

	if (!len)
		return name;
	if (strncmp(name, u->opt.below, len) || (name[len] && name[len] != '/'))
		return NULL;
	return name[len] ? name + len + 1 : name + len;
}

/* Makes the folders that lead to `name` and returns a descriptor of the last; -1 on failure. */
static int open_parent(struct unpacker *u, const char *name, const char **last)
{
	char part[NAME_MAX + 1];
	int at = u->root;
	const char *slash;

	while ((slash = strchr(name, '/'))) {
		size_t len = (size_t)(slash - name);
		int next;

		memcpy(part, name, len);
		part[len] = '\0';
		if (mkdirat(at, part, 0777) && errno != EEXIST)
			next = -1;
		else
			next = openat(at, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (at != u->root)
			close(at);
		if (next < 0)
			return -1;
		at = next;
		name = slash + 1;
	}
	*last = name;
	return at;
}

static void close_parent(const struct unpacker *u, int at)
{
	if (at >= 0 && at != u->root)
		close(at);
}

/* errno of a failed creation: the archive's fault (names that clash) or the system's? */
static int cannot_make(struct unpacker *u, const char *name)
{
	if (errno == EEXIST)
		return refuse(u, name, "appears twice");
	if (errno == ENOTDIR || errno == EISDIR || errno == ELOOP)
		return refuse(u, name, "is both a file and a folder");
	return err_errno(u->err, "cannot write '%s/%s'", u->dir, name);
}

static int make_folder(struct unpacker *u, const char *name)
{
	const char *last = name;
	int at = open_parent(u, name, &last);
	struct stat st;
	int rc = 0;

	if (at < 0)
		return cannot_make(u, name);
	if (mkdirat(at, last, 0777)) {
		if (errno != EEXIST || fstatat(at, last, &st, AT_SYMLINK_NOFOLLOW))
			rc = err_errno(u->err, "cannot make the folder '%s/%s'", u->dir, name);
		else if (!S_ISDIR(st.st_mode))
			rc = refuse(u, name, "is both a file and a folder");
	}
	close_parent(u, at);
	return rc;
}

static int within_bounds(struct unpacker *u, const char *name)
{
	if (u->bytes > u->opt.max_bytes)
		return err_set(u->err, STATUS_INPUT,
			       "cannot unpack '%s': it holds more than %llu bytes", u->archive_name,
			       (unsigned long long)u->opt.max_bytes);
	if (u->bytes > UNPACK_FREE && u->bytes / u->opt.max_ratio > u->packed)
		return err_set(
			u->err, STATUS_INPUT,
			"cannot unpack '%s': it grows to more than %llu times its size at '%.300s'",
			u->archive_name, (unsigned long long)u->opt.max_ratio, name);
	return 0;
}

static int write_at(struct unpacker *u, int fd, const char *name, const void *data, size_t size,
		    off_t offset)
{
	const char *p = data;

	while (size) {
		ssize_t n = pwrite(fd, p, size, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(u->err, "cannot write '%s/%s'", u->dir, name);
		p += n;
		offset += n;
		size -= (size_t)n;
	}
	return 0;
}

static int tell(struct unpacker *u)
{
	int64_t done = u->lib.archive_filter_bytes(u->archive, -1);

	if (u->opt.progress &&
	    u->opt.progress(u->opt.ctx, done > 0 ? (uint64_t)done : 0, u->packed))
		return err_set(u->err, STATUS_SYSTEM, "cannot unpack '%s': interrupted",
			       u->archive_name);
	return 0;
}

/* The data of the current member. Holes of sparse members count as bytes: reading them costs. */
static int write_data(struct unpacker *u, int fd, const char *name)
{
	uint64_t before = u->bytes;
	const void *data;
	size_t size;
	int64_t offset;
	int rc;

	while ((rc = u->lib.archive_read_data_block(u->archive, &data, &size, &offset)) ==
	       ARCHIVE_OK) {
		if (offset < 0 || (uint64_t)offset > u->opt.max_bytes)
			return refuse(u, name, "is too large");
		u->bytes = before + (uint64_t)offset + size;
		if (within_bounds(u, name) || write_at(u, fd, name, data, size, offset) || tell(u))
			return -1;
	}
	return rc == ARCHIVE_EOF ? 0 : broken(u);
}

static int make_file(struct unpacker *u, const char *name, int64_t size)
{
	const char *last = name;
	int at = open_parent(u, name, &last);
	int fd, rc;

	if (at < 0)
		return cannot_make(u, name);
	fd = openat(at, last, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	close_parent(u, at);
	if (fd < 0)
		return cannot_make(u, name);
	rc = write_data(u, fd, name);
	/* A sparse member may end in a hole. */
	if (!rc && size > 0 && (uint64_t)size <= u->opt.max_bytes) {
		struct stat st;

		if (fstat(fd, &st) == 0 && st.st_size < size) {
			u->bytes += (uint64_t)(size - st.st_size);
			rc = within_bounds(u, name);
			if (!rc && ftruncate(fd, size))
				rc = err_errno(u->err, "cannot write '%s/%s'", u->dir, name);
		}
	}
	if (close(fd) && !rc)
		rc = err_errno(u->err, "cannot write '%s/%s'", u->dir, name);
	return rc;
}

/* A hard link to a file that this archive made before. */
static int make_hard_link(struct unpacker *u, const char *name, const char *target)
{
	const char *cause, *last_to, *last_from, *inside;
	char *to = safe_name(target, &cause);
	int from_at, to_at, rc = 0;

	inside = to ? wanted(u, to) : NULL;
	if (!inside || !*inside) {
		free(to);
		return refuse(u, name, "is a link that leads outside");
	}
	from_at = open_parent(u, inside, &last_from);
	to_at = from_at < 0 ? -1 : open_parent(u, name, &last_to);
	if (to_at < 0) {
		rc = cannot_make(u, name);
	} else if (linkat(from_at, last_from, to_at, last_to, 0)) {
		rc = errno == EEXIST ? cannot_make(u, name)
				     : refuse(u, name, "is a link to something that is not there");
	}
	close_parent(u, from_at);
	close_parent(u, to_at);
	free(to);
	return rc;
}

static int make_member(struct unpacker *u, struct archive_entry *entry, const char *name)
{
	const char *target = u->lib.archive_entry_hardlink(entry);

	if (!*name)
		return 0; /* the folder itself */
	u->taken++;
	if (target)
		return make_hard_link(u, name, target);
	switch (u->lib.archive_entry_filetype(entry)) {
	case AE_IFDIR:
		return make_folder(u, name);
	case 0: /* a format that knows no types */
	case AE_IFREG:
		return make_file(u, name,
				 u->lib.archive_entry_size_is_set(entry)
					 ? u->lib.archive_entry_size(entry)
					 : 0);
	case AE_IFLNK:
		target = u->lib.archive_entry_symlink(entry);
		if (!target || !*target || *target == '/')
			return refuse(u, name, "is a link that leads outside");
		GROW(u->links, u->nlinks, u->caplinks);
		u->links[u->nlinks++] = (struct link){xstrdup(name), xstrdup(target)};
		return 0;
	default:
		return refuse(u, name, "is a device, pipe or socket");
	}
}

/* x.gz holds x: the name of a lone compressed file, without its suffix. */
static char *lone_name(const char *archive_name)
{
	static const char *const suffixes[] = {".gz", ".xz", ".zst"};
	const char *base = path_base(archive_name);
	size_t len = strlen(base), i;

	for (i = 0; i < ARRAY_LEN(suffixes); i++) {
		size_t n = strlen(suffixes[i]);

		if (len > n && !strcasecmp(base + len - n, suffixes[i]))
			return xstrndup(base, len - n);
	}
	return xasprintf("%s.unpacked", base);
}

static bool is_lone(const struct unpacker *u)
{
	return u->lib.archive_format(u->archive) == ARCHIVE_FORMAT_RAW;
}

/* Nothing that we read: or the beginning of a zip, whose directory stands at the end. */
static int foreign(struct unpacker *u)
{
	const void *data;
	int64_t offset;
	size_t size;
	bool zip =
		u->lib.archive_read_data_block(u->archive, &data, &size, &offset) == ARCHIVE_OK &&
		size >= 4 && !memcmp(data, "PK\3\4", 4);

	return err_set(u->err, STATUS_INPUT, "cannot unpack '%s': %s", u->archive_name,
		       zip ? "it is a truncated zip" : "it is no zip, tar, gz, xz or zst");
}

static int take_member(struct unpacker *u, struct archive_entry *entry)
{
	const char *raw = u->lib.archive_entry_pathname(entry), *cause, *name;
	char *safe;
	int rc = 0;

	if (!raw) /* UTF-8 that the C locale has no letters for */
		raw = u->lib.archive_entry_pathname_utf8(entry);

	if (is_lone(u)) {
		if (u->lib.archive_filter_code(u->archive, 0) == ARCHIVE_FILTER_NONE)
			return foreign(u);
		safe = u->opt.lone ? xstrdup(u->opt.lone) : lone_name(u->archive_name);
	} else {
		if (!raw)
			return refuse(u, "?", "has no legible name");
		safe = safe_name(raw, &cause);
		if (!safe)
			return refuse(u, raw, cause);
	}
	name = is_lone(u) ? safe : wanted(u, safe);
	if (name)
		rc = make_member(u, entry, name);
	free(safe);
	return rc;
}

/* Where does the new link lead? It must be inside, and exist: chains and loops end here too. */
static int check_link(struct unpacker *u, const char *root, const struct link *l)
{
	char *path = path_join(u->dir, l->name);
	char *real = realpath(path, NULL);
	size_t len = strlen(root);
	int rc = 0;

	if (!real)
		rc = refuse(u, l->name, "is a link to something that is not there");
	else if (strncmp(real, root, len) || (real[len] && real[len] != '/'))
		rc = refuse(u, l->name, "is a link that leads outside");
	free(real);
	free(path);
	return rc;
}

static int make_links(struct unpacker *u)
{
	char *root = realpath(u->dir, NULL);
	const char *last;
	int at, rc = 0;
	size_t i;

	if (!root)
		return err_errno(u->err, "cannot read the folder '%s'", u->dir);
	for (i = 0; i < u->nlinks && !rc; i++) {
		at = open_parent(u, u->links[i].name, &last);
		if (at < 0 || symlinkat(u->links[i].target, at, last))
			rc = cannot_make(u, u->links[i].name);
		close_parent(u, at);
	}
	for (i = 0; i < u->nlinks && !rc; i++)
		rc = check_link(u, root, &u->links[i]);
	free(root);
	return rc;
}

static int take_all(struct unpacker *u)
{
	struct archive_entry *entry;
	int rc;

	while ((rc = u->lib.archive_read_next_header(u->archive, &entry)) == ARCHIVE_OK ||
	       rc == ARCHIVE_WARN) {
		if (++u->members > u->opt.max_members)
			return err_set(u->err, STATUS_INPUT,
				       "cannot unpack '%s': it has more than %llu members",
				       u->archive_name, (unsigned long long)u->opt.max_members);
		/* A member costs a block even when it is empty: millions of them are a bomb too. */
		u->bytes += MEMBER_COST;
		if (within_bounds(u, u->lib.archive_entry_pathname(entry)
					     ? u->lib.archive_entry_pathname(entry)
					     : "?") ||
		    take_member(u, entry) || tell(u))
			return -1;
	}
	if (rc != ARCHIVE_EOF)
		return broken(u);
	if (u->members == 0)
		return err_set(u->err, STATUS_INPUT, "cannot unpack '%s': it is empty",
			       u->archive_name);
	if (u->taken == 0 && u->opt.below)
		return err_set(u->err, STATUS_INPUT, "cannot unpack '%s': it holds no '%s'",
			       u->archive_name, u->opt.below);
	return make_links(u);
}

static int open_archive(struct unpacker *u)
{
	const struct libarchive *lib = &u->lib;
	const char *cause;

	if (libarchive_load(&u->lib, u->err))
		return -1;
	u->archive = lib->archive_read_new();
	if (!u->archive)
		return err_set(u->err, STATUS_SYSTEM, "libarchive could not be started");
	lib->archive_read_support_filter_gzip(u->archive);
	lib->archive_read_support_filter_xz(u->archive);
	lib->archive_read_support_filter_zstd(u->archive);
	lib->archive_read_support_format_tar(u->archive);
	/* By its directory: a zip without one is truncated, whatever its beginning may hold. */
	lib->archive_read_support_format_zip_seekable(u->archive);
	lib->archive_read_support_format_raw(u->archive);
	lib->archive_read_support_format_empty(u->archive);
	if (lib->archive_read_open_filename(u->archive, u->archive_name, BLOCK) == ARCHIVE_OK)
		return 0;
	cause = lib->archive_error_string(u->archive);
	return err_set(u->err, STATUS_INPUT, "cannot unpack '%s': %s", u->archive_name,
		       cause ? cause : "it cannot be read");
}

static int archive_size(const char *name, uint64_t *size, struct err *err)
{
	struct stat st;
	int fd = file_open(name, err);

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		file_close(fd);
		return err_set(err, STATUS_INPUT, "cannot unpack '%s': it is not a regular file",
			       name);
	}
	file_close(fd);
	*size = (uint64_t)st.st_size;
	return 0;
}

static void set_limits(struct unpacker *u, const struct unpack_options *opt)
{
	if (opt)
		u->opt = *opt;
	if (!u->opt.max_bytes)
		u->opt.max_bytes = UNPACK_BYTES;
	if (!u->opt.max_members)
		u->opt.max_members = UNPACK_MEMBERS;
	if (!u->opt.max_ratio)
		u->opt.max_ratio = UNPACK_RATIO;
}

int unpack(const char *archive, const char *dir, const struct unpack_options *opt, struct err *err)
{
	struct unpacker u = {.archive_name = archive, .dir = dir, .err = err};
	size_t i;
	int rc;

	set_limits(&u, opt);
	if (archive_size(archive, &u.packed, err))
		return -1;
	u.root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (u.root < 0)
		return err_errno(err, "cannot write to the folder '%s'", dir);
	rc = open_archive(&u) || take_all(&u) ? -1 : 0;
	/* On disk before the folder gets its name. */
	if (!rc && syncfs(u.root))
		rc = err_errno(err, "cannot write to the folder '%s'", dir);
	if (u.archive)
		u.lib.archive_read_free(u.archive);
	for (i = 0; i < u.nlinks; i++) {
		free(u.links[i].name);
		free(u.links[i].target);
	}
	free(u.links);
	close(u.root);
	return rc;
}
