# mist-job.bats - manifests, plans, and jobs on one machine.
load helper
load job

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	make_job_data
}

setup() {
	scratch
	d=$BATS_FILE_TMPDIR
	examples=$MISTUTILS_SHARE/examples
	export XDG_STATE_HOME=$PWD/state PATH=$MIST_BUILDDIR/tools:$PATH
}

@test "a job runs from its manifest to Succeeded, and the model lies in the model's folder" {
	job_manifest "$d" >job.yaml
	mist mist-job run job.yaml
	assert_ok
	assert_output "tiny                     Succeeded       2"
	assert_same model/result.safetensors state/mistutils/jobs/tiny/model.safetensors
	mist mist-job get tiny -o json
	assert_ok
	jq -e '.phase == "Succeeded" and .rounds == 2 and .active == 0 and .succeeded == 3 and .failed == 0' <<<"$output"
	jq -e '.conditions[0].type == "Complete" and .conditions[0].status == "True"' <<<"$output"
	jq -e '.startTime <= .completionTime and (.metrics.mAP50 | type) == "number" and .metrics.loss > 0' <<<"$output"
	mist mist-job get
	assert_output "NAME                     PHASE       ROUND  CLIENTS    mAP50     LOSS    AGE"
	assert_output "2/2"
	mist mist-job get -o wide tiny
	assert_output "rounds 2 >= 2"
}

