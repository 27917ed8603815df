# coco-fetch against a loopback server with bad manners, hostile archives and local files. Offline.
load helper

setup() {
	scratch
	unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY MISTUTILS_SOURCES
	export no_proxy=127.0.0.1,localhost
	mkdir www got
	head -c 300000 /dev/urandom >www/data.bin
	digest=$(sha256sum <www/data.bin | cut -d' ' -f1)
}

teardown() {
	if [ -n "${server-}" ]; then
		kill "$server"
	fi
}

# Starts the server; $base is its URL, ./log has a line a request.
serve() {
	local port
	mkfifo port
	"$MIST_BUILDDIR/tests/httpd" www log >port 3>&- &
	server=$!
	read -r port <port
	base=http://127.0.0.1:$port
	: >>log
}

requests() {
	wc -l <log
}

make_set() { # make_set NAME: a little data set in YOLO's layout, packed as www/NAME.zip
	mkdir -p "$1/images/train2017" "$1/labels/train2017"
	echo picture >"$1/images/train2017/1.jpg"
	echo '0 .5 .5 .1 .1' >"$1/labels/train2017/1.txt"
	tar cf "www/$1.tar" "$1"
	gzip -k "www/$1.tar"
	rm -r "$1"
}

@test "a file comes whole and verified" {
	serve
	mist coco-fetch -d got --sha256 "$digest" "$base/data.bin"
	assert_ok
	[ "$output" = got/data.bin ]
	[ -z "$stderr" ]
	assert_same www/data.bin got/data.bin
	[ "$(ls -A got)" = data.bin ]
}

@test "without a digest it says that nothing was verified, and which digest it found" {
	serve
	mist coco-fetch -d got "$base/data.bin"
	assert_ok
	assert_says "not verified"
	assert_says "$digest"
}

@test "a wrong digest is status 3 and leaves nothing" {
	serve
	mist coco-fetch -d got --sha256 "${digest//[0-9]/0}" "$base/data.bin"
	assert_one_line_error 3 "SHA-256"
	assert_empty_dir got
}

@test "a broken transfer is taken up where it broke" {
	serve
	mist coco-fetch -q -d got --retries 3 "$base/cutonce=100000/data.bin"
	assert_ok
	assert_same www/data.bin got/data.bin
	grep -q 'bytes=100000- "tag.* 206$' log
}

@test "a transfer that breaks every time is status 5 and leaves nothing of a small file" {
	serve
	mist coco-fetch -d got --retries 0 "$base/cut=100000/data.bin"
	assert_one_line_error 5 "data.bin"
	assert_empty_dir got
}

@test "a large part is kept, and the next run goes on with it" {
	serve
	head -c 2100000 /dev/urandom >www/large.bin
	mist coco-fetch -q -d got --retries 0 "$base/cutonce=2000000/large.bin"
	assert_one_line_error 5 "run it again"
	mist coco-fetch -q -d got --retries 0 "$base/cutonce=2000000/large.bin"
	assert_ok
	assert_same www/large.bin got/large.bin
	grep -q 'bytes=2000000-' log
	[ "$(ls -A got)" = large.bin ]
}

@test "a kept part of something that has changed since is not used" {
	serve
	head -c 2100000 /dev/urandom >www/large.bin
	mist coco-fetch -q -d got --retries 0 "$base/cutonce=2000000/large.bin"
	assert_status 5
	head -c 2050000 /dev/urandom >www/large.bin
	mist coco-fetch -q -d got --retries 0 "$base/cutonce=2000000/large.bin"
	assert_ok
	assert_same www/large.bin got/large.bin
}

@test "without a validator or a digest nothing is resumed" {
	serve
	mist coco-fetch -q -d got --retries 0 "$base/bare/data.bin"
	assert_ok
	mist coco-fetch -q -d got --retries 0 "$base/chunkcut=1000/data.bin"
	assert_ok # it is there already
	rm got/data.bin
	mist coco-fetch -q -d got --retries 0 "$base/chunkcut=1000/data.bin"
	assert_one_line_error 5
	assert_empty_dir got
}

@test "a server without ranges is asked again from the beginning" {
	serve
	head -c 2100000 /dev/urandom >www/large.bin
	digest=$(sha256sum <www/large.bin | cut -d' ' -f1)
	mist coco-fetch -q -d got --retries 0 --sha256 "$digest" "$base/cutonce=2000000/large.bin"
	assert_status 5
	mist coco-fetch -q -d got --retries 0 --sha256 "$digest" "$base/norange/large.bin"
	assert_ok
	assert_same www/large.bin got/large.bin
}

