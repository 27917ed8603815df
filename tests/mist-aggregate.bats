# What clients sent, combined: streams into one, weights into one.
load helper

setup_file() {
	local c
	cd "$BATS_FILE_TMPDIR" || return 1
	small_yaml 3
	for c in 1 2 3; do
		"$MIST_BUILDDIR/tools/mist-model" init small.yaml --classes 3 --seed $c -o w$c.st
		"$MIST_BUILDDIR/tools/coco-synth" --images 4 --classes 3 --img 64 --seed $c -o set$c
		"$MIST_BUILDDIR/tools/mist-extract" -q -w w1.st -c 2 --img 64 -e $c --client edge$c \
			-o $c.tar set$c
	done
	"$MIST_BUILDDIR/tools/mist-extract" -q -w w2.st -c 2 --img 64 -e 1 -o other.tar set1
	"$MIST_BUILDDIR/tools/mist-extract" -q -w w1.st -c 1 --img 64 -e 1 -o cut1.tar set1
	"$MIST_BUILDDIR/tools/mist-extract" -q -w w1.st -c 2 --img 96 -e 1 -o img96.tar set1
	"$MIST_BUILDDIR/tools/mist-extract" -q -w w1.st -c 2 --img 64 --encoding f16 -o f16.tar set1
	"$MIST_BUILDDIR/tools/mist-extract" -q -w w1.st -c 2 --img 64 -e 1 --seed 1 -o seeded.tar set2
}

