#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/lava-run.sh SCENARIO|RUN...
#
# Boot each RUN (of lab/run.py) once more, as a job of `lab/results.py lava`, by lava-run, which is
# what LAVA's dispatchers run, on the device that LAVA's server would make of its template
# for QEMU; a SCENARIO is run first.  End with a table: the lab's verdict, LAVA's, as
# lab/lava.py reads it, and why.
#
# Each run gets lava/: job, device, log (what lava-run has said), verdict.
#
# lava-run wants to be root, and to write below /var/lib; in namespaces of its own, it
# needs neither.  The server's template comes from its package, which is not installed.
# Exit status 0 if LAVA passes what the lab passes, and only that; 1 if not; 2 if a job
# could not be run.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

[ $# -gt 0 ] || die "which scenario, or run?" "of: $(names "$LAB/scenarios")"
for what; do
	[ -d "$what" ] || [ -f "$LAB/scenarios/$what" ] || die "neither a run nor a scenario: '$what'" "of: $(names "$LAB/scenarios")"
done
command -v lava-run >/dev/null || die "there is no lava-run" "make lava, or apt-get install lava-dispatcher"
WORK=/var/lib/lava/dispatcher/tmp

# templates: their directory.
templates()
{
	local dir=$CACHE/lava-server

	lock lava-server
	if [ ! -d "$dir" ]; then
		rm -rf "$dir.tmp"
		mkdir -p "$dir.tmp"
		{ (cd "$dir.tmp" && bound apt-get -q download lava-server) && dpkg-deb -x "$dir.tmp"/lava-server_*.deb "$dir.tmp"; } \
			>"$dir.log" 2>&1 || die "cannot download lava-server: $(grep -m 1 '^E:' "$dir.log")" "see $dir.log"
		mv "$dir.tmp" "$dir"
	fi
	echo "$dir/usr/share/lava-server/device-types"
}

# run_of SCENARIO: its directory.
run_of()
{
	local json status=0

	json=$("$LAB/run.py" --format json "$1") || status=$?
	[ "$status" -le 1 ] || return "$status"
	python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["path"])' <<<"$json"
}

# lava_run DIR: its job.  The status says nothing that lab/lava.py does not know better.
lava_run()
{
	local root=()

	mkdir -p "$1/tmp"
	[ "$(id -u)" = 0 ] || root=(--map-root-user)
	# shellcheck disable=SC2016
	bound unshare "${root[@]}" --mount bash -c 'mount --bind "$1/tmp" "$2" && exec lava-run \
		--job-id 1 --output-dir "$1/output" --device "$1/device" "$1/job"' lava-run "$1" "$WORK" \
		>"$1/stdout" 2>"$1/log" </dev/null || true
	rm -rf "$1/tmp" "$1/output"
	grep -qE '"(case": "validate".*"result": "pass|result": "pass".*"case": "validate)"' "$1/log" ||
		die "lava-run does not take $1/job: $(cat "$1/stdout" "$1/log" | tail -n 1)" "see $1/log"
}

# field RUN NAME
field()
{
	python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]] or "-")' "$1/results.json" "$2"
}

# again RUN: by LAVA; a line of the table.
again()
{
	local run=$1 dir=$1/lava lab lava start

	lab=$(field "$run" verdict)
	rm -rf "$dir"
	mkdir "$dir"
	"$LAB/results.py" lava "$run" >"$dir/job" || [ $? = 1 ]
	"$LAB/lava.py" --device "$templates" "$dir/job" >"$dir/device"
	say "lava-run: $(field "$run" title)"
	start=$(date +%s)
	lava_run "$dir"
	"$LAB/lava.py" "$dir/job" "$dir/log" >"$dir/verdict" || [ $? = 1 ]
	lava=$(sed -n 1p "$dir/verdict")
	if [ "$lab" = PASS ]; then [ "$lava" = PASS ]; else [ "$lava" = FAIL ]; fi || differ=1
	printf '%s\t%s\t%s\t%s\t%s\n' "$(field "$run" scenario)" "$lab" "$lava" "$(($(date +%s) - start))" \
		"$(sed -n '2,$p' "$dir/verdict" | shorten)" >>"$rows"
}

# shorten: the first two lines, and how many more there are.
shorten()
{
	awk 'NR <= 2 { text = text (NR > 1 ? ", " : "") $0 } END { print text (NR > 2 ? ", and " NR - 2 " more" : "") }'
}

templates=$(templates)
rows=$(mktemp)
differ=0
# An error, or Ctrl-C, has an exit status of its own.
trap '{ printf "scenario\tlab\tLAVA\tseconds\twhy\n"; cat "$rows"; } | columns; rm -f "$rows"' EXIT
trap 'exit 130' INT TERM
for what; do
	run=$what
	[ -d "$what" ] || run=$(run_of "$what")
	again "$(realpath "$run")"
done
exit "$differ"
