/*
 * certificate.h - what an edge has given away, told so that nobody takes it for more privacy than it
 * is: the mechanism, epsilon per bit, per image and per client together, labels, where the noise
 * comes from, how much is sent, and a warning for every reason why the promise is empty.
 */
#ifndef MIST_MIST_CERTIFICATE_H
#define MIST_MIST_CERTIFICATE_H

#include "mist/ledger.h"
#include "mist/privacy.h"

#define CERTIFICATE_VERSION 1

struct certificate {
	struct privacy spent;
	const char *ledger; /* its path; NULL: none was kept */
	/* with a ledger, when all is recorded */
	struct ledger_account account;
	size_t image_bytes;   /* of features, all releases of an image */
	double picture_bytes; /* of the picture's file, on average; 0: not known yet */
	size_t weights_bytes; /* what federated averaging sends a round, in float32 */
};

/* The table goes to `lines` line by line, the warnings to `warnings`. */
void certificate_tell(const struct certificate *c, const struct notices *lines,
		      const struct notices *warnings);
/*
 * The same as a JSON object of version CERTIFICATE_VERSION: {"version", "mechanism",
 * "flip_probability", "generator": "ledger" | "kernel" | "seed" | "none", "labels", "label_epsilon",
 * "epsilon_per_bit", "epsilon_per_image", "epsilon_per_client", "final", "bits_per_image",
 * "expected_flips_per_image", "images", "bytes_per_image", "picture_bytes_per_image",
 * "weights_bytes", "ledger": true | false, "epsilon_per_image_max", "warnings": […]}; an epsilon of
 * null is infinite (or, of the image that cost most, not known). `final` false: before the first
 * image, when the images are those of the data set and the client's figure is theirs alone. Nothing
 * tells what was sent before and what anew: sent again, a stream is the same bytes. The caller frees.
 */
char *certificate_json(const struct certificate *c, bool final);

/* The client's epsilon: the ledger's account, or what this stream alone comes to. */
double certificate_per_client(const struct certificate *c);

#endif
