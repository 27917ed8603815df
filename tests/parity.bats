#!/usr/bin/env bats
# Every number that PyTorch and Ultralytics' YOLOv5 give for a batch, against ours.

load helper

# parity KERNEL REFERENCE [WEIGHTS]; a path this processor lacks is no failure.
parity() {
	MIST_KERNEL=$1 run "$MIST_BUILDDIR/tests/unit/t-parity" "${@:2}"
	case $output in
	*"does not run on this processor"*) return 0 ;;
	esac
	[ "$status" -eq 0 ] || fail "with $1:" "$(printf '%s\n' "$output" | grep -e FAILED -e t-parity -e compared)"
}

@test "evaluation, loss, gradients and training of YOLOv5n agree with PyTorch on every kernel path" {
	need_shared data/yolov5n.pt
	weights=$shared
	need_shared reference/yolov5n-256.safetensors
	for kernel in openblas v128 avx2 avx512; do
		parity "$kernel" "$shared" "$weights"
	done
}

@test "a graph that is hard to plan agrees with PyTorch on every kernel path" {
	for kernel in openblas v128 avx2 avx512; do
		parity "$kernel" "$MIST_SRCDIR/tests/golden/hard-graph.safetensors"
	done
}

@test "parity fails when a weight is wrong" {
	reference=$MIST_SRCDIR/tests/golden/hard-graph.safetensors
	cp "$MIST_SRCDIR/tests/golden/hard-graph.yaml" .
	# behind the header, the images and the targets lie the weights, in half precision
	at=$((8 + $(od -An -t u8 -N8 "$reference") + 2 * 3 * 32 * 48 + 8 * 6 * 4 + 1000))
	{
		head -c "$at" "$reference"
		printf '\000\074' # 1.0
		tail -c "+$((at + 3))" "$reference"
	} >bad.safetensors
	run "$MIST_BUILDDIR/tests/unit/t-parity" bad.safetensors
	[ "$status" -eq 1 ] || fail "status $status"
	assert_output FAILED
}
