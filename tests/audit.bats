# An auditor: what the certificate says against what the program does. Fresh noise in every run; a
# sound program fails a test here once in 10^9 runs (tests/audit.c).
load helper

audit=$MIST_BUILDDIR/tests/audit

# 16 channels of 256 x 256: 2^20 bits a picture, each of which tells black from white.
setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	conv_yaml 1 16 8
	"$MIST_BUILDDIR/tools/mist-model" init small.yaml --classes 1 -o init.st
	"$MIST_BUILDDIR/tests/audit" model init.st w.st
	"$MIST_BUILDDIR/tests/audit" pictures set/images
	"$MIST_BUILDDIR/tools/mist-extract" -q -w w.st -c 1 --img 512 --mechanism none --no-ledger -o clean.tar set
}

setup() {
	scratch
	ln -s "$BATS_FILE_TMPDIR"/{w.st,set,clean.tar} .
}

# extract N ARG...: N streams 1.tar, 2.tar, …, each from a ledger, and so with a key, of its own.
extract() {
	local i n=$1
	shift
	for i in $(seq "$n"); do
		rm -f "$i".tar
		mist mist-extract -q -w w.st -c 1 --img 512 --ledger "ledger$RANDOM$i" "$@" -o "$i.tar" set
		assert_ok || return 1
	done
}

@test "black and white differ in every bit" {
	tar xOf clean.tar black.feat.npy | tail -c 131072 | tr -d '\0' | wc -c | grep -qx 0
	tar xOf clean.tar white.feat.npy | tail -c 131072 | tr -d '\377' | wc -c | grep -qx 0
}

# Five streams of two pictures: 10,485,760 bits.
@test "over 10^7 bits the likelihood ratio is not above the certificate's, and nearly reaches it" {
	for mechanism in rr sue; do
		for e in 0.25 0.5 1 2 4; do
			extract 5 -e $e --mechanism $mechanism
			run "$audit" ratio certificate clean.tar [1-5].tar
			assert_ok || fail "$output"
			assert_output '10485760 bits'
			# the audit has teeth: a claim 2 % and a hundredth lower is refuted
			claim=$(awk -v e=$e -v m=$mechanism 'BEGIN { if (m == "sue") e /= 2; print e * .98 - .01 }')
			run "$audit" ratio "$claim" clean.tar [1-5].tar
			[ "$status" = 1 ] || fail "a claim of $claim was not refuted: $output"
		done
	done
}

@test "the same without a ledger" {
	for i in 1 2 3 4 5; do
		mist mist-extract -q -w w.st -c 1 --img 512 --no-ledger -e 1 -o $i.tar set
		assert_ok
	done
	run "$audit" ratio certificate clean.tar [1-5].tar
	assert_ok || fail "$output"
	run "$audit" independent clean.tar [1-5].tar
	assert_ok || fail "$output"
}

@test "flips have the promised rate and are independent between bits, channels, pictures and clients" {
	for e in 0.5 2; do
		extract 4 -e $e
		run "$audit" independent clean.tar [1-4].tar
		assert_ok || fail "$output"
		assert_output 'would be found with a probability of .99'
	done
}

@test "the audit finds noise that is used twice, a wrong rate, and no noise at all" {
	extract 2 -e 1
	run "$audit" independent clean.tar 1.tar 1.tar
	[ "$status" = 1 ]
	assert_output 'streams'
	run "$audit" independent 2.tar 1.tar # flips of flips: another rate
	[ "$status" = 1 ]
	assert_output 'flips of a picture'
	run "$audit" ratio 5 clean.tar clean.tar
	[ "$status" = 1 ]
}
