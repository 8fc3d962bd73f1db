#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/check-docs.sh
#
# Build the documentation of KVM as `make SPHINXDIRS=virt/kvm htmldocs` does, without
# and with the series.  Exit status 1 if it gives a warning that it didn't give before.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

src=$(TREE='' "$LAB/fetch.sh" "$NEWEST_BASE")
out=$CACHE/build/check-docs
lock "build-$(basename "$src")"
for spec in none "$(series_of_base "$NEWEST_BASE")"; do
	"$LAB/series.sh" checkout "$src" "$spec"
	say "building the documentation of $NEWEST_BASE $spec"
	rm -rf "$out/Documentation"
	mkdir -p "$out"
	bound make -s -C "$src" O="$out" SPHINXDIRS=virt/kvm htmldocs >"$out/$spec.log" 2>&1 ||
		die "the documentation does not build: $(tail -n 1 "$out/$spec.log")" "see $out/$spec.log"
done
! new_lines "$out/none.log" "$out/$spec.log" | grep -iE 'warning|error' || exit 1
