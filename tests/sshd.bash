# tests/sshd.bash - a real sshd on loopback with keys and a port of its own.
# shellcheck shell=bash

# sshd_start DIR: sets MIST_SSH, so that user@127.0.0.1 is reached; its state lies in DIR/home. Returns
# 1, with the reason in sshd_why, where it cannot be.
sshd_start() {
	local dir=$1 port sshd
	sshd=$(command -v sshd || ls /usr/sbin/sshd 2>/dev/null) || {
		sshd_why="sshd is not installed"
		return 1
	}
	sshd_dir=$dir
	port=$(perl -MIO::Socket::INET -e \
		'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport')
	mkdir -p "$dir/home"
	chmod 700 "$dir"
	# Where sshd as root puts those it does not know yet.
	[ "$(id -u)" != 0 ] || mkdir -p /run/sshd
	ssh-keygen -q -t ed25519 -N '' -f "$dir/host" && ssh-keygen -q -t ed25519 -N '' -f "$dir/user" || return 1
	cat >"$dir/sshd_config" <<-EOF
		ListenAddress 127.0.0.1
		Port $port
		HostKey $dir/host
		PidFile $dir/pid
		AuthorizedKeysFile $dir/user.pub
		StrictModes no
		UsePAM no
		PasswordAuthentication no
		SetEnv PATH=$MIST_BUILDDIR/tools:/usr/bin:/bin XDG_STATE_HOME=$dir/home MISTUTILS_SHARE=$MISTUTILS_SHARE LC_ALL=C AWS_SHARED_CREDENTIALS_FILE=$dir/aws no_proxy=*
	EOF
	printf '[127.0.0.1]:%s %s\n' "$port" "$(cat "$dir/host.pub")" >"$dir/known"
	cat >"$dir/ssh_config" <<-EOF
		Host *
		Port $port
		IdentityFile $dir/user
		IdentitiesOnly yes
		UserKnownHostsFile $dir/known
		BatchMode yes
		LogLevel ERROR
	EOF
	export MIST_SSH="ssh -F '$dir/ssh_config'"
	"$sshd" -f "$dir/sshd_config" -E "$dir/log" 3>&- || {
		sshd_why="sshd does not start: $(tail -n 1 "$dir/log")"
		return 1
	}
	wait_for 20 ssh -F "$dir/ssh_config" "$(id -un)@127.0.0.1" true || {
		sshd_why="sshd lets nobody in: $(tail -n 1 "$dir/log")"
		return 1
	}
}

sshd_stop() {
	stop_daemon "${sshd_dir-/nowhere}/pid"
}
