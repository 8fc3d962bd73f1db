#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Check the models: bad variants must fail, and for the expected reason, good
# ones must pass an exhaustive search.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cc=${CC:-cc}
optimise=-O0	# the compiler takes longer than most of the searches
limit=${LIMIT:-300}	# seconds for one search
cut_short='not completed|search depth too small|out of memory|reached -DMEMLIM'

# model | variant | expected | search | macros
#
# "ends" looks for an endless run, as "safety" would pass a model that spins.
# "witness" shows that a good variant does reach the case it survives.
variants='
hang|stock|deadlock|safety|-DPROXY
hang|stock, shutdowns alone|deadlock|safety|-DPROXY -DNO_ASSIGN
hang|only the shutdown fixed|deadlock|safety|-DPROXY -DFIX_SHUTDOWN
hang|only the assign fixed|deadlock|safety|-DPROXY -DFIX_ASSIGN
hang|fix|nothing|safety|-DPROXY -DFIX_SHUTDOWN -DFIX_ASSIGN
hang|fix|nothing|ends|-DPROXY -DFIX_SHUTDOWN -DFIX_ASSIGN
hang|fix, a phantom exists|witness|safety|-DPROXY -DFIX_SHUTDOWN -DFIX_ASSIGN -DWITNESS
hang|batches|nothing|safety|-DPROXY -DFIX_SHUTDOWN -DFIX_ASSIGN -DBATCH
hang|batches|nothing|ends|-DPROXY -DFIX_SHUTDOWN -DFIX_ASSIGN -DBATCH
hang|batches, a phantom exists|witness|safety|-DPROXY -DFIX_SHUTDOWN -DFIX_ASSIGN -DBATCH -DWITNESS
hang|batches, waits under lock|deadlock|safety|-DPROXY -DBATCH
hang|proxy execution off|nothing|safety|
hang|proxy execution off|nothing|ends|
hang|scheduler fix alone|nothing|safety|-DPROXY -DSCHED_FIX
hang|scheduler fix alone|nothing|ends|-DPROXY -DSCHED_FIX
gsi_reuse|stock|nothing|safety|-DSTOCK
gsi_reuse|series|nothing|safety|
gsi_reuse|series, ack during shutdown|witness|safety|-DWITNESS
gsi_reuse|v2|late de-assert + old ack|safety|-DLATE_UNLINK -DLATE_DEASSERT
gsi_reuse|late de-assert only|late de-assert|safety|-DLATE_DEASSERT
gsi_reuse|late unlink only|old ack|safety|-DLATE_UNLINK
gsi_reuse|no de-assert|stuck line|safety|-DNO_DEASSERT
gsi_reuse|no wait in assign|old ack|safety|-DNO_ASSIGN_WAIT
gsi_reuse|no wait in shutdown|use after free|safety|-DNO_SHUTDOWN_WAIT
'
deep='
hang|fix, 3 irqfds|nothing|safety|-DPROXY -DFIX_SHUTDOWN -DFIX_ASSIGN -DK=3
hang|batches, 3 irqfds|nothing|safety|-DPROXY -DFIX_SHUTDOWN -DFIX_ASSIGN -DBATCH -DK=3
hang|proxy off, 3 irqfds|nothing|safety|-DK=3
hang|scheduler fix, 3 irqfds|nothing|safety|-DPROXY -DSCHED_FIX -DK=3
gsi_reuse|stock, 3 EOIs each|nothing|safety|-DSTOCK -DEOIS=3
gsi_reuse|series, 3 EOIs each|nothing|safety|-DEOIS=3
'

usage() {
	cat <<'USAGE'
usage: check.sh [--deep | --help]

Searches every variant of hang.pml and gsi_reuse.pml exhaustively, prints one
row for each, then how stock hangs and how v2 loses an interrupt.  Exits 0 only
if each variant gave the expected result.  --deep adds larger bounds, and takes
minutes.  Needs spin and a C compiler (CC).  LIMIT is the most seconds that one
search may take, 300 by default.
USAGE
}

die() {
	echo "model: $1 ($2)" >&2
	exit 1
}

need() {
	command -v "$1" >/dev/null || die "$1 not found" "apt-get install $2"
}

# build DIR MODEL FLAG MACRO...: a verifier, told by FLAG what to look for
build() {
	local dir=$1 model=$2 flag=$3
	shift 3
	cp "$here/$model.pml" "$dir"
	cd "$dir"
	spin -a "$@" "$model.pml" >spin.log 2>&1 ||
		die "spin rejects $model.pml $*: $(head -n 1 spin.log)" "fix the model"
	# No partial order reduction: it does not know "provided".
	"$cc" "$optimise" -w -DNOREDUCE -DMEMLIM=3000 "$flag" -o pan pan.c >cc.log 2>&1 ||
		die "$cc fails on $model.pml $*: $(head -n 1 cc.log)" "try spin -a and $cc by hand"
}

