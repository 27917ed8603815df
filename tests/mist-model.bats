# Weight files: made, described, cut, joined and compared.
load helper

make() { # NAME [OPTION…]: a small model of two classes
	local name=$1
	shift
	small_yaml 2
	mist mist-model init small.yaml -o "$name" "$@"
	assert_ok
}

@test "init makes the same file from the same seed and another from another" {
	make a.st --seed 1
	make b.st --seed 1
	make c.st --seed 2
	assert_same a.st b.st
	mist mist-model diff a.st b.st
	assert_ok
	[ -z "$output" ]
	mist mist-model diff a.st c.st
	assert_one_line_error 1 "'a.st' and 'c.st' differ"
	assert_output "model.0.conv.weight: 216 of 216 values differ"
}

@test "init takes the number of classes or their names, and a model by its name" {
	make a.st --names 'cat,fire truck,dog'
	mist mist-model info a.st --img 64
	assert_ok
	assert_output "3 classes"
	mist mist-model init yolov5n.yaml --classes 80 -o n.st
	assert_ok
	mist mist-model info n.st

	assert_output "25 layers, 80 classes, 1872157 parameters, 4.47 GFLOPs at 640x640"
	mist mist-model init small.yaml --classes 2 --names a,b,c -o x.st
	assert_one_line_error 2 "3 names for 2 classes"
	[ ! -e x.st ]
}

@test "info tells what crosses each cut, as text and as JSON" {
	make a.st
	mist mist-model info a.st --img 64
	assert_ok
	assert_output "1:16x32x32" # what the third layer reads
	mist mist-model info a.st --img 64 --json
	assert_ok
	assert_output '{"bits":16384,"bytes":{"bit":2048,"f16":32768,"f32":65536,"u8":16384},"cut":2,"layers":[1],"shapes":[[16,32,32]],"values":16384}'
	mist mist-model info a.st --img 30
	assert_one_line_error 3 "not a multiple"
}

@test "a split file joined again is the same, and a part alone is refused" {
	make a.st
	mist mist-model split -c 2 a.st
	assert_ok
	[ "$(ls)" = "$(printf 'a.cloud.safetensors\na.edge.safetensors\na.st\nsmall.yaml')" ]
	mist mist-model join a.edge.safetensors a.cloud.safetensors -o b.st
	assert_ok
	mist mist-model diff a.st b.st
	[ "$(printf '%s\n' "$output" | grep -cv '^metadata mist\.\(parents\|cut_layer\)')" = 0 ]
	mist mist-model split a.edge.safetensors -c 1
	assert_one_line_error 3 "only the edge part of a model"
	mist mist-model join a.cloud.safetensors a.edge.safetensors -o c.st
	assert_one_line_error 3 "is not the edge part"
	[ ! -e c.st ]
}

@test "a cloud part is not joined to another model's edge" {
	make a.st --seed 1
	make b.st --seed 2
	mist mist-model split -c 2 a.st
	mist mist-model split -c 2 b.st
	mist mist-model join b.edge.safetensors a.cloud.safetensors -o c.st
	assert_one_line_error 3 "trained behind other edge layers"
	[ ! -e c.st ]
}

@test "an edge part is enough to extract features, for its own cut" {
	make a.st
	mist mist-model split -c 2 a.st
	mist coco-synth --images 2 --classes 2 --img 64 -o set
	assert_ok
	for w in a.st a.edge.safetensors; do
		mist mist-extract -w "$w" -c 2 --img 64 --mechanism none --client x -o "$w.tar" set
		assert_ok
	done
	assert_same a.st.tar a.edge.safetensors.tar
	mist mist-extract -w a.edge.safetensors -c 3 --img 64 --mechanism none -o x.tar set
	assert_one_line_error 3 "lacks layers before cut 3"
	[ ! -e x.tar ]
}

@test "a cut that is none is refused" {
	make a.st
	mist mist-model split -c 4 a.st
	assert_one_line_error 3 "has the cuts 1 to 3, no 4"
	mist mist-model split a.st
	assert_one_line_error 2 "give --cut"
	[ "$(ls)" = "$(printf 'a.st\nsmall.yaml')" ]
}

