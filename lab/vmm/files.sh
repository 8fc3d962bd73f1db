#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/vmm/files.sh
#
# Print, as gen_init_cpio takes it, what the guest of a scenario with FILES=vmm has
# besides: this machine's QEMU with its libraries and firmware, the program vmm
# (vmm.c, qemu.c, talk.c), and a kernel with an initramfs (nested-init, disk.c) for QEMU to boot.

. "$(dirname "$0")/../lib.sh"
usage_if_asked "$@"

out=$CACHE/vmm
qemu=$(command -v qemu-system-x86_64) || die "no qemu-system-x86_64" "make deps"
qemu=$(realpath "$qemu")

# compile NAME FILE...
compile()
{
	gcc -static -O2 -Wall -Wextra -Werror -o "$out/$1.tmp" "${@:2}" 2>"$out/log" ||
		die "lab/vmm does not compile: $(grep -m 1 error: "$out/log")" "see $out/log"
	mv "$out/$1.tmp" "$out/$1"
}

nested_initramfs()
{
	cat <<-END
	dir /bin 755 0 0
	dir /dev 755 0 0
	nod /dev/console 600 0 0 c 5 1
	file /init $LAB/vmm/nested-init 755 0 0
	file /bin/busybox $("$LAB/fetch.sh" busybox) 755 0 0
	file /disk $out/disk 755 0 0
	END
}

# What QEMU opens: itself and the accelerator of the processes that have devices, what
# these are linked with, and the firmware and ROM that boot a kernel.
qemu_files()
{
	local file modules

	modules=$(compgen -G "/usr/lib/*/qemu/accel-tcg-x86_64.so" || true)
	# shellcheck disable=SC2086
	ldd "$qemu" $modules | awk '$2 == "=>" { print $3 } $1 ~ "^/" && $2 ~ "^[(]" { print $1 }'
	echo "$qemu $modules" | tr ' ' '\n'
	for file in bios-256k.bin linuxboot_dma.bin kvmvapic.bin; do
		compgen -G "/usr/share/*/$file" || die "no $file" "which Debian has in seabios and qemu-system-data"
	done
}

# Those with the directories that they are in.
as_list()
{
	sort -u | awk 'NF {
		n = split($1, part, "/")
		dir = ""
		for (i = 2; i < n; i++) {
			dir = dir "/" part[i]
			if (!seen[dir]++)
				print "dir " dir " 755 0 0"
		}
		print "file " $1 " " $1 " 755 0 0"
	}'
}

lock vmm
mkdir -p "$out"
compile vmm "$LAB"/vmm/{vmm,qemu,talk}.c
compile disk "$LAB/vmm/disk.c"
TREE='' ARCH=x86_64 "$LAB/build.sh" --copy "$out" "$NEWEST_BASE" none nested >"$out/obj"
nested_initramfs >"$out/list"
"$out/gen_init_cpio" "$out/list" >"$out/initramfs.cpio.tmp"
mv "$out/initramfs.cpio.tmp" "$out/initramfs.cpio"
qemu_files | as_list
cat <<END
dir /vmm 755 0 0
file /vmm/kernel $out/kernel 644 0 0
file /vmm/initramfs.cpio $out/initramfs.cpio 644 0 0
file /tests/vmm $out/vmm 755 0 0
END
