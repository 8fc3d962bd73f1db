#!/bin/bash
# shellcheck disable=SC2016,SC2034 # what ok evaluates is expanded later
# SPDX-License-Identifier: GPL-2.0-only
# Building and running, with a kernel that is a Makefile: the check of the
# configuration, errors, the way from TREE=DIR to a verdict, and the series.

. "$(dirname "$0")/tap.sh"

export LAB_CACHE=$tmp/cache LAB_RUNS=$tmp/runs TREE=$tmp/linux
mkdir -p "$TREE/virt/kvm"

# allnoconfig takes over what it is given, but drops symbols called *_DROPPED and
# sets those called *_SELECTED.
cat >"$TREE/Makefile" <<'END'
kernelversion:
	@echo 6.99.0
allnoconfig:
	sed '/_DROPPED/d; s/^# \(.*_SELECTED\) is not set/\1=y/' $(KCONFIG_ALLCONFIG) >$(O)/.config
bzImage:
	@echo '  CC      virt/kvm/eventfd.o'
	echo '$(GIVEN)' >$(O)/given
	cp virt/kvm/eventfd.c $(O)/bzImage
	touch $(O)/System.map
	! grep '^error:' virt/kvm/eventfd.c
	! grep '^hang' virt/kvm/eventfd.c || exec sleep 90
	! grep '^slow' virt/kvm/eventfd.c || { touch $(O)/began; timeout 60 sh -c 'until [ -e $(O)/go ]; do sleep 0.1; done'; }
	-grep -E 'slow|quick' $(CURDIR)/virt/kvm/eventfd.c >>$(O)/seen
	echo built >>$(O)/times-built
END
touch "$TREE/Kbuild"
printf 'config KNOWN\n\tbool\n' >"$TREE/Kconfig"
mkdir -p "$TREE"/arch/{x86,riscv}
printf 'config X86_ONLY\n\tbool\n' >"$TREE/arch/x86/Kconfig"
printf 'config UNKNOWN_HERE_DROPPED\n\tbool\n' >"$TREE/arch/riscv/Kconfig"
echo 'int x;' >"$TREE/virt/kvm/eventfd.c"

commit()
{
	git -C "$TREE" -c user.name=t -c user.email=t@localhost commit -qam "${1:-change}"
}
git init -q "$TREE"
git -C "$TREE" add .
commit

# A lab of our own, with fragments, scenarios and a series for that kernel.
cp -r "$TOP/lab" "$tmp/lab"
mkdir -p "$tmp/patches/good" "$tmp/patches/bad" "$tmp/patches/sloppy"
echo 'CONFIG_A=y' >"$tmp/lab/configs/fine"
printf 'CONFIG_A=y\nCONFIG_B_DROPPED=y\n' >"$tmp/lab/configs/dropped"
printf 'CONFIG_A=y\n# CONFIG_SELECTED is not set\n' >"$tmp/lab/configs/unwanted"
printf '# CONFIG_A is not set\n' >"$tmp/lab/configs/without"
printf '#? CONFIG_KNOWN=y\n#? CONFIG_UNKNOWN_DROPPED=y\n#? CONFIG_UNKNOWN_HERE_DROPPED=y\n#? CONFIG_X86_ONLY=y\n' >"$tmp/lab/configs/optional"
printf 'CONFIG_A=y\n#make GIVEN=$(if $(filter %%Image,$@),one two,three)\n' >"$tmp/lab/configs/given"
cat >"$tmp/lab/scenarios/fake" <<'END'
TITLE=fake
BASE=7.3.y
SERIES=none
CONFIGS=fine
JOB=none
TIMEOUT=1
CPUS=1
EXPECT=PASS
END
build=$tmp/lab/build.sh

