# A budget per image: fewer bits, a public choice of them, and everybody downstream knows which.
load helper

setup_file() {
	load helper
	cd "$BATS_FILE_TMPDIR" || return 1
	"$(prog coco-synth)" -q --images 4 --val 2 --classes 3 --img 64 --seed 2 -o set
	"$(prog coco-synth)" -q --images 4 --val 0 --classes 3 --img 64 --seed 3 -o public
	"$(prog mist-model)" init -q --classes 3 --seed 5 -o start.st "$MISTUTILS_SHARE/models/yolov5n.yaml"
	"$(prog mist-model)" calibrate -q -c 4 --img 64 --data public --filter 0 -o w.st start.st
	"$(prog mist-model)" calibrate -q -c 4 --img 64 --data public --pool 2 -o pool.st start.st
}

setup() {
	scratch
	ln -s "$BATS_FILE_TMPDIR"/*.st "$BATS_FILE_TMPDIR"/{set,public} .
}

# Cut 4 of a 64 pixel image of YOLOv5n: 64 channels of 8 x 8, 4096 bits.
extract() {
	mist mist-extract --img 64 "$@" set
}

member() {
	tar xOf "$1" "$2"
}

@test "--epsilon-image sends as many bits as the budget pays for, and every account says so" {
	need_program jq
	extract -w w.st -e 2 --epsilon-image 1001 -o a.tar
	assert_ok
	assert_says 'epsilon per image   1000 (500 bits, sent 1 time)'
	assert_says 'epsilon per client  4000 (before: 0; 4 new, 0 sent before; most for one image: 1000)'
	assert_says 'bytes per image     63 '
	member a.tar mist.json | jq -e '.epsilon_image == 1001 and .privacy.bits_per_release == 500 and
		.privacy.epsilon_per_image <= 1001 and .gate.gates[0].subset == 0 and
		.gate.gates[0].keep > 4294967296 * 0.11 and .gate.gates[0].keep < 4294967296 * 0.135'
	member a.tar mist.end.json | jq -e '.certificate.bits_per_image == 500 and .epsilon_per_client == 4000'
	extract -w w.st -e 2 --epsilon-image 1001 --hflip --no-ledger -o b.tar
	assert_says 'epsilon per image   1000 (250 bits, sent 2 times)'
	# the same bits again, for nothing; other bits are others
	extract -w w.st -e 2 --epsilon-image 1001 -o c.tar
	assert_says '0 new, 4 sent before'
	assert_same a.tar c.tar
	extract -w w.st -e 2 --epsilon-image 1001 --subset 1 -o d.tar
	assert_says '4 new, 0 sent before; most for one image: 2000'
}

@test "without --epsilon a bit gets 2.5, or more where all of them can be sent" {
	extract -w w.st --epsilon-image 1001 --no-ledger -o a.tar
	assert_says 'epsilon per bit     2.5'
	assert_says 'epsilon per image   1000 (400 bits, sent 1 time)'
	extract -w w.st --epsilon-image 20480 --no-ledger -o a.tar
	assert_says 'epsilon per bit     5'
	assert_says 'epsilon per image   20480 (4096 bits, sent 1 time)'
	extract -w w.st --epsilon-image 1001 --mechanism sue --no-ledger -o a.tar
	assert_says 'epsilon per bit     2.5'
	assert_says '(400 bits, sent 1 time)'
}

@test "pooling makes a bit of a square, by the option or as the weights were calibrated" {
	need_program jq
	extract -w w.st -e 1 --pool 2 -o a.tar
	assert_says 'epsilon per image   1024 (1024 bits, sent 1 time)'
	extract -w pool.st -e 1 -o b.tar
	assert_says 'epsilon per image   1024 (1024 bits, sent 1 time)'
	member b.tar mist.json | jq -e '.gate.gates[0].pool == 2 and (.gate.gates[0] | has("keep") | not)'
	extract -w pool.st -e 1 --pool 1 -o c.tar
	assert_says '(4096 bits, sent 1 time)'
	extract -w pool.st -e 1 --epsilon-image 512 -o d.tar
	assert_says '(512 bits, sent 1 time)'
}

@test "a few bits of a small epsilon are private, and nobody warns of them" {
	extract -w w.st -e 1 --epsilon-image 2 --no-labels --client few -o a.tar
	assert_ok
	assert_says 'epsilon per image   2 (2 bits, sent 1 time)'
	refute_says 'no privacy'
	refute_says 'promises nothing'
	mist mist-aggregate -o all.tar a.tar
	assert_ok
	refute_says 'no noise protects'
}

@test "a budget that cannot be is refused, and nothing is written" {
	for e in 0 -1 nan inf x ''; do
		extract -w w.st --epsilon-image "$e" -o a.tar
		assert_status 2
		assert_says "--epsilon-image: '$e'"
	done
	extract -w w.st --epsilon-image 2 -o a.tar
	assert_status 2
	assert_says 'mist-extract: an --epsilon-image of 2 does not pay for one bit of epsilon 2.5'
	extract -w w.st --epsilon-image 1 --mechanism none -o a.tar
	assert_status 2
	extract -w w.st --epsilon-image 1 --encoding f32 -o a.tar
	assert_status 2
	extract -w w.st -e 1 --subset 4 -o a.tar
	assert_status 2
	extract -w w.st -e 1 --pool 0 -o a.tar
	assert_status 2
	extract -w w.st --encoding u8 --pool 2 -o a.tar
	assert_status 2
	[ ! -e a.tar ]
}

@test "streams of different bits do not mix" {
	extract -w w.st -e 2 --epsilon-image 1000 --client a -o a.tar
	extract -w w.st -e 2 --client b -o b.tar
	extract -w w.st -e 2 --epsilon-image 1000 --subset 3 --client c -o c.tar
	extract -w w.st -e 2 --pool 2 --client d -o d.tar
	for other in b c d; do
		mist mist-aggregate -o all.tar a.tar $other.tar
		assert_status 3
		assert_says "'a.tar' and '$other.tar' do not fit: bits of "
		assert_says ' do not mix'
		[ ! -e all.tar ]
	done
}

@test "the cloud learns from what was sent, and judges and attacks through the same bits" {
	need_program jq
	for w in w pool; do
		extract -w $w.st -e 2 --epsilon-image 1000 -q --seed 1 --client $w -o $w.tar
		assert_ok
		mist mist-aggregate -q --allow-seeded -o all-$w.tar $w.tar
		assert_ok
		mist mist-train -q -w $w.st --features all-$w.tar --epochs 1 --batch-size 2 --seed 1 -o $w-out.st
		assert_ok
		for gate in clean noisy; do
			mist mist-eval -q -w $w-out.st --img 64 --gate $gate set
			assert_ok
		done
		mist mist-attack invert -q -w $w.st --data set --limit 1 --steps 5 --json $w.json -o /dev/null $w.tar
		assert_ok
		jq -e '.settings[0].ssim < 1' $w.json
		# through the gate of the weights, too, on public pictures
		mist mist-train -q -w $w-out.st --data public --img 64 --epochs 1 --batch-size 2 --seed 1 -o $w-pre.st
		assert_ok
	done
	# and the next round's edges obey the weights
	extract -w w-out.st -e 2 --client w -o again.tar
	assert_says '(500 bits, sent 1 time)'
}

@test "NumPy finds the bits that were sent" {
	for python in python3 /usr/bin/python3; do
		"$python" -c 'import numpy' 2>/dev/null && break
		[ "$python" = python3 ] || skip 'no Python with NumPy'
	done
	extract -w w.st --mechanism none --no-ledger -o clean.tar
	extract -w w.st -e 40 --epsilon-image 20000 --subset 9 --no-ledger -o a.tar
	assert_ok
	mkdir clean sent
	tar xf clean.tar -C clean
	tar xf a.tar -C sent
	"$python" - <<'PY'
import glob, json, numpy
gate = json.load(open("sent/mist.json"))["gate"]["gates"][0]
k = numpy.arange(1, 4097, dtype=numpy.uint64)
with numpy.errstate(over="ignore"):
    z = numpy.uint64(gate["subset"]) + k * numpy.uint64(0x9e3779b97f4a7c15)
    z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xbf58476d1ce4e5b9)
    z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94d049bb133111eb)
    z = z ^ (z >> numpy.uint64(31))
sent = z >> numpy.uint64(32) < gate["keep"]
files = glob.glob("sent/*.feat.npy")
assert sent.sum() == 500 and len(files) == 4
for f in files:
    bits = numpy.unpackbits(numpy.load(f))[:500]
    clean = numpy.unpackbits(numpy.load(f.replace("sent", "clean")), axis=2).reshape(-1)
    assert (bits == clean[sent]).all()  # epsilon 40 flips nothing
PY
}
