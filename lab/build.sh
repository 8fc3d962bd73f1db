#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/build.sh [--copy RUN] [--mutant PATCH] BASE SPEC CONFIG...
#
# Build a kernel of a base (lab/bases; or of TREE=DIR, see lab/fetch.sh), with
# SPEC (see lab/series.sh) applied or `none`, configured by allnoconfig and the
# fragments CONFIG (lab/configs), and print its object directory.  It is an error
# if a symbol that a fragment asks for is not set, or if the compiler warns.  A
# kernel that was built already from the same sources, configuration and compiler
# is kept.
#
# With --mutant, PATCH is applied on top of the series; it shares the object
# directory of the series, so that only what differs is compiled.
#
# With --copy, put into the directory RUN what lab/boot.sh needs of the kernel,
# before another run can build another one there, and what that is: `built-from`.
#
# ARCH=arm64 in the environment builds for that instead of x86-64.
#
# A line of a fragment that starts with `#? ` counts only where the symbol exists.
# `#make NAME=VALUE` is a variable for make, which expands VALUE where it is used.
#
# Exit status 3 means that the sources are there but do not configure or build;
# the object directory, printed all the same, has the reason in build.log.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

mutant='' copy=''
while [[ ${1:-} = --* ]]; do
	case $1 in
	--copy)
		[ -d "${2:-}" ] || die "no directory '${2:-}'" "lab/build.sh --help"
		copy=$2
		;;
	--mutant)
		[ -f "${2:-}" ] || die "no mutant '${2:-}'" "lab/build.sh --help"
		mutant=$(realpath "$2")
		;;
	*)	die "no option '$1'" "lab/build.sh --help" ;;
	esac
	shift 2
done
[ $# -ge 3 ] || die "a base, a series and fragments are needed" "lab/build.sh --help"
base=$1 series=$2
shift 2

# What is checked out is put right by the next who builds from the tree.
apply_mutant()
{
	git -C "$src" apply "$mutant" 2>"$src/.git/lab-apply.log" ||
		die "mutant $(basename "$mutant" .patch) does not apply to $name $series" \
		    "$(head -n 1 "$src/.git/lab-apply.log")"
}

configure()
{
	local missed

	fragment "$src" "${fragments[@]}" >"$obj/fragment"
	"${kmake[@]}" -s KCONFIG_ALLCONFIG="$obj/fragment" allnoconfig >"$log" 2>&1 ||
		fail "configuring fails"
	missed=$(check_config "$obj/.config" "$obj/fragment" | paste -sd' ')
	[ -z "$missed" ] || fail "not set although a fragment asks for it: $missed"
	! grep -q 'warning:' "$log" || fail "configures with a warning: $(grep -m 1 'warning:' "$log")"
}

# fail WHY: the reason becomes the last line of the log, and the exit status 3.
fail()
{
	echo "lab: $1" >>"$log"
	say "$what: $1, see $log"
	echo "$obj"
	exit 3
}

# Long and silent would look like hung.
heartbeat()
{
	local pid=$1 n=0

	while sleep 1 && kill -0 "$pid" 2>/dev/null; do
		n=$((n + 1))
		[ $((n % 30)) != 0 ] ||
			say "  $what: $(grep -cE '^  (CC|AS) ' "$log" || true) files compiled"
	done
}

compile()
{
	local pid status=0

	say "building $what"
	! grep -q '^CONFIG_MODULES=y' "$obj/.config" || targets+=(modules)
	# Not `bound`: its shell, in the background, would outlive this one.
	setpriv --pdeathsig TERM -- "${kmake[@]}" -j"$(nproc)" "${targets[@]}" >>"$log" 2>&1 &
	pid=$!
	heartbeat "$pid" &
	wait "$pid" || status=$?
	kill $! 2>/dev/null || true
	[ "$status" = 0 ] || fail "does not build: $(grep -m 1 -E 'error:|Error|No space' "$log" || tail -n 1 "$log")"
	! grep -q 'warning:' "$log" || fail "builds with a warning: $(grep -m 1 'warning:' "$log")"
}

# All that a kernel is made of, and with.
ingredients()
{
	local tool

	git -C "$src" rev-parse 'HEAD^{tree}'
	cat ${mutant:+"$mutant"} "${fragments[@]}" "$LAB/build.sh"
	declare -f fragment check_config
	for tool in gcc flex bison "$CROSS"{gcc,as,ld}; do "$tool" --version; done
	# What objtool looks into the kernel's objects with.
	cat "$(gcc -print-file-name=libelf.so)" 2>/dev/null || true
	echo "$ARCH ${KCFLAGS:-} ${KAFLAGS:-} ${KCPPFLAGS:-} ${HOSTCFLAGS:-} ${LLVM:-}"
}

# provenance: for people to read.
provenance()
{
	echo "base: $name, Linux $(cat "$obj/version")"
	echo "series: $series${mutant:+, mutant $(basename "$mutant" .patch)}"
	echo "tree: $(git -C "$src" rev-parse 'HEAD^{tree}')${mutant:+, before the mutant}"
	[ "$series$mutant" = none ] || echo "patchset: $("$LAB/series.sh" hash "$series" ${mutant:+"$mutant"})"
	echo "fragments: $configs"
	echo "compiler: $("${CROSS}gcc" --version | sed -n 1p)"
}

fragments=() configs=$*
for config; do
	[ -f "$LAB/configs/$config" ] || die "unknown fragment '$config'" "one of: $(names "$LAB/configs")"
	fragments+=("$LAB/configs/$config")
done

src=$("$LAB/fetch.sh" "$base")
name=$(basename "$src")
obj=$CACHE/build/$name-$(series_id "$series")-$(IFS=-; echo "$*")
log=$obj/build.log
what="$name $series${mutant:+ with $(basename "$mutant" .patch)} ($*)"
targets=(bzImage)
kmake=(make -C "$src" O="$obj" CC="ccache ${CROSS}gcc"
       KBUILD_BUILD_USER=lab KBUILD_BUILD_HOST=lab KBUILD_BUILD_TIMESTAMP=2026-01-01)
if [ -n "$CROSS" ]; then
	targets=(Image)
	kmake+=(ARCH="$ARCH" CROSS_COMPILE="$CROSS")
fi
mapfile -t -O "${#kmake[@]}" kmake < <(sed -n 's/^#make //p' "${fragments[@]}")

# One tree serves all series of a base, so one build at a time does.
lock "build-$name"
"$LAB/series.sh" checkout "$src" "$series"
[ -z "$mutant" ] || apply_mutant
mkdir -p "$obj"
key=$(ingredients | sha1sum)
if [ "$(cat "$obj/built" 2>/dev/null)" != "$key" ]; then
	need_space 1500
	# An earlier build that was killed may have left half an object file with
	# a new date; make would believe it, ccache makes doubt cheap.
	[ -f "$obj/built" ] || rm -rf "$obj"
	mkdir -p "$obj"
	rm -f "$obj/built"
	configure
	compile
	make -s -C "$src" kernelversion >"$obj/version"
	echo "$key" >"$obj/built"
fi
if [ -n "$copy" ]; then
	copy_kernel "$obj" "$copy"
	provenance >"$copy/built-from"
fi
echo "$obj"