# search DIR FLAG: look at every state, do not stop at the first error.
search() {
	local opts=(-m100000 -c0)
	[[ $2 != -DNP ]] || opts+=(-l)
	cd "$1"
	timeout "$limit" nice ./pan "${opts[@]}" >pan.log 2>&1 ||
		die "pan failed or took more than $limit s: $(tail -n 1 pan.log)" "lower the bounds"
	if ! grep -q '^Full statespace search' pan.log || grep -qE "$cut_short" pan.log; then
		die "the search was not exhaustive" "lower the bounds, or raise -m or MEMLIM"
	fi
}

# What pan found, in the words of the table; its own words if they are new.
found() {
	local names
	names=$(sed -nE 's/^pan:[0-9]+: (.*) \(at depth.*/\1/p' "$1" | sed -E '
		s/^invalid end state$/deadlock/
		s/^non-progress cycle$/endless run/
		s/^assertion violated .*eaten_by_shutdown.*/late de-assert/
		s/^assertion violated .*eaten_by_old_ack.*/old ack/
		s/^assertion violated .*old_line.*/stuck line/
		s/^assertion violated .*used_after_free.*/use after free/
		s/^assertion violated .*witness.*/witness/' | sort -u)
	[[ -n $names ]] || { errors "$1"; return; }
	echo "${names//$'\n'/ + }"
}

# No error by name: then the count must say so too.
errors() {
	if grep -q 'errors: 0$' "$1"; then echo nothing; else echo unknown; fi
}

number() {
	sed -nE "s/$2/\\1/p" "$1" | sed -n 1p
}

row() {
	printf '%-9s  %-28s  %-6s  %-24s  %-24s  %8s  %5s  %7s  %s\n' "$@"
}

# check MODEL VARIANT EXPECTED SEARCH MACROS
check() {
	local dir log result macros flag=-DSAFETY verdict=ok
	[[ $4 == safety ]] || flag=-DNP
	read -ra macros <<<"$5"
	dir=$(mktemp -d "$tmp/XXXXXX") || return
	log=$dir/pan.log
	(build "$dir" "$1" "$flag" "${macros[@]}") || return
	(search "$dir" "$flag") || return
	result=$(found "$log")
	[[ $result == "$3" ]] || verdict=WRONG
	row "$1" "$2" "$4" "$3" "$result" \
		"$(number "$log" '^ *([0-9]+) states, stored.*')" \
		"$(number "$log" '.*depth reached ([0-9]+),.*')" \
		"$(number "$log" '^pan: elapsed time ([0-9.e+-]+) seconds')" "$verdict"
	[[ $verdict == ok ]]
}

# trail TITLE MODEL MACRO...: the shortest error, told by the model's own printf.
trail() {
	local dir title=$1 model=$2
	shift 2
	dir=$(mktemp -d "$tmp/XXXXXX")
	(build "$dir" "$model" -DREACH "$@") || return
	cd "$dir"
	nice ./pan -m100000 -i >pan.log 2>&1
	[[ -s $model.pml.trail ]] || die "$model.pml $* leaves no trail" "see the table"
	printf '\n%s\n' "$title"
	spin -t -T -B "$@" "$model.pml" | grep -v '^spin:' | sed 's/^ */  /'
}

trails() {
	trail "How stock hangs, shutdowns alone:" hang -DPROXY -DNO_ASSIGN
	trail "How stock hangs, with an assign:" hang -DPROXY
	trail "How v2 loses an interrupt, late de-assert:" gsi_reuse -DLATE_UNLINK -DLATE_DEASSERT
	trail "How v2 loses an interrupt, double ack (late unlink only):" gsi_reuse -DLATE_UNLINK
}

main() {
	local table=$1 model variant expected search macros bad=0
	row model variant search expected found states depth seconds ""
	while IFS='|' read -r model variant expected search macros; do
		[[ -n $model ]] || continue
		check "$model" "$variant" "$expected" "$search" "$macros" || bad=$((bad + 1))
	done <<<"$table"
	trails
	((bad == 0)) || die "$bad variants are not as expected" "read the table and the messages above"
}

case ${1-} in
--help | -h) usage; exit ;;
--deep) variants+=$deep optimise=-O2 ;;
"") ;;
*) die "unknown argument $1" "check.sh --help" ;;
esac
need spin spin
need "$cc" gcc
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
main "$variants"
