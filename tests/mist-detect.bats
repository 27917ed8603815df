# mist-detect: pictures with their objects drawn, label files, COCO results.
load helper

setup_file() {
	export coco="$BATS_FILE_TMPDIR/coco128" weights="$BATS_FILE_TMPDIR/yolov5n.safetensors"
	if [ -r "$BATS_TEST_DIRNAME/../../shared/data/coco128.zip" ]; then
		load helper
		"$(prog coco-fetch)" -q -d "$BATS_FILE_TMPDIR" "$BATS_TEST_DIRNAME/../../shared/data/coco128.zip"
		"$(prog mist-model)" import -q "$BATS_TEST_DIRNAME/../../shared/data/yolov5n.pt" -o "$weights"
	fi
}

setup() {
	scratch
	need_shared data/coco128.zip
	birds=$coco/images/train2017/000000000520.jpg
	bear=$coco/images/train2017/000000000502.jpg
}

@test "each picture gets a line: input size, objects by class, time" {
	mist mist-detect -w "$weights" -o out "$birds" "$bear"
	assert_ok
	[[ ${lines[0]} =~ ^000000000520\.jpg:\ 480x640\ 4\ persons,\ 7\ birds,\ [0-9]+\.[0-9]\ ms$ ]]
	[[ ${lines[1]} =~ ^000000000502\.jpg:\ 448x640\ 1\ bear,\ [0-9]+\.[0-9]\ ms$ ]]
	[ -z "$stderr" ]
	[ "$(ls -A out)" = "$(printf '000000000502.jpg\n000000000520.jpg')" ]
	! cmp -s out/000000000502.jpg "$bear"
}

@test "the same pictures on any number of threads" {
	"$(prog mist-detect)" -q -j1 -w "$weights" -o 1 --img 320 "$birds" "$bear"
	"$(prog mist-detect)" -q -j3 -w "$weights" -o 3 --img 320 "$birds" "$bear"
	assert_same 1/000000000520.jpg 3/000000000520.jpg
	assert_same 1/000000000502.jpg 3/000000000502.jpg
}

@test "--save-txt writes labels that a data set can have, --save-conf a sixth column" {
	mist mist-detect -w "$weights" -o out --save-txt "$bear"
	assert_ok
	read -r cls x y w h rest <out/labels/000000000502.txt
	[ "$cls" = 21 ]
	[ -z "$rest" ]
	awk -v x="$x" -v y="$y" -v w="$w" -v h="$h" 'BEGIN {exit !(x-w/2 >= -1e-6 && x+w/2 <= 1.000001 && y-h/2 >= -1e-6 && y+h/2 <= 1.000001)}'
	mist mist-detect -w "$weights" -o out --save-conf "$bear"
	[ "$(awk '{print NF; exit}' out/labels/000000000502.txt)" = 6 ]
}

@test "--save-json writes COCO results" {
	need_program jq
	mist mist-detect -w "$weights" -o out --save-json r.json "$birds" "$bear"
	assert_ok
	jq -e 'length == 12 and (map(.image_id) | unique == [502, 520])' r.json
	jq -e 'map(select(.image_id == 502)) | length == 1 and .[0].category_id == 21 and .[0].score > 0.5' r.json
}

@test "--classes keeps those named, by name or number; an unknown one is named with the nearest" {
	mist mist-detect -w "$weights" -o out --classes bird,0 "$birds"
	assert_ok
	assert_output "4 persons, 7 birds"
	mist mist-detect -w "$weights" -o out --classes 14 "$birds"
	assert_output "480x640 7 birds"
	mist mist-detect -w "$weights" -o new --classes brid "$birds"
	assert_status 2
	assert_says "no class 'brid'; did you mean 'bird'"
	[ ! -e new ]
}

@test "inputs of one name do not overwrite each other, and PNG stays PNG" {
	mkdir a b
	cp "$bear" a/x.jpg
	cp "$birds" b/x.jpg
	cp "$bear" b/x-2.jpg
	mist mist-detect -q -w "$weights" -o out --img 128 --save-txt a b
	assert_ok
	[ "$(ls out | tr '\n' ' ')" = "labels x-2.jpg x-3.jpg x.jpg " ] || [ "$(ls out | tr '\n' ' ')" = "labels x-2-2.jpg x-2.jpg x.jpg " ]
	[ "$(ls out/labels | wc -l)" = 3 ]
}

@test "pictures that cannot be read are reported and left out, and the status is 3" {
	head -c 20000 "$bear" >cut.jpg
	echo "no picture" >text.jpg
	mist mist-detect -w "$weights" -o out --img 128 cut.jpg "$bear" text.jpg
	assert_status 3
	assert_says "cut.jpg"
	assert_says "text.jpg"
	assert_says "2 pictures could not be read"
	[ "$(ls -A out)" = 000000000502.jpg ]
	mist mist-detect -w "$weights" -o none text.jpg
	assert_status 3
	[ ! -e none ]
	[ "$(ls -A | tr '\n' ' ')" = "cut.jpg out text.jpg " ]
}

@test "files that are in DIR already stay, those of the same name are replaced" {
	mkdir out
	echo mine >out/mine
	echo old >out/000000000502.jpg
	mist mist-detect -w "$weights" -o out --img 128 "$bear"
	assert_ok
	[ "$(cat out/mine)" = mine ]
	[ "$(head -c 3 out/000000000502.jpg | od -An -tx1)" = " ff d8 ff" ]
	[ "$(ls -A)" = out ]
}

@test "wrong inputs are one sentence each and leave nothing" {
	mist mist-detect -w "$weights" -o out nowhere.jpg
	assert_one_line_error 3 nowhere.jpg
	mist mist-detect -w "$bear" -o out "$bear"
	assert_one_line_error 3 000000000502.jpg
	echo >file
	mist mist-detect -w "$weights" -o file "$bear"
	assert_one_line_error 3 "'file' is no folder"
	mist mist-detect -w "$weights" "$bear"
	assert_status 2
	assert_says "-o DIR"
	mist mist-detect -o out "$bear"
	assert_status 2
	[ "$(ls -A)" = file ]
}
