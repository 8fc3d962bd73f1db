#!/bin/bash
# shellcheck disable=SC2016,SC2034 # what ok evaluates is expanded later
# SPDX-License-Identifier: GPL-2.0-only
# What compiles and compares: lab/check-series.sh beyond --quick, lab/check-guard.sh
# and lab/selftests.sh, with a kernel that is a few files, whose makefiles print the
# warnings that a C file asks for.

. "$(dirname "$0")/tap.sh"

export LAB_CACHE=$tmp/cache PATH=$tmp/bin:$PATH
TREE=$tmp/cache/src/7.3.y
tests=tools/testing/selftests
mkdir -p "$tmp/bin" "$TREE"/{scripts/coccinelle,virt/kvm,$tests/kvm}

# `// GOAL ARCH TEXT` is a warning that the compiler of GOAL for ARCH gives.
cat >"$TREE/Makefile" <<'END'
kernelversion:
	@echo 6.99.0
allnoconfig:
	@cp $(KCONFIG_ALLCONFIG) $(O)/.config
arch/x86/kvm/:
	@mkdir -p $(O)/virt/kvm
	@gcc -c virt/kvm/eventfd.c -o $(O)/virt/kvm/eventfd.o
.DEFAULT:
	@sed -n 's,^// $(notdir $@) $(or $(ARCH),none) ,virt/kvm/eventfd.c:1: warning: ,p' virt/kvm/eventfd.c
	@[ -z '$(W)' ] || ! grep '^// hang' virt/kvm/eventfd.c || { touch $(O)/hangs; sleep 60; }
	@! grep '^// error' virt/kvm/eventfd.c
END
cat >"$TREE/$tests/kvm/Makefile" <<'END'
TEST_GEN_PROGS = $(OUTPUT)/irqfd_test $(OUTPUT)/other_test
$(OUTPUT)/%_test:
	@sed -n 's,^// $(notdir $@) $(ARCH) ,$(notdir $@).c:1: warning: ,p' irqfd_test.c
END
cat >"$TREE/$tests/Makefile" <<'END'
install:
	@! grep '^error' kvm/irqfd_test.c
	@mkdir -p $(INSTALL_PATH)/kvm $(O)/kvm
	@cp kvm/irqfd_test.c $(INSTALL_PATH)/kvm/irqfd_test
	@echo $(TARGETS) $(LDFLAGS) >>$(O)/../../installs
END
touch "$TREE/Kbuild"
echo 'my @all = <STDIN>;' >"$TREE/scripts/checkpatch.pl"
printf '#!/bin/sh\necho "A. Body <a@localhost> (maintainer:VIRT)"\n' >"$TREE/scripts/get_maintainer.pl"
printf '#!/bin/sh\n' >"$TREE/scripts/kernel-doc"
printf '// Options: --no-includes\nvirtual report\n' >"$TREE/scripts/coccinelle/one.cocci"
printf 'virtual report\n@script:ocaml@\n' >"$TREE/scripts/coccinelle/needs-ocaml.cocci"
printf '#!/bin/sh\nfor f; do :; done\ngrep "^// cocci" "$f"\n[ "${*#*ocaml}" = "$*" ]\n' >"$tmp/bin/spatch"
chmod +x "$TREE"/scripts/{get_maintainer.pl,kernel-doc}
for cross in aarch64-linux-gnu- powerpc64-linux-gnu-; do ln -s "$(command -v gcc)" "$tmp/bin/${cross}gcc"; done
printf '#!/bin/sh\necho sparse\n' >"$tmp/bin/sparse"
chmod +x "$tmp/bin"/{sparse,spatch}
# Of the untouched sources, so that they are nobody's fault.
printf '%s\n' 'int x(void)' '{' '	return 1;' '}' '// eventfd.o x86 old' '// cocci old' '// last' >"$TREE/virt/kvm/eventfd.c"
echo '// last' >"$TREE/$tests/kvm/irqfd_test.c"
commit_stock
git -C "$TREE" tag stock

# A lab of our own, with a series that make tree can start from.
cp -r "$TOP/lab" "$tmp/lab"
sed -i 's/^SERIES=.*/SERIES=kvm-next/; s/^CONFIGS=.*/CONFIGS=guest/' "$tmp/lab/bases/7.3.y"
sed -i '/SIZE\|#?/d' "$tmp/lab/configs/guest"
mkdir -p "$tmp/patches/kvm-next" "$tmp/patches/6.18.y"
git -C "$TREE" checkout -qb first
echo >>"$TREE/virt/kvm/eventfd.c"
git -C "$TREE" commit -qam start
git -C "$TREE" format-patch -q -1 -o "$tmp/patches/kvm-next"
git -C "$TREE" checkout -q --detach stock
work=$("$tmp/lab/series.sh" edit 7.3.y 2>/dev/null)

