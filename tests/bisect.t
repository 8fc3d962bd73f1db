#!/bin/bash
# shellcheck disable=SC2016,SC2034 # what ok evaluates is expanded later
# SPDX-License-Identifier: GPL-2.0-only
# lab/bisect.sh below a real git bisect, with boots that do what the tree says.

. "$(dirname "$0")/tap.sh"
unset SEED REALTIME TREE

export LAB_CACHE=$tmp/cache LAB_RUNS=$tmp/runs
cp -r "$LAB" "$tmp/lab"
bisect=$tmp/lab/bisect.sh tree=$tmp/linux
# The Nth line of the tree's file `verdicts` is what seed N gets; the last counts for the rest.
cat >"$tmp/lab/run.py" <<'END'
#!/bin/bash
[ "$1 $2" = '--format json' ] || exit 2
echo "$SEED ${REALTIME:-} $3" >>"$LAB_RUNS/../../boots"
verdict=$( (cat "$TREE/verdicts"; yes "$(tail -n 1 "$TREE/verdicts")") | sed -n "${SEED}p;${SEED}q" 2>/dev/null)
case $verdict in
ABORT)	exit 2 ;;
DIES)	kill -TERM $PPID; sleep 5 ;;
esac
echo "[{\"verdict\": \"$verdict\"}]"
[ "$verdict" = PASS ]
END

git init -q "$tree"
# commit VERDICT...: of seeds 1, 2, ...
commit()
{
	printf '%s\n' "$@" >"$tree/verdicts"
	git -C "$tree" add verdicts
	git -C "$tree" -c user.name=t -c user.email=t@localhost commit -q --allow-empty -m "$*"
}
# exits STATUS VERDICTS ARG...: on a commit with those; leaves the seeds in $seeds.
exits()
{
	local want=$1 status=0

	# shellcheck disable=SC2086
	commit $2
	: >"$tmp/boots"
	shift 2
	(cd "$tree" && "$bisect" "$@") || status=$?
	seeds=$(cut -d' ' -f1 "$tmp/boots" | paste -sd' ')
	[ "$status" = "$want" ] || { echo "exit status $status, not $want"; return 1; }
}

ok "bisect: PASS is good" exits 0 PASS stock-proxy
for verdict in DEADLOCK SPLAT FAIL TIMEOUT; do
	ok "bisect: $verdict is bad" exits 1 "$verdict" stock-proxy
done
for verdict in BUILD-ERROR BOOT-ERROR SKIP; do
	ok "bisect: $verdict is skipped" exits 125 "$verdict" stock-proxy
done
ok "bisect: only what is said is bad" exits 125 SPLAT --bad DEADLOCK stock-proxy
ok "bisect: ... or good" exits 0 SPLAT --bad DEADLOCK --good PASS,SPLAT stock-proxy
ok "bisect: what does not build can be what is looked for" exits 1 BUILD-ERROR --bad BUILD-ERROR stock-proxy
ok "bisect: as often as said, each with another seed" eval 'exits 0 PASS --times 3 stock-proxy && [ "$seeds" = "1 2 3" ]'
ok "bisect: ... from SEED on" eval 'SEED=08 exits 0 PASS --times 2 stock-proxy && [ "$seeds" = "8 9" ]'
ok "bisect: ... until one is bad" eval 'exits 1 "PASS DEADLOCK PASS" --times 4 stock-proxy && [ "$seeds" = "1 2" ]'
ok "bisect: ... or to be skipped" eval 'exits 125 "PASS BUILD-ERROR PASS" --times 4 stock-proxy && [ "$seeds" = "1 2" ]'
ok "bisect: in real time if asked to" eval 'REALTIME=1 exits 0 PASS stock-proxy && grep "^1 1 stock-proxy" "$tmp/boots"'
ok "bisect: the lab's own failure is no bad commit" exits 129 ABORT stock-proxy
ok "bisect: ... nor is what kills it" exits 129 DIES stock-proxy
ok "bisect: ... nor a verdict that cannot be read" eval 'exits 129 "\"" stock-proxy'
ok "bisect: bad arguments stop git bisect, too" fails 129 'lab: which scenario' "$bisect"
ok "bisect: ... a verdict that there is not" fails 129 "lab: no verdict 'HANG'" "$bisect" --bad HANG stock-proxy
ok "bisect: ... a number that is none" fails 129 'lab: --times needs a number' "$bisect" --times 2x stock-proxy
ok "bisect: not in a git tree" fails 129 'lab: this is no git tree' env -C / "$bisect" stock-proxy
ok "bisect: the runs of a commit are in a directory of its name" eval 'exits 0 PASS stock-proxy &&
	ls -d "$LAB_RUNS"/*-bisect-"$(git -C "$tree" rev-parse --short=12 HEAD)"'

# history NAME VERDICTS...: a commit for each, NAME-1, NAME-2, ...; the first is good, the last bad.
history()
{
	local name=$1 verdicts n=0

	shift
	git -C "$tree" checkout -q --orphan "$name"
	for verdicts; do
		n=$((n + 1))
		# shellcheck disable=SC2086
		commit $verdicts
		git -C "$tree" tag "$name-$n"
	done
	git -C "$tree" bisect start "$name-$n" "$name-1"
}
is_bad()
{
	[ "$(git -C "$tree" rev-parse refs/bisect/bad)" = "$(git -C "$tree" rev-parse "$1^{commit}")" ]
}
some='PASS PASS DEADLOCK'
history found PASS PASS PASS BUILD-ERROR PASS "$some" "$some" "$some" >/dev/null
ok "bisect: git finds the commit, whose first two boots pass, beside one that does not build" eval '
	git -C "$tree" bisect run "$bisect" --times 3 stock-proxy && is_bad found-6'
git -C "$tree" bisect reset found >/dev/null 2>&1
history aborted PASS ABORT ABORT ABORT PASS >/dev/null
ok "bisect: git stops where the lab fails, and blames no commit" eval '
	! git -C "$tree" bisect run "$bisect" stock-proxy && is_bad aborted-5'

plan
