# SPDX-License-Identifier: GPL-2.0-only
# A sample of `soak`, of what the tests of a go have said, and of files in /proc.
/^# [0-9]+ times /		{ operations += $2 }
/^# worker [0-9]+: [0-9]+ rounds/ { operations += $4 }
/^# 0 of [0-9]+ interrupts lost/ { operations += $4 }
/^close-vm,/ {
	split($0, field, ",")
	# Sorted as they come, for the median.
	for (i = n++; i > 0 && us[i - 1] > field[6] + 0; i--)
		us[i] = us[i - 1]
	us[i] = field[6] + 0
	operations++
}
# Of each object that there is, kmemleak has one more, or several.  What was mapped by
# vmalloc() is freed lazily, when it's 64 MB (lazy_max_pages(), two CPUs).
FILENAME ~ /slabinfo$/ && !/^(#|slabinfo|kmemleak_|vmap_area)/ {
	# Who is short of memory has others free what is in kmalloc-rcl-*.
	if (/^kmalloc-/ && !/^kmalloc-rcl/) {
		objects += $2
		bytes += $2 * $4
	} else {
		others += $2 * $4
	}
}
FILENAME ~ /file-nr$/		{ files = $1 }
END {
	printf "# soak: seconds %d operations %d close-us %d worst-us %d slab-objects %d slab-kB %d other-slabs-kB %d files %d kworkers %d\n",
		seconds, operations, us[int(n / 2)], us[n - 1], objects, bytes / 1024, others / 1024, files, kworkers
	exit !(n && objects && others && files && kworkers)
}