@test "a kept part that turns out wrong is dropped for a fresh start" {
	serve
	head -c 1500000 /dev/zero >got/.data.bin.part
	mist coco-fetch -q -d got --retries 1 --sha256 "$digest" "$base/data.bin"
	assert_ok
	assert_same www/data.bin got/data.bin
}

@test "a busy server is asked again, with pauses" {
	serve
	mist coco-fetch -d got --retries 2 "$base/flaky=2/data.bin"
	assert_ok
	assert_says "trying again"
	[ "$(requests)" = 3 ]
}

@test "a file that is not there is asked for once: status 5" {
	serve
	mist coco-fetch -d got --retries 5 "$base/nowhere.bin"
	assert_one_line_error 5 "404"
	[ "$(requests)" = 1 ]
	assert_empty_dir got
}

@test "more bytes announced than sent are an error" {
	serve
	mist coco-fetch -d got --retries 0 "$base/long=10/data.bin"
	assert_one_line_error 5
	assert_empty_dir got
}

@test "a range that was not asked for is refused" {
	serve
	head -c 2100000 /dev/urandom >www/large.bin
	digest=$(sha256sum <www/large.bin | cut -d' ' -f1)
	mist coco-fetch -q -d got --retries 0 --sha256 "$digest" "$base/cutonce=2000000/large.bin"
	mist coco-fetch -q -d got --retries 0 --sha256 "$digest" "$base/badrange/large.bin"
	assert_one_line_error 5 "range"
	[ ! -e got/large.bin ]
}

@test "a connection that stands still is given up" {
	serve
	mist coco-fetch -d got --retries 0 --timeout 1 "$base/slow=1000/data.bin"
	assert_status 5
	assert_empty_dir got
}

@test "redirects are followed to http, but never to a file" {
	serve
	mist coco-fetch -q -d got "$base/redirect=http/data.bin"
	assert_ok
	assert_same www/data.bin got/data.bin
	mist coco-fetch -d got "$base/redirect=file/etc/passwd"
	assert_one_line_error 5
	[ ! -e got/passwd ]
	mist coco-fetch -d got "$base/redirect=loop/other"
	assert_one_line_error 5
}

@test "a certificate that nobody vouches for is refused" {
	need_program openssl
	openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -days 1 -subj /CN=localhost 2>/dev/null
	openssl s_server -accept 0 -key key -cert cert -WWW >port.txt 2>&1 3>&- &
	server=$!
	wait_for 30 grep -qs '^ACCEPT .*:[0-9][0-9]*$' port.txt || fail "$(cat port.txt)"
	port=$(sed -n 's/^ACCEPT .*:\([0-9]*\)$/\1/p' port.txt)
	mist coco-fetch -d got --retries 0 "https://localhost:$port/cert"
	assert_one_line_error 5 "certificate"
	assert_empty_dir got
}

@test "a password in a URL is not repeated in messages" {
	serve
	mist coco-fetch -d got --retries 0 "${base/\/\//\/\/me:secret@}/nowhere"
	assert_status 5
	case $stderr in *secret*) fail "the password is shown" ;; esac
}

@test "other protocols are refused" {
	for url in ftp://127.0.0.1/x scp://h/x gopher://h/x; do
		mist coco-fetch "$url"
		assert_one_line_error 3 "only http:, https: and file:"
	done
}

@test "mirrors are tried in turn" {
	serve
	cat >my.conf <<-END
		[thing]
		file = data.bin
		url = $base/nowhere.bin
		url = file:missing.bin
		url = $base/data.bin
		size = 300000
		sha256 = $digest
	END
	mist coco-fetch -d got --sources my.conf thing
	assert_ok
	assert_says "trying the next mirror"
	assert_same www/data.bin got/data.bin
}

@test "a mirror with other bytes is passed over" {
	serve
	head -c 300000 /dev/zero >www/forged.bin
	cat >my.conf <<-END
		[thing]
		file = data.bin
		url = $base/forged.bin
		url = $base/data.bin
		sha256 = $digest
	END
	mist coco-fetch -d got --sources my.conf thing
	assert_ok
	assert_says "SHA-256"
	assert_same www/data.bin got/data.bin
}

@test "a size that is not the expected one is an error" {
	serve
	printf '[thing]\nfile = data.bin\nurl = %s/data.bin\nsize = 299999\n' "$base" >my.conf
	MISTUTILS_SOURCES=my.conf mist coco-fetch -d got --retries 0 thing
	assert_one_line_error 3 "longer than the expected 299999"
	printf '[thing]\nfile = data.bin\nurl = %s/data.bin\nsize = 300001\n' "$base" >my.conf
	MISTUTILS_SOURCES=my.conf mist coco-fetch -d got --retries 0 thing
	assert_one_line_error 3 "300001 were expected"
	assert_empty_dir got
}

