# json.awk - a JSON text, a line per value: path, tab, value. {"a": {"b": [1, "x"]}} is
#	.a.b[0]	1
#	.a.b[1]	x
# For figures of programs: \u is left as it is. Damaged JSON ends with status 1.
{
	text = text $0 "\n"
}

END {
	at = 1
	value("")
	space()
	exit at <= length(text)
}

function fail() {
	print "json.awk: damaged JSON at character " at >"/dev/stderr"
	exit 1
}

function space() {
	while (substr(text, at, 1) ~ /[ \t\n\r]/)
		at++
}

function string(    s, c) {
	if (substr(text, at++, 1) != "\"")
		fail()
	while ((c = substr(text, at++, 1)) != "\"") {
		if (c == "")
			fail()
		if (c == "\\")
			c = substr(text, at++, 1)
		s = s c
	}
	return s
}

# What lies between brackets: members of an object, or values of an array.
function list(path, end,    n, key) {
	at++
	space()
	while (substr(text, at, 1) != end) {
		key = "[" n + 0 "]"
		if (end == "}") {
			key = "." string()
			space()
			if (substr(text, at++, 1) != ":")
				fail()
		}
		value(path key)
		n++
		space()
		if (substr(text, at, 1) == ",") {
			at++
			space()
		} else if (substr(text, at, 1) != end)
			fail()
	}
	at++
}

function value(path,    c) {
	space()
	c = substr(text, at, 1)
	if (c == "{")
		list(path, "}")
	else if (c == "[")
		list(path, "]")
	else if (c == "\"")
		print path "\t" string()
	else if (match(substr(text, at, 64), /^[-+.0-9a-zA-Z]+/)) {
		print path "\t" substr(text, at, RLENGTH)
		at += RLENGTH
	} else
		fail()
}
