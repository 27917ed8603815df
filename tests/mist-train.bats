# mist-train.bats - what mist-train promises, on a data set and a model that take milliseconds.
load helper

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	local tools=${MIST_BUILDDIR:-$BATS_TEST_DIRNAME/../build}/tools
	tiny_yaml
	"$tools/coco-synth" -q -n 24 --val 0 -c 2 -s 64 -o set &&
		"$tools/mist-model" init tiny.yaml --seed 1 -q -o w.safetensors &&
		"$tools/mist-extract" -q -w w.safetensors -c 2 --img 64 --encoding f32 --mechanism none \
			-o f.tar set
}

setup() {
	scratch
	d=$BATS_FILE_TMPDIR
	w=$d/w.safetensors f=$d/f.tar set=$d/set
}

# The column of results.csv by its name.
column() {
	awk -F, -v want="$1" 'NR == 1 { for (i = 1; i <= NF; i++) { gsub(/ /, "", $i); if ($i == want) k = i }; next }
		{ gsub(/ /, "", $k); print $k }' "$2"
}

# assert_rises NAME FILE LEAST: the column's last value is at least LEAST above its first.
assert_rises() {
	column "$1" "$2" | awk -v least="$3" 'NR == 1 { first = $1 } { last = $1 }
		END { if (!(last >= first + least)) { print "from " first " to " last; exit 1 } }' >&2
}

@test "features teach the layers behind the cut: the loss falls, mAP rises, the edge stays" {
	mist mist-train -w "$w" --features "$f" --epochs 40 --batch-size 4 --nbs 4 \
		--optimizer adam --warmup-epochs 1 --val "$set" --project p -o out.safetensors
	assert_ok
	[ "$(wc -l <p/results.csv)" -eq 41 ]
	assert_rises metrics/mAP_0.5 p/results.csv 0.5
	column train/obj_loss p/results.csv | awk 'NR == 1 { a = $1 } { b = $1 } END { exit !(b < a * 0.8) }'
	run "$(prog mist-model)" diff "$w" out.safetensors
	[[ $output != *model.0.* && $output != *model.1.* ]] || fail "layers before the cut changed" "$output"
	[[ $output == *model.2.* ]] || fail "no layer behind the cut changed" "$output"
	[ -s p/best.safetensors ] && [ -s p/last.safetensors ]
}

@test "images teach all layers" {
	mist mist-train -w "$w" --data "$set" --img 64 --epochs 40 --batch-size 4 --nbs 4 \
		--optimizer adam --warmup-epochs 1 --val "$set" --project p
	assert_ok
	assert_rises metrics/mAP_0.5 p/results.csv 0.4
	[ -s p/weights.safetensors ]
}

@test "frozen layers stay as they were" {
	mist mist-train -w "$w" --data "$set" --img 64 --epochs 1 --freeze 3 -o out.safetensors
	assert_ok
	run "$(prog mist-model)" diff "$w" out.safetensors
	[[ $output != *model.[012].* && $output == *model.3.* ]] || fail "$output"
}

@test "--proximal keeps the weights near where they started, and changes nothing by itself" {
	local mu far near
	# one step starts at w0, where the term has no slope
	for mu in 0 5; do
		mist mist-train -w "$w" --features "$f" --epochs 1 --batch-size 64 --proximal $mu -o one$mu.st
		assert_ok
	done
	assert_same one0.st one5.st
	for mu in 0 5; do
		mist mist-train -w "$w" --features "$f" --epochs 30 --batch-size 4 --nbs 4 --warmup-epochs 0 \
			--lr0 0.01 --proximal $mu --project p$mu -o mu$mu.safetensors
		assert_ok
	done
	# the distance from w0, as mist-aggregate reports it of one client
	far=$("$(prog mist-aggregate)" -q --global "$w" --report - -o x mu0.safetensors | awk 'NR == 2 {print $4}')
	near=$("$(prog mist-aggregate)" -q --global "$w" --report - -o x mu5.safetensors | awk 'NR == 2 {print $4}')
	awk -v far="$far" -v near="$near" 'BEGIN {exit !(near > 0 && near < 0.7 * far)}' || fail "$near, $far"
	mist mist-train -w "$w" --features "$f" --epochs 30 --batch-size 4 --nbs 4 --warmup-epochs 0 \
		--lr0 0.01 --proximal 4 --project p5 --resume
	assert_one_line_error 2 "it was started with --proximal '5', not '4'"
}