@test "a known name becomes a folder with images, labels and dataset.yaml" {
	serve
	make_set coco128
	cat >my.conf <<-END
		[coco128]
		names = $MISTUTILS_SHARE/coco.names
		train = images/train2017
		file = coco128.tar.gz
		url = $base/coco128.tar.gz
	END
	mist coco-fetch -q -d got --sources my.conf coco128
	assert_ok
	[ "$(ls -A got)" = coco128 ]
	[ "$(ls got/coco128)" = "$(printf 'dataset.yaml\nimages\nlabels')" ]
	grep -qx 'nc: 80' got/coco128/dataset.yaml
	grep -qx '  0: "person"' got/coco128/dataset.yaml
	grep -qx '  79: "toothbrush"' got/coco128/dataset.yaml
}

@test "what is there already is not fetched again" {
	serve
	make_set coco128
	mist coco-fetch -q -d got "$base/coco128.tar.gz"
	assert_ok
	before=$(requests)
	mist coco-fetch -d got "$base/coco128.tar.gz"
	assert_ok
	assert_says "there already"
	[ "$output" = got/coco128 ]
	[ "$(requests)" = "$before" ]
}

@test "a local file of a known name needs no network" {
	make_set coco128
	mist coco-fetch -q file:www/coco128.tar.gz
	assert_ok
	[ "$output" = coco128 ]
	grep -qx 'train: images/train2017' coco128/dataset.yaml
	rm -r coco128
	mist coco-fetch -q "$PWD/www/coco128.tar"
	assert_ok
	[ -f coco128/labels/train2017/1.txt ]
}

@test "COCO128 unpacks to 128 images and their labels" {
	need_shared data/coco128.zip
	mist coco-fetch -d got "file:$shared"
	assert_ok
	[ "$(find got/coco128/images -name '*.jpg' | wc -l)" = 128 ]
	[ "$(find got/coco128/labels -name '*.txt' -size +0 | wc -l)" = 128 ]
}

@test "several files make one folder, each in its place" {
	serve
	make_set one
	mkdir -p zip/val2017
	echo jpeg >zip/val2017/a.jpg
	tar czf www/val2017.tar.gz -C zip val2017
	cat >my.conf <<-END
		[both]
		file = one.tar.gz
		url = $base/one.tar.gz
		below = one/labels/train2017
		into = labels/val2017
		file = val2017.tar.gz
		url = $base/val2017.tar.gz
		below = val2017
		into = images/val2017
	END
	mist coco-fetch -q -d got --sources my.conf both
	assert_ok
	[ "$(cd got/both && find . -type f | sort | tr '\n' ' ')" = "./images/val2017/a.jpg ./labels/val2017/1.txt " ]
}

@test "a folder is there whole or not at all" {
	serve
	make_set one
	cat >my.conf <<-END
		[both]
		file = one.tar.gz
		url = $base/one.tar.gz
		file = two.tar.gz
		url = $base/two.tar.gz
	END
	mist coco-fetch -q -d got --sources my.conf both
	assert_one_line_error 5 "two.tar.gz"
	assert_empty_dir got
}

@test "--no-unpack leaves an archive as it is" {
	serve
	make_set coco128
	mist coco-fetch -q -d got --no-unpack "$base/coco128.tar.gz"
	assert_ok
	assert_same www/coco128.tar.gz got/coco128.tar.gz
}

@test "a lone compressed file is unpacked too" {
	serve
	gzip -k www/data.bin
	mist coco-fetch -q -d got "$base/data.bin.gz"
	assert_ok
	assert_same www/data.bin got/data.bin/data.bin
}

@test "weights are copied, not unpacked, though PyTorch's files are zip archives" {
	need_shared data/yolov5n.pt
	mist coco-fetch -q -d got "file:$shared"
	assert_ok
	assert_same "$shared" got/yolov5n.pt
}

@test "hostile archives are refused whole, and nothing of them remains" {
	for kind in absolute dotdot dotdot-deep through-link link-out link-absolute link-chain \
		link-loop hard-link-out hard-link-absolute device fifo twice file-and-folder; do
		for suffix in tar zip tar.xz tar.zst; do
			case $kind.$suffix in hard-link*.zip | device.zip | fifo.zip) continue ;; esac
			"$MIST_BUILDDIR/tests/hostile" $kind www/$kind.$suffix
			mist coco-fetch -q -d got www/$kind.$suffix
			assert_one_line_error 3 "cannot unpack" || fail "$kind.$suffix"
			assert_empty_dir got
		done
	done
	[ ! -e evil ] && [ ! -e ../evil ] && [ ! -e /tmp/mistutils-evil ]
}

