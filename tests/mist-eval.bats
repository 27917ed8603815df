# mist-eval: figures of detections against ground truth, with and without a model.
load helper

# Two images, two classes, one object each; found but for the second's second box.
small() {
	cat >a.json <<-'EOF'
		{"images": [{"id": 1}, {"id": 2}, {"id": 3}],
		 "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
		 "annotations": [
		  {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 50, 50]},
		  {"id": 2, "image_id": 2, "category_id": 2, "bbox": [10, 10, 50, 50]}]}
	EOF
	cat >p.json <<-'EOF'
		[{"image_id": 1, "category_id": 1, "bbox": [10, 10, 50, 50], "score": 0.9},
		 {"image_id": 2, "category_id": 2, "bbox": [10, 10, 50, 50], "score": 0.8}]
	EOF
}

@test "the table has YOLOv5's columns, and a row for each class of a small model" {
	small
	mist mist-eval --predictions p.json --annotations a.json
	assert_ok
	[ "${lines[0]}" = "                 Class     Images  Instances          P          R      mAP50   mAP50-95" ]
	[ "${lines[1]}" = "                   all          3          2          1          1      0.995      0.995" ]
	[ "${lines[2]}" = "                   cat          3          1          1          1      0.995      0.995" ]
	[ "${#lines[@]}" -eq 4 ]
	[ -z "$stderr" ]
}

@test "--protocol coco prints pycocotools' twelve lines, both prints both" {
	small
	mist mist-eval --predictions p.json --annotations a.json --protocol coco
	assert_ok
	[ "${#lines[@]}" -eq 12 ]
	[ "${lines[0]}" = " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 1.000" ]
	[ "${lines[3]}" = " Average Precision  (AP) @[ IoU=0.50:0.95 | area= small | maxDets=100 ] = -1.000" ]
	[ "${lines[6]}" = " Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets=  1 ] = 1.000" ]
	mist mist-eval --predictions p.json --annotations a.json --protocol both
	[ "${#lines[@]}" -eq 16 ]
}

@test "--json prints one object with the figures asked for" {
	need_program jq
	small
	mist mist-eval --predictions p.json --annotations a.json --json
	assert_ok
	[ "$(jq -c '[.images,.with_labels,.backgrounds,.corrupt,.instances,.coco,.speed_ms]' <<<"$output")" = "[3,2,1,0,2,null,null]" ]
	[ "$(jq -c '.yolov5.classes.dog|keys' <<<"$output")" = '["P","R","images","instances","mAP50","mAP50-95"]' ]
	mist mist-eval --predictions p.json --annotations a.json --json --protocol coco
	jq -e '.yolov5 == null and .coco.AP == 1 and .coco.ARs == -1' <<<"$output"
}

@test "the figures of the reference are reproduced" {
	need_program jq
	need_shared reference/predictions.json
	p=$shared
	need_shared reference/annotations.json
	mist mist-eval --predictions "$p" --annotations "$shared" --protocol both --json
	assert_ok
	need_shared reference/metrics.json
	jq -n --argjson ours "$output" --slurpfile ref "$shared" '
		$ref[0] as $r
		| [$r.coco_stats, [$ours.coco[]]] | transpose | map(.[0] - .[1] | fabs) | max < 1e-4' | grep -qx true
	jq -n --argjson ours "$output" --slurpfile ref "$shared" '
		($ours.yolov5.classes + {all: $ours.yolov5}) as $o
		| [$ref[0].yolov5 | to_entries[] | .value as $w | $o[.key] as $h
			| ($w.P - $h.P), ($w.R - $h.R), ($w.mAP50 - $h.mAP50), ($w.mAP50_95 - $h["mAP50-95"]) | fabs]
		| length == 288 and max < 1e-3' | grep -qx true
}

@test "threads change nothing" {
	need_shared reference/predictions.json
	p=$shared
	need_shared reference/annotations.json
	"$(prog mist-eval)" --predictions "$p" --annotations "$shared" --protocol both --json -j1 -o 1.json
	"$(prog mist-eval)" --predictions "$p" --annotations "$shared" --protocol both --json -j3 -o 3.json
	assert_same 1.json 3.json
}

@test "predictions come from standard input too" {
	small
	run --separate-stderr sh -c '"$1" --predictions - --annotations a.json <p.json' sh "$(prog mist-eval)"
	assert_ok
	assert_output "0.995"
}

@test "no prediction at all is zero, not an error" {
	small
	echo '[]' >p.json
	mist mist-eval --predictions p.json --annotations a.json
	assert_ok
	[ "${lines[1]}" = "                   all          3          2          0          0          0          0" ]
}

@test "bad files are one sentence, status 3, and leave no output" {
	small
	mkdir d
	printf '[{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": NaN}]' >nan.json
	head -c 90 p.json >cut.json
	: >empty.json
	printf '\377\330\377\340JFIF' >picture.json
	for bad in nan.json:"not finite" cut.json:"the text ends" empty.json:"the text ends" \
		picture.json:"byte 0" nowhere.json:"cannot read" a.json:"expected an array"; do
		mist mist-eval --predictions "${bad%%:*}" --annotations a.json -o d/out
		assert_one_line_error 3 "${bad#*:}"
		assert_says "${bad%%:*}"
		assert_empty_dir d
	done
	mist mist-eval --predictions p.json --annotations p.json -o d/out
	assert_one_line_error 3 "expected an object"
}

@test "detections in an image without annotations are an error that names it" {
	small
	echo '[{"image_id": 77, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 1}]' >p.json
	mist mist-eval --predictions p.json --annotations a.json
	assert_one_line_error 3 "image 77"
}

