# SPDX-License-Identifier: GPL-2.0-only
"""
Usage: lab/mutate.py functions SOURCE <DIFF
       lab/mutate.py mutants SOURCE NAME OUT FUNCTION...

The mutants of lab/mutate.sh.

functions  of the C file SOURCE, those with lines that DIFF (git diff -U0, of
           that file) has changed
mutants    write each mutant of these functions, whole, to OUT/KEY.c, and what is
           changed to OUT/KEY.diff, of a file called NAME; print KEY, line and id

A mutant differs from the source in one of these (KIND of its id, FUNCTION:KIND:TEXT,
with #2, #3, ... for repetitions, which does not change with lines elsewhere):

delete     a statement is left out: an expression, a call, guard(), return, goto, ...
unguard    the scoped_guard() before a statement is left out
negate     a condition of if, while, for, ?: or wait_event(), an operand of && or ||,
           what a function returns that returns bool
swap       two neighbouring calls change places
other      break instead of continue, or continue instead of break
"""

import difflib
import hashlib
import os
import re
import sys

from csource import ASSIGNMENT, CLOSING, JUMPS, ParseError, Parser, Source


class Mutator:
    def __init__(self, source, name, brace, returns_bool):
        self.source, self.name, self.brace, self.returns_bool = source, name, brace, returns_bool
        self.parser = Parser(source, brace)
        self.seen = {}

    def edited(self, edits):
        text = self.source.text
        for start, end, new in sorted(edits, reverse=True):
            text = text[:start] + new + text[end:]
        return text

    def mutant(self, kind, what, first, *edits):
        """Ordinals are in the order of the source, for each text of a kind."""
        id_ = '%s:%s:%s' % (self.name, kind, what)
        self.seen[id_] = self.seen.get(id_, 0) + 1
        if self.seen[id_] > 1:
            id_ += '#%d' % self.seen[id_]
        return self.source.line(self.source.tokens[first].start), id_, self.edited(edits)

    def span(self, first, last):
        return self.source.tokens[first].start, self.source.tokens[last].end

    def blanked(self, first, last, instead=''):
        """Leave tokens out, but no line: __LINE__ is in object code."""
        start, end = self.span(first, last)
        newlines = '\n' * self.source.text.count('\n', start, end)
        if not instead and self.source.text[end:end + 1] == '\n':
            while self.source.text[start - 1] in ' \t':
                start -= 1
        return start, end, instead + newlines

    def deletions(self):
        for one in self.parser.statements:
            if one.kind in JUMPS or one.kind == 'expression':
                instead = '{ }' if one.alone else ';' if one.after_label else ''
                yield self.mutant('delete', self.source.norm(one.first, one.last - 1), one.first,
                                  self.blanked(one.first, one.last, instead))

    def unguards(self):
        for one in self.parser.statements:
            if one.kind == 'macro' and self.source.is_(one.first, 'scoped_guard'):
                last = self.source.partner[one.first + 1]
                yield self.mutant('unguard', self.source.norm(one.first, last), one.first,
                                  self.blanked(one.first, last))

    def operand(self, at, step, stops):
        """How far the operand that begins at a token reaches, to the left or right."""
        tokens, partner = self.source.tokens, self.source.partner
        into = CLOSING if step > 0 else set(CLOSING.values())
        outof = set(CLOSING.values()) if step > 0 else CLOSING
        while True:
            text = tokens[at].text
            if text in outof or text in stops or text in (',', ';', 'return'):
                return at - step
            at = (partner[at] if text in into else at) + step

    def ranges(self):
        """First and last tokens of all that is true or false, in the order of the source."""
        found = set(self.parser.conditions)
        is_ = self.source.is_
        for at in range(self.brace, self.source.partner[self.brace]):
            if is_(at, '&&', '||'):
                stops = {'||', '?', ':'} | ASSIGNMENT | ({'&&'} if is_(at, '&&') else set())
                found.add((self.operand(at - 1, -1, stops), at - 1))
                found.add((at + 1, self.operand(at + 1, 1, stops)))
            elif is_(at, '?'):
                found.add((self.operand(at - 1, -1, {'?', ':'} | ASSIGNMENT), at - 1))
            elif self.source.tokens[at].text.startswith('wait_event') and is_(at + 1, '('):
                comma = self.operand(at + 2, 1, set()) + 1
                found.add((comma + 1, self.operand(comma + 1, 1, set())))
        for one in self.parser.statements:
            if self.returns_bool and one.kind == 'return':
                found.add((one.first + 1, one.last - 1))
        return sorted(found)

    def negations(self):
        for first, last in self.ranges():
            start, end = self.span(first, last)
            yield self.mutant('negate', self.source.norm(first, last), first,
                              (start, start, '!('), (end, end, ')'))

    def is_call(self, one):
        """A call and nothing but it, but that its result may be stored."""
        if one.kind == 'macro':
            return self.source.is_(one.first, 'scoped_guard')
        if one.kind != 'expression':
            return False
        at, assigned = one.first, False
        while at < one.last:
            token = self.source.tokens[at]
            if token.text in ASSIGNMENT and not assigned:
                assigned = True
            elif token.text in ('(', '['):
                at = self.source.partner[at]
            elif token.kind != 'word' and token.text not in ('->', '.'):
                return False
            at += 1
        return self.source.is_(one.last - 1, ')')

    def swaps(self):
        for siblings in sorted(self.parser.blocks, key=lambda block: block[0].first if block else 0):
            for one, two in zip(siblings, siblings[1:]):
                a, b = self.span(one.first, one.last), self.span(two.first, two.last)
                if (not self.is_call(one) or not self.is_call(two) or two.after_label or
                        any(a[1] <= at < b[0] for at in self.source.directives)):
                    continue
                what = '%s;%s' % tuple(self.source.norm(s.first, s.last).rstrip(';') for s in (one, two))
                yield self.mutant('swap', what, one.first,
                                  (*a, self.source.text[b[0]:b[1]]), (*b, self.source.text[a[0]:a[1]]))

    def others(self):
        other = {'break': 'continue', 'continue': 'break'}
        for one in self.parser.statements:
            if one.kind in other:
                yield self.mutant('other', one.kind, one.first, (*self.span(one.first, one.first), other[one.kind]))

    def mutants(self):
        for make in (self.deletions, self.unguards, self.negations, self.swaps, self.others):
            yield from make()


