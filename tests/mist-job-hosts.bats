# mist-job-hosts.bats - jobs over ssh, against a real sshd on loopback, and over a real Slurm.
load helper
load job
load sshd
load slurm

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	make_job_data
	if sshd_start "$BATS_FILE_TMPDIR/sshd"; then
		export sshd_dir MIST_SSH
	else
		export sshd_why
	fi
	if slurm_start "$BATS_FILE_TMPDIR/slurm" cloud edge1 edge2; then
		export slurm_dir SLURM_CONF
	else
		export slurm_why
	fi
}

teardown_file() {
	sshd_stop
	slurm_stop
}

setup() {
	scratch
	d=$BATS_FILE_TMPDIR
	export XDG_STATE_HOME=$PWD/state PATH=$MIST_BUILDDIR/tools:$PATH
	me=$(id -un)@127.0.0.1
	hosts=(--host "edge1=$me" --host "edge2=$me")
}

# Where it cannot be, a test is skipped with the reason; in CI it fails.
need() {
	[ -n "$1" ] || return 0
	[ -z "${MIST_REQUIRE_SHARED-}" ] || fail "$1"
	skip "$1"
}

need_ssh() {
	need "${sshd_why-}"
}

need_slurm() {
	need "${slurm_why-}"
}

queue_is_empty() {
	[ -z "$(squeue -h -o %j)" ]
}

@test "over ssh, under sh and under make, the weights are those of one machine" {
	need_ssh
	for a in mistnet fedavg; do
		job_manifest "$d" $a >$a.yaml
		mist mist-job run --state $a.here $a.yaml
		assert_ok
		for engine in sh make; do
			mist mist-job run --engine $engine -j2 --state $a.$engine "${hosts[@]}" $a.yaml
			assert_ok
			assert_same $a.here/model.safetensors $a.$engine/model.safetensors
		done
	done
	# What a step took is told by the other end; where it worked nothing is left.
	jq -e '.cpuSeconds > 0 and .peakBytes > 1000000 and .upBytes > 0 and .downBytes > 0' mistnet.sh/steps/extract.edge1.json
	jq -e '.epochs == 2 and (.loss | length) == 3' fedavg.sh/steps/train.edge1.1.json
	[ -z "$(find "$sshd_dir/home/mistutils/there" -name '*.safetensors' -o -name '*.lock')" ]
	assert_same mistnet.here/results.csv mistnet.sh/results.csv
	assert_same fedavg.here/results.csv fedavg.sh/results.csv
}

@test "only what is to be sent is sent: of the data nothing leaves an edge" {
	need_ssh
	job_manifest "$d" >job.yaml
	mist mist-job run --state s "${hosts[@]}" job.yaml
	assert_ok
	[ -z "$(find s -name '*.jpg' -o -name '*.png')" ]
	[ "$(jq .downBytes s/steps/extract.edge1.json)" = "$(wc -c <s/rounds/0/start.edge.safetensors)" ]
	[ "$(jq .upBytes s/steps/extract.edge1.json)" = "$(wc -c <s/inbox/edge1.tar)" ]
}

@test "a host that cannot be reached is status 5, and the trigger decides" {
	need_ssh
	job_manifest "$d" mistnet 1 1 >job.yaml
	mist mist-job run --state s --host "edge1=$me" --host edge2=nobody@127.0.0.1 job.yaml
	# One client was enough; the other did not take part, and is named.
	assert_ok
	assert_says "step 'extract.edge2'"
	assert_says "not delivered to: edge2"
	[ "$(jq .status s/steps/extract.edge2.json)" = 5 ]
	job_manifest "$d" mistnet 1 2 >job.yaml
	mist mist-job run --state t --host "edge1=$me" --host edge2=nobody@127.0.0.1 job.yaml
	assert_status 1
	assert_says "missing: edge2"
	[ "$(job_phase t)" = Failed ]
}

@test "what fails there is told here, in its own words" {
	need_ssh
	job_manifest "$d" | sed "s,$d/edge/2,/nowhere/at all," >job.yaml
	mist mist-job run --state s "${hosts[@]}" job.yaml
	assert_status 1
	assert_says "step 'extract.edge2': mist-extract: "
	assert_says "/nowhere/at all"
}

