#!/bin/bash
# shellcheck disable=SC2016 # what ok evaluates is expanded later
# SPDX-License-Identifier: GPL-2.0-only
# lab/bochs.sh, and how lab/boot.sh runs what it makes: Bochs itself, where it is
# installed, with kernels of which it never gets to the first instruction.

. "$(dirname "$0")/tap.sh"

export LAB_CACHE=$tmp/cache
boot=$TOP/lab/boot.sh bochs=$TOP/lab/bochs.sh
run=$tmp/run

# made [SYMBOLS]: a run of Bochs, of which the kernel's reset is at that address: by
# default where the BIOS begins.
made()
{
	rm -rf "$run"
	mkdir "$run"
	describe_run "$run" irqfd_test quick "${cpus:-1}" "${timeout:-1}"
	echo bochs >"$run/machine"
	echo x86_64 >"$run/arch"
	echo 1 >"$run/seed"
	echo "${1-00000000000fe05b t native_machine_emergency_restart}" >"$run/symbols"
	head -c 4096 /dev/zero | tee "$run/kernel" "$run/initramfs.cpio" >"$run/config"
}
boots()
{
	"$boot" --again "$run" && cat "$run/qemu-output"
}
status()
{
	[ "$(cat "$run/qemu-status")" = "$1" ]
}
# gone: no process has the run as its directory.
gone()
{
	! find /proc/[0-9]*/cwd -maxdepth 0 -lname "$run" 2>/dev/null | grep .
}

ok "bochs: no run is one clear line" fails 2 "a run's directory" "$bochs"
made
rm "$run/seed"
ok "bochs: ... and so is the host's clock" fails 2 'Bochs has no real time' "$bochs" "$run" quick
made ''
ok "bochs: ... and a kernel whose reset would not be seen" fails 2 'no native_machine_emergency_restart' "$bochs" "$run" quick

if ! command -v bochs-bin xorriso >/dev/null || [ ! -f /usr/lib/ISOLINUX/isolinux.bin ]; then
	ok "bochs: itself # SKIP make intel installs it" true
	plan
	exit
fi

made
ok "bochs: ends well where the kernel resets the machine" eval 'boots && status 0 && grep -q "Bochs [0-9]" "$run/qemu-command"'
ok "bochs: ... and says what it was told" eval 'grep "console=ttyS0,115200 panic=-1 nr_cpus=1 nokaslr norandmaps lab_delay=0.007919 quick" "$run/qemu-command"'
ok "bochs: ... all of which is on the disc" eval 'xorriso -osirrox on -indev "$run/boot.iso" -extract / "$tmp/disc" &&
	cmp "$tmp/disc/kernel" "$run/kernel" && cmp "$tmp/disc/initrd" "$run/initramfs.cpio" && grep lab_delay "$tmp/disc/isolinux.cfg"'
ok "bochs: ... the same again by the same command" eval 'cp "$run/qemu-command" "$tmp/command" && boots && status 0 && cmp "$tmp/command" "$run/qemu-command"'
# A CPU's turn is five instructions; this is where the first one ends.
made "00000000000fe063 t native_machine_emergency_restart"
ok "bochs: ... also where the debugger does not look for breakpoints" eval 'boots && status 0'
ok "bochs: as many CPUs as are asked for, and at least two" eval 'grep count=1:2:1 "$run/bochsrc" && cpus=3 && made && boots && grep count=1:3:1 "$run/bochsrc"'

# A ROM that has no interrupt table, and raises an exception.
{ head -c 65520 /dev/zero; printf '\x2e\x0f\x01\x1e\xf8\xff\xcc\0\0\0\0\0\0\0\0\0'; } >"$tmp/rom"
made
"$bochs" "$run" quick >"$run/qemu-command"
sed -i "s,romimage: .*,romimage: file=$tmp/rom," "$run/bochsrc"
ok "bochs: a triple fault is a failure, and says so" eval 'boots && status 1 && grep "3rd (13) exception" "$run/qemu-output"'

# What isolinux does not boot waits for its user.
made "ffffffff81090290 t native_machine_emergency_restart"
"$bochs" "$run" quick >"$run/qemu-command"
ok "bochs: is ended when its time is up, and nothing of it runs on" eval 'rm "$run/seed" && boots && status "timed out" && gone'

# interrupted: as Ctrl-C does, all in the foreground.
interrupted()
{
	echo 1 >"$run/seed"
	setsid -f bash -c 'echo $$ >"$1/pid"; trap "exit 130" INT; "$2" --again "$1"' - "$run" "$boot"
	wait_for eval '[ -s "$run/pid" ] && ! gone >/dev/null'
	kill -INT -- "-$(cat "$run/pid")"
	wait_for gone
}
ok "bochs: an interruption leaves nothing that runs" interrupted

plan