@test "standard input and standard output make a filter" {
	mist mist-train -w "$w" --features "$f" --epochs 1 -o file.safetensors
	assert_ok
	"$(prog mist-train)" -w "$w" --epochs 1 <"$f" >pipe.safetensors
	assert_same file.safetensors pipe.safetensors
}

@test "a second run and any number of threads give the same bytes" {
	local source
	for source in "--features $f" "--data $set --img 64"; do
		for j in 1 2 1; do
			# shellcheck disable=SC2086 # two words
			mist mist-train -j$j -w "$w" $source --epochs 2 --batch-size 7 --val "$set" \
				--project "p$j" -o "out$j.safetensors"
			assert_ok
		done
		assert_same out1.safetensors out2.safetensors
		assert_same p1/results.csv p2/results.csv
		assert_same p1/last.safetensors p2/last.safetensors
		mist mist-train -j2 --seed 1 -w "$w" $source --epochs 2 --batch-size 7 -o other.safetensors
		run ! cmp -s out1.safetensors other.safetensors
	done
}

# gated NAME OPTION…: $w with a gate at cut 2, calibrated on the data set.
gated() {
	local name=$1
	shift
	"$(prog mist-model)" calibrate -q -c 2 --img 64 --data "$set" -o "$name" "$@" "$w"
}

@test "images train what lies behind a gate, as features that were extracted do" {
	gated g.safetensors
	# nothing is augmented, so that both see the same pictures; bits have no noise here
	printf '%s: 0\n' hsv_h hsv_s hsv_v translate scale fliplr mosaic >plain.yaml
	"$(prog mist-extract)" -q -w g.safetensors --img 64 --mechanism none -o bits.tar "$set"
	mist mist-train -w g.safetensors --data "$set" --img 64 --hyp plain.yaml --epochs 2 -o images.safetensors
	assert_ok
	mist mist-train -w g.safetensors --features bits.tar --hyp plain.yaml --epochs 2 -o features.safetensors
	assert_ok
	# the boxes of a stream are decimal numbers
	run "$(prog mist-model)" diff images.safetensors features.safetensors
	echo "$output" | awk '/^model\./ && $NF > 0.003 { print; bad = 1 } END { exit bad }' >&2
	run "$(prog mist-model)" diff g.safetensors images.safetensors
	[[ $output != *model.0.* && $output != *model.1.* && $output == *model.2.* ]] || fail "$output"
}

@test "through a noisy gate the same seed gives the same bytes, on any threads, interrupted or not" {
	gated g.safetensors --epsilon 1
	local args=(-w g.safetensors --data "$set" --img 64 --batch-size 7 --extractor-rate 0.1)
	for j in 1 2; do
		mist mist-train -j$j "${args[@]}" --epochs 3 --project p$j -o out$j.safetensors
		assert_ok
	done
	assert_same out1.safetensors out2.safetensors
	assert_same p1/last.safetensors p2/last.safetensors
	mist mist-train "${args[@]}" --seed 1 --epochs 3 -o other.safetensors
	run ! cmp -s out1.safetensors other.safetensors
	# the extractor learns too, but not its running statistics, which the thresholds were learnt with
	run "$(prog mist-model)" diff g.safetensors out1.safetensors
	[[ $output == *model.0.conv.weight* && $output != *model.0.bn.running_mean* ]] || fail "$output"
	local kills=0 pid
	while [ "$kills" -lt 3 ]; do
		"$(prog mist-train)" -q -j1 "${args[@]}" --epochs 40 --save-steps 1 --project parts --resume -o parts.safetensors &
		pid=$!
		sleep 0.4
		kill -KILL $pid 2>/dev/null || true # it may just have ended
		wait $pid && break
		kills=$((kills + 1))
	done
	"$(prog mist-train)" -q -j2 "${args[@]}" --epochs 40 --save-steps 1 --project parts --resume -o parts.safetensors
	mist mist-train "${args[@]}" --epochs 40 --save-steps 1 --project whole -o whole.safetensors
	assert_ok
	assert_same whole.safetensors parts.safetensors
	mist mist-train "${args[@]}" --epochs 40 --extractor-rate 0.2 --project parts --resume -o x
	[ "$status" -eq 2 ]
	assert_says "it was started with --extractor-rate '0.1"
}

