#!/bin/sh
# simulate.sh [-n "1 10 100 1000"] [-i IMAGES] [-r ROUND] [-t TRACE] [-j JOBS] [-k DIR] - many clients on one
# machine: what a round of MistNet takes in time and memory as clients become more.
#
# For each number of clients: a synthetic data set is drawn and split (coco-partition), the clients that
# the trace has up extract their features and drop them into an inbox, JOBS at a time, each a process that
# ends; mist-aggregate takes who came, at a deadline that is past; mist-train trains an epoch. Standard
# output is a TSV: clients, present, step, seconds, and the peak of any one process in KiB.
#
# TRACE (availability.txt) has a row for a device, of 0s and 1s for the hours of a day: client i is row i,
# beginning again after the last; ROUND r is column r. IMAGES (2) is what a client has. DIR is kept.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
numbers="1 10 100 1000" images=2 round=1 trace=$here/availability.txt jobs=$(nproc) keep=
while getopts n:i:r:t:j:k: option; do
	case $option in
	n) numbers=$OPTARG ;;
	i) images=$OPTARG ;;
	r) round=$OPTARG ;;
	t) trace=$OPTARG ;;
	j) jobs=$OPTARG ;;
	k) keep=$OPTARG ;;
	*)
		sed -n '2s/^# //p' "$0" >&2
		exit 2
		;;
	esac
done
work=${keep:-$(mktemp -d)}
[ -n "$keep" ] || trap 'rm -rf "$work"' EXIT
mkdir -p "$work"
cd "$work"

cat >model.yaml <<'YAML'
nc: 3
depth_multiple: 1.0
width_multiple: 1.0
anchors:
  - [10, 13, 16, 30]
backbone:
  - [-1, 1, Conv, [8, 3, 2]]
  - [-1, 1, C3, [16]]
  - [-1, 1, Conv, [16, 3, 2]]
head:
  - [[2], 1, Detect, [nc, anchors]]
YAML
mist-model init -q --classes 3 --seed 1 -o start.safetensors model.yaml

# measured STEP COMMAND…: one line of the table. What the command starts counts too, the largest of all.
measured() {
	step=$1
	shift
	/usr/bin/time -o time.txt -f '%e %M' "$@"
	printf '%s\t%s\t%s\t%s\n' "$n" "$present" "$step" "$(tr ' ' '\t' <time.txt)"
}

# extract.sh CLIENT: what one client does.
cat >extract.sh <<'SH'
set -eu
mist-extract -q --no-ledger -j1 -w start.safetensors -c 2 -e 4 --img 64 --client "$1" \
	-o "inbox/.$1.part" "shards/$1"
mv "inbox/.$1.part" "inbox/$1.tar"
SH

printf 'clients\tpresent\tstep\tseconds\tpeak_kib\n'
for n in $numbers; do
	rm -rf inbox shards set all.tar
	mkdir inbox
	# who is there in this round, and who is expected
	seq "$n" >clients
	awk -v r="$round" 'NR == FNR {row[NR] = $0; rows = NR; next}
		substr(row[($1 - 1) % rows + 1], r, 1) == 1' "$trace" clients >present
	present=$(wc -l <present)
	coco-synth -q --images $((n * images)) --val 1 --classes 3 --img 64 --seed 1 -o set
	measured partition coco-partition -q -o shards set "$n"
	measured extract xargs -P "$jobs" -n 1 sh extract.sh <present
	measured aggregate mist-aggregate -q --inbox inbox --clients @clients --min-clients "$n" \
		--deadline @0 --quorum 1 --round "$round" -o all.tar
	measured train mist-train -q -w start.safetensors --features all.tar --epochs 1 \
		--warmup-epochs 0 -o trained.safetensors
done
