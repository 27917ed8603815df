#!/bin/sh
# build-aux/lint.sh [BUILDDIR] - the house rules that a script can check (architecture, style).
# One line per finding, "FILE:LINE: what"; status 1 if there was any. Rules that need objects look at
# BUILDDIR/libmist.a.
set -u
cd "$(dirname "$0")/.." || exit 4
build=${1-build}
tmp=$(mktemp -d) || exit 4
trap 'rm -rf "$tmp"' EXIT
found=$tmp/found
: >"$found"

say() {
	printf '%s\n' "$*" >>"$found"
}

# The files of the project, tracked or about to be.
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
	git ls-files --cached --others --exclude-standard
else
	find . -path './build*' -prune -o -type f -print | sed 's,^\./,,'
fi | while read -r f; do if [ -f "$f" ]; then printf '%s\n' "$f"; fi; done | sort >"$tmp/files"
grep -E '\.[ch]$' "$tmp/files" >"$tmp/sources"

# A room includes from itself and from rooms before it in this list; nothing includes tools/.
dependency_law() {
	grep -E '^(src|tools)/' "$tmp/sources" | xargs grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' /dev/null |
		awk -F: '
		BEGIN {
			n = split("base io nn model data mist fed eval train attack job", list, " ")
			for (i = 1; i <= n; i++)
				rank[list[i]] = i
			rank["tools"] = n + 1
		}
		{
			split($1, part, "/")
			room = part[1] == "tools" ? "tools" : part[2]
			target = $3
			sub(/^[^"]*"/, "", target)
			sub(/".*/, "", target)
			split(target, to, "/")
			if (target ~ /\.\./ || !(to[1] in rank))
				printf "%s:%s: include \"ROOM/FILE.h\", not \"%s\"\n", $1, $2, target
			else if (to[1] == "tools")
				printf "%s:%s: nothing includes tools/\n", $1, $2
			else if (!(room in rank))
				printf "%s:%s: src/%s is not a room\n", $1, $2, room
			else if (rank[to[1]] > rank[room])
				printf "%s:%s: %s/ must not include from %s/\n", $1, $2, room, to[1]
		}' >>"$found"
}

formatting() {
	command -v clang-format >/dev/null || { say "clang-format is not installed"; return; }
	while read -r f; do
		clang-format --dry-run -Werror "$f" >/dev/null 2>&1 || say "$f:1: clang-format -i would change it"
	done <"$tmp/sources"
}

lengths() {
	while read -r f; do
		limit=800
		case $f in tools/*) limit=250 ;; esac
		lines=$(wc -l <"$f")
		[ "$lines" -le $limit ] || say "$f:$limit: $lines lines, the limit is $limit"
	done <"$tmp/sources"
}

# What is released can be built and tested as what is cloned.
distribution() {
	[ -f "$build/Makefile" ] || { say "build-aux/lint.sh: $build is not configured"; return; }
	make -s -C "$build" distdir distdir="$tmp/dist" top_distdir="$tmp/dist" >/dev/null || say "make distdir fails"
	(cd "$tmp/dist" && find . -type f | sed 's,^\./,,' | sort) |
		comm -23 "$tmp/files" - | grep -vE '^\.ci/|^\.gitignore$|\.gitkeep$' |
		sed 's/$/:1: is not in the distribution (EXTRA_DIST)/' >>"$found"
}

file_names() {
	{
		grep -E '\.([ch]|sh|bats|bash)$' "$tmp/files" | sed 's,.*/,,' | sort | uniq -d |
			sed 's/^/file name used twice: /'
		grep -E '(^|/)(utils?|common|misc|helpers)[^/]*\.[ch]$' "$tmp/files" |
			sed 's/$/:1: a file is named by the noun it is about/'
		grep -E '^src/.*\.[ch]$' "$tmp/files" | grep -vE '^src/[a-z]+/[a-z0-9_-]+(\.inc)?\.[ch]$' |
			sed 's/$/:1: sources lie in src\/ROOM\/NAME.[ch]/'
	} >>"$found"
}

# Every header is guarded by MIST_ROOM_NAME_H, but for those read more than once.
guards() {
	grep -E '^src/.*\.h$' "$tmp/sources" | grep -v '\.inc\.h$' | while read -r f; do
		guard=MIST_$(printf '%s' "${f#src/}" | tr '[:lower:]/.-' '[:upper:]___')
		grep -q "^#ifndef $guard\$" "$f" || say "$f:1: the guard should be $guard"
	done
}

scripts() {
	command -v shellcheck >/dev/null || { say "shellcheck is not installed"; return; }
	while read -r f; do
		case $f in
		*.bash | *.bats) continue ;; # bats' own dialect: helper.bash is checked by name below
		esac
		head -c 64 "$f" | head -n 1 | grep -aqE '^#! ?/(usr/)?bin/(env )?(ba|da)?sh' || continue
		shellcheck -f gcc "$f" >>"$found" || :
	done <"$tmp/files"
	# What bats defines is not assigned here.
	shellcheck -f gcc -e SC2154 tests/helper.bash tests/job.bash >>"$found" || :
}

