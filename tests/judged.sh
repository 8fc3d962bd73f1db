# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034 # what is set here is used by others
# A judge, and recorded runs for it, tests/judge/*.  Sourced, never run.

. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"
recorded=$TOP/tests/judge
# The kernel's parser of KTAP comes with its sources.
"$LAB/fetch.sh" "$NEWEST_BASE" >/dev/null
export LAB_CACHE=$CACHE
# Of the tests that the recorded runs are of, some have got more cases since.
cp -r "$LAB" "$tmp/lab"
printf '%s\n' 'irqfd_resampler_test 13' 'kvm_irqfd_resampler 63' >"$tmp/lab/cases"
judge=$tmp/lab/judge.py

# run_like RECORDED: a fresh copy in $run.
run_like()
{
	run=$tmp/run
	rm -rf "$run"
	cp -r "$recorded/$1" "$run"
}

# verdict WANTED: of $run; says why if it is another.
verdict()
{
	local got status=0

	got=$("$judge" "$run") || status=$?
	if [ "$1" = none ]; then
		[ "$status" = 2 ] && [ ! -e "$run/verdict" ]
	else
		[ "$status" = 0 ] && [ "$got" = "$1" ] && [ "$(head -n 1 "$run/verdict")" = "$1" ]
	fi || { cat "$run/verdict"; return 1; }
}

# quotes PATTERN: the verdict file of $run has it.
quotes()
{
	grep -E "$1" "$run/verdict" || { cat "$run/verdict"; return 1; }
}
