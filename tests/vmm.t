#!/bin/bash
# shellcheck disable=SC2016 # what ok evaluates is expanded later
# SPDX-License-Identifier: GPL-2.0-only
# The parts of `make vmm` (docs/vmm.md) without a boot: vmm.c, qemu.c and talk.c with a QEMU
# that is a script, what the guest gets, and the table.

. "$(dirname "$0")/tap.sh"

# A QEMU that does as it is told by files: with a device, it ends when its socket
# does; else it is a VMM whose guest has used its disks, whatever happens to them.
cat >"$tmp/qemu" <<'END_OF_QEMU'
#!/usr/bin/python3
import json, os, re, select, socket, sys, time
here = os.path.dirname(sys.argv[0])
line = ' '.join(sys.argv)
does = lambda what: os.path.exists(f'{here}/{what}')
fds = [socket.socket(fileno=int(fd)) for fd in re.findall(r'fd=(\d+)', line)]
if 'x-remote,' in line:
    if does('asserts'):
        sys.stderr.write("qemu: address_space_unmap: Assertion `mr != NULL' failed.\n")
        sys.exit(3)
    while does('stays') or fds[0].recv(100):
        time.sleep(0.1)
    sys.exit()
qmp, console = fds[:2]
n = 0
def say(text):
    console.sendall(f'{text}\r\n'.encode())
def disks():
    say(f'disk: {0 if does("idle") else n} interrupts, {n * 4096} bytes, d0 {n} operations, d1 {n} operations, '
        f'd2 {0 if does("stuck") else n} operations')
if does('dies'):
    sys.stderr.write('no such luck\n')
    sys.exit(3)
if does('ends'):
    console.shutdown(socket.SHUT_RD)
if 'disks=' in line:
    for disk in line.split('disks=')[1].split()[0].split(','):
        say(f'disk: {disk} is there')
while True:
    ready, _, _ = select.select([qmp, console], [], [])
    n += 1000
    if console in ready:
        text = console.recv(1000).decode()
        if does('late'):
            say('[    9.0] nvme nvme0: I/O tag 8 (0008) QID 1 timeout, completion polled')
            os.unlink(f'{here}/late')
        for word in text.split():
            if word == 'only':
                say('disk: they rest')
            elif word in ('stop', 'report'):
                disks()
            if word == 'stop':
                say('disk: ended, FAILED' if does('wrong') else 'disk: ended')
                sys.exit()
    if qmp in ready:
        text, passed, _, _ = socket.recv_fds(qmp, 1000, 10)
        asked = json.loads(text)
        if asked['execute'] == 'query-pci':
            qmp.sendall(b''.join(b'{"qdev_id": "d%d", "irq": 10}, ' % i for i in range(len(fds) - 2)) + b'"return"\n')
            continue
        qmp.sendall(b'{"error": {"class": "GenericError"}}\n' if does('refuses') else b'{"return": {}}\n')
        if asked['execute'] == 'device_del' and not does('keeps'):
            fds[2 + int(asked['arguments']['id'][1:])].close()
            qmp.sendall(b'{"event": "DEVICE_DELETED"}\n')
        if passed:
            spare = socket.socket(fileno=passed[0])
        if asked['execute'] == 'device_add':
            fds[2 + int(asked['arguments']['id'][1:])] = spare
            say(f'disk: {asked["arguments"]["id"]} is back')
END_OF_QEMU
chmod +x "$tmp/qemu"
gcc -O -Wall -Wextra -Werror -DQEMU="\"$tmp/qemu\"" -DLOG="\"$tmp/log\"" -DLIMIT=2 -o "$tmp/vmm" "$LAB"/vmm/{vmm,qemu,talk}.c
gcc -O -Wall -Wextra -Werror -o "$tmp/disk" "$LAB/vmm/disk.c"

