# Room: src/nn
libmist_a_SOURCES += \
	src/nn/bce.c src/nn/bce.h \
	src/nn/bnact.c src/nn/bnact.h src/nn/bnact-sweep.h src/nn/bnact-sweep.inc.h \
	src/nn/bnact-v128.c \
	src/nn/builder.c src/nn/builder.h \
	src/nn/conv.c src/nn/conv.h src/nn/conv-blas.c src/nn/conv-plan.h \
	src/nn/graph.c src/nn/graph.h \
	src/nn/conv-direct.c src/nn/conv-direct.h src/nn/conv-direct-dw.c \
	src/nn/conv-kernel.inc.h src/nn/conv-v128.c \
	src/nn/conv-wino.c src/nn/conv-wino.h src/nn/conv-wino-dw.c src/nn/conv-wino.inc.h \
	src/nn/conv-wino-columns.inc.h \
	src/nn/linear.c src/nn/linear.h \
	src/nn/maxpool.c src/nn/maxpool.h src/nn/maxpool-v128.c \
	src/nn/maxpool-window.h src/nn/maxpool-window.inc.h \
	src/nn/module.c src/nn/module.h \
	src/nn/net.c src/nn/net.h src/nn/netback.c src/nn/netmem.c src/nn/netpair.c \
	src/nn/netseg.c src/nn/netops.c src/nn/netops.h src/nn/netplan.c src/nn/netplan.h \
	src/nn/optim.c src/nn/optim.h \
	src/nn/profile.c src/nn/profile.h \
	src/nn/simd.inc.h \
	src/nn/tensor.c src/nn/tensor.h \
	src/nn/narrow.c src/nn/narrow.h src/nn/narrow-run.h src/nn/narrow-run.inc.h src/nn/narrow-v128.c \
	src/nn/upsample.c src/nn/upsample.h

# The kernels: one source per family, compiled once per instruction set. Contraction off: simd.inc.h.
if HAVE_X86
AM_CPPFLAGS += -DHAVE_X86_KERNELS
noinst_LIBRARIES += libmist_avx2.a libmist_avx512.a
kernel_libs += libmist_avx2.a libmist_avx512.a
libmist_avx2_a_SOURCES = src/nn/bnact-avx2.c src/nn/conv-avx2.c \
	src/nn/maxpool-avx2.c src/nn/narrow-avx2.c
libmist_avx2_a_CFLAGS = $(AM_CFLAGS) $(AVX2_CFLAGS) -ffp-contract=off
libmist_avx512_a_SOURCES = src/nn/bnact-avx512.c src/nn/conv-avx512.c \
	src/nn/maxpool-avx512.c src/nn/narrow-avx512.c
libmist_avx512_a_CFLAGS = $(AM_CFLAGS) $(AVX512_CFLAGS) -ffp-contract=off
endif

bench_programs += tests/bench/b-conv tests/bench/b-bnact
tests_bench_b_bnact_SOURCES = tests/bench/b-bnact.c $(bench_sources)
tests_bench_b_conv_SOURCES = tests/bench/b-conv.c $(bench_sources) tests/unit/conv-cases.h

unit_tests += tests/unit/t-bce tests/unit/t-bnact tests/unit/t-conv tests/unit/t-graph tests/unit/t-linear \
	tests/unit/t-maxpool tests/unit/t-net tests/unit/t-netpair tests/unit/t-optim \
	tests/unit/t-narrow tests/unit/t-profile tests/unit/t-tensor tests/unit/t-upsample
