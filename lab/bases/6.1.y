# Newest 6.1.y of the suite, as Debian patches it: the oldest stable tree in
# which this lab's selftests run.
SUITE=bookworm
PACKAGE=linux-source-6.1
SERIES=6.1.y
CONFIGS="base hang lockdep"
