# SPDX-License-Identifier: GPL-2.0-only
"""
C as kernel code is written: tokens, brackets, statements, macros that take a
statement, nothing of types.  Preprocessor lines are not interpreted; what is not
compiled gives the same object code.
"""

import re

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
