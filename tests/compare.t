#!/bin/bash
# shellcheck disable=SC2016 # what ok evaluates is expanded later
# SPDX-License-Identifier: GPL-2.0-only
# lab/compare.py, and lab/known, with results that are made up.

. "$(dirname "$0")/tap.sh"

cp -r "$LAB" "$tmp/lab"
compare=$tmp/lab/compare.py
printf '%s\t%s\t%s\n' fail '^broken_test$' 'the emulator lacks it' skip '^vmx_' "Intel's" varies '^clock_test$' 'the clock' >"$tmp/lab/known"

# run NAME VERDICT CASE=STATUS...: a run of one command.
run()
{
	mkdir -p "$tmp/runs/$1"
	python3 - "$@" >"$tmp/runs/$1/results.json" <<-'END'
	import json, sys
	name, verdict, *cases = sys.argv[1:]
	cases = [dict(zip(('name', 'status'), case.split('=')), why='KVM lacks it' if case.endswith('=skip') else '', allowed=True) for case in cases]
	print(json.dumps({'format': 1, 'scenario': name, 'title': name, 'started': None, 'seconds': 1,
	    'kernel': {'version': '7.3.4', 'architecture': 'x86_64', 'command_line': '', 'built': {'series': name}},
	    'machine': {'qemu': 'QEMU', 'accelerator': 'tcg', 'cpus': 2, 'seed': 1, 'timeout': 10, 'status': '0'},
	    'expected': 'PASS', 'verdict': verdict, 'said': [], 'files': {},
	    'commands': [{'command': 'run_kselftest.sh -c kvm', 'verdict': verdict, 'status': 0, 'seconds': 1, 'cases': cases}]}))
	END
	echo CONFIG_KVM=y >"$tmp/runs/$1/config"
}
# compares STATUS RUN RUN [OPTION]: what it prints is in $tmp/out.
compares()
{
	local want=$1 got=0

	"$compare" ${4:+"$4"} "$tmp/runs/$2" "$tmp/runs/$3" >"$tmp/out" || got=$?
	cat "$tmp/out"
	[ "$got" = "$want" ]
}
usual=(irqfd_test=ok broken_test='not ok' vmx_msrs_test=skip xen_test=skip)
run a PASS "${usual[@]}" clock_test=ok
run b PASS "${usual[@]}" clock_test=ok
ok "compare: equal" eval 'compares 0 a b && [ "$(tail -n 1 "$tmp/out")" = EQUAL ] &&
	grep -qx "5 cases: 2 ok in both, 1 not ok in both, 2 skipped in both, 0 differ, of which 0 may" "$tmp/out"'
ok "compare: ... what fails and what is skipped, with the reason" eval '
	grep -qx "broken_test  *not ok  not ok  the emulator lacks it" "$tmp/out" && grep -qx "vmx_msrs_test  *skip  *skip  *Intel.s" "$tmp/out" &&
	grep -qx "xen_test  *skip  *skip  *KVM lacks it" "$tmp/out" && ! grep irqfd_test "$tmp/out"'
