# The edge: images in, a feature stream out, and a certificate that does not flatter.
load helper

# A model and a data set that need nothing but this project: made once for the file.
setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	cat >small.yaml <<'YAML'
nc: 3
depth_multiple: 1.0
width_multiple: 1.0
anchors:
  - [10, 13, 16, 30]
backbone:
  - [-1, 1, Conv, [8, 3, 2]]
  - [-1, 1, C3, [24]]
  - [-1, 1, Conv, [16, 3, 2]]
  - [-1, 1, Conv, [16, 3, 2]]
  - [-1, 1, nn.Upsample, [None, 2, nearest]]
  - [[-1, 2], 1, Concat, [1]]
head:
  - [[5], 1, Detect, [nc, anchors]]
YAML
	"$MIST_BUILDDIR/tools/mist-model" init small.yaml --classes 3 --seed 5 -o model.st
	"$MIST_BUILDDIR/tools/coco-synth" --images 6 --classes 3 --img 96 --seed 2 -o set
}

setup() {
	scratch
	ln -s "$BATS_FILE_TMPDIR/model.st" "$BATS_FILE_TMPDIR/set" .
}

extract() {
	mist mist-extract -w model.st --img 64 "$@"
}

# $python is a Python with NumPy, or the test is skipped.
need_numpy() {
	for python in python3 /usr/bin/python3; do
		"$python" -c 'import numpy' 2>/dev/null && return 0
	done
	skip 'no Python with NumPy'
}

# The member NAME of the stream FILE.
member() {
	tar xOf "$1" "$2"
}

@test "a stream is a tar whose samples lie between mist.json and mist.end.json" {
	extract -c 2 -e 1 -o s.tar set
	assert_ok
	tar tf s.tar >names
	[ "$(head -n 1 names)" = mist.json ]
	[ "$(tail -n 1 names)" = mist.end.json ]
	[ "$(grep -c 'feat\.npy$' names)" -eq 6 ]
	[ "$(grep -c 'txt$' names)" -eq 6 ]
	[ "$(wc -l <names)" -eq 20 ]
	member s.tar mist.json | grep -q '"mechanism":"rr"'
	member s.tar mist.json | grep -q '"client":"set"'
	member s.tar mist.end.json | grep -q '"samples":6'
}

@test "the certificate names mechanism, flip probability and epsilon per bit, image and client" {
	extract -c 2 -e 1 -o s.tar set
	assert_says 'mechanism           rr, each bit is flipped with probability 0.268941'
	assert_says "generator           ChaCha20, keyed by the ledger's key"
	assert_says 'epsilon per bit     1
'
	# 24 channels of 32 x 32
	assert_says 'epsilon per image   24576 (24576 bits, sent 1 time)'
	assert_says 'epsilon per client  147456 (before: 0; 6 new, 0 sent before; most for one image: 24576)'
	assert_says 'flips per image     6609.5 expected'
	assert_says 'classes, boxes and file names travel in clear'
	assert_says 'bytes per image     3072'
	assert_says 'bytes of weights a round'
	assert_says 'promises nothing formally'
	assert_says 'warning: labels are sent in clear'
	extract -c 2 -e 1 --mechanism sue --no-ledger -o s.tar set
	assert_says 'mechanism           sue, each bit is flipped with probability 0.377541'
	assert_says 'epsilon per bit     0.5
'
	assert_says 'epsilon per image   12288'
	member s.tar mist.end.json | grep -q '"epsilon_per_client":73728'
}

@test "the certificate travels as JSON, in the first member and in the last" {
	need_program jq
	extract -c 2 -e 1 -q -o s.tar set
	member s.tar mist.json | jq -e '.certificate | .version == 1 and .generator == "ledger" and
		.epsilon_per_bit == 1 and .epsilon_per_image == 24576 and .epsilon_per_client == 147456 and
		.flip_probability < 0.269 and .bytes_per_image == 3072 and .labels == "clear" and .ledger and
		(.warnings | length) == 2 and (.final | not)'
	extract -c 2 -e 2 -q -o s.tar set
	member s.tar mist.end.json | jq -e '.certificate | .final and .epsilon_per_client == 442368 and
		.epsilon_per_image == 49152 and .epsilon_per_image_max == 73728 and .images == 6 and
		.picture_bytes_per_image > 0'
	extract -c 2 --mechanism none -q -o s.tar set
	member s.tar mist.json | jq -e '.certificate | .epsilon_per_bit == null and .generator == "none"'
	member s.tar mist.end.json | jq -e '.certificate | .epsilon_per_client == null'
}

