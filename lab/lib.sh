# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034 # what is set here is used by others
# What the lab's scripts share: where things are, how they speak, how they are
# kept from treading on each other.  Sourced, never run.

set -euo pipefail

LAB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(dirname "$LAB")
CACHE=${LAB_CACHE:-$TOP/cache}
RUNS=${LAB_RUNS:-$TOP/runs}

# The base whose selftests, with its series, are built for all kernels.
NEWEST_BASE=7.3.y

# Messages are compared with patterns, and lines sorted, in one language.
export LC_ALL=C
# What a make above this script was told is not for the kernel's makefiles.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES

# The guest's architecture, and the prefix of the tools that build for it.
ARCH=${ARCH:-x86_64}
case $ARCH in
x86_64)	CROSS='' ;;
arm64)	CROSS=aarch64-linux-gnu- ;;
*)	printf 'lab: unknown ARCH=%s (x86_64 or arm64)\n' "$ARCH" >&2; exit 2 ;;
esac

# What the user wants of the guests' clocks: the host's time with REALTIME=1, or in
# virtual time (see lab/boot.sh) SEED=N, for the first of several boots.
WANT_REALTIME=${REALTIME:-} WANT_SEED=${SEED:-}
[[ $WANT_SEED =~ ^[0-9]{0,9}$ ]] || { printf 'lab: SEED=%s is no number\n' "$WANT_SEED" >&2; exit 2; }

# Elapsed time counts from the first script of a chain.
export LAB_T0=${LAB_T0:-$(date +%s)}

export CCACHE_DIR=$CACHE/ccache CCACHE_MAXSIZE=${CCACHE_MAXSIZE:-5G}
# Never in depend mode, faster though it is: it does not see `.incbin`, and so
# takes an old kernel for a new one whose compressed size is the same.
unset CCACHE_DEPEND
# Applying patches must not need, or obey, the user's own git configuration.
export GIT_CONFIG_GLOBAL=$LAB/gitconfig GIT_CONFIG_SYSTEM=/dev/null
export GIT_COMMITTER_NAME=lab GIT_COMMITTER_EMAIL=lab@localhost

# say TEXT...: progress, with the time since the start, on the stderr that the
# script was started with, whatever a function's stderr is.
exec 3>&2
say()
{
	local t=$(($(date +%s) - LAB_T0))

	printf '[%2dm%02ds] %s\n' $((t / 60)) $((t % 60)) "$*" >&3
}

# die WHAT [WHAT-TO-DO]: one line, exit status 2.  (1 is for a verdict or a check
# that is not as it should be.)
die()
{
	printf 'lab: %s%s\n' "$1" "${2:+ ($2)}" >&2
	exit 2
}

# usage_if_asked ARG...: the script's leading comment is its help.
usage_if_asked()
{
	local arg

	for arg; do
		case $arg in
		-h|--help)
			sed -n '3,/^[^#]/ { /^#/ s/^# \?//p }' "$0"
			exit 0
			;;
		esac
	done
}

# bound COMMAND...: run it so that it does not outlive this shell, however
# this shell dies.
bound()
{
	setpriv --pdeathsig TERM -- "$@"
}

# lock NAME: hold the lock until the script, and what it runs, exits.
lock()
{
	local fd

	mkdir -p "$CACHE/locks" || die "cannot create $CACHE" "set LAB_CACHE=DIR"
	exec {fd}>"$CACHE/locks/$1"
	flock -n "$fd" && return
	say "waiting for another run that uses $1"
	bound flock "$fd"
}

# need_space MEGABYTES: rather one line now than a full disk later.
need_space()
{
	local free

	mkdir -p "$CACHE" || die "cannot create $CACHE" "set LAB_CACHE=DIR"
	free=$(df -Pm "$CACHE" | awk 'NR == 2 { print $4 }')
	[ "$free" -ge "$1" ] ||
		die "$free MB free in $CACHE, $1 MB needed" "free some, or set LAB_CACHE=DIR"
}

