#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/mutate.sh [--list] [--only REGEX] [--jobs N] [--stages "STAGE..."]
#                      [--trust-caught] [--tree DIR] [--report]
#
# Mutation score: break each function of virt/kvm/eventfd.c that the series
# touches in every small way (lab/mutate.py --help has the list), one at a time,
# and see whether a test notices.  Each mutant is compiled and linked into a
# kvm.ko of its own, all else stays, and booted, until a stage catches it, under
#
#   kunit    the KUnit suite; freed memory is zeroed, lists are checked
#   lockdep  the KUnit suite again, with lockdep and kmemleak
#   tests    KVM's selftests of irqfds, on the same kernel
#   kasan    the KUnit suite, with KASAN, lockdep and DEBUG_OBJECTS
#
# Caught is what a test or the kernel complains about, or what hangs.  A mutant
# that does not compile, or with a warning, or to the same object code in all
# kernels, is counted and not run.  One that survives all must be in
# mutants/EQUIVALENT, with its reason.
#
# --list          print the mutants (line and id) and run nothing
# --only REGEX    only those whose ids match
# --jobs N        boots at a time (default: the number of processors)
# --stages LIST   only these stages
# --trust-caught  what an older version of the tests, or of the rest of the
#                 kernel, has caught counts as caught; for work on the tests
# --report        run nothing, the table of what was found last about each
# --tree DIR      a git tree with the series as commits after the tag `stock`, its
#                 HEAD is taken; default is the newest base with its series
#
# Prints the mutants that survived, then a table.  Exit status 0 if each of them
# is in mutants/EQUIVALENT, 1 if not, 2 if a run was not possible, 130 after
# Ctrl-C.  Results are kept, in cache/mutate: what has not changed is not run
# again, and what was interrupted goes on.  There, all has each mutant's outcome,
# mutants/ their diffs, and results/STAGE/KEY consoles and tests' output.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

FILE=virt/kvm/eventfd.c
SUITE=kvm_irqfd_resampler
WORK=$CACHE/mutate
DETECT="hung_task_panic=1 sysctl.kernel.hung_task_check_interval_secs=1 softlockup_panic=1 panic_on_warn=1 oops=panic"

# ---- One stage: what is booted.

configs_of()
{
	case $1 in
	kunit)		echo base hang kunit mutate ;;
	lockdep|tests)	echo base hang kunit mutate lockdep kmemleak ;;
	kasan)		echo base hang kunit mutate kasan ;;
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

# A leak is reported for what is at least five seconds old.
leaks="sh -c 'sleep 5; echo scan >/sys/kernel/debug/kmemleak; ! grep . /sys/kernel/debug/kmemleak'"

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
	[[ $1 != lockdep && $1 != tests ]] || echo "$leaks"
}

obj_of()
{
	local configs

	configs=$(configs_of "$1")
	echo "$WORK/build/${configs// /-}"
}

# ---- One mutant, in a process of its own: lab/mutate.sh --one KEY.

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

