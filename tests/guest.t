#!/bin/bash
# shellcheck disable=SC2016 # what ok evaluates is expanded later
# SPDX-License-Identifier: GPL-2.0-only
# The guest's scripts that make figures, with the kernel's files under a directory,
# commands that are scripts, and nothing mounted.

. "$(dirname "$0")/tap.sh"

export PATH=$tmp/bin:$PATH
mkdir "$tmp/bin" "$tmp/tests"
tracing=$tmp/sys/kernel/tracing suites=$tmp/sys/kernel/debug/kunit
cp "$LAB"/guest/*.awk "$tmp/tests"

# A test that says how it was called and, if it is being traced, leaves a trace.
cat >"$tmp/bin/irqfd_perf_test" <<END
#!/bin/sh
echo "irqfd_perf_test \$*"
! grep -q 1 "$tracing/events/irqfd/enable" "$tracing/events/traced/enable" || cat "$tmp/trace" >"$tracing/trace"
exit \$(cat "$tmp/status")
END
chmod +x "$tmp/bin"/*

# guest SCRIPT ARG...
guest()
{
	local script=$1
	shift

	sed "/^mount /d; s,/sys/,$tmp/sys/,; s,/tests/,$tmp/tests/," "$LAB/guest/$script" >"$tmp/tests/$script"
	sh "$tmp/tests/$script" "$@"
}

# kernel [STATUS]: one that can be traced, and how the test will end.
kernel()
{
	rm -rf "$tmp/sys"
	mkdir -p "$suites/some_suite" "$tracing/events/irqfd"
	echo "${1:-0}" >"$tmp/status"
}

# The guest's count of what it has traced.
trace()
{
	cat <<-'END'
	 irqfd_perf_test-41 [000] ..... 1.0: release: (kvm_irqfd_release+0x0/0x100)
	 irqfd_perf_test-41 [000] ..... 1.1: shutdown_irqfd_shutdown: (irqfd_shutdown+0x0/0x80) comm="irqfd_perf_test"
	 kworker/0:1-12 [000] ..... 1.2: shutdown_irqfd_shutdown_work: (irqfd_shutdown_work+0x0/0x80) comm="kworker/0:1"
	 <...>-13 [000] ..... 1.2: shutdown_irqfd_shutdown: (irqfd_shutdown+0x0/0x80) comm="kworker/0:2"
	 kworker/0:1-12 [000] ..... 1.3: shutdown_irqfd_shutdown: (irqfd_shutdown+0x0/0x80) comm="kworker/0:1"
	 kworker/0:1-12 [000] ..... 1.4: grace_period: (srcu_gp_start+0x0/0x20)
	 irqfd_perf_test-41 [000] ..... 1.5: released: (kvm_vm_release+0x11/0x30 <- kvm_irqfd_release)
	 kworker/0:1-12 [000] ..... 1.6: grace_period: (srcu_gp_start+0x0/0x20)
	 irqfd_perf_test-41 [000] ..... 2.0: release: (kvm_irqfd_release+0x0/0x100)
	 irqfd_perf_test-41 [000] ..... 2.5: released: (kvm_vm_release+0x11/0x30 <- kvm_irqfd_release)
	END
}
count()
{
	busybox awk -v what=plain,240 -f "$LAB/guest/releases.awk"
}
ok "releases: counts grace periods, and kworkers once each" eval '[ "$(trace | count)" = "release,plain,240,1,2
release,plain,240,0,0" ]'
ok "releases: none is an error" eval '! count </dev/null && ! { trace | head -n 1 | count; }'

# Of a lock: held for 30 us with another inside, waited for by a kworker, which holds it
# for 5, and then something that is not of irqfds.
locks()
{
	cat <<-'END'
	 irqfd_perf_test-41 [000] ..... 1.000000: lock: (mutex_lock+0x0/0x30) lock=0xff11
	 irqfd_perf_test-41 [000] ..... 1.000010: locked: (kvm_irqfd+0x27/0x610 <- mutex_lock)
	 irqfd_perf_test-41 [000] ..... 1.000020: lock: (mutex_lock+0x0/0x30) lock=0xff22
	 irqfd_perf_test-41 [000] ..... 1.000020: locked: (irqfd_resampler_unlink+0x15/0x60 <- mutex_lock)
	 kworker/0:1-12 [000] ..... 1.000021: lock: (mutex_lock+0x0/0x30) lock=0xff11
	 irqfd_perf_test-41 [000] ..... 1.000030: unlock: (mutex_unlock+0x0/0x30) lock=0xff22
	 irqfd_perf_test-41 [000] ..... 1.000040: unlock: (mutex_unlock+0x0/0x30) lock=0xff11
	 kworker/0:1-12 [000] ..... 1.000050: locked: (irqfd_resampler_shutdown.constprop.0+0x1e/0x90 <- mutex_lock)
	 kworker/0:1-12 [000] ..... 1.000055: unlock: (mutex_unlock+0x0/0x30) lock=0xff11
	 kworker/0:1-12 [000] ..... 1.000060: lock: (mutex_lock+0x0/0x30) lock=0xff33
	 kworker/0:1-12 [000] ..... 1.000060: locked: (do_other+0x12/0x30 <- mutex_lock)
	 kworker/0:1-12 [000] ..... 1.900000: unlock: (mutex_unlock+0x0/0x30) lock=0xff33
	END
}
held()
{
	busybox awk -v what=distinct,2 -f "$LAB/guest/holds.awk"
}
ok "holds: of resampler_lock alone" eval '[ "$(locks | held)" = "hold,distinct,2,2,30" ]'
ok "holds: none is an error" eval '! held </dev/null && ! { locks | tail -n 3 | held; }'

kernel
trace >"$tmp/trace"
ok "releases: probes, runs the test, and counts" eval '[ "$(guest releases plain 240)" = "# probed: irqfd_shutdown irqfd_shutdown_work
irqfd_perf_test -o close-vm -k plain -n 240 -r 3
release,plain,240,1,2
release,plain,240,0,0" ]'
ok "releases: of kvm_irqfd_release(), grace periods and both functions" eval '
	[ "$(cut -d" " -f2 "$tracing/kprobe_events" | paste -sd" ")" = "kvm_irqfd_release kvm_irqfd_release srcu_gp_start irqfd_shutdown irqfd_shutdown_work" ]'
ok "releases: ... or of another operation and function" eval 'guest releases plain 0 close-pit kvm_free_pit | grep -qx "release,close-pit,0,1,2" &&
	grep -qx "p:irqfd/release kvm_free_pit" "$tracing/kprobe_events"'
: >"$tmp/trace"
ok "releases: nothing counted is an error" eval '! guest releases plain 240'
kernel 3
trace >"$tmp/trace"
ok "releases: a test that fails is one, and nothing is counted" eval '! guest releases plain 240 >"$tmp/out" && ! grep ^release, "$tmp/out"'
kernel
ln -s /dev/full "$tracing/kprobe_events"
ok "releases: a function that cannot be probed is one" eval '! guest releases plain 240 >"$tmp/out" && [ ! -s "$tmp/out" ]'
ok "holds: ..." eval '! guest holds distinct 2 >"$tmp/out" && [ ! -s "$tmp/out" ]'

kernel
locks >"$tmp/trace"
ok "holds: probes, runs the test, and tells" eval '[ "$(guest holds distinct 2)" = "irqfd_perf_test -o close-vm -k distinct -n 2 -r 3
hold,distinct,2,2,30" ]'
kernel 3
ok "holds: a test that fails is an error" eval '! guest holds distinct 2 >"$tmp/out" && ! grep ^hold, "$tmp/out"'

echo "ok 1 some_suite" >"$suites/some_suite/results"
ok "kunit: runs a suite, and prints its results" eval '[ "$(guest kunit some_suite)" = "ok 1 some_suite" ] && [ -e "$suites/some_suite/run" ]'
ok "kunit: a suite that there is not is an error" eval '! guest kunit other_suite'

# Of disturb: tests that take a second and fail if they're told to, a kernel with two CPUs
# that knows of VMs.
cat >"$tmp/bin/irqfd_fuzz_test" <<END
#!/bin/sh
echo \$\$ >$tmp/pids/\$\$
sleep 1
rm $tmp/pids/\$\$
exit \$(cat "$tmp/status")
END
cp "$tmp/bin/irqfd_fuzz_test" "$tmp/bin/irqfd_resampler_test"
cat >"$tmp/bin/pidof" <<END
#!/bin/sh
for pid in \$(cat $tmp/pids/* 2>/dev/null); do
	kill -0 \$pid 2>/dev/null && { echo \$pid; found=1; }
done
[ -n "\$found" ]
END
sed "s,/proc/,$tmp/proc/,; s,/sys/,$tmp/sys/,; s/^sleep 1/:/" "$LAB/guest/shrink" >"$tmp/bin/shrink"
chmod +x "$tmp/bin"/*

# host [STATUS]: a kernel whose CPUs can go, and how tests will end.
host()
{
	rm -rf "$tmp/sys" "$tmp/proc" "$tmp/pids"
	mkdir -p "$tmp/pids" "$tmp/proc/sys/fs" "$tmp/sys/kernel/debug/kvm/vm_stat" "$tmp"/sys/devices/system/cpu/cpu{0,1}
	echo "90 10 4000" >"$tmp/proc/sys/fs/file-nr"
	echo 0-1 >"$tmp/sys/devices/system/cpu/online"
	echo "${1:-0}" >"$tmp/status"
}

# disturb KIND: its results, without what explains them.
disturb()
{
	local part

	for part in "$LAB"/guest/disturb*; do
		sed "s,=\(/sys\|/proc\|/tests\|/tmp/\),=$tmp\1," "$part" >"$tmp/tests/${part##*/}"
	done
	sh "$tmp/tests/disturb" "$@" >"$tmp/out"
}
# failed: which of its results have.
failed()
{
	sed -n 's/^not ok //p' "$tmp/out"
}
host
ok "disturb: a kind that there is not is an error" fails 2 "disturb: no kind 'some'" disturb some
ok "disturb: ... nor none" fails 2 "disturb: no kind ''" disturb
ok "disturb: a CPU goes and comes back" eval 'TIMES=2 disturb hotplug && [ "$(grep -c "^ok" "$tmp/out")" = 5 ] && grep -qx "1..5" "$tmp/out" &&
	grep -q "^# .* times, a CPU went" "$tmp/out" && [ "$(cat "$tmp/sys/devices/system/cpu/cpu1/online")" = 1 ]'
