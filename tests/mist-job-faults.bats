# mist-job-faults.bats - what FAILURES in mist-job(1) says, one test a line.
load helper
load job

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	make_job_data
	mkdir ref && cd ref || return 1
	for a in mistnet fedavg; do
		job_manifest "$BATS_FILE_TMPDIR" $a >$a.yaml
		PATH=$MIST_BUILDDIR/tools:$PATH XDG_STATE_HOME=$PWD/state mist-job run -q --state $a $a.yaml
	done
}

setup() {
	scratch
	d=$BATS_FILE_TMPDIR
	mkdir shim
	export XDG_STATE_HOME=$PWD/state PATH=$PWD/shim:$MIST_BUILDDIR/tools:$PATH
}

# shim PROGRAM: a script from standard input runs before the program, while the file 'bad' is there.
shim() {
	{
		printf '#!/bin/sh\nif [ -e %q/bad ]; then\n' "$PWD"
		cat
		printf 'fi\nexec %q "$@"\n' "$(prog "$1")"
	} >"shim/$1"
	chmod +x "shim/$1"
	: >bad
}

no_leftovers() {
	[ -z "$(find s -name '.*' -type f ! -name '.mist-inbox*')" ] || fail "$(find s -name '.*')"
}

@test "an edge is killed: the job names it and fails, resume ends it with the same bytes" {
	shim mist-extract <<<'case "$*" in *"--client edge2"*) kill -KILL $$ ;; esac'
	job_manifest "$d" >job.yaml
	mist mist-job run --state s job.yaml
	assert_status 1
	assert_says "step 'extract.edge2': killed by signal 9"
	assert_says "missing: edge2"
	[ "$(job_phase s)" = Failed ]
	no_leftovers
	rm bad
	mist mist-job resume --state s
	assert_ok
	[ "$(jq .attempts s/steps/extract.edge1.json)" = 1 ]
	assert_same s/model.safetensors "$d/ref/mistnet/model.safetensors"
}

@test "an edge is killed, and the trigger is met without it: the job goes on" {
	shim mist-train <<<'case "$*" in *"--client edge2"*) kill -KILL $$ ;; esac'
	job_manifest "$d" fedavg 1 1 >job.yaml
	for engine in sh make; do
		mist mist-job run --engine $engine --state $engine job.yaml
		assert_ok
		assert_says "step 'train.edge2.1': killed by signal 9"
		[ ! -e $engine/rounds/1/inbox/edge2.safetensors ]
	done
	assert_same sh/model.safetensors make/model.safetensors
}

@test "the aggregator is killed: nothing half-written is left, resume ends with the same bytes" {
	shim mist-aggregate <<<'kill -KILL $$'
	job_manifest "$d" fedavg >job.yaml
	mist mist-job run --state s job.yaml
	assert_status 4
	assert_says "step 'aggregate.1': killed by signal 9"
	[ ! -e s/rounds/1/model.safetensors ]
	no_leftovers
	rm bad
	mist mist-job resume --state s
	assert_ok
	[ "$(jq .attempts s/steps/train.edge1.1.json)" = 1 ]
	assert_same s/model.safetensors "$d/ref/fedavg/model.safetensors"
}

@test "the disk is full: the system's words, nothing half-written; with room made, resume ends with the same bytes" {
	need_program unshare
	unshare -m true 2>/dev/null || skip "this user may not mount"
	mkdir small
	job_manifest "$d" >job.yaml
	cat >in-there <<-'EOF'
		mount -t tmpfs -o size=240k none small || exit 99
		mist-job run --state small/s job.yaml >out 2>err
		echo $? >first
		find small -name '.*' -type f ! -name '.mist-inbox*' >left
		mount -o remount,size=20m small
		mist-job resume --state small/s >out2 2>err2
		echo $? >second
		cp small/s/model.safetensors .
	EOF
	run unshare -m sh in-there
	[ "$status" -ne 99 ] || skip "no tmpfs can be mounted here"
	assert_ok
	[ "$(cat first)" != 0 ] || fail "$(cat first err)"
	grep -q 'No space left on device' err || fail "$(cat err)"
	[ ! -s left ] || fail "$(cat left)"
	[ "$(cat second)" = 0 ] || fail "$(cat err2)"
	assert_same model.safetensors "$d/ref/mistnet/model.safetensors"
}

