/* What comes from outside before a transfer: profiles of credentials, names of objects, a server's XML. */
#include "base/mem.h"
#include "io/credentials.h"
#include "io/store.h"
#include "io/upload.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	char *text = xstrndup((const char *)data, size), *name, *url, *id;
	struct credentials c = {.bearer = NULL};
	struct err err = ERR_INIT;

	credentials_parse(&c, text, "default");
	BUG_IF(c.secret && strchr(c.secret, '\n'));
	credentials_release(&c);
	name = xasprintf("s3://%s", text);
	url = store_s3_url(name, NULL, "r", &err);
	BUG_IF(url && strpbrk(url, " ?#\"<>\r\n"));
	id = upload_xml_text(text, "UploadId");
	BUG_IF(id && strchr(id, '<'));
	free(id);
	free(url);
	free(name);
	free(text);
	return 0;
}
