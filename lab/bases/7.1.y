# 7.1.13, or the newest 7.1.y that the suite still serves, for the sweep alone.  Has proxy
# execution, lacks the scheduler's fix.
SUITE=trixie-backports
SOURCE=linux
VERSION=7.1
LINUX=7.1.13
TREE_ID=f987e87901dc0af5c1a1915a2aee8b72e01a0d17
SERIES=
