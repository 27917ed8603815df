# mist-train on several ranks: only where it was built --with-mpi (make check-mpi).
load helper

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	small_yaml 3
	# 19 images: the last batch of 6 is a single image
	"$MIST_BUILDDIR/tools/coco-synth" -q --images 19 --classes 3 --img 64 -o set
	"$MIST_BUILDDIR/tools/mist-model" init small.yaml --classes 3 --seed 1 -q -o w.st
	"$MIST_BUILDDIR/tools/mist-extract" -q --no-ledger -w w.st -c 2 --img 64 -e 8 -o f.tar set
}

setup() {
	grep -aq MPI_Init_thread "$(prog mist-train)" || skip 'not built --with-mpi'
	need_program mpirun
	scratch
	d=$BATS_FILE_TMPDIR
	args=(-q -j1 -w "$d/w.st" --data "$d/set" --img 64 --epochs 3 --batch-size 6 --nbs 6
		--warmup-epochs 0 --optimizer adam)
}

# ranks N ARG…: without what mpirun itself has to say.
ranks() {
	local n=$1
	shift
	mist_program=mist-train
	run --separate-stderr timeout 120 mpirun --allow-run-as-root --oversubscribe -q -n "$n" \
		"$(prog mist-train)" "$@"
}

# largest_difference A B: between two weight files, of any value.
largest_difference() {
	{ "$(prog mist-model)" diff "$1" "$2" 2>/dev/null || :; } |
		awk '/differ, by at most/ {if ($NF + 0 > most) most = $NF + 0} END {print most + 0}'
}

@test "what ranks do together they agree on" {
	for n in 1 2 3 5; do
		run mpirun --allow-run-as-root --oversubscribe -q -n $n "$MIST_BUILDDIR/tests/unit/t-comm"
		assert_ok
	done
}

@test "with --sync-bn any number of ranks trains what one process does, to rounding" {
	local n source
	for source in "--data $d/set" "--data $d/set --nbs 12 --freeze 1" "--features $d/f.tar"; do
		args=(-q -j1 -w "$d/w.st" --img 64 --epochs 3 --batch-size 6 --nbs 6 --warmup-epochs 0)
		# shellcheck disable=SC2086 # words
		mist mist-train "${args[@]}" $source --val "$d/set" --project one -o one.st
		assert_ok
		for n in 1 2 3; do
			# shellcheck disable=SC2086
			ranks $n "${args[@]}" $source --val "$d/set" --sync-bn --project p$n -o $n.st
			assert_ok
			[ -z "$stderr" ]
			far=$(largest_difference one.st $n.st)
			echo "$source: $n ranks differ by $far"
			awk -v far="$far" 'BEGIN {exit !(far < 1e-5)}'
			[ "$(wc -l <p$n/results.csv)" -eq 4 ]
		done
		# and the same bytes again
		# shellcheck disable=SC2086
		ranks 2 "${args[@]}" $source --val "$d/set" --sync-bn -o again.st
		assert_same 2.st again.st
		rm -rf one p1 p2 p3
	done
	[ "$(largest_difference "$d/w.st" one.st)" != 0 ]
}

@test "without it batch norm sees a rank's images, and its running statistics are the ranks' mean" {
	mist mist-train "${args[@]}" -o one.st
	ranks 2 "${args[@]}" -o two.st
	assert_ok
	ranks 2 "${args[@]}" -o again.st
	assert_same two.st again.st
	far=$(largest_difference one.st two.st)
	awk -v far="$far" 'BEGIN {exit !(far > 1e-5 && far < 1)}' || fail "$far"
}

@test "a signal and --resume give the bytes of an uninterrupted run" {
	args+=(--epochs 200 --sync-bn)
	ranks 2 "${args[@]}" --project whole -o whole.st
	assert_ok
	timeout 120 mpirun --allow-run-as-root --oversubscribe -q -n 2 "$(prog mist-train)" \
		"${args[@]}" --project parts -o parts.st 2>err &
	pid=$!
	while [ ! -s parts/last.safetensors ] && kill -0 $pid; do sleep 0.05; done
	kill -TERM $(pgrep -P $pid) || :
	wait $pid || :
	[ ! -e parts.st ] || skip 'it was done before the signal'
	ranks 3 "${args[@]}" --project parts --resume -o parts.st
	assert_one_line_error 2 "it was started with ranks '2', not '3'"
	ranks 2 "${args[@]}" --project parts --resume -o parts.st
	assert_ok
	assert_same whole.st parts.st
}

@test "a rank that fails ends all, with one sentence" {
	ranks 3 -w nowhere.st --data "$d/set" -o x
	assert_one_line_error 3 "cannot read 'nowhere.st'"
	ranks 2 "${args[@]}" -o nowhere/x
	assert_one_line_error 4 "'nowhere/x'"
	ranks 3 "${args[@]}" --batch-size 2 -o x
	assert_one_line_error 2 '--batch-size 2 leaves nothing to some of 3 ranks'
	ranks 2 -w "$d/w.st" -o x
	assert_one_line_error 2 'several ranks cannot share standard input'
	ranks 2 "${args[@]}" --epochs 30 --lr0 10 -o x
	assert_one_line_error 7 'is not finite'
	cp -r "$d/set" bad
	for f in bad/images/train/*[02468].jpg; do # half of them: ranks meet them at other times
		head -c 300 "$f" >cut && mv cut "$f"
	done
	ranks 2 "${args[@]}" --data bad --strict -o x
	assert_one_line_error 3 "cannot read 'bad/images/train/"
	[ ! -e x ]
}

@test "a rank that is killed ends all, and the checkpoint stays" {
	timeout 120 mpirun --allow-run-as-root --oversubscribe -q -n 2 "$(prog mist-train)" "${args[@]}" \
		--epochs 100000 --project p -o x 2>err &
	pid=$!
	while [ ! -s p/last.safetensors ] && kill -0 $pid; do sleep 0.05; done
	kill -KILL "$(pgrep -P "$(pgrep -P $pid)" | tail -n 1)"
	run ! wait $pid
	[ ! -e x ] && [ -s p/last.safetensors ]
}
