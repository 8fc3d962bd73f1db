# Newest 6.18.y that the suite still serves.  Has proxy execution, lacks the
# scheduler's fix.
SUITE=trixie-backports
SOURCE=linux
VERSION=6.18
SERIES="6.18.y 6.18.y-sched"
# What its patches are checked with, a kernel that is built anyway.
CONFIGS="base hang proxy"
