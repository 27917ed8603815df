# Many clients on one machine: share/mistutils/experiments/simulate.sh.
load helper

setup() {
	[ -x /usr/bin/time ] || skip '/usr/bin/time is not installed'
	scratch
	export PATH=$MIST_BUILDDIR/tools:$PATH
	simulate=$MISTUTILS_SHARE/experiments/simulate.sh
}

# peak N STEP: in KiB, of table.tsv.
peak() {
	awk -F'\t' -v n="$1" -v step="$2" '$1 == n && $3 == step {print $5}' table.tsv
}

@test "a hundred clients take no more memory than four, and those the trace has down are missing" {
	sh "$simulate" -n '4 100' -i 1 -k kept >table.tsv
	[ "$(head -n 1 table.tsv)" = $'clients\tpresent\tstep\tseconds\tpeak_kib' ]
	[ "$(wc -l <table.tsv)" -eq 9 ]
	present=$(awk -F'\t' '$1 == 100 {print $2; exit}' table.tsv)
	[ "$present" -gt 50 ] && [ "$present" -lt 100 ]
	# those who were there, by the trace itself
	want=$(for i in $(seq 100); do
		sed -n "$(((i - 1) % 50 + 1))s/^\\(.\\).*/\\1/p" "$MISTUTILS_SHARE/experiments/availability.txt"
	done | grep -c 1)
	[ "$present" -eq "$want" ]
	[ "$(tar xOf kept/all.tar mist.json | grep -o '"client":"' | wc -l)" -eq "$present" ]
	! grep -aq __asan_init "$(prog mist-aggregate)" || skip 'a sanitizer keeps what was freed'
	for step in partition extract aggregate; do
		[ "$(peak 100 $step)" -le $(($(peak 4 $step) + 3 * 1024)) ]
	done
	# training holds the features: 128 bytes a client, and what belongs to a sample
	[ "$(peak 100 train)" -le $(($(peak 4 train) + 8 * 1024)) ]
}