# link OBJ OUT: kvm.ko, of the mutant's eventfd.o and all that was there.
link()
{
	local obj=$1 out=$2 cmd

	sed "s,.*/${FILE%.c}\.o\$,$out/eventfd.o," "$obj/arch/x86/kvm/kvm.mod" >"$out/kvm.mod"
	cmd="$(saved "$obj" arch/x86/kvm/kvm.o); $(saved "$obj" arch/x86/kvm/kvm.ko)"
	cmd=${cmd//"@arch/x86/kvm/kvm.mod"/"@$out/kvm.mod"}
	cmd=${cmd//"arch/x86/kvm/kvm.o"/"$out/kvm.o"}
	cmd=${cmd//"arch/x86/kvm/kvm.ko"/"$out/kvm.ko"}
	(cd "$obj" && bound sh -e -c "$cmd") >"$out/log" 2>&1
}

# boot STAGE RUN OUT: what lab/boot.sh has booted for the baseline, with another
# kvm.ko after the first.
boot()
{
	local stage=$1 run=$2 out=$3 base=$WORK/base/$1 start pid status=0 enough=''

	mkdir -p "$run"
	cp "$base"/{job,cpus,timeout,append,qemu-command} "$run"
	ln -f "$base/kernel" "$run/kernel"
	echo "file /tests/kvm.ko $out/kvm.ko 755 0 0" >"$out/list"
	{ cat "$base/initramfs.cpio"; "$(obj_of "$stage")/usr/gen_init_cpio" "$out/list"; } >"$run/initramfs.cpio"
	: >"$run/console"
	: >"$run/results"
	start=$(date +%s)
	# In the background: a signal ends a wait, but not a command.
	(cd "$run" && exec setpriv --pdeathsig TERM -- timeout --foreground -k 5 "$(cat timeout)" \
		bash -c "exec $(tail -n 1 qemu-command)") </dev/null >"$run/qemu-output" 2>&1 &
	pid=$!
	# One failure will do, others may take long.
	while kill -0 "$pid" 2>/dev/null; do
		if [ -z "$enough" ] && grep -aqE '^(\[[^]]*\])? *not ok ' "$run/console" "$run/results"; then
			enough=yes
			sleep 0.5
			kill "$pid" 2>/dev/null || true
		fi
		sleep 0.2
	done
	wait "$pid" || status=$?
	[ -z "$enough" ] || status=0
	echo $(($(date +%s) - start)) >"$run/seconds"
	[ "$status" -lt 124 ] || [ "$(cat "$run/seconds")" -lt "$(cat "$run/timeout")" ] || status='timed out'
	echo "$status" >"$run/qemu-status"
	rm -f "$run/kernel" "$run/initramfs.cpio"
	# Not the mutant's fault.
	[[ $status = 0 || $status = 'timed out' ]] || die "QEMU failed" "see $run/qemu-output"
	grep -aq 'Linux version' "$run/console" || die "QEMU boots nothing" "see $run"
	"$LAB/judge.py" "$run" >/dev/null
}

# build STAGE KEY: its kvm.ko is in $out; or why there is nothing to boot in $result.
build()
{
	local stage=$1 key=$2 obj

	obj=$(obj_of "$stage")
	result=''
	if ! compile "$obj" "$WORK/mutants/$key.c" "$out"; then
		result=$'does not compile\t'$(grep -m 1 -E 'error:|warning:' "$out/log" | sed 's/.*\(error\|warning\): //')
	elif [ "$(code "$out/eventfd.o")" = "$(cat "$obj/original")" ]; then
		result=$'same code\t'
	elif ! link "$obj" "$out"; then
		result=$'does not compile\t'$(head -n 1 "$out/log")
	fi
}

# outcome STAGE KEY: in $result, from what was kept, or new.
outcome()
{
	local stage=$1 key=$2 kept=$WORK/results/$1-${stage_key[$1]}/$2 out

	if [ ! -f "$kept/outcome" ]; then
		out=$(mktemp -d -p "$WORK/tmp")
		# shellcheck disable=SC2064
		trap "rm -rf '$out'" EXIT
		mkdir -p "$kept"
		build "$stage" "$key"
		if [ -z "$result" ]; then
			# What dies before it has anything of the mutant's is a victim
			# of a slow host.
			for _ in 1 2 3; do
				boot "$stage" "$kept" "$out"
				! grep -aq '^lab: run' "$kept/results" || break
			done
			if [ "$(head -n 1 "$kept/verdict")" = PASS ]; then
				result=$'survived\t'
				! grep -aq '# SKIP' "$kept/console" "$kept/results" ||
					result+='tests skipped themselves'
			else
				result=$(printf 'caught by %s\t%s' "$stage" \
					"$(python3 "$LAB/mutate.py" blame "$kept" "$WORK/base/$stage")")
			fi
		fi
		rm -rf "$out"
		printf '%s\n' "$result" >"$kept/outcome.tmp"
		mv "$kept/outcome.tmp" "$kept/outcome"
	fi
	result=$(cat "$kept/outcome")
}

# one KEY LINE ID: all stages, until it is clear; a line for the list.
one()
{
	local key=$1 line=$2 id=$3 stage result='' last='' trusted=$WORK/caught/$1

	if [ -n "$trust" ] && [ -f "$trusted" ]; then
		result=$(cat "$trusted")
	else
		for stage in $stages; do
			outcome "$stage" "$key"
			# The same code in one kernel may be other code in another one.
			case $result in
			'same code'*)	[ -n "$last" ] || last=$result ;;
			survived*)	last=$result ;;
			*)		break ;;
			esac
		done
		case $result in
		'same code'*|survived*)	result=$last ;;
		'caught by'*)		echo "$result" >"$trusted" ;;
		esac
	fi
	say "$line $id: ${result//$'\t'/, }"
	printf '%s\t%s\t%s\t%s\n' "$key" "$line" "$id" "$result" >"$WORK/outcomes/$key"
}

