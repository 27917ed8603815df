# The manners that every program inherits from base/cli, shown on the smallest one.
load helper

@test "template counts the bytes of its inputs" {
	printf abc >a
	mist template a a
	assert_ok
	[ "$output" = 6 ]
	[ -z "$stderr" ]
}

@test "'-' is standard input" {
	run --separate-stderr sh -c 'printf 12345 | "$1" -' sh "$(prog template)"
	assert_ok
	[ "$output" = 5 ]
}

@test "-o writes the result aside and renames it" {
	printf abc >a
	mist template -o out a
	assert_ok
	[ -z "$output" ]
	[ "$(cat out)" = 3 ]
	[ "$(ls -A)" = "$(printf 'a\nout')" ]
}

@test "a missing input is one sentence and status 3" {
	mist template nowhere
	assert_one_line_error 3 "cannot read 'nowhere'"
}

@test "a failed run leaves no output behind" {
	mkdir d
	mist template -o d/out nowhere
	assert_one_line_error 3
	assert_empty_dir d
}

@test "wrong usage is status 2 and points to --help" {
	mist template --times 0 x
	assert_status 2
	assert_says "--times"
	assert_says "--help"
	mist template
	assert_status 2
	assert_says "no FILE was given"
}

@test "--help that cannot be written fails with status 4" {
	run --separate-stderr sh -c '"$1" --help >/dev/full' sh "$(prog template)"
	assert_status 4
	assert_says "standard output"
}

@test "a closed pipe is status 4 and no signal" {
	printf abc >a
	run --separate-stderr bash -c '"$1" a | true; exit "${PIPESTATUS[0]}"' bash "$(prog template)"
	[ "$status" -eq 4 ] || [ "$status" -eq 0 ]
}

@test "--version names the program, the package and the licence" {
	mist template --version
	assert_ok
	assert_output "template (mistutils)"
	assert_output "Apache-2.0"
}