setup() {
	scratch
	ln -s "$BATS_FILE_TMPDIR"/*.tar "$BATS_FILE_TMPDIR"/*.st .
}

aggregate() {
	mist mist-aggregate "$@"
}

@test "streams are merged segment by segment, each with its own header" {
	aggregate -o all.tar 1.tar 2.tar 3.tar
	assert_ok
	[ -z "$stderr" ]
	tar tf all.tar >names
	[ "$(grep -c '^mist\.json$' names)" -eq 3 ]
	[ "$(grep -c '^mist\.end\.json$' names)" -eq 3 ]
	[ "$(grep -c 'feat\.npy$' names)" -eq 12 ]
	tar xOf all.tar mist.json | grep -o '"client":"edge[0-9]"' >clients
	[ "$(tr -d '\n' <clients)" = '"client":"edge1""client":"edge2""client":"edge3"' ]
}

@test "-v tells what each client gave away" {
	aggregate -v -o all.tar 1.tar 2.tar
	assert_ok
	assert_says "client 'edge1': 4 samples, mechanism rr, epsilon 1 per bit, 16384 per image, 65536 per client"
	assert_says "client 'edge2': 4 samples, mechanism rr, epsilon 2 per bit, 32768 per image"
	assert_says '8 samples of 2 clients: epsilon at most 2 per bit, 32768 per image, 131072 per client; labels clear'
	case $stderr in *warning*) false ;; esac
}

@test "randomised classes are counted, with a ledger and without" {
	need_program jq
	cd "$BATS_FILE_TMPDIR"
	for l in --no-ledger "--ledger $BATS_TEST_TMPDIR/ledger"; do
		# shellcheck disable=SC2086 # two words
		mist mist-extract $l -w w1.st -c 2 --img 64 -e 1 --hflip --label-epsilon 1.5 --client e -o "$BATS_TEST_TMPDIR/x.tar" set1
		assert_ok
		(cd "$BATS_TEST_TMPDIR" && rm -rf x && mkdir x && tar xf x.tar -C x)
		all=$(cat "$BATS_TEST_TMPDIR"/x/*.txt | wc -l) # of both copies
		most=$(wc -l "$BATS_TEST_TMPDIR"/x/*.txt | awk '$2 != "total" && $1 > m {m = $1} END {print m}')
		[ "$most" -ge 1 ]
		image=$(awk "BEGIN {print 32768 + 1.5 * $most}") client=$(awk "BEGIN {print 131072 + 1.5 * $all / 2}")
		assert_says "epsilon per image   $image (16384 bits, sent 2 times, and at most $most classes)"
		assert_says "epsilon per client  $client ("
		jq -e ".certificate.epsilon_per_image == $image and .certificate.epsilon_per_client == $client" \
			"$BATS_TEST_TMPDIR/x/mist.end.json"
		mist mist-aggregate -v -o "$BATS_TEST_TMPDIR/all.tar" "$BATS_TEST_TMPDIR/x.tar"
		assert_ok
		assert_says "epsilon 1 per bit, $image per image, $client per client"
		assert_says "at most 1 per bit, $image per image, $client per client; labels rr"
	done
}

@test "the account is the client's ledger's, and an empty promise is named" {
	cd "$BATS_FILE_TMPDIR"
	mist mist-extract -q -w w1.st -c 2 --img 64 -e 4 --client edge1 -o "$BATS_TEST_TMPDIR/x.tar" set3
	mist mist-extract -q -w w1.st -c 2 --img 64 -e 4 --no-ledger --client e9 -o "$BATS_TEST_TMPDIR/y.tar" set1
	mist mist-extract -q -w w1.st -c 2 --img 64 -e 100 --client e8 -o "$BATS_TEST_TMPDIR/z.tar" set1
	XDG_STATE_HOME=$BATS_FILE_TMPDIR/state mist mist-extract -q -w w1.st -c 2 --img 64 -e 4 --client edge2 \
		-o "$BATS_TEST_TMPDIR/w.tar" set1
	cd "$BATS_TEST_TMPDIR"
	aggregate -v -o all.tar x.tar y.tar w.tar
	assert_ok
	assert_says "client 'e9': 4 samples, mechanism rr, epsilon 4 per bit, 65536 per image, 262144 per client (no ledger)"
	assert_says "client 'edge2': 4 samples, mechanism rr, epsilon 4 per bit, 65536 per image, 393216 per client, labels"
	assert_says '393216 per client; labels clear'
	assert_says 'warning: of 3 clients, 1 kept no ledger'
	aggregate -v -o all.tar z.tar
	assert_says 'warning: of 1 clients, 1 sent features that no noise protects'
}

@test "mixed mechanisms are refused" {
	for m in sue none; do
		args=(--mechanism $m)
		[ $m = none ] || args+=(-e 1)
		mist mist-extract -q -w w1.st -c 2 --img 64 --client m "${args[@]}" -o $m.tar "$BATS_FILE_TMPDIR/set1"
		assert_ok
		aggregate -o x.tar 2.tar $m.tar
		assert_one_line_error 3 "'2.tar' and '$m.tar' do not fit: mechanisms 'rr' and '$m' do not mix"
		cat 2.tar $m.tar >cat.tar
		aggregate -o x.tar cat.tar
		assert_one_line_error 3 "cannot read 'cat.tar': mechanisms 'rr' and '$m' do not mix"
	done
	[ ! -e x.tar ]
}

@test "cat makes a stream too, and the same one in the end" {
	aggregate -o want.tar 1.tar 2.tar
	cat 1.tar 2.tar >cat.tar
	aggregate -o got.tar cat.tar
	assert_ok
	assert_same want.tar got.tar
	aggregate -o again.tar got.tar
	assert_same want.tar again.tar
}

@test "standard input is a stream or weights, once" {
	aggregate -o want.tar 1.tar 2.tar
	run --separate-stderr sh -c 'cat 2.tar | "$1" 1.tar - >got.tar' sh "$(prog mist-aggregate)"
	assert_ok
	assert_same want.tar got.tar
	run --separate-stderr sh -c '"$1" - <1.tar | "$1" - 2.tar >got.tar' sh "$(prog mist-aggregate)"
	assert_ok
	assert_same want.tar got.tar
	aggregate -q -o want.st w1.st w2.st
	run --separate-stderr sh -c 'cat w2.st | "$1" -q w1.st - >got.st' sh "$(prog mist-aggregate)"
	assert_ok
	assert_same want.st got.st
	aggregate - -
	assert_one_line_error 2 'only once'
}

@test "a stream wrapped in gzip, xz or zstd is read" {
	need_program gzip xz zstd
	aggregate -o want.tar 1.tar 2.tar 3.tar
	gzip <1.tar >1.tgz
	xz <2.tar >2.txz
	zstd -q <3.tar >3.tzst
	aggregate -o got.tar 1.tgz 2.txz 3.tzst
	assert_ok
	assert_same want.tar got.tar
}

@test "streams that do not fit are refused, each for its own reason" {
	mkdir out
	for pair in other.tar:extractors cut1.tar:'cut layers 2 and 1' img96.tar:'image sizes 64 and 96' \
		f16.tar:encodings; do
		aggregate -o out/x.tar 2.tar "${pair%%:*}"
		assert_one_line_error 3 "${pair#*:}"
		assert_says "'2.tar' and '${pair%%:*}' do not fit"
	done
	assert_empty_dir out
}

@test "duplicates are refused, under any name of the file or the client" {
	cp 1.tar copy.tar
	aggregate -o x.tar 1.tar copy.tar
	assert_one_line_error 3 "of client 'edge1' is there twice"
	[ ! -e x.tar ]
	mkdir t && tar xf 1.tar -C t
	sed -i 's/"client":"edge1"/"client":"EDGE1"/' t/mist.json
	# the digest over a changed header is computed as a peer's program would
	tar tf 1.tar | grep -v end | while read -r m; do
		printf '%s\0%d\0' "$m" "$(stat -c %s "t/$m")"
		cat "t/$m"
	done | sha256sum | cut -d' ' -f1 >sum
	sed -i "s/\"sha256\":\"[0-9a-f]*/\"sha256\":\"$(cat sum)/" t/mist.end.json
	tar tf 1.tar | tar cf renamed.tar --format=ustar -C t -T -
	aggregate -o x.tar renamed.tar
	assert_ok
	aggregate -o x.tar 1.tar renamed.tar
	assert_one_line_error 3 'the same release as one before'
}

