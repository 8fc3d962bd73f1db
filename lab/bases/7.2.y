# Newest 7.2.y, as Debian patches it (the package is served, the tarball is not),
# for the sweep alone.  Has the scheduler's fix.
SUITE=trixie-backports
PACKAGE=linux-source-7.2
SERIES=
