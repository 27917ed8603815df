# The benchmarks, each once and quickly, so that they cannot rot: the figures mean nothing here.
load helper

# bench NAME [ARG...]: a table of a program of tests/bench. Lines with # say where it was measured; then
# the names of the columns; then rows with as many columns, none of them empty, and in the last three
# numbers that are not negative, or "-".
bench() {
	local name=$1
	shift
	run --separate-stderr env BENCH=quick "$MIST_BUILDDIR/tests/bench/$name" "$@"
	mist_program=$name
	assert_ok
	[ -z "$stderr" ] || fail "expected silence" "$(tell)"
	printf '%s\n' "$output" >table
	awk -F '\t' '
		/^#/ { told++; next }
		!columns { columns = NF; next }
		{ rows++ }
		NF != columns { print "columns: " $0; bad = 1 }
		{ for (i = 1; i <= NF; i++) if ($i == "") { print "empty: " $0; bad = 1 } }
		{ for (i = NF - 2; i <= NF; i++) if ($i !~ /^[0-9]+([.][0-9]+)?%?$/ && $i != "-") { print "no number: " $0; bad = 1 } }
		END { exit bad || told < 3 || columns < 4 || rows < 2 }
	' table || fail "not a table" "$(cat table)"
}

@test "convolutions" {
	bench b-conv
}

@test "batch norm and activation" {
	bench b-bnact
}

@test "fused operators" {
	bench b-fused
}

@test "whole networks" {
	bench b-net
}

@test "suppression" {
	bench b-nms
}

@test "the gate" {
	bench b-gate
}

@test "what bits explain" {
	bench b-codes
}

@test "the edge" {
	bench b-edge
}

@test "feature streams" {
	bench b-stream
}

@test "federated averaging" {
	bench b-fedavg
}

@test "saved detections judged" {
	bench b-eval
}

@test "every benchmark is run here" {
	for b in "$MIST_SRCDIR"/tests/bench/b-*.c; do
		b=${b##*/}
		grep -q "bench ${b%.c}\b" "$BATS_TEST_FILENAME" || fail "${b%.c} is not"
	done
}

@test "a kernel that is none ends with one sentence" {
	MIST_KERNEL=abacus run --separate-stderr "$MIST_BUILDDIR/tests/bench/b-net"
	mist_program=b-net
	assert_one_line_error 2 abacus
}