@test "detections of unknown categories are counted, and refused when there is nothing else" {
	small
	echo '[{"image_id": 1, "category_id": 9, "bbox": [1, 2, 3, 4], "score": 1}]' >p.json
	mist mist-eval --predictions p.json --annotations a.json
	assert_one_line_error 3 "category"
	echo '[{"image_id": 1, "category_id": 9, "bbox": [1, 2, 3, 4], "score": 1},
		{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 1}]' >p.json
	mist mist-eval --predictions p.json --annotations a.json
	assert_ok
	assert_says "1 detections of categories that the annotations lack are left out"
}

@test "--predictions without --annotations is wrong usage" {
	mist mist-eval --predictions p.json
	assert_status 2
	assert_says "--annotations"
}

# The real weights and COCO128, once for all tests of this file.
setup_file() {
	export coco="$BATS_FILE_TMPDIR/coco128" weights="$BATS_FILE_TMPDIR/yolov5n.safetensors"
	if [ -r "$BATS_TEST_DIRNAME/../../shared/data/coco128.zip" ]; then
		load helper
		"$(prog coco-fetch)" -q -d "$BATS_FILE_TMPDIR" "$BATS_TEST_DIRNAME/../../shared/data/coco128.zip"
		"$(prog mist-model)" import -q "$BATS_TEST_DIRNAME/../../shared/data/yolov5n.pt" -o "$weights"
	fi
}

# near FILTER NUMBER: that figure of $output lies within .004.
near() {
	jq -e --argjson want "$2" "($1 - \$want | fabs) < 0.004" <<<"$output" >/dev/null ||
		fail "$1 is $(jq "$1" <<<"$output"), not $2"
}

@test "YOLOv5n on COCO128 at 320 has the figures that val.py gives" {
	need_program jq
	need_shared data/coco128.zip
	need_shared data/yolov5n.pt
	mist mist-eval -w "$weights" --img 320 --json "$coco"
	assert_ok
	[ "$(jq -c '[.images,.with_labels,.backgrounds,.corrupt,.instances]' <<<"$output")" = "[128,126,2,0,929]" ]
	near .yolov5.P .634
	near .yolov5.R .350
	near .yolov5.mAP50 .419
	near '.yolov5["mAP50-95"]' .277
	jq -e '.speed_ms | .preprocess > 0 and .inference > 0 and .nms > 0' <<<"$output"
}

@test "square and rectangular 640 have val.py's figures too" {
	need_program jq
	need_shared data/coco128.zip
	[ -n "${MIST_SLOW_TESTS-}" ] || skip "takes a minute; MIST_SLOW_TESTS=1 runs it"
	mist mist-eval -w "$weights" --img 640 --json "$coco"
	assert_ok
	near .yolov5.P .605
	near .yolov5.R .412
	near .yolov5.mAP50 .467
	near '.yolov5["mAP50-95"]' .305
	mist mist-eval -w "$weights" --img 640 --rect --json "$coco"
	assert_ok
	near .yolov5.P .602
	near .yolov5.R .407
	near .yolov5.mAP50 .464
	near '.yolov5["mAP50-95"]' .309
}

# A data set of a few of those pictures.
few() {
	mkdir -p few/images few/labels
	for i in 009 025 030 034; do
		ln -s "$coco/images/train2017/000000000$i.jpg" few/images/
		ln -s "$coco/labels/train2017/000000000$i.txt" few/labels/
	done
}

@test "saved detections are the same on any number of threads, and judged as the model was" {
	need_program jq
	need_shared data/coco128.zip
	few
	for j in 1 3; do
		"$(prog mist-eval)" -j$j -w "$weights" --img 128 --json --save-json $j.json few |
			jq 'del(.speed_ms)' >$j.out
	done
	assert_same 1.json 3.json
	assert_same 1.out 3.out
	jq -e 'length > 10 and (.[0] | keys == ["bbox","category_id","image_id","score"])' 1.json
	jq -e 'map(.image_id) | unique == [9, 25, 30, 34]' 1.json
	"$(prog mist-eval)" -w "$weights" --img 128 --save-json 91.json --category-map coco91 few >/dev/null
	jq -e 'map(.category_id) | max > 80' 91.json
}

@test "--gate on a model without one is an error, off is not" {
	need_shared data/coco128.zip
	few
	mist mist-eval -w "$weights" --img 128 --gate clean few
	assert_one_line_error 3 "has no gate"
	mist mist-eval -w "$weights" --img 128 --gate off few
	assert_ok
}

@test "a size that the network cannot take, a wrong data set and wrong weights are one sentence" {
	need_shared data/coco128.zip
	few
	mist mist-eval -w "$weights" --img 100 few
	assert_one_line_error 3
	mist mist-eval -w "$weights" nowhere
	assert_one_line_error 3 nowhere
	mist mist-eval -w few/labels/000000000009.txt few
	assert_one_line_error 3 000000000009.txt
	echo "99 .5 .5 .1 .1" >few/labels/extra.txt
	cp "$coco/images/train2017/000000000009.jpg" few/images/extra.jpg
	mist mist-eval -w "$weights" --img 128 --strict few
	assert_one_line_error 3 "extra.txt"
}

@test "--profile tells on standard error where the time went, and the rows make the total" {
	tiny_yaml
	"$(prog coco-synth)" -q -n 4 --val 4 -c 2 -s 64 -o set
	"$(prog mist-model)" init tiny.yaml --seed 1 -q -o w.safetensors
	mist mist-eval -w w.safetensors --img 64 --profile set
	assert_ok
	for row in "reading of pictures" convolution "decoding and suppression" metrics; do
		grep -q "$row" <<<"$stderr"
	done
	rows_make_total
}
