#include "io/imgpng.h"

#include "io/exif.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdlib.h>

#include <png.h>

#define MAX_SIDE 32768
/* Ancillary chunks larger than this (colour profiles, text) are not worth their memory. */
#define MAX_CHUNK (16u << 20)
/* Deflate's best ratio is 1032 to 1 (zlib's technical details). */
#define MAX_RATIO 1040

/* One call into libpng, which reports errors by longjmp to `env`. */
struct job {
	jmp_buf env;
	struct err *err;
	png_structp png;
	png_infop info;
	const unsigned char *data;
	size_t size, at;
	bool header_only;
	int orientation;
	struct image *img;
	const struct image *src;
	png_bytep *rows;
	struct buf *encoded;
};

static void fail(struct job *job, const char *sentence)
{
	err_set(job->err, STATUS_INPUT, "%s", sentence);
	longjmp(job->env, 1);
}

static void on_error(png_structp png, png_const_charp message)
{
	struct job *job = png_get_error_ptr(png);

	err_set(job->err, STATUS_INPUT, "damaged PNG: %c%s", tolower((unsigned char)message[0]),
		message[0] ? message + 1 : "");
	longjmp(job->env, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
	(void)png;
	(void)message;
}

static void on_read(png_structp png, png_bytep out, size_t n)
{
	struct job *job = png_get_io_ptr(png);

	if (n > job->size - job->at)
		fail(job, "the PNG ends early");
	memcpy(out, job->data + job->at, n);
	job->at += n;
}

static void on_write(png_structp png, png_bytep data, size_t n)
{
	struct job *job = png_get_io_ptr(png);

	buf_add(job->encoded, data, n);
}

static void on_flush(png_structp png)
{
	(void)png;
}

/* libpng takes (and clears) what a text chunk says it will be, 2 GiB at most, before it reads it. Rows and
 * its own state are far below what a chunk may be. */
static png_voidp on_malloc(png_structp png, png_alloc_size_t n)
{
	(void)png;
	return n > MAX_CHUNK ? NULL : malloc(n);
}

static void on_free(png_structp png, png_voidp p)
{
	(void)png;
	free(p);
}

/* Runs `body`, which may leave by longjmp; everything it owns lies in the job. */
static int job_run(struct job *job, void (*body)(struct job *))
{
	if (setjmp(job->env))
		return -1;
	body(job);
	return 0;
}

static void read_header(struct job *job)
{
	png_bytep exif = NULL;
	png_uint_32 n = 0;

	png_set_user_limits(job->png, MAX_SIDE, MAX_SIDE);
	png_set_chunk_malloc_max(job->png, MAX_CHUNK);
	png_set_read_fn(job->png, job, on_read);
	png_read_info(job->png, job->info);
	if (png_get_eXIf_1(job->png, job->info, &n, &exif))
		job->orientation = exif_orientation(exif, n);
	job->img->w = (int)png_get_image_width(job->png, job->info);
	job->img->h = (int)png_get_image_height(job->png, job->info);
}

static void read_pixels(struct job *job)
{
	struct image *img = job->img;
	int y;

	if (png_get_rowbytes(job->png, job->info) * (size_t)img->h / MAX_RATIO > job->size)
		fail(job, "the PNG ends early");
	png_set_strip_16(job->png);
	png_set_expand(job->png);
	png_set_strip_alpha(job->png);
	png_set_gray_to_rgb(job->png);
	png_set_interlace_handling(job->png);
	png_read_update_info(job->png, job->info);
	BUG_IF(png_get_rowbytes(job->png, job->info) != (size_t)img->w * 3);
	image_alloc(img, img->w, img->h);
	job->rows = xmalloc((size_t)img->h * sizeof(*job->rows));
	for (y = 0; y < img->h; y++)
		job->rows[y] = img->rgb + (size_t)y * 3 * (size_t)img->w;
	png_read_image(job->png, job->rows);
	png_read_end(job->png, NULL);
}

static void decode_body(struct job *job)
{
	job->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, job, on_error, on_warning, NULL,
					    on_malloc, on_free);
	BUG_IF(!job->png);
	job->info = png_create_info_struct(job->png);
	BUG_IF(!job->info);
	read_header(job);
	if (!job->header_only)
		read_pixels(job);
}

int imgpng_decode(const void *data, size_t size, bool header_only, struct image *out,
		  int *orientation, struct err *err)
{
	struct job job = {.data = data,
			  .size = size,
			  .header_only = header_only,
			  .img = out,
			  .err = err,
			  .orientation = 1};
	int rc = job_run(&job, decode_body);

	png_destroy_read_struct(&job.png, &job.info, NULL);
	free(job.rows);
	if (rc)
		image_release(out);
	*orientation = job.orientation;
	return rc;
}

bool imgpng_ends(const unsigned char *tail, size_t size)
{
	return size >= 12 && !memcmp(tail + size - 12, "\0\0\0\0IEND\xae\x42\x60\x82", 12);
}

static void encode_body(struct job *job)
{
	const struct image *img = job->src;
	int y;

	job->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, job, on_error, on_warning);
	BUG_IF(!job->png);
	job->info = png_create_info_struct(job->png);
	BUG_IF(!job->info);
	png_set_write_fn(job->png, job, on_write, on_flush);
	png_set_IHDR(job->png, job->info, (png_uint_32)img->w, (png_uint_32)img->h, 8,
		     PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
		     PNG_FILTER_TYPE_DEFAULT);
	png_write_info(job->png, job->info);
	for (y = 0; y < img->h; y++)
		png_write_row(job->png, img->rgb + (size_t)y * 3 * (size_t)img->w);
	png_write_end(job->png, NULL);
}

int imgpng_encode(const struct image *img, struct buf *out, struct err *err)
{
	struct job job = {.src = img, .encoded = out, .err = err};
	size_t start = out->len;
	int rc = job_run(&job, encode_body);

	png_destroy_write_struct(&job.png, &job.info);
	if (rc)
		out->len = start;
	return rc;
}