@test "a mirrored copy counts twice and has mirrored labels" {
	extract -c 2 -e 1 --hflip -o s.tar set
	assert_says 'epsilon per image   49152 (24576 bits, sent 2 times)'
	assert_says '12 new, 0 sent before; most for one image: 49152'
	key=$(tar tf s.tar | grep -v '~flip' | grep 'txt$' | head -n 1)
	key=${key%.txt}
	member s.tar "$key.txt" | awk '{ printf "%.4f\n", 1 - $2 }' >want
	member s.tar "$key~flip.txt" | awk '{ printf "%.4f\n", $2 }' >got
	assert_same want got
	[ -s want ]
	! cmp -s <(member s.tar "$key.feat.npy") <(member s.tar "$key~flip.feat.npy")
}

@test "bits are not sent without noise unless that is said" {
	extract -o s.tar set
	assert_status 2
	assert_says '--mechanism none'
	extract --mechanism none -o s.tar set
	assert_ok
	assert_says 'warning: no differential privacy: bits are sent without noise'
	assert_says 'epsilon per bit     infinite'
	assert_says 'epsilon per image   infinite'
	assert_says 'epsilon per client  infinite'
	extract --encoding f32 -o s.tar set
	assert_ok
	assert_says 'features are sent without noise'
}

@test "an epsilon without meaning is refused, one without effect is warned of" {
	for e in 0 -0 -1 nan inf 1e999 x ""; do
		extract -e "$e" -o s.tar set
		assert_status 2
	done
	extract -e 1 --mechanism none set
	assert_status 2
	for encoding in u8 f16 f32; do
		extract -e 1 --mechanism rr --encoding $encoding set
		assert_status 2
	done
	extract -e 100 -o s.tar set
	assert_ok
	assert_says 'warning: no privacy in practice'
}

@test "noise differs from run to run without a ledger, and with --seed repeats, marked and warned of" {
	extract -e 1 --no-ledger -o a.tar set
	assert_says 'warning: no ledger was kept'
	extract -e 1 -q --no-ledger -o b.tar set
	! cmp -s a.tar b.tar
	extract -e 1 --seed 9 -o c.tar set
	assert_says 'warning: --seed makes the noise reproducible'
	member c.tar mist.json | grep -q '"seeded":true'
	extract -e 1 --seed 9 -q -o d.tar set
	assert_same c.tar d.tar
	extract -e 1 --seed 8 -q -o e.tar set
	! cmp -s c.tar e.tar
}

@test "the bytes do not depend on the number of threads" {
	for cut in 2 5; do
		for j in 1 2 5; do
			extract -c $cut -e 1 --hflip --seed 4 -q -j $j -o $j.tar set
			assert_ok
		done
		assert_same 1.tar 2.tar
		assert_same 1.tar 5.tar
	done
	extract --encoding f32 -q -j 1 -o 1.tar set
	extract --encoding f32 -q -j 2 -o 2.tar set
	assert_same 1.tar 2.tar
}

@test "a cut that several tensors cross sends them all" {
	extract -c 5 -e 1 -q -o s.tar set
	assert_ok
	[ "$(tar tf s.tar | grep -c 'feat0\.npy$')" -eq 6 ]
	[ "$(tar tf s.tar | grep -c 'feat1\.npy$')" -eq 6 ]
	member s.tar mist.json | grep -q '"shapes":\[\[16,16,16\],\[16,16,16\]\]'
}

