# 6.18.15, or the newest 6.18.y that the suite still serves.  Has proxy execution, lacks the
# scheduler's fix.
SUITE=trixie-backports
SOURCE=linux
VERSION=6.18
LINUX=6.18.15
TREE_ID=fee8e7b4208eb74080e6382a69236b61799e36a2
SERIES="6.18.y 6.18.y-sched"
# What its patches are checked with, a kernel that is built anyway.
CONFIGS="guest watchdogs proxy"
