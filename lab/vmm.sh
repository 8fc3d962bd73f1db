#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/vmm.sh [SCENARIO...]
#
# Boot guests that run QEMU with disks whose interrupts are resampling irqfds (default:
# stock-vmm patched-vmm), and say what it did until then, case by case: a table of boots,
# unplugged devices, killed VMMs, interrupts, and bytes read and written.
#
# With MUTANTS="NAME..." in the environment, the first scenario's kernel is booted with the
# series broken in each of these ways, too (mutants/NAME.patch), to see whether a
# driver notices; whether it does has no part in the exit status.
#
# Exit status 0 if the verdicts are as expected, 1 if not, 2 if a run was not
# possible, 130 after Ctrl-C.  The runs are in a directory of their own in runs/.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

[ $# -gt 0 ] || set -- patched-vmm stock-vmm
read -ra mutants <<<"${MUTANTS:-}"
for mutant in "${mutants[@]}"; do
	[ -f "$TOP/mutants/$mutant.patch" ] || die "unknown mutant '$mutant'" "one of: $(names "$TOP/mutants")"
done

# rows RUN: what vmm says that it has done (lab/vmm/vmm.c), and whether it was right.
rows()
{
	tr -d '\r' <"$1/results" | awk -v OFS='\t' -v title="$(cat "$1/title")" '
	/^# done: /	{ sub(/^# done: /, ""); split($0, done, ": "); split(done[2], n, /[^0-9]+/) }
	/^(not )?ok /	{ print title, done[1], n[1], n[2], n[3], n[4], n[5], /^ok/ ? "ok" : "not ok" }'
}

# report: at the end, whatever it is, what there is.
report()
{
	local run

	trap - EXIT
	{
		printf 'kernel\tcase\tboots\tplugs\tkills\tinterrupts\tbytes\tresult\n'
		for run in "$LAB_RUNS"/*/; do
			[ ! -f "$run/verdict" ] || rows "$run"
		done
	} | columns
}

LAB_RUNS=$(new_run vmm)
export LAB_RUNS
trap 'report || true' EXIT
trap 'exit 130' INT TERM

status=0
bound env -u MUTANT "$LAB/run.py" "$@" || status=$?
[ "$status" -le 1 ] || exit "$status"
for mutant in "${mutants[@]}"; do
	MUTANT=$mutant bound "$LAB/run.py" "$1" || [ $? = 1 ] || exit 2
done
[ "$status" = 0 ] || exit "$status"
