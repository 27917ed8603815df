# The edge's account of what it gave away: the same again is free, anything else adds up, and nothing
# leaves that is not on disk.
load helper

setup_file() {
	local i
	cd "$BATS_FILE_TMPDIR" || return 1
	conv_yaml 3 8 16
	for i in 1 2; do
		"$MIST_BUILDDIR/tools/mist-model" init small.yaml --classes 3 --seed $i -o w$i.st
	done
	"$MIST_BUILDDIR/tools/coco-synth" -q --images 5 --classes 3 --img 64 --seed 2 -o set
}

setup() {
	scratch
	ln -s "$BATS_FILE_TMPDIR"/*.st "$BATS_FILE_TMPDIR/set" .
	ledger=$XDG_STATE_HOME/mistutils/ledger
}

# Cut 1 of a 64 pixel image: 8 channels of 32 x 32, 8192 bits.
extract() {
	mist mist-extract -w w1.st -c 1 --img 64 "$@"
}

show() {
	mist mist-extract --show-ledger "$@"
}

# account CLIENT: its epsilon.
account() {
	"$(prog mist-extract)" --show-ledger --json | jq -r ".clients[] | select(.client == \"$1\") | .epsilon_per_client"
}

@test "the same images, model and mechanism give the same bytes again, and cost nothing more" {
	need_program jq
	extract -e 1 -o a.tar set
	assert_says '(before: 0; 5 new, 0 sent before'
	extract -e 1 -j 1 -o b.tar set
	assert_ok
	assert_says '(before: 40960; 0 new, 5 sent before'
	assert_same a.tar b.tar
	[ "$(account set)" = 40960 ]
	# a copy under other names is the same pictures
	mkdir -p renamed/images
	for f in set/images/train/*.jpg; do cp "$f" "renamed/images/x$(basename "$f")"; done
	extract -e 1 --client set -o c.tar renamed
	assert_says '0 new, 5 sent before'
}

@test "anything else adds to the account of image and client" {
	need_program jq
	extract -q -e 1 -o a.tar set
	extract -q -e 2 -o b.tar set
	[ "$(account set)" = 122880 ]
	extract -q -e 1 --mechanism sue -o c.tar set
	[ "$(account set)" = 143360 ]
	mist mist-extract -q -w w2.st -c 1 --img 64 -e 1 -o d.tar set
	[ "$(account set)" = 184320 ]
	extract -e 1 --hflip -o e.tar set
	assert_says '5 new, 5 sent before; most for one image: 45056'
	extract -q -e 1 --client other -o f.tar set
	[ "$(account other)" = 40960 ]
	[ "$(account set)" = 225280 ]
	show
	assert_ok
	assert_output "ledger '$ledger', 2 clients"
	assert_output 'set             5        25          45056         225280'
}

@test "other noise for another key: a ledger is who sends" {
	extract -q -e 1 -o a.tar set
	extract -q -e 1 --ledger mine -o b.tar set
	assert_ok
	! cmp -s a.tar b.tar
	[ "$(stat -c %a mine mine.key)" = "600
600" ]
	extract -q -e 1 --ledger mine -o c.tar set
	assert_same b.tar c.tar
	show --ledger mine
	assert_output "ledger 'mine', 1 client"
}

@test "a budget refuses before anything is written" {
	mkdir out
	extract -e 1 --budget 40959 -o out/a.tar set
	assert_one_line_error 6 "the account of client 'set' would come from epsilon 0 to 40960, above the budget of 40959"
	extract -e 1 --budget-image 8191 -o out/a.tar set
	assert_one_line_error 6 'a picture would come from epsilon 0 to 8192'
	assert_empty_dir out
	run --separate-stderr sh -c '"$@" >piped' sh "$(prog mist-extract)" -w w1.st -c 1 --img 64 -e 1 --budget 40959 set
	assert_status 6
	[ ! -s piped ]
	show
	assert_output '0 clients'
	extract -q -e 1 --budget 40960 -o out/a.tar set
	assert_ok
	extract -q -e 1 --budget 40960 -o out/b.tar set # again is free
	assert_ok
	for way in '--mechanism none' '-e 1 --seed 3'; do
		# shellcheck disable=SC2086 # two words
		extract $way --budget 1000000 -o out/c.tar set
		assert_one_line_error 6 'to inf, above the budget'
	done
	for e in 0 -1 nan inf x; do
		extract -e 1 --budget $e -o out/c.tar set
		assert_status 2
	done
	extract -e 1 --budget 5 --no-ledger -o out/c.tar set
	assert_status 2
	assert_says 'a budget needs a ledger'
}

@test "what goes through a pipe is recorded before it is seen" {
	need_program jq
	extract -q -e 1 -o a.tar set
	run --separate-stderr sh -c '"$@" >piped.tar' sh "$(prog mist-extract)" -q -w w1.st -c 1 --img 64 -e 1 set
	assert_ok
	assert_same a.tar piped.tar
	# a ledger that cannot be written: the pipe stays empty
	need_program flock
	flock "$ledger" sh -c '"$@" >piped' sh "$(prog mist-extract)" -q -w w1.st -c 1 --img 64 -e 2 --wait 0 set 2>err && false
	grep -q 'another program has held it' err
	[ ! -s piped ]
}

@test "a ledger that is held, corrupt, newer, open to others or somebody else's is one sentence" {
	need_program flock
	mkdir out
	extract -q -e 1 -o a.tar set
	run --separate-stderr flock "$ledger" "$(prog mist-extract)" -w w1.st -c 1 --img 64 -e 1 --wait 0.1 -o out/a.tar set
	mist_program=mist-extract
	assert_one_line_error 4 "another program has held it for 0.1 seconds (--wait)"
	cp "$ledger" good
	sed -i 's/8192/4096/' "$ledger"
	extract -e 1 -o out/a.tar set
	assert_one_line_error 3 "cannot use the ledger '$ledger': line 2: wrong digest: the ledger was damaged or changed"
	show
	assert_one_line_error 3 'wrong digest'
	sed 's/"version":"2.0"/"version":"3.0"/' good >"$ledger"
	extract -e 1 -o out/a.tar set
	assert_one_line_error 3 'line 1: format version 3.0 is newer than this program, which reads 2'
	sed 2d good >"$ledger"
	tail -n 1 good >>"$ledger"
	tail -n 1 good >>"$ledger"
	extract -e 1 -o out/a.tar set
	assert_one_line_error 3 'line 3: wrong digest'
	head -c 300 good >"$ledger" # the account's line is torn
	extract -e 1 --no-labels -o a.tar set
	assert_ok
	assert_says 'unfinished line'
	head -c 100 good >"$ledger" # and the first
	show
	assert_one_line_error 3 'not a ledger'
	: >"$ledger"
	show
	assert_one_line_error 3 'not a ledger'
	extract -e 1 -o a.tar set
	assert_ok
	assert_says "the ledger '$ledger' begins anew: there was a key and no account"
	printf 'shopping list\n' >"$ledger"
	extract -e 1 -o out/a.tar set
	assert_one_line_error 3 "cannot use the ledger"
	[ "$(cat "$ledger")" = 'shopping list' ]
	cp good "$ledger"
	chmod 644 "$ledger.key"
	extract -e 1 -o out/a.tar set
	assert_one_line_error 6 'others can read'
	chmod 600 "$ledger.key"
	mv "$ledger.key" key
	extract -e 1 -o out/a.tar set
	assert_one_line_error 6 'is missing, so what was sent before would be sent with other noise'
	extract -q -e 1 --ledger other -o b.tar set
	cp other.key "$ledger.key"
	extract -e 1 -o out/a.tar set
	assert_one_line_error 3 "another's key"
	assert_empty_dir out
}

@test "two edges at once use one ledger and lose nothing" {
	need_program jq
	for i in 1 2 3 4; do
		"$(prog mist-extract)" -q -w w1.st -c 1 --img 64 -e 1 --client same --wait 60 -o $i.tar set &
		"$(prog mist-extract)" -q -w w1.st -c 1 --img 64 -e 1.5 --client c$i --wait 60 set >p$i.tar &
	done
	wait
	[ "$(account same)" = 40960 ]
	for i in 1 2 3 4; do
		[ "$(account c$i)" = 61440 ]
		tar xOf $i.tar mist.end.json | jq -e '.certificate.epsilon_per_client == 40960'
		[ "$(tar tf p$i.tar | grep -c 'feat\.npy$')" -eq 5 ]
	done
}

@test "a torn last line is told of and gone on from" {
	need_program jq
	extract -q -e 1 -o a.tar set
	printf '{"client":"set","labels":"cl' >>"$ledger"
	show
	assert_ok
	assert_says 'ends in an unfinished line'
	extract -e 2 -o b.tar set
	assert_ok
	assert_says 'unfinished line'
	show
	assert_ok
	[ -z "$stderr" ]
	[ "$(account set)" = 122880 ]
}

@test "a ledger of the first version knows its pictures again" {
	need_program jq
	mkdir -p one/images old
	cp "$MIST_SRCDIR/tests/golden/ledger/picture.png" one/images/
	cp "$MIST_SRCDIR/tests/golden/ledger/version-1" old/ledger
	cp "$MIST_SRCDIR/tests/golden/ledger/version-1.key" old/ledger.key
	chmod 600 old/ledger.key
	extract -e 2 --ledger old/ledger -o a.tar one
	assert_ok
	assert_says '(before: 8192; 1 new, 0 sent before; most for one image: 24576)'
	extract -e 2 --ledger old/ledger -o b.tar one
	assert_says '0 new, 1 sent before'
	show --ledger old/ledger --json
	jq -e '.clients == [.clients[0]] and (.clients[0] | .images == 1 and .releases == 2)' <<<"$output"
}

@test "another name or comment is the same picture" {
	need_program jq
	mkdir -p one/images
	cp "$MIST_SRCDIR/tests/golden/ledger/picture.png" one/images/
	extract -q -e 1 --client one -o a.tar one
	# a text chunk before the end
	{
		head -c -12 one/images/picture.png
		printf '\0\0\0\003tEXta\0b\334\111\242\073'
		tail -c 12 one/images/picture.png
	} >one/images/noted.png
	mv one/images/picture.png one/images/other.png
	extract -e 2 --client one -o b.tar one
	assert_ok
	assert_says "'one': 2 images, 0 skipped"
	show --json
	jq -e '.clients[0].images == 1 and .clients[0].releases == 2' <<<"$output"
}

@test "noise that is none, or seeded, makes the account infinite" {
	need_program jq
	extract -q -e 1 --seed 4 --client seeded -o a.tar set
	extract -q --encoding f16 --client float -o b.tar set
	[ "$(account seeded)" = null ]
	[ "$(account float)" = null ]
	extract -e 1 --client float -o c.tar set
	assert_says 'epsilon per client  infinite'
	show
	assert_output 'inf'
}

@test "nowhere to keep a ledger is an error, not a release without one" {
	run --separate-stderr env -u HOME -u XDG_STATE_HOME "$(prog mist-extract)" -w w1.st -c 1 --img 64 -e 1 -o a.tar set
	mist_program=mist-extract
	assert_one_line_error 2 'nowhere to keep the ledger'
	run --separate-stderr env -u XDG_STATE_HOME HOME="$PWD" "$(prog mist-extract)" -q -w w1.st -c 1 --img 64 -e 1 -o a.tar set
	assert_ok
	[ -s .local/state/mistutils/ledger ]
	extract -e 1 --ledger /dev/null -o b.tar set
	assert_one_line_error 3 'not a file'
	extract -e 1 --ledger nowhere/ledger -o b.tar set
	assert_one_line_error 4 'cannot open the ledger'
	show --ledger nothing
	assert_one_line_error 3 "'nothing'"
	extract --no-ledger --ledger x -e 1 -o b.tar set
	assert_status 2
	extract --json -e 1 -o b.tar set
	assert_status 2
	[ ! -e b.tar ]
}
