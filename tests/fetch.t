#!/bin/bash
# shellcheck disable=SC2016,SC2034 # what ok evaluates is expanded later
# SPDX-License-Identifier: GPL-2.0-only
# The fetcher and lab/deps.sh, with an apt that is a script and a kernel that is four files:
# what they do when things are missing, broken, or killed half-way.

. "$(dirname "$0")/tap.sh"

export LAB_CACHE=$tmp/cache PATH=$tmp/bin:$PATH
mkdir -p "$tmp/bin" "$tmp/served" "$tmp/linux-6.18.7"

# A kernel: enough for `make kernelversion`, a build and a series.
printf 'kernelversion:\n\t@echo 6.18.7\n' >"$tmp/linux-6.18.7/Makefile"
touch "$tmp/linux-6.18.7/Kbuild"
tar -C "$tmp" -cJf "$tmp/served/linux_6.18.7.orig.tar.xz" linux-6.18.7

# apt-get serves what is in $tmp/served; FAKE_SUITE_MISSING, FAKE_NO_MIRROR.
cat >"$tmp/bin/apt-get" <<END
#!/bin/bash
echo "\$*" >>"$tmp/apt-calls"
case \$* in
indextargets*)	[ -n "\${FAKE_NO_MIRROR:-}" ] || echo http://mirror.invalid/debian/ ;;
*update*)	[ -z "\${FAKE_SUITE_MISSING:-}" ] ||
			echo "E: The repository 'http://mirror.invalid/debian x Release' does not have a Release file." ;;
*source*)	v=\$*; v=\${v##*=}; v=\${v%%-*}; cp "$tmp/served/linux_\$v.orig.tar.xz" . ;;
esac
END
cat >"$tmp/bin/apt-cache" <<'END'
#!/bin/bash
printf 'Package: linux\nVersion: %s\n\n' 6.18.7-1 6.18.15-1 6.1.4-1 6.19.1-1
END
chmod +x "$tmp/bin"/*

fetch()
{
	"$LAB/fetch.sh" 6.18.y
}

# What lab/fetch.sh has told apt.
told()
{
	grep -h "$1" "$tmp/cache/apt"/{apt.conf,trixie-backports.list}
}

is_tree()
{
	[ "$(git -C "$tmp/cache/src/6.18.y" log -1 --format=%s stock)" = 'Linux 6.18.7' ] &&
	[ -z "$(git -C "$tmp/cache/src/6.18.y" status --porcelain)" ] &&
	[ ! -e "$tmp/cache/src/6.18.y.tmp" ]
}

# Reading stdout, with progress on stderr out of the way.
prints_directory()
{
	[ "$(fetch)" = "$tmp/cache/src/6.18.y" ]
}

refetch()
{
	rm -rf "$tmp/cache"
	fetch && is_tree
}

ok "fetch: without a mirror, one clear line" fails 2 'lab: apt knows no Debian mirror' \
	env FAKE_NO_MIRROR=1 "$LAB/fetch.sh" 6.18.y
ok "fetch: a missing suite is one clear line" fails 2 'lab: cannot read suite trixie-backports: .*<mirror>' \
	env FAKE_SUITE_MISSING=1 "$LAB/fetch.sh" 6.18.y

ok "fetch: takes the newest of the line that is served" prints_directory
ok "fetch: makes a clean git tree, tagged stock" is_tree
rm "$tmp/apt-calls"
ok "fetch: a second run does not ask apt" eval 'prints_directory && [ ! -e "$tmp/apt-calls" ]'
first=$(git -C "$tmp/cache/src/6.18.y" rev-parse stock || true)
ok "fetch: the same sources make the same commit" eval 'refetch && [ "$(git -C "$tmp/cache/src/6.18.y" rev-parse stock)" = "$first" ]'

rm -rf "$tmp/cache"
ok "fetch: LAB_MIRROR names one that apt does not know, of which old lists will do" eval '
	FAKE_NO_MIRROR=1 LAB_MIRROR=http://other.invalid/debian fetch && is_tree &&
	[ "$(told "other.invalid" | wc -l)" = 2 ] && told Check-Valid-Until'
rm -rf "$tmp/cache"
ok "fetch: ... and without it, apt decides" eval 'fetch && [ "$(told "//mirror.invalid" | wc -l)" = 2 ] && ! told Check-Valid-Until'

# Which version it was, and which is wanted.
cp -r "$LAB" "$tmp/lab"
pinned()
{
	rm -rf "$tmp/cache" "$tmp/apt-calls"
	sed -i "s/^LINUX=.*/LINUX=$1/; s/^TREE_ID=.*/TREE_ID=$2/" "$tmp/lab/bases/6.18.y"
	"$tmp/lab/fetch.sh" 6.18.y 2>"$tmp/notes"
	cat "$tmp/notes"
}
tree=$(git -C "$tmp/cache/src/6.18.y" rev-parse 'stock^{tree}' || true)
ok "fetch: the sources that the base wants" eval 'pinned 6.18.7 "$tree" && is_tree && ! grep note: "$tmp/notes"'
ok "fetch: ... of that version, even if it is not the newest" eval 'grep -m 1 " source " "$tmp/apt-calls" | grep linux=6.18.7-1'
ok "fetch: another version is told" eval 'pinned 6.18.3 "$tree" &&
	grep "note: 6.18.y is Linux 6.18.7, tree $tree, and lab/bases/6.18.y says Linux 6.18.3, tree $tree, see" "$tmp/notes"'
