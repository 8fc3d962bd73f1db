# SPDX-License-Identifier: GPL-2.0-only
# In the guest, for a LAVA server, see lab/lava.py: the tests' output -> a signal for
# the last command, and one for each case that it has printed, as KTAP, KUnit's nested
# results, or quoted by kselftest's runner.  The names are those of lab/ktap.py, with
# `_` for all that is neither a letter nor a digit.  A command whose plan is not met has failed,
# as nobody may know the case that is missing.

function slug(text)
{
	text = tolower(text)
	gsub(/[^a-z0-9]+/, "_", text)
	gsub(/^_+|_+$/, "", text)
	return text
}

function signal(name, result)
{
	signals[++n] = "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=" slug(name) " RESULT=" result ">"
}

function forget_subtests(indent,    i)
{
	for (i in subtest)
		if (i + 0 >= indent)
			delete subtest[i]
}

# What is nested at least so deep has ended: are there as many results as planned?
function check_plans(level,    i)
{
	for (i in planned)
		if (i + 0 >= level) {
			if (planned[i] != seen[i] + 0)
				is_short = 1
			delete planned[i]
		}
	for (i in seen)
		if (i + 0 >= level)
			delete seen[i]
}

# The names of what a line with that indentation is nested in.
function path(indent,    i, text)
{
	for (i = 0; i <= indent; i++)
		if (i in subtest)
			text = text subtest[i] "/"
	return text
}

/^lab: run / {
	n = 0
	check_plans(0)
	is_short = 0
	forget_subtests(0)
	command = substr($0, 10)
	word = command
	while (word ~ /^[A-Z_]+=[^ ]* /)
		sub(/^[^ ]* /, "", word)
	sub(/ .*/, "", word)
	is_runner = word == "run_kselftest.sh"
	test = is_runner || word == "kunit" ? "" : word "/"
	next
}

/^lab: exit / {
	check_plans(0)
	signal(command, is_short ? "fail" : $3 == 0 ? "pass" : $3 == 4 ? "skip" : "fail")
}

is_runner && /^# selftests: / { test = $NF "/"; next }

{
	line = $0
	quoted = is_runner && sub(/^# /, "", line)
	match(line, /^ */)
	indent = RLENGTH
	line = substr(line, indent + 1)
	level = indent + (quoted ? 1000 : 0)
}

line ~ /^# Subtest: / {
	forget_subtests(indent)
	subtest[indent] = substr(line, 12)
}

line ~ /^1\.\.[0-9]+/ { planned[level] = substr(line, 4) + 0 }

line ~ /^(not )?ok [0-9]+/ {
	seen[level]++
	check_plans(level + 1)
	result = line ~ /^not / ? "fail" : line ~ /# SKIP/ ? "skip" : "pass"
	sub(/^(not )?ok [0-9]+ *(- )?/, "", line)
	sub(/ *# .*/, "", line)
	has_cases = 0
	for (i in subtest)
		if (i + 0 > indent)
			has_cases = 1
	forget_subtests(indent + 1)
	if (is_runner && !quoted)
		sub(/^selftests: [^ ]*: /, "", line)
	if (!has_cases || result == "fail")
		signal((is_runner && !quoted ? "" : test) path(indent) line, result)
}

END { for (i = 1; i <= n; i++) print signals[i] }
