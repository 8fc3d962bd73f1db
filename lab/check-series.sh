#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/check-series.sh [--quick] BASE...
#
# Check each patch of each series of each base, on top of those before it and, in a
# stack, of the series before it, and end with a table, patch by check; the outputs
# are in check-SERIES.log of the base's directory in cache/build.  Exit status 0 if nothing
# failed, 1 if something did, 130 after Ctrl-C.  With --quick, only what takes no
# compiler.
#
#   trip     patches -> commits (by git am) -> patches is the identity
#   mail     numbered, with one base-commit for the series, a newline at the end,
#            and no signature
#   subject  `topic: Imperative`, at most 75 characters, no full stop
#   tags     signed off by the author; Fixes: comes with Cc: stable, as does a
#            patch that has a backport; a backport names the upstream commit
#   style    checkpatch.pl --strict
#   owner    get_maintainer.pl names a maintainer of the patch, and of new files
#   kdoc     no new warning of kernel-doc on the files of the patch
#   cocci    no new report of coccinelle on them
#   builds   the base's kernel, which has KVM_WERROR=y, without any warning
#   x86      eventfd.o and its users, KVM_AMD and KVM_INTEL built in, with W=1 and
#            C=1 (sparse), and the KUnit suites; this and the others: no warning that
#            the untouched sources don't give
#   modules  the kernel and its modules with KVM=m, KVM_AMD=m and KVM_INTEL=m, linked,
#            with W=1
#   arm64, ppc64, noirq  for those architectures, and without HAVE_KVM_IRQCHIP,
#            i.e. without irqfds (powerpc without KVM_XICS)
#   tests    KVM's selftests about interrupts, and those that are split by
#            architecture, linked statically, without a warning
#   cross    the same for arm64, s390 and riscv, as far as they are for these
#
# `-` is for what a patch doesn't touch.  Of checkpatch's types, UNKNOWN_COMMIT_ID
# is left out, as the trees that Debian ships have no history, and FILE_PATH_CHANGES
# and MISSING_FIXES_TAG, of which `owner` and `tags` know more.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

VARIANTS='x86 modules arm64 ppc64 noirq'
NOTHING_TO_CHECK=77

quick=
if [ "${1:-}" = --quick ]; then
	quick=yes
	shift
fi
[ $# -gt 0 ] || die "which base?" "of: $(names "$LAB/bases")"
for base; do
	[ -f "$LAB/bases/$base" ] || die "unknown base '$base'" "one of: $(names "$LAB/bases")"
done

# cell COMMAND...: one more cell of the row, its output in the log.
cell()
{
	local status=0

	printf '\n== %s: %s\n' "$subject" "$*" >>"$log"
	"$@" >>"$log" 2>&1 </dev/null || status=$?
	case $status in
	0)			row+=$'\tok' ;;
	"$NOTHING_TO_CHECK")	row+=$'\t-' ;;
	*)			row+=$'\tFAIL'; failed=yes ;;
	esac
}

# complain WHAT: into the log, and fail.
complain()
{
	echo "$*"
	return 1
}

# touched PATTERN: the files of the patch that match; fails if there's none.
touched()
{
	git -C "$src" show --name-only --format= "$commit" | grep -E "$1"
}

check_trip()
{
	[ "$trip" = 0 ]
}

check_mail()
{
	grep -qE '^Subject: \[(RFC )?PATCH( [0-9]+/[0-9]+)?\] ' "$mail" || complain "the subject has no [PATCH n/m]" || return
	[ -z "$(tail -c 1 "$mail")" ] || complain "no newline at the end" || return
	! tail -n 4 "$mail" | grep -qx -- '-- ' || complain "it has a signature" || return
	[ "$(cat "$(dirname "$mail")"/[0-9]* | grep -cE '^base-commit: [0-9a-f]{40}$')" = 1 ] ||
		complain "the series does not have exactly one base-commit"
}

