#!/bin/sh
# bytes.sh pictures DIR... - bytes of the pictures below DIR..., per picture.
# bytes.sh weights FILE TIMES DIR... - bytes of FILE, sent TIMES times, per picture below DIR...
set -eu
what=$1
shift
case $what in
pictures) total= ;;
weights)
	total=$(($(wc -c <"$1") * $2))
	shift 2
	;;
*)
	echo "usage: bytes.sh pictures|weights ..." >&2
	exit 2
	;;
esac
find -L "$@" -type f -exec wc -c {} \; | awk -v total="$total" '
	{n++; sum += $1}
	END {if (!n) exit 1; printf "%.0f\n", (total == "" ? sum : total) / n}'
