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
