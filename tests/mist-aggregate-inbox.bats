# An inbox that clients drop their files into: who is ready, who is left alone, when it goes on.
load helper

setup_file() {
	local c
	cd "$BATS_FILE_TMPDIR" || return 1
	small_yaml 3
	for c in 1 2 3 4 5; do
		"$MIST_BUILDDIR/tools/mist-model" init small.yaml --classes 3 --seed $c -o w$c.st
		"$MIST_BUILDDIR/tools/coco-synth" -q --images 2 --classes 3 --img 64 --seed $c -o set$c
		"$MIST_BUILDDIR/tools/mist-extract" -q -w w1.st -c 2 --img 64 -e 2 --client edge$c \
			-o $c.tar set$c
	done
	"$MIST_BUILDDIR/tools/mist-extract" -q -w w1.st -c 2 --img 64 -e 2 --client edge1 -o 1again.tar set2
	"$MIST_BUILDDIR/tools/mist-extract" -q -w w2.st -c 2 --img 64 -e 2 --client other -o other.tar set1
	"$MIST_BUILDDIR/tools/mist-extract" -q -w w1.st -c 2 --img 64 -e 2 --client edge4 --seed 1 \
		-o seeded.tar set4
}

setup() {
	scratch
	files=$BATS_FILE_TMPDIR
	mkdir inbox
}

# drop FILE NAME: as a client does.
drop() {
	cp "$files/$1" "inbox/.$2.part" && mv "inbox/.$2.part" "inbox/$2"
}

gather() {
	mist mist-aggregate --inbox inbox "$@"
}

# Segments of a stream, by client.
clients_of() {
	tar xOf "$1" mist.json | grep -o '"client":"[^"]*"' | cut -d'"' -f4 | tr '\n' ' '
}

@test "too few are ready: status 1, who is missing, and nothing is made" {
	drop 1.tar a.tar
	gather --min-clients 3 --clients edge1,edge2,edge3 -o all.tar
	assert_one_line_error 1 "round 'all.tar' waits: 1 of 3 clients are ready; missing: edge2, edge3"
	[ ! -e all.tar ]
	gather --min-clients 2 -o all.tar
	assert_one_line_error 1 ': 1 client is ready'
	gather -q --trigger 'num_of_ready_clients > 1' -o all.tar
	assert_one_line_error 1 'waits'
}

@test "when enough are ready the result is that of their files, in the order of their names" {
	drop 3.tar first.tar
	drop 1.tar second.tar
	drop 2.tar third.tar
	gather -v --min-clients 3 -o all.tar
	assert_ok
	[ "$(clients_of all.tar)" = 'edge1 edge2 edge3 ' ]
	mist mist-aggregate -o want.tar "$files"/1.tar "$files"/2.tar "$files"/3.tar
	assert_same want.tar all.tar
}

@test "Sedna's trigger is exact: more than two are not two" {
	drop 1.tar 1.tar
	drop 2.tar 2.tar
	gather --trigger 'num_of_ready_clients > 2' -o all.tar
	assert_one_line_error 1 '2 clients are ready'
	gather --trigger 'num_of_ready_clients >= 2' -o all.tar
	assert_ok
}

@test "asked for again it does nothing, and late files are named" {
	drop 1.tar 1.tar
	drop 2.tar 2.tar
	gather --min-clients 2 -o all.tar
	assert_ok
	before=$(stat -c '%i %y' all.tar)
	gather --min-clients 2 -o all.tar
	assert_ok
	[ -z "$stderr" ]
	drop 3.tar 3.tar
	gather --min-clients 2 -o all.tar
	assert_ok
	assert_says "'3.tar' is left alone: it came too late for round 'all.tar'"
	[ "$(stat -c '%i %y' all.tar)" = "$before" ]
	[ -e inbox/3.tar ]
}

