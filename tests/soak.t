#!/bin/bash
# shellcheck disable=SC2016 # what ok evaluates is expanded later
# SPDX-License-Identifier: GPL-2.0-only
# Soaks: what the guest samples, what is made of it, and that one which was interrupted
# goes on; with tests, a kernel, explorations and a gnuplot that are scripts.

. "$(dirname "$0")/tap.sh"

export LAB_CACHE=$tmp/cache LAB_RUNS=$tmp/runs PATH=$tmp/bin:$PATH
mkdir -p "$tmp/bin" "$tmp/tests" "$tmp/slab/kmalloc-1k" "$tmp/proc/sys/fs" "$tmp/proc"/{1,12,13} "$LAB_RUNS"
cp -r "$TOP/lab" "$tmp/lab"

# The guest: tests that say what real ones do, and files of the kernel's.
says()
{
	printf '#!/bin/sh\necho "%s $*" >>%s\n%s\nexit %s\n' "$1" "$tmp/called" "$3" "$2" >"$tmp/bin/$1"
	chmod +x "$tmp/bin/$1"
}
all_pass()
{
	rm -f "$tmp/called"
	says irqfd_fuzz_test 0 'echo "# 10 times assign"; echo "# 5 times close"; echo "SEED=$SEED"'
	says irqfd_resampler_irq_test 0 'echo "# 0 of 6 interrupts lost"; echo "# 1 of 900 interrupts lost"'
	says irqfd_resampler_test 0 'echo "# worker 1: 7 rounds"'
	says irqfd_perf_test 0 'printf "close-vm,distinct,24,1,%s\n" 0,30.5 1,9.1 2,200.9'
}
echo '600.50 1000.00' >"$tmp/proc/uptime"
printf '%s\n' 'slabinfo - version: 2.1' 'kmalloc-rcl-64 9 9 64 64 1' 'kmalloc-1k 5 8 1024 16 4' 'kmalloc-cg-512 4 8 512 16 4' 'filp 90 90 256 16 1' 'kmemleak_object 999 999 999 9 9' >"$tmp/proc/slabinfo"
echo '33 0 9999' >"$tmp/proc/sys/fs/file-nr"
echo init >"$tmp/proc/1/comm"
echo kworker/0:1 | tee "$tmp/proc/12/comm" >"$tmp/proc/13/comm"
cp "$LAB/guest/soak.awk" "$tmp/tests"
sed "s,/proc/,$tmp/proc/,g; s,/tests/,$tmp/tests/,; s,=/tmp/soak,=$tmp/said," "$LAB/guest/soak" >"$tmp/tests/soak"
sed "s,/proc/,$tmp/proc/,; s,/sys/kernel/slab/,$tmp/slab/,; s/^sleep 1/:/" "$LAB/guest/shrink" >"$tmp/bin/shrink"
chmod +x "$tmp/bin/shrink"
guest()
{
	sh "$tmp/tests/soak" "$@"
}
: >"$tmp/slab/kmalloc-1k/shrink"
all_pass
ok "guest: a sample, of all that it should have" eval '[ "$(guest 600)" = "# soak: seconds 600 operations 18 close-us 30 worst-us 200 slab-objects 9 slab-kB 7 other-slabs-kB 23 files 33 kworkers 2" ]'
ok "guest: ... without what CPUs have at hand" eval '[ "$(cat "$tmp/slab/kmalloc-1k/shrink")" = 1 ]'
ok "guest: as many seconds as the command line says, or one go" eval 'lab_soak=1 guest && [ "$(grep -c fuzz "$tmp/called")" = 2 ]'
# It comes to the fourth go if the clock does.
goes_on()
{
	all_pass
	says irqfd_perf_test 0 "echo close-vm,distinct,24,1,0,5; [ \$(wc -l <$tmp/called) -lt 10 ] || { echo 900.0 0 >$tmp/proc/uptime; sed -i 's/kmalloc-1k 5/kmalloc-1k 7/' $tmp/proc/slabinfo; }"
	guest 900 >"$tmp/out" || true
	echo '600.50 1000.00' >"$tmp/proc/uptime"
}
ok "guest: ... each fourth time of all tests" eval 'goes_on && cat "$tmp/out" && grep -q " operations 77 " "$tmp/out"'
ok "guest: ... and which cache has grown since" eval '[ "$(grep "slab " "$tmp/out")" = "# soak: slab kmalloc-1k, 1024 bytes, 2 objects more" ]'
for broken in irqfd_fuzz_test irqfd_perf_test irqfd_resampler_irq_test irqfd_resampler_test; do
	all_pass
	says $broken 1 'echo it broke'
	ok "guest: $broken fails, and so does the soak" eval '! guest 900 >"$tmp/out" && grep -qxE "# soak: failed, seed [14]" "$tmp/out" && grep -qx "# it broke" "$tmp/out"'