@test "noise that the gate was not calibrated for is noticed, on the edge and in the cloud" {
	gated g2.safetensors --epsilon 2
	mist mist-extract --seed 1 -w g2.safetensors --img 64 --epsilon 1 -o other.tar "$set"
	assert_ok
	assert_says "the gate of the weights was calibrated for other noise"
	mist mist-extract --seed 1 -w g2.safetensors -c 1 --img 64 --epsilon 2 -o cut1.tar "$set"
	assert_ok
	assert_says "the gate of the weights is for cut 2, not 1: every threshold is 0"
	mist mist-train -w g2.safetensors --features other.tar --epochs 1 -o out.safetensors
	assert_ok
	[ "$(grep -c "'other.tar' has noise of epsilon 1, the gate of the weights was calibrated for epsilon 2" <<<"$stderr")" = 1 ] ||
		fail "$stderr"
	mist mist-extract --seed 1 -w g2.safetensors --img 64 --epsilon 2 -o own.tar "$set"
	assert_ok
	[[ $stderr != *"calibrated for"* ]] || fail "$stderr"
	mist mist-train -w g2.safetensors --features own.tar --epochs 1 -o out.safetensors
	assert_ok
	[[ $stderr != *"calibrated for"* ]] || fail "$stderr"
}

@test "images train through the several gates of a deeper cut" {
	"$(prog mist-model)" init -q yolov5n.yaml --classes 2 -o n.safetensors
	mist mist-model calibrate -q -c 6 --img 64 --data "$set" -o n6.safetensors n.safetensors
	assert_ok
	# several tensors cross a deeper cut: their gates are trained through as well
	mist mist-train -w n6.safetensors --data "$set" --img 64 --epochs 1 --extractor-rate 0.01 -o out.safetensors
	assert_ok
	run "$(prog mist-model)" diff n6.safetensors out.safetensors
	[[ $output == *model.0.conv.weight* && $output == *model.5.conv.weight* ]] || fail "$output"
}

@test "killed at arbitrary steps and resumed, a run ends in the same bytes" {
	local args=(-j1 -w "$w" --data "$set" --img 64 --epochs 60 --batch-size 4 --nbs 8 --save-steps 3)
	local kills=0 try pid delay
	mist mist-train "${args[@]}" --val "$set" --project whole -o whole.safetensors
	assert_ok
	for try in $(seq 60); do
		"$(prog mist-train)" -q "${args[@]}" --val "$set" --project parts --resume -o parts.safetensors &
		pid=$!
		# the first kill comes early, or a fast machine would be done before any
		delay=$((kills ? RANDOM % 40 + 5 : 9))
		sleep "0.$(printf %02d $delay)"
		kill -KILL $pid 2>/dev/null || true # it may just have ended
		if wait $pid; then
			break
		fi
		kills=$((kills + 1))
		if [ "$kills" -ge 5 ]; then
			"$(prog mist-train)" -q "${args[@]}" --val "$set" --project parts --resume -o parts.safetensors
			break
		fi
	done
	echo "killed $kills times in $try tries" >&2
	[ "$kills" -gt 0 ]
	assert_same whole.safetensors parts.safetensors
	assert_same whole/results.csv parts/results.csv
	assert_same whole/best.safetensors parts/best.safetensors
}

