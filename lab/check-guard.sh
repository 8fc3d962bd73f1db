#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/check-guard.sh
#
# Show that the lockdep guard of the series costs nothing where lockdep is off:
# eventfd.o has the same instructions and relocations before and after the patch.
# Exit status 0 if so, 1 if not.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

GUARD='^KVM: .*[Ll]ockdep'

# disassemble COMMIT: of eventfd.o, compiled anew.
disassemble()
{
	git -C "$src" checkout -qf --detach "$1" &&
	rm -f "$obj/virt/kvm/eventfd.o" &&
	"${kmake[@]}" KCONFIG_ALLCONFIG="$LAB/configs/guest" allnoconfig >/dev/null &&
	bound "${kmake[@]}" -j"$(nproc)" arch/x86/kvm/ >/dev/null &&
	objdump -dr --no-show-raw-insn "$obj/virt/kvm/eventfd.o" >"$obj/$2"
}

src=$(TREE='' "$LAB/fetch.sh" "$NEWEST_BASE")
series=$(series_of_base "$NEWEST_BASE")
obj=$CACHE/build/check-guard
kmake=(make -s -C "$src" O="$obj" CC="ccache gcc")
lock "build-$(basename "$src")"
"$LAB/series.sh" checkout "$src" "$series"
guard=$(git -C "$src" log -1 --format=%H --grep="$GUARD" stock..HEAD)
[ -n "$guard" ] || die "no patch of patches/$series has a subject like '$GUARD'"
need_space 1500
mkdir -p "$obj"
say "compiling eventfd.o without and with the guard"
for what in "$guard~1 before" "$guard after"; do
	# shellcheck disable=SC2086
	disassemble $what || die "KVM does not build at ${what% *}"
done
if ! cmp -s "$obj/before" "$obj/after"; then
	say "eventfd.o differs, see diff $obj/before $obj/after"
	exit 1
fi
say "eventfd.o is the same without and with the guard, $(wc -l <"$obj/after") lines of disassembly"