ok "fetch: ... and so are other sources of that version" eval 'pinned 6.18.7 0123 && grep "note: .* tree 0123" "$tmp/notes"'
ok "fetch: each base says which it wants" eval '[ "$(grep -lxE "TREE_ID=[0-9a-f]{40}" "$LAB"/bases/* | xargs grep -lxE "LINUX=[0-9.]+")" = "$(ls "$LAB"/bases/*)" ]'

rm -rf "$tmp/cache"
mkdir -p "$tmp/cache/src/6.18.y.tmp/half"
ok "fetch: what a killed run left is cleared away" eval 'fetch && is_tree && [ ! -e "$tmp/cache/src/6.18.y/half" ]'

# Killed while git adds the files, with the process group, as by a lost session.
killed_half_way()
{
	local began=yes

	rm -rf "$tmp/cache"
	printf '#!/bin/bash\ncase $* in *" add "*) touch %q; sleep 60 ;; esac\nexec %q "$@"\n' \
		"$tmp/adding" "$(command -v git)" >"$tmp/bin/git"
	chmod +x "$tmp/bin/git"
	setsid "$LAB/fetch.sh" 6.18.y &
	wait_for test -e "$tmp/adding" || began=
	kill -KILL -- "-$!"
	wait $! || true
	rm "$tmp/bin/git"
	[ "$began" ] && [ ! -e "$tmp/cache/src/6.18.y" ] && fetch && is_tree
}
ok "fetch: killed half-way, the next run works" killed_half_way

rm -rf "$tmp/cache"
cp "$tmp/served/linux_6.18.7.orig.tar.xz" "$tmp/whole"
truncate -s 100 "$tmp/served/linux_6.18.7.orig.tar.xz"
ok "fetch: a damaged archive is one clear line" fails 2 'lab: cannot unpack linux_6.18.7.orig.tar.xz: .*delete' fetch
ok "fetch: ... and leaves no tree behind" test ! -e "$tmp/cache/src/6.18.y"
cp "$tmp/whole" "$tmp/served/linux_6.18.7.orig.tar.xz"
ok "fetch: ... and the next run works" eval 'fetch && is_tree'

rm -rf "$tmp/cache" "$tmp/served"/*
ok "fetch: nothing served is one clear line, and what to do" fails 2 'lab: no 6.18.y of linux can be downloaded .*fetch.sh --help if Debian no longer serves' fetch

# lab/deps.sh, whose apt-get installs a command, or with FAKE_FAILS nothing.
cat >"$tmp/bin/apt-get" <<END
#!/bin/bash
echo "\$*" >>"$tmp/apt-calls"
[ -z "\${FAKE_FAILS:-}" ] || { echo "E: Unable to locate package some-package"; exit 100; }
[[ \$* != *' install '* ]] || install -m 755 /bin/true "$tmp/bin/\${FAKE_COMMAND:-some-command}"
END
printf '#!/bin/sh\nexec "$@"\n' >"$tmp/bin/sudo"
chmod +x "$tmp/bin/sudo"
rm "$tmp/apt-calls"
ok "deps: a package that apt cannot install is one clear line" eval '
	fails 2 "lab: apt-get install some-package failed: E: Unable to locate" env FAKE_FAILS=1 "$LAB/deps.sh" some-command=some-package 2>&1'
ok "deps: ... and so is one without what was looked for in it" \
	fails 2 'lab: still missing after apt-get install: some-package' env FAKE_COMMAND=other "$LAB/deps.sh" some-command=some-package
rm "$tmp/apt-calls"
ok "deps: installs what is missing, and that alone" eval '"$LAB/deps.sh" some-command=some-package && [ "$(cat "$tmp/apt-calls")" = "-qq update
-qq install -y --no-install-recommends some-package" ]'
rm "$tmp/apt-calls"
ok "deps: a second time, does not ask apt" eval '"$LAB/deps.sh" some-command=some-package && [ ! -e "$tmp/apt-calls" ]'

printf '#!/bin/sh\necho; echo x 1 1 12\n' >"$tmp/bin/df"
chmod +x "$tmp/bin/df"
ok "fetch: a full disk is one clear line" fails 2 'lab: 12 MB free in .*, 5000 MB needed' fetch

plan
