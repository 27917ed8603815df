#!/bin/sh
# nightly-edge.sh CLIENT DATASET WEIGHTS STORE [OPTION…] - what an edge does every night, from cron.
#
# Extracts the features of the images of DATASET (a folder with images/ and labels/, which grows) that
# have not been sent yet, and drops them into STORE as CLIENT-DATE.tar. OPTIONs are mist-extract's: the
# cut, epsilon, a budget. STORE is the cloud's inbox: a folder that both mount, or that rsync empties.
#
# What was sent is listed in DATASET/.sent. Should the list be lost, or this be killed before it is
# written, images are sent again: mist-extract's ledger sees to it that they get the same bits, which
# cost no privacy, and the cloud drops them.
set -eu
client=$1 dataset=$2 weights=$3 store=$4
shift 4
night=${NIGHT:-$(date +%F)}

cd "$dataset"
exec 9>.sent.lock
flock -n 9 || exit 0 # last night's run is still at it
touch .sent
find images -type f | sort | sed 's|^|./|' >.all
sort .sent | comm -23 .all - >.new.txt
if ! [ -s .new.txt ]; then
	exit 0 # no new images, nothing to send
fi
out=$store/$client-$night.tar
if [ -e "$out" ]; then
	echo "nightly-edge: '$out' is there already" >&2
	exit 1
fi
mist-extract -q -w "$weights" --client "$client" "$@" -o "$store/.$client-$night.part" .new.txt
mv "$store/.$client-$night.part" "$out"
cat .new.txt >>.sent
