#!/bin/sh
# nightly-cloud.sh HOME CLIENTS QUORUM [OPTION…] - what the cloud does every night, from cron.
#
# HOME holds inbox/ (what edges drop), nights/ (a stream for every night, the store that grows) and
# weights/ (current.safetensors, which training goes on from, and one file a night). CLIENTS is a list
# with commas. All of them are waited for until DEADLINE (8h) after the first look, then QUORUM are
# enough. OPTIONs are mist-train's.
#
# Run it as often as you like: a night that is done is not done again, one that was killed is gone on
# with, and one that still waits ends with status 1.
set -eu
home=$1 clients=$2 quorum=$3
shift 3
night=${NIGHT:-$(date +%F)}
deadline=${DEADLINE:-8h}

cd "$home"
mkdir -p inbox nights weights
exec 9>.lock
flock -n 9 || exit 0 # an earlier run is still at it
part=weights/.$night # its checkpoint, and the sign that this night is not done
if [ -e "weights/$night.safetensors" ] && ! [ -d "$part" ]; then
	exit 0
fi
if ! [ -e "weights/$night.safetensors" ]; then
	all=$(printf '%s' "$clients" | tr ',' '\n' | grep -c .)
	mist-aggregate --inbox inbox --clients "$clients" --min-clients "$all" \
		--deadline "$deadline" --quorum "$quorum" --round "$night" \
		-o "nights/$night.tar"
	# Over everything there ever was; an image that was sent twice counts once.
	mist-aggregate -q --drop-duplicates nights/*.tar |
		mist-train -q -w weights/current.safetensors --project "$part" --resume \
			-o "weights/$night.safetensors" "$@"
fi
cp "weights/$night.safetensors" weights/.current
mv weights/.current weights/current.safetensors
rm -rf "$part"