done
all_pass
mv "$tmp/proc/slabinfo" "$tmp/proc/slabs"
ok "guest: ... and without /proc/slabinfo" eval '! guest 600'

# goes N EXPRESSION...: samples of N goes of 20 s, with noise, each expression of Python
# being what changes: s is a sample, n its number, and done the operations.
goes()
{
	python3 - "$@" <<'END'
import random, sys
random.seed(1)
for n in range(int(sys.argv[1])):
    done = 1000 * n
    s = {'seconds': 20 + 20 * n, 'operations': done, 'close-us': 900 + random.randrange(200), 'worst-us': 1500 + random.randrange(1500),
         'slab-objects': 20000 + random.randrange(60), 'slab-kB': 4000 + random.randrange(9), 'other-slabs-kB': 9000 + random.randrange(200),
         'files': 40 + random.randrange(2), 'kworkers': 9 + random.randrange(3)}
    if n < 4:
        s['slab-objects'] -= 3000
        s['kworkers'] -= 5
    for change in sys.argv[2:]:
        exec(change)
    print('# soak: ' + ' '.join(f'{key} {int(value)}' for key, value in s.items()), end='\r\n')
END
}
# part NAME VERDICT N EXPRESSION...: a boot of the soak in $tmp/soak.
part()
{
	mkdir -p "$tmp/soak/$1"
	echo "$2" >"$tmp/soak/$1/verdict"
	goes "${@:3}" >"$tmp/soak/$1/results"
}
# is VERDICT: of $tmp/soak.
is()
{
	local status=0

	"$LAB/soak.py" "$tmp/soak" >"$tmp/table" || status=$?
	cat "$tmp/table"
	[ "$(tail -n 1 "$tmp/table")" = "$1" ] && { [ "$1" != FLAT ] || [ "$status" = 0 ]; } && { [ "$1" = FLAT ] || [ "$status" = 1 ]; }
}
one()
{
	rm -rf "$tmp/soak"
	part boot-1 PASS "${@:2}"
	is "$1"
}
ok "judge: what only warms up is flat" one FLAT 60
ok "judge: one object in each operation" one GROWS 60 's["slab-objects"] += done'
ok "judge: ... in each hundredth" one GROWS 60 's["slab-objects"] += done / 100'
ok "judge: a file in each thousandth" one GROWS 60 's["files"] += done / 1000'
ok "judge: a kworker now and then" one GROWS 60 's["kworkers"] += n / 6'
ok "judge: what is in no slab of kmalloc's" one GROWS 60 's["other-slabs-kB"] += 40 * n'
ok "judge: big objects" one GROWS 60 's["slab-kB"] += 4 * n'
ok "judge: VMs that take ever longer to close" one GROWS 60 's["close-us"] *= 1 + n / 30'
ok "judge: ... the slowest of them" one GROWS 60 's["worst-us"] *= 1 + n / 8 + n * n / 100'
ok "judge: steps that are taken back are noise" one FLAT 60 's["slab-objects"] += 400 * (n // 3 % 2)'
ok "judge: what falls does not grow" one FLAT 60 's["files"] += 600 - n' 's["slab-objects"] -= 10 * n'
ok "judge: which operations would show is said" eval 'one FLAT 60 && grep -E "^boot-1 +slab-objects .* 1 in [0-9]{3,} +flat$" "$tmp/table"'
ok "judge: noise that would hide a leak of each operation" one SHORT 60 's["slab-objects"] += random.randrange(1000000)'
ok "judge: too few samples" one SHORT 12
more()
{
	rm -rf "$tmp/soak"
	part boot-1 PASS 60
	part "$@"
}
ok "judge: a boot that failed" eval 'more boot-2 SPLAT 60 && is FAIL && grep -x "boot-2: SPLAT" "$tmp/table"'
ok "judge: ... that was cut short, and is too short" eval 'more cut-2 FAIL 4 && is FLAT && grep -E "^cut-2 .* SHORT, 4 samples" "$tmp/table"'
ok "judge: ... cut short, but grows" eval 'more cut-2 FAIL 60 "s[\"slab-objects\"] += done" && is GROWS'
ok "judge: ... cut short, but the kernel has warned" eval 'more cut-2 SPLAT 4 && is FAIL'
ok "judge: ... cut short, but a test has failed" eval 'more cut-2 FAIL 4 && echo "# soak: failed, seed 5" >>"$tmp/soak/cut-2/results" && is FAIL'
ok "judge: each boot begins anew" eval 'more boot-2 PASS 60 "s[\"slab-objects\"] += 90000" && is FLAT'
ok "judge: seconds that were sampled, of all boots" eval 'more cut-10 FAIL 4 && [ "$("$LAB/soak.py" --seconds "$tmp/soak")" = 1280 ]'
ok "judge: ... but for a torn line" eval 'printf "# soak: seconds 5000 operations 7 kworkers 1" >>"$tmp/soak/cut-10/results" &&
	[ "$("$LAB/soak.py" --seconds "$tmp/soak")" = 1280 ]'
