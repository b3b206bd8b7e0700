"""One pass over a text with many patterns at once: where could any rule match?

A rule has a trigger, a pattern for the automaton (Hyperscan: no look-around, no groups), and a regular
expression that decides, tried only around the places where its trigger fired. A text in which no
trigger fires costs one pass at memory speed. This module is the only one that knows the automaton.
"""

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import hyperscan

HIT = "hit"
"""Name of the group in a rule's pattern that is the finding; the whole match where there is none."""


@dataclass(frozen=True)
class Candidate:
    """A match of a rule's pattern, before the rule's own check."""

    text: str
    start: int
    end: int
    match: re.Match[str]
    language: str

    @property
    def value(self) -> str:
        """The finding itself."""
        return self.text[self.start : self.end]

    def line_before(self, limit: int = 120) -> str:
        """Return what stands before the finding on its line, at most `limit` characters of it."""
        begin = max(self.text.rfind("\n", 0, self.start) + 1, self.start - limit)
        return self.text[begin : self.start]


def always(candidate: Candidate) -> bool:
    """Accept every match: the pattern alone decides."""
    return True


@dataclass(frozen=True)
class Rule:
    """What to look for: `trigger` for the automaton, `pattern` and `check` to decide."""

    name: str
    kind: str
    trigger: str
    """Matched without regard to case; should end as early as it can."""
    pattern: re.Pattern[str]
    check: Callable[[Candidate], bool] = always
    before: int = 80
    """Characters before the trigger's end where the pattern may begin."""
    after: int = 300
    """Characters behind the trigger's end where the pattern must have ended."""
    anchor: str = ""
    """Set where matches may be long: the last of these before the trigger's end is where one begins."""
    each: re.Pattern[str] | None = None
    """Set where a match holds several findings: each match of this inside it is one."""


class Scanner:
    """Finds the candidates of a set of rules in a text."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self._local = threading.local()

    def find(self, text: str, language: str = "") -> Iterator[tuple[int, Candidate]]:
        """Yield (rule's number, finding) for all that the rules accept; they may overlap."""
        fired = self._fired(text)
        tried = [0] * len(self.rules)
        for number, at in fired:
            rule = self.rules[number]
            for match in _matches(rule, text, at, tried[number]):
                tried[number] = max(match.end(), match.start() + 1)
                for first, last in _spans(rule, match):
                    candidate = Candidate(text, first, last, match, language)
                    if rule.check(candidate):
                        yield number, candidate
            tried[number] = max(tried[number], at)  # no place is tried for two triggers

    def _fired(self, text: str) -> list[tuple[int, int]]:
        """Return (rule's number, character offset behind its trigger), by offset."""
        data = text.encode("utf-8", "surrogatepass")
        found: list[tuple[int, int]] = []

        def note(number: int, _start: int, end: int, _flags: int, _context: object) -> None:
            found.append((end, number))

        self._database().scan(data, match_event_handler=note)
        if not found:
            return []
        found.sort()
        if len(data) == len(text):
            return [(number, end) for end, number in found]
        placed, at, offset = [], 0, 0
        for end, number in found:
            offset += len(data[at:end].decode("utf-8", "ignore"))
            at = end
            placed.append((number, offset))
        return placed

    def _database(self) -> Any:
        """Return this thread's automaton: its scratch memory serves one scan at a time."""
        database = getattr(self._local, "database", None)
        if database is None:
            database = hyperscan.Database()
            database.compile(
                expressions=[rule.trigger.encode() for rule in self.rules],
                ids=list(range(len(self.rules))),
                elements=len(self.rules),
                flags=hyperscan.HS_FLAG_CASELESS | hyperscan.HS_FLAG_DOTALL,
            )
            self._local.database = database
        return database


def _matches(rule: Rule, text: str, at: int, tried: int) -> Iterator[re.Match[str]]:
    """Yield the matches that begin behind `tried` and at or before the end of a trigger."""
    start, end = max(tried, at - rule.before, 0), min(len(text), at + rule.after)
    if rule.anchor:
        begin = text.rfind(rule.anchor, start, at)
        match = rule.pattern.match(text, begin, end) if begin >= 0 else None
        if match is not None:
            yield match
        return
    while start <= at:
        match = rule.pattern.search(text, start, end)
        if match is None or match.start() > at:
            return
        yield match
        start = max(match.end(), match.start() + 1)


def _spans(rule: Rule, match: re.Match[str]) -> Iterator[tuple[int, int]]:
    group = HIT if HIT in rule.pattern.groupindex else 0
    start, end = match.span(group)
    if rule.each is None:
        yield start, end
        return
    for inner in rule.each.finditer(match.string, start, end):
        yield inner.span()
