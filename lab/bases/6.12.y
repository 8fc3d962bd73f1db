# Newest 6.12.y of the suite, as Debian patches it.  Older than proxy execution
# and than KVM_IOAPIC.
SUITE=trixie
PACKAGE=linux-source-6.12
SERIES=6.12.y
CONFIGS="base hang lockdep"