# vmm JOB FILE...: with a QEMU that does as these files say; its status, and what it prints.
vmm()
{
	local status=0

	(cd "$tmp" && rm -f stays idle stuck late wrong refuses keeps ends dies asserts && { [ $# = 1 ] || touch "${@:2}"; })
	# shellcheck disable=SC2086
	timeout 60 "$tmp/vmm" $1 >"$tmp/out" || status=$?
	cat "$tmp/out"
	return "$status"
}
# one_fails JOB FILE CASE: that one and no other.
one_fails()
{
	! vmm "$1" "$2" && [ "$(grep "^not ok" "$tmp/out")" = "not ok $3" ] && [ "$(grep -c "^ok" "$tmp/out")" = "$((4 - 1))" ]
}
all_fail()
{
	! vmm "$1" "$2" && ! grep "^ok" "$tmp/out" && [ "$(grep -c "^not ok" "$tmp/out")" = "$3" ]
}
ok "vmm: devices plugged, VMMs killed, all counted" eval 'vmm "io 2 1" && [ "$(grep -c "^ok " "$tmp/out")" = 4 ] &&
	grep -E "^# done: last disk pulled and plugged: 0 boots, 2 plugs, 0 kills, [1-9][0-9]* interrupts, [1-9][0-9]* bytes" "$tmp/out" &&
	grep "^# done: VMM killed and started: 1 boots, 0 plugs, 1 kills" "$tmp/out"'
ok "vmm: a timeout of a driver, which has polled, is a failure" one_fails "io 1 1" late "1 - shared and distinct GSIs"
ok "vmm: ... and so is a disk that nothing comes of" all_fail "io 1 1" stuck 4
ok "vmm: ... no interrupts" all_fail "io 1 1" idle 4
ok "vmm: ... a mismatch" one_fails "io 1 1" wrong "4 - VMM killed and started"
ok "vmm: ... what QEMU refuses" all_fail "io 1 1" refuses 4
ok "vmm: ... a VMM that ends by itself" all_fail "io 1 1" ends 4
ok "vmm: ... one that fails, which says why" eval 'all_fail "io 1 1" dies 4 && grep -x "# QEMU: no such luck" "$tmp/out" &&
	grep -x "# the VMM has ended with status 0x300" "$tmp/out"'
ok "vmm: ... what is QEMU's own fault is skipped" eval 'vmm "io 1 1" asserts && [ "$(grep -c "^ok .* # SKIP" "$tmp/out")" = 4 ] &&
	! grep "in vain" "$tmp/out"'
ok "vmm: ... a device that does not go" eval '! vmm "io 1 0" keeps && [ "$(grep -c "^not ok .* pulled" "$tmp/out")" = 2 ] &&
	grep "waited 2 s in vain for: DEVICE_DELETED" "$tmp/out"'
ok "vmm: ... a process that does not end" eval '! vmm "io 0 0" stays && grep "# the process of a device, pid .* does not end" "$tmp/out"'
ok "vmm: VMMs come and go" eval 'vmm "churn 2 5" && grep -E "^# done: VMMs come and go: [1-9][0-9]* boots, 0 plugs, [1-9]" "$tmp/out"'
ok "vmm: wrong arguments" fails 2 'usage: vmm io' "$tmp/vmm" io

# What the guest gets, with a kernel that is an empty file.
export LAB_CACHE=$tmp/cache PATH=$tmp/bin:$PATH
mkdir -p "$tmp/bin" "$tmp/cache"
cp -r "$TOP/lab" "$TOP/mutants" "$tmp"
cat >"$tmp/lab/build.sh" <<'END'
#!/bin/sh
touch "$2/kernel"
printf '#!/bin/sh\ncat "$1"\n' >"$2/gen_init_cpio"
chmod +x "$2/gen_init_cpio"
END
printf '#!/bin/sh\necho /bin/busybox\n' >"$tmp/lab/fetch.sh"
has_files()
{
	local file

	"$tmp/lab/vmm/files.sh" >"$tmp/list" || return
	for file in /tests/vmm /vmm/kernel /vmm/initramfs.cpio '.*/qemu-system-x86_64' '.*/libc.so.6' '.*/ld-linux-.*' '.*/bios-256k.bin'; do
		grep "^file $file " "$tmp/list" || return
	done
}
ok "files: QEMU, what it is linked with, and the programs" has_files
ok "files: ... that are there, each in a directory that comes before it" eval 'awk "/^dir/ { dir[\$2] }
	/^file/ { d = \$2; sub(\"/[^/]*\$\", \"\", d); if (d != \"/tests\" && !(d in dir)) exit 1; print \$3 }" "$tmp/list" >"$tmp/paths" &&
	xargs ls <"$tmp/paths"'
ok "files: ... and a disk program for the guest of the guest" grep -x "file /disk $tmp/cache/vmm/disk 755 0 0" "$tmp/cache/vmm/initramfs.cpio"

# The table, of runs that say so.
for seed in 1 2 3; do
	mkdir -p "$tmp/exploration/seed-$seed"
	printf '# done: one, two: 1 boots, 2 plugs, 3 kills, 4 interrupts, 500 bytes\r\n%s\r\n' \
		"$(sed -n "${seed}p" <<<$'ok 1 - one, two\nok 1 - one, two # SKIP why\nnot ok 1 - one, two')" >"$tmp/exploration/seed-$seed/results"
done
echo "patched, a mutant" >"$tmp/exploration/title"
ok "table: what was done in all runs, and how often it was ok" eval 'PYTHONPATH=$LAB python3 -c "import pathlib, vmm; print(vmm.rows(pathlib.Path(\"$tmp/exploration\")))" |
	grep -F "['"'patched, a mutant', 'one, two', '3', '6', '9', '12', '1500', '1 ok, 1 skipped, 1 not ok'"']"'
ok "table: a mutant has to be one" fails 2 "lab: no mutant 'x' \(--mutants needs .* mutants/\)" "$LAB/vmm.py" --mutants x
ok "table: ... and a scenario" fails 2 "lab: unknown scenario 'x'" "$LAB/vmm.py" x

plan