@test "weights that are not numbers are left alone and told; without them, resume ends with the same bytes" {
	job_manifest "$d" fedavg >job.yaml
	# What an edge sends is replaced behind its back: its last value becomes a NaN.
	cat >shim/mist-aggregate <<-EOF
		#!/bin/sh
		if [ -e $PWD/bad ]; then
			f=rounds/1/inbox/edge2.safetensors
			{ head -c -4 \$f && printf '\\000\\000\\300\\177'; } >poison && mv poison \$f
		fi
		exec $(prog mist-aggregate) "\$@"
	EOF
	chmod +x shim/mist-aggregate
	: >bad
	mist mist-job run --state s job.yaml
	assert_status 1
	assert_says "missing: edge2"
	grep -q "'edge2.safetensors' is left alone: value .* is not finite" s/logs/aggregate.1.log
	[ ! -e s/rounds/1/model.safetensors ]
	rm bad s/rounds/1/inbox/edge2.safetensors
	mist mist-job resume --state s
	assert_ok
	assert_same s/model.safetensors "$d/ref/fedavg/model.safetensors"
}

@test "delivered is what was made: a place that cannot be written fails the job, resume delivers" {
	job_manifest "$d" | sed "s,$PWD/model/,/proc/nowhere/," >job.yaml
	mist mist-job run --state s job.yaml
	assert_status 1
	assert_says "the model was not delivered to 'edge1'"
	sed -i "s,/proc/nowhere/,$PWD/there/," s/plan.sh
	mist mist-job resume --state s
	assert_ok
	assert_same there/result.safetensors s/model.safetensors
	[ "$(cut -c1-64 s/delivered/edge2)" = "$(digest_of s/model.safetensors)" ]
}

@test "weights that are finite but wrong are numbers to fedavg; norm-clip bounds what they do" {
	job_manifest "$d" fedavg 1 >fedavg.yaml
	sed 's/name: strict, value: x/&/; s/- {name: nbs/- {name: strategy, value: norm-clip}\n              - {name: clip, value: "1"}\n              &/' fedavg.yaml >clip.yaml
	# The last value of what edge 2 sends becomes 1e30 (0x7149f2ca).
	cat >shim/mist-aggregate <<-EOF
		#!/bin/sh
		f=rounds/1/inbox/edge2.safetensors
		{ head -c -4 \$f && printf '\\312\\362\\111\\161'; } >poison && mv poison \$f
		exec $(prog mist-aggregate) "\$@"
	EOF
	chmod +x shim/mist-aggregate
	PATH=$MIST_BUILDDIR/tools:${PATH#*:} mist mist-job run --state good fedavg.yaml
	assert_ok
	for s in fedavg clip; do
		mist mist-job run --state $s $s.yaml
		run "$(prog mist-model)" diff good/rounds/1/model.safetensors $s/rounds/1/model.safetensors
		printf '%s\n' "$output" >$s.diff
	done
	grep -qE 'e\+(29|30)' fedavg.diff || fail "$(cat fedavg.diff)"
	! grep -qE 'e\+[0-9]' clip.diff || fail "$(cat clip.diff)"
	jq -e . clip/rounds/1/contributions.json >/dev/null
}

@test "weights turned round are numbers to fedavg; median, trimmed-mean and krum bear one such client of five" {
	{
		job_manifest "$d" fedavg 1 5 | sed 's/- {name: nbs/- {name: strategy, value: fedavg}\n              &/'
		printf '    - dataset: {name: d%s}\n' 1 2 1
	} >five.yaml
	mist mist-job run --state good five.yaml
	assert_ok
	# Every value of what client d2 sends gets the other sign (the F32 tensors of a safetensors file).
	cat >shim/mist-aggregate <<-EOF
		#!/bin/sh
		f=rounds/1/inbox/d2.safetensors
		perl -e 'local \$/; \$_ = <STDIN>; \$n = unpack("Q<", \$_); \$h = substr(\$_, 8, \$n);
			while (\$h =~ /"dtype":"F32"[^}]*?"data_offsets":\\[(\\d+),(\\d+)\\]/g) {
				for (\$i = 8 + \$n + \$1; \$i < 8 + \$n + \$2; \$i += 4) { substr(\$_, \$i + 3, 1) ^= "\\x80" }
			} print' <\$f >poison && mv poison \$f
		exec $(prog mist-aggregate) "\$@"
	EOF
	chmod +x shim/mist-aggregate
	for s in fedavg median trimmed-mean krum; do
		sed "/name: strategy/s/value: fedavg/value: $s/" five.yaml >$s.yaml
		mist mist-job run --state $s $s.yaml
		assert_ok
		run "$(prog mist-model)" diff good/rounds/1/model.safetensors $s/rounds/1/model.safetensors
		sed -n 's/.*by at most //p' <<<"$output" | sort -g | tail -n 1 >$s.most
		jq -e '.clients | max_by(.distance).client == "d2"' $s/rounds/1/contributions.json
	done
	for s in median trimmed-mean krum; do
		awk -v all="$(cat fedavg.most)" '{exit !($1 < all / 10)}' $s.most || fail "$(head *.most)"
	done
	jq -e '.clients[] | select(.client == "d2") | .rejected' krum/rounds/1/contributions.json
}
