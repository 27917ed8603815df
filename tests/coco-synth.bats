# coco-synth: a synthetic detection set.
load helper

@test "a set has pictures, labels and a dataset.yaml that names them" {
	mist coco-synth --images 12 --val 4 --img 96 --classes 3 -o set
	assert_ok
	[ -z "$output$stderr" ]
	[ "$(ls set)" = "$(printf 'dataset.yaml\nimages\nlabels')" ]
	[ "$(ls set/images/train | wc -l)" -eq 12 ]
	[ "$(ls set/images/val | wc -l)" -eq 4 ]
	[ "$(head -c 3 set/images/train/000000.jpg | od -An -tx1 | tr -d ' ')" = ffd8ff ]
	# every label file belongs to a picture, every class is one of the three
	for f in set/labels/*/*.txt; do
		picture=${f/labels/images}
		[ -f "${picture%.txt}.jpg" ]
	done
	cat set/labels/*/*.txt >all
	[ "$(awk 'NF != 5 || $1 < 0 || $1 > 2 || $2 > 1 || $5 > 1' all | wc -l)" -eq 0 ]
	[ "$(cut -d' ' -f1 all | sort -u | wc -l)" -eq 3 ]
	grep -qx '  2: triangle' set/dataset.yaml
	grep -qx 'val: images/val' set/dataset.yaml
}

@test "a set may lack classes that it names" {
	mist coco-synth --images 12 --val 4 --img 96 --classes 4 --drawn 2 -o set
	assert_ok
	[ "$(cat set/labels/*/*.txt | cut -d' ' -f1 | sort -u | tr '\n' ' ')" = '0 1 ' ]
	grep -qx 'nc: 4' set/dataset.yaml
	grep -qx '  3: star' set/dataset.yaml
	# nothing else about the pictures changes with the number of names
	mist coco-synth --images 12 --val 4 --img 96 --classes 2 -o two
	diff -r set/images two/images
}

@test "the same seed gives the same files on any number of threads, another seed others" {
	mist coco-synth --images 20 --img 64 -o a -j1
	assert_ok
	mist coco-synth --images 20 --img 64 -o b -j2
	assert_ok
	diff -r a b
	mist coco-synth --images 20 --img 64 --seed 1 -o c
	assert_ok
	! cmp -s a/images/train/000000.jpg c/images/train/000000.jpg
}

@test "a larger set begins with the smaller one" {
	mist coco-synth --images 3 --val 0 --img 64 -o small
	mist coco-synth --images 6 --val 0 --img 64 -o large
	assert_ok
	cmp small/images/train/000002.jpg large/images/train/000002.jpg
	grep -qx 'val: images/train' small/dataset.yaml
}

@test "an existing folder is never written into" {
	mkdir set
	touch set/mine
	mist coco-synth --images 1 -o set
	assert_one_line_error 3 "'set' exists already"
	[ "$(ls -A set)" = mine ]
	[ "$(ls -A)" = set ]
}

@test "a failing write leaves nothing behind" {
	: >file
	mist coco-synth --images 1 -o file/set
	[ "$status" -ne 0 ]
	[ "$(ls -A)" = file ]
}

@test "a missing folder or a wrong number is a usage error" {
	mist coco-synth
	assert_status 2
	assert_says "no folder was given"
	mist coco-synth -o x --classes 11
	assert_status 2
	mist coco-synth -o x --img 8
	assert_status 2
	mist coco-synth -o x --classes 3 --drawn 4
	assert_status 2
	assert_says "--drawn 4: there are 3 classes"
	mist coco-synth -o x extra
	assert_status 2
	assert_says "unexpected argument 'extra'"
	assert_empty_dir .
}
