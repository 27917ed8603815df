# mist-attack: pictures recovered from features, membership inferred from a model.
load helper

# A synthetic set, an extractor, and streams of it, once for all tests of this file.
setup_file() {
	load helper
	cd "$BATS_FILE_TMPDIR" || return 1
	"$(prog coco-synth)" -q --images 4 --classes 3 --img 64 -o synth
	"$(prog mist-model)" init -q --classes 3 -o w.safetensors "$MISTUTILS_SHARE/models/yolov5n.yaml"
	"$(prog mist-model)" init -q --classes 3 --seed 5 -o other.safetensors "$MISTUTILS_SHARE/models/yolov5n.yaml"
	extract f32 --encoding f32
	extract bits --mechanism none
	extract noisy --epsilon 0.5 --seed 1
}

# extract NAME OPTION…: NAME.tar of the set.
extract() {
	local name=$1
	shift
	"$(prog mist-extract)" -q -w w.safetensors -c 2 --img 64 "$@" synth -o "$name.tar"
}

# invert ARG…: two pictures, few steps.
invert() {
	mist mist-attack invert -w "$BATS_FILE_TMPDIR/w.safetensors" --data "$BATS_FILE_TMPDIR/synth" \
		--limit 2 --steps 40 "$@"
}

@test "floats give more away than bits, bits more than noisy bits" {
	need_program jq
	t=$BATS_FILE_TMPDIR
	invert --variation 10 --json - "$t/f32.tar" "$t/bits.tar" "$t/noisy.tar"
	assert_ok
	jq -e '[.settings[].detail] | .[0] > .[1] and .[1] > .[2]' <<<"$output" || fail "$output"
	jq -e '.settings[0].detail > 0.3 and .settings[2].detail < 0.1' <<<"$output" || fail "$output"
	jq -e '.flat | .attack == "flat" and (.detail | fabs < 1e-6) and (.edge_corr | fabs < 1e-6) and .ssim > 0 and .ssim < 1' <<<"$output"
	jq -e '.original.ssim == 1 and .pictures == 2 and .cut == 2 and .img == 64' <<<"$output"
	jq -e '[.settings[] | [.encoding, .mechanism, .epsilon]] ==
		[["f32", "none", 0], ["bit", "none", 0], ["bit", "rr", 0.5]]' <<<"$output"
}

@test "the table has a row for the originals, for flat pictures and for each attack, the best one starred" {
	invert "$BATS_FILE_TMPDIR/bits.tar"
	assert_ok
	[ "${#lines[@]}" -eq 4 ]
	[[ ${lines[0]} == Stream*SSIM*PSNR*Edges*Detail*mAP50* ]]
	[[ ${lines[1]} == *original* ]]
	[[ ${lines[2]} == *flat*' 0.000   0.000       -        -' ]]
	[[ ${lines[3]} == bits.tar*white-box*'*'* ]]
}

@test "a decoder is trained with --learn, and a search starts from what it makes" {
	t=$BATS_FILE_TMPDIR
	invert --variation 1 --learn --public "$t/synth" --epochs 2 --tsv a.tsv "$t/noisy.tar"
	assert_ok
	[ "${#lines[@]}" -eq 6 ]
	assert_output learnt
	assert_output both
	[ "$(head -n 1 a.tsv | tr '\t' ' ')" = "stream encoding mechanism epsilon q attack variation picture ssim psnr edge_corr detail" ]
	[ "$(wc -l <a.tsv)" -eq 7 ]
	awk -F '\t' 'NF != 12 {exit 1}' a.tsv
}

@test "pictures are kept on request" {
	t=$BATS_FILE_TMPDIR
	invert --sheet sheet.png --recovered seen "$t/f32.tar" "$t/bits.tar"
	assert_ok
	head -c 8 sheet.png | grep -aq PNG
	[ "$(find seen -name '*.png' | wc -l)" -eq 4 ]
	[ -d seen/1 ] && [ -d seen/2 ]
}

@test "threads change nothing" {
	t=$BATS_FILE_TMPDIR
	for j in 1 3; do
		invert -j$j --seed 3 --learn --public "$t/synth" --epochs 1 --json $j.json --sheet $j.png --tsv $j.tsv \
			"$t/noisy.tar"
		assert_ok
	done
	assert_same 1.json 3.json
	assert_same 1.tsv 3.tsv
	assert_same 1.png 3.png
}

@test "weights that did not make the stream are named" {
	t=$BATS_FILE_TMPDIR
	mist mist-attack invert -w "$t/other.safetensors" --data "$t/synth" "$t/bits.tar" --json out.json
	assert_one_line_error 3 "bits.tar' was made by other layers"
	[ ! -e out.json ]
}

