#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/boot.sh [--prepare] RUN [KERNEL]
#        lab/boot.sh --again RUN
#
# Boot a kernel once under QEMU, no network device, nothing of the host
# writable but the two serial ports' files, and keep everything in the directory
# RUN.  The kernel is that of the object directory KERNEL, or what lab/build.sh
# --copy RUN has left.  RUN must hold
#
#   job      the commands to run in the guest, one a line; the first word of
#            each, after VARIABLE=value, names one of KVM's selftests, run_kselftest.sh, a script of
#            lab/guest, or an applet of busybox; the kernel's modules are at hand
#   append   parameters for the kernel's command line
#   cpus     number of the guest's CPUs
#   timeout  seconds of wall-clock time that QEMU may take; with a seed, twentyfold
#   gdb      optional: that it's there makes QEMU wait for gdb on RUN/gdb.sock
#   seed     optional: that it's there makes the guest's clock count instructions,
#            and skip what time the guest is idle; what the guest does then is the
#            same most times, whatever the host does, and with one CPU, recorded.  The
#            number in it says for how long the guest waits before its job, up to a
#            second, which makes each another schedule
#   accel    optional: `kvm` in it is the host's KVM in place of QEMU's TCG; not with a seed
#   machine  optional: `bochs` boots it under Bochs instead, see lab/bochs.sh
#   shift    optional: an instruction takes 2^SHIFT nanoseconds then, by default 2^2, as
#            a slower guest takes less of the host's time for as much of its own
#   files    optional: what else the guest has, as gen_init_cpio takes it; the guest
#            has more memory then
#
# and gets
#
#   kernel        what was booted, with its config
#   qemu-command  the exact command; it can be run again from RUN
#   qemu-status   its exit status, or `timed out`
#   qemu-output   what QEMU itself had to say
#   resets        and of the guest's resets: the CPUs as they were, `Triple fault` if one was that
#   console       the kernel's messages
#   results       the tests' output
#   started       when, and
#   seconds       how long it took
#   recording     with a seed and one CPU: what QEMU needs to do just the same again
#
# --prepare makes initramfs.cpio, and boots nothing.  --again boots what is there:
# kernel and initramfs.cpio, by qemu-command if that is there, too.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