# names DIR: what can be chosen from, for an error message.
names()
{
	find "$1" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | paste -sd' '
}

# new_run NAME: a directory in runs/ that no other run has.
new_run()
{
	local run n=0

	mkdir -p "$RUNS"
	run=$RUNS/$(date +%Y%m%d-%H%M%S)-$1
	until mkdir "$run${suffix:=}" 2>/dev/null; do
		n=$((n + 1))
		[ "$n" -lt 100 ] || die "cannot create $run" "disk full? set LAB_RUNS=DIR"
		suffix=.$n
	done
	echo "$run$suffix"
}

# copy_kernel OBJ RUN: what lab/boot.sh needs of an object directory, which another
# may soon build another kernel in; and vmlinux, where it has types.
copy_kernel()
{
	mkdir -p "$2/modules"
	if [ -f "$1/arch/arm64/boot/Image" ]; then
		cp "$1/arch/arm64/boot/Image" "$2/kernel"
		echo arm64 >"$2/arch"
	else
		cp "$1/arch/x86/boot/bzImage" "$2/kernel"
		echo x86_64 >"$2/arch"
	fi
	find "$1" -name '*.ko' -exec cp -t "$2/modules" {} +
	cp "$1/.config" "$2/config"
	cp "$1/System.map" "$2/symbols"
	! grep -q '^CONFIG_DEBUG_INFO=y' "$1/.config" || cp "$1/vmlinux" "$2"
	cp "$1/usr/gen_init_cpio" "$2"
}

# columns: a table, plain text, as wide as it needs to be, of tab-separated lines.
columns()
{
	awk -F'\t' '
	{ for (i = 1; i <= NF; i++) { cell[NR, i] = $i; if (length($i) > width[i]) width[i] = length($i) } }
	END {
		for (r = 1; r <= NR; r++) {
			line = ""
			for (i = 1; i <= NF; i++)
				line = line sprintf("%-" width[i] "s  ", cell[r, i])
			sub(/ +$/, "", line)
			print line
		}
	}'
}

# new_lines OLD NEW: not new is what is in the first file, too, wherever in the
# source file it is.
new_lines()
{
	comm -13 <(sed -E 's/[0-9]+//g' "$1" | sort -u) <(sed -E 's/[0-9]+//g' "$2" | sort -u)
}

# fragment SRC FILE...: fragments (lab/configs) in one for the kernel tree SRC,
# each symbol once, as Kconfig warns of repetitions, set as the last fragment that
# names it says, with `#? ` off lines whose symbol some Kconfig file has for ARCH.
fragment()
{
	local src=$1 line symbol

	shift
	cat "$@" | while IFS= read -r line; do
		if [[ $line = '#? CONFIG_'* ]]; then
			symbol=${line#'#? CONFIG_'}
			grep -rqsE --include='Kconfig*' --exclude-dir=arch "^(menu)?config ${symbol%%=*}\$" \
				"$src" "$src/arch/${ARCH/x86_64/x86}" || continue
			line=${line#'#? '}
		fi
		printf '%s\n' "$line"
	done | awk '
	/^(# )?CONFIG_/	{ match($0, /CONFIG_[A-Za-z0-9_]+/); last[substr($0, RSTART, RLENGTH)] = $0 }
	END		{ for (symbol in last) print last[symbol] }' | sort
}

# check_config CONFIG FRAGMENT: print the lines of the fragment that were not
# honoured.  "is not set" is also what a symbol is that does not exist.
check_config()
{
	local config=$1 fragment=$2 line

	grep -hE '^(CONFIG_|# CONFIG_.* is not set)' "$fragment" | while read -r line; do
		case $line in
		'#'*)	! grep -q "^$(cut -d' ' -f2 <<<"$line")=" "$config" ;;
		*)	grep -qxF -- "$line" "$config" ;;
		esac || echo "$line"
	done
}

# shellcheck source=lab/scenario.sh
. "$LAB/scenario.sh"
