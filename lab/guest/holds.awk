# SPDX-License-Identifier: GPL-2.0-only
# What `holds` has traced: of each task, from where mutex_lock() returns to a function
# of irqfds, to mutex_unlock() of the same mutex.  What is locked meanwhile, by
# the same task, is another lock.
{ match($1, /[0-9]+$/); pid = substr($1, RSTART) }
match($0, / [0-9]+\.[0-9]+: /)	{ now = substr($0, RSTART + 1, RLENGTH - 3) }
match($0, / lock=0x[0-9a-f]+/)	{ lock = substr($0, RSTART + 6) }
/ lock: /			{ wanted[pid] = lock }
/ locked: \([a-z_.]*irqfd/ && !(pid in held) { held[pid] = wanted[pid]; since[pid] = now }
/ unlock: / && held[pid] == lock {
	n++
	if (now - since[pid] > max) max = now - since[pid]
}
/ unlock: / && (pid in held) && (held[pid] == lock || held[pid] == "") { delete held[pid] }
END { if (n) printf "hold,%s,%d,%.0f\n", what, n, max * 1000000; exit !n }
