#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/replay.sh [--times N] RUN
#        lab/replay.sh --gdb [SECONDS] RUN
#
# Boot a run in virtual time (a directory of lab/run.py, lab/explore.py, ...) again, N times,
# by the same command, kernel and files, and say whether the outcome, i.e. the
# verdict, and what the tests print, is the same to the byte, and the console, too.
# With one CPU, QEMU has recorded at which instruction each interrupt came, as to count
# instructions is not enough on a busy host; with more, it does not, and what is
# repeated may be another schedule, see docs/schedules.md.
# Exit status 0 if the outcome is the same each time, 1 if not, 2 if a boot was
# not possible, 130 after Ctrl-C.
#
# With --gdb, stop the guest for a debugger where a test that hangs has the kernel log
# its tasks (sysrq-w), or it panics, or at that time of its clock, and be gdb, on the terminal;
# `continue` goes on.  There are no types; for those, `file` loads the
# vmlinux of the same code.
#
# Each replay is a run of its own, and can be replayed.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

times=1 gdb='' at=''
case ${1:-} in
--times)
	[[ ${2:-} =~ ^[1-9][0-9]*$ ]] || die "--times needs a number" "lab/replay.sh --help"
	times=$2
	shift 2
	;;
--gdb)
	gdb=$1
	shift
	[ $# -lt 2 ] || { at=$1; shift; }
	[[ $at =~ ^[0-9]*\.?[0-9]*$ ]] || die "what is the time '$at'?" "lab/replay.sh --help"
	;;
esac
[ $# = 1 ] || die "which run?" "lab/replay.sh --help"
old=${1%/}
[ -f "$old/seed" ] || die "$old is no run in virtual time" "of lab/run.py, say"
for file in kernel initramfs.cpio qemu-command verdict; do
	[ -s "$old/$file" ] || die "no $file in $old"
done

# copy: what is booted, in $run, without what came of it.
copy()
{
	local file

	run=$(new_run "replay-$(basename "$old" | sed 's/^[0-9]*-[0-9]*-//; s/^replay-//')")
	for file in kernel initramfs.cpio symbols job append cpus timeout arch seed shift \
		    must-match may-fail may-skip may-say scenario title expect \
		    machine bochsrc bochs-script boot.iso \
		    config built-from recording; do
		[ ! -f "$old/$file" ] || ln "$old/$file" "$run" 2>/dev/null || cp "$old/$file" "$run"
	done
	sed 's/rr=record/rr=replay/' "$old/qemu-command" >"$run/qemu-command"
}

# outcome RUN: without the host's time.
outcome()
{
	sed 's/ after [0-9?]* s$//' "$1/verdict"
	cat "$1/results"
}

# differ WHAT A B: say so, with the first line that is not the same.
differ()
{
	echo "$1 differs: $(diff -a "$2" "$3" | grep -a '^[<>]' | head -n 2 | cut -c1-100 | paste -sd' ' || true)"
}

# times_of A B: of two consoles that differ in their times alone, in how many, and by
# how many microseconds.
times_of()
{
	paste -d'\n' "$1" "$2" | tr -d '\r\000' | awk -F'[][]' '
		NR % 2		{ a = $2; next }
		a != $2		{ n++; d = $2 - a; if (d < 0) d = -d; if (d > max) max = d }
		END		{ printf "%d of %d times of the console differ, by up to %.0f us\n", n, NR / 2, max * 1000000 }'
}

untimed()
{
	sed -E 's/^\[ *[0-9.]+\]//' "$1"
}

# compare: the replay, in $run, with what it repeats; a failure is another outcome.
compare()
{
	local verdict

	verdict=$(head -n 1 "$run/verdict")
	if ! cmp -s <(outcome "$old") <(outcome "$run"); then
		differ "$verdict, the outcome" <(outcome "$old") <(outcome "$run")
		return 1
	elif cmp -s "$old/console" "$run/console"; then
		echo "$verdict, outcome and console are the same to the byte"
	elif cmp -s <(untimed "$old/console") <(untimed "$run/console"); then
		echo "$verdict, the outcome is the same to the byte; $(times_of "$old/console" "$run/console")"
	else
		echo "$verdict, the outcome is the same to the byte; $(differ "the console" "$old/console" "$run/console")"
	fi
}

# symbol NAME: its address, as gdb wants it.
symbol()
{
	local address

	address=$(awk -v name="$1" '$3 == name { print "0x" $1; exit }' "$run/symbols")
	[ -n "$address" ] || die "the kernel has no $1" "see ${run#"$TOP"/}/symbols"
	echo "$address"
}

# script: where gdb shall stop.  Each tick calls update_process_times(); time began
# five minutes before jiffies wrap around.  The other functions have pages of code to
# themselves, more or less: QEMU is slow on a page with a breakpoint.
script()
{
	local hz name

	echo "target remote $run/gdb.sock"
	if [ -n "$at" ]; then
		hz=$(sed -n 's/^CONFIG_HZ=//p' "$run/config")
		echo "thbreak *$(symbol update_process_times) if *(long long *)$(symbol jiffies_64) + $((300 * hz)) - (1LL << 32) >= $(
			awk -v at="$at" -v hz="$hz" 'BEGIN { printf "%d", at * hz }')"
	else
		for name in sysrq_handle_showstate_blocked vpanic; do
			echo "hbreak *$(symbol $name)"
		done
	fi
	echo continue
}

debug()
{
	local qemu

	copy
	sed -i '$ s|$| -S -chardev socket\\,id=gdb\\,path=gdb.sock\\,server=on\\,wait=off -gdb chardev:gdb|' "$run/qemu-command"
	script >"$run/gdb-script"
	"$LAB/boot.sh" --again "$run" &
	qemu=$!
	# shellcheck disable=SC2064
	trap "kill $qemu 2>/dev/null || true" EXIT
	until [ -S "$run/gdb.sock" ]; do
		kill -0 "$qemu" 2>/dev/null || die "QEMU ended" "see ${run#"$TOP"/}/qemu-output"
		sleep 0.1
	done
	gdb -nx -q -ex 'set pagination off' -ex 'set confirm off' -ex 'set architecture i386:x86-64' -x "$run/gdb-script"
}

trap 'exit 130' INT TERM
if [ -n "$gdb" ]; then
	debug
	exit
fi
status=0
for ((i = 0; i < times; i++)); do
	copy
	"$LAB/boot.sh" --again "$run"
	"$LAB/judge.py" "$run" >/dev/null
	said=$(compare) || status=1
	echo "${run#"$TOP"/}: $said, in $(cat "$run/seconds") s"
done
exit "$status"