@test "NumPy opens bits and floats, and they agree" {
	need_numpy
	extract -c 2 --encoding f32 -q -o f.tar set
	extract -c 2 --mechanism none -q -o b.tar set
	"$python" - <<'PY'
import io, numpy, tarfile
def arrays(name):
    t = tarfile.open(name)
    return [numpy.load(io.BytesIO(t.extractfile(m).read())) for m in t if m.name.endswith(".npy")]
f, b = arrays("f.tar"), arrays("b.tar")
assert len(f) == len(b) == 6
for x, y in zip(f, b):
    assert x.dtype == numpy.float32 and x.shape == (24, 32, 32)
    assert y.dtype == numpy.uint8 and y.shape == (24, 32, 4)
    assert (numpy.unpackbits(y, axis=2) == (x > 0)).all()
PY
}

@test "classes are randomised when told so, the same ones again with a ledger, and training says so" {
	extract -c 2 -e 1 --label-epsilon 1 -o a.tar set
	assert_ok
	extract -c 2 -e 1 --label-epsilon 1 -o b.tar set
	assert_same a.tar b.tar
	extract -c 2 -e 1 -o clear.tar set
	member a.tar mist.json | jq -e '.labels == "rr" and .label_epsilon == 1 and
		.label_epsilon_effective <= 1 and .label_epsilon_effective > 0.999999 and .version == "1.2"'
	# boxes are the same, some classes are not
	mkdir a clear
	tar xf a.tar -C a
	tar xf clear.tar -C clear
	cmp <(cat a/*.txt | cut -d' ' -f2-) <(cat clear/*.txt | cut -d' ' -f2-)
	run ! cmp -s <(cat a/*.txt) <(cat clear/*.txt)
	mist mist-train -w model.st --features a.tar --epochs 1 -o t.st
	assert_ok
	assert_says "are randomised with epsilon 1"
	mist mist-aggregate -o mixed.tar a.tar clear.tar
	assert_one_line_error 3 "label policies 'rr' and 'clear' do not mix"
}

# with_gate FROM TO: bad.st, the weights with another text in their gate, of the same length.
with_gate() {
	LC_ALL=C sed "s/$1/$2/" cal.st >bad.st
	run ! cmp -s cal.st bad.st
	[ "$(wc -c <cal.st)" -eq "$(wc -c <bad.st)" ]
}

@test "thresholds that do not fit the cut are one sentence for every program, and nothing is written" {
	mist mist-model calibrate -q -c 2 --img 64 --data set --filter 0 -o cal.st model.st
	assert_ok
	first=$(grep -ao 'threshold[^[]*\[[^,]*' cal.st | head -n 1)
	first=${first#*[}
	mkdir out
	while IFS='|' read -r to says; do
		printf -v padded '%-*s' $((${#first} + 1)) "$to"
		with_gate "\(threshold[^[]*\[\)$first," "\1$padded"
		for program in 'mist-extract -e 1 --no-ledger -o out/x.tar set' 'mist-eval -o out/x set' \
			'mist-detect -o out/d set' 'mist-train --data set --epochs 1 -o out/x.st' 'mist-model info -o out/x'; do
			# shellcheck disable=SC2086 # words
			set -- $program
			case $1 in
			mist-model) mist "$@" bad.st ;;
			*) mist "$1" -q -w bad.st --img 64 "${@:2}" ;;
			esac
			assert_one_line_error 3 "$says"
			assert_says mist.gate
			assert_empty_dir out
		done
	done <<-EOF
		|'threshold' has 23 values for 24 channels
		NaN,|invalid token near 'NaN'
		1e999,|real number overflow
		null,|'threshold' holds what is not a number
		{},|'threshold' holds what is not a number
	EOF
	with_gate 'channels\(.*\):24,' 'channels\1:16,'
	mist mist-extract -q -w bad.st --img 64 -e 1 -o out/x.tar set
	assert_one_line_error 3 "'threshold' has 24 values for 16 channels"
	with_gate '\(cut[^:]*\):2,' '\1:1,'
	mist mist-eval -q -w bad.st --img 64 set
	assert_one_line_error 3 'tensor 0 of cut 1 has 8 channels, and its gate has 24'
}

@test "a label epsilon that cannot be is refused" {
	for bad in 0 -1 nan x ''; do
		extract -c 2 -e 1 --label-epsilon "$bad" -o s.tar set
		[ "$status" -eq 2 ]
	done
	extract -c 2 -e 1 --label-epsilon inf -o s.tar set
	[ "$status" -eq 2 ]
	extract -c 2 -e 1 --label-epsilon 1 --no-labels -o s.tar set
	[ "$status" -eq 2 ]
	assert_says "--no-labels leaves none for --label-epsilon"
	[ ! -e s.tar ]
}

@test "features without labels teach nothing, and training says so" {
	extract -c 2 -e 1 --no-labels -o s.tar set
	mist mist-train -w model.st --features s.tar --epochs 1 -o t.st
	assert_one_line_error 3 "its labels stayed on the edge"
	[ ! -e t.st ]
}

@test "labels stay where they are when told so" {
	extract -c 2 -e 1 --no-labels -o s.tar set
	assert_ok
	assert_says 'labels              none are sent'
	run ! grep -q txt <(tar tf s.tar)
	member s.tar mist.json | grep -q '"labels":"none"'
}

@test "a damaged image is left out with a notice, or an error with --strict" {
	cp -r "$BATS_FILE_TMPDIR/set" cut
	victim=$(find cut/images -name '*.jpg' | sort | head -n 1)
	head -c 700 "$victim" >short && mv short "$victim"
	extract -c 2 -e 1 -o s.tar cut
	assert_ok
	assert_says "$(basename "$victim")"
	[ "$(tar tf s.tar | grep -c 'feat\.npy$')" -eq 5 ]
	extract -c 2 -e 1 --strict -o t.tar cut
	assert_one_line_error 3 "$(basename "$victim")"
	[ ! -e t.tar ]
}

@test "what cannot be is one sentence and leaves nothing behind" {
	mkdir out
	extract -c 99 -e 1 -o out/s.tar set
	assert_one_line_error 2 'cut layer 99'
	mist mist-extract -w model.st --img 65 -e 1 -o out/s.tar set
	assert_one_line_error 3 '65'
	extract -e 1 -o out/s.tar nowhere
	assert_one_line_error 3 "'nowhere'"
	mist mist-extract -w nowhere -e 1 -o out/s.tar set
	assert_one_line_error 3 "'nowhere'"
	mist mist-extract -w small -e 1 -o out/s.tar set
	assert_one_line_error 3 "'small'"
	extract -e 1 --client "$(printf 'a\nb')" -o out/s.tar set
	assert_one_line_error 3 control
	assert_empty_dir out
}

@test "a full disk and a closed pipe are errors of the system" {
	[ -w /dev/full ] || skip 'no /dev/full'
	extract -e 1 -q -o /dev/full set
	assert_one_line_error 4 'No space left'
	run --separate-stderr sh -c '"$1" -q -w model.st --img 64 -e 1 set | :; "$1" -q -w model.st --img 64 -e 1 set >/dev/full' sh "$(prog mist-extract)"
	assert_status 4
	assert_says 'cannot write standard output'
}

@test "features agree with PyTorch's" {
	need_shared data/yolov5n.pt
	weights=$shared
	need_shared data/coco128.zip
	zip=$shared
	need_shared reference/yolov5n-256.safetensors
	need_program unzip
	need_numpy
	mist mist-model import "$weights" -o n.st
	assert_ok
	unzip -q "$zip" 'coco128/*/000000000009.*' 'coco128/*/000000000025.*'
	mist mist-extract -q -w n.st -c 4 --img 256 --encoding f32 -o f.tar coco128
	assert_ok
	"$python" - "$shared" <<'PY'
import io, json, numpy, struct, sys, tarfile
f = open(sys.argv[1], "rb")
n = struct.unpack("<Q", f.read(8))[0]
header = json.loads(f.read(n))
begin, end = header["eval.layer3"]["data_offsets"]
f.seek(8 + n + begin)
want = numpy.frombuffer(f.read(end - begin), "<f4").reshape(header["eval.layer3"]["shape"])
t = tarfile.open("f.tar")
for i, key in enumerate(json.loads(header["__metadata__"]["imgs"])):
    got = numpy.load(io.BytesIO(t.extractfile(key + ".feat.npy").read()))
    error = abs(got - want[i]).max()
    assert error < 1e-4, (key, error)
PY
}
