#!/bin/sh
# demo.sh [DIR] - MistNet on two edges beside its alternatives, on data drawn here: no network needed.
#
# A network is trained on public images, which show circles and squares. Two edges hold private ones, and
# these show triangles, too. Compared are: the public network as it is; all private images in one place;
# federated averaging; MistNet's features as floats, as bits, and as bits with noise. All rows begin with
# equally many epochs on the public images: for bits the last of them are spent on learning to see through
# the gate that the edges will use, for the others on more of the same. All are judged on the same images,
# which nobody trained on. Everything stays in DIR (default: demo), which must not exist.
# The programs are expected in the PATH.
set -eu

dir=${1-demo}
share=${MISTUTILS_SHARE-$(dirname "$0")}
img=160
cut=4
public_images=${DEMO_PUBLIC-256}
private_images=${DEMO_PRIVATE-192}
holdout_images=${DEMO_HOLDOUT-192}
public_epochs=${DEMO_PUBLIC_EPOCHS-27}
gate_epochs=${DEMO_GATE_EPOCHS-15}
epochs=${DEMO_EPOCHS-16}
rounds=$((epochs < 4 ? epochs : 4))

die() {
	printf 'demo: %s\n' "$*" >&2
	exit 4
}

for program in coco-synth coco-partition mist-model mist-extract mist-aggregate mist-train mist-eval mist-detect; do
	command -v $program >/dev/null || die "$program is not in the PATH"
done
[ ! -e "$dir" ] || die "'$dir' is there already: remove it, or name another folder"
mkdir -p "$dir"
cd "$dir"
export XDG_STATE_HOME="$PWD/state" # the edges' ledgers are a part of the demonstration
case $share in /*) ;; *) share=$OLDPWD/$share ;; esac
begun=$(date +%s)

say() {
	printf '[%3d s] %s\n' $(($(date +%s) - begun)) "$*"
}

# Runs a command, its notices to log.txt, and adds its time to that of $row.
timed() {
	t0=$(date +%s.%N)
	"$@" 2>>log.txt || die "'$*' failed: $(tail -n 1 log.txt)"
	t1=$(date +%s.%N)
	printf '%s %s %s\n' "$row" "$t0" "$t1" >>times.txt
}

seconds_of() {
	awk -v row="$1" '$1 == row {s += $3 - $2} END {printf "%.0f", s}' times.txt
}

size_of() {
	cat "$@" | wc -c
}

# Trains with the settings that all rows share. From scratch and in so few steps AdamW gets further than SGD,
# and its results depend less on the seed.
train() {
	timed mist-train -q --optimizer adamw --lr0 0.003 --batch-size 16 --nbs 16 --warmup-epochs 1 --seed 1 "$@"
}

# judge ROW WEIGHTS BYTES TITLE: a line of the table.
judge() {
	mist-eval -q -w "$2" --img $img --split val data 2>>log.txt >"$1.eval" || die "mist-eval failed: $(tail -n 1 log.txt)"
	awk -v bytes="$3" -v seconds="$(seconds_of "$1")" -v title="$4" '$1 == "all" {
		printf "%-38s %6s %6s %6s %8s %12s %7s\n", title, $4, $5, $6, $7, bytes, seconds
	}' "$1.eval" >>rows
}

# Drawn larger than the network sees them, for the sake of who looks at the boxes.
say "drawing $public_images public images without triangles, $private_images private ones with, and $holdout_images to judge by"
coco-synth -q --seed 1 --images "$public_images" --val 0 --classes 3 --drawn 2 --img 320 -o public
coco-synth -q --seed 2 --images "$private_images" --val "$holdout_images" --classes 3 --img 320 -o data
coco-partition -q --seed 1 --scheme iid -o edge data 2

row=public
say "training on the public images, $public_epochs epochs, which all rows share"
mist-model init --classes 3 --names circle,square,triangle --seed 1 -o start.safetensors "$share/models/yolov5n.yaml" >/dev/null
train -w start.safetensors --data public --img $img --epochs "$public_epochs" -o base.safetensors
say "training on them for $gate_epochs epochs more, for the rows without bits"
train -w base.safetensors --data public --img $img --epochs "$gate_epochs" -o public.safetensors
judge public public.safetensors 0 "public network, untouched"

row=central
say "all private images in one place (no privacy): $epochs epochs"
train -w public.safetensors --data data --img $img --epochs "$epochs" -o central.safetensors
judge central central.safetensors "$(tar cf - edge/1 | wc -c)" "central, images sent"

row=fedavg
say "federated averaging: $rounds rounds of $((epochs / rounds)) epochs on each edge"
cp public.safetensors fedavg.safetensors
for _ in $(seq "$rounds"); do
	for i in 1 2; do
		train -w fedavg.safetensors --data edge/$i --img $img --epochs $((epochs / rounds)) --client edge$i -o fedavg$i.safetensors
	done
	timed mist-aggregate -q -o fedavg.safetensors fedavg1.safetensors fedavg2.safetensors
done
judge fedavg fedavg.safetensors $((2 * rounds * $(size_of fedavg1.safetensors))) "FedAvg, weights sent up and down"

# mistnet ROW TITLE WEIGHTS OPTION...: extract on both edges, train the cloud's part once.
mistnet() {
	row=$1
	title=$2
	weights=$3
	shift 3
	say "MistNet, $title"
	for i in 1 2; do
		timed mist-extract -w "$weights" -c $cut --img $img --client edge$i -o "$row$i.tar" "$@" edge/$i
	done
	timed mist-aggregate -q -o "$row.tar" "${row}1.tar" "${row}2.tar"
	train -w "$weights" --features "$row.tar" --epochs "$epochs" -o "$row.safetensors"
	judge "$row" "$row.safetensors" "$(size_of "${row}1.tar")" "MistNet, $title"
}

# through_gate ROW TITLE [--epsilon E]: a gate for that noise, learnt from public images, then the layers
# behind it taught to see through it, on public images too, and those before it, slowly, to make bits that
# survive it; then the bits of the private ones.
through_gate() {
	row=$1
	title=$2
	shift 2
	say "a gate for $title, $gate_epochs epochs on the public images"
	timed mist-model calibrate -c $cut --img $img --data public "$@" -o "$row-gate.safetensors" base.safetensors
	train -w "$row-gate.safetensors" --data public --img $img --epochs "$gate_epochs" \
		--extractor-rate 0.3 -o "$row-start.safetensors"
	[ $# -gt 0 ] || set -- --mechanism none
	mistnet "$row" "$title" "$row-start.safetensors" "$@"
}

mistnet float "features as 32-bit floats" public.safetensors --encoding f32
through_gate bits "bits without noise"
through_gate noisy "bits, epsilon 2 per bit" --epsilon 2
through_gate noisier "bits, epsilon 1 per bit" --epsilon 1

say "drawing what the network finds"
mist-detect -q -w noisy.safetensors --img $img --conf-thres 0.4 -o pictures data/images/val 2>>log.txt

printf '\n%-38s %6s %6s %6s %8s %12s %7s\n' "$holdout_images unseen images" P R mAP50 mAP50-95 "bytes/client" seconds
cat rows
printf '\n'
printf 'On each edge, in the last row:\n'
grep -h '^  epsilon per [bi]' log.txt | tail -n 2
printf 'Per image and per client that is no formal protection: see THREAT MODEL in mistutils(7).\n'
printf 'Pictures with boxes: %s/pictures. Everything else: %s\n' "$dir" "$dir"