ok "disturb: ... which has to be often enough" eval '! TIMES=1000 disturb hotplug && [ "$(failed)" = "3 CPUs went" ]'
host 1
ok "disturb: a test that fails meanwhile is a failure" eval '! TIMES=2 disturb hotplug && [ "$(failed)" = "1 irqfd_fuzz_test passes
2 irqfd_resampler_test passes" ]'
host
ln -s /dev/full "$tmp/sys/devices/system/cpu/cpu1/online"
ok "disturb: a CPU that cannot go is one" eval '! TIMES=2 disturb hotplug && [ "$(failed)" = "3 CPUs went" ]'
host
echo 0 >"$tmp/sys/devices/system/cpu/online"
ok "disturb: ... or that does not come back" eval '! TIMES=2 disturb hotplug && [ "$(failed)" = "4 all CPUs came back" ]'
host
ok "disturb: what is killed is gone" eval 'TIMES=2 disturb killed && [ "$(grep -c "^ok" "$tmp/out")" = 5 ]'
mkdir "$tmp/sys/kernel/debug/kvm/123-4"
sed -i 's/{1:-30}/{1:-1}/' "$tmp/tests/disturb"
ok "disturb: ... or it's a failure" eval '! TIMES=2 sh "$tmp/tests/disturb" killed >"$tmp/out" && grep -q "^# left: 0 processes, 1 VMs, 0 PITs, 80 files" "$tmp/out" &&
	failed | grep -q "1 the first are gone"'