@test "16-bit weights differ from 32-bit ones by their rounding only" {
	make a.st
	make h.st --half
	[ "$(wc -c <h.st)" -lt "$(wc -c <a.st)" ]
	mist mist-model diff a.st h.st
	[ "$status" = 1 ]
	case $output in *"by at most 0.0"*) ;; *) fail "$output" ;; esac
}

@test "truncated, empty and foreign weight files are one sentence and status 3" {
	make a.st
	head -c 1000 a.st >cut.st
	: >empty.st
	for f in cut.st empty.st small.yaml; do
		mist mist-model info "$f"
		assert_one_line_error 3 "cannot read '$f'"
	done
	mist mist-model import small.yaml -o x.st
	assert_one_line_error 3 "not a PyTorch checkpoint"
	[ ! -e x.st ]
}

@test "a NaN among the weights is named" {
	make a.st
	size=$(wc -c <a.st)
	{
		head -c $((size - 4)) a.st
		printf '\000\000\300\177'
	} >nan.st
	mist mist-model info nan.st --img 64
	assert_one_line_error 7 "is not finite"
}

@test "commands and options that do not go together are refused" {
	mist mist-model nothing
	[ "$status" = 2 ]
	assert_says "there is no command 'nothing'"
	mist mist-model
	[ "$status" = 2 ]
	mist mist-model diff a
	[ "$status" = 2 ]
	assert_says "diff takes 2 files"
	mist mist-model info --half a
	[ "$status" = 2 ]
	assert_says "info does not take --half"
}

@test "calibrate gives a cut thresholds and levels that the edge then uses" {
	make a.st --names 'circle,square'
	mist coco-synth -q --images 6 --classes 2 --img 64 -o public
	assert_ok
	mist mist-model calibrate -c 2 --data public --img 64 -o b.st a.st
	assert_ok
	mist mist-model calibrate -j 1 -c 2 --data public --img 64 -o again.st a.st
	assert_same b.st again.st
	mist mist-model info b.st --img 64
	assert_output "gate at cut 2: bit, 16 channels, no noise, thresholds, levels, filter of 3x3"
	mist mist-model diff a.st b.st
	assert_output "mist.gate"
	mist mist-extract -q -w b.st --mechanism none --img 64 -o edge.tar public
	assert_ok
	tar xOf edge.tar mist.json | grep -q '"threshold"'
	# half of each channel's values lie above its median
	mist mist-model calibrate -c 2 --threshold zero --data public --img 64 -o zero.st a.st
	assert_ok
	run ! cmp -s b.st zero.st
}

@test "calibrate makes a gate for the noise it is told of, with a filter that stays out of streams" {
	make a.st --names 'circle,square'
	mist coco-synth -q --images 6 --classes 2 --img 64 -o public
	assert_ok
	mist mist-model calibrate -c 2 --epsilon 1 --filter 5 --data public --img 64 -o b.st a.st
	assert_ok
	mist mist-model info b.st --img 64
	assert_output "randomised response with epsilon 1 a bit"
	assert_output "thresholds, levels, de-biased, filter of 5x5"
	mist mist-model calibrate -c 2 --epsilon 1 --mechanism sue --filter 0 --data public --img 64 -o c.st a.st
	assert_ok
	mist mist-model info c.st --img 64
	assert_output "symmetric unary encoding with epsilon 1 a bit (each flips with probability 0.3775), thresholds, levels, de-biased"
	mist mist-extract -q -w b.st --epsilon 1 --img 64 -o edge.tar public
	assert_ok
	run ! grep -q '"filter"' <(tar xOf edge.tar mist.json)
	# what decodes them is in the weights, and behind training still
	mist mist-train -q -w b.st --features edge.tar --epochs 1 --batch-size 4 -o t.st
	assert_ok
	mist mist-model info t.st --img 64
	assert_output "filter of 5x5"
	mist mist-eval -q -w t.st --gate noisy --img 64 public
	assert_ok
}