@test "seeded noise is refused with status 6 unless allowed" {
	aggregate -o x.tar 1.tar seeded.tar
	assert_one_line_error 6 '--allow-seeded'
	[ ! -e x.tar ]
	aggregate --allow-seeded -o x.tar 1.tar seeded.tar
	assert_ok
}

@test "a stream cut anywhere is an error that names the last whole sample" {
	size=$(stat -Lc %s 1.tar)
	first=$(tar tf 1.tar | sed -n 's/\.feat\.npy$//p' | head -n 1)
	last=$(tar tf 1.tar | sed -n 's/\.feat\.npy$//p' | tail -n 1)
	mkdir out
	for cut in 1 511 512 700 1536 4096 5000 $((size / 2)) $((size - 1024)) $((size - 1025)) $((size - 1)); do
		head -c "$cut" 1.tar >cut.tar
		aggregate -o out/x.tar cut.tar 2.tar
		assert_status 3
		assert_one_line_error 3 "cannot read 'cut.tar'"
	done
	assert_says "truncated after sample $last"
	head -c $((size / 2)) 1.tar >cut.tar
	aggregate -o out/x.tar cut.tar
	assert_says 'truncated after sample '
	head -c 2000 1.tar >cut.tar
	aggregate -o out/x.tar cut.tar
	assert_says 'truncated before its first sample'
	assert_empty_dir out
	[ -n "$first" ]
}

@test "a changed bit is noticed" {
	cp -L 1.tar bad.tar
	at=$(grep -abo NUMPY bad.tar | head -n 1 | cut -d: -f1)
	printf 'U' | dd of=bad.tar bs=1 seek=$((at + 200)) conv=notrunc status=none
	aggregate -o x.tar bad.tar
	assert_one_line_error 3 'wrong digest'
	[ ! -e x.tar ]
}

@test "weights are averaged, and the result names its parents" {
	aggregate -o avg.st w1.st w2.st w3.st
	assert_ok
	assert_says 'every file counts the same'
	for w in w1 w2 w3; do
		sha256sum <$w.st | cut -d' ' -f1
	done >sums
	while read -r sum; do
		grep -aq "$sum" avg.st
	done <sums
	mist mist-model info --img 64 avg.st
	assert_ok
	aggregate -q -o again.st w1.st w2.st w3.st
	assert_same avg.st again.st
}

