# Repeated MistNet, as cron runs it: the scripts of share/mistutils/examples, over three nights.
load helper

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	small_yaml 3
	"$MIST_BUILDDIR/tools/mist-model" init small.yaml --classes 3 --seed 1 -q -o start.safetensors
}

setup() {
	scratch
	export XDG_STATE_HOME=$PWD/state PATH=$MIST_BUILDDIR/tools:$PATH
	weights=$BATS_FILE_TMPDIR/start.safetensors
	mkdir -p cloud/inbox cloud/weights
	cp "$weights" cloud/weights/current.safetensors
}

# photograph EDGE FROM N SEED: N new images, which their camera numbers on from FROM.
photograph() {
	coco-synth -q --images "$3" --classes 3 --img 64 --seed "$4" -o day
	mkdir -p "$1/images" "$1/labels"
	local i=$2 f stem
	find day/images/train -type f | sort >list
	while read -r f; do
		stem=$(basename "${f%.*}")
		cp "$f" "$1/images/p$i.${f##*.}"
		cp "day/labels/train/$stem.txt" "$1/labels/p$i.txt"
		i=$((i + 1))
	done <list
	rm -r day
}

edge() {
	NIGHT=$1 sh "$MISTUTILS_SHARE/examples/nightly-edge.sh" "$2" "$2" "$weights" "$PWD/cloud/inbox" \
		-c 2 -e 4 --img 64 --ledger "$PWD/$2.ledger"
}

cloud() {
	run --separate-stderr env NIGHT="$1" DEADLINE="${2-8h}" sh \
		"$MISTUTILS_SHARE/examples/nightly-cloud.sh" cloud east,west 1 --epochs 2 --batch-size 4
}

meta() {
	mist-model info --json --img 64 "cloud/weights/$1.safetensors" | jq -r ".metadata[\"mist.$2\"]"
}

@test "three nights: the store grows, training goes on, and a repeated image counts once" {
	photograph east 0 4 1
	photograph west 0 3 2
	edge 1 east
	cloud 1
	[ "$status" -eq 1 ]
	assert_says "round '1' waits: 1 of 2 clients are ready; missing: west"
	edge 1 west
	cloud 1
	assert_ok
	[ "$(tar tf cloud/nights/1.tar | grep -c 'feat.npy')" -eq 7 ]
	cmp cloud/weights/1.safetensors cloud/weights/current.safetensors
	# done is done
	before=$(stat -c '%y %i' cloud/weights/1.safetensors cloud/nights/1.tar)
	cloud 1
	assert_ok
	[ "$(stat -c '%y %i' cloud/weights/1.safetensors cloud/nights/1.tar)" = "$before" ]

	# the second night: new pictures in the east, none in the west
	photograph east 4 2 3
	edge 2 east
	edge 2 west
	cloud 2
	[ "$status" -eq 1 ]
	cloud 2 0
	assert_ok
	assert_says "going on with 1 clients; missing: west"
	[ "$(tar tf cloud/nights/2.tar | grep -c 'feat.npy')" -eq 2 ]

	# the third: the west has lost its list, and sends everything again
	photograph west 3 2 4
	rm west/.sent
	photograph east 6 1 5
	edge 3 east
	edge 3 west
	cloud 3
	assert_ok
	[ "$(tar tf cloud/nights/3.tar | grep -c 'feat.npy')" -eq 6 ]

	for night in 1 2 3; do
		meta $night round
		meta $night samples
	done >got
	printf '%s\n' 1 7 2 9 3 12 >want
	diff want got
	# each night began with the weights of the night before
	meta 3 parents | grep -q "$(sha256sum <cloud/weights/2.safetensors | cut -d' ' -f1)"
	meta 2 parents | grep -q "$(sha256sum <cloud/weights/1.safetensors | cut -d' ' -f1)"
	meta 1 parents | grep -q "$(sha256sum <"$weights" | cut -d' ' -f1)"
	[ -z "$(find cloud -name '.[0-9]*')" ]
}

@test "a night that is killed anywhere is gone on with, to the same weights" {
	photograph east 0 4 1
	photograph west 0 4 2
	edge 1 east
	edge 1 west
	cp -r cloud saved
	cloud 1
	assert_ok
	mv cloud whole
	for try in $(seq 8); do
		rm -rf cloud
		cp -rp saved cloud
		setsid env NIGHT=1 sh "$MISTUTILS_SHARE/examples/nightly-cloud.sh" cloud east,west 1 \
			--epochs 2 --batch-size 4 2>/dev/null &
		pid=$!
		sleep "0.0$((try * 2 % 10))"
		kill -KILL -- -$pid 2>/dev/null || kill -KILL $pid 2>/dev/null || :
		wait $pid 2>/dev/null || :
		# what the shell had begun dies a moment later, and holds the lock till then
		[ ! -e cloud/.lock ] || flock -w 20 cloud/.lock true
		cloud 1
		assert_ok
		assert_same whole/weights/1.safetensors cloud/weights/1.safetensors
		assert_same cloud/weights/1.safetensors cloud/weights/current.safetensors
	done
}

@test "an edge without new images sends nothing, and one that is killed sends the same bits again" {
	photograph east 0 3 1
	edge 1 east
	edge 2 east
	[ "$(ls cloud/inbox)" = east-1.tar ]
	rm east/.sent
	mv cloud/inbox/east-1.tar first.tar
	edge 1 east
	mist mist-aggregate --drop-duplicates -o both.tar first.tar cloud/inbox/east-1.tar
	assert_ok
	assert_says '3 samples were there before, and are left out'
	[ "$(tar tf both.tar | grep -c 'feat.npy')" -eq 3 ]
	mist mist-aggregate -o again.tar both.tar # its ends and digests are right
	assert_ok
	assert_same both.tar again.tar
	mist mist-aggregate -o no.tar first.tar cloud/inbox/east-1.tar
	assert_status 3
}

@test "the crontab speaks of scripts and options that there are" {
	grep -oE '[a-z-]+\.sh' "$MISTUTILS_SHARE/examples/nightly.crontab" | sort -u | while read -r script; do
		[ -x "$MISTUTILS_SHARE/examples/$script" ]
		sh -n "$MISTUTILS_SHARE/examples/$script"
	done
}