def touched(source, diff):
    """Functions with lines that a diff has changed, or inside of which it left some out."""
    hunks = [(int(m[1]), int(m[2] or 1) if m[2] != '0' else 0)
             for m in re.finditer(r'^@@ -\S+ \+(\d+)(?:,(\d+))? @@', diff, re.M)]
    for name, first, brace in source.functions:
        low, high = source.lines_of(first, brace)
        for start, count in hunks:
            if (count and start <= high and start + count > low) or (not count and low <= start < high):
                yield name
                break


def mutants(source, wanted):
    for name, first, brace in source.functions:
        if name in wanted:
            returns_bool = any(source.is_(at, 'bool') for at in range(first, source.partner[brace - 1]))
            try:
                yield from sorted(Mutator(source, name, brace, returns_bool).mutants(), key=lambda m: m[0])
            except ParseError as error:
                raise ParseError('%s(): %s' % (name, error)) from error


def write_mutants(path, name, out, wanted):
    source = read_source(path)
    missing = set(wanted) - {function[0] for function in source.functions}
    if missing:
        raise ParseError('no function %s in %s' % (', '.join(sorted(missing)), name))
    known = {source.text}
    for line, id_, text in mutants(source, wanted):
        if text in known:
            continue
        known.add(text)
        key = hashlib.sha1(text.encode()).hexdigest()[:16]
        diff = difflib.unified_diff(source.text.splitlines(True), text.splitlines(True), 'a/' + name, 'b/' + name)
        for suffix, content in (('.c', text), ('.diff', ''.join(diff))):
            with open(os.path.join(out, key + suffix), 'w', encoding='utf-8') as file:
                file.write(content)
        print(key, line, id_, sep='\t')


def read_source(path):
    with open(path, encoding='utf-8') as file:
        return Source(file.read())


def main(argv):
    command = argv[1] if len(argv) > 1 else ''
    if command in ('', '-h', '--help'):
        print(__doc__.strip())
        return 0 if command else 2
    if command == 'functions':
        print('\n'.join(touched(read_source(argv[2]), sys.stdin.read())))
    elif command == 'mutants':
        write_mutants(argv[2], argv[3], argv[4], argv[5:])
    else:
        print('lab: unknown arguments: %s (lab/mutate.py --help)' % ' '.join(argv[1:]), file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    try:
        sys.exit(main(sys.argv))
    except (ParseError, OSError) as error:
        print('lab: %s' % error, file=sys.stderr)
        sys.exit(2)