# series NAME LINE: a patch that adds LINE to eventfd.c.
series()
{
	git -C "$TREE" checkout -qb "$1"
	echo "$2" >>"$TREE/virt/kvm/eventfd.c"
	commit "KVM: Add a line"
	git -C "$TREE" format-patch -q -1 -o "$tmp/patches/$1"
	git -C "$TREE" checkout -q -
}
series good 'int y;'
series sloppy 'int z; '
series bad 'int y;'
sed -i 's/^ int x;/ int unheard_of;/' "$tmp/patches/bad"/*

# The object directory that lab/build.sh makes for a series, `none` or not.
none=$tmp/cache/build/tree-$(printf '%s\n' "$TREE" | sha1sum | cut -c1-8)-none-fine
good=${none/-none-/-good-}

times_built()
{
	wc -l <"$none/times-built"
}

ok "build: a kernel" "$build" 7.3.y none fine
ok "build: a second run keeps it" eval '"$build" 7.3.y none fine && [ "$(times_built)" = 1 ]'
ok "build: a symbol that is dropped is an error" eval '! "$build" 7.3.y none dropped'
ok "build: ... which names it" grep -q 'not set although a fragment asks for it: CONFIG_B_DROPPED=y' \
	"${none/%fine/dropped}/build.log"
ok "build: a symbol that is set against a fragment is an error" eval '! "$build" 7.3.y none unwanted'
ok "build: ... which names it" grep -q 'not set although a fragment asks for it: # CONFIG_SELECTED is not set' \
	"${none/%fine/unwanted}/build.log"
ok "build: make gets a fragment's variable, and expands it" eval '
	obj=$("$build" 7.3.y none given) && [ "$(cat "$obj/given")" = "one two" ]'
ok "build: of two fragments the last has its way" eval '
	"$build" 7.3.y none fine without && grep -qx "# CONFIG_A is not set" "${none/%fine/fine-without}/.config"'
ok "build: an optional symbol that the kernel knows is set, one of another architecture, or of none, is no error" eval '
	"$build" 7.3.y none optional && grep -qx CONFIG_KNOWN=y "${none/%fine/optional}/.config" &&
	grep -qx CONFIG_X86_ONLY=y "${none/%fine/optional}/.config" &&
	! grep -q UNKNOWN "${none/%fine/optional}/.config"'

run=$tmp/run
mkdir -p "$run" "$none/arch/x86/boot" "$none/usr"
touch "$none/arch/x86/boot/bzImage" "$none/usr/gen_init_cpio" "$none"/{kvm.ko,System.map}
ok "build: --copy takes what a boot needs, and says what that is" eval '"$build" --copy "$run" 7.3.y none fine &&
	[ -f "$run/kernel" ] && [ -f "$run/gen_init_cpio" ] && [ -f "$run/modules/kvm.ko" ] && cmp "$none/.config" "$run/config" &&
	printf "%s\n" "base: $(basename "${none%-none-fine}"), Linux 6.99.0" "series: none" "tree: $(git -C "$TREE" rev-parse "HEAD^{tree}")" \
		"fragments: fine" "compiler: $(gcc --version | sed -n 1p)" | diff - "$run/built-from"'
mkdir "$tmp/bin"
printf '#!/bin/sh\n! flock -n %s true || touch %s\nexec %s "$@"\n' "$tmp/cache/locks/build-$(basename "${none%-none-fine}")" \
	"$tmp/unlocked" "$(command -v cp)" >"$tmp/bin/cp"
chmod +x "$tmp/bin/cp"
ok "build: ... before another can build there" eval 'PATH=$tmp/bin:$PATH "$build" --copy "$run" 7.3.y none fine && [ ! -e "$tmp/unlocked" ]'
ok "build: other flags make another kernel" eval '
	KCFLAGS=-DX "$build" 7.3.y none fine && [ "$(times_built)" = 2 ] && "$build" 7.3.y none fine'
# rebuilt COMMAND...: with $tmp/bin before other commands, it makes another kernel.
rebuilt()
{
	local before

	"$build" 7.3.y none fine >/dev/null
	before=$(times_built)
	PATH=$tmp/bin:$PATH "$@" 7.3.y none fine >/dev/null
	[ "$(times_built)" = $((before + 1)) ]
}
rm "$tmp/bin/cp"
for tool in gcc as ld flex bison; do
	printf '#!/bin/sh\necho another\n' >"$tmp/bin/$tool"
	chmod +x "$tmp/bin/$tool"
	ok "build: so does another $tool" rebuilt "$build"
	rm "$tmp/bin/$tool"
done
printf '#!/bin/sh\ncase $* in -print-file-name=libelf.so) echo %s ;; *) exec %s "$@" ;; esac\n' "$tmp/libelf" "$(command -v gcc)" >"$tmp/bin/gcc"
chmod +x "$tmp/bin/gcc"
echo libelf >"$tmp/libelf"
ok "build: ... and another libelf" rebuilt "$build"
rm "$tmp/bin/gcc"
for flags in KAFLAGS KCPPFLAGS HOSTCFLAGS; do
	ok "build: ... and other $flags" rebuilt env "$flags=-DX" "$build"
done
ok "build: ... but not the same" eval '! rebuilt "$build"'
ok "series: applied with git am" eval '"$build" 7.3.y good fine && grep -qx "int y;" "$good/bzImage"'
mkdir -p "$good/arch/x86/boot" "$good/usr"
touch "$good/arch/x86/boot/bzImage" "$good/usr/gen_init_cpio"
ok "series: ... and --copy says which patches" eval '"$build" --copy "$run" 7.3.y good fine &&
	grep -x "patchset: $(sha256sum "$tmp"/patches/good/*.patch | cut -c-64 | sha256sum | cut -c-64)" "$run/built-from"'
ok "series: stock stays stock" eval '"$build" 7.3.y none fine && ! grep -q "int y;" "$none/bzImage"'
ok "series: one that does not apply is one clear line" fails 2 'lab: patches/bad does not apply: .*the tree is Linux 6.99.0' \
	"$build" 7.3.y bad fine
ok "series: white space damage is an error" fails 2 'lab: patches/sloppy does not apply' "$build" 7.3.y sloppy fine
ok "series: an unknown one is one clear line" fails 2 "lab: unknown series 'none-such' \(one of: bad good" \
	"$build" 7.3.y none-such fine
ok "series: after the failures, a good one still applies" "$build" 7.3.y good fine
mkdir "$tmp/mutants"
cp -r "$tmp/patches/good" "$tmp/patches/kvm-next"
for mutant in lives dies; do
	echo "$mutant | x | 7.3.y | fine | 1 | - | none | FAIL | x" >>"$tmp/mutants/TABLE"
	printf '%s\n' '--- a/virt/kvm/eventfd.c' '+++ b/virt/kvm/eventfd.c' '@@ -1,2 +1,1 @@' \
		' int x;' '-int y;' >"$tmp/mutants/$mutant.patch"
done
sed -i 's/int y/int unheard_of/' "$tmp/mutants/dies.patch"
next=${none/-none-/-kvm-next-}
ok "build: a mutant shares the object directory of the series" eval '
	"$build" --mutant "$tmp/mutants/lives.patch" 7.3.y kvm-next fine &&
	! grep -q "int y;" "$next/bzImage" && "$build" 7.3.y kvm-next fine && grep -q "int y;" "$next/bzImage"'
ok "mutants: one that does not apply is one clear line" fails 2 'lab: mutant dies does not apply to tree-.* kvm-next' \
	"$tmp/lab/mutants.py" dies

ok "TREE: is not written to" eval '[ -z "$(git -C "$TREE" status --porcelain)" ] && [ -z "$(git -C "$TREE" tag)" ]'
ok "TREE: may be somebody else's" eval 'cp -r "$TREE" "$tmp/theirs" &&
	GIT_TEST_ASSUME_DIFFERENT_OWNER=1 TREE=$tmp/theirs "$build" 7.3.y none fine'
mkdir "$tmp/broken"
touch "$tmp/broken/Kbuild"
ok "TREE: without git, that cannot be copied, one clear line" fails 2 'lab: cannot copy .*/broken: make.*: .* No rule' \
	env TREE="$tmp/broken" "$build" 7.3.y none fine
