# Documents that cannot drift: options, manuals, and every command in an EXAMPLES section and the README.
load helper

programs() {
	for page in "$MIST_SRCDIR"/man/*.x; do
		program=$(basename "$page" .x)
		if [ -x "$(prog "$program")" ]; then
			printf '%s\n' "$program"
		fi
	done
}

# What coco-fetch is to find without a network: a small coco128, and the weights where we have them.
local_sources() {
	mkdir -p store/coco128
	"$(prog coco-synth)" -q --images 16 --classes 3 --img 128 -o store/synth || return
	cp -r store/synth/labels store/coco128/
	cp -r store/synth/images store/coco128/
	tar cf store/coco128.tar -C store coco128
	cat >sources.conf <<-END
		[coco128]
		names = $MISTUTILS_SHARE/coco.names
		train = images
		val = images
		file = coco128.tar
		url = file:store/coco128.tar
		[yolov5n]
		file = yolov5n.pt
		url = file:$MIST_SRCDIR/../shared/data/yolov5n.pt
	END
	export MISTUTILS_SOURCES=$PWD/sources.conf PATH=$MIST_BUILDDIR/tools:$PATH
}

# Runs ./script in ./run, beside a link to ../shared. Scripts of one manual follow each other there.
run_script() {
	local missing
	missing=$(grep -oE '\b(coco|mist)-[a-z]+\b' script | sort -u | while read -r name; do
		[ -x "$(prog "$name")" ] || [ ! -e "$MIST_SRCDIR/man/$name.x" ] || printf '%s ' "$name"
	done)
	[ -z "$missing" ] || skip "not built: $missing"
	if grep -qE '\.\./shared|yolov5n' script; then
		need_shared data/yolov5n.pt
		ln -sfn "$MIST_SRCDIR/../shared" shared
	fi
	mkdir -p run
	run --separate-stderr bash -euc "cd run; . ../script"
	assert_ok
}

examples_of() {
	local n blocks
	blocks=$(grep -c '^\.EX' "$MIST_SRCDIR/man/$1.x")
	[ "$blocks" -gt 0 ]
	local_sources
	for n in $(seq "$blocks"); do
		awk -v n="$n" '/^\.EX/ {k++; on = 1; next} /^\.EE/ {on = 0} on && k == n' \
			"$MIST_SRCDIR/man/$1.x" | sed 's/\\-/-/g' >script
		run_script || fail "block $n"
	done
}

@test "every program that is installed has a manual with a name and examples" {
	for path in "$MIST_BUILDDIR"/tools/*; do
		name=$(basename "$path")
		case $name in template | *.o | .*) continue ;; esac
		[ -x "$path" ] && [ -f "$path" ] || continue
		grep -q "^$name .- " "$MIST_SRCDIR/man/$name.x" || fail "man/$name.x: no NAME"
		grep -q '^\[EXAMPLES\]' "$MIST_SRCDIR/man/$name.x" || fail "man/$name.x: no EXAMPLES"
	done
}

@test "every option in --help is accepted, and is in the manual" {
	for name in $(programs); do
		options=$("$(prog "$name")" --help | grep -oE '^ {2,6}(-[A-Za-z?], )?--[a-z0-9-]+' | grep -oE -- '--[a-z0-9-]+')
		[ -n "$options" ]
		manual=
		if [ -f "$MIST_BUILDDIR/man/$name.1" ]; then
			manual=$(sed 's/\\-/-/g' "$MIST_BUILDDIR/man/$name.1")
		fi
		for option in $options; do
			case $option in --help | --usage | --version) continue ;; esac
			value=1
			[ "$option" != --output ] || value=/ # nothing is to be done really
			run "$(prog "$name")" "$option=$value" </dev/null
			case $output in
			*"PROGRAM ERROR"* | *unrecognized*) fail "$name $option: $output" ;;
			esac
			case $manual in
			'' | *"$option"*) ;;
			*) fail "$name.1 does not tell of $option" ;;
			esac
		done
	done
}

@test "options in a script of the README or of a manual exist" {
	for name in $(programs); do
		"$(prog "$name")" --help >"$name.help"
	done
	cat "$MIST_SRCDIR/README" "$MIST_SRCDIR"/man/*.x | sed 's/\\-/-/g' | tr '|;' '\n\n' |
		grep -E '^ *(do )?(coco|mist)-[a-z]+ ' | while read -r line; do
		name=$(grep -oE '(coco|mist)-[a-z]+' <<<"$line" | head -n 1)
		[ -f "$name.help" ] || continue
		for option in $(grep -oE -- ' --[a-z0-9-]+' <<<"$line"); do
			grep -qe "$option" "$name.help" || fail "$name has no $option: $line"
		done
	done
}

@test "the table of exit statuses in a manual is the enum's" {
	[ -f "$MIST_BUILDDIR/man/coco-fetch.1" ] || skip "help2man is not there"
	[ "$(grep -cE '^	STATUS_[A-Z]+ = ' "$MIST_SRCDIR/src/base/err.h")" = 8 ]
	for n in 0 1 2 3 4 5 6 7; do
		grep -qx "\\\\fB$n\\\\fP" "$MIST_BUILDDIR/man/coco-fetch.1" || fail "no status $n"
	done
}

@test "hand-written manuals are without fault" {
	need_program mandoc
	for page in "$MIST_SRCDIR"/man/*.[57]; do
		run mandoc -T lint -W warning "$page"
		assert_ok || fail "$output"
	done
}

@test "the README's script runs" {
	[ -x "$(prog coco-synth)" ] || skip "not built: coco-synth"
	local_sources
	sed -n '/in ten lines/,/^The programs/s/^    //p' "$MIST_SRCDIR/README" |
		sed 's/--epochs 15/--epochs 1/; s/--img 320/--img 128/' >script
	run_script
	[ -s run/mistnet.safetensors ]
	ls run/pictures/* >/dev/null
}

@test "the examples of coco-fetch run" {
	[ -x "$(prog coco-synth)" ] || skip "not built: coco-synth"
	examples_of coco-fetch
}

@test "the examples of coco-synth run" {
	[ -x "$(prog coco-synth)" ] || skip "not built: coco-synth"
	examples_of coco-synth
}

@test "the examples of coco-partition run" {
	[ -x "$(prog coco-synth)" ] || skip "not built: coco-synth"
	examples_of coco-partition
}

@test "the examples of mist-model run" {
	[ -x "$(prog coco-synth)" ] || skip "not built: coco-synth"
	examples_of mist-model
}

@test "the examples of mist-extract run" {
	[ -x "$(prog coco-synth)" ] || skip "not built: coco-synth"
	examples_of mist-extract
}

@test "the examples of mist-aggregate run" {
	[ -x "$(prog coco-synth)" ] || skip "not built: coco-synth"
	examples_of mist-aggregate
}

@test "the examples of mist-train run" {
	[ -x "$(prog coco-synth)" ] || skip "not built: coco-synth"
	examples_of mist-train
}

@test "the examples of mist-eval run" {
	[ -x "$(prog coco-synth)" ] || skip "not built: coco-synth"
	examples_of mist-eval
}

@test "the examples of mist-detect run" {
	[ -x "$(prog coco-synth)" ] || skip "not built: coco-synth"
	examples_of mist-detect
}

@test "the examples of mist-job run" {
	[ -x "$(prog coco-synth)" ] || skip "not built: coco-synth"
	examples_of mist-job
}
