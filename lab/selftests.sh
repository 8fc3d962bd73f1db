#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/selftests.sh
#
# Build KVM's selftests from the newest base with its series, once, statically,
# and install them as `make kselftest-install` does; print the directory.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

src=$(TREE='' "$LAB/fetch.sh" "$NEWEST_BASE")
series=$(series_of_base "$NEWEST_BASE")
out=$CACHE/selftests
log=$out/build.log

# The kernel's user-space headers come first, the tests do not build without.
build()
{
	bound make -s -C "$src" O="$out/obj" headers &&
	bound make -C "$src/tools/testing/selftests" TARGETS=kvm O="$out/obj" \
		KHDR_INCLUDES="-isystem $out/obj/usr/include" \
		LDFLAGS=-static INSTALL_PATH="$out/install" -j"$(nproc)" install
}

lock "build-$(basename "$src")"
"$LAB/series.sh" checkout "$src" "$series"
key=$({ git -C "$src" rev-parse 'HEAD^{tree}'; cat "$LAB/selftests.sh"; gcc --version; } | sha1sum)
if [ "$(cat "$out/built" 2>/dev/null)" != "$key" ]; then
	need_space 1500
	rm -rf "$out"
	mkdir -p "$out/obj"
	say "building the selftests of $NEWEST_BASE $series"
	build >"$log" 2>&1 ||
		die "the selftests do not build: $(grep -m 1 -E 'error:|Error|No space' "$log")" "see $log"
	rm -rf "$out/obj/kvm"
	echo "$key" >"$out/built"
fi
echo "$out/install"
