# mist-attack invert: noise takes away what can be recovered, epsilon by epsilon.
#
# SSIM is that of the best attack: for each stream the weight of the prior, of those tried, with the largest
# mean over the pictures. Streams are compared picture by picture, so a mean difference has a standard
# error. Three times in a row more than two of them, without an effect, is one run in 80 000.
load helper

# extracted WEIGHTS CUT IMG DATA: bits.tar, 2.tar, 1.tar and 0.5.tar, one seed, one gate: only noise differs.
extracted() {
	local options epsilon
	for epsilon in bits 2 1 0.5; do
		options="--epsilon $epsilon --seed 1"
		[ $epsilon != bits ] || options='--mechanism none'
		"$(prog mist-extract)" -q --no-ledger -w "$1" -c "$2" --img "$3" $options "$4" -o $epsilon.tar 2>/dev/null
	done
}

# attacked WEIGHTS DATA "PRIORS" "OPTIONS" STREAM...: prior-W.tsv for each weight W of the prior.
attacked() {
	local weights=$1 data=$2 priors=$3 options=$4 w
	shift 4
	for w in $priors; do
		"$(prog mist-attack)" invert -q -j1 -w "$weights" --data "$data" --variation "$w" $options \
			--tsv "prior-$w.tsv" -o /dev/null "$@"
	done
}

# ssims: of prior-*.tsv, a line per stream: name, SSIM of the best attack, by how much it is below that of
# the stream before, and that in standard errors.
ssims() {
	awk -F '\t' '
		FNR == 1 {
			files++
			next
		}
		{
			if (!($1 in stream))
				name[stream[$1] = ++streams] = $1
			if (!($8 in picture))
				picture[$8] = ++n
			ssim[files, stream[$1], picture[$8]] = $9
			sum[files, stream[$1]] += $9
		}
		END {
			for (s = 1; s <= streams; s++) {
				best[s] = 1
				for (f = 2; f <= files; f++)
					if (sum[f, s] > sum[best[s], s])
						best[s] = f
				m = squares = 0
				for (p = 1; s > 1 && p <= n; p++) {
					d = ssim[best[s - 1], s - 1, p] - ssim[best[s], s, p]
					m += d / n
					squares += d * d / n
				}
				error = sqrt((squares - m * m) / (n - 1))
				printf "%s %.4f %.4f %.2f\n", name[s], sum[best[s], s] / n, m, error ? m / error : 0
			}
		}' prior-*.tsv
}

# assert_falls: each stream of `ssims` leaks less than the one before, by more than two standard errors.
assert_falls() {
	ssims >ssims.txt
	[ "$(wc -l <ssims.txt)" -eq 4 ]
	awk 'NR > 1 && !($3 > 0.02 && $4 > 2) {bad = 1} END {exit bad}' ssims.txt || fail "$(cat ssims.txt)"
}

@test "SSIM of the best inversion falls: no noise, epsilon 2, 1, 0.5" {
	"$(prog coco-synth)" -q --images 32 --classes 3 --img 64 -o set
	"$(prog coco-synth)" -q --images 16 --classes 3 --img 64 --seed 9 -o public
	"$(prog mist-model)" init -q --classes 3 -o w.safetensors "$MISTUTILS_SHARE/models/yolov5n.yaml"
	"$(prog mist-model)" calibrate -q -c 2 --data public --img 32 -o gate.safetensors w.safetensors
	extracted gate.safetensors 2 32 set
	attacked gate.safetensors set '1 3' '--limit 32 --steps 60' bits.tar 2.tar 1.tar 0.5.tar
	assert_falls

	# the same epsilon under another noise is no fall: the criterion can say no
	"$(prog mist-extract)" -q --no-ledger -w gate.safetensors -c 2 --img 32 --epsilon 1 --seed 2 set -o again.tar \
		2>/dev/null
	rm prior-*
	attacked gate.safetensors set 1 '--limit 32 --steps 60' 1.tar again.tar
	ssims | awk 'NR == 2 {exit !($4 < 2 && $4 > -2 && $3 != 0)}' || fail "$(ssims)"
}