@test "the late ones belong to the next round, which takes none twice" {
	drop 1.tar 1.tar
	drop 2.tar 2.tar
	gather --min-clients 2 --round 1 -o all.tar
	assert_ok
	drop 3.tar 3.tar
	gather --min-clients 2 --round 2 -o next.tar
	assert_one_line_error 1 ': 1 client is ready'
	cp "$files/1.tar" inbox/copy.tar
	gather --min-clients 2 --round 2 -o next.tar
	assert_status 1
	assert_says "'copy.tar' is left alone: it was taken for round '1'"
	drop 4.tar 4.tar
	gather -q --min-clients 2 --round 2 -o next.tar
	assert_ok
	[ "$(clients_of next.tar)" = 'edge3 edge4 ' ]
}

@test "half-written, foreign, misfit, seeded and second files are named and left alone" {
	drop 1.tar 1.tar
	sleep 0.01 # later than the first of its client
	drop 1again.tar 1again.tar
	drop 2.tar 2.tar
	drop other.tar 0other.tar
	drop seeded.tar seeded.tar
	drop w1.st 0weights.st
	head -c 3000 "$files/3.tar" >inbox/half.tar
	head -c 300 "$files/w2.st" >inbox/half.st
	head -c 3000 "$files/3.tar" >inbox/.hidden.tar
	echo hello >inbox/hello.txt
	: >inbox/empty.tar
	mkdir inbox/folder
	ln -s "$files/3.tar" inbox/link.tar
	mkfifo inbox/pipe.tar
	printf x >inbox/$'new\nline'
	cp "$files/5.tar" inbox/$'bad\377name.tar'
	ls -la --time-style=full-iso inbox >before
	gather --min-clients 2 -o all.tar
	assert_ok
	[ "$(clients_of all.tar)" = 'edge1 edge2 ' ]
	for sentence in "'1again.tar' is left alone: its client has sent '1.tar' before" \
		"'0other.tar' is left alone: it does not fit '1.tar': " \
		"'0weights.st' is left alone: it does not fit" \
		"'seeded.tar' is left alone: its noise was made with --seed" \
		"'half.tar' is left alone: truncated" "'half.st' is left alone: " \
		"'hello.txt' is left alone: " "'empty.tar' is left alone: it is empty" \
		"'folder' is left alone: it is not a regular file" \
		"'link.tar' is left alone: it is not a regular file" \
		"'pipe.tar' is left alone: it is not a regular file" "'new?line' is left alone: " \
		"its name is not plain text"; do
		assert_says "$sentence"
	done
	[ "${#stderr_lines[@]}" -eq 13 ]
	ls -la --time-style=full-iso inbox | grep -v mist-inbox >after
	diff <(grep -v ' \.\?\.$' before | tail -n +2) <(grep -v ' \.\?\.$' after | tail -n +2)
}

@test "an unknown client is named and not counted" {
	drop 1.tar 1.tar
	drop 2.tar 2.tar
	printf '# those we know\nedge1\nedge3\n' >list
	gather --min-clients 2 --clients @list -o all.tar
	assert_status 1
	assert_says "'2.tar' is left alone: client 'edge2' is not one of those expected"
	assert_says "1 of 2 clients are ready; missing: edge3"
}

@test "at the deadline a quorum is enough; without one it is over" {
	drop 1.tar 1.tar
	drop 2.tar 2.tar
	gather --min-clients 3 --deadline @1 --clients edge1,edge2,edge3 -o all.tar
	assert_one_line_error 1 "is past its deadline: 2 of 3 clients are ready; missing: edge3"
	gather --min-clients 3 --deadline @1 --quorum 3 -o all.tar
	assert_one_line_error 1 'is past its deadline, without its quorum of 3'
	gather --min-clients 3 --deadline 2999-01-01T00:00Z --quorum 2 -o all.tar
	assert_one_line_error 1 'waits'
	gather --min-clients 3 --deadline 2001-01-01T00:00Z --quorum 2 --clients edge1,edge2,edge3 -o all.tar
	assert_ok
	assert_says "the deadline of round 'all.tar' is past: going on with 2 clients; missing: edge3"
	[ "$(clients_of all.tar)" = 'edge1 edge2 ' ]
}

