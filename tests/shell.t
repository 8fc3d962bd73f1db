#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2016 # what ok evaluates is expanded later
# The scripts: shellcheck, --help, and one clear line for wrong arguments.

. "$(dirname "$0")/tap.sh"
cd "$TOP"

scripts=(lab/*.sh lab/{bench,check,mutate,series,vmm}/*.sh tests/*.sh tests/*.t .ci/run)
ok "shellcheck is silent" shellcheck "${scripts[@]}"
ok "shellcheck is silent about the guest's scripts" shellcheck -s sh lab/guest/{init,kunit,releases,holds,soak,shrink,leaks,gcda} lab/vmm/nested-init
ok "... and about those that have local variables" shellcheck lab/guest/disturb*

helps()
{
	local out

	out=$("$1" --help) && [ "$(head -c 6 <<<"$out")" = Usage: ] && [ "$(wc -l <<<"$out")" -ge 3 ]
}

for script in lab/*.sh lab/vmm/*.sh $(find lab -maxdepth 1 -name '*.py' -executable | sort); do
	grep -q 'Sourced.* never run' "$script" || ok "$script --help" helps "$script"
done

ok "run: unknown scenario" fails 2 "lab: unknown scenario 'nonsense' \(one of: .*stock-proxy" lab/run.py nonsense
ok "lava-run: neither a run nor a scenario" fails 2 "lab: neither a run nor a scenario: 'nonsense'" lab/lava-run.sh stock-proxy nonsense
ok "run: no scenario" fails 2 'lab: which scenario' lab/run.py
ok "run: bad number of times" fails 2 'lab: --times needs' lab/run.py --times 0 stock-proxy
ok "fetch: unknown base" fails 2 "lab: unknown base '5.x' \(one of: .*6.18.y" lab/fetch.sh 5.x
ok "fetch: TREE that is not there" fails 2 'lab: TREE=/nonexistent does not exist' \
	env TREE=/nonexistent lab/fetch.sh 7.3.y
ok "fetch: TREE that is no kernel" fails 2 'is not a kernel tree' env TREE=/usr lab/fetch.sh 7.3.y
ok "build: unknown fragment" fails 2 "lab: unknown fragment 'nonsense'" \
	lab/build.sh 7.3.y none guest nonsense
ok "series: wrong arguments" fails 2 'lab: unknown arguments: frobnicate' lab/series.sh frobnicate
ok "series: unknown base" fails 2 "lab: unknown base '5.x'" lab/series.sh check 5.x
ok "series: a base without any" fails 2 'lab: base 7.1.y has no series' lab/series.sh edit 7.1.y
ok "series: not one of the base's" fails 2 "lab: base 6.18.y has no series 'kvm-next' \(of: 6.18.y 6.18.y-sched" \
	env SERIES=kvm-next lab/series.sh edit 6.18.y
# tap.sh has lib.sh.
names_series()
{
	(load_scenario "$1" && [ "$series" = "$2" ])
}
ok "series: a scenario may name one" names_series sched-proxy 6.18.y-sched
ok "series: ... or take a part of its base's" names_series stock-kunit kvm-next/=4+phantom
ok "series: ... or have more than it" names_series patched-kunit kvm-next+=4+phantom
ok "series: SERIES of the environment takes its place" eval 'SERIES=kvm-next/1-lock-hold names_series patched-lockdep kvm-next/1-lock-hold'
ok "series: ... but not on a base that does not have it" eval 'SERIES=kvm-next/1-lock-hold names_series patched-proxy 6.18.y'
# A typo in a scenario must not cost a boot of all others before it.
sound()
{
	local config

	load_scenario "$1"
	[ -f "lab/bases/$BASE" ] && [ -n "$JOB$TITLE" ] && [[ $EXPECT = @(PASS|DEADLOCK|SPLAT|FAIL|TIMEOUT) ]] || return
	for config in $CONFIGS; do [ -f "lab/configs/$config" ] || return; done
}
for scenario in lab/scenarios/*; do
	ok "scenario $(basename "$scenario") is sound" sound "$(basename "$scenario")"
done
ok "autopsy: unknown scenario" fails 2 "lab: unknown scenario 'nonsense'" lab/autopsy.sh nonsense
ok "sweep: unknown base" fails 2 "lab: unknown base '5.x'" lab/sweep.py 5.x
ok "sweep: not a cell" fails 2 "lab: what is the cell '7.1.y,0'" lab/sweep.py 7.1.y,0
ok "mutants: unknown mutant" fails 2 "lab: unknown mutant 'nonsense' \(one of: .*v2-shape" lab/mutants.py nonsense
ok "mutants: bad number of times" fails 2 'lab: --times needs' lab/mutants.py --times x
ok "mutants: the table names the patches, and no others" diff \
	<(sed '/^#/d; s/ .*/.patch/' mutants/TABLE | sort -u) <(cd mutants && printf '%s\n' *.patch)
ok "deps: --check says what is lacking, in its status, too" fails 1 'lab: packages are missing: .*no-such-package' \
	lab/deps.sh --check no-such-command=no-such-package
ok "bench: unknown part" fails 2 'lab: --only needs one of virtual, ' lab/bench.sh --only instructions
ok "build: --copy into what is no directory" fails 2 "lab: no directory '/nonexistent'" \
	lab/build.sh --copy /nonexistent 7.3.y none guest
ok "a make above the lab is not heard of by the kernel's" eval '
	[ "$(MAKEFLAGS=-j2 MFLAGS=-j2 MAKEOVERRIDES=ARCH=x LC_ALL=xx bash -c ". lab/lib.sh
		echo \${MAKEFLAGS-unset} \${MFLAGS-unset} \${MAKEOVERRIDES-unset} \$LC_ALL")" = "unset unset unset C" ]'
ok "judge: not a run" fails 2 'is not the directory of a run' lab/judge.py "$tmp"

# A test must not pass that ends before its end.
ends_early()
{
	printf '#!/bin/bash\n. "%s"\nok one true\n%s\nok two true\nplan\n' "$TOP/tests/tap.sh" "$1" >"$tmp/some.t"
	chmod +x "$tmp/some.t"
	LAB_CACHE=$tmp/cache tests/run.sh "$tmp/some.t" >"$tmp/some"
}
ok "tests: one that gets to its end" ends_early ''
ok "tests: ... or does not, with an error" eval '! ends_early "exit 1" && grep "^not ok .* ended with an error" "$tmp/some"'
ok "tests: ... or without" eval '! ends_early "exit 0" && grep "^not ok .* did not get to its end" "$tmp/some"'
ok "tests: none waits for ever" eval '! grep -nE "^[[:space:]]*(until|while) .*(sleep|kill -0)" tests/*.t'

# Ctrl-C is for all that are in the foreground; what runs in the background ignores it,
# unless told otherwise.  `ok` runs what has a status of its own for it, as lab/run.py.
cat >"$tmp/some.t" <<END
#!/bin/bash
. "$TOP/tests/tap.sh"
ok one bash -c 'trap "exit 130" INT; touch "\$0"; sleep 60' "$tmp/began"
ok two touch "$tmp/more"
plan
END
printf '#!/bin/bash\ntouch %s\n' "$tmp/more" >"$tmp/next.t"
chmod +x "$tmp/next.t"
ctrl_c()
{
	local status=0

	rm -f "$tmp/began"
	LAB_CACHE=$tmp/cache setsid env --default-signal=INT "$@" &
	wait_for test -e "$tmp/began" || return
	kill -INT -- "-$!"
	wait $! || status=$?
	[ "$status" = 130 ] && [ ! -e "$tmp/more" ] && ! ls "$tmp"/cache/tmp.*
}
ok "tests: Ctrl-C ends one" ctrl_c "$tmp/some.t"
ok "tests: ... and all that would follow" ctrl_c tests/run.sh "$tmp/some.t" "$tmp/next.t"

# tests/mends.sh, of a lab whose only test looks at one of two lines.
mkdir -p "$tmp/small/lab" "$tmp/small/tests"
cp lab/lib.sh lab/scenario.sh "$tmp/small/lab"
cp tests/mends.sh "$tmp/small/tests"
printf '%s\n' one two >"$tmp/small/lab/lines"
cat >"$tmp/small/tests/some.t" <<'END'
#!/bin/bash
grep -q one "${0%/*}/../lab/lines" && echo ok one || echo not ok one
END
printf '#!/bin/bash\ntouch %s\nsleep 60\n' "$tmp/began" >"$tmp/small/tests/slow.t"
chmod +x "$tmp/small/tests"/*.t
printf '%s\n' seen 'lab/lines /one/d' 'some.t one' '' unseen 'lab/lines /two/d' 'some.t one' '' \
	stale 'lab/lines /three/d' 'some.t one' '' slow 'lab/lines /one/d' 'slow.t one' >"$tmp/small/tests/MENDS"
git init -q "$tmp/small"
git -C "$tmp/small" add .
# mends STATUS PATTERN
mends()
{
	local status=0

	LAB_CACHE=$tmp/cache "$tmp/small/tests/mends.sh" "$2" >"$tmp/table" || status=$?
	cat "$tmp/table"
	[ "$status" = "$1" ]
}
ok "mends: what is undone is noticed" eval 'mends 0 ^seen && grep "^seen  *lab/lines  *some.t: one  *noticed" "$tmp/table"'
ok "mends: ... or not, which is the exit status" eval 'mends 1 "seen" && grep -c noticed "$tmp/table" && grep "^unseen .*SURVIVED" "$tmp/table"'
ok "mends: ... and so is what there is not to undo" mends 2 stale
ok "mends: no such record" fails 2 "lab: no record has a line like 'none'" "$tmp/small/tests/mends.sh" none
ok "mends: Ctrl-C ends it" ctrl_c "$tmp/small/tests/mends.sh" slow
killed()
{
	rm -f "$tmp/began"
	LAB_CACHE=$tmp/cache "$tmp/small/tests/mends.sh" slow &
	wait_for test -e "$tmp/began" || return
	SECONDS=0
	kill $!
	# By itself, it would take a minute.
	! wait $! && wait_for eval '! pgrep -f "^/bin/bash .*/tests/slow[.]t"' && [ $SECONDS -lt 30 ]
}
ok "mends: killed, it leaves nothing that runs" killed
ok "tests/mends.sh --help" helps tests/mends.sh

# What is committed must not tell where it was made.
clean()
{
	! git grep -nE 'deb\.debian\.org|/(work|home|root)/[a-z]' -- . ':!patches' ':!tests/shell.t' &&
	! git grep -nE '(deb|ftp)\.debian\.org' -- patches
}
ok "no mirror's host and no absolute path in what is committed" clean

plan
