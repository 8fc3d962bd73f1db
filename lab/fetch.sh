#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Usage: lab/fetch.sh BASE
#        lab/fetch.sh busybox
#
# Make the kernel sources of a base (a file in lab/bases) into a git tree, and
# print its directory.  The commit of the untouched sources is tagged `stock`.
#
# Sources come from Debian packages, through apt, which checks signatures and
# sums, from the mirror that this machine already uses; apt's own lists and
# configuration are not touched.  What is in the cache already is not fetched
# again.  LAB_MIRROR=URI names another mirror.
#
# A base says which version it is, LINUX, and which tree git makes of its sources,
# TREE_ID.  That version is taken if it is served, another one with a note, as figures
# are of that one, and so is what patches apply to.  What Debian no longer serves is
# to be had from its snapshot archive, by LAB_MIRROR=URI, of a day when it did; or
# else take kernel.org's, with TREE=DIR.
#
# busybox is a static one for the guest, of architecture ARCH; its file's name is
# printed.
#
# With TREE=DIR in the environment, BASE is ignored: the sources are the
# checked-out commit (or, where DIR is not a git tree, the files) of DIR, which
# is not written to.

. "$(dirname "$0")/lib.sh"
usage_if_asked "$@"

APT=$CACHE/apt
NOT_SERVED=', or lab/fetch.sh --help if Debian no longer serves it'

mirror()
{
	local uri=${LAB_MIRROR:-}

	# shellcheck disable=SC2016
	[ -n "$uri" ] || uri=$(apt-get indextargets --format '$(REPO_URI)' \
		'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | sort -u | sed -n 1p)
	[ -n "$uri" ] || die "apt knows no Debian mirror" "run apt-get update, or set LAB_MIRROR=URI"
	echo "$uri"
}

# A private apt: own lists, own sources, the machine's proxies and trust.
configure_apt()
{
	local suite=$1 uri signed='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]'

	uri=$(mirror)
	mkdir -p "$APT/lists/partial" "$APT/cache/archives/partial" "$CACHE/archives"
	printf '%s\n' "deb $signed $uri $suite main" "deb-src $signed $uri $suite main" \
		>"$APT/$suite.list"
	cat >"$APT/apt.conf" <<-END
		Dir::Etc::sourcelist "$APT/$suite.list";
		Dir::Etc::sourceparts "/dev/null";
		Dir::State::Lists "$APT/lists";
		Dir::Cache "$APT/cache";
		APT::Get::List-Cleanup "0";
		APT::Sandbox::User "$(id -un)";
		Acquire::Retries "3";
		Acquire::http::Timeout "30";
	END
	# Of a snapshot.
	[ -z "${LAB_MIRROR:-}" ] || echo 'Acquire::Check-Valid-Until "false";' >>"$APT/apt.conf"
	[ -z "$CROSS" ] || printf 'APT::Architecture%s "%s";\n' '' "$ARCH" s:: "$ARCH" >>"$APT/apt.conf"
	export APT_CONFIG=$APT/apt.conf
}

# apt exits 0 when an update fails: its warnings tell.
update()
{
	local bad='^(E:|Err:|W: (Failed|Some index))'

	say "asking the Debian mirror for the $1 suite"
	bound apt-get -q update >"$APT/update.log" 2>&1 || true
	! grep -qE "$bad" "$APT/update.log" ||
		die "cannot read suite $1: $(grep -m 1 -E "$bad" "$APT/update.log" | sed 's,[a-z]*://[^ ]*,<mirror>,g')" \
		    "is there a network? see $APT/update.log"
}

# Print the file's name; apt resumes a partial download and checks the sum.
download()
{
	local log=$APT/download.log

	(cd "$CACHE/archives" && bound "$@") >"$log" 2>&1
}

# fetch_package PACKAGE
fetch_package()
{
	local package=$1

	say "downloading $package"
	download apt-get -q download "$package" ||
		die "cannot download $package: $(grep -m 1 '^E:' "$APT/download.log" | sed 's,[a-z]*://[^ ]*,<mirror>,g')" \
		    "see $APT/download.log$NOT_SERVED"
	find "$CACHE/archives" -name "${package}_*.deb" -printf '%T@ %p\n' |
		sort -rn | sed -n '1s/^[^ ]* //p'
}

# fetch_source SOURCE LINE LINUX: that one, or the newest of a stable line, which
# need not be the newest that is listed, try them in turn.
fetch_source()
{
	local source=$1 line=$2 linux=$3 versions version

	versions=$(apt-cache showsrc "$source" 2>/dev/null |
		awk -v v="$line" '/^Version:/ && index($2, v ".") == 1 { print $2 }' | sort -Vru)
	for version in $(grep -F -- "$linux-" <<<"$versions") $versions; do
		say "downloading $source $version"
		if download apt-get -q source --download-only --tar-only "$source=$version"; then
			echo "$CACHE/archives/${source}_${version%%-*}.orig.tar."*
			return
		fi
		say "not served: $source $version"
	done
	die "no $line.y of $source can be downloaded" "see $APT/download.log$NOT_SERVED"
}

unpack()
{
	local archive=$1 dir=$2

	say "unpacking $(basename "$archive")"
	case $archive in
	*.deb)
		bound dpkg-deb --fsys-tarfile "$archive" |
			bound tar -xO --wildcards './usr/src/linux-source-*.tar.xz' |
			bound tar -xJ -C "$dir" --strip-components=1
		;;
	*)
		bound tar -xf "$archive" -C "$dir" --strip-components=1
		;;
	esac
}

