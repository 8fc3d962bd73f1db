#!/bin/bash
# shellcheck disable=SC2016 # what ok evaluates is expanded later
# SPDX-License-Identifier: GPL-2.0-only
# Kernels that the user brings (KERNEL=), and the host's KVM (ACCEL=kvm): what lab/run.py
# makes of them, with kernels, selftests and a QEMU that are files and scripts, and a
# host's /dev/kvm, CPU and KVM that are files, too.

. "$(dirname "$0")/tap.sh"

src=$("$LAB/fetch.sh" "$NEWEST_BASE")
export LAB_CACHE=$CACHE LAB_RUNS=$tmp/runs PATH=$tmp/bin:$PATH
unset KERNEL CONFIG ACCEL TREE SEED REALTIME
cp -r "$LAB" "$tmp/lab"
mkdir "$tmp/bin"
run=$tmp/lab/run.py
sed -i "s,^DEV_KVM = .*,DEV_KVM = '$tmp/kvm',; s,^CPUINFO = .*,CPUINFO = '$tmp/cpuinfo',; s,^NESTED = .*,NESTED = '$tmp/nested'," "$run"
printf '#!/bin/sh\necho %s\n' "$src" >"$tmp/lab/fetch.sh"
sed -i '1a [ "$1" != busybox ] || { echo /bin/busybox; exit; }' "$tmp/lab/fetch.sh"
printf '#!/bin/sh\necho %s\n' "$tmp" >"$tmp/lab/selftests.sh"
printf '#!/bin/sh\n[ "$1" = --version ] && echo QEMU emulator version 0 || echo "$*" >%s/asked\n' "$tmp" >"$tmp/bin/qemu-system-x86_64"
# A kernel of the lab's: what it was asked for is in its configuration.
cat >"$tmp/lab/build.sh" <<'END'
#!/bin/sh
echo "base: $3, Linux 6.99" >"$2/built-from"
echo x86_64 >"$2/arch"
echo kernel >"$2/kernel"
echo "$*" >"$2/config"
mkdir "$2/modules"
printf '#!/bin/sh\ncat "$1"\n' >"$2/gen_init_cpio"
chmod +x "$2/gen_init_cpio"
echo "$2"
END
chmod +x "$tmp/lab"/{fetch,selftests,build}.sh "$tmp/bin/qemu-system-x86_64"
cat >"$tmp/lab/scenarios/some" <<'END'
TITLE=some
BASE=7.3.y
SERIES=none
CONFIGS="guest watchdogs"
JOB=true
TIMEOUT=10
CPUS=1
EXPECT=PASS
END

# image FILE [CONFIG]: what looks like a bzImage, with its configuration in it.
image()
{
	python3 - "$@" <<-'END'
	import gzip, sys
	image = bytearray(4096)
	image[0x202:0x206] = b'HdrS'
	image[0x20e:0x210] = (0x300).to_bytes(2, 'little')
	banner = b'6.66.6-mine (me@here) #1 SMP\0other'
	image[0x500:0x500 + len(banner)] = banner
	for config in sys.argv[2:]:
	    image += b'IKCFG_ST' + gzip.compress(open(config, 'rb').read()) + b'IKCFG_ED'
	open(sys.argv[1], 'wb').write(image)
	END
}
printf 'CONFIG_64BIT=y\nCONFIG_KVM=m\n' >"$tmp/.config"
image "$tmp/bzImage"
image "$tmp/vmlinuz" "$tmp/.config"

