# Newest 6.12.y of the suite, as Debian patches it.  Older than proxy execution
# and than KVM_IOAPIC.
SUITE=trixie
PACKAGE=linux-source-6.12
LINUX=6.12.117
TREE_ID=23481b65e33b461f4934938716acfba8fe6d61dd
SERIES=6.12.y
CONFIGS="guest watchdogs lockdep"
