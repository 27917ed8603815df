# tests/helper.bash - what every bats file loads (`load helper`).
#
# Each test runs in a scratch folder of its own, which bats removes. A test calls
#	mist PROGRAM ARG…	run a program: $status, $output (standard output), $stderr
#	prog PROGRAM		its path, for pipes
#	need_shared FILE	$shared is ../shared/FILE, or the test is skipped with a reason
#	need_program NAME…	skip where a program of the system is missing
#	assert_…		end the test with an explanation
# shellcheck shell=bash
bats_require_minimum_version 1.5.0

: "${MIST_SRCDIR:=$(cd "$BATS_TEST_DIRNAME/.." && pwd)}"
: "${MIST_BUILDDIR:=$MIST_SRCDIR/build}"
export MIST_SRCDIR MIST_BUILDDIR
# The programs of this build, whatever is installed; messages in English, dates and sizes in C.
export LC_ALL=C MISTUTILS_SHARE=$MIST_SRCDIR/share/mistutils
# Ledgers are begun in the test's folder (beside its scratch), never in the home of who runs it.
export XDG_STATE_HOME=${BATS_TEST_TMPDIR:-${BATS_FILE_TMPDIR:-/nonexistent}}/state

setup() {
	scratch
}

scratch() {
	# A folder inside, for bats keeps files of its own beside it.
	mkdir "$BATS_TEST_TMPDIR/scratch" && cd "$BATS_TEST_TMPDIR/scratch" || return 1
}

prog() {
	printf '%s/tools/%s\n' "$MIST_BUILDDIR" "$1"
}

# Results of the last `mist` are in the variables of bats's `run --separate-stderr`.
mist() {
	mist_program=$1
	shift
	run --separate-stderr "$(prog "$mist_program")" "$@"
}

need_shared() {
	shared=$MIST_SRCDIR/../shared/$1
	if [ -r "$shared" ]; then
		return 0
	fi
	if [ -n "${MIST_REQUIRE_SHARED-}" ]; then
		fail "../shared/$1 is not there, and MIST_REQUIRE_SHARED is set"
	fi
	skip "../shared/$1 is not there"
}

# wait_for SECONDS COMMAND...: until it succeeds; a failure when it has not by then.
wait_for() {
	local until=$(($(date +%s) + $1))
	shift
	until "$@"; do
		[ "$(date +%s)" -lt "$until" ] || return 1
		sleep 0.05
	done
}

# stop_daemon PIDFILE: end it, if it runs, and wait until it is gone.
stop_daemon() {
	local pid
	[ -s "$1" ] || return 0
	pid=$(cat "$1")
	kill "$pid" 2>/dev/null || return 0
	wait_for 10 is_gone "$pid" || kill -KILL "$pid" 2>/dev/null || :
}

is_gone() {
	! kill -0 "$1" 2>/dev/null
}

need_program() {
	local name
	for name; do
		command -v "$name" >/dev/null || skip "$name is not installed"
	done
}

fail() {
	printf '%s\n' "$@" >&2
	return 1
}

# What the last command did, for the log of a failed assertion.
tell() {
	printf 'status: %s\nstandard output:\n%s\nstandard error:\n%s\n' "$status" "$output" "${stderr-}"
}

assert_status() {
	[ "$status" -eq "$1" ] || fail "expected status $1" "$(tell)"
}

assert_ok() {
	assert_status 0
}

# assert_one_line_error STATUS [PART]: that status, and on standard error one sentence
# "PROGRAM: …" without a full stop, which contains PART.
assert_one_line_error() {
	assert_status "$1" || return 1
	[ "${#stderr_lines[@]}" -eq 1 ] || fail "expected one line on standard error" "$(tell)" || return 1
	case $stderr in
	"$mist_program: "*) ;;
	*) fail "expected '$mist_program: ' in front" "$(tell)" || return 1 ;;
	esac
	case $stderr in
	*.) fail "a sentence of ours ends without a full stop" "$(tell)" || return 1 ;;
	esac
	assert_says "${2-}"
}

assert_says() {
	case $stderr in
	*"$1"*) ;;
	*) fail "expected '$1' on standard error" "$(tell)" ;;
	esac
}

refute_says() {
	case $stderr in
	*"$1"*) fail "expected no '$1' on standard error" "$(tell)" ;;
	*) ;;
	esac
}

assert_output() {
	case $output in
	*"$1"*) ;;
	*) fail "expected '$1' on standard output" "$(tell)" ;;
	esac
}

# Nothing in the folder, hidden files included: what a failed run must leave behind.
assert_empty_dir() {
	local left
	left=$(ls -A "$1") || return 1
	[ -z "$left" ] || fail "expected nothing in '$1', found: $left"
}

assert_same() {
	cmp "$1" "$2" || fail "'$1' and '$2' differ"
}

# In the table of --profile the milliseconds add up to the total, to the rounding of its rows.
rows_make_total() {
	awk '/^all /{ exit }
		/ total /{ for (i = 1; i <= NF; i++) if ($i == "total") total = $(i + 1); next }
		/^ *[0-9-]+  /{ for (i = NF; i > 1; i--) if ($i ~ /%$/) last = i
			sum += $(last - 1); rows++ }
		END { if (total > 0 && sum > total - 0.0006 * rows && sum < total + 0.0006 * rows) exit 0
			print "rows: " sum ", total: " total; exit 1 }' <<<"$stderr"
}

# Models that take milliseconds. small_yaml CLASSES: small.yaml, to be cut at 2 and no head to speak of.
small_yaml() {
	cat >small.yaml <<-END
		nc: $1
		depth_multiple: 1.0
		width_multiple: 1.0
		anchors:
		  - [10, 13, 16, 30]
		backbone:
		  - [-1, 1, Conv, [8, 3, 2]]
		  - [-1, 1, C3, [16]]
		  - [-1, 1, Conv, [16, 3, 2]]
		head:
		  - [[2], 1, Detect, [nc, anchors]]
	END
}

# conv_yaml CLASSES CHANNELS…: small.yaml, a convolution of stride 2 for each number of channels and a head.
conv_yaml() {
	local classes=$1 c
	shift
	{
		printf 'nc: %s\ndepth_multiple: 1.0\nwidth_multiple: 1.0\nanchors:\n' "$classes"
		printf '  - [10, 13, 16, 30]\nbackbone:\n'
		for c; do printf '  - [-1, 1, Conv, [%s, 3, 2]]\n' "$c"; done
		printf 'head:\n  - [[%s], 1, Detect, [nc, anchors]]\n' $(($# - 1))
	} >small.yaml
}

# tiny.yaml, of two classes, with layers behind the cut that can learn.
tiny_yaml() {
	cat >tiny.yaml <<-'END'
		nc: 2
		depth_multiple: 1.0
		width_multiple: 1.0
		anchors:
		  - [12, 12, 20, 20, 32, 32]
		backbone:
		  - [-1, 1, Conv, [8, 3, 2]]
		  - [-1, 1, Conv, [16, 3, 2]]
		  - [-1, 1, C3, [16]]
		head:
		  - [-1, 1, Conv, [32, 3, 2]]
		  - [-1, 1, C3, [32]]
		  - [[4], 1, Detect, [nc, anchors]]
	END
}