# runs VARIABLE=VALUE...: what came of it is in $dir; it can only be a BOOT-ERROR.
runs()
{
	local status=0

	rm -rf "$LAB_RUNS" "$tmp/asked"
	env "$@" "$run" some || status=$?
	dir=$(echo "$LAB_RUNS"/*-some)
	[ "$status" = 1 ] && [ -f "$dir/results.json" ]
}

# is EXPRESSION: of Python, true of the results, r.
is()
{
	python3 -c 'import json, sys; r = json.load(open(sys.argv[1])); sys.exit(not eval(f"({sys.argv[2]})"))' "$dir/results.json" "$1" ||
		{ cat "$dir/results.json"; return 1; }
}

ok "KERNEL: is what boots, with the job and its configuration" eval 'runs KERNEL=$tmp/bzImage CONFIG=$tmp/.config &&
	cmp "$dir/kernel" "$tmp/bzImage" && cmp "$dir/config" "$tmp/.config" && [ -s "$dir/initramfs.cpio" ] && grep -e "-kernel kernel" "$tmp/asked"'
ok "KERNEL: ... and is recorded, by name, hash, banner" is '
	r["kernel"]["version"] == "6.66.6-mine" and r["kernel"]["built"]["base"] == "bzImage, Linux 6.66.6-mine" and
	len(r["kernel"]["built"]["sha256"]) == 64 and r["kernel"]["built"]["banner"] == "Linux version 6.66.6-mine (me@here) #1 SMP" and
	r["kernel"]["built"]["config"].startswith(".config, sha256 ") and r["title"] == "bzImage in some" and r["expected"] == "PASS"'
ok "KERNEL: ... with what the scenario asks for and does not get" is '
	"CONFIG_KVM=y" in r["kernel"]["built"]["unlike"].split() and "CONFIG_64BIT=y" not in r["kernel"]["built"]["unlike"].split()'
ok "KERNEL: the configuration that is in it" eval 'runs KERNEL=$tmp/vmlinuz && cmp "$dir/config" "$tmp/.config" &&
	is "r[\"kernel\"][\"built\"][\"config\"].startswith(\"CONFIG_IKCONFIG, \")"'
# leaves_nothing STATUS PATTERN VARIABLE=VALUE...: one line of error, and no run.
leaves_nothing()
{
	local status=$1 pattern=$2

	shift 2
	rm -rf "$LAB_RUNS"
	fails "$status" "$pattern" env "$@" "$run" some && [ -z "$(ls "$LAB_RUNS" 2>/dev/null)" ]
}
ok "KERNEL: without one" leaves_nothing 2 'lab: bzImage does not have its configuration in it \(CONFIG=FILE' "KERNEL=$tmp/bzImage"
ok "KERNEL: not there" leaves_nothing 2 'lab: KERNEL=/nonexistent does not exist' KERNEL=/nonexistent
ok "KERNEL: not a bzImage" leaves_nothing 2 'lab: KERNEL=.*/.config is no bzImage' "KERNEL=$tmp/.config" "CONFIG=$tmp/.config"
ok "KERNEL: a CONFIG that is none" leaves_nothing 2 'lab: CONFIG=.*/bzImage is no configuration' "KERNEL=$tmp/bzImage" "CONFIG=$tmp/bzImage"
ok "KERNEL: CONFIG alone" leaves_nothing 2 'lab: CONFIG=.* without KERNEL' "CONFIG=$tmp/.config"
ok "KERNEL: and TREE" leaves_nothing 2 'lab: both KERNEL and TREE are set' "KERNEL=$tmp/bzImage" "TREE=$tmp"

echo 'flags : fpu svm' >"$tmp/cpuinfo"
echo 1 >"$tmp/nested"
ok "ACCEL: TCG by default" eval 'runs A=b && grep -e "-cpu max.* -accel tcg" "$tmp/asked" && is "r[\"machine\"][\"accelerator\"].startswith(\"tcg\")"'
ok "ACCEL: no /dev/kvm" leaves_nothing 2 'lab: /dev/kvm cannot be opened' ACCEL=kvm
: >"$tmp/kvm"
ok "ACCEL: KVM, by the host's clock" eval 'runs ACCEL=kvm && grep -e "-cpu host .*-accel kvm " "$tmp/asked" && ! grep -E "icount|tcg" "$tmp/asked"'
ok "ACCEL: ... is recorded" is 'r["machine"]["accelerator"] == "kvm" and r["machine"]["seed"] is None'
ok "ACCEL: ... and shown" eval '! "$tmp/lab/results.py" table "$dir" >"$tmp/table" && grep "BOOT-ERROR  KVM " "$tmp/table"'
ok "ACCEL: ... on AMD, as it is" eval '! grep intel "$dir/config"'
printf 'vendor_id : GenuineIntel\nflags : fpu vmx\n' >"$tmp/cpuinfo"
ok "ACCEL: ... on Intel, with its half of KVM" eval 'runs ACCEL=kvm && grep "guest watchdogs intel$" "$dir/config"'
ok "ACCEL: a user's kernel" eval 'runs ACCEL=kvm KERNEL=$tmp/vmlinuz && grep -e "-accel kvm" "$tmp/asked" && cmp "$dir/kernel" "$tmp/vmlinuz"'
ok "ACCEL: with SEED" leaves_nothing 2 'lab: SEED=3 is of virtual time' ACCEL=kvm SEED=3
ok "ACCEL: unknown" leaves_nothing 2 'lab: unknown ACCEL=xen' ACCEL=xen
ok "ACCEL: not for arm64" eval 'echo ARCH=arm64 >>"$tmp/lab/scenarios/some" && leaves_nothing 2 "lab: some is for arm64" ACCEL=kvm && sed -i "\$d" "$tmp/lab/scenarios/some"'
echo N >"$tmp/nested"
ok "ACCEL: without nesting" leaves_nothing 2 "lab: the host's KVM does not nest" ACCEL=kvm
echo Y >"$tmp/nested"
echo 'flags : fpu' >"$tmp/cpuinfo"
ok "ACCEL: without a CPU that can" leaves_nothing 2 "lab: the host's KVM does not nest" ACCEL=kvm

plan