@test "weights that cannot be averaged are refused" {
	mkdir out
	aggregate -o out/x.st w1.st w1.st
	assert_one_line_error 3 'the same file was given before'
	aggregate -o out/x.st w1.st 1.tar
	assert_one_line_error 3 'one kind at a time'
	sed 's/\[16, 3, 2\]/[32, 3, 2]/' "$BATS_FILE_TMPDIR/small.yaml" >wide.yaml
	mist mist-model init wide.yaml --classes 3 -o wide.st
	aggregate -o out/x.st w1.st wide.st
	assert_one_line_error 3 'differ'
	mist mist-model init "$BATS_FILE_TMPDIR/small.yaml" --names a,b,c -o named.st
	aggregate -o out/x.st w1.st named.st
	assert_one_line_error 3 'class names'
	head -c 3000 w1.st >cut.st
	aggregate -o out/x.st w2.st cut.st
	assert_one_line_error 3 "'cut.st'"
	assert_empty_dir out
}

@test "NaN in a weight file is status 7 and names file and tensor" {
	cp -L w2.st nan.st
	size=$(stat -c %s nan.st)
	printf '\0\0\300\177' | dd of=nan.st bs=1 seek=$((size / 8 * 4)) conv=notrunc status=none
	aggregate -q -o x.st w1.st nan.st
	assert_one_line_error 7 "cannot use 'nan.st': value "
	assert_says "of 'model."
	[ ! -e x.st ]
}

@test "foreign, empty and missing files are one sentence" {
	echo hello >text
	: >empty
	for f in text empty missing .; do
		aggregate -o x "$f"
		assert_one_line_error 3 "'$f'"
		aggregate -o x 1.tar "$f"
		assert_one_line_error 3 "'$f'"
	done
	[ ! -e x ]
	aggregate
	assert_status 2
}

@test "a full disk and a closed pipe are errors of the system" {
	[ -w /dev/full ] || skip 'no /dev/full'
	aggregate -o /dev/full 1.tar 2.tar
	assert_one_line_error 4 'No space left'
	aggregate -q -o /dev/full w1.st w2.st
	assert_one_line_error 4 'No space left'
	run --separate-stderr bash -c 'set -o pipefail; "$1" 1.tar 2.tar 3.tar | (exec <&-; sleep 1)' sh "$(prog mist-aggregate)"
	[ "$status" -eq 4 ]
}

@test "memory does not grow with the number of files" {
	[ -x /usr/bin/time ] || skip '/usr/bin/time is not installed'
	! grep -aq __asan_init "$(prog mist-aggregate)" || skip 'a sanitizer keeps what was freed'
	for i in $(seq 60); do
		mist mist-model init "$BATS_FILE_TMPDIR/small.yaml" --classes 3 --seed "$i" -o "m$i.st"
	done
	few=$( { /usr/bin/time -f %M "$(prog mist-aggregate)" -q -o a.st m1.st m2.st; } 2>&1)
	many=$( { /usr/bin/time -f %M "$(prog mist-aggregate)" -q -o b.st m*.st; } 2>&1)
	[ "$many" -le $((few + 1024)) ]
	few=$( { /usr/bin/time -f %M "$(prog mist-aggregate)" -q -o a.tar 1.tar; } 2>&1)
	many=$( { /usr/bin/time -f %M "$(prog mist-aggregate)" -q -o b.tar 1.tar 2.tar 3.tar; } 2>&1)
	[ "$many" -le $((few + 1024)) ]
}

@test "--keep-going leaves out what cannot be used, names it, and combines the rest" {
	head -c 3000 2.tar >torn.tar
	cp 1.tar copy.tar
	aggregate -o want.tar 1.tar 3.tar
	aggregate -o all.tar --keep-going 1.tar torn.tar other.tar copy.tar nowhere.tar 3.tar
	assert_ok
	assert_same want.tar all.tar
	assert_says "'torn.tar' is left out: "
	assert_says "'other.tar' is left out: it does not fit '1.tar'"
	assert_says "'copy.tar' is left out: it is the same as '1.tar'"
	assert_says "'nowhere.tar' is left out: No such file or directory"
	aggregate -o all.tar 1.tar torn.tar 3.tar
	assert_status 3
	# of weights one with a value that is not a number
	{ head -c -4 w2.st && printf '\000\000\300\177'; } >nan.st
	aggregate -o want.st w1.st w3.st
	aggregate -o all.st --keep-going w1.st nan.st w3.st
	assert_ok
	assert_says "'nan.st' is left out: value "
	assert_same want.st all.st
	aggregate -q -o all.st --keep-going nan.st
	assert_one_line_error 3 'none of the files can be used'
	aggregate -o all.st --keep-going
	assert_status 2
}
