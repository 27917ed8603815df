# Room: src/job - a federated job from its manifest: plan, steps, status.
libmist_a_SOURCES += \
	src/job/commands.c src/job/commands.h \
	src/job/condition.c src/job/condition.h \
	src/job/deliver.c src/job/deliver.h \
	src/job/engine.c src/job/engine.h \
	src/job/fields.c src/job/fields.h \
	src/job/folder.c src/job/folder.h \
	src/job/manifest.c src/job/manifest.h \
	src/job/jobplan.c src/job/jobplan.h \
	src/job/jobplan_make.c src/job/jobplan_sh.c src/job/jobplan_slurm.c \
	src/job/quantity.c src/job/quantity.h \
	src/job/quote.c src/job/quote.h \
	src/job/record.c src/job/record.h \
	src/job/settings.c src/job/settings.h \
	src/job/slurm.c src/job/slurm.h \
	src/job/spawn.c src/job/spawn.h \
	src/job/standing.c src/job/standing.h \
	src/job/step.c src/job/step.h \
	src/job/there.c src/job/there.h \
	src/job/verdict.c src/job/verdict.h \
	src/job/words.c src/job/words.h

unit_tests += tests/unit/t-manifest tests/unit/t-quote tests/unit/t-slurm
fuzz_targets += tests/fuzz/fuzz-manifest
