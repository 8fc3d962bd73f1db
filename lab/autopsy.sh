#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/autopsy.sh [--times N] [SCENARIO]
#
# Boot the kernel of a scenario (default: stock-proxy), built with debug info,
# let its job hang, and dissect the guest from outside, through QEMU's gdb stub:
# who holds resampler_lock and who waits for it, what the worker pools believe
# and what is true, which work is pending, what SRCU waits for, and, after five
# more seconds, whether anything has moved.  Prints a report, with the wait-for
# graph if there is a cycle, N times.
#
# Exit status 0 only if the cycle was found closed each time, 1 if not, e.g. on a
# kernel that does not hang; 2 if a guest could not be looked at, 130 after Ctrl-C.
#
# Each run leaves a directory in runs/, with the report as `autopsy`, the graph
# as graph.dot and graph.svg, and whatever lab/boot.sh leaves.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

# Seconds that gdb may take, and that the guest is kept after its job.
PATIENCE=120

times=1
if [ "${1:-}" = --times ]; then
	[[ ${2:-} =~ ^[1-9][0-9]*$ ]] || die "--times needs a number" "lab/autopsy.sh --help"
	times=$2
	shift 2
fi
scenario=${1:-stock-proxy}
load_scenario "$scenario"

# The guest must not reset when the job is over, hung or not.
boot()
{
	run=$(new_run "autopsy-$scenario")
	# shellcheck disable=SC2086
	obj=$("$LAB/build.sh" --copy "$run" "$BASE" "$series" $CONFIGS debug-info) ||
		{ [ $? = 2 ] || die "$scenario does not build" "see above"; exit 2; }
	say "booting $scenario: Linux $(cat "$obj/version"), $TITLE"
	start=$(date +%s)
	describe_run "$run" "$JOB"$'\n'"sleep $PATIENCE" "$APPEND" "$CPUS" $((TIMEOUT + PATIENCE))
	touch "$run/gdb"
	"$LAB/boot.sh" "$run" &
	boot=$!
}

# Until the test has told of the hang, which it ends with its result, or the job is over.
wait_for_hang()
{
	local results=$run/results

	until grep -aqsE '^not ok |^lab: run sleep' "$results"; do
		kill -0 "$boot" 2>/dev/null || die "the guest died: $(tail -n 1 "$run/qemu-output" 2>/dev/null)" "see ${run#"$TOP"/}"
		sleep 1
	done
}

# gdb ends the guest; if it fails to, so do we.
dissect()
{
	local status=0

	(cd "$run" && PYTHONPATH=$LAB PYTHONDONTWRITEBYTECODE=1 bound timeout --foreground -k 5 "$PATIENCE" \
		gdb -nx -batch -x "$LAB/autopsy.py" vmlinux) >"$run/gdb-output" 2>&1 || status=$?
	rm "$run/vmlinux"
	[ "$status" -le 1 ] || kill "$boot" 2>/dev/null || true
	wait "$boot" || true
	[ "$status" -le 1 ] || die "gdb cannot look at the guest: $(grep -m 1 '^lab: ' "$run/gdb-output" ||
		tail -n 1 "$run/gdb-output")" "see ${run#"$TOP"/}/gdb-output"
	[ ! -f "$run/graph.dot" ] || dot -Tsvg "$run/graph.dot" >"$run/graph.svg"
	return "$status"
}

boot=
closed=0
trap '[ -z "$boot" ] || kill "$boot" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM

for ((i = 0; i < times; i++)); do
	boot
	wait_for_hang
	say "the job hangs or is over, dissecting the guest"
	! dissect || closed=$((closed + 1))
	boot=
	cat "$run/autopsy"
	say "that took $(($(date +%s) - start)) s, see ${run#"$TOP"/}"
done
[ "$times" = 1 ] || echo "The cycle was closed in $closed of $times runs."
[ "$closed" = "$times" ]
