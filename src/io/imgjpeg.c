#include "io/imgjpeg.h"

#include "io/exif.h"

#include <setjmp.h>
#include <ctype.h>

#include <jpeglib.h>
/* Of jerror.h only the message codes: its macros name functions that banned.h bans. */
#define JERROR_H
#define JMAKE_ENUM_LIST
#define JMESSAGE(code, string) code,
#include <jerror.h>

/*
 * The most pixels that a byte of JPEG can stand for: a flat grey progressive image spends one bit
 * on a block of 64, 512 a byte; twice that is refused before its pixels are allocated.
 */
#define PIXELS_PER_BYTE 1024
/* Scans that a decoder is willing to go over (libjpeg-turbo's doc/libjpeg.txt advises a limit). */
#define MAX_SCANS 200

/* One call into libjpeg, which reports errors by longjmp to `env`. */
struct job {
	struct jpeg_error_mgr errors;
	struct jpeg_progress_mgr progress;
	jmp_buf env;
	struct err *err;
	struct jpeg_decompress_struct in;
	struct jpeg_compress_struct out;
	const unsigned char *data;
	size_t size;
	bool header_only;
	int orientation;
	struct image *img;
	const struct image *src;
	int quality;
	unsigned char *row;     /* scratch for CMYK */
	unsigned char *encoded; /* malloc()ed by libjpeg */
	unsigned long nencoded;
};

static void fail(struct job *job, const char *sentence)
{
	err_set(job->err, STATUS_INPUT, "%s", sentence);
	longjmp(job->env, 1);
}

static void fail_with_message(struct job *job, j_common_ptr cinfo)
{
	char text[JMSG_LENGTH_MAX];

	cinfo->err->format_message(cinfo, text);
	text[0] = (char)tolower((unsigned char)text[0]);
	err_set(job->err, STATUS_INPUT, "damaged JPEG: %s", text);
	longjmp(job->env, 1);
}

static void on_error(j_common_ptr cinfo)
{
	fail_with_message(cinfo->client_data, cinfo);
}

/* Of libjpeg's warnings, those that mean missing or wrong pixels are errors; the rest is harmless.
 */
static void on_message(j_common_ptr cinfo, int level)
{
	struct job *job = cinfo->client_data;

	if (level >= 0)
		return;
	switch (cinfo->err->msg_code) {
	case JWRN_JPEG_EOF:
		fail(job, "the JPEG ends early");
		break;
	case JWRN_HIT_MARKER:
		fail(job, "damaged JPEG: its data stops at a marker before the picture is whole");
		break;
	case JWRN_HUFF_BAD_CODE:
	case JWRN_ARITH_BAD_CODE:
	case JWRN_MUST_RESYNC:
		fail_with_message(job, cinfo);
		break;
	default:
		break;
	}
}

static void on_progress(j_common_ptr cinfo)
{
	struct job *job = cinfo->client_data;

	if (cinfo->is_decompressor && ((j_decompress_ptr)cinfo)->input_scan_number > MAX_SCANS)
		fail(job, "damaged JPEG: more than 200 scans");
}

static void job_errors(struct job *job, j_common_ptr cinfo)
{
	cinfo->err = jpeg_std_error(&job->errors);
	job->errors.error_exit = on_error;
	job->errors.emit_message = on_message;
	cinfo->client_data = job;
}

/* Runs `body`, which may leave by longjmp; everything it owns lies in the job. */
static int job_run(struct job *job, void (*body)(struct job *))
{
	if (setjmp(job->env))
		return -1;
	body(job);
	return 0;
}

/* The orientation in the first APP1 that is EXIF ("Exif\0\0", then a TIFF structure). */
static int orientation_of(const struct jpeg_decompress_struct *in)
{
	const struct jpeg_marker_struct *m;

	for (m = in->marker_list; m; m = m->next)
		if (m->data_length > 6 && !memcmp(m->data, "Exif\0\0", 6))
			return exif_orientation(m->data + 6, m->data_length - 6);
	return 1;
}

