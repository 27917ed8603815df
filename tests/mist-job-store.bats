# mist-job-store.bats - jobs whose edges send by way of an object store (transmitter s3), against a real
# S3-compatible server on this machine.
load helper
load job
load sshd
load s3

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	make_job_data
	for a in mistnet fedavg; do
		(mkdir $a && cd $a && job_manifest "$BATS_FILE_TMPDIR" $a >job.yaml &&
			PATH=$MIST_BUILDDIR/tools:$PATH XDG_STATE_HOME=$PWD/state mist-job run -q --state s job.yaml)
	done
}

setup() {
	scratch
	d=$BATS_FILE_TMPDIR
	mkdir home
	export HOME=$PWD/home XDG_STATE_HOME=$PWD/state PATH=$MIST_BUILDDIR/tools:$PATH
	forget_credentials
	serve_s3
	export AWS_SHARED_CREDENTIALS_FILE=$PWD/home/aws
	profile S3RVER >home/aws
	chmod 600 home/aws
}

teardown() {
	sshd_stop
	end_started
}

# profile SECRET: the profile "edges" of a credentials file.
profile() {
	printf '[default]\naws_access_key_id = nobody\naws_secret_access_key = nothing\n'
	printf '[edges]\naws_access_key_id = S3RVER\naws_secret_access_key = %s\n' "$1"
	printf 'endpoint_url = http://127.0.0.1:%s\nregion = us-east-1\n' "$port"
}

# by_store ALGORITHM [PATH]: the manifest, with a transmitter.
by_store() {
	job_manifest "$d" "$1" |
		sed "s|^  aggregationWorker:|  transmitter: {s3: {aggDataPath: \"${2-s3://b/agg/}\", credentialName: edges}}\n&|"
}

objects() {
	find objects/b -name '*_object' | sed 's,^objects/b/,,; s,\._S3rver_object$,,' | sort
}

@test "what edges send goes by way of the store, and the weights are those of a job without one" {
	for a in mistnet fedavg; do
		by_store $a >$a.yaml
		mist mist-job run --state $a $a.yaml
		assert_ok
		assert_same $a/model.safetensors "$d/$a/s/model.safetensors"
		assert_same $a/results.csv "$d/$a/s/results.csv"
	done
	[ "$(objects | tr '\n' ' ')" = "agg/tiny/inbox/edge1.tar agg/tiny/inbox/edge2.tar agg/tiny/rounds/1/inbox/edge1.safetensors agg/tiny/rounds/1/inbox/edge2.safetensors agg/tiny/rounds/2/inbox/edge1.safetensors agg/tiny/rounds/2/inbox/edge2.safetensors " ]
	assert_same mistnet/inbox/edge1.tar objects/b/agg/tiny/inbox/edge1.tar._S3rver_object
	jq -e '.cpuSeconds > 0 and .upBytes > 0' mistnet/steps/extract.edge1.json
	mist mist-job run --engine make -j2 --state m mistnet.yaml
	assert_ok
	assert_same m/model.safetensors mistnet/model.safetensors
	[ -z "$(find state -name '*.tar')" ]
}

@test "edges on other machines put it there themselves: through ssh comes no more than a report" {
	sshd_start "$PWD/sshd" || {
		[ -z "${MIST_REQUIRE_SHARED-}" ] || fail "$sshd_why"
		skip "$sshd_why"
	}
	install -m 600 home/aws sshd/aws
	by_store mistnet >job.yaml
	me=$(id -un)@127.0.0.1
	mist mist-job run --state s --host "edge1=$me" --host "edge2=$me" job.yaml
	assert_ok
	assert_same s/model.safetensors "$d/mistnet/s/model.safetensors"
	[ "$(objects | wc -l)" = 2 ]
	# An edge that may not write there is missed, and its words are told.
	sed -i 's/^aws_secret_access_key = S3RVER/aws_secret_access_key = wrong/' sshd/aws
	rm -r objects/b/agg
	mist mist-job run --state t --host "edge1=$me" job.yaml
	assert_status 1
	assert_says "step 'extract.edge1': mist-job: cannot write 's3://b/agg/tiny/inbox/edge1.tar': the server answered 403"
	assert_says "missing: edge1"
	[ ! -e t/inbox/edge1.tar ]
	[ "$(objects)" = agg/tiny/inbox/edge2.tar ]
	jq -e '.status == 5' t/steps/extract.edge1.json
	# The key put right, resume sends it.
	profile S3RVER >sshd/aws
	mist mist-job resume --state t
	assert_ok
	assert_same t/model.safetensors s/model.safetensors
}

@test "credentials that others can read are not used" {
	chmod 644 home/aws
	by_store mistnet >job.yaml
	mist mist-job run --state s job.yaml
	assert_status 1
	assert_says "refused: others can read the credentials in '$PWD/home/aws'"
	[ -z "$(objects)" ]
	chmod 600 home/aws
	sed -i 's/edges/others/' home/aws
	mist mist-job resume --state s
	assert_status 1
	assert_says "has no profile 'edges' with a key and its secret"
}

@test "what lies in the store is not what was put there: it is not taken" {
	by_store mistnet >job.yaml
	# Behind the edge's back, as soon as it is there.
	mkdir shim
	cat >shim/mist-job <<-EOF
		#!/bin/sh
		"$(prog mist-job)" "\$@" || exit
		case "\$1 \$*" in "there "*edge2*) printf x >>$PWD/objects/b/agg/tiny/inbox/edge2.tar._S3rver_object ;; esac
	EOF
	chmod +x shim/mist-job
	PATH=$PWD/shim:$PATH mist mist-job run --state s job.yaml
	assert_status 1
	assert_says "missing: edge2"
	[ -e s/inbox/edge1.tar ] && [ ! -e s/inbox/edge2.tar ]
	mist mist-job resume --state s
	assert_ok
	assert_same s/model.safetensors "$d/mistnet/s/model.safetensors"
}

@test "a transmitter that makes no sense is refused" {
	for path in http://x/y s3:// /data 's3://b@x/y'; do
		by_store mistnet "$path" >job.yaml
		mist mist-job plan -q job.yaml
		assert_one_line_error 3 "'aggDataPath' is not s3://BUCKET or s3://BUCKET/PREFIX: '$path'"
	done
	by_store mistnet | sed 's/{s3: {/{ws: {}, s3: {/' >job.yaml
	mist mist-job plan -q job.yaml
	assert_one_line_error 3 "a transmitter is ws or s3, not both"
	by_store mistnet | sed 's/aggDataPath/aggDatapath/' >job.yaml
	mist mist-job plan -q job.yaml
	assert_one_line_error 3 "did you mean 'aggDataPath'?"
	by_store mistnet | sed 's/credentialName: edges/credentialName: "a]"/' >job.yaml
	mist mist-job plan -q job.yaml
	assert_one_line_error 3 "'credentialName' is no name of a profile"
	mist mist-job step x --through file:///x --out x -- true
	assert_one_line_error 2 "--through: 'file:///x' is neither"
}
