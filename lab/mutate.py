# SPDX-License-Identifier: GPL-2.0-only
"""
Usage: lab/mutate.py functions SOURCE <DIFF
       lab/mutate.py mutants SOURCE NAME OUT FUNCTION...
       lab/mutate.py blame RUN BASELINE
       lab/mutate.py table LIST EQUIVALENT

What lab/mutate.sh computes.

functions  of the C file SOURCE, those with lines that DIFF (git diff -U0, of
           that file) has changed
mutants    write each mutant of these functions, whole, to OUT/KEY.c, and what is
           changed to OUT/KEY.diff, of a file called NAME; print KEY, line and id
blame      what has caught the mutant in a run of lab/boot.sh, as one line; the
           BASELINE is the same run without a mutant
table      from LIST (KEY, line, id, outcome, detail) and the patterns of
           mutants/EQUIVALENT, what there is to say; exit status 1 if a mutant
           survived that is not equivalent

A mutant differs from the source in one of these (KIND of its id, FUNCTION:KIND:TEXT,
with #2, #3, ... for repetitions, which does not change with lines elsewhere):

delete     a statement is left out: an expression, a call, guard(), return, goto, ...
unguard    the scoped_guard() before a statement is left out
negate     a condition of if, while, for, ?: or wait_event(), an operand of && or ||,
           what a function returns that returns bool
swap       two neighbouring calls change places
other      break instead of continue, or continue instead of break

The parser knows C as kernel code is written: tokens, brackets, statements, macros
that take a statement, nothing of types.  Preprocessor lines are not interpreted;
what is not compiled gives the same object code.
"""

import difflib
import fnmatch
import hashlib
import os
import re
import sys

TOKEN = re.compile(r'''
    (?P<space>\s+)
  | (?P<comment>/\*.*?\*/|//[^\n]*)
  | (?P<word>[A-Za-z_]\w*)
  | (?P<number>\.?\d(?:[eEpP][+-]|[\w.])*)
  | (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
  | (?P<op>->|\+\+|--|<<=|>>=|\.\.\.|<<|>>|[-+*/%&|^=!<>]=|&&|\|\||\#\#|[][(){};:,.?~!%^&*+=|<>/-])
  ''', re.X | re.S)
DIRECTIVE = re.compile(r'[ \t]*#(?:[^\n\\]|\\.)*', re.S)

CLOSING = {'(': ')', '[': ']', '{': '}'}
ASSIGNMENT = {'=', '+=', '-=', '*=', '/=', '%=', '&=', '|=', '^=', '<<=', '>>='}
TYPE_WORDS = set('struct union enum const static volatile register extern unsigned signed void bool '
                 'char short int long float double typeof __typeof__ auto'.split())
DECLARING_MACRO = re.compile(r'(LIST_HEAD|HLIST_HEAD|DEFINE_\w+|DECLARE_\w+|CLASS)$')
JUMPS = {'return', 'goto', 'break', 'continue'}


class ParseError(Exception):
    pass


class Token:
    def __init__(self, kind, text, start):
        self.kind, self.text, self.start, self.end = kind, text, start, start + len(text)


class Statement:
    """Tokens first to last of a source; body is of a macro that takes a statement."""
    def __init__(self, kind, first, last, alone, body=None):
        self.kind, self.first, self.last, self.alone, self.body = kind, first, last, alone, body
        self.after_label = False


