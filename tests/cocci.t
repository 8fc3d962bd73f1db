#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The rule of patches/cocci, which finds waits with a mutex held: on a small C file
# with what it must find and what it must not, and on the two places that are known.

. "$(dirname "$0")/tap.sh"

if ! command -v spatch >/dev/null; then
	printf '%s\n' "ok cocci # SKIP no spatch (coccinelle)" 1..1
	exit
fi

# Of a patch that adds files, git apply needs nothing else.
git -C "$tmp" apply "$TOP"/patches/cocci/*.patch
rule=$tmp/scripts/coccinelle/locks/wait_under_mutex.cocci

# report FILE [CALLEE]: what the rule says about it, and nothing else that spatch does.
report()
{
	spatch -D report --no-show-diff --very-quiet --no-includes --include-headers \
		${2:+-D "callee=$2"} --cocci-file "$rule" "$1" >"$tmp/reports" 2>"$tmp/complaints" ||
		{ cat "$tmp/complaints"; return 1; }
}

# Lines of FILE that end in MARK are those that are reported, and no others.
finds_marked()
{
	local file=$1 mark=$2 callee=${3:-}

	report "$file" "$callee" || return
	diff <(grep -nF "/* $mark */" "$file" | cut -d: -f1) <(cut -d: -f2 "$tmp/reports" | sort -nu)
}

# finds FILE NUMBER: so many places.
finds()
{
	report "$1" || return
	cat "$tmp/reports"
	[ "$(wc -l <"$tmp/reports")" = "$2" ]
}

# finds_in SPEC FILE NUMBER: so many in the file of the base with that series.
finds_in()
{
	local patch

	mkdir -p "$tmp/$(dirname "$2")"
	git -C "$src" show "stock:$2" >"$tmp/$2"
	for patch in $("$LAB/series.sh" list "$1"); do
		! grep -qF "+++ b/$2" "$TOP/patches/$patch" ||
			git -C "$tmp" apply --include="$2" "$TOP/patches/$patch" || return
	done
	finds "$tmp/$2" "$3"
}

cat >"$tmp/small.c" <<'END'
void held(struct x *x)
{
	mutex_lock(&x->lock);
	synchronize_rcu(); /* found */
	mutex_unlock(&x->lock);
	synchronize_srcu(&x->srcu);
}

void other_lock(struct x *x)
{
	mutex_lock(&x->lock);
	mutex_unlock(&x->other);
	flush_work(&x->work); /* found */
	mutex_unlock(&x->lock);
}

int conditional(struct x *x)
{
	if (mutex_lock_interruptible(&x->lock))
		return -EINTR;
	if (x->early) {
		mutex_unlock(&x->lock);
		rcu_barrier();
		return 0;
	}
	if (x->work)
		cancel_work_sync(x->work); /* found */
	mutex_unlock(&x->lock);
	return 0;
}

void from_the_caller(struct x *x)
{
	lockdep_assert_held(&x->lock);
	synchronize_srcu_expedited(&x->srcu); /* found */
}

static void waits(struct x *x)
{
	srcu_barrier(&x->srcu);
}

void calls(struct x *x)
{
	waits(x);
	mutex_lock(&x->lock);
	waits(x); /* found */
	elsewhere(x); /* named */
	mutex_unlock(&x->lock);
	waits(x);
	elsewhere(x);
}

void guarded(struct x *x)
{
	guard(mutex)(&x->lock);
	if (x->wait)
		synchronize_rcu(); /* found */
	waits(x); /* found */
}

void guarded_block(struct x *x)
{
	if (x->empty) {
		guard(mutex)(&x->lock);
		x->empty = false;
	}
	synchronize_rcu();
}

void scoped(struct x *x)
{
	scoped_guard(mutex, &x->lock) {
		list_del_rcu(&x->list);
		synchronize_rcu_expedited(); /* found */
	}
	scoped_guard(mutex, &x->lock)
		list_del_rcu(&x->list);
	synchronize_rcu();
}

void no_mutex(struct x *x)
{
	guard(srcu)(&x->srcu);
	flush_workqueue(x->wq);
	spin_lock(&x->spinlock);
	spin_unlock(&x->spinlock);
	synchronize_rcu();
}
END
ok "all that waits with a mutex held is found, nothing else" finds_marked "$tmp/small.c" found
sed 's,/\* named \*/,/* found */,' "$tmp/small.c" >"$tmp/named.c"
ok "a function of another file, if it's named" finds_marked "$tmp/named.c" found elsewhere

# Not without sources: the rest of the tests needs none.
src=$CACHE/src/$NEWEST_BASE
if [ ! -d "$src" ]; then
	echo "ok the known places # SKIP no sources, see lab/fetch.sh $NEWEST_BASE"
	exit
fi
kvm=virt/kvm/eventfd.c mshv=drivers/hv/mshv_eventfd.c
ok "stock: KVM's irqfds have three" finds_in none "$kvm" 3
ok "kvm-next/1: none" finds_in kvm-next/1 "$kvm" 0
ok "kvm-next: none" finds_in kvm-next "$kvm" 0
ok "stock: Hyper-V's irqfds have two" finds_in none "$mshv" 2
ok "mshv: none" finds_in mshv "$mshv" 0

plan
