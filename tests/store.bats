# Operands and outputs elsewhere: nginx and an S3-compatible store, both on this machine, on ports that
# were free.
load helper
load s3

setup() {
	scratch
	export TMPDIR=$BATS_TEST_TMPDIR/temporary HOME=$BATS_TEST_TMPDIR/home
	mkdir "$TMPDIR" "$HOME"
	forget_credentials
	export AWS_SHARED_CREDENTIALS_FILE=$HOME/aws
	"$(prog coco-synth)" -q --images 3 --classes 2 --img 64 -o set
	conv_yaml 2 8 16
	"$(prog mist-model)" init small.yaml --classes 2 -o w.st
}

# Nothing of ours may remain in the temporary folder, whatever happened.
teardown() {
	end_started
	find "$TMPDIR" -name 'mist-store*' | grep . && return 1
	return 0
}

# start_nginx: files below www, PUT too; below /secret with a bearer token, below /user with a password.
start_nginx() {
	local try
	PATH=$PATH:/usr/sbin
	need_server nginx -v
	mkdir -p www/secret www/user www/readonly tmp
	printf 'me:%s\n' "$(openssl passwd -apr1 word)" >htpasswd
	for try in 1 2 3 4 5; do
		port=$((20000 + RANDOM % 12000))
		cat >nginx.conf <<-END
			daemon off; pid $PWD/pid; error_log $PWD/error.log; worker_processes 1;
			events { worker_connections 64; }
			http {
				access_log $PWD/access.log; client_max_body_size 100m;
				client_body_temp_path $PWD/tmp; proxy_temp_path $PWD/tmp/p;
				fastcgi_temp_path $PWD/tmp/f; uwsgi_temp_path $PWD/tmp/u; scgi_temp_path $PWD/tmp/s;
				server {
					listen 127.0.0.1:$port; root $PWD/www;
					location / { dav_methods PUT; create_full_put_path on; }
					location /readonly/ { }
					location /secret/ {
						dav_methods PUT;
						if (\$http_authorization != "Bearer open-sesame") { return 401; }
					}
					location /user/ { dav_methods PUT; auth_basic x; auth_basic_user_file $PWD/htpasswd; }
				}
			}
			$([ "$(id -u)" != 0 ] || echo "user root;")
		END
		start nginx -p "$PWD" -c "$PWD/nginx.conf"
		for _ in $(seq 50); do
			url=http://127.0.0.1:$port
			if kill -0 "${started##* }" 2>/dev/null && (exec 8<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
				return 0
			fi
			kill -0 "${started##* }" 2>/dev/null || break
			sleep 0.1
		done
		started=${started% *}
	done
	fail "$(cat log.nginx)"
}

# The file's name that libcurl is loaded by.
libcurl_soname() {
	grep -o 'LIBCURL_SONAME=[^ ]*' "$MIST_BUILDDIR/config.status" | grep -o -m 1 'libcurl[^"\\]*'
}

extract() {
	mist mist-extract -c 1 --img 64 -e 1 "$@"
}

@test "weights come from a bucket and features go to one" {
	start_s3
	extract -q -w w.st -o want.tar set
	mist mist-aggregate -q -o s3://b/models/w.st w.st
	assert_ok
	mist mist-aggregate -q -o ws.st w.st
	extract -q -w s3://b/models/w.st -o s3://b/features/edge+1.tar set
	assert_ok
	extract -q -w ws.st -o want.tar set
	mist mist-aggregate -q s3://b/features/edge+1.tar -o got.tar
	assert_ok
	mist mist-aggregate -q want.tar -o want2.tar
	assert_same want2.tar got.tar
	mist mist-aggregate -q -o=x s3://b/nothing.tar
	assert_status 5
	mist mist-aggregate -q -o got.tar s3://b/nothing.tar
	assert_one_line_error 5 "cannot fetch 's3://b/nothing.tar': the server answered 404"
	mist mist-aggregate -q -o s3://nowhere/x.tar want.tar
	assert_one_line_error 5 "cannot write 's3://nowhere/x.tar': the server answered 404"
}

@test "what is large goes in parts and comes back whole" {
	start_s3
	"$(prog mist-model)" init -q "$MISTUTILS_SHARE/models/yolov5s.yaml" --classes 80 -o big.st
	[ "$(stat -c %s big.st)" -gt 16777216 ]
	mist mist-aggregate -q -o s3://b/big.st big.st
	assert_ok
	mist mist-aggregate -q -o want.st big.st
	cmp want.st "$(find objects -name 'big.st*_object')"
	mist mist-model info s3://b/big.st
	assert_ok
	mist mist-aggregate -q -o s3://b/broken.st big.st
	assert_one_line_error 5 "cannot write 's3://b/broken.st': the server answered 400"
	run find objects -type f -not -name 'big.st*' -not -name '.*'
	[ -z "$output" ] || fail "$output"
}

@test "a report and a state go to the bucket too, whatever option names them" {
	start_s3
	"$(prog mist-model)" init small.yaml --classes 2 --seed 2 -q -o w2.st
	mist mist-aggregate -q --strategy fedavgm --global w.st --state-out s3://b/state.st --report=s3://b/r.json \
		-o s3://b/w.st w.st w2.st
	assert_ok
	mist mist-aggregate -q --strategy fedavgm --global w.st --state-out state.st --report r.json -o got.st w.st w2.st
	assert_ok
	assert_same state.st objects/b/state.st._S3rver_object
	assert_same got.st objects/b/w.st._S3rver_object
	jq -e '.clients | length == 2' objects/b/r.json._S3rver_object
	mist mist-aggregate -q --inbox s3://b/inbox --min-clients 1 -o x.st
	assert_one_line_error 2 "'s3://b/inbox' lies elsewhere"
}

@test "what a killed run left in the temporary folder the next one removes" {
	start_s3
	mkfifo "$TMPDIR/pipe"
	"$(prog mist-aggregate)" -q -o s3://b/x.st "$TMPDIR/pipe" >/dev/null 2>&1 3>&- &
	pid=$!
	left_there() { [ -n "$(find "$TMPDIR" -name 'mist-store.*')" ]; }
	wait_for 60 left_there
	left=$(find "$TMPDIR" -maxdepth 1 -name 'mist-store.*')
	[ -d "$left" ]
	touch -d '1 hour ago' "$left"
	mist mist-aggregate -q -o s3://b/y.st w.st # it is in use
	assert_ok
	[ -d "$left" ]
	kill -KILL $pid
	wait $pid 2>/dev/null || :
	[ -d "$left" ]
	touch -d '1 hour ago' "$left"
	mist mist-aggregate -q -o s3://b/y.st w.st
	assert_ok
	[ ! -e "$left" ]
}

@test "an upload that fails leaves nothing in the store" {
	start_s3
	extract -w w.st --budget 1 -o s3://b/refused.tar set
	assert_one_line_error 6 'above the budget'
	AWS_SECRET_ACCESS_KEY=wrong mist mist-aggregate -q -o s3://b/x.st w.st
	assert_one_line_error 5 "cannot write 's3://b/x.st': the server answered 403"
	run find objects -name '*_object'
	[ -z "$output" ]
}

@test "credentials: from a profile, from nowhere, from a file that others can read" {
	start_s3
	unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
	mist mist-aggregate -o s3://b/x.st w.st
	assert_one_line_error 2 "no credentials for 's3://b/x.st'"
	printf '[default]\naws_access_key_id = S3RVER\naws_secret_access_key = S3RVER\n' >"$HOME/aws"
	chmod 644 "$HOME/aws"
	mist mist-aggregate -o s3://b/x.st w.st
	assert_one_line_error 6 "others can read the credentials in '$HOME/aws'"
	chmod 600 "$HOME/aws"
	mist mist-aggregate -q -o s3://b/x.st w.st
	assert_ok
	mist mist-aggregate -q -o s3://b/ w.st
	assert_one_line_error 2 'is not s3://BUCKET/KEY'
}

@test "GET and PUT over HTTP" {
	start_nginx
	cp w.st www/
	extract -q -w "$url/w.st" --output="$url/features/edge.tar" set
	assert_ok
	extract -q -w w.st -o want.tar set
	assert_same want.tar www/features/edge.tar
	mist mist-aggregate -q "-o$url/all.tar" "$url/features/edge.tar"
	assert_ok
	[ -s www/all.tar ]
	mist mist-aggregate -q -o "$url/readonly/x.tar" want.tar
	assert_one_line_error 5 "cannot write '$url/readonly/x.tar': the server answered 405"
	assert_empty_dir www/readonly
	printf 'no stream' >www/bad.tar
	mist mist-aggregate -q -o got.tar "$url/bad.tar"
	assert_one_line_error 3 "'$url/bad.tar'"
}

@test "a bearer token, and a name and password from netrc" {
	start_nginx
	mist mist-aggregate -q -o "$url/secret/x.st" w.st
	assert_one_line_error 5 'the server answered 401'
	MISTUTILS_TOKEN=open-sesame mist mist-aggregate -q -o "$url/secret/x.st" w.st
	assert_ok
	MISTUTILS_TOKEN=open-sesame mist mist-model info "$url/secret/x.st"
	assert_ok
	MISTUTILS_TOKEN=open-sesame mist mist-model info http://example.invalid/x.st
	assert_one_line_error 6 'a bearer token is not sent in clear'
	mist mist-aggregate -q -o "$url/user/x.st" w.st
	assert_one_line_error 5 'the server answered 401'
	printf 'machine 127.0.0.1 login me password word\n' >"$HOME/.netrc"
	chmod 644 "$HOME/.netrc"
	mist mist-aggregate -q -o "$url/user/x.st" w.st
	assert_one_line_error 6 'others can read'
	chmod 600 "$HOME/.netrc"
	mist mist-aggregate -q -o "$url/user/x.st" w.st
	assert_ok
	[ -s www/user/x.st ]
}

@test "a wrong command line touches neither the network nor the disk" {
	mist mist-aggregate --nonsense -o http://127.0.0.1:1/y http://127.0.0.1:1/x
	assert_status 2
	mist mist-aggregate --help -o http://127.0.0.1:1/y
	assert_ok
}

@test "where libcurl is missing, broken or another, only what lies elsewhere is out of reach" {
	grep -q LIBCURL_SONAME "$MIST_BUILDDIR/config.status" || skip "libcurl is linked here"
	soname=$(libcurl_soname)
	mkdir lib
	printf x >"lib/$soname"
	LD_LIBRARY_PATH=$PWD/lib mist mist-aggregate -q -o http://127.0.0.1:1/y w.st
	assert_one_line_error 4 "cannot load '$soname': "
	assert_says 'file too short'
	cp "$(ldd "$(prog mist-aggregate)" | awk '/libjansson/ { print $3 }')" "lib/$soname"
	LD_LIBRARY_PATH=$PWD/lib mist coco-fetch -q -d got http://127.0.0.1:1/x
	assert_one_line_error 4 'undefined symbol: curl_'
	[ ! -d got ] || assert_empty_dir got
	LD_LIBRARY_PATH=$PWD/lib mist mist-aggregate -q -o y.st w.st
	assert_ok
}
