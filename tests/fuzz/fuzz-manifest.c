/* Manifests of federated jobs: what is read can be planned for every engine. */
#include "job/jobplan.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct err err = ERR_INIT;
	struct manifest *m = manifest_parse("x.yaml", (const char *)data, size, &err);
	struct jobplan_options opt = {ENGINE_SH, "/nowhere/job", "/nowhere/x.yaml", WORDS_INIT};
	int i;

	for (i = 0; m && engine_names[i]; i++) {
		struct buf text = BUF_INIT;
		struct jobplan *p;

		opt.engine = (enum engine)i;
		p = jobplan_new(m, &opt, NULL, &err);
		if (p)
			jobplan_write(p, &text);
		BUG_IF(p && (!text.len || m->min_clients < 1 || m->min_clients > m->nedges));
		jobplan_free(p);
		buf_release(&text);
	}
	manifest_free(m);
	return 0;
}