@test "a signal ends a run with a checkpoint and a sentence" {
	"$(prog mist-train)" -w "$w" --features "$f" --epochs 100000 --project p -o out.safetensors 2>err &
	local pid=$! rc=0
	# not for ever, should it have died
	while [ ! -s p/last.safetensors ] && kill -0 $pid; do sleep 0.05; done
	kill -TERM $pid
	wait $pid || rc=$?
	[ "$rc" -eq 4 ]
	grep -q '^mist-train: interrupted after step [0-9]*; go on with --resume$' err
	[ -s p/last.safetensors ] && [ ! -e out.safetensors ]
}

@test "a resumed run must have the options and data it began with" {
	mist mist-train -w "$w" --features "$f" --epochs 2 --project p
	assert_ok
	mist mist-train -w "$w" --features "$f" --epochs 3 --project p --resume
	assert_one_line_error 2 "it was started with --epochs '2', not '3'"
	"$(prog mist-extract)" -q -w "$w" -c 2 --img 64 --encoding u8 --mechanism none -o u8.tar "$set"
	mist mist-train -w "$w" --features u8.tar --epochs 2 --project p --resume
	assert_one_line_error 2 "it was started with samples"
	head -c 2000 p/last.safetensors >short && mv short p/last.safetensors
	mist mist-train -w "$w" --features "$f" --epochs 2 --project p --resume
	assert_one_line_error 3 "p/last.safetensors"
}

@test "streams that are broken, empty, foreign or of other layers are refused and leave nothing" {
	mkdir out
	head -c 20000 "$f" >short.tar
	mist mist-train -w "$w" --features short.tar --epochs 1 -o out/x
	assert_one_line_error 3 "short.tar"
	: >empty.tar
	mist mist-train -w "$w" --features empty.tar --epochs 1 -o out/x
	assert_one_line_error 3 "empty.tar"
	mist mist-train -w "$w" --features "$w" --epochs 1 -o out/x
	assert_one_line_error 3
	mist mist-train -w "$w" --features nowhere.tar --epochs 1 -o out/x
	assert_one_line_error 3 "nowhere.tar"
	"$(prog mist-model)" init "$d/tiny.yaml" --seed 2 -q -o other.safetensors
	mist mist-train -w other.safetensors --features "$f" --epochs 1 -o out/x
	assert_one_line_error 3 "was made by other layers"
	assert_empty_dir out
}

@test "weights of other classes keep all but the head" {
	"$(prog mist-model)" init "$d/tiny.yaml" --seed 1 --classes 3 -q -o three.safetensors
	for source in "--features $f" "--data $set --img 64"; do
		# shellcheck disable=SC2086 # words
		mist mist-train -w three.safetensors $source --epochs 1 -o out.safetensors
		assert_ok
		assert_says "the weights have 3 classes, the data 2"
		run "$(prog mist-model)" info --json --img 64 out.safetensors
		[[ $output == *'"classes":2,'* ]] || fail "$output"
	done
}

@test "a weight that is not a number is refused by name" {
	cp "$w" nan.safetensors
	printf '\377\377\377\177' | dd of=nan.safetensors bs=1 conv=notrunc \
		seek=$(($(stat -c %s nan.safetensors) - 4)) 2>/dev/null
	mist mist-train -w nan.safetensors --features "$f" --epochs 1 -o x
	[ "$status" -eq 3 ] || [ "$status" -eq 7 ]
	assert_says "model."
	[ ! -e x ]
}

@test "a loss that is not finite ends with status 7 and no weights" {
	printf 'lr0: 10\nwarmup_bias_lr: 10\nweight_decay: 1\n' >hot.yaml
	mist mist-train -w "$w" --features "$f" --hyp hot.yaml --epochs 2000 --batch-size 2 --nbs 2 \
		--warmup-epochs 0 -o x
	assert_one_line_error 7 "is not finite in batch"
	[ ! -e x ]
}