manuals() {
	command -v mandoc >/dev/null || { say "mandoc is not installed"; return; }
	grep -E '^man/.*\.[1-8]$' "$tmp/files" | xargs mandoc -T lint -W warning >>"$found" || :
}

# Objects of the library: no mutable state at file scope (function-local statics count), and nothing
# that prints or ends the process. By symbol, so that comments and macros cannot deceive.
# .data.rel.ro holds constants with addresses in them.
objects() {
	if [ ! -f "$build/libmist.a" ]; then
		say "$build/libmist.a: not built, its objects were not checked"
		return
	fi
	objdump -t "$build/libmist.a" | awk '
		/:[[:space:]]*file format/ { object = $1; sub(/:$/, "", object); next }
		object ~ /^(src_base_)?cli\.o$/ { next }
		($0 ~ / O / || $0 ~ /\.t(bss|data)/) && $0 ~ / (\.data|\.bss|\.tdata|\.tbss|\*COM\*)([.][A-Za-z0-9_.]+)?\t/ &&
		$0 !~ /\.data\.rel\.ro/ && $NF !~ /^(__asan|__odr_asan|\.Lubsan|\.LASAN|__sancov)/ {
			printf "%s: mutable state at file scope: %s\n", object, $NF
		}' >>"$found"
	nm -A "$build/libmist.a" 2>/dev/null | awk '
		$(NF - 1) != "U" { next }
		{
			split($1, part, ":")
			object = part[2]
			symbol = $NF
			sub(/@.*/, "", symbol)
		}
		object ~ /^(cli|err|mem)\.o$/ { next }
		symbol == "_exit" && object == "spawn.o" { next } # the child of a failed exec
		symbol == "stdout" && object == "file.o" { next }
		symbol ~ /^(__)?(v?printf|puts|putchar|perror|v?warnx?|v?errx?)(_chk)?$/ ||
		symbol ~ /^(stdout|stderr|_?exit|_Exit|quick_exit|abort|__assert_fail|setlocale)$/ {
			printf "%s: the library neither prints nor exits: %s\n", object, symbol
		}' >>"$found"
}

# Static analysis with the checks that do not cry wolf.
analysis() {
	command -v cppcheck >/dev/null || return 0
	# shellcheck disable=SC2046 # a list of names without spaces
	cppcheck --quiet --enable=warning --inline-suppr --std=c11 --error-exitcode=0 \
		--suppress=internalAstError --suppress=preprocessorErrorDirective --suppress=syntaxError \
		--suppress=unknownMacro --suppress=memleak:src/base/mem.c \
		--suppress=autoVariables --suppress=returnDanglingLifetime --suppress=missingInclude --template='{file}:{line}: {message} ({id})' \
		-j2 -Isrc $(grep -E '^(src|tools)/.*\.c$' "$tmp/sources") 2>>"$found" >/dev/null
}

dependency_law
formatting
lengths
distribution
file_names
guards
scripts
manuals
objects
analysis

sort -u "$found"
if [ -s "$found" ]; then
	echo "lint: $(sort -u "$found" | wc -l) findings"
	exit 1
fi
echo "lint: clean"
