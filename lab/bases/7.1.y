# Newest 7.1.y that the suite still serves, for the sweep alone.  Has proxy
# execution, lacks the scheduler's fix.
SUITE=trixie-backports
SOURCE=linux
VERSION=7.1
SERIES=
