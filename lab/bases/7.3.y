# Newest 7.3.y, as Debian patches it: the source tarball of this one is not
# served, the package with its tree is.  Has the scheduler's fix.
SUITE=trixie-backports
PACKAGE=linux-source-7.3
SERIES="kvm-next mshv cocci"
CONFIGS="base hang lockdep"
