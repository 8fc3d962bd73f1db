#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The generator of mutants, on a small C file; who caught what; the table.

. "$(dirname "$0")/tap.sh"
mutate=$LAB/mutate.py score=$LAB/score.py

cat >"$tmp/f.c" <<'END'
/* if (comment) { */
#define CALL(x) \
	other(x)

struct pair {
	int a, b;
};

static bool __attribute__((weak)) is_it(struct pair *p)
{
	return p->a == p->b;
}

static int f(struct pair *p, bool c)
{
	LIST_HEAD(list);
	struct pair *q = p;
	int ret = 0;

	guard(mutex)(&p->lock);
	first(p, "}");
	second(&p->b);
	if (!p || (p->a && is_it(q))) {
		ret = -EINVAL;
		goto out;
	} else
		third();

	list_for_each_entry(q, &list, link) {
		if (q->a)
			continue;
		ret = c ? 1 : 2;
		break;
	}
	scoped_guard(spinlock, &p->lock)
		fourth(p,
		       q);
	wait_event(p->wq, is_it(p));
#ifdef SOME
	fifth(p);
#endif
	sixth(p);
out:
	p->a++;
	return ret;
}

static void g(void)
{
	seventh();
}
END

cat >"$tmp/expected" <<'END'
20	f:delete:guard(mutex)(&p->lock)
20	f:swap:guard(mutex)(&p->lock);first(p,"}")
21	f:delete:first(p,"}")
21	f:swap:first(p,"}");second(&p->b)
22	f:delete:second(&p->b)
23	f:negate:!p
23	f:negate:!p||(p->a&&is_it(q))
23	f:negate:(p->a&&is_it(q))
23	f:negate:p->a
23	f:negate:is_it(q)
24	f:delete:ret=-EINVAL
25	f:delete:goto out
27	f:delete:third()
30	f:negate:q->a
31	f:delete:continue
31	f:other:continue
32	f:delete:ret=c?1:2
32	f:negate:c
33	f:delete:break
33	f:other:break
35	f:unguard:scoped_guard(spinlock,&p->lock)
35	f:swap:scoped_guard(spinlock,&p->lock)fourth(p,q);wait_event(p->wq,is_it(p))
36	f:delete:fourth(p,q)
38	f:delete:wait_event(p->wq,is_it(p))
38	f:negate:is_it(p)
40	f:delete:fifth(p)
42	f:delete:sixth(p)
44	f:delete:p->a++
45	f:delete:return ret
END

mkdir "$tmp/out"
# mutants FILE FUNCTION...: their list, without keys.
mutants()
{
	python3 "$mutate" mutants "$1" dir/f.c "$tmp/out" "${@:2}" >"$tmp/list"
	cut -f2- "$tmp/list"
}

# mutant ID: the diff, without its head and context.
mutant()
{
	local key

	key=$(awk -F'\t' -v id="$1" '$3 == id { print $1 }' "$tmp/list")
	diff -U0 "$tmp/f.c" "$tmp/out/$key.c" | sed -e 1,2d -e '/^@@/d'
}

# becomes ID LINE...: the lines of the diff.
becomes()
{
	diff <(printf '%s\n' "${@:2}") <(mutant "$1")
}

# lists FILE FUNCTION LINE...: the mutants.
lists()
{
	diff <(printf '%s\n' "${@:3}") <(mutants "$1" "$2")
}

ok "all of a function, in the order of the source" diff "$tmp/expected" <(mutants "$tmp/f.c" f)
ok "of a function that returns bool, the result" lists "$tmp/f.c" is_it \
	$'11\tis_it:delete:return p->a==p->b' $'11\tis_it:negate:p->a==p->b'
ok "not of other functions" lists "$tmp/f.c" g $'50\tg:delete:seventh()'
ok "an unknown function" fails 2 '^lab: no function nonsense in dir/f.c' \
	python3 "$mutate" mutants "$tmp/f.c" dir/f.c "$tmp/out" nonsense

mutants "$tmp/f.c" f >/dev/null
tab=$'\t'
ok "delete: the line stays" becomes 'f:delete:second(&p->b)' "-${tab}second(&p->b);" +
ok "delete: all lines of a statement" becomes 'f:delete:fourth(p,q)' \
	"-$tab${tab}fourth(p," "-$tab$tab       q);" "+$tab$tab{ }" +
ok "delete: the body of an else" becomes 'f:delete:third()' "-$tab${tab}third();" "+$tab$tab{ }"
ok "delete: after a label" becomes 'f:delete:p->a++' "-${tab}p->a++;" "+$tab;"
ok "unguard: the statement stays" becomes 'f:unguard:scoped_guard(spinlock,&p->lock)' \
	"-${tab}scoped_guard(spinlock, &p->lock)" +
ok "negate: a condition" becomes 'f:negate:q->a' "-$tab${tab}if (q->a)" "+$tab${tab}if (!(q->a))"
ok "negate: an operand" becomes 'f:negate:is_it(q)' \
	"-${tab}if (!p || (p->a && is_it(q))) {" "+${tab}if (!p || (p->a && !(is_it(q)))) {"
