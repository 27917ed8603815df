#include "io/image.h"

#include "base/file.h"
#include "io/exif.h"
#include "io/imgjpeg.h"
#include "io/imgpng.h"

#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_SIDE   32768
#define MAX_PIXELS (1u << 28)
/* No picture within the limits above needs more. */
#define MAX_FILE (1ull << 30)
/* Enough for the headers of nearly every picture; where it is not, the whole file is read. */
#define HEAD_SIZE 16384
/* IEND is 12 bytes. */
#define TAIL_SIZE 12
/* As OpenCV's imwrite. */
#define QUALITY 95

void image_alloc(struct image *img, int w, int h)
{
	BUG_IF(w <= 0 || h <= 0 || w > MAX_SIDE || h > MAX_SIDE);
	img->w = w;
	img->h = h;
	img->rgb = xmalloc((size_t)w * (size_t)h * 3);
}

void image_release(struct image *img)
{
	free(img->rgb);
	*img = (struct image)IMAGE_INIT;
}

static bool begins(const void *data, size_t size, size_t at, const char *magic, size_t n)
{
	return size >= at + n && !memcmp((const char *)data + at, magic, n);
}

const char *image_format(const void *data, size_t size)
{
	static const struct {
		const char *name, *magic;
		size_t at, n;
	} formats[] = {
		{"JPEG", "\xff\xd8\xff", 0, 3},
		{"PNG", "\x89PNG\r\n\x1a\n", 0, 8},
		{"GIF", "GIF8", 0, 4},
		{"BMP", "BM", 0, 2},
		{"WebP", "WEBP", 8, 4},
		{"TIFF", "II*\0", 0, 4},
		{"TIFF", "MM\0*", 0, 4},
		{"HEIF", "ftyp", 4, 4},
		{"JPEG 2000", "\0\0\0\x0cjP  ", 0, 8},
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(formats); i++)
		if (begins(data, size, formats[i].at, formats[i].magic, formats[i].n))
			return formats[i].name;
	return NULL;
}

/* Where pixel (x, y) of the upright image lies in the stored one. */
static const unsigned char *stored(const struct image *img, int orientation, int x, int y)
{
	int sx = exif_swaps(orientation) ? y : x;
	int sy = exif_swaps(orientation) ? x : y;

	if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8)
		sx = img->w - 1 - sx;
	if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7)
		sy = img->h - 1 - sy;
	return img->rgb + ((size_t)sy * (size_t)img->w + (size_t)sx) * 3;
}

static void turn_upright(struct image *img, int orientation)
{
	struct image up;
	unsigned char *out;
	int x, y;

	image_alloc(&up, exif_swaps(orientation) ? img->h : img->w,
		    exif_swaps(orientation) ? img->w : img->h);
	out = up.rgb;
	for (y = 0; y < up.h; y++)
		for (x = 0; x < up.w; x++, out += 3)
			memcpy(out, stored(img, orientation, x, y), 3);
	image_release(img);
	*img = up;
}

static int check_limits(const struct image *img, struct err *err)
{
	if (img->w <= 0 || img->h <= 0 || img->w > MAX_SIDE || img->h > MAX_SIDE ||
	    (size_t)img->w * (size_t)img->h > MAX_PIXELS)
		return err_set(err, STATUS_INPUT,
			       "the picture is %d x %d; at most %d a side and %u pixels are read",
			       img->w, img->h, MAX_SIDE, MAX_PIXELS);
	return 0;
}

static int decode_stored(const void *data, size_t size, bool header_only, struct image *out,
			 int *orientation, struct err *err)
{
	const char *format = image_format(data, size);

	*out = (struct image)IMAGE_INIT;
	if (format && !strcmp(format, "JPEG"))
		return imgjpeg_decode(data, size, header_only, out, orientation, err);
	if (format && !strcmp(format, "PNG"))
		return imgpng_decode(data, size, header_only, out, orientation, err);
	if (size == 0)
		return err_set(err, STATUS_INPUT, "the file is empty");
	if (format)
		return err_set(err, STATUS_INPUT, "%s pictures are not read, only JPEG and PNG",
			       format);
	return err_set(err, STATUS_INPUT, "not a JPEG or PNG picture");
}