echo 'gitdir: /nonexistent' >"$tmp/broken/.git"
ok "TREE: that git cannot read, one clear line" fails 2 'lab: cannot read .*/broken: fatal: not a git repository' \
	env TREE="$tmp/broken" "$build" 7.3.y none fine

# killed_half_way SIGNAL [-]: while it builds, with its process group or, without the `-`,
# alone, which ends what it runs.
killed_half_way()
{
	local began=yes

	echo 'hang' >>"$TREE/virt/kvm/eventfd.c"
	commit
	setsid "$build" 7.3.y none fine &
	wait_for grep -qs hang "$none/bzImage" || began=
	touch "$none/half.o"
	kill "-$1" -- "${2:-}$!"
	wait $! || true
	wait_for eval '! pgrep -f "make .* O=$none "' || { began=; pkill -f "make .* O=$none "; }
	sed -i '/hang/d' "$TREE/virt/kvm/eventfd.c"
	commit
	[ "$began" ] && "$build" 7.3.y none fine && [ ! -e "$none/half.o" ]
}
ok "build: killed half-way, the next run starts over" killed_half_way KILL -
ok "build: ... also if it alone is, which leaves nothing that runs" killed_half_way TERM

# While one builds, another commit is checked out in TREE, and another builds that.
changes_meanwhile()
{
	local one two

	echo slow >>"$TREE/virt/kvm/eventfd.c"
	commit
	"$build" 7.3.y none fine &
	one=$!
	wait_for test -e "$none/began" || return
	sed -i s/slow/quick/ "$TREE/virt/kvm/eventfd.c"
	commit
	"$build" 7.3.y none fine 2>"$tmp/second" &
	two=$!
	wait_for grep -q 'waiting for another run that uses build-tree-' "$tmp/second"
	touch "$none/go"
	wait "$one" && wait "$two" && [ "$(paste -sd' ' "$none/seen")" = 'slow quick' ]
}
ok "TREE: that changes under a build waits for its end" changes_meanwhile

echo 'error: expected declaration' >>"$TREE/virt/kvm/eventfd.c"
commit
ok "run: a kernel that does not build is a BUILD-ERROR" eval '
	! "$tmp/lab/run.py" fake >"$tmp/table" && grep -q "PASS *BUILD-ERROR" "$tmp/table"'
ok "run: ... and its verdict has the compiler's words" grep -q 'error: expected declaration' "$tmp"/runs/*/verdict
echo 'warning: unused' >"$TREE/virt/kvm/eventfd.c"
sed -i 's/^\tcp /\tcat virt\/kvm\/eventfd.c; cp /' "$TREE/Makefile"
commit
ok "build: a warning is an error" eval '! "$build" 7.3.y none fine'

unset TREE

# As piggy.S includes the compressed kernel.  CCACHE_DEPEND misses it.
incbin()
{
	local version

	cd "$tmp" || return
	printf '.data\n.incbin "included"\n' >incbin.S
	for version in old1 new2; do
		printf %s "$version" >included
		CCACHE_DIR=$tmp/ccache ccache gcc -Wp,-MMD,incbin.d -c incbin.S -o incbin.o || return
	done
	grep -q new2 incbin.o
}
ok "ccache: an object that includes a file is made anew with the file" incbin

plan
