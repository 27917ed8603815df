# tests/slurm.bash - a real Slurm of several nodes on this machine, for as long as a test file runs.
# shellcheck shell=bash

# A TCP port that nobody listens on at this moment.
free_port() {
	perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport'
}

# slurm_start DIR NODE...: munged, slurmctld and a slurmd per node, everything of theirs in DIR. Sets
# SLURM_CONF. Returns 1, with the reason in slurm_why, where it cannot be.
slurm_start() {
	local dir=$1 node host name
	shift
	slurm_dir=$dir
	for name in munged slurmctld slurmd sbatch; do
		command -v $name >/dev/null || {
			slurm_why="$name is not installed"
			return 1
		}
	done
	host=$(hostname -s)
	mkdir -p "$dir/munge" "$dir/state" "$dir/log"
	chmod 755 "$dir" "$dir/munge"
	head -c 1024 /dev/urandom >"$dir/munge/key"
	chmod 400 "$dir/munge/key"
	munged --force --key-file="$dir/munge/key" --socket="$dir/munge/socket" --pid-file="$dir/munge/pid" \
		--log-file="$dir/munge/log" --seed-file="$dir/munge/seed" --num-threads=2 3>&- || {
		slurm_why="munged does not start: $(tail -n 1 "$dir/munge/log")"
		return 1
	}
	{
		cat <<-EOF
			ClusterName=test
			SlurmctldHost=$host(127.0.0.1)
			SlurmctldPort=$(free_port)
			SlurmUser=$(id -un)
			SlurmdUser=$(id -un)
			AuthType=auth/munge
			AuthInfo=socket=$dir/munge/socket
			CredType=cred/munge
			StateSaveLocation=$dir/state
			SlurmctldPidFile=$dir/slurmctld.pid
			SlurmdPidFile=$dir/slurmd.%n.pid
			SlurmdSpoolDir=$dir/spool.%n
			SlurmctldLogFile=$dir/log/slurmctld
			SlurmdLogFile=$dir/log/slurmd.%n
			ProctrackType=proctrack/pgid
			TaskPlugin=task/none
			JobAcctGatherType=jobacct_gather/none
			AccountingStorageType=accounting_storage/none
			SelectType=select/cons_tres
			SelectTypeParameters=CR_Core_Memory
			SchedulerParameters=sched_interval=1,bf_interval=1,defer_batch=0
			SchedulerType=sched/builtin
			SwitchType=switch/none
			MpiDefault=none
			ReturnToService=2
			MinJobAge=300
			KillWait=2
			SlurmdParameters=config_overrides
		EOF
		for node; do
			printf 'NodeName=%s NodeHostname=%s NodeAddr=127.0.0.1 Port=%s CPUs=2 RealMemory=8192 State=UNKNOWN\n' \
				"$node" "$host" "$(free_port)"
		done
		printf 'PartitionName=all Nodes=ALL Default=YES MaxTime=60 State=UP\n'
	} >"$dir/slurm.conf"
	export SLURM_CONF=$dir/slurm.conf
	slurmctld -c -i -f "$SLURM_CONF" 3>&- || {
		slurm_why="slurmctld does not start: $(tail -n 1 "$dir/log/slurmctld")"
		return 1
	}
	for node; do
		mkdir -p "$dir/spool.$node"
		slurmd -f "$SLURM_CONF" -N "$node" 3>&- || {
			slurm_why="slurmd does not start: $(tail -n 1 "$dir/log/slurmd.$node")"
			return 1
		}
	done
	wait_for 60 slurm_is_idle $# || {
		slurm_why="nodes do not come up: $(sinfo -h -N -o '%N %T' | tr '\n' ' ')"
		return 1
	}
}

slurm_is_idle() {
	[ "$(sinfo -h -N -t idle -o %N 2>/dev/null | sort -u | wc -l)" -eq "$1" ]
}

# Ends what slurm_start began, each by its own number.
# They write into the test's folder until they are gone, and bats removes it.
slurm_stop() {
	local file
	[ -n "${slurm_dir-}" ] || return 0
	for file in "$slurm_dir"/slurmd.*.pid "$slurm_dir/slurmctld.pid" "$slurm_dir/munge/pid"; do
		stop_daemon "$file"
	done
}
