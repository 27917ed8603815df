# Room: src/attack - what leaks: feature inversion, membership inference.
libmist_a_SOURCES += \
	src/attack/canvas.c src/attack/canvas.h \
	src/attack/decoder.c src/attack/decoder.h \
	src/attack/evidence.c src/attack/evidence.h \
	src/attack/inversion.c src/attack/inversion.h \
	src/attack/leakfiles.c src/attack/leakfiles.h \
	src/attack/leaks.c src/attack/leaks.h \
	src/attack/likelihood.c src/attack/likelihood.h \
	src/attack/logistic.c src/attack/logistic.h \
	src/attack/losses.c src/attack/losses.h \
	src/attack/membership.c src/attack/membership.h \
	src/attack/outcome.c src/attack/outcome.h \
	src/attack/prior.c src/attack/prior.h \
	src/attack/roc.c src/attack/roc.h \
	src/attack/shadow.c src/attack/shadow.h \
	src/attack/sheet.c src/attack/sheet.h \
	src/attack/victims.c src/attack/victims.h \
	src/attack/whitebox.c src/attack/whitebox.h

bin_PROGRAMS += tools/mist-attack
tools_mist_attack_SOURCES = tools/mist-attack.c

unit_tests += tests/unit/t-inversion tests/unit/t-membership
