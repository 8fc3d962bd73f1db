#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/deps.sh [--check] [COMMAND...]
#
# Install through apt what the lab needs and this machine lacks, and say what.
# With --check, only say what is lacking; exit status 1 if anything is.  Each
# COMMAND is needed as well, in a package of the same name or, as COMMAND=PACKAGE,
# in another.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

# What a command is for, and the Debian package that has it.
needed()
{
	cat <<-END
	make make
	gcc gcc
	ld binutils
	flex flex
	bison bison
	bc bc
	perl perl
	ccache ccache
	git git
	xz xz-utils
	rsync rsync
	cpio cpio
	python3 python3
	busybox:/bin/busybox busybox-static
	qemu-system-x86_64 qemu-system-x86
	gelf:/usr/include/gelf.h libelf-dev
	libc:/usr/include/stdio.h libc6-dev
	uuid:/usr/include/uuid/uuid.h uuid-dev
	keyring:/usr/share/keyrings/debian-archive-keyring.gpg debian-archive-keyring
	shellcheck shellcheck
	END
}

more=()

# busybox without -static is dynamically linked and of no use to the guest.
present()
{
	case $1 in
	busybox:*)	dpkg-query -W -f '${Status}' busybox-static 2>/dev/null |
				grep -q 'ok installed' ;;
	*:*)		[ -e "${1#*:}" ] ;;
	*)		command -v "$1" >/dev/null ;;
	esac
}

missing()
{
	local what package

	{ needed; for what in "${more[@]}"; do echo "${what%=*} ${what#*=}"; done; } | while read -r what package; do
		present "$what" || echo "$package"
	done | sort -u | paste -sd' '
}

install()
{
	local sudo=

	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null ||
			die "packages are missing: $1" "as root: apt-get install $1"
		sudo=sudo
	fi
	say "installing with apt: $1"
	# shellcheck disable=SC2086
	{ $sudo apt-get -qq update &&
	  $sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $1; } \
		>"$CACHE/apt-install.log" 2>&1 ||
		die "apt-get install $1 failed: $(grep '^E:' "$CACHE/apt-install.log" | sed -n 1p)" \
		    "see $CACHE/apt-install.log"
}

check=no
for arg; do
	case $arg in
	--check)	check=yes ;;
	*)		more+=("$arg") ;;
	esac
done

mkdir -p "$CACHE" || die "cannot create $CACHE" "set LAB_CACHE=DIR"
lacking=$(missing)
[ -n "$lacking" ] || exit 0
[ $check = no ] || { printf 'lab: packages are missing: %s (run lab/deps.sh)\n' "$lacking" >&2; exit 1; }
install "$lacking"
lacking=$(missing)
[ -z "$lacking" ] || die "still missing after apt-get install: $lacking"
