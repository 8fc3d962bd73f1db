#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""check-page.py PAGE: what is wrong with it: tags that don't match, links that lead nowhere, or
elsewhere, a script; exit status 1 if anything."""
import sys
from html.parser import HTMLParser
from pathlib import Path

VOID = {'meta', 'img', 'br'}
page = Path(sys.argv[1])


class Checker(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag, attributes) -> None:
        named = dict(attributes)
        if tag not in VOID:
            self.open.append(tag)
        if tag in ('script', 'link', 'iframe', 'object'):
            self.wrong.append(f'<{tag}>')
        self.ids |= {named['id']} if 'id' in named else set()
        self.links += [named[name] for name in ('href', 'src') if name in named]

    def handle_startendtag(self, tag, attributes) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f'</{tag}> in line {self.getpos()[0]}')


checker = Checker()
checker.feed(page.read_text())
wrong = checker.wrong + [f'<{tag}> is not closed' for tag in checker.open]
for link in checker.links:
    if link.startswith('#'):
        wrong += [f'{link} is nowhere'] * (link[1:] not in checker.ids)
    elif ':' in link.split('/')[0] or link.startswith('/') or not (page.parent / link).is_file():
        wrong.append(f'{link} is nowhere, or elsewhere')
print('\n'.join(wrong) or f'{len(checker.links)} links')
sys.exit(bool(wrong) or not checker.links)