@test "a broken stream is one sentence, and nothing is written" {
	t=$BATS_FILE_TMPDIR
	mkdir d
	head -c 9000 "$t/bits.tar" >cut.tar
	: >empty.tar
	printf '\377\330\377\340JFIF' >picture.tar
	for bad in cut.tar:truncated empty.tar: picture.tar: nowhere.tar:"No such file"; do
		invert --json d/a.json --sheet d/a.png --recovered d/seen "${bad%%:*}"
		assert_one_line_error 3 "${bad#*:}"
		assert_says "${bad%%:*}"
		assert_empty_dir d
	done
	# the second of two is found before the first is worked on
	invert --steps 1000000 --json d/a.json "$t/bits.tar" cut.tar
	assert_one_line_error 3 cut.tar
	assert_empty_dir d
}

@test "a stream that lacks a picture, and one of another size, are named" {
	t=$BATS_FILE_TMPDIR
	mkdir -p more/images
	find "$t/synth/images/train" -type f -exec cp {} more/images/ ';'
	cp "$(find more/images -type f | sort | head -n 1)" more/images/0000-new.png
	mist mist-attack invert -w "$t/w.safetensors" --data more --steps 1 "$t/bits.tar"
	assert_one_line_error 3 "has no sample of picture 'more/images/0000-new"
	(cd "$t" && "$(prog mist-extract)" -q -w w.safetensors -c 2 --img 32 --mechanism none synth -o small.tar)
	invert "$t/bits.tar" "$t/small.tar"
	assert_one_line_error 3 "small.tar' is of images of 32 pixels, not 64"
}

# A target: trained for two epochs on the features of the synthetic set, and who is who.
target() {
	t=$BATS_FILE_TMPDIR
	"$(prog mist-model)" calibrate -q -c 2 --data "$t/synth" --img 64 "$t/w.safetensors" -o start.safetensors
	"$(prog mist-extract)" -q -w start.safetensors --img 64 --epsilon 2 --seed 1 "$t/synth" -o f.tar
	"$(prog mist-train)" -q -w start.safetensors --features f.tar --epochs 2 --batch-size 4 -o target.safetensors
	"$(prog coco-synth)" -q --images 8 --classes 3 --img 64 --seed 5 -o others
	"$(prog coco-synth)" -q --images 8 --classes 3 --img 64 --seed 6 -o public
}

# membership ARG…
membership() {
	mist mist-attack membership -w target.safetensors --start start.safetensors --img 64 \
		--members "$BATS_FILE_TMPDIR/synth" --others others --public public --shadows 2 --epochs 2 \
		--batch-size 4 "$@"
}

@test "membership is told by a threshold and by shadow models, the same on any number of threads" {
	need_program jq
	target
	mkdir tmp
	export TMPDIR=$PWD/tmp
	membership -j1 --json 1.json
	assert_ok
	[ "${#lines[@]}" -eq 4 ]
	[[ ${lines[0]} == Attack*AUC*"TPR at 1 % FPR"*Precision*Recall* ]]
	[[ ${lines[1]} == threshold* ]] && [[ ${lines[2]} == shadow* ]]
	jq -e '.shadows == 2 and .members > 0 and .others > 0 and .public > 0' 1.json
	jq -e '[.attacks[].auc] | all(.[1] <= .[0] and .[0] <= .[2] and .[1] >= 0 and .[2] <= 1)' 1.json
	membership -j3 --json 3.json
	assert_same 1.json 3.json
	assert_empty_dir tmp # streams and weights of the shadows are gone
}

@test "what cannot be attacked for membership is one sentence" {
	target
	membership --gate noisy --epochs 1
	assert_ok
	mist mist-attack membership -w "$t/bits.tar" --start start.safetensors --members "$t/synth" \
		--others others --public public --img 64
	assert_one_line_error 3 bits.tar
	mist mist-attack membership -w target.safetensors --start nowhere --members "$t/synth" \
		--others others --public public --img 64
	assert_one_line_error 3 nowhere
	mist mist-attack membership -w "$t/w.safetensors" --gate clean --start start.safetensors \
		--members "$t/synth" --others others --public public --img 64
	assert_one_line_error 3 "has no gate"
	membership --img 50
	assert_one_line_error 3
	mist mist-attack membership -w target.safetensors --members "$t/synth"
	assert_status 2
	membership --learn
	assert_status 2
	assert_says "membership does not take --learn"
}

@test "wrong usage is status 2" {
	t=$BATS_FILE_TMPDIR
	mist mist-attack
	assert_status 2
	assert_says "no command"
	mist mist-attack divert a.tar
	assert_status 2
	assert_says "no command 'divert'"
	mist mist-attack invert -w "$t/w.safetensors" --data "$t/synth"
	assert_status 2
	assert_says "needs a STREAM"
	mist mist-attack invert --data "$t/synth" "$t/bits.tar"
	assert_status 2
	assert_says "needs --weights"
	invert --learn "$t/bits.tar"
	assert_status 2
	assert_says "--learn needs --public"
	for bad in -1 x inf 1,,2; do
		invert --variation "$bad" "$t/bits.tar"
		assert_status 2
	done
}
