# make lint: the house rules of build-aux/lint.sh over the sources and this build's objects.
EXTRA_DIST += build-aux/lint.sh

lint: libmist.a
	$(SHELL) $(top_srcdir)/build-aux/lint.sh '$(abs_builddir)'
.PHONY: lint
