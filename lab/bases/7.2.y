# Newest 7.2.y, as Debian patches it (the package is served, the tarball is not),
# for the sweep alone.  Has the scheduler's fix.
SUITE=trixie-backports
PACKAGE=linux-source-7.2
LINUX=7.2.12
TREE_ID=19307e65c91703f8a85f2f8665a6a8c48f258f23
SERIES=
