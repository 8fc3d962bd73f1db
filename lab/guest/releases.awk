# SPDX-License-Identifier: GPL-2.0-only
# What `releases` has traced, a line for each release; fails if there is none.
/ release: /		{ on = 1; gps = workers = 0; split("", seen) }
on && / grace_period: /	{ gps++ }
on && / shutdown_.*comm="kworker\// {
	match($1, /[0-9]+$/)
	pid = substr($1, RSTART)
	if (!(pid in seen)) workers++
	seen[pid]
}
/ released: /		{ n++; print "release," what "," gps "," workers; on = 0 }
END			{ exit !n }