@test "both algorithms give the same weights under sh and under make, and end in one table" {
	for a in mistnet fedavg; do
		job_manifest "$d" $a >$a.yaml
		for engine in sh make; do
			mist mist-job run --engine $engine -j2 --state $a.$engine $a.yaml
			assert_ok
		done
		assert_same $a.sh/model.safetensors $a.make/model.safetensors
	done
	[ "$(diff mistnet.yaml fedavg.yaml | grep -c '^>')" = 1 ]
	! cmp -s mistnet.sh/model.safetensors fedavg.sh/model.safetensors
	mist mist-job compare ./mistnet.sh ./fedavg.sh
	assert_ok
	[ "${#lines[@]}" = 3 ]
	[[ ${lines[0]} == *mAP50*mAP50-95*up/client*down/client*"edge CPU s"*"edge peak"*"wall s"* ]]
	# What a client sends is the file it made; down comes the extractor, or the model every round.
	up=$(awk '$2 == "mistnet" {print $6}' <<<"$output")
	sent=$(cat mistnet.sh/inbox/* | wc -c)
	[ "$up" = $((sent / 2)) ]
	down=$(awk '$2 == "fedavg" {print $7}' <<<"$output")
	[ "$down" = $(($(cat fedavg.sh/rounds/[01]/model.safetensors fedavg.sh/model.safetensors | wc -c))) ]
}

@test "the plan is a script that runs by itself, twice, and says what it does" {
	job_manifest "$d" >job.yaml
	mist mist-job plan -q --state s job.yaml
	assert_ok
	assert_output "mist-extract -w rounds/0/start.edge.safetensors"
	printf '%s\n' "$output" >plan
	sh plan
	before=$(digest_of s/model.safetensors)
	[ "$(job_phase s)" = Succeeded ]
	n=$(find s/logs -type f | wc -l)
	sh plan
	[ "$(find s/logs -type f | wc -l)" = "$n" ]
	[ "$(jq .attempts s/steps/train.1.json)" = 1 ]
	[ "$(digest_of s/model.safetensors)" = "$before" ]
}

@test "a makefile runs by itself, from any folder" {
	job_manifest "$d" >job.yaml
	mist mist-job plan -q --engine make --state s job.yaml
	assert_ok
	mkdir "a b"
	printf '%s\n' "$output" >"a b/it's.mk"
	make -s -j2 -f "a b/it's.mk"
	[ "$(job_phase s)" = Succeeded ]
}

@test "shipped plans pass shellcheck, whatever the names are" {
	need_program shellcheck
	for f in "$examples"/*.yaml; do
		for engine in sh slurm; do
			"$(prog mist-job)" plan -q --engine $engine "$f" >plan
			head -n 1 plan | grep -qx '#!/bin/sh'
			shellcheck plan
		done
		"$(prog mist-job)" plan -q --engine make "$f" >plan.mk
		make -n -f plan.mk ROUND=1 PREV=0 round | grep -q 'mist-job step'
	done
}

@test "names and paths with blanks and quotes come through" {
	odd="it's a \"b\" \$HOME \`id\` #x & ; *"
	mkdir "$odd"
	cp -r "$d/edge" "$d/set" "$d/w.safetensors" "$odd/"
	job_manifest "$d" >plain.yaml
	awk -v from="$d" -v to="$PWD/$odd" '
		# A path in a double-quoted YAML text: its quotes and backslashes are escaped.
		{ t = to; gsub(/"/, "\\\"", t)
		  while ((i = index($0, from))) $0 = substr($0, 1, i - 1) t substr($0, i + length(from)); print }' plain.yaml >odd.yaml
	for engine in sh make; do
		mist mist-job run --engine $engine --state "s $odd $engine" odd.yaml
		assert_ok
	done
	mist mist-job run --state s plain.yaml
	assert_same s/model.safetensors "s $odd sh/model.safetensors"
	assert_same s/model.safetensors "s $odd make/model.safetensors"
	if command -v shellcheck >/dev/null; then
		shellcheck -e SC2016 "s $odd sh/plan.sh" # that nothing expands is the point
	fi
}

@test "an output whose maker was killed before its record said so is taken up, losses and all" {
	job_manifest "$d" mistnet 1 >job.yaml
	mist mist-job run --state s job.yaml
	assert_ok
	for name in train.1 eval.1; do
		jq -c '{name, round, attempts, state: "running", began, pid: 1, ended: 0, status: 0,
			seconds: 0, cpuSeconds: 0, peakBytes: 0, downBytes: 0, upBytes: 0, samples: 0}' \
			s/steps/$name.json >cut
		cp s/steps/$name.json whole.$name
		mv cut s/steps/$name.json
	done
	rm -rf s/done.json s/model.safetensors s/results.csv s/delivered s/steps/deliver.*
	mist mist-job resume --state s
	assert_ok
	for name in train.1 eval.1; do
		diff <(jq -S '{name, round, state, attempts, status, loss, epochs}' s/steps/$name.json) \
			<(jq -S '{name, round, state, attempts, status, loss, epochs}' whole.$name)
	done
}

@test "killed at any moment and resumed, it ends with the same bytes" {
	job_manifest "$d" mistnet 3 >job.yaml
	mist mist-job run --state whole job.yaml
	assert_ok
	killed=0
	for pause in 0.02 0.08 0.15 0.25 0.4 0.6; do
		rm -rf s
		setsid "$(prog mist-job)" run -q --state s job.yaml >/dev/null 2>&1 3>&- &
		pid=$!
		sleep $pause
		if kill_job $pid; then killed=$((killed + 1)); fi
		[ -e s/plan.sh ] || continue
		find s -name '*.safetensors' -o -name '*.tar' | grep -v '/\.' | while read -r f; do
			cmp "$f" "whole/${f#s/}" || [[ $f == */last.safetensors ]] || fail "$f is half-written"
		done
		mist mist-job resume --state s
		assert_ok
		assert_same s/model.safetensors whole/model.safetensors
		assert_same s/results.csv whole/results.csv
	done
	[ $killed -ge 3 ]
}

# sampled [READY]: four clients, of whom two train in a round.
sampled() {
	job_manifest "$d" fedavg 3 "${1-2}" | sed 's/- {name: nbs/- {name: sample, value: "50%"}\n              &/'
	printf '    - dataset: {name: d%s}\n' 1 2
}

@test "of the clients some are drawn for each round, the same under every engine" {
	sampled >job.yaml
	mist mist-job run --state s job.yaml
	assert_ok
	for r in 1 2 3; do
		[ "$(wc -l <s/rounds/$r/clients)" = 2 ]
		[ "$(basename -s .safetensors -a s/rounds/$r/inbox/* | sort)" = "$(sort s/rounds/$r/clients)" ]
	done
	[ "$(sort -u s/rounds/*/clients | wc -l)" -gt 2 ] # not always the same
	[ "$(find s/steps -name 'train.*.json' | wc -l)" = 6 ]
	mist mist-job run --engine make -j2 --state m job.yaml
	assert_ok
	assert_same m/model.safetensors s/model.safetensors
	assert_same m/results.csv s/results.csv
}