# ---- All of them.

# sources: a clone of the lab's tree, or of the user's, as its branch is.
sources()
{
	local from=$tree rev stock base=$NEWEST_BASE

	if [ -z "$from" ]; then
		from=$(TREE='' "$LAB/fetch.sh" "$base")
		lock "build-$(basename "$from")"
		"$LAB/series.sh" checkout "$from" "$(series_of_base "$base")"
	fi
	rev=$(git -C "$from" rev-parse HEAD)
	stock=$(git -C "$from" rev-parse 'stock^{commit}') || die "$from has no tag stock"
	[ -d "$WORK/src" ] || bound git clone -q --shared --no-checkout "$from" "$WORK/src"
	git -C "$WORK/src" fetch -q "$(realpath "$from")" "$rev" "$stock"
	git -C "$WORK/src" tag -f stock "$stock" >/dev/null
	bound git -C "$WORK/src" checkout -qf --detach "$rev"
}

# kernel STAGE: build it, and eventfd.o once more, as mutants are.
kernel()
{
	local stage=$1 obj configs files missed out log kmake

	configs=$(configs_of "$stage")
	obj=$(obj_of "$stage")
	log=$obj/build.log
	kmake=(make -C "$WORK/src" O="$obj" CC="ccache gcc" KBUILD_BUILD_USER=lab KBUILD_BUILD_HOST=lab
	       KBUILD_BUILD_TIMESTAMP=2026-01-01)
	mkdir -p "$obj"
	say "building the kernel of stage $stage ($configs)"
	read -ra files <<<"$configs"
	fragment "$WORK/src" "${files[@]/#/$LAB/configs/}" >"$obj/fragment"
	bound "${kmake[@]}" -s KCONFIG_ALLCONFIG="$obj/fragment" allnoconfig >"$log" 2>&1 || die "configuring fails" "see $log"
	missed=$(check_config "$obj/.config" "$obj/fragment" | paste -sd' ')
	[ -z "$missed" ] || die "not set although a fragment asks for it: $missed"
	setpriv --pdeathsig TERM -- "${kmake[@]}" -j"$(nproc)" bzImage modules >>"$log" 2>&1 &
	wait $! || die "the kernel does not build" "see $log"
	out=$(mktemp -d -p "$WORK/tmp")
	compile "$obj" "$WORK/src/$FILE" "$out" || die "$FILE does not compile by itself" "see $out/log"
	code "$out/eventfd.o" >"$obj/original"
	rm -rf "$out"
}

# key_of STAGE: all that its results depend on besides the mutant.  Of the kernel's
# sources, selftests do not see the KUnit tests, nor the other way round.
key_of()
{
	local stage=$1 word skip="Documentation/|MAINTAINERS|tools/|$FILE"

	[ "$stage" != tests ] || skip+='|virt/kvm/tests/'
	{
		git -C "$WORK/src" ls-tree -r HEAD | grep -vE "	($skip)"
		cat "$(obj_of "$stage")/.config" "$WORK/base/$stage/"{job,append,cpus} "$LAB/guest/"*
		if [ "$stage" = tests ]; then
			while read -r word _; do
				find "$tests" -name "$word" -type f -exec cat {} +
			done <"$WORK/base/$stage/job"
		fi
	} | sha1sum | cut -c1-12
}

# baseline STAGE: what isn't broken must pass, or nothing that fails says anything.
baseline()
{
	local stage=$1 base=$WORK/base/$1 key

	mkdir -p "$base"
	describe_run "$base" "$(job_of "$stage")" "$(append_of "$stage")" 2 "$(timeout_of "$stage")"
	key="$(key_of "$stage") $(git -C "$WORK/src" rev-parse "HEAD:$FILE")"
	if [ "$(cat "$base/passed" 2>/dev/null)" != "$key" ]; then
		rm -f "$base/passed"
		say "booting the series itself for stage $stage"
		setpriv --pdeathsig TERM -- "$LAB/boot.sh" "$base" "$(obj_of "$stage")" &
		wait $! || die "cannot boot the series itself" "see $base"
		"$LAB/judge.py" "$base" >/dev/null
		[ "$(head -n 1 "$base/verdict")" = PASS ] ||
			die "the series itself does not pass stage $stage: $(paste -sd' ' "$base/verdict")" "see $base"
		say "the series itself passes stage $stage in $(cat "$base/seconds") s"
		echo "$key" >"$base/passed"
	fi
	stage_key[$stage]=${key% *}
}