ok "negate: ?:" becomes 'f:negate:c' "-$tab${tab}ret = c ? 1 : 2;" "+$tab${tab}ret = !(c) ? 1 : 2;"
ok "negate: wait_event()" becomes 'f:negate:is_it(p)' \
	"-${tab}wait_event(p->wq, is_it(p));" "+${tab}wait_event(p->wq, !(is_it(p)));"
ok "swap" becomes 'f:swap:first(p,"}");second(&p->b)' "-${tab}first(p, \"}\");" "+${tab}first(p, \"}\");"
ok "other" becomes 'f:other:break' "-$tab${tab}break;" "+$tab${tab}continue;"

# Ids are for a list that outlives the lines.
same_ids()
{
	diff <(cut -f2 "$tmp/expected") <(mutants "$1" f | cut -f2)
}
{ echo; echo '/* more */'; sed 's/first(p, /first( p,/' "$tmp/f.c"; } >"$tmp/moved.c"
ok "ids survive other lines and blanks" same_ids "$tmp/moved.c"
printf 'void f(void)\n{\n\ta();\n\ta();\n\tb();\n\ta();\n}\n' >"$tmp/again.c"
ok "ids of repetitions are numbered, what is the same left out" lists "$tmp/again.c" f \
	$'3\tf:delete:a()' $'4\tf:delete:a()#2' $'4\tf:swap:a();b()' $'5\tf:delete:b()' $'5\tf:swap:b();a()' $'6\tf:delete:a()#3'

# touched EXPECTED HUNK...: what a diff with these hunks touches.
touched()
{
	diff <(echo "$1") <(printf '@@ -1 +%s @@\n' "${@:2}" | python3 "$mutate" functions "$tmp/f.c")
}
ok "touched: a line of the head, a line of the body" touched $'is_it\nf' 9 22,2
ok "touched: a line left out inside, not one after" touched f 21,0 12,0 46,0
ok "touched: nothing" touched '' 6,2 47
printf '\n\n}\n' >"$tmp/no.c"
ok "what is not C" fails 2 '^lab: line 3: unmatched' python3 "$mutate" functions "$tmp/no.c"

mkdir "$tmp/run" "$tmp/base"
printf '[ 1.0]     ok %s\n' '1 one' '2 two' '3 three' >"$tmp/base/console"
# blamed EXPECTED VERDICT CONSOLE RESULTS
blamed()
{
	printf '%b' "$2" >"$tmp/run/verdict"
	printf '%b' "$3" >"$tmp/run/console"
	printf '%b' "$4" >"$tmp/run/results"
	diff <(echo "$1") <(python3 "$score" blame "$tmp/run" "$tmp/base")
}
ok "blame: a KUnit case" blamed 'FAIL: kunit s: two' 'FAIL\n' '[ 1.0]     ok 1 one\n[ 1.0]     not ok 2 two\n' \
	'lab: run kunit s\n    ok 1 one\n        not ok 1 param\n    not ok 2 two\nnot ok 1 s\nlab: exit 0\nlab: done\n'
ok "blame: the case during which the guest died" blamed 'SPLAT: kunit s: during two: BUG: bad' \
	'SPLAT\nBUG: bad\n' '[ 1.0]     ok 1 one\n' 'lab: run kunit s\n'
ok "blame: a selftest" blamed 'FAIL: b: y z' 'FAIL\n' '' \
	'lab: run a\nok 1 x\nlab: exit 0\nlab: run b\nnot ok 2 y z # c\nlab: exit 1\nlab: run c\nlab: exit 0\nlab: done\n'
ok "blame: an exit status" blamed 'FAIL: a: exit status 3' 'FAIL\n' '' \
	'lab: run a\nlab: exit 3\nlab: run b\nlab: exit 0\nlab: done\n'

# table LINE...: of two that survived and one that did not, with these equivalents.
printf 'k\t1\tf:delete:%s\n' $'a[*i]\tsurvived\t' $'b\tsurvived\t' $'c\tcaught by kunit\tFAIL' >"$tmp/list"
table()
{
	printf '%s\n' "$@" >"$tmp/equivalent"
	python3 "$score" table "$tmp/list" "$tmp/equivalent"
}
ok "table: all that survived is explained" table '# why' 'f:delete:a[*i] | it is' 'f:*:b | so is it'
ok "table: one is not" fails 1 'nothing that survived is like: f:delete:c' table 'f:delete:a* | it is' 'f:delete:c | it is'
ok "table: [] is no pattern" fails 1 'is like: f:delete:\[b\]' table 'f:delete:a* | x' 'f:delete:[b] | x'
ok "table: no reason" fails 2 'no reason: f:delete:a' table 'f:delete:a |'
ok "mutants/EQUIVALENT has a reason for each" env LC_ALL=C awk '!/^(#|$)/ && !/^[^ ]+:[a-z]+:.* \| ./ { print; bad = 1 } END { exit bad }' \
	"$TOP/mutants/EQUIVALENT"

ok "no such option" fails 2 "lab: unknown argument '--nonsense'" "$LAB/mutate.sh" --nonsense
ok "no such stage" fails 2 "lab: unknown stage 'x' \(of: kunit" "$LAB/mutate.sh" --stages x
ok "bad number of jobs" fails 2 'lab: --jobs needs a number' "$LAB/mutate.sh" --jobs 0

plan