static int decode_header(const void *data, size_t size, int *w, int *h, struct err *err)
{
	struct image img;
	int orientation;

	if (decode_stored(data, size, true, &img, &orientation, err) || check_limits(&img, err))
		return -1;
	*w = exif_swaps(orientation) ? img.h : img.w;
	*h = exif_swaps(orientation) ? img.w : img.h;
	return 0;
}

int image_decode(const void *data, size_t size, struct image *out, struct err *err)
{
	int orientation, w, h;

	*out = (struct image)IMAGE_INIT;
	if (decode_header(data, size, &w, &h, err) ||
	    decode_stored(data, size, false, out, &orientation, err))
		return -1;
	if (orientation != 1)
		turn_upright(out, orientation);
	return 0;
}

int image_read(const char *path, struct image *out, struct err *err)
{
	struct buf data = BUF_INIT;
	int rc = file_read(path, MAX_FILE, &data, err);

	*out = (struct image)IMAGE_INIT;
	if (!rc && image_decode(data.data, data.len, out, err))
		rc = err_prefix(err, "cannot read '%s'", path);
	buf_release(&data);
	return rc;
}

/* The first bytes of a file, its last ones, and how long it is. */
struct ends {
	unsigned char head[HEAD_SIZE], tail[TAIL_SIZE];
	size_t nhead, ntail;
	bool whole; /* head is all there is */
};

static int read_ends(const char *path, struct ends *e, struct err *err)
{
	int fd = file_open(path, err);
	struct stat st;
	long n;

	if (fd < 0)
		return -1;
	n = file_read_some(fd, e->head, sizeof(e->head), path, err);
	if (n >= 0) {
		e->nhead = (size_t)n;
		e->ntail = 0;
		e->whole = e->nhead < sizeof(e->head);
		if (fstat(fd, &st) == 0 && st.st_size >= TAIL_SIZE &&
		    pread(fd, e->tail, TAIL_SIZE, st.st_size - TAIL_SIZE) == TAIL_SIZE)
			e->ntail = TAIL_SIZE;
	}
	file_close(fd);
	return n < 0 ? -1 : 0;
}

static int size_of_whole(const char *path, int *w, int *h, struct err *err)
{
	struct buf data = BUF_INIT;
	int rc = file_read(path, MAX_FILE, &data, err);

	if (!rc && decode_header(data.data, data.len, w, h, err))
		rc = err_prefix(err, "cannot read '%s'", path);
	buf_release(&data);
	return rc;
}

static int size_from_ends(const char *path, const struct ends *e, int *w, int *h, struct err *err)
{
	if (decode_header(e->head, e->nhead, w, h, err) == 0)
		return 0;
	if (!e->whole)
		return size_of_whole(path, w, h, err);
	return err_prefix(err, "cannot read '%s'", path);
}

int image_size(const char *path, int *w, int *h, struct err *err)
{
	struct ends e;

	if (read_ends(path, &e, err))
		return -1;
	return size_from_ends(path, &e, w, h, err);
}

int image_check(const char *path, int *w, int *h, struct err *err)
{
	struct image img;
	struct ends e;

	if (read_ends(path, &e, err) || size_from_ends(path, &e, w, h, err))
		return -1;
	if (imgjpeg_ends(e.tail, e.ntail) || imgpng_ends(e.tail, e.ntail))
		return 0;
	if (image_read(path, &img, err))
		return -1;
	image_release(&img);
	return 0;
}

int image_encode_jpeg(const struct image *img, int quality, struct buf *out, struct err *err)
{
	return imgjpeg_encode(img, quality, out, err);
}

int image_encode_png(const struct image *img, struct buf *out, struct err *err)
{
	return imgpng_encode(img, out, err);
}

int image_write(const char *path, const struct image *img, struct err *err)
{
	const char *dot = strrchr(path_base(path), '.');
	struct buf data = BUF_INIT;
	int rc;

	if (dot && (!strcasecmp(dot, ".jpg") || !strcasecmp(dot, ".jpeg")))
		rc = image_encode_jpeg(img, QUALITY, &data, err);
	else if (dot && !strcasecmp(dot, ".png"))
		rc = image_encode_png(img, &data, err);
	else
		rc = err_set(err, STATUS_USAGE, "the name ends neither in .jpg nor in .png");
	if (rc)
		err_prefix(err, "cannot write '%s'", path);
	else
		rc = file_write(path, data.data, data.len, err);
	buf_release(&data);
	return rc;
}
