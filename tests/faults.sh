#!/bin/bash
# tests/faults.sh - run the programs while their n-th read, write, fsync or rename fails: each run ends
# with a status of base/err.h's enum and one sentence, and leaves no file that was not there before.
set -u
: "${MIST_SRCDIR:=$(cd "$(dirname "$0")/.." && pwd)}"
: "${MIST_BUILDDIR:=$MIST_SRCDIR/build}"
export MISTUTILS_SHARE=$MIST_SRCDIR/share/mistutils LC_ALL=C
tools=$MIST_BUILDDIR/tools
scratch=$(mktemp -d) || exit 4
trap 'rm -rf "$scratch"' EXIT
export XDG_STATE_HOME=$scratch/state # ledgers
# The n-th call: the first few, where most of the code is, and some far ones.
calls="1 2 3 5 8 13 40 100"
runs=0
faults=0
bad=0

complain() {
	bad=$((bad + 1))
	printf 'not ok: %s\n' "$*"
	sed 's/^/    /' "$scratch/err"
}

# under_fault WORD ARG...: the program with WORD's n-th call failing, in a fresh copy of the inputs.
under_fault() {
	local fault=$1 status before after program
	shift
	program=$(basename "$1")
	rm -rf "$scratch/work" "$scratch/done"
	cp -r "$scratch/inputs" "$scratch/work"
	before=$(cd "$scratch/work" && find . | sort)
	(cd "$scratch/work" && MIST_FAULT=$fault MIST_FAULT_UNDER=$scratch/work MIST_FAULT_DONE=$scratch/done \
		LD_PRELOAD=$MIST_BUILDDIR/tests/faults.so "$@" >/dev/null 2>"$scratch/err")
	status=$?
	after=$(cd "$scratch/work" && find . | sort)
	runs=$((runs + 1))
	[ -e "$scratch/done" ] || return 1
	faults=$((faults + 1))
	if [ $status -gt 7 ] || [ $status = 2 ]; then
		complain "$fault: $program ended with status $status"
	elif [ $status != 0 ]; then
		grep -q "^$program: " "$scratch/err" || complain "$fault: $program said nothing"
		[ "$before" = "$after" ] ||
			complain "$fault: $program left $(comm -13 <(echo "$before") <(echo "$after"))"
	fi
	return 0
}

# Tries each call in turn until the program makes no more of them.
try() {
	local call n
	[ -x "$1" ] || return 0
	for call in read write fsync rename; do
		for n in $calls; do
			under_fault "$call:$n" "$@" || break
		done
	done
}

make_inputs() {
	mkdir -p "$scratch/inputs/in/set/images" "$scratch/inputs/in/set/labels"
	cd "$scratch/inputs" || exit 4
	printf 'abc' >in/text
	for i in 1 2 3; do
		printf 'picture %s' $i >in/set/images/$i.jpg
		printf '0 .5 .5 .1 .1\n' >in/set/labels/$i.txt
	done
	tar cf in/set.tar -C in set
	gzip -kf in/set.tar
	if [ -x "$tools/coco-synth" ] && "$tools/coco-synth" -q --images 4 --classes 2 --img 64 -o synth; then
		mv synth in/synth
	fi
	if [ -x "$tools/mist-model" ]; then
		"$tools/mist-model" init "$MISTUTILS_SHARE/models/yolov5n.yaml" --classes 2 -o in/w.safetensors
	fi
	if [ -x "$tools/mist-extract" ] && [ -d in/synth ]; then
		"$tools/mist-extract" -q -w in/w.safetensors -c 4 -e 2 --img 64 -o in/f.tar in/synth
	fi
	cd / || exit 4
}

make_inputs
try "$tools/template" -o out in/text
try "$tools/coco-fetch" -q in/set.tar.gz
try "$tools/coco-fetch" -q --no-unpack in/set.tar
if [ -d "$scratch/inputs/in/synth" ]; then
	try "$tools/coco-synth" -q --images 2 --classes 2 --img 64 -o out
	try "$tools/coco-partition" -q -o out in/synth 2
	try "$tools/mist-model" init "$MISTUTILS_SHARE/models/yolov5n.yaml" --classes 2 -o out
	try "$tools/mist-model" info in/w.safetensors
	try "$tools/mist-model" split -c 4 -o out in/w.safetensors
	try "$tools/mist-extract" -q -w in/w.safetensors -c 4 -e 2 --img 64 -o out in/synth
	try "$tools/mist-aggregate" -q -o out in/f.tar
	try "$tools/mist-aggregate" -q -o out in/w.safetensors in/w.safetensors
	try "$tools/mist-train" -q -w in/w.safetensors --features in/f.tar --epochs 1 --img 64 -o out
	try "$tools/mist-eval" -q -w in/w.safetensors --img 64 --save-json out in/synth
	try "$tools/mist-detect" -q -w in/w.safetensors --img 64 -o out in/synth/images
fi
printf 'faults: %d runs, %d faults, %d badly borne\n' $runs $faults $bad
[ $bad = 0 ] && [ $faults -gt 0 ]
