# Newest 7.3.y, as Debian patches it: the source tarball of this one is not
# served, the package with its tree is.  Has the scheduler's fix.
SUITE=trixie-backports
PACKAGE=linux-source-7.3
LINUX=7.3.4
TREE_ID=5b1b93321fb4c4dd9c489ce15c4f3caaadd798d7
SERIES="kvm-next mshv cocci"
CONFIGS="guest watchdogs lockdep"