@test "a full disk and a closed pipe are told" {
	mist mist-train -w "$w" --features "$f" --epochs 1 -o /dev/full
	assert_one_line_error 4 "/dev/full"
	set +o pipefail
	{ "$(prog mist-train)" -w "$w" --features "$f" --epochs 1 2>err || echo $? >rc; } | true
	[ "$(cat rc)" -eq 4 ]
	[ "$(wc -l <err)" -eq 1 ]
}

@test "hyper-parameters that are unknown are named with the nearest known" {
	echo 'momentun: 0.9' >h.yaml
	mist mist-train -w "$w" --features "$f" --hyp h.yaml -o x
	assert_one_line_error 3 "h.yaml:1:1: unknown hyper-parameter 'momentun': did you mean 'momentum'?"
}

@test "the memory is known before and bounded" {
	mist mist-train -w "$w" --features "$f" --dry-run
	assert_ok
	assert_output "total"
	mist mist-train -w "$w" --features "$f" --mem-limit 1M -o x
	assert_one_line_error 2 "one image at a time takes"
}

@test "--profile tells on standard error where the time went, and the rows make the total" {
	mist mist-train -w "$w" --features "$f" --epochs 1 --profile -o out.safetensors
	assert_ok
	[ -s out.safetensors ]
	for row in input loss optimiser "packing of weights" "convolution, backward data"; do
		grep -q "$row" <<<"$stderr"
	done
	rows_make_total
	mist mist-train -w "$w" --features "$f" --epochs 1 -o out.safetensors
	[ -z "$stderr" ]
}

@test "options that contradict each other are usage errors" {
	mist mist-train --features "$f"
	assert_status 2
	mist mist-train -w "$w" --features "$f" --data "$set"
	assert_status 2
	mist mist-train -w "$w" --features "$f" --resume
	assert_status 2
	mist mist-train -w "$w" --features "$f" --img 96 -o x
	assert_one_line_error 2 "the features are of images of 64 pixels"
	mist mist-train -w "$w" --features "$f" --stop 'accuracy>0.5' -o x
	assert_one_line_error 2 "--val"
	mist mist-train -w "$w" --features "$f" --stop 'epochs' -o x
	assert_status 2
}

@test "a stop condition ends a run early and says why" {
	mist mist-train -w "$w" --features "$f" --epochs 50 --stop 'epochs>=2' --project p -o x
	assert_ok
	assert_says "ended early: epochs 2 >= 2"
	[ "$(wc -l <p/results.csv)" -eq 3 ]
}

# The most memory that was resident while the command ran, in KiB.
peak_kib() {
	local pid line last=0
	"$@" >/dev/null 2>err &
	pid=$!
	while line=$(grep VmHWM "/proc/$pid/status" 2>/dev/null) && [ -n "$line" ]; do
		last=${line//[!0-9]/}
		sleep 0.02
	done
	wait "$pid" || fail "$* failed: $(cat err)"
	printf '%s\n' "$last"
}

@test "the plan is what is resident, to a tenth; a limit is kept" {
	[ -r /proc/self/status ] || skip "there is no /proc here"
	if grep -q fsanitize "$MIST_BUILDDIR/config.status"; then
		skip "the sanitizers have a memory of their own"
	fi
	"$(prog coco-synth)" -q -n 16 --val 0 -c 3 -s 320 -o pictures
	"$(prog mist-model)" init "$MISTUTILS_SHARE/models/yolov5n.yaml" --seed 1 -q -o n.safetensors
	for limit in 1G 160M; do
		set -- -w n.safetensors --data pictures --img 320 --epochs 2 --mem-limit "$limit"
		mist mist-train "$@" --dry-run
		assert_ok
		planned=$(awk '/^total/ { printf "%d", 1024 * $2 }' <<<"$output")
		peak=$(peak_kib "$(prog mist-train)" -q "$@" -o out.safetensors)
		[ "$peak" -lt $((planned * 11 / 10)) ] && [ "$peak" -gt $((planned * 9 / 10)) ] ||
			fail "$limit: $planned KiB planned, $peak KiB resident"
	done
	assert_output "micro-batches of at most"
	[ "$peak" -le $((160 * 1024)) ] || fail "160M: $peak KiB resident"
}
