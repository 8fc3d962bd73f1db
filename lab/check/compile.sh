# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2154 # that script sets what is not set here
# For lab/check-series.sh, which says what each check is: of what the patch, $commit, checked out
# in $src, makes of the kernel and of its tests.  $obj is where the base's kernel is built.

# Does the patch change what is compiled for the kernel?
compiled()
{
	touched '\.[chS]$|Kconfig|Makefile|Kbuild' | grep -vE '^(tools|Documentation)/' >/dev/null
}

# no_warning COMMAND...: none of the compiler's in the output, either.
no_warning()
{
	"$@" >"$obj/output" 2>&1 && ! grep -q 'warning:' "$obj/output"
	local status=$?
	cat "$obj/output"
	return $status
}

check_builds()
{
	no_warning bound "${kmake[@]}" O="$obj" CC="ccache gcc" bzImage
}

# test_programs ARCH OUTPUT: what the columns tests and cross are about, as the
# commit's makefile has it.
test_programs()
{
	# shellcheck disable=SC2016 # make's, not the shell's
	local about='$(if $(filter irq% $(SPLIT_TESTS),$(notdir $(p))),$(p))'

	make -s -C "$src/tools/testing/selftests/kvm" ARCH="$1" OUTPUT="$2" \
		--eval="lab-programs: ; @printf '%s\\n' \$(foreach p,\$(TEST_GEN_PROGS) \$(TEST_GEN_PROGS_EXTENDED),$about)" lab-programs
}

# build_tests ARCH [CROSS-PREFIX]
build_tests()
{
	local arch=$1 cross=${2:-} dir=$obj/tests-$1 all programs

	mkdir -p "$dir/kvm"
	all=$(test_programs "$arch" "$dir/kvm") && [ -n "$all" ] || complain "no tests for $arch" || return
	mapfile -t programs <<<"$all"
	"${kmake[@]}" -s O="$dir" ARCH="$arch" headers &&
	no_warning bound make -s -j"$(nproc)" -C "$src/tools/testing/selftests/kvm" ARCH="$arch" \
		CROSS_COMPILE="$cross" CC="ccache ${cross}gcc" OUTPUT="$dir/kvm" LDFLAGS=-static \
		KHDR_INCLUDES="-isystem $dir/usr/include" "${programs[@]}"
}

check_tests()
{
	touched '^tools/testing/selftests/' >/dev/null || return "$NOTHING_TO_CHECK"
	build_tests x86_64
}

check_cross()
{
	touched '^tools/testing/selftests/' >/dev/null || return "$NOTHING_TO_CHECK"
	build_tests arm64 aarch64-linux-gnu- &&
	build_tests s390 s390x-linux-gnu- &&
	build_tests riscv riscv64-linux-gnu-
}

# set_variant NAME: what is compiled how, see the top.  The goals are what there
# is of irqfds, and who includes kvm_irqfd.h; all of KVM is built by the base, and
# linked, with what it exports to itself, as modules.
set_variant()
{
	local arch=x86 users=(ioapic.o vmx/posted_intr.o svm/avic.o)

	module='' cross='' kunit=''
	out=$CACHE/build/$(basename "$src")-check-$1
	case $1 in
	x86)		configs=(guest check) kunit=yes ;;
	modules)	configs=(guest check) module=yes ;;
	arm64)		configs=(arm64) arch=arm64 cross=aarch64-linux-gnu- users=(vgic/vgic-irqfd.o) ;;
	ppc64)		configs=(ppc64 xics) arch=powerpc cross=powerpc64-linux-gnu- users=(book3s_xics.o) ;;
	noirq)		configs=(ppc64 noxics) arch=powerpc cross=powerpc64-linux-gnu- users=(powerpc.o) ;;
	esac
	goals=(../../../virt/kvm/eventfd.o "${users[@]}")
	goals=("${goals[@]/#/arch/$arch/kvm/}")
	[ -z "$module" ] || goals=(vmlinux modules)
	configs=("${configs[@]/#/$LAB/configs/}")
	# A sparse that is older than typeof_unqual does, as gcc 12 is, too, and one
	# that doesn't know the length of a constant, as MODULE_INFO() asks it to.
	vmake=("${kmake[@]}" O="$out" ARCH="$arch" CROSS_COMPILE="$cross" CC="ccache ${cross}gcc" W=1)
	[ "$1" != x86 ] || vmake+=(C=1 CHECK="sparse -D__typeof_unqual__=__typeof__ '-D__builtin_strlen(s)=(sizeof(s)-1)'")
}

# compile_variant GOAL...: into $out, with the warnings kept there.
compile_variant()
{
	fragment "$src" "${configs[@]}" |
		sed -E "${module:+s/^(CONFIG_KVM(_AMD|_INTEL|_IRQFD_RESAMPLER_KUNIT_TEST)?)=y/\1=m/;1iCONFIG_MODULES=y}" >"$out/fragment" &&
	"${vmake[@]}" -s KCONFIG_ALLCONFIG="$out/fragment" allnoconfig &&
	! check_config "$out/.config" "$out/fragment" | grep . &&
	bound "${vmake[@]}" "$@" >"$out/output" 2>&1
	local status=$?
	cat "$out/output"
	grep -E '(warning|WARNING|error|ERROR):|is not available or not up to date' "$out/output" | sed "s,$src/,,g" >"$out/warnings"
	return $status
}

# objects_outside FILE...: of those files, the C files that are not KVM's, and the
# KUnit suites, as make wants to hear of them, unless it builds the whole kernel.
objects_outside()
{
	[ -z "$module" ] || return 0
	printf '%s\n' "$@" | sed -nE 's,^((fs|kernel|lib|mm)/.*)\.c$,\1.o,p' | sort -u
	[ -z "$kunit" ] ||
		printf '%s\n' "$@" | sed -nE 's,^(virt/kvm/tests/.*)\.c$,arch/x86/kvm/../../../\1.o,p' | sort -u
}

# What the untouched sources say, of all that some series of the base changes, is
# kept, as it takes a whole build of KVM.
baseline()
{
	local key files others

	set_variant "$1"
	# shellcheck disable=SC2086
	mapfile -t files < <(cd "$TOP/patches" && find $SERIES -name '*.patch' -exec sed -n 's,^--- a/,,p' {} + | sort -u |
		xargs git -C "$src" ls-tree -r --name-only stock --)
	mapfile -t others < <(objects_outside "${files[@]}")
	key=$({ git -C "$src" rev-parse stock; cat "${configs[@]}"; echo "$module" "${vmake[@]}" "${others[@]}"
		"${cross}gcc" --version; sparse --version; } | sha1sum)
	[ "$(cat "$out/baseline" 2>/dev/null)" != "$key" ] || return 0
	say "$base: KVM as it is ($1)"
	git -C "$src" checkout -qf --detach stock
	rm -rf "$out"
	mkdir -p "$out"
	compile_variant "${goals[@]}" "${others[@]}" >"$out/log" 2>&1 || die "$base does not build as it is ($1)" "see $out/log"
	! grep -q 'not up to date' "$out/warnings" || die "sparse is not usable" "see $out/log"
	mv "$out/warnings" "$out/warnings-stock"
	echo "$key" >"$out/baseline"
}

check_variant()
{
	local files others

	compiled || return "$NOTHING_TO_CHECK"
	set_variant "$1"
	mapfile -t files < <(touched .)
	mapfile -t others < <(objects_outside "${files[@]}")
	compile_variant "${goals[@]}" "${others[@]}" || return
	! new_lines "$out/warnings-stock" "$out/warnings" | grep . || return
}