@test "a connection that is cut in the middle is taken up from the checkpoint there" {
	need_ssh
	job_manifest "$d" fedavg 1 | sed 's/epochs, value: "2"/epochs, value: "60"/' >job.yaml
	mist mist-job run --state whole job.yaml
	assert_ok
	setsid "$(prog mist-job)" run -q --state s "${hosts[@]}" job.yaml >/dev/null 2>&1 3>&- &
	pid=$!
	wait_for 60 test -e "$sshd_dir/home/mistutils/there/tiny/train.edge1.1/rounds/1/edge1/last.safetensors"
	kill_job $pid
	mist mist-job resume --state s
	assert_ok
	assert_same s/model.safetensors whole/model.safetensors
}

@test "under Slurm the weights are those of one machine, on the nodes the manifest names" {
	need_slurm
	for a in mistnet fedavg; do
		job_manifest "$d" $a >$a.yaml
		mist mist-job run --state $a.here $a.yaml
		assert_ok
		mist mist-job run --engine slurm --state $a $a.yaml
		assert_ok
		assert_output Succeeded
		assert_same $a.here/model.safetensors $a/model.safetensors
	done
	scontrol show job | grep -B40 'NodeList=edge2$' | grep -q 'JobName=mist-tiny-edge-'
	scontrol show job | grep -q 'TRES=cpu=1,mem=600M'
}

@test "Slurm's edges that want the same node are one array" {
	need_slurm
	job_manifest "$d" mistnet 1 | sed 's/nodeName: edge2/nodeName: edge1/' >job.yaml
	mist mist-job plan -q --engine slurm job.yaml
	assert_output 'submit "$1" --array=1,2 --nodelist=edge1 --mem=600M -- edge'
	mist mist-job run --engine slurm --state s job.yaml
	assert_ok
	[ -s s/inbox/d1.tar ] && [ -s s/inbox/d2.tar ]
}

@test "Slurm: who is drawn for a round is drawn before its edges are submitted" {
	need_slurm
	job_manifest "$d" fedavg 2 1 | sed 's/- {name: nbs/- {name: sample, value: "1"}\n              &/' >job.yaml
	mist mist-job run --state here job.yaml
	assert_ok
	mist mist-job run --engine slurm --state s job.yaml
	assert_ok
	assert_same here/model.safetensors s/model.safetensors
	assert_same here/rounds/2/clients s/rounds/2/clients
}

@test "Slurm: while nobody watches it is Running all the time, and is neither begun nor submitted twice" {
	need_slurm
	job_manifest "$d" mistnet 2 >job.yaml
	mist mist-job plan -q --engine slurm --state s job.yaml
	printf '%s\n' "$output" >plan
	sh plan
	mist mist-job get --state s -o wide
	sh plan 2>said && fail "a job that runs was begun again"
	grep -q "the job 'tiny' is running already" said
	succeeded() {
		job_phase s >>phases && [ "$(tail -n 1 phases)" = Succeeded ]
	}
	wait_for 120 succeeded || fail "$(sort phases | uniq -c)"
	! grep -q Failed phases || fail "$(sort phases | uniq -c)"
	grep -q Running phases
}

@test "Slurm: a watcher that was killed is followed by one that only watches" {
	need_slurm
	job_manifest "$d" mistnet 2 >job.yaml
	setsid "$(prog mist-job)" run -q --engine slurm --state s job.yaml >/dev/null 2>&1 3>&- &
	pid=$!
	wait_for 60 test -e s/steps/weights.json
	kill_job $pid
	before=$(cat s/slurm.jobs)
	mist mist-job resume --state s
	assert_ok
	[ "$(head -n "$(wc -l <<<"$before")" s/slurm.jobs)" = "$before" ]
	[ "$(job_phase s)" = Succeeded ]
}

@test "Slurm: a node that is not there is told, and nothing runs" {
	need_slurm
	job_manifest "$d" mistnet 1 >job.yaml
	mist mist-job run --engine slurm --host edge2=no-such-node --state s job.yaml
	[ "$status" -ne 0 ]
	assert_says "Invalid node name"
	wait_for 60 queue_is_empty
	[ "$(job_phase s)" != Succeeded ]
}

@test "Slurm: an edge that dies is missed, and resume ends the job" {
	need_slurm
	job_manifest "$d" mistnet 1 >job.yaml
	cp -r "$d/edge" moved
	sed "s,$d/edge/2,$PWD/moved/2," job.yaml >moved.yaml
	mv moved away
	mist mist-job run --engine slurm --state s moved.yaml
	[ "$status" -ne 0 ]
	assert_says "missing: edge2"
	mv away moved
	mist mist-job resume --state s
	assert_ok
	[ "$(job_phase s)" = Succeeded ]
}