check_subject()
{
	[ ${#subject} -le 75 ] || complain "longer than 75 characters" || return
	[[ $subject =~ ^([A-Za-z0-9/_\ -]+:\ )+[A-Z] ]] || complain "not of the form 'topic: Imperative'" || return
	[[ $subject != *. ]] || complain "ends in a full stop"
}

# Has a stable series a patch of the same subject?
has_backport()
{
	local file

	for file in "$TOP"/patches/*.y/*.patch; do
		[ "$(git mailinfo /dev/null /dev/null <"$file" 2>/dev/null | sed -n 's/^Subject: //p')" != "$subject" ] || return 0
	done
	return 1
}

# Cc: stable without Fixes: has to say what for.
check_tags()
{
	local message fixes stable

	message=$(git -C "$src" log -1 --format=%B "$commit")
	fixes=$(grep '^Fixes:' <<<"$message" || true)
	stable=$(grep -E '^Cc: <?stable@vger\.kernel\.org>?( # .+)?$' <<<"$message" || true)
	grep -qxF "Signed-off-by: $(git -C "$src" log -1 --format='%an <%ae>' "$commit")" <<<"$message" ||
		complain "not signed off by its author" || return
	! grep -vxE 'Fixes: [0-9a-f]{12} \(".+"\)' <<<"${fixes:-Fixes: 012345678901 (\"\")}" >/dev/null ||
		[ -z "$fixes" ] || complain "malformed: $fixes" || return
	[ -z "$fixes" ] || [ -n "$stable" ] || complain "Fixes: without Cc: stable" || return
	[ -z "$stable" ] || [ -n "$fixes" ] || [[ $stable = *' # '* ]] ||
		complain "Cc: stable with neither Fixes: nor a reason" || return
	[ -n "$stable" ] || ! has_backport || complain "there is a backport, but no Cc: stable" || return
	[[ $series != *.y ]] || grep -qxE 'commit [0-9a-f]{40} upstream\.' <<<"$message" ||
		complain "does not name the upstream commit"
}

# A backport's first line is not how checkpatch wants commits to be cited, and
# old ones don't know that Closes: has a long line.  The KUnit patches export all
# that they need in one place that stock has, too, make a DEFINE_PER_CPU() visible,
# which checkpatch takes for a function's declaration, write to a copy of an
# eventfd's operations, and have a macro that looks at its condition over and over.
check_style()
{
	local ignore=UNKNOWN_COMMIT_ID,FILE_PATH_CHANGES,MISSING_FIXES_TAG

	[[ $series != *.y ]] || ignore+=,GIT_COMMIT_ID,COMMIT_LOG_LONG_LINE
	[[ $series != *kunit ]] || ignore+=,EXPORT_SYMBOL,AVOID_EXTERNS,FUNCTION_ARGUMENTS,CONST_STRUCT,MACRO_ARG_REUSE
	git -C "$src" format-patch -1 --stdout "$commit" |
		perl "$src/scripts/checkpatch.pl" --no-tree --strict --ignore "$ignore" -
}

check_owner()
{
	local file owned=

	for file in $(touched .); do
		if (cd "$src" && scripts/get_maintainer.pl --no-git --no-git-fallback --roles -f "$file") |
		   grep -E '\((maintainer|supporter)'; then
			owned=yes
		else
			git -C "$src" cat-file -e "stock:$file" || complain "nobody maintains $file" || return
		fi
	done
	[ -n "$owned" ] || complain "nobody maintains any of the files"
}

# compare COMMAND...: run it on each C file of the patch, in the version of the
# patch and, if it has something to say, in that of the untouched sources.
compare()
{
	local file work=$obj/compare

	touched '\.[ch]$' >/dev/null || return $NOTHING_TO_CHECK
	mkdir -p "$work"
	for file in $(touched '\.[ch]$'); do
		git -C "$src" show "$commit:$file" >"$work/$(basename "$file")"
		(cd "$work" && "$@" "$(basename "$file")") >"$work/new" || return
		[ -s "$work/new" ] || continue
		git -C "$src" show "stock:$file" >"$work/$(basename "$file")" 2>/dev/null || true
		(cd "$work" && "$@" "$(basename "$file")") >"$work/old" || return
		! new_lines "$work/old" "$work/new" | grep . || return
	done
}

# Exits with the number of warnings; what they are is compared.
kernel_doc()
{
	"$src/scripts/kernel-doc" -none "$1" 2>&1 || [ $? -lt 125 ]
}

check_kdoc()
{
	compare kernel_doc
}

# One of scripts/coccinelle on one file.
one_cocci()
{
	local options

	options=$(sed -n 's,^// Options:,,p' "$1")
	# shellcheck disable=SC2086
	spatch -D report --no-show-diff --very-quiet --cocci-file "$1" $options "$2" 2>/dev/null ||
		{ echo "spatch fails: $1" >&2; return 1; }
}
export -f one_cocci

# As scripts/coccicheck, which stops at the first script that needs OCaml.  What
# it says of a file is kept, as it takes some seventy processes.
coccinelle()
{
	local kept

	kept=$CACHE/cocci/$({ cat "$1"; git -C "$src" rev-parse HEAD:scripts/coccinelle; spatch --version; } | sha1sum | cut -d' ' -f1)
	if [ ! -f "$kept" ]; then
		mkdir -p "$CACHE/cocci"
		find "$src/scripts/coccinelle" -name '*.cocci' | sort |
			xargs grep -lE 'virtual[[:space:]]+report' | xargs grep -LE '(script|initialize):ocaml' |
			xargs -P "$(nproc)" -I{} bash -c 'one_cocci "$@"' one_cocci {} "$1" >"$kept.tmp" || return
		mv "$kept.tmp" "$kept"
	fi
	cat "$kept"
}

check_cocci()
{
	compare coccinelle
}

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
	touched '^tools/testing/selftests/' >/dev/null || return $NOTHING_TO_CHECK
	build_tests x86_64
}

check_cross()
{
	touched '^tools/testing/selftests/' >/dev/null || return $NOTHING_TO_CHECK
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
	x86)		configs=(base check) kunit=yes ;;
	modules)	configs=(base check) module=yes ;;
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

	compiled || return $NOTHING_TO_CHECK
	set_variant "$1"
	mapfile -t files < <(touched .)
	mapfile -t others < <(objects_outside "${files[@]}")
	compile_variant "${goals[@]}" "${others[@]}" || return
	! new_lines "$out/warnings-stock" "$out/warnings" | grep . || return
}

check_patch()
{
	local row subject name failed=

	subject=$(git -C "$src" show -s --format=%s "$commit")
	say "$series: $subject"
	git -C "$src" checkout -qf --detach "$commit"
	row=$series
	for name in trip mail subject tags style owner kdoc; do
		cell "check_$name"
	done
	if [ -z "$quick" ]; then
		cell check_cocci
		cell check_builds
		for name in $VARIANTS; do
			cell check_variant "$name"
		done
		cell check_tests
		cell check_cross
	fi
	printf '%s\t%s\n' "$row" "$subject" >>"$table"
	[ -z "$failed" ] || say "FAIL, see ${log#"$TOP"/}"
}

# prepare_build: the whole series once, for the configuration and the check of
# it, and the untouched sources in each variant.  Which patch it is that does not
# build, the table tells.
prepare_build()
{
	local name status=0

	# shellcheck disable=SC2086
	obj=$("$LAB/build.sh" "$base" "$whole" $CONFIGS) || status=$?
	[ $status = 0 ] || [ $status = 3 ] || exit $status
	lock "build-$(basename "$src")"
	for name in $VARIANTS; do
		baseline "$name"
	done
}

check_series()
{
	local commits mails i whole

	whole=$(whole_series "$series")
	kmake=(make -C "$src" -j"$(nproc)")
	obj=$CACHE/build/$(basename "$src")-check
	mkdir -p "$obj"
	if [ -z "$quick" ]; then
		prepare_build
	else
		lock "build-$(basename "$src")"
	fi
	"$LAB/series.sh" checkout "$src" "$whole"
	log=$obj/check-$series.log
	: >"$log"
	mapfile -t commits < <(git -C "$src" rev-list --reverse stock..HEAD)
	mapfile -t mails < <("$LAB/series.sh" list "$whole")
	for i in "${!commits[@]}"; do
		commit=${commits[i]} mail=$TOP/patches/${mails[i]} series=${mails[i]%/*}
		check_patch
	done
}

check_base()
{
	local base=$1 series src trip=0 SERIES='' CONFIGS=''

	# shellcheck source=/dev/null
	. "$LAB/bases/$base"
	[ -n "$SERIES" ] || return 0
	src=$("$LAB/fetch.sh" "$base")
	"$LAB/series.sh" check "$base" || trip=$?
	# In a shell of its own, which gives the lock of the base back, and whose process
	# group, with all that it runs, ends with this shell.
	for series in $SERIES; do
		set -m
		(check_series) &
		set +m
		group=$!
		wait "$group"
		group=''
	done
}

mkdir -p "$CACHE"
table=$(mktemp -p "$CACHE")
group=''
trap '[ -z "$group" ] || kill -- "-$group" 2>/dev/null || true; rm -f "$table"' EXIT
trap 'exit 130' INT TERM
for base; do
	check_base "$base"
done
{
	head=(series trip mail subject tags style owner kdoc)
	# shellcheck disable=SC2206
	[ -n "$quick" ] || head+=(cocci builds $VARIANTS tests cross)
	(IFS=$'\t'; printf '%s\tpatch\n' "${head[*]}")
	cat "$table"
} | columns
! grep -q FAIL "$table" || { say "a check failed, see the logs named above"; exit 1; }