@test "a deadline counts from the first run that asked for the round" {
	drop 1.tar 1.tar
	gather --min-clients 2 --deadline 1.5s --quorum 1 -o all.tar
	assert_one_line_error 1 'waits'
	sleep 1.6
	gather --min-clients 2 --deadline 1.5s --quorum 1 -o all.tar
	assert_ok
	# and ends a wait
	gather --min-clients 2 --deadline 0.5s --wait 1h --round x -o x.tar
	assert_one_line_error 1 'is past its deadline'
}

@test "--wait waits for files that come meanwhile, and for the lock" {
	drop 1.tar 1.tar
	(
		sleep 0.5
		head -c 3000 "$files/2.tar" >inbox/2.tar
		sleep 0.5
		cp "$files/2.tar" inbox/2.tar
	) &
	gather --min-clients 2 --wait 30 -o all.tar
	assert_ok
	wait
	mist mist-aggregate -o want.tar "$files"/1.tar "$files"/2.tar
	assert_same want.tar all.tar
	exec 8>inbox/.mist-inbox.json.lock
	flock 8
	gather --min-clients 2 -o other.tar
	assert_one_line_error 1 "'inbox' is being aggregated by another run"
	(
		sleep 0.7
		flock -u 8
	) &
	gather --min-clients 2 --wait 30 -o all.tar
	assert_ok
	wait
}

@test "many runs at once make one result" {
	for c in 1 2 3 4 5; do
		drop $c.tar $c.tar
	done
	for i in 1 2 3 4 5 6; do
		"$(prog mist-aggregate)" --inbox inbox --min-clients 5 --wait 60 -o all.tar 2>err.$i &
		pids[i]=$!
	done
	for i in 1 2 3 4 5 6; do
		wait "${pids[i]}" || fail "$(cat err.$i)"
	done
	[ "$(clients_of all.tar)" = 'edge1 edge2 edge3 edge4 edge5 ' ]
	[ "$(jq '.rounds | length' inbox/.mist-inbox.json)" -eq 1 ]
}

@test "killed at any moment it is taken up, with the files it had chosen" {
	for c in 1 2 3 4 5; do
		drop $c.tar $c.tar
	done
	mist mist-aggregate -o want.tar "$files"/[1-5].tar
	for i in $(seq 12); do
		rm -f inbox/.mist* all.tar
		"$(prog mist-aggregate)" -q --inbox inbox --min-clients 5 -o all.tar &
		sleep "0.00$((i * 3 % 10))"
		kill -KILL $! 2>/dev/null || :
		wait $! 2>/dev/null || :
		gather -q --min-clients 5 -o all.tar
		assert_ok
		assert_same want.tar all.tar
	done
	# the choice was recorded, its output was not: what came later is not taken
	rm inbox/5.tar inbox/.mist* all.tar
	gather --min-clients 4 -o all.tar
	jq -c '.rounds[0].sha256 = null' inbox/.mist-inbox.json >r && mv r inbox/.mist-inbox.json
	rm all.tar
	drop 5.tar 5.tar
	gather --min-clients 4 -o all.tar
	assert_ok
	assert_says 'was begun before: taking the same files'
	[ "$(clients_of all.tar)" = 'edge1 edge2 edge3 edge4 ' ]
}

@test "an output that is gone is made again from the same files, or not at all" {
	drop 1.tar 1.tar
	drop 2.tar 2.tar
	gather --min-clients 2 -o all.tar
	mv all.tar want.tar
	drop 3.tar 3.tar
	gather --min-clients 2 -o all.tar
	assert_ok
	assert_same want.tar all.tar
	rm all.tar inbox/1.tar
	gather --min-clients 2 -o all.tar
	assert_one_line_error 3 "the files of round 'all.tar' are no longer there"
}