@test "a bomb is refused before it fills the disk" {
	"$MIST_BUILDDIR/tests/hostile" bomb www/bomb.tar.gz
	mist coco-fetch -q -d got www/bomb.tar.gz
	assert_one_line_error 3 "times its size"
	assert_empty_dir got
}

@test "honest archives keep their links, but neither modes nor owners" {
	for suffix in tar zip tar.gz tar.xz tar.zst; do
		"$MIST_BUILDDIR/tests/hostile" honest www/honest.$suffix
		mist coco-fetch -q -d got www/honest.$suffix
		assert_ok || fail $suffix
		[ "$(readlink got/honest/link)" = images ]
		assert_same got/honest/good.txt got/honest/..dots..
		[ -e "$(printf 'got/honest/images/a b\303\251.txt')" ]
		[ -z "$(find got/honest -perm /6000)" ]
		rm -r got/honest
	done
}

@test "truncated, empty and foreign archives are status 3 and leave nothing" {
	make_set one
	size=$(stat -c %s www/one.tar.gz)
	for n in 0 1 20 $((size / 2)) $((size - 1)); do
		head -c $n www/one.tar.gz >www/short.tar.gz
		mist coco-fetch -q -d got www/short.tar.gz
		assert_one_line_error 3 "short.tar.gz" || fail "$n bytes"
		assert_empty_dir got
	done
	"$MIST_BUILDDIR/tests/hostile" honest www/good.zip
	size=$(stat -c %s www/good.zip)
	for n in 1 40 $((size / 2)) $((size - 30)); do
		head -c $n www/good.zip >www/short.zip
		mist coco-fetch -q -d got www/short.zip
		assert_one_line_error 3 "short.zip" || fail "$n bytes of a zip"
		assert_empty_dir got
	done
	cp www/data.bin www/foreign.zip
	mist coco-fetch -q -d got www/foreign.zip
	assert_one_line_error 3 "no zip, tar, gz, xz or zst"
	assert_empty_dir got
}

@test "an interrupted run cleans up and ends by the signal" {
	serve
	"$(prog coco-fetch)" -q -d got "$base/slow=1000/data.bin" 2>err &
	pid=$!
	wait_for 30 grep -q data.bin log
	sleep 0.2
	kill "$pid"
	status=0
	wait "$pid" || status=$?
	[ "$status" = 143 ]
	assert_empty_dir got
	grep -q interrupted err
}

@test "two runs do not write the same file" {
	serve
	exec 9<>got/.data.bin.part
	flock 9
	mist coco-fetch -q -d got "$base/data.bin"
	assert_one_line_error 4 "another process"
}

@test "a full disk is status 4" {
	[ -w /dev/full ] || skip "no /dev/full"
	ln -s /dev/full got/.data.bin.part
	serve
	mist coco-fetch -q -d got "$base/data.bin"
	assert_status 4
	[ ! -e got/data.bin ]
}

@test "faults in a sources file are told by line" {
	printf '[a]\nfile = x\nurl = ftp://h/x\n' >my.conf
	mist coco-fetch --sources my.conf a
	assert_one_line_error 3 "my.conf:3:"
	printf '[a]\ncolour = red\n' >my.conf
	mist coco-fetch --sources my.conf a
	assert_one_line_error 3 "my.conf:2:"
	printf '[../a]\n' >my.conf
	mist coco-fetch --sources my.conf a
	assert_one_line_error 3 "my.conf:1:"
	printf '[a]\nfile = x\n' >my.conf
	mist coco-fetch --sources my.conf a
	assert_one_line_error 3 "no url"
	printf '[a]\nfile = x\nurl = file:y\ninto = ../../b\n' >my.conf
	mist coco-fetch --sources my.conf a
	assert_one_line_error 3 "my.conf:4:"
}

@test "--list names what is known and whether it can be verified" {
	mist coco-fetch --list
	assert_ok
	for name in coco128 coco2017-train coco2017-val coco2017-annotations yolov5n yolov5s yolov5m \
		yolov5l yolov5x mnist fashion-mnist; do
		assert_output "$name " || return 1
	done
	assert_output "not verified"
}

@test "a misspelt name is told the nearest known one" {
	mist coco-fetch coco182
	assert_one_line_error 3 "is 'coco128' meant?"
}

@test "wrong usage is status 2" {
	mist coco-fetch
	assert_status 2
	mist coco-fetch --sha256 beef x
	assert_status 2
	mist coco-fetch --sha256 "$digest" x y
	assert_status 2
	mist coco-fetch -o x y
	assert_status 2
}