only=
if [[ ${1:-} = --* ]]; then
	[[ $1 = --prepare || $1 = --again ]] || die "no option '$1'" "lab/boot.sh --help"
	only=${1#--}
	shift
fi
[ $# = 1 ] || [[ $# = 2 && $only != again ]] || die "a run's directory is needed" "lab/boot.sh --help"
run=$1
# At once: another run may soon build another kernel there.
[ $# = 1 ] || copy_kernel "$2" "$run"
[ -f "$run/kernel" ] || die "no kernel in $run" "lab/build.sh --copy"
ARCH=$(cat "$run/arch")
export ARCH

# gen_init_cpio makes device nodes without being root, and comes with the kernel.
initramfs()
{
	local tests=$1 word file

	cat <<-END
	dir /bin 755 0 0
	dir /dev 755 0 0
	dir /tests 755 0 0
	nod /dev/console 600 0 0 c 5 1
	file /init $LAB/guest/init 755 0 0
	file /job $run/job 644 0 0
	file /results-port $run/results-port 644 0 0
	file /bin/busybox $busybox 755 0 0
	slink /bin/sh busybox 777 0 0
	END
	find "$LAB/guest" -type f -not -name init -printf 'file /tests/%f %p 755 0 0\n'
	find "$run/modules" -name '*.ko' -printf 'file /tests/%f %p 755 0 0\n'
	[ ! -f "$run/files" ] || cat "$run/files"
	sed -E 's/^([A-Z_]+=[^ ]* )*//; s/ .*//' "$run/job" | while read -r word; do
		file=$(find "$tests" -name "$(basename "$word")" -type f | sed -n 1p)
		if [ -n "$file" ]; then
			echo "file /tests/$(basename "$word") $file 755 0 0"
		elif [ ! -f "$LAB/guest/$word" ] && ! grep -qs "^file /tests/$word " "$run/files"; then
			busybox --list | grep -xF -- "$word" >/dev/null || die "no selftest is called '$word'"
		fi
	done | sort -u
}

# The installed kselftest runner, and the tests that it is asked for: some, or
# with `-c kvm` all.
runner()
{
	local tests=$1 wanted file

	mapfile -t wanted < <(grep '^run_kselftest.sh' "$run/job" | grep -oE -- ' -(t kvm:[^ ]+|c kvm$)' |
		sed 's, -t kvm:,kvm/,; s, -c ,,')
	(cd "$tests" && find run_kselftest.sh kselftest-list.txt kselftest/runner.sh \
		kselftest/ktap_helpers.sh kvm/settings "${wanted[@]}" -type f) | while read -r file; do
		echo "dir /tests/$(dirname "$file") 755 0 0"
		echo "file /tests/$file $tests/$file 755 0 0"
	done | sort -u
}

# The guest's files, made of the kernel's modules and of others' files.
make_initramfs()
{
	local busybox tests

	busybox=$("$LAB/fetch.sh" busybox)
	echo "/dev/$1" >"$run/results-port"
	tests=$("$LAB/selftests.sh")
	{ initramfs "$tests"; ! grep -q '^run_kselftest.sh' "$run/job" || runner "$tests"; } >"$run/initramfs.list"
	"$run/gen_init_cpio" "$run/initramfs.list" >"$run/initramfs.cpio"
	rm -rf "$run/modules" "$run/gen_init_cpio"
}

# delay SEED: what the guest's init is told to wait, in seconds.  Always as long a
# string, as the length of the command line makes another schedule, too.  Neighbours
# are far apart, both in the second and in the millisecond between two ticks.
delay()
{
	printf '0.%06d' $(($1 * 7919 % 1000000))
}

# All of KVM's selftests, or many, take 250 MB on their own, and some of them a GB.
memory()
{
	if grep -qE ' -c kvm$|^(dirty_log|mmu_stress)_test' "$run/job"; then echo 3G; elif [ -f "$run/files" ]; then echo 2G; else echo 1G; fi
}

# parameters: for the kernel, on any machine.
parameters()
{
	local append

	append=$(cat "$run/append")
	# By default, the kernel tells of ten hung tasks only, and of those that wait for a
	# lock, whose owner it names, none may be among them.
	! grep -q '^CONFIG_DETECT_HUNG_TASK=y' "$run/config" || append="sysctl.kernel.hung_task_warnings=-1 $append"
	[ ! -f "$run/seed" ] || append="nokaslr norandmaps lab_delay=$(delay "$(cat "$run/seed")") $append"
	echo "$append"
}

# qemu_command: in the array qemu.
qemu_command()
{
	local seed='' record='' append cpu=max accel=(-accel "tcg,thread=multi")

	append=$(parameters)
	if [ -f "$run/seed" ]; then
		seed=$(cat "$run/seed")
		# QEMU cannot record more than one.
		[ "$(cat "$run/cpus")" != 1 ] || record=",rr=record,rrfile=recording"
		accel=(-accel "tcg,thread=single" -icount "shift=$(cat "$run/shift" 2>/dev/null || echo 2),sleep=off$record"
		       -rtc "base=2026-01-01T00:00:00,clock=vm")
	elif [ "$(cat "$run/accel" 2>/dev/null)" = kvm ]; then
		accel=(-accel kvm) cpu=host
	fi
	qemu=(-nodefaults -no-user-config -display none -no-reboot
	      -sandbox "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
	      "${accel[@]}" -smp "$(cat "$run/cpus")" -m "$(memory)" -serial file:console -d cpu_reset -D resets
	      -initrd initramfs.cpio -kernel kernel)
	[ ! -e "$run/gdb" ] || qemu+=(-chardev "socket,id=gdb,path=gdb.sock,server=on,wait=off" -gdb chardev:gdb)
	if [ "$ARCH" = arm64 ]; then
		qemu=(qemu-system-aarch64 -machine "virt,virtualization=on,gic-version=3"
		      -cpu "max,pauth-impdef=on" "${qemu[@]}"
		      -device "virtio-serial-device,max_ports=1" -device "virtconsole,chardev=results"
		      -chardev "file,id=results,path=results"
		      -append "console=ttyAMA0 panic=-1 $append")
	else
		# no_timer_check: on a busy host, the check may miss its ticks, and panic.
		# Random numbers of the host's make each boot another.
		qemu=(qemu-system-x86_64 -machine q35 -cpu "$cpu${seed:+,-rdrand,-rdseed}" "${qemu[@]}"
		      -serial file:results -append "console=ttyS0 panic=-1 no_timer_check $append")
	fi
}

if [ "$only" = again ]; then
	[ -f "$run/initramfs.cpio" ] || die "no initramfs.cpio in $run"
elif [ "$ARCH" = arm64 ]; then
	make_initramfs hvc0
else
	make_initramfs ttyS1
fi
[ "$only" != prepare ] || exit 0
if [ "$only" != again ] || [ ! -f "$run/qemu-command" ]; then
	if [ "$(cat "$run/machine" 2>/dev/null)" = bochs ]; then
		"$LAB/bochs.sh" "$run" "$(parameters)" >"$run/qemu-command"
	else
		qemu_command
		{
			printf '# %s\n' "$("${qemu[0]}" --version | sed -n 1p)" "$(command -v "${qemu[0]}")"
			printf '%q ' "${qemu[@]}"
			echo
		} >"$run/qemu-command"
	fi
fi
: >"$run/console"
: >"$run/results"

# In virtual time, what hangs is for the guest's own watchdogs to tell, however slow
# the host is; this is for a guest that has none.
limit=$(cat "$run/timeout")
[ ! -f "$run/seed" ] || limit=$((limit * 20))
date -Iseconds >"$run/started"
start=$(date +%s)
status=0
(cd "$run" && exec setpriv --pdeathsig TERM -- timeout --foreground -k 5 "$limit" \
	bash -c "exec $(tail -n 1 qemu-command)") \
	</dev/null >"$run/qemu-output" 2>&1 || status=$?
echo $(($(date +%s) - start)) >"$run/seconds"
if [ "$status" -ge 124 ] && [ "$(cat "$run/seconds")" -ge "$limit" ]; then
	status='timed out'
fi
echo "$status" >"$run/qemu-status"
