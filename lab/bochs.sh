#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/bochs.sh RUN APPEND
#
# For lab/boot.sh: make of the kernel and the initramfs.cpio in the directory RUN what
# Bochs boots with the command line APPEND, and print what `qemu-command` shall be: a
# command that boots it from there, and ends with exit status 0 if the kernel resets
# the machine, below what Bochs that is.  Bochs is what emulates Intel's VMX where QEMU's TCG emulates AMD's SVM.  It leaves
#
#   boot.iso       a disc with the kernel and isolinux, as Bochs has no loader
#   bochsrc        the machine
#   bochs-script   the debugger's commands
#   bochs-log      what Bochs has to say of it, with registers, if it fails
#
# Time counts instructions, 20 ns each, more or less (docs/machines.md), and is never the
# host's: RUN needs a seed.
#
# Exit status 0, or 2 if there is something that Bochs can't do.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

[ $# = 2 ] || die "a run's directory and a command line are needed" "lab/bochs.sh --help"
run=$1 append=$2
[ -f "$run/seed" ] || die "Bochs has no real time" "without REALTIME=1"

# address NAME: of one of the kernel's functions.
address()
{
	awk -v name="$1" '$3 == name { print "0x" $1; exit }' "$run/symbols"
}

disc()
{
	local root=$run/disc

	mkdir "$root"
	cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$root"
	ln "$run/kernel" "$root"
	ln "$run/initramfs.cpio" "$root/initrd"
	printf '%s\n' "default lab" "label lab" "kernel /kernel" "append initrd=/initrd $1" >"$root/isolinux.cfg"
	xorriso -as mkisofs -quiet -o "$run/boot.iso" -b isolinux.bin -no-emul-boot -boot-load-size 4 -boot-info-table "$root" \
		>"$run/bochs-log" 2>&1 || die "no disc: $(tail -n 1 "$run/bochs-log")" "lab/deps.sh xorriso"
	rm -r "$root"
}

# A model without AVX-512, of which Bochs says two sizes.  A package with one core is
# none to the kernel, as this model's CPUID says that it has several: one is not used.
machine()
{
	cat <<-END
	display_library: term
	romimage: file=/usr/share/bochs/BIOS-bochs-latest
	vgaromimage: file=/usr/share/vgabios/vgabios.bin
	cpu: model=corei7_haswell_4770, count=1:$1:1, ips=50000000, reset_on_triple_fault=0
	memory: guest=$2, host=$2
	clock: sync=none, time0=1767225600
	ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
	ata0-master: type=cdrom, path=boot.iso, status=inserted
	boot: cdrom
	com1: enabled=1, mode=file, dev=console
	com2: enabled=1, mode=file, dev=results
	vga: realtime=0
	speaker: enabled=0
	log: bochs-log
	error: action=ignore
	panic: action=fatal
	END
}

cpus=$(cat "$run/cpus")
reset=$(address native_machine_emergency_restart)
[ -n "$reset" ] || die "the kernel has no native_machine_emergency_restart" "see ${run#"$TOP"/}/symbols"
append="console=ttyS0,115200 panic=-1 nr_cpus=$cpus $append"
disc "$append"
machine $((cpus > 1 ? cpus : 2)) "$(if [ -f "$run/files" ]; then echo 2048; else echo 512; fi)" >"$run/bochsrc"
# A reset would have the BIOS begin again, and end in a triple fault, which is an error.
# The debugger does not look for a breakpoint where a CPU's turn ends: the function's
# second instruction, wherever it begins, is one, too.
{
	for i in {0..7}; do printf 'lbreak 0x%x\n' $((reset + i)); done
	printf '%s\n' continue quit
} >"$run/bochs-script"
echo "# Bochs $(dpkg-query -W -f '${Version}' bochs)"
echo "# $(command -v bochs-bin)"
echo "# the kernel's command line: $append"
# Bochs makes a terminal for its screen, where nobody reads; of this kind, it doesn't
# blink, as what it writes then would fill it, and Bochs hang.
echo "env TERM=ansi bochs-bin -q -f bochsrc -rc bochs-script"
