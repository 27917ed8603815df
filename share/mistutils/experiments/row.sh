#!/bin/sh
# row.sh GATE CUT EPSILON SEED DIR - one run as a line of grid.tsv, from what the programs left in DIR as
# JSON. What was not measured is "-". Without arguments: the names of the columns.
set -eu
here=$(dirname "$0")
if [ $# -eq 0 ]; then
	printf 'gate\tcut\tepsilon\tseed\ttrain_mAP50\ttrain_mAP50-95\tholdout_mAP50\tholdout_mAP50-95\t'
	printf 'ssim\tpsnr\tedge_corr\tdetail\tattacked_mAP50\tattacked_mAP50-95\tmembership_auc\tmembership_tpr1\tflat_ssim\t'
	printf 'bytes_per_image\tedge_ms\n'
	exit
fi
gate=$1 cut=$2 epsilon=$3 seed=$4 dir=$5

# json FILE PATH: the value there, or "-".
json() {
	if [ -f "$dir/$1" ]; then
		awk -f "$here/json.awk" "$dir/$1" | awk -F '\t' -v path="$2" '
			$1 == path && $2 != "null" {v = $2} END {print v == "" ? "-" : v}'
	else
		echo -
	fi
}

# The largest of the membership attacks' figures of a name, or "-".
membership() {
	if [ -f "$dir/membership.json" ]; then
		awk -f "$here/json.awk" "$dir/membership.json" | awk -F '\t' -v name="$1" '
			index($1, ".attacks[") == 1 && substr($1, index($1, "].") + 2) == name && (v == "" || $2 > v + 0) {v = $2}
			END {print v == "" ? "-" : v}'
	else
		echo -
	fi
}

# Milliseconds of processor time of all edges per image: `times` says what its children took, last.
edge_ms() {
	if [ -f "$dir/edge.times" ]; then
		awk -v images="$1" '
			function seconds(t) {split(t, a, /[ms]/); return 60 * a[1] + a[2]}
			{s = seconds($1) + seconds($2)}
			END {printf "%.3f\n", 1000 * s / images}' "$dir/edge.times"
	else
		echo -
	fi
}

if [ -f "$dir/bytes" ]; then bytes=$(cat "$dir/bytes"); else bytes=$(json edge.json .certificate.bytes_per_image); fi
printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$gate" "$cut" "$epsilon" "$seed" \
	"$(json train.json .yolov5.mAP50)" "$(json train.json .yolov5.mAP50-95)" \
	"$(json holdout.json .yolov5.mAP50)" "$(json holdout.json .yolov5.mAP50-95)" \
	"$(json attack.json '.settings[0].ssim')" "$(json attack.json '.settings[0].psnr')" \
	"$(json attack.json '.settings[0].edge_corr')" "$(json attack.json '.settings[0].detail')" \
	"$(json attack.json '.settings[0].best.mAP50')" "$(json attack.json '.settings[0].best.mAP50-95')" \
	"$(membership 'auc[0]')" "$(membership 'tpr_at_fpr_1[0]')" "$(json attack.json .flat.ssim)" "$bytes" "$(edge_ms "$(json train.json .images)")"