class Source:
    """A C file as tokens, without comments; where its directives are; its functions."""
    def __init__(self, text):
        self.text = text
        self.tokens = []
        self.directives = []
        self.tokenize()
        self.partner = self.match_brackets()
        self.functions = list(self.find_functions())

    def tokenize(self):
        at, line_start = 0, True
        while at < len(self.text):
            directive = line_start and DIRECTIVE.match(self.text, at)
            if directive:
                self.directives.append(at)
                at = directive.end()
                line_start = False
                continue
            match = TOKEN.match(self.text, at)
            if not match:
                raise ParseError('line %d: cannot read %r' % (self.line(at), self.text[at:at + 10]))
            kind = match.lastgroup
            if kind == 'space':
                line_start = '\n' in match.group()
            elif kind != 'comment':
                line_start = False
                self.tokens.append(Token(kind, match.group(), at))
            at = match.end()
            # What follows the end of a line is the start of the next, blanks or not.
            line_start = line_start or self.text[at - 1] == '\n'

    def match_brackets(self):
        partner, open_ = {}, []
        for index, token in enumerate(self.tokens):
            if token.kind != 'op':
                continue
            if token.text in CLOSING:
                open_.append(index)
            elif token.text in CLOSING.values():
                if not open_ or CLOSING[self.tokens[open_[-1]].text] != token.text:
                    raise ParseError('line %d: unmatched %s' % (self.line(token.start), token.text))
                partner[index] = open_[-1]
                partner[open_.pop()] = index
        if open_:
            raise ParseError('line %d: unmatched %s' % (self.line(self.tokens[open_[-1]].start),
                                                         self.tokens[open_[-1]].text))
        return partner

    def line(self, offset):
        return self.text.count('\n', 0, offset) + 1

    def is_(self, index, *texts):
        return index < len(self.tokens) and self.tokens[index].text in texts

    def find_functions(self):
        """(name, first token, token of the body's brace)"""
        first = at = 0
        while at < len(self.tokens):
            text = self.tokens[at].text
            if text == '{':
                close = self.partner[at]
                if self.is_(at - 1, ')') and self.tokens[self.partner[at - 1] - 1].kind == 'word':
                    yield self.tokens[self.partner[at - 1] - 1].text, first, at
                    first = close + 1
                at = close
            elif text in ('(', '['):
                at = self.partner[at]
            elif text == ';':
                first = at + 1
            at += 1

    def lines_of(self, first, brace):
        return self.line(self.tokens[first].start), self.line(self.tokens[self.partner[brace]].start)

    def norm(self, first, last):
        """The text of tokens, spaced in one way whatever the source's is."""
        text, previous = '', None
        for token in self.tokens[first:last + 1]:
            if previous and (previous.text == 'return' or previous.kind in ('word', 'number') and
                             token.kind in ('word', 'number', 'string')):
                text += ' '
            text += re.sub(r'\s+', ' ', token.text)
            previous = token
        return text


class Parser:
    """The statements of one function, as lists of those that are in one block."""
    def __init__(self, source, brace):
        self.source = source
        self.blocks = []
        self.statements = []
        self.conditions = []
        self.block(brace)

    def add(self, statement):
        self.statements.append(statement)
        return statement

    def block(self, brace):
        end, at, siblings, labelled = self.source.partner[brace], brace + 1, [], False
        while at < end:
            statement, at = self.statement(at, False)
            if statement.kind == 'label':
                labelled = True
                continue
            statement.after_label, labelled = labelled, False
            siblings.append(statement)
        self.blocks.append(siblings)
        return end + 1

    def semicolon(self, at):
        while not self.source.is_(at, ';'):
            if at >= len(self.source.tokens) or self.source.is_(at, '}'):
                raise ParseError('line %d: no semicolon' % self.source.line(self.source.tokens[at - 1].start))
            at = self.source.partner[at] if self.source.is_(at, *CLOSING) else at
            at += 1
        return at

    def declares(self, at):
        tokens, is_ = self.source.tokens, self.source.is_
        if tokens[at].text in TYPE_WORDS:
            return True
        if DECLARING_MACRO.match(tokens[at].text) and is_(at + 1, '('):
            return True
        after = at + 1
        while is_(after, '*'):
            after += 1
        return tokens[after].kind == 'word' and is_(after + 1, '=', ';', ',', '[')

    def statement(self, at, alone):
        """The statement at a token, and the token after it; alone: the body of something."""
        is_, partner = self.source.is_, self.source.partner
        token = self.source.tokens[at]
        first = at
        if token.text == '{':
            at = self.block(at)
            return Statement('block', first, at - 1, alone), at
        if token.kind == 'word':
            if token.text in ('case', 'default') or is_(at + 1, ':'):
                while not is_(at, ':'):
                    at += 1
                return Statement('label', first, at, alone), at + 1
            if token.text in ('if', 'while', 'switch'):
                if token.text != 'switch':
                    self.conditions.append((at + 2, partner[at + 1] - 1))
                _, at = self.statement(partner[at + 1] + 1, True)
                if token.text == 'if' and is_(at, 'else'):
                    _, at = self.statement(at + 1, True)
                return Statement(token.text, first, at - 1, alone), at
            if token.text == 'do':
                _, at = self.statement(at + 1, True)
                self.conditions.append((at + 2, partner[at + 1] - 1))
                return Statement('do', first, partner[at + 1] + 1, alone), partner[at + 1] + 2
            if token.text == 'for':
                middle = self.semicolon(at + 2) + 1
                if not is_(middle, ';'):
                    self.conditions.append((middle, self.semicolon(middle) - 1))
                _, at = self.statement(partner[at + 1] + 1, True)
                return Statement('for', first, at - 1, alone), at
            if token.text in JUMPS:
                at = self.semicolon(at)
                return self.add(Statement(token.text, first, at, alone)), at + 1
            if is_(at + 1, '(') and (self.source.tokens[partner[at + 1] + 1].kind == 'word' or
                                     is_(partner[at + 1] + 1, '{')):
                body, at = self.statement(partner[at + 1] + 1, True)
                return self.add(Statement('macro', first, at - 1, alone, body)), at
            if self.declares(at):
                at = self.semicolon(at)
                return Statement('declaration', first, at, alone), at + 1
        at = self.semicolon(at)
        return self.add(Statement('expression' if at > first else 'empty', first, at, alone)), at + 1


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


