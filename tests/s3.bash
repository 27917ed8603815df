# tests/s3.bash - an S3-compatible object store on this machine, on a port that was free.
# shellcheck shell=bash

started=

# Programs that the tests start: what they print is their log, and they end with end_started.
start() {
	"$@" >"log.$1" 2>&1 3>&- &
	started="$started $!"
}

end_started() {
	# shellcheck disable=SC2086 # a list of numbers
	[ -z "$started" ] || { kill $started; wait $started 2>/dev/null || :; }
}

# Nothing of who runs the tests is shown to a server.
forget_credentials() {
	unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_PROFILE AWS_REGION \
		AWS_DEFAULT_REGION AWS_ENDPOINT_URL AWS_ENDPOINT_URL_S3 MISTUTILS_TOKEN MISTUTILS_TOKEN_FILE NETRC
	export no_proxy='*'
}

# Is what is needed here? In CI it must be.
need_server() {
	"$@" >/dev/null 2>&1 && return 0
	[ -z "${MIST_REQUIRE_SERVERS-}" ] || fail "'$*' fails, and MIST_REQUIRE_SERVERS is set"
	skip "'$*' fails here"
}

# serve_s3: a server with an empty bucket "b", kept in ./objects; sets `port`.
serve_s3() {
	local dir
	# beside a build of its own (sanitizers), in the build's folder
	for dir in "$MIST_BUILDDIR" "$MIST_BUILDDIR/.." "$MIST_SRCDIR/build"; do
		[ ! -d "$dir/node_modules" ] || break
	done
	export NODE_PATH=${MIST_NODE_MODULES:-$dir/node_modules}
	need_server node -e 'require("@20minutes/s3rver")'
	mkdir -p objects
	start node "$MIST_SRCDIR/tests/s3d.js" objects
	wait_for 60 test -s log.node || fail "$(cat log.node)"
	port=$(cat log.node)
	[ "$port" -gt 0 ] || fail "$(cat log.node)"
}

# start_s3: the same, and its credentials in the environment.
start_s3() {
	serve_s3
	export AWS_ENDPOINT_URL=http://127.0.0.1:$port
	export AWS_ACCESS_KEY_ID=S3RVER AWS_SECRET_ACCESS_KEY=S3RVER
}