ok "judge: all samples, one boot after the other" eval 'is FLAT && [ "$(wc -l <"$tmp/soak/samples.csv")" = 65 ] && grep "^1280,.*,cut-10" "$tmp/soak/samples.csv"'
ok "judge: no soak" fails 2 'lab: which soak' "$LAB/soak.py"
mkdir "$tmp/nothing"
ok "judge: nothing in it" fails 2 'lab: no boots in' "$LAB/soak.py" "$tmp/nothing"

# lab/soak.sh, whose boots take as long as they are told to, or hang.
cat >"$tmp/lab/explore.py" <<END
#!/bin/bash
dir=\${!#}
[ -d "\$dir" ] || dir=$LAB_RUNS/explore-patched-soak-1234
[[ \$* != *--mutant* ]] || dir+=5
mkdir -p "\$dir"
[ -f "\$dir/append" ] || echo asked >"\$dir/append"
echo title >"\$dir/title"
echo "\$* REALTIME=\$REALTIME" >>"$tmp/explored"
echo "\$dir"
[[ \$* = *"--seeds 0"* ]] && exit
n=\$(grep -oE -- '--seeds [0-9]+' <<<"\$*" | cut -d' ' -f2)
rm -rf "\$dir/tmp-\$n"
mkdir "\$dir/tmp-\$n"
cp "\$dir/append" "\$dir/timeout" "\$dir/tmp-\$n"
cat "$tmp/samples" >"\$dir/tmp-\$n/results"
[ ! -f "$tmp/hangs" ] || { touch "$tmp/began"; exec sleep 60; }
cat "$tmp/verdict" >"\$dir/tmp-\$n/verdict"
mv "\$dir/tmp-\$n" "\$dir/boot-\$n"
grep -qx PASS "$tmp/verdict"
END
printf '#!/bin/sh\necho FAIL >"$1/verdict"\n' >"$tmp/lab/judge.py"
printf '#!/bin/sh\nsed -n "s/^set output //p" >>%s\n' "$tmp/plotted" >"$tmp/bin/gnuplot"
chmod +x "$tmp/lab"/{explore.py,judge.py} "$tmp/bin/gnuplot"
dir=$LAB_RUNS/explore-patched-soak-1234
# soak STATUS ARG...
soak()
{
	local status=0

	"$tmp/lab/soak.sh" "${@:2}" >"$tmp/out" 2>"$tmp/err" || status=$?
	cat "$tmp/out" "$tmp/err"
	[ "$status" = "$1" ]
}
# afresh N EXPRESSION...: what the next boots sample.
afresh()
{
	rm -rf "${LAB_RUNS:?}"/* "$tmp"/{explored,plotted,hangs,began}
	echo PASS >"$tmp/verdict"
	goes "$@" >"$tmp/samples"
}
afresh 60
ok "soak: a flat one, by the host's clock, with table and plot" eval 'soak 0 0.3 && grep -x FLAT "$tmp/out" && cmp "$tmp/out" "$dir/table" &&
	grep "soak.svg" "$tmp/plotted" && [ "$(cat "$dir/boot-1/append")" = "asked lab_soak=1080" ] && [ "$(cat "$dir/boot-1/timeout")" = 1980 ] &&
	! grep -v "REALTIME=1" "$tmp/explored"'
ok "soak: what is there is not run again" eval 'soak 0 0.3 && ! ls -d "$dir"/boot-2'
ok "soak: more hours are another boot, for what remains" eval 'soak 0 0.5 && [ "$(cat "$dir/boot-2/append")" = "asked lab_soak=600" ]'
ok "soak: a mutant is another soak" eval 'soak 0 --mutant some 0.3 && ls -d "${dir}5/boot-1"'
afresh 60 's["slab-objects"] += done'
ok "soak: one that grows" eval 'soak 1 0.3 && grep -x GROWS "$tmp/out"'
afresh 60
echo SPLAT >"$tmp/verdict"
ok "soak: a boot that fails is the last" eval 'soak 1 1 && grep -x FAIL "$tmp/out" && ! ls -d "$dir"/boot-2'
afresh 30
touch "$tmp/hangs"
interrupted()
{
	local status=0

	rm -f "$tmp/began"
	setsid env --default-signal=INT "$tmp/lab/soak.sh" 0.3 2>"$tmp/err" &
	wait_for test -e "$tmp/began" || return
	kill -"$1" "${2:+-}$!"
	wait $! || status=$?
	# It has the lock, as long as anything of it runs.
	[ "$status" = "$3" ] && wait_for flock -n "$LAB_CACHE/locks/soak-1234" true
}
ok "soak: killed, it leaves nothing that runs" interrupted KILL '' 137
ok "soak: ... and goes on, for what time remains; so does Ctrl-C" eval 'interrupted INT group 130 && ls -d "$dir/cut-1" &&
	[ "$(cat "$dir/tmp-2/append")" = "asked lab_soak=480" ]'
rm "$tmp/hangs"
ok "soak: ... to its end" eval 'soak 0 0.35 && ls -d "$dir"/{cut-1,cut-2,boot-3} && grep -E "^cut-1 .* flat" "$tmp/out"'
afresh 30
mkdir -p "$dir/tmp-1"
touch "$dir/tmp-1/results"
ok "soak: a boot that had not begun leaves nothing" eval 'soak 0 0.1 && ! ls -d "$dir"/cut-*'
ok "soak: no number" fails 2 "lab: HOURS=many is no number" "$tmp/lab/soak.sh" many
ok "soak: no time" fails 2 "lab: HOURS=0 is no time" "$tmp/lab/soak.sh" 0

plan
