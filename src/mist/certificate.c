#include "mist/certificate.h"

#include "io/json.h"

#include <math.h>
#include <stdlib.h>

static bool is_noisy(const struct privacy *p)
{
	return p->mechanism != MECHANISM_NONE;
}

/* Noise that who knows the seed removes protects from nobody. */
static bool is_private(const struct privacy *p)
{
	return is_noisy(p) && !p->seeded;
}

double certificate_per_client(const struct certificate *c)
{
	if (!is_private(&c->spent))
		return INFINITY;
	return c->ledger ? c->account.after : privacy_per_client(&c->spent);
}

/* ------------------------------------------------------------------ the table */

static void tell_mechanism(const struct certificate *c, const struct notices *to)
{
	const struct privacy *p = &c->spent;

	if (!is_noisy(p)) {
		notice(to, "mechanism           none: %s without noise",
		       p->encoding == ENCODING_BIT ? "bits" : "features");
		return;
	}
	notice(to, "mechanism           %s, each bit is flipped with probability %.6g",
	       mechanism_names[p->mechanism], p->q);
	notice(to, "generator           ChaCha20, keyed by %s",
	       p->seeded   ? "--seed and the image's bits"
	       : c->ledger ? "the ledger's key and the image's bits"
			   : "the kernel's entropy");
}

static void tell_epsilon(const struct certificate *c, const struct notices *to)
{
	const struct privacy *p = &c->spent;
	char bit[32], image[32], client[32], before[32], most[32], classes[64];

	snprintf(classes, sizeof(classes), ", and at most %ld classes", p->objects_most);
	privacy_format_up(p->per_bit, bit, sizeof(bit));
	privacy_format_up(privacy_per_image(p), image, sizeof(image));
	privacy_format_up(certificate_per_client(c), client, sizeof(client));
	privacy_format_up(c->account.before, before, sizeof(before));
	privacy_format_up(c->account.image_max, most, sizeof(most));
	notice(to, "epsilon per bit     %s%s", is_noisy(p) ? bit : "infinite",
	       is_noisy(p) && p->seeded ? " for who does not know the seed" : "");
	notice(to, "epsilon per image   %s (%zu %s, sent %d time%s%s)",
	       is_private(p) ? image : "infinite", p->values,
	       p->encoding == ENCODING_BIT ? "bits" : "values", p->releases,
	       p->releases == 1 ? "" : "s", p->label_epsilon > 0 && p->objects ? classes : "");
	if (!c->ledger)
		notice(to, "epsilon per client  %s (%ld image%s; no account was kept)",
		       isfinite(certificate_per_client(c)) ? client : "infinite", p->images,
		       p->images == 1 ? "" : "s");
	else
		notice(to,
		       "epsilon per client  %s (before: %s; %ld new, %ld sent before; most for one "
		       "image: %s)",
		       isfinite(certificate_per_client(c)) ? client : "infinite", before,
		       c->account.fresh, c->account.again, most);
}

static void tell_labels(const struct privacy *p, const struct notices *to)
{
	char each[32];

	privacy_format_up(p->label_epsilon, each, sizeof(each));
	if (p->labels[0] == 'n')
		notice(to, "labels              none are sent; file names travel in clear");
	else if (p->labels[0] == 'r')
		notice(to,
		       "labels              classes are randomised, epsilon %s for each object; "
		       "boxes and file names travel in clear",
		       each);
	else
		notice(to, "labels              classes, boxes and file names travel in clear");
}

static void tell_bytes(const struct certificate *c, const struct notices *to)
{
	const double bytes = (double)c->image_bytes;

	notice(to, "bytes per image     %zu (the picture's file: %.0f on average)", c->image_bytes,
	       c->picture_bytes);
	notice(to,
	       "by comparison       federated averaging sends %zu bytes of weights a round, as "
	       "much as %.3g images",
	       c->weights_bytes, (double)c->weights_bytes / bytes);
}

/* ------------------------------------------------------------------ warnings */

