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
stdout=/dev/null

complain() {
	bad=$((bad + 1))
	printf 'not ok: %s\n' "$*"
	sed 's/^/    /' "$scratch/err"
}

# What lies in the work folder, but for ledgers and what is meant to be kept.
kept=
whole=
files_of_work() {
	(cd "$scratch/work" && find . -path ./state -prune -o -path "./$kept" -o -path "./$whole" -o -print | sort)
}

# under_fault WORD ARG...: the program with WORD's n-th call failing, in a fresh copy of the inputs.
under_fault() {
	local fault=$1 status before after program
	shift
	program=$(basename "$1")
	rm -rf "$scratch/work" "$scratch/done"
	cp -r "$scratch/inputs" "$scratch/work"
	before=$(files_of_work)
	(cd "$scratch/work" && MIST_FAULT=$fault MIST_FAULT_UNDER=$scratch/work MIST_FAULT_DONE=$scratch/done \
		LD_PRELOAD=$MIST_BUILDDIR/tests/faults.so "$@" >"$stdout" 2>"$scratch/err")
	status=$?
	after=$(files_of_work)
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

# How many releases the ledger in the work folder knows.
recorded() {
	XDG_STATE_HOME=$scratch/work/state "$tools/mist-extract" --show-ledger --json 2>/dev/null |
		sed -n 's/.*"releases":\([0-9]*\).*/\1/p'
}

# try_ledger EPSILON: extracts to a file, and through a pipe, while the ledger is under fault too. What
# got out was recorded before; and once more without a fault, the account is as if nothing had been.
try_ledger() {
	local call n out samples
	set -- "$tools/mist-extract" -q -w in/w.safetensors -c 4 -e "$1" --img 64 --client edge in/synth
	for call in read write fsync rename; do
		for n in 1 2 3 4 5 6 7 8 9 10 13; do
			for out in out -; do
				export XDG_STATE_HOME="$scratch/work/state"
				stdout=$scratch/piped
				under_fault $call:$n "$@" -o $out
				stdout=/dev/null
				export XDG_STATE_HOME="$scratch/state"
				[ -e "$scratch/done" ] || continue
				if [ $out = out ]; then
					samples=0
					[ ! -e "$scratch/work/out" ] || samples=4
				else
					samples=$(tar tf "$scratch/piped" 2>/dev/null | grep -c 'feat.npy$')
				fi
				[ "$samples" -le "$(($(recorded) + 0))" ] ||
					complain "$call:$n: $samples samples out, $(recorded) recorded"
				(cd "$scratch/work" && XDG_STATE_HOME=$PWD/state "$@" -o again 2>"$scratch/err") ||
					complain "$call:$n: not borne by the ledger"
				[ "$(recorded)" = 4 ] || complain "$call:$n: $(recorded) recorded for 4"
			done
		done
	done
}

# try_inbox: an aggregation from an inbox leaves its record and lock behind, the whole output where only
# that it is done could not be recorded, and nothing else; without a fault it is taken up where it was,
# to the same bytes.
try_inbox() {
	local call n want
	want=$(cd "$scratch/inputs" && "$tools/mist-aggregate" -q -o - in/box/a.tar in/box/b.tar | sha256sum)
	set -- "$tools/mist-aggregate" -q --inbox in/box --clients a,b --min-clients 2 -o out
	for call in read write fsync rename; do
		for n in 1 2 3 4 5 6 7 8 9 10 13 40; do
			kept='in/box/.mist-inbox.json*' whole=out under_fault $call:$n "$@" || break
			[ ! -e "$scratch/work/out" ] || [ "$(sha256sum <"$scratch/work/out")" = "$want" ] ||
				complain "$call:$n: half of the output"
			(cd "$scratch/work" && "$@" 2>"$scratch/err") || complain "$call:$n: not gone on with"
			[ "$(sha256sum <"$scratch/work/out")" = "$want" ] || complain "$call:$n: other bytes"
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
		mkdir in/box
		"$tools/mist-extract" -q -w in/w.safetensors -c 4 -e 2 --img 64 --client a -o in/box/a.tar in/synth
		"$tools/coco-synth" -q --images 2 --classes 2 --img 64 --seed 2 -o other
		"$tools/mist-extract" -q -w in/w.safetensors -c 4 -e 2 --img 64 --client b -o in/box/b.tar other
		rm -r other
	fi
	cd / || exit 4
}

make_inputs
[ "${1-}" != inbox ] || { try_inbox; printf 'faults: %d runs, %d faults, %d badly borne\n' $runs $faults $bad; exit $bad; }
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
	try_ledger 2
	try "$tools/mist-aggregate" -q -o out in/f.tar
	try_inbox
	try "$tools/mist-aggregate" -q -o out in/w.safetensors in/w.safetensors
	try "$tools/mist-train" -q -w in/w.safetensors --features in/f.tar --epochs 1 --img 64 -o out
	try "$tools/mist-eval" -q -w in/w.safetensors --img 64 --save-json out in/synth
	try "$tools/mist-detect" -q -w in/w.safetensors --img 64 -o out in/synth/images
fi
printf 'faults: %d runs, %d faults, %d badly borne\n' $runs $faults $bad
[ $bad = 0 ] && [ $faults -gt 0 ]