# make_git DIR: in && chains, as callers test the result.  Nothing that varies
# goes into the commit: the same sources give the same commit id everywhere.
make_git()
{
	local dir=$1 version

	version=$(make -s -C "$dir" kernelversion) &&
	say "making a git tree of Linux $version" &&
	git init -q "$dir" &&
	git -C "$dir" config core.compression 1 &&
	bound git -C "$dir" -c core.fsync=none add -f -A . &&
	GIT_AUTHOR_NAME=lab GIT_AUTHOR_EMAIL=lab@localhost \
	GIT_AUTHOR_DATE='2026-01-01 00:00 +0000' GIT_COMMITTER_DATE='2026-01-01 00:00 +0000' \
		bound git -C "$dir" commit -qm "Linux $version" &&
	git -C "$dir" tag stock
}

# fetch_base BASE DIR: all or nothing, DIR appears when it is complete.
fetch_base()
{
	local base=$1 dir=$2 archive tmp=$2.tmp
	local SUITE='' PACKAGE='' SOURCE='' VERSION='' LINUX='' TREE_ID='' is

	# shellcheck source=/dev/null
	. "$LAB/bases/$base"
	need_space 5000
	rm -rf "$tmp"
	mkdir -p "$tmp"
	# One private apt serves all bases, one at a time.
	lock apt
	configure_apt "$SUITE"
	update "$SUITE"
	if [ -n "$PACKAGE" ]; then archive=$(fetch_package "$PACKAGE"); else archive=$(fetch_source "$SOURCE" "$VERSION" "$LINUX"); fi
	{ unpack "$archive" "$tmp" && make_git "$tmp"; } 2>"$tmp.log" ||
		die "cannot unpack $(basename "$archive"): $(tail -n 1 "$tmp.log")" \
		    "if it is damaged, delete $archive"
	is=$(git -C "$tmp" log -1 --format='%s, tree %T' stock)
	[ "$is" = "Linux $LINUX, tree $TREE_ID" ] ||
		say "note: $base is $is, and lab/bases/$base says Linux $LINUX, tree $TREE_ID, see lab/fetch.sh --help"
	mv "$tmp" "$dir"
	# The tree is what is needed; the archive was the way to it.
	rm -f "$archive"
}

# The machine's own is the guest's, too, if both are of one architecture.
busybox()
{
	local file=/bin/busybox deb

	if [ -n "$CROSS" ]; then
		file=$CACHE/busybox-$ARCH
		lock apt
		if [ ! -f "$file" ]; then
			configure_apt bookworm
			update bookworm
			deb=$(fetch_package busybox-static)
			dpkg-deb --fsys-tarfile "$deb" | tar -xO ./bin/busybox >"$file.tmp"
			mv "$file.tmp" "$file"
			rm -f "$deb"
		fi
	fi
	echo "$file"
}

# cannot WHAT LOG: with git's reason, or the last word of what failed.
cannot()
{
	die "cannot $1: $(grep -m 1 -E '^(fatal|error): ' "$2" || tail -n 1 "$2")" "see $2"
}

# A clone shares objects with the user's tree, and leaves it alone.
clone_tree()
{
	local tree=$1 dir=$2 tmp=$2.tmp log=$2.tmp.log commit

	rm -rf "$tmp"
	if [ -e "$tree/.git" ]; then
		commit=$(git -C "$tree" rev-parse --verify HEAD 2>"$log") || cannot "read $tree" "$log"
		[ "$(git -C "$dir" rev-parse -q --verify stock 2>/dev/null)" != "$commit" ] || return 0
		[ -z "$(git --no-optional-locks -C "$tree" status --porcelain -uno | sed -n 1p)" ] ||
			say "note: uncommitted changes of $tree are left out"
		say "cloning $tree"
		{ bound git clone -q --shared --no-checkout "$tree" "$tmp" &&
		  git -C "$tmp" tag -f stock "$commit" >/dev/null &&
		  bound git -C "$tmp" checkout -qf --detach stock; } 2>"$log" || cannot "clone $tree" "$log"
	else
		need_space 5000
		say "copying $tree"
		mkdir -p "$tmp"
		{ bound cp -a "$tree/." "$tmp" && make_git "$tmp"; } 2>"$log" || cannot "copy $tree" "$log"
	fi
	# Not from under a build.
	lock "build-$(basename "$dir")"
	rm -rf "$dir"
	mv "$tmp" "$dir"
}

fetch_tree()
{
	local tree

	tree=$(realpath -e "$TREE" 2>/dev/null) || die "TREE=$TREE does not exist"
	[ -f "$tree/Kbuild" ] || die "TREE=$TREE is not a kernel tree"
	clone_tree "$tree" "$1"
}

mkdir -p "$CACHE/src"
if [ "$*" = busybox ]; then
	busybox
	exit
fi
if [ -n "${TREE:-}" ]; then
	name=tree-$(realpath -m "$TREE" | sha1sum | cut -c1-8)
	lock "src-$name"
	fetch_tree "$CACHE/src/$name"
	echo "$CACHE/src/$name"
	exit
fi

[ $# = 1 ] || die "which base?" "one of: $(names "$LAB/bases")"
[ -f "$LAB/bases/$1" ] || die "unknown base '$1'" "one of: $(names "$LAB/bases")"
lock "src-$1"
[ -d "$CACHE/src/$1" ] || fetch_base "$1" "$CACHE/src/$1"
echo "$CACHE/src/$1"
