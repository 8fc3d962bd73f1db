# Newest 7.2.y, as Debian patches it: of this line, too, the package is served
# and the tarball is not.  For the sweep alone.
SUITE=trixie-backports
PACKAGE=linux-source-7.2
SERIES=