# generate: the mutants of the functions that the series touches, as a list.
generate()
{
	local functions

	functions=$(git -C "$WORK/src" diff -U0 stock..HEAD -- "$FILE" |
		python3 "$LAB/mutate.py" functions "$WORK/src/$FILE") || exit
	say "functions: $(paste -sd' ' <<<"$functions")"
	rm -rf "$WORK/mutants"
	mkdir -p "$WORK/mutants"
	# shellcheck disable=SC2086
	python3 "$LAB/mutate.py" mutants "$WORK/src/$FILE" "$FILE" "$WORK/mutants" $functions >"$WORK/list"
	awk -F'\t' -v only="$only" '$3 ~ only' "$WORK/list" >"$WORK/chosen"
	[ -s "$WORK/chosen" ] || die "no mutant is like '$only'" "lab/mutate.sh --list"
}

# report: the table, of all that was to be run.
report()
{
	local key line id

	while IFS=$'\t' read -r key line id; do
		cat "$WORK/outcomes/$key" 2>/dev/null || printf '%s\t%s\t%s\tnot run\t\n' "$key" "$line" "$id"
	done <"$WORK/chosen" >"$WORK/all"
	# Of a part, much that is in there is like nothing.
	python3 "$LAB/mutate.py" table "$WORK/all" "$TOP/mutants/EQUIVALENT" ${only:+part}
}

# What processes of single mutants are told.
declare -A stage_key=()
if [ "${1:-}" = --one ]; then
	# shellcheck disable=SC2154 # from the environment
	stages=$mutate_stages trust=$mutate_trust
	eval "stage_key=($mutate_keys)"
	trap 'exit 130' INT TERM
	IFS=$'\t' read -r key line id <<<"$2"
	one "$key" "$line" "$id"
	exit
fi

list_only='' report='' only='' jobs=$(nproc) stages='kunit lockdep tests kasan' trust='' tree=''
while [ $# -gt 0 ]; do
	case $1 in
	--list)		list_only=yes ;;
	--report)	report=yes ;;
	--trust-caught)	trust=yes ;;
	--only|--jobs|--stages|--tree)
		[ -n "${2:-}" ] || die "$1 needs a value" "lab/mutate.sh --help"
		case $1 in
		--only)		only=$2 ;;
		--jobs)		jobs=$2 ;;
		--stages)	stages=$2 ;;
		--tree)		tree=$(realpath -e "$2" 2>/dev/null) || die "no tree '$2'" ;;
		esac
		shift
		;;
	*)	die "unknown argument '$1'" "lab/mutate.sh --help" ;;
	esac
	shift
done
[[ $jobs =~ ^[1-9][0-9]*$ ]] || die "--jobs needs a number" "lab/mutate.sh --help"
for stage in $stages; do
	[ -n "$(configs_of "$stage")" ] || die "unknown stage '$stage'" "of: kunit lockdep tests kasan"
done

mkdir -p "$WORK"/{tmp,caught,base,build}
lock mutate
trap 'exit 130' INT TERM
(sources)
generate
if [ -n "$list_only" ]; then
	cut -f2- "$WORK/chosen"
	exit
fi
if [ -n "$report" ]; then
	report
	exit
fi
need_space 6000
rm -rf "$WORK/tmp"
mkdir -p "$WORK"/{tmp,outcomes}
cut -f1 "$WORK/chosen" | (cd "$WORK/outcomes" && xargs rm -f)
tests=$("$LAB/selftests.sh")
built=''
for stage in $stages; do
	[ "$(obj_of "$stage")" = "$built" ] || kernel "$stage"
	built=$(obj_of "$stage")
	baseline "$stage"
done

mutate_stages=$stages mutate_trust=$trust mutate_keys=$(for stage in "${!stage_key[@]}"; do
	printf '[%s]=%s ' "$stage" "${stage_key[$stage]}"; done)
export mutate_stages mutate_trust mutate_keys
say "$(wc -l <"$WORK/chosen") mutants, $jobs at a time"
status=0
# This shell's end is that of xargs and, as SIGINT is not for what runs in the
# background, theirs.  Not bound(): the function would run in one more shell.
setpriv --pdeathsig TERM -- xargs -r -d '\n' -n 1 -P "$jobs" setpriv --pdeathsig TERM -- "$0" --one <"$WORK/chosen" &
wait $! || status=$?
[ "$status" = 0 ] || die "some mutants could not be run" "see above"
report
