# SPDX-License-Identifier: GPL-2.0-only
"""
Usage: lab/score.py blame RUN BASELINE
       lab/score.py table LIST EQUIVALENT [part]

What came of the mutants of lab/mutate.sh.

blame      what has caught the mutant in a run of lab/boot.sh, as one line; the
           BASELINE is the same run without a mutant
table      from LIST (KEY, line, id, outcome, detail) and the patterns of
           mutants/EQUIVALENT, what there is to say; exit status 1 if a mutant
           survived that is not equivalent.  Of all mutants, or a `part`, in which a
           pattern may be like nothing
"""

import fnmatch
import os
import re
import sys


def read(*path):
    try:
        with open(os.path.join(*path), encoding='utf-8', errors='replace') as file:
            return file.read().replace('\0', '').replace('\r', '')
    except FileNotFoundError:
        return ''


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
                raise ValueError('mutants/EQUIVALENT: no reason: %s' % line)
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
    if command == 'blame':
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
        print('lab: unknown arguments: %s (lab/score.py --help)' % ' '.join(argv[1:]), file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    try:
        sys.exit(main(sys.argv))
    except (ValueError, OSError) as error:
        print('lab: %s' % error, file=sys.stderr)
        sys.exit(2)