def read(*path):
    try:
        with open(os.path.join(*path), encoding='utf-8', errors='replace') as file:
            return file.read().replace('\0', '').replace('\r', '')
    except FileNotFoundError:
        return ''


def read_source(path):
    with open(path, encoding='utf-8') as file:
        return Source(file.read())


def cases(console):
    """KUnit's, that ended, in the order of the console: name -> passed."""
    return {m[2]: m[1] == 'ok' for m in re.finditer(r'^(?:\[[^]]*\] )? {4}(ok|not ok) \d+ (\w+)', console, re.M)}


def blame(run, baseline):
    """The test that failed, or during which the guest died, and what the judge saw."""
    verdict = read(run, 'verdict').splitlines()
    results, ended = read(run, 'results'), cases(read(run, 'console'))
    commands = re.findall(r'^lab: run (.*)', results, re.M)
    command = commands[-1] if commands else 'boot'
    failed = re.search(r'^ {4}not ok \d+ (.*)', results, re.M) or re.search(r'^not ok \d+ (.*)', results, re.M)
    bad = [name for name, passed in ended.items() if not passed]
    if failed or bad:
        where = failed[1].split(' #')[0] if failed else bad[0]
        for section in re.split(r'^lab: run ', results, flags=re.M)[1:]:
            if failed and failed[0] in section:
                command = section.splitlines()[0]
    elif command.startswith('kunit') and '\nlab: done' not in results:
        left = [name for name in cases(read(baseline, 'console')) if name not in ended]
        where = 'during %s' % left[0] if left else 'after the last'
    else:
        where = ''
        wrong = re.search(r'^lab: run (.*)\n(?:(?!lab: run ).*\n)*?lab: exit ([1-9]\d*)', results, re.M)
        if wrong:
            command, where = wrong[1], 'exit status %s' % wrong[2]
    why = verdict[1] if len(verdict) > 1 and verdict[0] in ('SPLAT', 'DEADLOCK') else ''
    if command.startswith('insmod'):
        command = 'loading ' + command.split()[-1]
    return ': '.join(part for part in (verdict[0] if verdict else '?', command, where, why) if part)


def patterns(text):
    for line in text.splitlines():
        if line and not line.startswith('#'):
            pattern, _, reason = line.partition(' | ')
            if not reason.strip():
                raise ParseError('mutants/EQUIVALENT: no reason: %s' % line)
            yield pattern.strip(), reason.strip()


def matches(id_, pattern):
    return fnmatch.fnmatchcase(id_, re.sub(r'([][?])', r'[\1]', pattern))


def table(list_, equivalent):
    """Rows of LIST are final: outcome is one of the keys below or where it was caught."""
    rows = [line.split('\t') for line in list_.splitlines()]
    known = list(patterns(equivalent))
    used, counts, bad = set(), {}, []
    for _, line, id_, outcome, detail in rows:
        reasons = [(pattern, reason) for pattern, reason in known if matches(id_, pattern)]
        if outcome == 'survived' and reasons:
            used.add(reasons[0][0])
            outcome = 'equivalent'
            detail = reasons[0][1]
        elif outcome == 'survived':
            bad.append((line, id_))
        print(outcome, line, id_, detail, sep='\t')
        counts[outcome] = counts.get(outcome, 0) + 1
    return rows, counts, bad, [pattern for pattern, _ in known if pattern not in used]


def main(argv):
    command = argv[1] if len(argv) > 1 else ''
    if command in ('', '-h', '--help'):
        print(__doc__.strip())
        return 0 if command else 2
    if command == 'functions':
        print('\n'.join(touched(read_source(argv[2]), sys.stdin.read())))
    elif command == 'mutants':
        write_mutants(argv[2], argv[3], argv[4], argv[5:])
    elif command == 'blame':
        print(blame(argv[2], argv[3]))
    elif command == 'table':
        _, counts, bad, unused = table(read(argv[2]), read(argv[3]))
        for pattern in unused if len(argv) == 4 else []:
            print('lab: mutants/EQUIVALENT: nothing that survived is like: %s' % pattern, file=sys.stderr)
        total = sum(counts.values())
        print()
        for what in ['does not compile', 'same code', *sorted(k for k in counts if k.startswith('caught')),
                     'equivalent', 'survived', *sorted(k for k in counts if k.startswith('not run'))]:
            print('%6d  %s' % (counts.get(what, 0), what))
        print('%6d  mutants' % total)
        return 1 if bad or counts.get('not run') else 0
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