/* Calls `to` with a sentence for each reason why the promise is empty. */
static void warn(const struct certificate *c, const struct notices *to)
{
	const struct privacy *p = &c->spent;
	char image[32];

	if (!is_noisy(p))
		notice(to, "no differential privacy: %s without noise",
		       p->encoding == ENCODING_BIT ? "bits are sent" : "features are sent");
	else if (privacy_empty(p))
		notice(to,
		       "no privacy in practice: this epsilon flips %.2g of an image's %zu bits on "
		       "average",
		       privacy_flips(p), p->values * (size_t)p->releases);
	if (is_noisy(p) && p->seeded)
		notice(to,
		       "--seed makes the noise reproducible: whoever knows the seed removes it");
	privacy_format_up(privacy_per_image(p), image, sizeof(image));
	if (is_private(p) && privacy_per_image(p) > PRIVACY_EMPTY)
		notice(to,
		       "an epsilon of %s per image promises nothing formally; what leaks in "
		       "practice must be measured (mistutils(7))",
		       image);
	if (p->labels[0] == 'c')
		notice(to, "labels are sent in clear (--no-labels keeps them, --label-epsilon "
			   "randomises their classes)");
	if (!c->ledger)
		notice(to, "no ledger was kept: sent again, these images get other noise, and "
			   "nobody counts it");
}

static void warn_aloud(void *ctx, const char *sentence)
{
	notice(ctx, "warning: %s", sentence);
}

void certificate_tell(const struct certificate *c, const struct notices *lines,
		      const struct notices *warnings)
{
	const struct notices aloud = {warn_aloud, (void *)warnings};
	const struct privacy *p = &c->spent;

	tell_mechanism(c, lines);
	tell_epsilon(c, lines);
	if (is_noisy(p))
		notice(lines, "flips per image     %.6g expected", privacy_flips(p));
	tell_labels(p, lines);
	tell_bytes(c, lines);
	warn(c, &aloud);
}

/* ------------------------------------------------------------------ JSON */

static json_t *epsilon_to_json(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static const char *generator(const struct certificate *c)
{
	if (!is_noisy(&c->spent))
		return "none";
	if (c->spent.seeded)
		return "seed";
	return c->ledger ? "ledger" : "kernel";
}

static void collect(void *ctx, const char *sentence)
{
	json_array_append_new(ctx, json_string(sentence));
}

static json_t *warnings_to_json(const struct certificate *c)
{
	json_t *list = json_array();
	const struct notices to = {collect, list};

	warn(c, &to);
	return list;
}

char *certificate_json(const struct certificate *c, bool final)
{
	const struct privacy *p = &c->spent;
	const bool private = is_private(p);
	json_t *o = json_object();
	char *text;

	json_object_set_new(o, "version", json_integer(CERTIFICATE_VERSION));
	json_object_set_new(o, "final", json_boolean(final));
	json_object_set_new(o, "mechanism", json_string(mechanism_names[p->mechanism]));
	json_object_set_new(o, "flip_probability", json_real(p->q));
	json_object_set_new(o, "generator", json_string(generator(c)));
	json_object_set_new(o, "labels", json_string(p->labels));
	if (p->labels[0] == 'r')
		json_object_set_new(o, "label_epsilon",
				    epsilon_to_json(p->seeded ? INFINITY : p->label_epsilon));
	json_object_set_new(o, "epsilon_per_bit", epsilon_to_json(private ? p->per_bit : INFINITY));
	json_object_set_new(o, "epsilon_per_image",
			    epsilon_to_json(private ? privacy_per_image(p) : INFINITY));
	json_object_set_new(o, "epsilon_per_client",
			    epsilon_to_json(final     ? certificate_per_client(c)
					    : private ? privacy_per_client(p)
						      : INFINITY));
	if (final)
		json_object_set_new(o, "epsilon_per_image_max",
				    c->ledger ? epsilon_to_json(c->account.image_max)
					      : json_null());
	json_object_set_new(o, "bits_per_image", json_integer((json_int_t)p->values * p->releases));
	json_object_set_new(o, "expected_flips_per_image", json_real(privacy_flips(p)));
	json_object_set_new(o, "images", json_integer(p->images));
	json_object_set_new(o, "bytes_per_image", json_integer((json_int_t)c->image_bytes));
	if (final)
		json_object_set_new(o, "picture_bytes_per_image", json_real(c->picture_bytes));
	json_object_set_new(o, "weights_bytes", json_integer((json_int_t)c->weights_bytes));
	json_object_set_new(o, "ledger", json_boolean(c->ledger != NULL));
	json_object_set_new(o, "warnings", warnings_to_json(c));
	text = json_text(o);
	json_decref(o);
	return text;
}
