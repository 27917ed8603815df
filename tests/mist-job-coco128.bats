# mist-job-coco128.bats - the reference job, with values that can be met, on COCO128 and YOLOv5n: from
# `mist-job run` to Succeeded under every engine, with the same weights.
load helper
load job
load sshd
load slurm

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	shared=$MIST_SRCDIR/../shared
	[ -r "$shared/data/coco128.zip" ] || return 0
	unzip -q "$shared/data/coco128.zip"
	"$MIST_BUILDDIR/tools/coco-partition" -q --seed 1 -o edge coco128 2 >/dev/null || return 1
	if sshd_start "$PWD/sshd"; then export sshd_dir MIST_SSH; else export sshd_why; fi
	if slurm_start "$PWD/slurm" cloud edge1 edge2; then export slurm_dir SLURM_CONF; else export slurm_why; fi
}

teardown_file() {
	sshd_stop
	slurm_stop
}

# The shipped manifest: its paths, a smaller picture, noise that comes out the same, and at most 2 rounds.
reference() {
	sed -e "s,/data/1/COCO,$d/edge/1,; s,/data/2/COCO,$d/edge/2,; s,/data/val,$d/coco128," \
		-e "s,/pretrained/yolov5.pth,$MIST_SRCDIR/../shared/data/yolov5n.pt,; s,/model/,$PWD/model/," \
		-e 's/threshold: 100/threshold: 1/; s/threshold: 0.03/threshold: 0.0003/' \
		-e 's/^\( *\)- name: "cut_layer"/\1- {name: img, value: "64"}\n\1- {name: noise_seed, value: "1"}\n&/' \
		-e 's/value: "2"/value: "1"/' "$MISTUTILS_SHARE/examples/reference.yaml"
}

setup() {
	scratch
	need_shared data/coco128.zip
	need_shared data/yolov5n.pt
	d=$BATS_FILE_TMPDIR
	export XDG_STATE_HOME=$PWD/state PATH=$MIST_BUILDDIR/tools:$PATH
	reference >job.yaml
	if [ ! -e "$d/sh/done.json" ]; then
		"$(prog mist-job)" run --state "$d/sh" job.yaml
	fi
}

need() {
	[ -n "$1" ] || return 0
	[ -z "${MIST_REQUIRE_SHARED-}" ] || fail "$1"
	skip "$1"
}

@test "the reference job runs to Succeeded in a shell" {
	mist mist-job get --state "$d/sh" -o json
	jq -e '.phase == "Succeeded" and .rounds == 2 and .ready == 2 and .metrics.mAP50 > 0' <<<"$output"
	mist mist-job get --state "$d/sh" -o wide
	assert_output "rounds 2 > 1"
}

@test "make -j2 makes the same weights of it" {
	mist mist-job run --engine make -j2 --state make job.yaml
	assert_ok
	assert_same make/model.safetensors "$d/sh/model.safetensors"
}

@test "two hosts over ssh make the same weights of it" {
	need "${sshd_why-}"
	me=$(id -un)@127.0.0.1
	mist mist-job run --host "edge1=$me" --host "edge2=$me" --state ssh job.yaml
	assert_ok
	assert_same ssh/model.safetensors "$d/sh/model.safetensors"
}

@test "Slurm makes the same weights of it" {
	need "${slurm_why-}"
	mist mist-job run --engine slurm --state slurm job.yaml
	assert_ok
	assert_same slurm/model.safetensors "$d/sh/model.safetensors"
}

@test "FedAvg of the same manifest, one line changed, stands beside it in one table" {
	sed 's/value: "mistnet"/value: "fedavg"/' job.yaml >fedavg.yaml
	[ "$(diff job.yaml fedavg.yaml | grep -c '^>')" = 1 ]
	mist mist-job run --state fedavg fedavg.yaml
	assert_ok
	mist mist-job compare "$d/sh" ./fedavg
	assert_ok
	printf '%s\n' "$output" >&3
	# Bits of 64 pictures are less than the weights of a round.
	awk '$2 == "mistnet" {m = $6} $2 == "fedavg" {f = $6} END {exit !(m > 0 && m < f / 10)}' <<<"$output"
}