# Modules, of which one may be busy for once, or for ever.
cat >"$tmp/bin/insmod" <<END
#!/bin/sh
mkdir -p "$tmp/sys/module/\$(basename "\$1" .ko | tr - _)"
END
cat >"$tmp/bin/rmmod" <<END
#!/bin/sh
[ "\$1" = "\$(cat "$tmp/busy")" ] && { [ -e "$tmp/ever" ] || : >"$tmp/busy"; exit 1; }
rmdir "$tmp/sys/module/\$1"
END
chmod +x "$tmp/bin"/*
host
echo kvm >"$tmp/busy"
ok "disturb: KVM is unloaded, if not at once" eval 'TIMES=2 disturb unload && grep -qx "# 2 times, KVM was unloaded; 1 times, it was busy" "$tmp/out"'
host
touch "$tmp/ever"
echo kvm_amd >"$tmp/busy"
sed -i 's/within 30 unloads/within 1 unloads/' "$tmp/tests/disturb-unload"
ok "disturb: ... never is a failure" eval '! TIMES=2 sh "$tmp/tests/disturb" unload >"$tmp/out" && [ "$(failed | head -n 2)" = "1 KVM is unloaded each time
2 KVM was unloaded" ]'

# Of leaks: a kmemleak that notes each scan, and what it has found.
leaks()
{
	: >"$tmp/scans"
	echo "$1" | sed '/^$/d' >"$tmp/found"
	sed "s,>/sys/kernel/debug/kmemleak,>>$2,; s,/sys/kernel/debug/kmemleak,$tmp/found,; s/^sleep 5/:/" "$LAB/guest/leaks" >"$tmp/tests/leaks"
	sh "$tmp/tests/leaks"
}
ok "leaks: none is good" leaks '' "$tmp/scans"
ok "leaks: ... after two scans, as the first one never reports anything" eval '[ "$(grep -cx scan "$tmp/scans")" = 2 ]'
ok "leaks: one is not, and is printed" eval '! leaks "unreferenced object" "$tmp/scans" >"$tmp/out" && grep -q unreferenced "$tmp/out"'
ok "leaks: nor is a kernel that can't tell" eval '! leaks "" "$tmp/no/kmemleak"'

plan