@test "a trigger that those drawn can never meet is refused, and so is a share that is none" {
	sampled 3 >job.yaml
	refused "the trigger wants at least 3 ready clients, but 2 are drawn each round: it can never be met" job.yaml
	sampled | sed 's/50%/5/' >job.yaml
	refused "'sample' is a number of the 4 training workers, or a share such as 50%, not '5'" job.yaml
	mist mist-job step x --state . --among nowhere --client a --out never -- true
	assert_one_line_error 3 "nowhere"
	mist mist-job step x --state . --among nowhere --out never -- true
	assert_one_line_error 2 "--among needs --client"
}

@test "a step goes on from its checkpoint" {
	job_manifest "$d" mistnet 1 | sed 's/epochs, value: "2"/epochs, value: "60"/' >job.yaml
	mist mist-job run --state whole job.yaml
	assert_ok
	setsid "$(prog mist-job)" run -q --state s job.yaml >/dev/null 2>&1 3>&- &
	pid=$!
	wait_for 60 test -e s/rounds/1/last.safetensors
	kill_job $pid
	[ ! -e s/rounds/1/model.safetensors ]
	[ "$(job_phase s)" = Failed ]
	[ "$("$(prog mist-job)" get --state s -o json | jq -r '.conditions[0].reason')" = Interrupted ]
	mist mist-job resume --state s
	assert_ok
	assert_same s/model.safetensors whole/model.safetensors
	[ "$(jq .attempts s/steps/train.1.json)" = 2 ]
}

@test "stop ends a job, resume goes on, delete removes it, and not while it runs" {
	job_manifest "$d" mistnet 1 | sed 's/epochs, value: "2"/epochs, value: "4000"/' >job.yaml
	"$(prog mist-job)" run -q job.yaml >/dev/null 2>&1 3>&- &
	wait_for 60 test -e state/mistutils/jobs/tiny/rounds/1/last.safetensors
	mist mist-job get
	assert_output "Running"
	mist mist-job delete tiny
	assert_one_line_error 1 "is running"
	mist mist-job run job.yaml
	assert_status 1
	assert_says "the job 'tiny' is running already"
	mist mist-job stop tiny
	assert_ok
	wait || :
	mist mist-job get -o wide
	assert_output "Failed"
	assert_output "stopped"
	sh state/mistutils/jobs/tiny/plan.sh 2>said && fail "a stopped job was begun again"
	grep -q "is stopped" said
	# Fewer epochs in the plan, for the test's sake: it is a person's to edit.
	sed -i 's/--epochs 4000/--epochs 1/' state/mistutils/jobs/tiny/plan.sh
	rm -r state/mistutils/jobs/tiny/rounds/1
	mist mist-job resume tiny
	assert_ok
	mist mist-job delete tiny
	assert_ok
	[ ! -e state/mistutils/jobs/tiny ]
	mist mist-job get tiny
	assert_one_line_error 3 "there is no job 'tiny'"
}

@test "logs tell what each step ran and said" {
	job_manifest "$d" >job.yaml
	mist mist-job run job.yaml
	assert_ok
	mist mist-job logs tiny extract.edge1
	assert_ok
	assert_output '$ mist-extract -w rounds/0/start.edge.safetensors'
	assert_output "epsilon per image"
	mist mist-job logs tiny
	assert_output "==> train.2.log <=="
	mist mist-job logs tiny no-such
	assert_one_line_error 3 "no-such"
	mist mist-job logs tiny ../job.json
	assert_one_line_error 2
}

@test "another plan does not take a job's folder" {
	job_manifest "$d" >job.yaml
	mist mist-job run --state s job.yaml
	assert_ok
	mist mist-job run --state s job.yaml
	assert_ok
	job_manifest "$d" fedavg >job.yaml
	mist mist-job run -q --state s job.yaml
	assert_one_line_error 3 "holds another plan"
}

@test "memory: a step beyond its limit is killed, and says so" {
	mist mist-job step grow --state . --mem-limit 40M --out never -- \
		sort -S 1G /dev/zero
	assert_one_line_error 4 "its limit of memory is 41943040 bytes"
	jq -e '.state == "failed" and .peakBytes > 41943040' steps/grow.json
	[ ! -e never ]
}

