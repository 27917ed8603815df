# coco-partition: the shards of N clients.
load helper

setup() {
	scratch
	"$(prog coco-synth)" --images 24 --val 0 --img 64 --classes 4 -o set
}

# Digests of all pictures below the folders.
digests() {
	find "$@" -name '*.jpg' -exec sha256sum {} + | cut -d' ' -f1 | sort
}

# assert_partition DIR N: every picture of set is in exactly one of DIR/1 … DIR/N, with its labels.
assert_partition() {
	local k shards=
	for k in $(seq "$2"); do
		shards="$shards $1/$k"
		[ -f "$1/$k/dataset.yaml" ] || fail "no $1/$k/dataset.yaml"
		[ -n "$(ls "$1/$k/images")" ] || fail "$1/$k has no pictures"
	done
	# shellcheck disable=SC2086
	[ "$(digests $shards)" = "$(digests set/images)" ] || fail "pictures were lost or doubled"
	# shellcheck disable=SC2086
	for k in $(find $shards -name '*.txt'); do
		cmp "$k" "set/labels/train/$(basename "$k")" || return 1
	done
	# shellcheck disable=SC2086
	[ "$(find $shards -name '*.txt' | wc -l)" -eq "$(ls set/labels/train | wc -l)" ]
}

@test "every scheme gives each picture to exactly one client" {
	for scheme in iid contiguous 'dirichlet --alpha 1' 'classes -k 2' quantity; do
		# shellcheck disable=SC2086
		mist coco-partition --scheme $scheme -o out set 3
		assert_ok
		assert_partition out 3
		[ "$(ls -A out | xargs)" = '1 2 3 partition.json' ]
		rm -r out
	done
}

@test "the table and the manifest tell who got what" {
	mist coco-partition -o out set 3
	assert_ok
	assert_output 'client   images    boxes  classes'
	[ "$(awk 'NR > 1 {n += $2} END {print n}' <<<"$output")" -eq 24 ]
	need_program jq
	[ "$(jq -r '.scheme, .images, (.clients | length)' out/partition.json | xargs)" = 'iid 24 3' ]
	# each file's digest and label counts are those on disk
	jq -r '.clients[].files[] | .sha256 + "  out/" + .image' out/partition.json | sha256sum -c --quiet
	jq -r '.clients[].files[] | select(.labels != {}) | .image' out/partition.json | while read -r f; do
		t=out/$(sed 's,/images/,/labels/,; s,jpg$,txt,' <<<"$f")
		want=$(cut -d' ' -f1 "$t" | sort | uniq -c | awk '{print $2 ":" $1}' | xargs)
		have=$(jq -r --arg f "$f" '.clients[].files[] | select(.image == $f) | .labels | to_entries[] |
			"\(.key):\(.value)"' out/partition.json | sort | xargs)
		[ "$want" = "$have" ] || fail "$f: $want, but $have"
	done
}

@test "without -o the shards lie beside images/, and are not taken for data" {
	mist coco-partition set 2
	assert_ok
	[ "$(ls set)" = "$(printf '1\n2\ndataset.yaml\nimages\nlabels\npartition.json')" ]
	assert_partition set 2
	mist coco-partition set 2
	assert_ok
	assert_says "'set' holds this partition already"
}

@test "a shard is a data set that can be divided again" {
	mist coco-partition -o out set 2
	assert_ok
	mist coco-partition -o again out/1 2
	assert_ok
	[ "$(digests again)" = "$(digests out/1)" ]
	grep -qx '  3: star' again/2/dataset.yaml
}

@test "another partition is refused, and replaced with --force" {
	mist coco-partition -o out set 3
	assert_ok
	cp out/partition.json before
	mist coco-partition -o out --seed 9 set 2
	assert_one_line_error 3 "'out' holds another partition, of 3 clients; --force replaces it"
	cmp before out/partition.json
	assert_partition out 3
	mist coco-partition -o out --seed 9 --force set 2
	assert_ok
	assert_partition out 2
	[ "$(ls -A out)" = "$(printf '1\n2\npartition.json')" ]
}

@test "a folder that is not a shard is never replaced" {
	mkdir -p out/2
	touch out/2/mine
	mist coco-partition -o out --force set 3
	assert_one_line_error 3 "'out/2' exists already and is not of a partition"
	[ "$(find out | sort | xargs)" = 'out out/2 out/2/mine' ]
}

@test "links are hard by default, symbolic or copies on request" {
	mist coco-partition -o hard --link hard set 2
	mist coco-partition -o symbolic --link symbolic set 2
	mist coco-partition -o copy --link copy set 2
	assert_ok
	name=$(ls hard/1/images/train | head -n 1)
	[ hard/1/images/train/"$name" -ef set/images/train/"$name" ]
	[ "$(stat -c %h hard/1/images/train/"$name")" -eq 2 ]
	[ -L symbolic/1/images/train/"$name" ]
	[ "$(stat -c %h copy/1/images/train/"$name")" -eq 1 ]
	[ ! -L copy/1/images/train/"$name" ]
	cmp hard/partition.json symbolic/partition.json
	cmp hard/partition.json copy/partition.json
	assert_partition symbolic 2
	assert_partition copy 2
}

@test "the same seed gives the same partition on any number of threads" {
	mist coco-partition --scheme dirichlet --alpha 2 --seed 4 -j1 -o a set 2
	mist coco-partition --scheme dirichlet --alpha 2 --seed 4 -j2 -o b set 2
	assert_ok
	diff -r a b
}

@test "copies of a picture stay together" {
	for i in 1 2 3 4 5; do
		cp set/images/train/000000.jpg "set/images/train/copy$i.jpg"
	done
	mist coco-partition -o out set 4
	assert_ok
	assert_says 'copies stay together'
	[ "$(dirname "$(find out -name copy1.jpg)")" = "$(dirname "$(find out -name copy5.jpg)")" ]
	[ "$(dirname "$(find out -name copy1.jpg)")" = "$(dirname "$(find out -name 000000.jpg)")" ]
}

@test "a damaged picture is left out and counted, or an error under --strict" {
	head -c 500 set/images/train/000003.jpg >cut
	mv cut set/images/train/000003.jpg
	mist coco-partition -o out set 2
	assert_ok
	assert_says "000003.jpg': the JPEG ends early"
	grep -q '"left_out": 1' out/partition.json
	mist coco-partition -o out2 --strict set 2
	assert_one_line_error 3 'the JPEG ends early'
	[ ! -e out2 ]
}

@test "what cannot be met is one sentence, and leaves nothing behind" {
	mist coco-partition -o out set 25
	assert_one_line_error 3 '25 clients, but only 24 pictures'
	mist coco-partition --scheme dirichlet --alpha 0.001 -o out set 20
	assert_one_line_error 3 'take a larger alpha or fewer clients'
	mist coco-partition --scheme classes -k 1 -o out set 2
	assert_one_line_error 3 'at least 2 per client'
	mist coco-partition -o out nowhere 2
	assert_one_line_error 3 "cannot read 'nowhere'"
	[ "$(ls -A)" = set ]
}

@test "wrong options and arguments are usage errors" {
	mist coco-partition set
	assert_status 2
	mist coco-partition set 0
	assert_status 2
	mist coco-partition set 2 3
	assert_status 2
	mist coco-partition --scheme random set 2
	assert_status 2
	mist coco-partition --scheme quantity --alpha 0 set 2
	assert_status 2
	mist coco-partition set/images/train 2
	assert_one_line_error 2 'give -o DIR'
	[ "$(ls -A)" = set ]
}