# series LINE...: a patch for each, in which that becomes the last line of eventfd.c, or,
# if it begins with `in-test `, of a selftest.
export GIT_AUTHOR_DATE='2026-01-01 00:00 +0000'
series()
{
	local line file

	git -C "$work" reset -q --hard stock
	for line; do
		file=virt/kvm/eventfd.c
		[[ $line != in-test* ]] || file=$tests/kvm/irqfd_test.c
		sed -i "\$ s,.*,${line#in-test }," "$work/$file"
		git -C "$work" commit -qam "KVM: Say ${SUBJECT:-something}" -m 'Signed-off-by: A. U. Thor <author@localhost>'
	done
	"$tmp/lab/series.sh" export 7.3.y
}

# Of each patch, the columns that find fault with it.
cat >"$tmp/faults" <<'END'
none|a good one|// nothing
builds x86 modules arm64 ppc64 noirq|an error of all compilers|// error
builds|a warning of the base's kernel|// bzImage none unused
x86|... of eventfd.o, or sparse|// eventfd.o x86 unused
modules|... of modules|// modules x86 unused
arm64|... for arm64|// eventfd.o arm64 unused
ppc64 noirq|... for powerpc, with irqfds and without|// eventfd.o powerpc unused
none|... but not one that the untouched sources have, elsewhere|// eventfd.o x86 old
cocci|a report of coccinelle|// cocci new
tests|a warning of a selftest|in-test // irqfd_test x86_64 unused
cross|... of another architecture's|in-test // irqfd_test s390 unused
none|... but not of one that is not about interrupts|in-test // other_test riscv unused
END
mapfile -t lines < <(cut -d'|' -f3 "$tmp/faults")
ok "check-series: some are faulty" eval 'series "${lines[@]}" && ! "$tmp/lab/check-series.sh" 7.3.y >"$tmp/table"'
awk 'NR == 1 { split($0, name); next }
	{ bad = ""; for (i = 2; i <= NF; i++) if ($i == "FAIL") bad = bad " " name[i]; print bad == "" ? "none" : substr(bad, 2) }' \
	"$tmp/table" >"$tmp/found"
n=0
while IFS='|' read -r columns what _ <&4; do
	n=$((n + 1))
	ok "check-series: $what" eval 'sed -n "1p;$((n + 1))p" "$tmp/table"; [ "$(sed -n "${n}p" "$tmp/found")" = "$columns" ]'
done 4<"$tmp/faults"
ok "check-series: of what a patch doesn't touch, nothing is said" eval '[ "$(awk "{ print \$11, \$16, \$17 }" "$tmp/table" | sed -n "2p;13p")" = \
"ok - -
- ok ok" ]'
ok "check-series: a good one is the exit status" eval 'series "${lines[0]}" && "$tmp/lab/check-series.sh" 7.3.y'

# terminated: while it compiles.
terminated()
{
	series '// good' '// hang'
	"$tmp/lab/check-series.sh" 7.3.y >"$tmp/table" &
	wait_for eval 'ls "$tmp"/cache/build/*/hangs' >/dev/null 2>&1 || return
	SECONDS=0
	kill $!
	! wait $! || return
	# By itself, the compiler would take a minute.
	wait_for eval '! pgrep -f "make.*$tmp/"' && [ $SECONDS -lt 30 ]
}
ok "check-series: what is killed leaves nothing that runs" terminated
ok "check-series: ... and the table has the rows that there are" eval '[ "$(wc -l <"$tmp/table")" = 2 ]'

# The guard is a patch of that name.
guard()
{
	SUBJECT=lockdep series "$1" && "$tmp/lab/check-guard.sh"
}
ok "check-guard: the same code" guard '// of lockdep'
ok "check-guard: other code" eval '! guard "int y(void) { return 2; }"'
series '// nothing' 2>/dev/null
ok "check-guard: no guard" fails 2 'lab: no patch of patches/kvm-next has a subject like' "$tmp/lab/check-guard.sh"

# selftests TIMES: have been built so often.
selftests()
{
	"$tmp/lab/selftests.sh" >"$tmp/out" && [ "$(cat "$tmp/out")" = "$tmp/cache/selftests/install" ] &&
		[ "$(grep -c '^kvm -static$' "$tmp/cache/installs")" = "$1" ]
}
series '// some' 'in-test // one' 2>/dev/null
ok "selftests: of the series, linked statically" eval 'selftests 1 && grep one "$tmp/cache/selftests/install/kvm/irqfd_test"'
ok "selftests: are kept" selftests 1
ok "selftests: ... if a patch changes that is nothing to them" eval 'series "// other" "in-test // one" && selftests 1'
ok "selftests: ... not if one does that is" eval 'series "// other" "in-test // two" && selftests 2 && grep two "$tmp/cache/selftests/install/kvm/irqfd_test"'
printf '#!/bin/sh\ncase $* in -print-file-name=libc.a) echo %s ;; *) exec %s "$@" ;; esac\n' "$tmp/libc.a" "$(command -v gcc)" >"$tmp/bin/gcc"
chmod +x "$tmp/bin/gcc"
echo libc >"$tmp/libc.a"
ok "selftests: ... nor with another libc" selftests 3
series 'in-test error: of ours' 2>/dev/null
ok "selftests: that do not build are one clear line" fails 2 'lab: the selftests do not build: error: of ours' "$tmp/lab/selftests.sh"

plan