@test "weights: poisoned ones are left alone, stale ones with --max-staleness" {
	for c in 1 2 3; do
		drop w$c.st edge$c.st
	done
	cp "$files/w4.st" nan.st
	size=$(stat -c %s nan.st)
	printf '\0\0\300\177' | dd of=nan.st bs=1 seek=$((size / 8 * 4)) conv=notrunc status=none
	mv nan.st inbox/edge4.st
	gather --min-clients 3 -o w.st
	assert_ok
	assert_says "'edge4.st' is left alone: value "
	assert_says 'is not finite'
	mist mist-aggregate -q -o want.st "$files"/w[123].st
	assert_same want.st w.st
	mkdir fresh && mv inbox fresh/old && mkdir inbox
	mist mist-aggregate -q -o old.st "$files"/w1.st "$files"/w2.st # round 1
	mist mist-aggregate -q -o older.st old.st "$files"/w3.st       # round 2
	mist mist-aggregate -q -o new.st older.st "$files"/w4.st       # round 3
	cp old.st new.st inbox/
	gather --min-clients 2 --max-staleness 1 -o w.st
	assert_status 1
	assert_says "'old.st' is left alone: it is too late: weights of round 1, where others are of 3"
	gather -q --min-clients 2 --max-staleness 2 -o w.st
	assert_ok
}

@test "what can never be met is refused before anything is looked at" {
	gather --min-clients 3 --clients a,b -o all.tar
	assert_one_line_error 2 '2 clients are expected: they can never be as many as asked for'
	gather --trigger 'num_of_ready_clients > 5' --clients a,b -o all.tar
	assert_one_line_error 2 '2 clients are expected'
	gather --trigger 'accuracy > 5' -o all.tar
	assert_one_line_error 2 'an inbox knows of clients and time only'
	gather --min-clients 1 -o inbox/all.tar
	assert_one_line_error 2 'lies in the inbox'
	gather --min-clients 1 --clients a,b,a -o all.tar
	assert_one_line_error 2 "'a' is there twice"
	for options in '' '--min-clients 1' '-o x' '--min-clients 1 -o -' '--min-clients 0 -o x' \
		'--min-clients 1 --quorum 1 -o x' '--min-clients 1 -o x y.tar' \
		'--min-clients 1 --deadline soon -o x' '--min-clients 1 --wait -1 -o x' \
		'--min-clients 1 --clients , -o x' '--trigger 1 -o x'; do
		# shellcheck disable=SC2086 # several words
		gather $options
		assert_status 2
	done
	[ -z "$(ls -A inbox)" ]
	mist mist-aggregate --min-clients 2 -o x "$files/1.tar"
	assert_status 2
}

@test "a record that is damaged is one sentence, and stays" {
	drop 1.tar 1.tar
	for text in '' '{' '[]' '{"format":"mist-intake","version":2,"rounds":[]}' \
		'{"format":"mist-intake","version":1,"rounds":[{"round":"all.tar"}]}' \
		'{"format":"mist-intake","version":1,"rounds":[{"round":"all.tar","opened":1,"output":"x","sha256":null,"files":[{"name":"../x","clients":[],"sha256":"","id":[]}]}]}'; do
		printf '%s' "$text" >inbox/.mist-inbox.json
		gather --min-clients 1 -o all.tar
		assert_one_line_error 3 'mist-inbox.json'
		[ "$(cat inbox/.mist-inbox.json)" = "$text" ]
		[ ! -e all.tar ]
	done
	gather --min-clients 1 --record elsewhere.json -o all.tar
	assert_ok
	[ -s elsewhere.json ]
}

@test "a missing inbox and one that cannot be written are one sentence" {
	mist mist-aggregate --inbox nowhere --min-clients 1 -o x
	assert_one_line_error 3 "'nowhere'"
	[ "$(id -u)" -ne 0 ] || skip 'root may write everywhere'
	chmod 555 inbox
	gather --min-clients 1 -o x
	assert_one_line_error 4 'inbox'
}
