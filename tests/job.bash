# tests/job.bash - federated jobs that take seconds: what the mist-job*.bats files load besides helper.
# shellcheck shell=bash

# make_job_data: in the current folder a tiny model, a data set and its shards of two edges.
make_job_data() {
	local tools=$MIST_BUILDDIR/tools
	tiny_yaml
	"$tools/coco-synth" -q -n 24 --val 8 -c 2 -s 64 -o set &&
		"$tools/mist-model" init tiny.yaml --seed 1 -q -o w.safetensors &&
		"$tools/coco-partition" -q --seed 1 -o edge set 2 >/dev/null
}

# job_manifest DATA [ALGORITHM [ROUNDS [READY]]]: a manifest over that data, delivered to ./model.
job_manifest() {
	cat <<-EOF
		apiVersion: sedna.io/v1alpha1
		kind: Dataset
		metadata: {name: d1}
		spec: {url: "$1/edge/1", format: dir, nodeName: edge1}
		---
		apiVersion: sedna.io/v1alpha1
		kind: Dataset
		metadata: {name: d2}
		spec: {url: "$1/edge/2", format: dir, nodeName: edge2}
		---
		apiVersion: sedna.io/v1alpha1
		kind: Model
		metadata: {name: start}
		spec: {url: "$1/w.safetensors", format: safetensors}
		---
		apiVersion: sedna.io/v1alpha1
		kind: Model
		metadata: {name: result}
		spec: {url: "$PWD/model/result.safetensors", format: safetensors}
		---
		apiVersion: sedna.io/v1alpha1
		kind: FederatedLearningJob
		metadata: {name: tiny}
		spec:
		  stopCondition:
		    operator: or
		    conditions:
		      - {metric: rounds, operator: ">=", threshold: ${3-2}}
		      - {metric: targetAccuracy, operator: ">", threshold: 0.99}
		  aggregationTrigger:
		    condition: {metric: num_of_ready_clients, operator: ">=", threshold: ${4-2}}
		  pretrainedModel: {name: start}
		  aggregationWorker:
		    model: {name: result}
		    template:
		      spec:
		        nodeName: cloud
		        containers:
		          - env:
		              - {name: aggregation_algorithm, value: ${2-mistnet}}
		              - {name: cut_layer, value: "2"}
		              - {name: epsilon, value: "4"}
		              - {name: noise_seed, value: "1"}
		              - {name: img, value: "64"}
		              - {name: epochs, value: "2"}
		              - {name: batch_size, value: "4"}
		              - {name: nbs, value: "4"}
		              - {name: learning_rate, value: "0.01"}
		              - {name: val, value: "$1/set"}
		            resources: {limits: {memory: 600Mi}}
		  trainingWorkers:
		    - dataset: {name: d1}
		      template: {spec: {nodeName: edge1, containers: [{resources: {limits: {memory: 600Mi}}}]}}
		    - dataset: {name: d2}
		      template: {spec: {nodeName: edge2, containers: [{resources: {limits: {memory: 600Mi}}}]}}
	EOF
}

# job_phase DIR: Pending, Running, Succeeded or Failed.
job_phase() {
	"$(prog mist-job)" get --state "$1" -o json | jq -r .phase
}

# kill_job PID: its whole process group, and waits until nothing of it is left that may hold a lock; a
# failure when it had ended before.
kill_job() {
	local missed=0
	kill -KILL -- -"$1" 2>/dev/null || missed=1
	wait "$1" || :
	wait_for 60 job_is_gone "$1" && return $missed
}

# From /proc, for ps is not everywhere: behind the name come state, parent and group.
job_is_gone() {
	cat /proc/[0-9]*/stat 2>/dev/null | sed 's/.*) //' |
		awk -v group="$1" '$3 == group && $1 != "Z" {left = 1} END {exit left}'
}

digest_of() {
	sha256sum <"$1" | cut -d' ' -f1
}
