#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/selftests.sh
#
# Build KVM's selftests from the newest base with its series and what of that is
# not for merging, once, statically, and install them as `make kselftest-install` does; print the directory.
# With ARCH=arm64 in the environment, they are cross-compiled.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

src=$(TREE='' "$LAB/fetch.sh" "$NEWEST_BASE")
series=$(whole_series_of_base "$NEWEST_BASE")
out=$CACHE/selftests${CROSS:+-$ARCH}
log=$out/build.log

# The kernel's user-space headers come first, the tests do not build without.
build()
{
	local arch=()

	[ -z "$CROSS" ] || arch=("ARCH=$ARCH" "CROSS_COMPILE=$CROSS")
	bound make -s -C "$src" O="$out/obj" "${arch[@]}" headers &&
	bound make -C "$src/tools/testing/selftests" TARGETS=kvm O="$out/obj" "${arch[@]}" \
		KHDR_INCLUDES="-isystem $out/obj/usr/include" \
		LDFLAGS=-static INSTALL_PATH="$out/install" -j"$(nproc)" install
}

# All that they are made of, and with; they are linked statically.  Patches to the
# kernel alone are nothing to them.
ingredients()
{
	local tool

	git -C "$src" rev-parse 'stock^{tree}'
	"$LAB/series.sh" list "$series" | sed "s,^,$TOP/patches/," |
		xargs grep -lE '^diff --git a/(tools|.*/uapi)/' | xargs cat
	cat "$LAB/selftests.sh" "$("${CROSS}gcc" -print-file-name=libc.a)"
	for tool in gcc as ld; do "$CROSS$tool" --version; done
}

built()
{
	[ "$(cat "$out/built" 2>/dev/null)" = "$key" ]
}

key=$(ingredients | sha1sum)
# A boot must not wait for whoever builds a kernel from the same tree.
built || lock "build-$(basename "$src")"
if ! built; then
	"$LAB/series.sh" checkout "$src" "$series"
	need_space 1500
	rm -rf "$out"
	mkdir -p "$out/obj"
	say "building the selftests of $NEWEST_BASE $series${CROSS:+ for $ARCH}"
	build >"$log" 2>&1 ||
		die "the selftests do not build: $(grep -m 1 -E 'error:|Error|No space' "$log")" "see $log"
	rm -rf "$out/obj/kvm"
	echo "$key" >"$out/built"
fi
echo "$out/install"
