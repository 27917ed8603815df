# startup.bats - programs of a pipeline are started often: they must be there at once.
load helper

programs() {
	local page program
	for page in "$MIST_SRCDIR"/man/*.x; do
		program=$(basename "$page" .x)
		if [ -x "$(prog "$program")" ]; then
			printf '%s\n' "$program"
		fi
	done
}

# Processor time in milliseconds of one run: other programs on the machine hardly change it.
cpu_ms() {
	local TIMEFORMAT='%3U %3S' t
	t=$({ time "$@" >/dev/null 2>&1; } 2>&1)
	awk '{ printf "%d\n", 1000 * ($1 + $2) }' <<<"$t"
}

# On an idle machine it is 1 to 5 ms, nearly all of it the dynamic loader's.
@test "every program tells its version within 20 ms of processor time, the median of nine runs" {
	if grep -q 'fsanitize' "$MIST_BUILDDIR/config.status"; then
		skip "the sanitizers have a start-up of their own"
	fi
	for program in $(programs); do
		ms=$(for _ in 1 2 3 4 5 6 7 8 9; do cpu_ms "$(prog "$program")" --version; done |
			sort -n | sed -n 5p)
		[ "$ms" -lt 20 ] || fail "$program takes $ms ms"
	done
}

@test "--help and --version open nothing but libraries" {
	need_program strace
	# The leak checker traces too, and two tracers of one process do not get on.
	export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"
	strace -o /dev/null true 2>/dev/null || skip "strace may not trace here"
	for program in $(programs); do
		for option in --help --version; do
			strace -f -o trace -e trace=open,openat,creat "$(prog "$program")" "$option" >/dev/null
			grep -v ENOENT trace | grep -o '"[^"]*"' | grep -vE '"(/[^"]*\.so[.0-9]*|/etc/ld\.so[^"]*|/sys/devices/system/cpu/[^"]*|/proc/[^"]*|/etc/ssl/[^"]*|/usr/lib/[^"]*/gconv[^"]*|[^"]*locale[^"]*)"' >opened || true
			[ ! -s opened ] || fail "$program $option opens $(cat opened)"
		done
	done
}

# The name that configure found LIBRARY to be loaded by, or the test is skipped.
soname_of() {
	soname=$(grep -o "D$1_SONAME=[^ ]*" "$MIST_BUILDDIR/config.status" | grep -o -m 1 'lib[^"\\]*')
	[ -n "$soname" ] || skip "$1 is linked here"
}

@test "no program is started with libcurl and libarchive, which bring forty libraries" {
	for library in LIBCURL LIBARCHIVE; do
		soname_of $library
		for program in $(programs); do
			ldd "$(prog "$program")" >needed
			! grep -F "$soname" needed || fail "$program is"
		done
	done
}

@test "without libarchive only archives cannot be read, which a sentence says" {
	soname_of LIBARCHIVE
	"$(prog coco-synth)" -q --images 1 --classes 2 --img 64 -o set
	conv_yaml 2 8 16
	"$(prog mist-model)" init small.yaml --classes 2 -o w.st
	"$(prog mist-extract)" -q -w w.st -c 1 --img 64 -e 1 -o x.tar set
	zip=$(printf 'PK\3\4')
	printf '%s' "$zip" >x.pt
	gzip -k w.st
	mkdir lib
	printf x >"lib/$soname"
	export LD_LIBRARY_PATH=$PWD/lib
	mist mist-aggregate -q -o y.tar x.tar
	assert_one_line_error 4 "cannot load '$soname': "
	assert_says 'file too short'
	[ ! -e y.tar ]
	mist mist-model import -o y.st x.pt
	assert_one_line_error 4 "cannot load '$soname': "
	mist coco-fetch -q -d got w.st.gz
	assert_one_line_error 4 "cannot load '$soname': "
	mist mist-extract -q -w w.st -c 1 --img 64 -e 1 -o z.tar set
	assert_ok
}
