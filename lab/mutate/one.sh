#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/mutate/one.sh KEY<tab>LINE<tab>ID
#
# One mutant of lab/mutate.sh, which says by the environment what the stages are:
# compile and link it, and boot it in one stage after the other until one catches it.
# The outcome is kept, in cache/mutate/outcomes/KEY.

. "$(dirname "$0")/stage.sh"
usage_if_asked "$@"

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
					"$(python3 "$LAB/score.py" blame "$kept" "$WORK/base/$stage")")
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

# shellcheck disable=SC2154 # from the environment
stages=$mutate_stages trust=$mutate_trust
declare -A stage_key=()
# shellcheck disable=SC2154
eval "stage_key=($mutate_keys)"
trap 'exit 130' INT TERM
IFS=$'\t' read -r key line id <<<"$1"
one "$key" "$line" "$id"
