# Strategies: FedAvg's relatives, from the command line.
load helper

setup_file() {
	local c
	cd "$BATS_FILE_TMPDIR" || return 1
	small_yaml 3
	for c in 0 1 2 3 4 5; do
		"$MIST_BUILDDIR/tools/mist-model" init small.yaml --classes 3 --seed $c -o w$c.st
	done
}

setup() {
	scratch
	ln -s "$BATS_FILE_TMPDIR"/*.st .
}

aggregate() {
	mist mist-aggregate "$@"
}

@test "every strategy gives the same bytes on any number of threads and at any time" {
	for s in fedavg fedavgm fedadam fedyogi median trimmed-mean krum multi-krum norm-clip; do
		aggregate -q --strategy $s --global w0.st -j 1 -o one.st w[1-5].st
		assert_ok
		aggregate -q --strategy $s --global w0.st -j 3 -o two.st w[1-5].st
		assert_ok
		assert_same one.st two.st
		mist mist-model info --img 64 one.st
		assert_ok
	done
}

@test "krum takes one client as it is, multi-krum of one the same" {
	aggregate -q --strategy krum -o krum.st --report r.json w[1-5].st
	assert_ok
	aggregate -q --strategy multi-krum --select 1 -o one.st w[1-5].st
	assert_same krum.st one.st
	chosen=$(jq -r '.clients[] | select(.rejected | not) | .client' r.json)
	[ "$(wc -w <<<"$chosen")" -eq 1 ]
	jq -e '.strategy == "krum" and .reference == "result"' r.json
	# what it took: its distance from the result is that of nothing
	jq -e ".clients[] | select(.client == \"$chosen\") | .distance == 0 and .weight == 1" r.json
}

@test "the report is a table, or JSON by its name" {
	aggregate -q --strategy norm-clip --clip 0.5 --global w0.st --report - -o x.st w[1-3].st
	assert_ok
	[ "${#lines[@]}" -eq 4 ]
	assert_output 'client                  samples    weight     distance    cosine  verdict'
	assert_output 'clipped to 0.'
	aggregate -q --global w0.st --report r.json -o x.st w1.st w2.st w3.st
	assert_ok
	jq -e '.reference == "global" and (.clients | length == 3) and ([.clients[].weight] | add > 0.999999)' r.json
	jq -e '[.clients[].cosine] | all(. > 0)' r.json
	aggregate --report - w1.st w2.st
	assert_status 2
}

@test "fedadam goes on from its state, and a round that is repeated is the same" {
	adam() {
		aggregate -q --strategy fedadam "$@"
	}
	adam --global w0.st --state-out s1.st -o g1.st w1.st w2.st
	assert_ok
	adam --global g1.st --state-in s1.st --state-out s2.st -o g2.st w3.st w4.st
	assert_ok
	cp s2.st want.s && cp g2.st want.g
	adam --global g1.st --state-in s1.st --state-out s2.st -o g2.st w3.st w4.st
	assert_same want.s s2.st
	assert_same want.g g2.st
	adam --global g1.st --state-out s.st -o g.st w3.st w4.st
	assert_ok
	! cmp -s g.st g2.st
	adam --global g2.st --state-in s1.st -o g.st w3.st w4.st
	assert_one_line_error 3 "cannot use the state 's1.st': it was not made together with 'g2.st'"
	aggregate -q --strategy fedavgm --global g1.st --state-in s1.st -o g.st w3.st w4.st
	assert_one_line_error 3 'it is of fedadam, not of fedavgm'
	adam --global g1.st --state-in w1.st -o g.st w3.st w4.st
	assert_one_line_error 3 'not the state of a server'
	head -c 2000 s1.st >cut.st
	adam --global g1.st --state-in cut.st -o no.st w3.st w4.st
	assert_one_line_error 3 "'cut.st'"
	[ ! -e no.st ]
}

@test "what a strategy has no use for, or cannot do without, is refused" {
	aggregate --strategy median --trim 0.1 -o x.st w1.st w2.st
	assert_one_line_error 2 '--trim means nothing to --strategy median'
	aggregate --staleness 1 --strategy krum -o x.st w[1-3].st
	assert_one_line_error 2 '--staleness means nothing to --strategy krum'
	aggregate --state-out s -o x.st w1.st w2.st
	assert_one_line_error 2 '--state-out means nothing to --strategy fedavg'
	for s in fedavgm fedadam fedyogi norm-clip; do
		aggregate --strategy $s -o x.st w1.st w2.st
		assert_one_line_error 2 "--strategy $s needs --global WEIGHTS"
	done
	aggregate --strategy krum -o x.st w1.st w2.st
	assert_one_line_error 2 'of 2 clients 0 may lie, which takes 3 of them'
	aggregate --strategy krum --byzantine 2 -o x.st w[1-5].st
	assert_one_line_error 2 'of 5 clients 2 may lie, which takes 7 of them'
	aggregate --strategy multi-krum --select 6 -o x.st w[1-5].st
	assert_one_line_error 2 '--select 6: there are 5 clients'
	aggregate --strategy median2 -o x.st w1.st w2.st
	assert_status 2
	aggregate --strategy trimmed-mean --trim 0.1 -o x.st w1.st w2.st w3.st
	assert_ok
	assert_says 'of 3 clients nothing is trimmed'
	sed 's/\[16, 3, 2\]/[32, 3, 2]/' "$BATS_FILE_TMPDIR/small.yaml" >wide.yaml
	mist mist-model init wide.yaml --classes 3 -o wide.st
	rm x.st
	aggregate --strategy norm-clip --global wide.st -o x.st w1.st w2.st
	assert_one_line_error 3 "'wide.st'"
	[ ! -e x.st ]
}

@test "no strategy takes a value that is not finite" {
	cp -L w2.st nan.st
	size=$(stat -c %s nan.st)
	printf '\0\0\200\377' | dd of=nan.st bs=1 seek=$((size / 8 * 4)) conv=notrunc status=none
	for s in fedavg fedadam median trimmed-mean krum multi-krum norm-clip; do
		aggregate -q --strategy $s --global w0.st -o x.st w1.st nan.st w3.st
		assert_one_line_error 7 "cannot use 'nan.st': value "
	done
	aggregate -q --strategy fedadam --global nan.st -o x.st w1.st w3.st
	assert_one_line_error 7 "cannot use 'nan.st': value "
	[ ! -e x.st ]
}

@test "an inbox takes them too, with the state and the report of its round" {
	mkdir inbox
	cp -L w1.st inbox/a.st && cp -L w2.st inbox/b.st && cp -L w3.st inbox/c.st
	aggregate -q --inbox inbox --min-clients 3 --strategy fedyogi --global w0.st --state-out s.st \
		--report r.json -o g.st
	assert_ok
	aggregate -q --strategy fedyogi --global w0.st --state-out t.st -o h.st w1.st w2.st w3.st
	assert_same s.st t.st
	assert_same g.st h.st
	[ "$(jq -c '[.clients[].client]' r.json)" = '["a","b","c"]' ]
}

@test "memory does not grow beyond a bound with the clients of a robust strategy" {
	[ -x /usr/bin/time ] || skip '/usr/bin/time is not installed'
	! grep -aq __asan_init "$(prog mist-aggregate)" || skip 'a sanitizer keeps what was freed'
	# its largest tensor is of 4.5 MiB: 24 clients' are 108 MiB
	sed 's/C3, \[16\]/Conv, [256, 3, 2]/; s/Conv, \[16, 3, 2\]/Conv, [512, 3, 2]/' \
		"$BATS_FILE_TMPDIR/small.yaml" >large.yaml
	for i in $(seq 24); do
		mist mist-model init large.yaml --classes 3 --seed "$i" -o "m$i.st"
	done
	peak() {
		/usr/bin/time -f %M "$(prog mist-aggregate)" -j 2 -q -o x.st "$@" 2>&1
	}
	few=$(peak --strategy fedavg m1.st)
	for s in fedavg median trimmed-mean norm-clip krum; do
		most=$((few + 17 * 1024))
		[ $s != krum ] || most=$((few + 52 * 1024))
		many=$(peak --strategy $s --global m1.st m[2-9].st m1?.st m2?.st)
		echo "$s: $many KiB, with one client $few"
		[ "$many" -le $most ]
	done
}

@test "clients are sampled by seed and round alone" {
	aggregate --sample 2 --clients a,b,c,d,e --round 1 --seed 3
	assert_ok
	[ "${#lines[@]}" -eq 2 ]
	first=$output
	aggregate --sample 40% --clients a,b,c,d,e --round 1 --seed 3
	[ "$output" = "$first" ]
	for r in $(seq 12); do
		aggregate --sample 2 --clients a,b,c,d,e --round "$r" --seed 3
		printf '%s\n' "$output"
	done | sort -u >seen
	[ "$(wc -l <seen)" -eq 5 ]
	aggregate --sample 5 --clients a,b,c,d,e --round 1
	[ "$output" = $'a\nb\nc\nd\ne' ]
	aggregate --sample 6 --clients a,b,c,d,e --round 1
	assert_one_line_error 2 '--sample 6 of 5 clients is not possible'
	aggregate --sample 2 --round 1
	assert_status 2
	aggregate --sample 2 --clients a,b w1.st
	assert_status 2
}