@test "a network behind the filter is learnt, obeyed, the same on any threads, and stays out of streams" {
	make a.st --names 'circle,square'
	mist coco-synth -q --images 6 --classes 2 --img 64 -o public
	assert_ok
	local args=(-c 2 -e 1 --net 8 --net-steps 6 --data public --img 64)
	mist mist-model calibrate -j1 "${args[@]}" -o b.st a.st
	assert_ok
	mist mist-model calibrate -j2 "${args[@]}" -o again.st a.st
	assert_same b.st again.st
	mist mist-model calibrate "${args[@]}" --seed 1 -o other.st a.st
	run ! cmp -s b.st other.st
	mist mist-model info b.st --img 64
	assert_output "filter of 3x3, network of 8 channels"
	mist mist-extract -q -w b.st --epsilon 1 --img 64 -o edge.tar public
	assert_ok
	run ! grep -q '"net"' <(tar xOf edge.tar mist.json)
	mist mist-train -q -w b.st --features edge.tar --epochs 1 --batch-size 4 -o t.st
	assert_ok
	mist mist-model info t.st --img 64
	assert_output "network of 8 channels"
	mist mist-train -q -w b.st --data public --img 64 --extractor-rate 0.1 --epochs 1 --batch-size 4 -o p.st
	assert_ok
	mist mist-eval -q -w t.st --gate noisy --img 64 public
	assert_ok
	mist mist-model calibrate -c 2 -e 1 --net 8 --filter 0 --data public --img 64 -o c.st a.st
	assert_one_line_error 2 "--net adds to a filter"
	for bad in -1 513 x; do
		mist mist-model calibrate -c 2 -e 1 --net "$bad" --data public --img 64 -o c.st a.st
		[ "$status" -eq 2 ]
	done
	[ ! -e c.st ]
}

@test "calibrate refuses noise that cannot be" {
	make a.st --names 'circle,square'
	mist coco-synth -q --images 2 --classes 2 --img 64 -o public
	for bad in -1 nan 1e999 inf x ''; do
		mist mist-model calibrate -c 2 --epsilon "$bad" --data public --img 64 -o b.st a.st
		[ "$status" -eq 2 ]
	done
	mist mist-model calibrate -c 2 --mechanism rr --data public --img 64 -o b.st a.st
	assert_one_line_error 2 "--mechanism rr needs an --epsilon"
	mist mist-model calibrate -c 2 --mechanism sue --epsilon 0 --data public --img 64 -o b.st a.st
	assert_one_line_error 2 "not 0"
	mist mist-model calibrate -c 2 --mechanism none --epsilon 1 --data public --img 64 -o b.st a.st
	assert_one_line_error 2 "exclude each other"
	for bad in 2 -1 9 x; do
		mist mist-model calibrate -c 2 --filter "$bad" --data public --img 64 -o b.st a.st
		[ "$status" -eq 2 ]
	done
	[ ! -e b.st ]
}

@test "calibrate without public pictures, or for a cut that is none, is refused" {
	make a.st --names 'circle,square'
	mist mist-model calibrate -c 2 -o b.st a.st
	assert_one_line_error 2 "calibrate needs --data"
	mist mist-model calibrate -c 2 --data nowhere -o b.st a.st
	assert_one_line_error 3 "nowhere"
	mkdir -p public/images
	echo no >public/images/x.jpg
	mist mist-model calibrate -c 2 --data public -o b.st a.st
	[ "$status" -eq 3 ]
	mist mist-model calibrate -c 9 --data public -o b.st a.st
	[ "$status" -eq 2 ]
	[ ! -e b.st ]
}

@test "standard input and output are files too" {
	make a.st
	run --separate-stderr sh -c '"$1" init small.yaml | "$1" info - --img 64' sh "$(prog mist-model)"
	assert_ok
	assert_output "2 classes"
}

@test "YOLOv5n is imported whole from its checkpoint" {
	need_shared data/yolov5n.pt
	mist mist-model import "$shared" -o n.st
	assert_ok
	mist mist-model info n.st
	assert_ok
	assert_output "25 layers, 80 classes, 1872157 parameters, 4.47 GFLOPs at 640x640"
	mist mist-model split -c 4 n.st
	assert_ok
	mist mist-model join n.edge.safetensors n.cloud.safetensors -o j.st
	assert_ok
	mist mist-model diff n.st j.st
	[ "$(printf '%s\n' "$output" | grep -cv '^metadata')" = 0 ]
}
