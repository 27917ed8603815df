# Manuals: section 1 from each program's --help and man/PROGRAM.x, where help2man is there; sections 5
# and 7 are written by hand. The table of exit statuses is made from the enum.
man_sources = man/coco-fetch.x man/coco-partition.x man/coco-synth.x man/mist-aggregate.x man/mist-attack.x \
	man/mist-detect.x man/mist-eval.x man/mist-extract.x man/mist-job.x man/mist-model.x man/mist-train.x
EXTRA_DIST += $(man_sources)
dist_man_MANS += man/mist-datasets.5 man/mist-features.5 man/mist-job.5 man/mist-ledger.5 man/mist-weights.5 man/mistutils.7

man/exit-status.x: src/base/err.h
	@$(MKDIR_P) man
	$(AM_V_GEN){ echo '[exit status]'; \
	sed -n 's/^	STATUS_[A-Z]* = \([0-9]*\),[	 ]*\/\* \(.*\) \*\/$$/.TP\n\\fB\1\\fP\n\2/p' $(srcdir)/src/base/err.h; \
	} >$@
CLEANFILES += man/exit-status.x

if HAVE_HELP2MAN
man_pages = $(patsubst tools/%$(EXEEXT),man/%.1,$(bin_PROGRAMS))
all-local: $(man_pages)
man/%.1: tools/%$(EXEEXT) man/exit-status.x $(man_sources)
	$(AM_V_GEN)$(HELP2MAN) --no-info --section=1 --manual='mistutils manual' --source='mistutils $(PACKAGE_VERSION)' \
		--opt-include=$(srcdir)/man/$*.x --include=man/exit-status.x --output=$@ ./$<
install-data-hook: $(man_pages)
	$(MKDIR_P) $(DESTDIR)$(mandir)/man1
	for page in $(man_pages); do $(INSTALL_DATA) $$page $(DESTDIR)$(mandir)/man1/ || exit; done
uninstall-hook:
	for page in $(man_pages); do rm -f $(DESTDIR)$(mandir)/man1/$${page##*/}; done
CLEANFILES += $(man_pages)
endif
