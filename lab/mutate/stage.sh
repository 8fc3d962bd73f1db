# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034 # what is set here is used by others
# The stages of lab/mutate.sh: what of each is built and booted, and how eventfd.o is
# made in its object directory.  Sourced, never run.

. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

FILE=virt/kvm/eventfd.c
SUITE=kvm_irqfd_resampler
WORK=$CACHE/mutate
DETECT="hung_task_panic=1 sysctl.kernel.hung_task_check_interval_secs=1 softlockup_panic=1 panic_on_warn=1 oops=panic"

configs_of()
{
	case $1 in
	kunit)		echo guest watchdogs kunit mutate ;;
	lockdep|tests)	echo guest watchdogs kunit mutate lockdep kmemleak ;;
	kasan)		echo guest watchdogs kunit mutate kasan ;;
	esac
}

append_of()
{
	case $1 in
	kunit)		echo "$DETECT sysctl.kernel.hung_task_timeout_secs=15 init_on_free=1" ;;
	lockdep|tests)	echo "$DETECT sysctl.kernel.hung_task_timeout_secs=20 init_on_free=1" ;;
	kasan)		echo "$DETECT sysctl.kernel.hung_task_timeout_secs=30 no5lvl" ;;
	esac
}

timeout_of()
{
	case $1 in
	kunit)		echo 60 ;;
	lockdep|kasan)	echo 120 ;;
	tests)		echo 240 ;;
	esac
}

job_of()
{
	local module

	echo "insmod irqbypass.ko"
	echo "insmod kvm.ko"
	case $1 in
	kunit|lockdep|kasan)
		module=$(cd "$(obj_of "$1")" && find . -name '*irqfd?resampler*kunit*.ko' -printf '%f\n')
		[ -z "$module" ] || echo "insmod $module"
		echo "kunit $SUITE"
		;;
	tests)
		echo "insmod kvm-amd.ko"
		echo irqfd_test
		echo "irqfd_resampler_test -s 1"
		echo irqfd_resampler_irq_test
		;;
	esac
	[[ $1 != lockdep && $1 != tests ]] || echo leaks
}

obj_of()
{
	local configs

	configs=$(configs_of "$1")
	echo "$WORK/build/${configs// /-}"
}

# saved OBJ FILE: the command that made it, as make has kept it.
saved()
{
	sed -n '1 { s/^savedcmd_[^ ]* := //; s/\$\$/$/g; s/\\#/#/g; p }' "$1/$(dirname "$2")/.$(basename "$2").cmd"
}

# compile OBJ SOURCE OUT: eventfd.o from another source, as the kernel's makefiles do.
compile()
{
	local obj=$1 source=$2 out=$3 object src file cmd

	# The same name in another directory, so that __FILE__ is the same.
	src=$(realpath "$WORK/src")
	object=$(grep "/${FILE%.c}\.o\$" "$obj/arch/x86/kvm/kvm.mod")
	cmd=$(saved "$obj" "$object")
	cmd=${cmd#ccache }
	file=$(grep -oE "[^ ]*/$FILE" <<<"$cmd" | tail -n 1)
	mkdir -p "$out/arch/x86/kvm" "$out/$(dirname "$FILE")"
	cp "$source" "$out/$FILE"
	cmd=${cmd//"$file"/"$out/${file#"$src/"} -iquote $src/$(dirname "$FILE") -fmacro-prefix-map=$out/="}
	cmd=${cmd//"$(dirname "$object")/.eventfd.o.d"/"$out/eventfd.d"}
	cmd=${cmd//"$object"/"$out/eventfd.o"}
	(cd "$obj" && bound sh -c "$cmd") >"$out/log" 2>&1
}

# code OBJECT: what would be loaded, for a comparison.
code()
{
	objcopy --strip-debug -R .comment "$1" "$1.code"
	sha1sum <"$1.code"
}