/* Naive CMYK as OpenCV converts it: Adobe's files hold the complements. */
static void cmyk_to_rgb(const unsigned char *cmyk, unsigned char *rgb, int n)
{
	int i, c;

	for (i = 0; i < n; i++)
		for (c = 0; c < 3; c++)
			rgb[3 * i + c] =
				(unsigned char)(cmyk[4 * i + 3] -
						((255 - cmyk[4 * i + c]) * cmyk[4 * i + 3] >> 8));
}

static void read_pixels(struct job *job)
{
	struct jpeg_decompress_struct *in = &job->in;
	bool cmyk = in->jpeg_color_space == JCS_CMYK || in->jpeg_color_space == JCS_YCCK;
	JSAMPROW row;

	in->out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
	in->dct_method = JDCT_ISLOW;
	in->do_fancy_upsampling = TRUE;
	jpeg_start_decompress(in);
	image_alloc(job->img, (int)in->output_width, (int)in->output_height);
	if (cmyk)
		job->row = xmalloc((size_t)in->output_width * 4);
	while (in->output_scanline < in->output_height) {
		unsigned char *rgb =
			job->img->rgb + (size_t)in->output_scanline * 3 * in->output_width;

		row = cmyk ? job->row : rgb;
		jpeg_read_scanlines(in, &row, 1);
		if (cmyk)
			cmyk_to_rgb(job->row, rgb, (int)in->output_width);
	}
	jpeg_finish_decompress(in);
}

static void decode_body(struct job *job)
{
	struct jpeg_decompress_struct *in = &job->in;

	jpeg_create_decompress(in);
	job->progress.progress_monitor = on_progress;
	in->progress = &job->progress;
	jpeg_mem_src(in, job->data, job->size);
	jpeg_save_markers(in, JPEG_APP0 + 1, 0xffff);
	jpeg_read_header(in, TRUE);
	job->orientation = orientation_of(in);
	job->img->w = (int)in->image_width;
	job->img->h = (int)in->image_height;
	if (job->header_only)
		return;
	if ((size_t)in->image_width * in->image_height / PIXELS_PER_BYTE > job->size)
		fail(job, "the JPEG ends early");
	read_pixels(job);
}

int imgjpeg_decode(const void *data, size_t size, bool header_only, struct image *out,
		   int *orientation, struct err *err)
{
	struct job job = {.data = data,
			  .size = size,
			  .header_only = header_only,
			  .img = out,
			  .err = err,
			  .orientation = 1};
	int rc;

	job_errors(&job, (j_common_ptr)&job.in);
	rc = job_run(&job, decode_body);
	jpeg_destroy_decompress(&job.in);
	free(job.row);
	if (rc)
		image_release(out);
	*orientation = job.orientation;
	return rc;
}

bool imgjpeg_ends(const unsigned char *tail, size_t size)
{
	return size >= 2 && tail[size - 2] == 0xff && tail[size - 1] == JPEG_EOI;
}

static void encode_body(struct job *job)
{
	struct jpeg_compress_struct *out = &job->out;
	JSAMPROW row;

	jpeg_create_compress(out);
	jpeg_mem_dest(out, &job->encoded, &job->nencoded);
	out->image_width = (JDIMENSION)job->src->w;
	out->image_height = (JDIMENSION)job->src->h;
	out->input_components = 3;
	out->in_color_space = JCS_RGB;
	jpeg_set_defaults(out);
	jpeg_set_quality(out, job->quality, TRUE);
	out->dct_method = JDCT_ISLOW;
	jpeg_start_compress(out, TRUE);
	while (out->next_scanline < out->image_height) {
		row = job->src->rgb + (size_t)out->next_scanline * 3 * (size_t)job->src->w;
		jpeg_write_scanlines(out, &row, 1);
	}
	jpeg_finish_compress(out);
}

int imgjpeg_encode(const struct image *img, int quality, struct buf *out, struct err *err)
{
	struct job job = {.src = img, .quality = quality, .err = err};
	int rc;

	job_errors(&job, (j_common_ptr)&job.out);
	rc = job_run(&job, encode_body);
	jpeg_destroy_compress(&job.out);
	if (!rc)
		buf_add(out, job.encoded, job.nencoded);
	free(job.encoded);
	return rc;
}
