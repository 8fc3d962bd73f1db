# SPDX-License-Identifier: GPL-2.0-only
# What `releases` has traced, a line for each release but the first, which is that of
# the VM with which the benchmark finds out what KVM supports; fails if there is none.
/ release: /		{ on = 1; gps = workers = 0; split("", seen) }
on && / grace_period: /	{ gps++ }
on && / shutdown_.*comm="kworker\// {
	match($1, /[0-9]+$/)
	pid = substr($1, RSTART)
	if (!(pid in seen)) workers++
	seen[pid]
}
/ released: /		{ if (n++) print "release," what "," gps "," workers; on = 0 }
END			{ exit n < 2 }