@test "memory: what a manifest allows is what mist-train plans with" {
	! grep -aq __asan_init "$(prog mist-train)" || skip 'a sanitizer keeps what was freed'
	job_manifest "$d" | sed '0,/600Mi/!b; s/600Mi/24Mi/' | sed 's/"64"/"640"/' >job.yaml
	mist mist-job run --state s job.yaml
	assert_status 2 # mist-train's
	assert_says "the job 'tiny' has failed: step 'train.1': mist-train: --mem-limit 24M is too little"
	[ "$(job_phase s)" = Failed ]
}

@test "from cron: another try until it has succeeded, and then nothing" {
	job_manifest "$d" fedavg 1 | sed "s,$d/edge/2,$PWD/late,; s,name: tiny,name: night," >job.yaml
	# The crontab's line, as cron's shell gets it.
	line=$(sed -n 's,^[^#].*\(mist-job run.*\),\1,p' "$examples/job.crontab" | sed "s,/srv/mist,$PWD,g; s/[\]%/%/g")
	mkdir jobs
	run sh -c "$line"
	assert_status 1
	cp -r "$d/edge/2" late
	run sh -c "$line"
	assert_ok
	night=$(echo "$PWD"/jobs/*)
	[ "$(job_phase "$night")" = Succeeded ]
	before=$(digest_of "$night/done.json")
	run sh -c "$line"
	assert_ok
	[ "$(jq .attempts "$night/steps/train.edge1.1.json")" = 1 ]
	[ "$(jq .attempts "$night/steps/train.edge2.1.json")" = 2 ]
	[ "$(digest_of "$night/done.json")" = "$before" ]
	grep -q 'missing: edge2' log
}

@test "should-stop answers with its status" {
	job_manifest "$d" mistnet 2 >job.yaml
	mist mist-job run --state s job.yaml
	assert_ok
	mist mist-job should-stop 'rounds > 1 and epochs >= 4' s/results.csv
	assert_ok
	assert_output "epochs 4 >= 4"
	mist mist-job should-stop 'rounds > 2 or accuracy > 0.99' s/results.csv
	assert_status 1
	[ -z "$output$stderr" ]
	mist mist-job should-stop --since s/results.csv 'time > 3600' s/results.csv
	assert_status 1
	mist mist-job should-stop 'rounds >' s/results.csv
	assert_one_line_error 2
	mist mist-job should-stop 'rounds > 2' nowhere.csv
	assert_one_line_error 3 "nowhere.csv"
	mist mist-job should-stop --since nowhere 'time > 2' s/results.csv
	assert_one_line_error 4 "nowhere"
}

# refused PART FILE: planning it is status 3 and one sentence with PART in it.
refused() {
	mist mist-job plan -q "$2"
	assert_one_line_error 3 "$1"
}

@test "the published example is invalid YAML, and is told where" {
	sed 's/^    conditions:/      conditions:/' "$examples/reference.yaml" >published.yaml
	n=$(grep -n '^      conditions:' published.yaml | cut -d: -f1)
	refused "published.yaml:$n:" published.yaml
}

@test "a trigger that the clients can never meet is refused, with the numbers" {
	sed 's/threshold: 1 #/threshold: 5 #/' "$examples/reference.yaml" >five.yaml
	refused "the trigger wants more than 5 ready clients, but 2 are declared: it can never be met" five.yaml
	mist mist-job run --state s five.yaml
	assert_status 3
	[ ! -e s ]
}

@test "what is misspelt is named with what it should be" {
	job_manifest "$d" >job.yaml
	sed 's/stopCondition:/stopCondtion:/' job.yaml >x.yaml
	refused "unknown field 'spec.stopCondtion'; did you mean 'stopCondition'?" x.yaml
	sed 's/name: epsilon/name: epsilom/' job.yaml >x.yaml
	refused "unknown setting 'epsilom'; did you mean 'epsilon'?" x.yaml
	sed 's/metric: rounds/metric: round/' job.yaml >x.yaml
	refused "unknown metric 'round'; did you mean 'rounds'?" x.yaml
	sed 's/kind: Dataset/kind: DataSet/' job.yaml >x.yaml
	refused "unknown kind 'DataSet'; did you mean 'Dataset'?" x.yaml
	sed 's/dataset: {name: d2}/dataset: {name: d3}/' job.yaml >x.yaml
	refused "there is no Dataset 'd3'; did you mean 'd1'?" x.yaml
}

@test "what means nothing here is accepted and listed" {
	mist mist-job plan "$examples/reference.yaml"
	assert_ok
	assert_says "without a meaning here: ws, image, name, imagePullPolicy, args"
	sed 's/name: nbs/name: MY_OWN_THING/' <(job_manifest "$d") >x.yaml
	mist mist-job plan x.yaml
	assert_ok
	assert_says "env MY_OWN_THING"
}

@test "manifests that make no sense are refused in one sentence" {
	job_manifest "$d" >job.yaml
	sed 's/600Mi/2Gb/' job.yaml >x.yaml
	refused "'2Gb' is not a quantity" x.yaml
	sed 's/value: mistnet/value: fedsgd/' job.yaml >x.yaml
	refused "mistnet or fedavg, not 'fedsgd'" x.yaml
	sed 's/name: epochs, value: "2"/name: epochs, value: "-2"/' job.yaml >x.yaml
	refused "epochs" x.yaml
	sed 's/operator: or/operator: xor/' job.yaml >x.yaml
	refused "'xor' is neither" x.yaml
	sed 's/name: tiny/name: ..\/..\/x/' job.yaml >x.yaml
	refused "the job's name" x.yaml
	sed 's/nodeName: edge1, containers/nodeName: edge2, containers/' job.yaml >x.yaml
	refused "but its Dataset 'd1' lies on 'edge1'" x.yaml
	sed '/name: epsilon/d' job.yaml >x.yaml
	refused "mechanism: none" x.yaml
	sed 's/operator: ">=", threshold: 2}$/operator: "<", threshold: 2}/' job.yaml >x.yaml
	refused "none at all" x.yaml
	printf 'a: [1\n' >x.yaml
	refused "x.yaml:2:1" x.yaml
	: >x.yaml
	refused "no FederatedLearningJob" x.yaml
	refused "nowhere.yaml" nowhere.yaml
	sed 's,format: dir,format: csv,' job.yaml >x.yaml
	refused "txt or dir" x.yaml
	sed "s,url: \"$d/edge/1\",url: \"a\\\\nb\"," job.yaml >x.yaml
	refused "control character" x.yaml
}

@test "wrong usage is status 2" {
	mist mist-job
	assert_status 2
	mist mist-job paln x.yaml
	assert_status 2
	assert_says "'paln' is not a command"
	mist mist-job plan
	assert_status 2
	mist mist-job plan --engine ant "$examples/reference.yaml"
	assert_status 2
	mist mist-job plan -q --host edge9=me@there "$examples/reference.yaml"
	assert_one_line_error 2 "no training worker runs on 'edge9'"
	mist mist-job plan -q --host edge1=-oProxyCommand=x "$examples/reference.yaml"
	assert_one_line_error 2 "not NODE=USER@HOST"
	mist mist-job get -o yaml
	assert_one_line_error 2
	mist mist-job stop
	assert_one_line_error 2 "which job?"
}

@test "every setting of env is an option of the program it goes to" {
	sed -n 's/^	{"[a-z_]*", "\(--[a-z0-9-]*\)", \([A-Z_| ]*\), .*/\1 \2/p' "$MIST_SRCDIR/src/job/settings.c" |
		tr -d '|' >table
	[ "$(wc -l <table)" -gt 15 ]
	sed -i 's/EDGE/TO_EXTRACT TO_TRAIN/' table
	while read -r option programs; do
		for p in $programs; do
			case $p in
			TO_EXTRACT) name=mist-extract ;;
			TO_TRAIN) name=mist-train ;;
			TO_AGGREGATE) name=mist-aggregate ;;
			TO_EVAL) name=mist-eval ;;
			TO_CALIBRATE | TO_INIT) name=mist-model ;;
			esac
			"$(prog $name)" --help | grep -qe "$option\b" || fail "$name has no $option"
		done
	done <table
}
