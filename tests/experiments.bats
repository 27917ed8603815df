# The grid of experiments, tiny: two settings and the baselines, from nothing to a table.
load helper

here=$MIST_SRCDIR/share/mistutils/experiments

# grid [ARG...]: in the current folder, with the smallest settings there are.
grid() {
	run --separate-stderr env PATH="$MIST_BUILDDIR/tools:$PATH" \
		sh -c "${grid_make-exec make \"\$@\"}" make --no-print-directory -f "$here/Makefile" \
		GATES='float aware' EPSILONS=1 SEEDS=1 IMG=64 SYNTH_PUBLIC=4 SYNTH_PRIVATE=4 SYNTH_HOLDOUT=2 \
		PUBLIC_EPOCHS=1 GATE_EPOCHS=1 EPOCHS=1 ROUNDS=1 TRAIN='--batch-size 16 --nbs 16 --warmup-epochs 1 -j1' \
		ATTACK='--limit 1 --steps 2 -j1' MEMBERSHIP='--shadows 2' "$@"
}

# column NAME ROW: of grid.tsv.
column() {
	awk -F '\t' -v name="$1" -v row="$2" '
		NR == 1 {for (i = 1; i <= NF; i++) at[$i] = i}
		NR == row + 1 {print $at[name]}' grid.tsv
}

@test "a grid is a table of runs and baselines, goes on after a kill, and is made once" {
	need_program make gnuplot jq
	# a program that ends make, and itself, the hard way: at the first attack
	mkdir bin
	printf '#!/bin/sh\nkill -KILL $(cat make.pid) $$\n' >bin/mist-attack
	chmod +x bin/mist-attack
	grid_make='echo $$ >make.pid; PATH=$PWD/bin:$PATH exec make "$@"' grid
	[ "$status" -eq 137 ] || fail "$status: $output $stderr"
	[ -s runs/4-float-none-1/weights.safetensors ] && [ ! -e runs/4-float-none-1/attack.json ] && [ ! -e grid.tsv ]
	rm -r bin make.pid
	find data runs -name '*.safetensors' -printf '%p %T@ %i\n' | sort >../made

	grid
	assert_ok
	find data runs -name '*.safetensors' -printf '%p %T@ %i\n' | sort | comm -23 ../made - >../again
	[ -s ../made ] && [ ! -s ../again ] || fail "made again: $(cat ../again)"
	[ "$(cut -f 1-4 grid.tsv | tr '\t\n' '  ')" = \
		'gate cut epsilon seed float 4 none 1 aware 4 1 1 untouched - - 1 central - - 1 fedavg - - 1 ' ]
	awk -F '\t' 'NF != 19 {exit 1}' grid.tsv
	# what only runs have: leakage and the edge; 64 channels of 8 x 8 bits, or floats
	[ "$(column bytes_per_image 2)" = 512 ]
	[ "$(column bytes_per_image 1)" = 16384 ]
	awk -v s="$(column ssim 1)" -v e="$(column edge_ms 2)" 'BEGIN {exit !(s > 0 && s < 1 && e > 0)}'
	[ "$(column ssim 3)" = - ]
	awk -v t="$(column membership_tpr1 2)" 'BEGIN {exit !(t != "-" && t >= 0 && t <= 1)}'
	grep -q '^  epsilon per bit  *1 for who does not know the seed$' runs/4-aware-1-1/certificate2.txt
	awk -v a="$(column membership_auc 2)" -v b="$(column membership_auc 4)" 'BEGIN {exit !(a > 0 && a <= 1 && b > 0 && b <= 1)}'
	# a figure is the program's own
	awk -v a="$(column edge_corr 1)" -v b="$(jq '.settings[0].edge_corr' runs/4-float-none-1/attack.json)" \
		-v c="$(column holdout_mAP50 5)" -v d="$(jq '.yolov5.mAP50' runs/fedavg-1/holdout.json)" \
		'BEGIN {exit !(a != "-" && a == b && c != "-" && c == d)}'
	[ "$(jq .images runs/fedavg-1/holdout.json)" -eq 2 ]
	[ "$(wc -l <summary.tsv)" -eq 6 ]
	grep -q '^| aware | 4 | 1 | 1 |' grid.md
	grep -q 'At equal leakage' grid.md
	grep -q "mean colour have an SSIM of $(printf %.3f "$(column flat_ssim 1)")," grid.md
	for png in accuracy leakage frontier; do
		[ "$(head -c 4 "$png.png" | tail -c 3)" = PNG ]
	done

	find . -type f -exec ls -l --time-style=full-iso {} + | sort >../before
	grid
	assert_ok
	[ -z "$(grep -v 'Nothing to be done' <<<"$output")" ] || fail "$output"
	find . -type f -exec ls -l --time-style=full-iso {} + | sort | diff ../before -

	# a setting that belongs to the folder cannot change under it
	grid EPOCHS=2
	[ "$status" -eq 2 ]
	[[ $stderr == *'other settings'* ]]
}

@test "JSON becomes lines of paths and values" {
	printf '{"a": {"b c": [1, -2.5e3, "x\\"y"], "d": null}, "e": [], "f": {}}' >x.json
	run awk -f "$here/json.awk" x.json
	assert_ok
	[ "$output" = "$(printf '.a.b c[0]\t1\n.a.b c[1]\t-2.5e3\n.a.b c[2]\tx"y\n.a.d\tnull')" ]
	for text in '{"a": ' '{"a" 1}' '[1 2]' '{"a": 1}}' '"x'; do
		printf '%s' "$text" >x.json
		run awk -f "$here/json.awk" x.json
		[ "$status" -eq 1 ] || fail "taken: $text"
	done
}

@test "seeds are summed up as mean and deviation, and gates compared at equal leakage" {
	{
		"$here/row.sh"
		for run in 'a 1 1 .2 .1' 'a 1 2 .4 .3' 'a 2 1 .6 .5' 'a 2 2 .8 .5' 'b 1 1 .5 .2' 'b 2 1 .7 .6'; do
			set -- $run
			printf '%s\t4\t%s\t%s\t%s\t0\t%s\t0\t0\t0\t%s\t0\t0\t0\t-\t-\t-\t0\t0\n' "$1" "$2" "$3" "$4" "$4" "$5"
		done
	} >grid.tsv
	awk -f "$here/summary.awk" grid.tsv >summary.tsv
	[ "$(awk -F '\t' '$1 == "a" && $3 == 1 {print $4, $5, $6}' summary.tsv)" = '2 0.3 0.141' ]
	[ "$(awk -F '\t' '$1 == "b" && $3 == 1 {print $4, $5, $6}' summary.tsv)" = '1 0.5 -' ]
	awk -v by=edge_corr -f "$here/frontier.awk" summary.tsv >f.md
	# a: leakage .2, mAP .3 and .5, .7; b: .2, .5 and .6, .7. So a's noisy point is beaten, and b's other
	run ! grep -q '^| a, cut 4, epsilon 1 ' f.md
	grep -q '^| a, cut 4, epsilon 2 | 0.500 | 0.700 ' f.md
	run ! grep -q '^| b, cut 4, epsilon 2 ' f.md
	grep -q '^| 0.400 | 0.567 / 0.567 | 0.600 / 0.600 |' f.md
	run awk -v by=nothing -f "$here/frontier.awk" summary.tsv
	[ "$status" -eq 1 ]
}
