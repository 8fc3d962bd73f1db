#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/kunit.sh [ARCH...]
#
# Run the series' KUnit suite as kernel developers do, with the kernel's own
# tools/testing/kunit/kunit.py, which configures, builds, boots under QEMU (TCG)
# and judges.  ARCH is x86_64 or arm64; without any, both.  The kernel is the
# newest base's with its series.  Exit status 0 if all tests pass, 1 if not.
#
# There is no run with UML: it does not have KVM.  kunit.py prefers /dev/kvm to
# TCG, but not every /dev/kvm boots every kernel, so it is kept from trying.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

[ $# -gt 0 ] || set -- x86_64 arm64
deps=(python3)
for arch; do
	case $arch in
	x86_64)	;;
	arm64)	deps+=(qemu-system-aarch64=qemu-system-arm aarch64-linux-gnu-gcc=gcc-aarch64-linux-gnu) ;;
	*)	die "unknown architecture '$arch'" "one of: x86_64 arm64" ;;
	esac
done
"$LAB/deps.sh" "${deps[@]}"

# kunit ARCH: the kunitconfig of the suite is all that is configured.  KVM has
# symbols of an architecture's own, and kunit.py wants each line of it to be heeded.
kunit()
{
	local options=(--arch "$1" --build_dir "$CACHE/build/kunit-$1" --jobs "$(nproc)")

	case $1 in
	x86_64)	options+=(--kunitconfig virt/kvm/tests --make_options "CC=ccache gcc") ;;
	arm64)	options+=(--kunitconfig virt/kvm/tests/arm64.kunitconfig --cross_compile aarch64-linux-gnu-
			  --make_options "CC=ccache aarch64-linux-gnu-gcc") ;;
	esac
	say "running kunit.py for $1"
	cd "$src" && bound env PYTHONDONTWRITEBYTECODE=1 PATH="$bin:$PATH" \
		tools/testing/kunit/kunit.py run "${options[@]}"
}

# qemu_without_kvm DIR: commands of the names that kunit.py uses, for the PATH.
qemu_without_kvm()
{
	local qemu

	for qemu in qemu-system-x86_64 qemu-system-aarch64; do
		cat >"$1/$qemu" <<-END
		#!/bin/bash
		args=("\$@")
		for i in "\${!args[@]}"; do
			[ "\${args[i]}" != kvm ] || unset "args[i]" "args[i - 1]"
		done
		PATH=$PATH exec $qemu "\${args[@]}"
		END
		chmod +x "$1/$qemu"
	done
}

src=$(TREE='' "$LAB/fetch.sh" "$NEWEST_BASE")
lock "build-$(basename "$src")"
"$LAB/series.sh" checkout "$src" "$(series_of_base "$NEWEST_BASE")"
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
qemu_without_kvm "$bin"
status=0
for arch; do
	need_space 3000
	(kunit "$arch") || status=1
done
exit "$status"