ok "compare: ... with what else differs" eval 'grep -qx "1st   *series  *a" "$tmp/out" && grep -qx "2nd   *series  *b" "$tmp/out" && grep -qx "both  *cpus  *2" "$tmp/out"'
ok "compare: ... and all others" eval 'compares 0 a b --all && grep -qx "irqfd_test  *ok  *ok  *?" "$tmp/out"'
ok "compare: one directory of two" eval '"$compare" "$tmp/runs" >"$tmp/out" && tail -n 1 "$tmp/out" | grep -qx EQUAL'
run c FAIL "${usual[@]/irqfd_test=ok/irqfd_test=not ok}" clock_test=ok
ok "compare: what fails in one" eval 'compares 1 a c && tail -n 1 "$tmp/out" | grep -x "NOT EQUAL: irqfd_test, verdicts PASS and FAIL"'
ok "compare: ... and is fixed in the other" compares 1 c a
run d PASS "${usual[@]/broken_test=not ok/broken_test=ok}" clock_test=ok
ok "compare: what may fail has to fail in both" eval 'compares 1 a d && tail -n 1 "$tmp/out" | grep -x "NOT EQUAL: broken_test"'
run e PASS "${usual[@]}" clock_test='not ok'
ok "compare: what varies may" eval 'compares 0 a e && grep "clock_test  *ok  *not ok  *the clock" "$tmp/out" && grep "1 differ, of which 1 may" "$tmp/out"'
run f PASS "${usual[@]:1}" clock_test=ok
ok "compare: what one does not have" eval 'compares 1 a f && tail -n 1 "$tmp/out" | grep -x "NOT EQUAL: irqfd_test"'
run g SPLAT "${usual[@]}" clock_test=ok
ok "compare: other verdicts" eval 'compares 1 a g && tail -n 1 "$tmp/out" | grep -x "NOT EQUAL: verdicts PASS and SPLAT"'
run h PASS "${usual[@]}" irqfd_test='not ok' clock_test=ok
ok "compare: one name twice" eval 'compares 1 a h && grep "irqfd_test  *ok  *ok, not ok" "$tmp/out"'
printf '%s\t%s\t%s\n' arm64-fail '^xen_test$' 'a reason of arm64' arm64-skip '^(xen|vmx_msrs)_test$' 'a reason of arm64' >>"$tmp/lab/known"
ok "compare: a reason of arm64 is none of x86-64" eval 'compares 0 a b && ! grep "of arm64" "$tmp/out"'
run j PASS "${usual[@]}" xen_test=skip
sed -i s/x86_64/arm64/ "$tmp/runs/j/results.json"
ok "compare: ... nor the other way round" eval 'compares 0 j j && grep -x "xen_test  *skip, skip  *skip, skip  *a reason of arm64" "$tmp/out" &&
	! grep "the emulator lacks it" "$tmp/out"'
ok "compare: ... and what is skipped twice is one case that is skipped" grep -x "4 cases: 1 ok in both, 1 not ok in both, 2 skipped in both, 0 differ, of which 0 may" "$tmp/out"
mkdir "$tmp/runs/i"
sed 's/"commands": .*/"commands": []}/' "$tmp/runs/a/results.json" >"$tmp/runs/i/results.json"
ok "compare: nothing on both sides is not equal" fails 2 'lab: neither run has results' "$compare" "$tmp/runs/i" "$tmp/runs/i"
ok "compare: a run too few" fails 2 'lab: 1 runs, two are needed' "$compare" "$tmp/runs/a"
ok "compare: not a run" fails 2 'lab: no results in ' "$compare" "$tmp/runs/a" "$tmp/bin"
printf 'maybe\t^a$\tb\n' >>"$tmp/lab/known"
ok "compare: lab/known is as it has to be" fails 2 'lab: lab/known: not a kind' "$compare" "$tmp/runs/a" "$tmp/runs/b"
ok "known: patterns of some kinds, as scenarios want them" eval '[ "$(known fail varies | wc -l)" = "$(grep -cP "^(fail|varies)\t" "$LAB/known")" ] &&
	[ "$(known none)" = "" ] && ! { known fail varies | grep "	"; }'
# same A B: but for the series, and what they are called.
same()
{
	local all=() scenario

	for scenario; do
		load_scenario "$scenario"
		all+=("$BASE|$CONFIGS|$CPUS|$APPEND|$JOB|$TIMEOUT|$REALTIME|$SHIFT|$EXPECT|$MAY_FAIL|$MAY_SKIP|$MAY_SAY")
		[ "$scenario: $series" = "$scenario: none" ] || [[ $scenario != stock-* ]] || return
	done
	[ "${all[0]}" = "${all[1]}" ]
}
for part in selftests slow-selftests arm64-selftests; do
	ok "known: stock-$part and patched-$part differ by the series alone" same "stock-$part" "patched-$part"
done
# left_out SCENARIO NAME, has SCENARIO COMMAND
left_out() { load_scenario "$1" && [[ $JOB = *" -S kvm:$2 "* ]]; }
has() { load_scenario "$1" && grep -qxF -- "$2" <<<"$JOB"; }
each_slow()
{
	local name options

	known slow >"$tmp/slow" && [ -s "$tmp/slow" ] && while read -r name options; do
		left_out patched-selftests "$name" && left_out patched-arm64-selftests "$name" &&
			has patched-slow-selftests "$name${options:+ $options}" || return
	done <"$tmp/slow"
}
ok "known: each test that is slow is left out, and run by itself" each_slow

plan
