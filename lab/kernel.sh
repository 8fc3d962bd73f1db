#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/kernel.sh RUN KERNEL CONFIG FRAGMENT...
#
# Put a kernel that was built elsewhere, KERNEL (a bzImage; an Image on arm64), into the
# directory RUN, as lab/build.sh --copy does with one of the lab's, and what it is:
# `built-from` has its name, hash and banner.  CONFIG is its configuration; if that is
# empty, the one that the kernel has in it (CONFIG_IKCONFIG) is taken.  What FRAGMENTs
# (lab/configs) ask for and do not get is said, and is no error: the judge tells
# what comes of it.  Modules stay outside, so that KVM has to be built in.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

[ $# -ge 3 ] || die "a run, a kernel and a configuration are needed" "lab/kernel.sh --help"
run=$1 kernel=$2 config=$3
shift 3

# magic OFFSET: four letters of the kernel.
magic()
{
	dd if="$kernel" bs=1 skip="$1" count=4 2>/dev/null | tr '\0' .
}

check()
{
	[ -f "$kernel" ] || die "KERNEL=$kernel does not exist"
	[ -z "$config" ] || [ -f "$config" ] || die "CONFIG=$config does not exist"
	case $ARCH in
	x86_64)	[ "$(magic $((0x202)))" = HdrS ] || die "KERNEL=$kernel is no bzImage" "arch/x86/boot/bzImage, or /boot/vmlinuz-..." ;;
	arm64)	[ "$(magic 56)" = ARMd ] || die "KERNEL=$kernel is no Image" "arch/arm64/boot/Image" ;;
	esac
}

# banner: where Documentation/arch/x86/boot.rst says that kernel_version is; an Image of
# arm64 is not compressed.
banner()
{
	local at

	if [ "$ARCH" = arm64 ]; then
		grep -aom 1 'Linux version [0-9][^[:cntrl:]]*' "$kernel"
	else
		at=$(od -An -tu2 -j $((0x20e)) -N 2 "$kernel")
		echo "Linux version $(dd if="$kernel" bs=1 skip=$((0x200 + at)) count=400 2>/dev/null | tr '\0' '\n' | sed -n 1p)"
	fi
}

configuration()
{
	if [ -n "$config" ]; then
		cp "$config" "$run/config"
	else
		"$src/scripts/extract-ikconfig" "$kernel" >"$run/config" 2>/dev/null ||
			die "$(basename "$kernel") does not have its configuration in it" "CONFIG=FILE, its .config; or build it with CONFIG_IKCONFIG=y"
	fi
	grep -q '^CONFIG_' "$run/config" || die "CONFIG=$config is no configuration"
}

# unlike FRAGMENT...: what they ask for and don't get.
unlike()
{
	fragment "$src" "${@/#/$LAB/configs/}" >"$run/wanted"
	check_config "$run/config" "$run/wanted" | paste -sd' '
	rm "$run/wanted"
}

hash_of()
{
	sha256sum "$1" | cut -d' ' -f1
}

check
src=$(TREE='' "$LAB/fetch.sh" "$NEWEST_BASE")
configuration
cp "$kernel" "$run/kernel"
echo "$ARCH" >"$run/arch"
# For a scenario that would load modules, there are none.
mkdir -p "$run/modules"
gcc -O2 -o "$run/gen_init_cpio" "$src/usr/gen_init_cpio.c" || die "gen_init_cpio does not build"
unlike=$(unlike "$@")
[ -z "$unlike" ] || say "note: $(basename "$kernel") is not as the scenario's fragments ask: $unlike"
text=$(banner)
version=${text#Linux version }
cat >"$run/built-from" <<END
base: $(basename "$kernel"), Linux ${version%% *}
sha256: $(hash_of "$kernel")
banner: $text
config: $(basename "${config:-CONFIG_IKCONFIG}"), sha256 $(hash_of "$run/config")
END
[ -z "$unlike" ] || echo "unlike: $unlike" >>"$run/built-from"
