"""Regular expressions of XPath and XQuery (Functions and Operators 3.1, 5.6.1), which DMN prescribes.

A pattern is parsed by the standard's grammar, so that what it forbids (look-around, `\\b`, unknown escapes, references
to groups that are still open) is an error, and what Python means otherwise (`\\w`, `\\s`, `.`, `$`, `[a-z-[aeiou]]`,
`\\p{IsGreek}`, case-blind sets) means what the standard says.

Two ways to match, with one result. Where the number of ways in which the pattern can be tried on a text is moderate,
Python's `re` matches. Otherwise, as for `(a+)+b`, `_Machine` does: it tries no place of the pattern twice at one place
of the text, so that its work grows with the product of their lengths, and it counts its steps. Only a pattern that
needs more than `MAX_STEPS`, as one with back-references can, ends in an error.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

#: What a match may cost in `_Machine`, and how many ways of matching are left to `re`.
MAX_STEPS, MAX_WAYS = 2_000_000, 10_000_000
#: Deeper nesting and longer programs (`(a{1000}){1000}`) are slips.
_MAX_DEPTH, _MAX_PROGRAM = 50, 20_000
_LIMIT = 0x110000

Spans = list[tuple[int, int] | None]


class PatternError(Exception):
    """A text that is no regular expression, unknown flags, a wrong replacement, or too many steps."""


# -- sets of characters ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Chars:
    """One character of a set. `bounds` are the code points where the set begins and ends, in turn, ascending."""

    bounds: tuple[int, ...]

    def holds(self, char: str) -> bool:
        return bisect_right(self.bounds, ord(char)) % 2 == 1

    def pairs(self) -> Iterable[tuple[int, int]]:
        return zip(self.bounds[::2], self.bounds[1::2], strict=True)

    def complement(self) -> _Chars:
        bounds = self.bounds[1:] if self.bounds[:1] == (0,) else (0, *self.bounds)
        return _Chars(bounds[:-1] if bounds[-1:] == (_LIMIT,) else (*bounds, _LIMIT))


def _chars(pairs: Iterable[tuple[int, int]]) -> _Chars:
    """The set of code points in any of the half-open ranges."""
    bounds: list[int] = []
    for start, end in sorted(pairs):
        if bounds and start <= bounds[-1]:
            bounds[-1] = max(bounds[-1], end)
        else:
            bounds += start, end
    return _Chars(tuple(bounds))


def _union(*sets: _Chars) -> _Chars:
    return _chars(pair for part in sets for pair in part.pairs())


def _single(*chars: str) -> _Chars:
    return _chars((ord(c), ord(c) + 1) for c in chars)


def _subset(subset: Any) -> _Chars:
    return _chars((p, p + 1) if isinstance(p, int) else (p[0], p[1]) for p in subset.codepoints)


@cache
def _escape_class(letter: str) -> _Chars:
    """`\\s`, `\\d`, … by their small letter (XML Schema, Datatypes, appendix F)."""
    # The tables of Unicode are read when a pattern first names one.
    from elementpath.regex import unicode_category
    from elementpath.regex.character_classes import c_shortcut, i_shortcut

    if letter == "s":
        return _single(" ", "\t", "\n", "\r")
    if letter == "d":
        return _subset(unicode_category("Nd"))
    if letter == "w":
        return _union(*(_subset(unicode_category(name)) for name in "LMNS"))
    return _subset(i_shortcut() if letter == "i" else c_shortcut())


@cache
def _property(name: str) -> _Chars:
    from elementpath.regex import RegexError, unicode_subset

    try:
        return _subset(unicode_subset(name))
    except RegexError:
        raise PatternError(f"no category or block of Unicode is named {name}") from None


@cache
def _variants() -> dict[int, set[int]]:
    """For each letter that has case, the letters with the same small or the same capital letter."""
    groups: dict[tuple[str, str], set[int]] = {}
    # No letter beyond has case.
    for code in range(0x1F000):
        char = chr(code)
        low, up = char.lower(), char.upper()
        if low != char or up != char:
            groups.setdefault(("low", low), {*map(ord, low * (len(low) == 1))}).add(code)
            groups.setdefault(("up", up), {*map(ord, up * (len(up) == 1))}).add(code)
    variants: dict[int, set[int]] = {}
    for group in groups.values():
        for code in group:
            variants.setdefault(code, set()).update(group)
    return variants


def _both_cases(chars: _Chars) -> _Chars:
    cased = _variants()
    if sum(end - start for start, end in chars.pairs()) > len(cased):
        more = [code for code in cased if chars.holds(chr(code))]
    else:
        more = [code for start, end in chars.pairs() for code in range(start, end) if code in cased]
    return _union(chars, _chars((v, v + 1) for code in more for v in cased[code]))


# -- the tree of a pattern ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Edge:
    """`^` or `$`."""

    sign: str


@dataclass(frozen=True, slots=True)
class _Back:
    """`\\1`"""

    group: int


@dataclass(frozen=True, slots=True)
class _Group:
    """`(…)`; `number` is None for `(?:…)`."""

    number: int | None
    body: _Node


@dataclass(frozen=True, slots=True)
class _Sequence:
    items: tuple[_Node, ...]


@dataclass(frozen=True, slots=True)
class _Choice:
    options: tuple[_Node, ...]


@dataclass(frozen=True, slots=True)
class _Repeat:
    body: _Node
    low: int
    high: int | None
    lazy: bool


_Node = _Chars | _Edge | _Back | _Group | _Sequence | _Choice | _Repeat

_SINGLE_ESCAPES = {c: c for c in "\\|.-^?*+{}()[]$"} | {"n": "\n", "r": "\r", "t": "\t"}
_QUANTIFIER = re.compile(r"([?*+]|\{([0-9]+)(,([0-9]*))?\})(\??)")
_ANY = _Chars((0, _LIMIT))
_LINE = _single("\n", "\r").complement()


class _Parser:
    def __init__(self, pattern: str, flags: str) -> None:
        self.text = _without_space(pattern) if "x" in flags else pattern
        self.flags = flags
        self.at = 0
        self.groups = 0
        self.closed: set[int] = set()

    def parse(self) -> _Node:
        node = self.choice(0)
        if self.at < len(self.text):
            raise self.error("`)` without `(`")
        return node

    def error(self, message: str) -> PatternError:
        return PatternError(f"{message}, at character {self.at + 1} of the pattern")

    def next(self) -> str:
        return self.text[self.at : self.at + 1]

    def take(self, text: str) -> bool:
        if not self.text.startswith(text, self.at):
            return False
        self.at += len(text)
        return True

    def choice(self, depth: int) -> _Node:
        if depth > _MAX_DEPTH:
            raise self.error("the groups are nested too deep")
        options = [self.sequence(depth)]
        while self.take("|"):
            options.append(self.sequence(depth))
        if len(options) > 1 and all(isinstance(option, _Chars) for option in options):
            return _union(*(option for option in options if isinstance(option, _Chars)))
        return options[0] if len(options) == 1 else _Choice(tuple(options))

    def sequence(self, depth: int) -> _Node:
        items: list[_Node] = []
        while self.next() not in ("", "|", ")"):
            items.append(self.repeated(self.atom(depth)))
        return items[0] if len(items) == 1 else _Sequence(tuple(items))

    def repeated(self, atom: _Node) -> _Node:
        match = _QUANTIFIER.match(self.text, self.at)
        if match is None:
            return atom
        sign, low, comma, high, lazy = match.groups()
        if sign == "?":
            least, most = 0, 1
        elif low is None:
            least, most = int(sign == "+"), None
        else:
            if len(low) > 6 or len(high or "") > 6:
                raise self.error("a count of more than six digits")
            least, most = int(low), int(high) if high else None if comma else int(low)
        if most is not None and least > most:
            raise self.error(f"{{{least},{most}}} counts down")
        self.at = match.end()
        return _Repeat(atom, least, most, bool(lazy))

    def atom(self, depth: int) -> _Node:
        char = self.next()
        if char in ("^", "$"):
            self.at += 1
            return _Edge(char)
        if char == "(":
            return self.group(depth)
        if char == "[":
            return self.char_class(depth)
        if char == "\\":
            return self.escape()
        self.at += 1
        if char == ".":
            return _ANY if "s" in self.flags else _LINE
        if char in "?*+{]":
            self.at -= 1
            raise self.error(f"`{char}` has nothing to stand after" if char != "]" else "`]` without `[`")
        return self.cases(_single(char))

    def group(self, depth: int) -> _Node:
        self.at += 1
        number = None
        if not self.take("?:"):
            if self.next() == "?":
                raise self.error("only `(?:` may begin with `(?`")
            self.groups += 1
            number = self.groups
        body = self.choice(depth + 1)
        if not self.take(")"):
            raise self.error("`(` without `)`")
        if number is not None:
            self.closed.add(number)
        return _Group(number, body)

    def escape(self) -> _Node:
        digits = re.compile(r"\\([1-9][0-9]*)").match(self.text, self.at)
        if digits is None:
            found = self.char_escape()
            return found if isinstance(found, _Chars) else self.cases(_single(found))
        written = digits[1]
        # Of `\12`, the 2 is a digit on its own unless there are twelve groups.
        while len(written) > 1 and int(written) > self.groups:
            written = written[:-1]
        if int(written) not in self.closed:
            raise self.error(f"`\\{written}` refers to a group that is not closed before it")
        self.at += 1 + len(written)
        return _Back(int(written))

    def char_escape(self) -> _Chars | str:
        """What an escape stands for: a set, or one character."""
        letter = self.text[self.at + 1 : self.at + 2]
        if letter in _SINGLE_ESCAPES:
            self.at += 2
            return _SINGLE_ESCAPES[letter]
        if letter != "" and letter in "sSdDwWiIcC":
            self.at += 2
            found = _escape_class(letter.lower())
        else:
            match = re.compile(r"\\[pP]\{([A-Za-z0-9-]+)\}").match(self.text, self.at)
            if match is None:
                raise self.error(f"unknown escape `\\{letter}`")
            self.at = match.end()
            found = _property(match[1])
        return found.complement() if letter.isupper() else found

    def char_class(self, depth: int) -> _Chars:
        if depth > _MAX_DEPTH:
            raise self.error("the groups are nested too deep")
        self.at += 1
        negative = self.take("^")
        parts: list[_Chars] = []
        minus: _Chars | None = None
        start = self.at
        while True:
            char = self.next()
            if char == "]" and self.at > start:
                break
            if self.at > start and self.take("-["):
                self.at -= 1
                minus = self.char_class(depth + 1)
                break
            parts.append(self.class_part(start))
        if not self.take("]"):
            raise self.error("`[` without `]`")
        found = _union(*parts)
        if negative:
            found = found.complement()
        return found if minus is None else _union(found.complement(), minus).complement()

    def class_part(self, start: int) -> _Chars:
        """A character, an escape or a range, between brackets."""
        first = self.class_char(start)
        if isinstance(first, _Chars):
            return first
        # A `-` that ends the class, or begins what is subtracted, is not that of a range.
        if self.next() != "-" or self.text[self.at + 1 : self.at + 2] in ("]", "["):
            return self.cases(_single(first))
        self.at += 1
        last = self.class_char(start)
        if isinstance(last, _Chars) or last < first:
            raise self.error(f"no range leads from `{first}` there")
        return self.cases(_chars([(ord(first), ord(last) + 1)]))

    def class_char(self, start: int) -> _Chars | str:
        char = self.next()
        if char in ("", "[", "]"):
            raise self.error(
                "`[` without `]`" if char == "" else f"`{char}` stands for itself only as `\\{char}`"
            )
        if char == "\\":
            return self.char_escape()
        if char == "-" and self.at > start and self.text[self.at + 1 : self.at + 2] != "]":
            raise self.error("`-` stands for itself only as `\\-`, or first or last in a class")
        self.at += 1
        return char

    def cases(self, chars: _Chars) -> _Chars:
        return _both_cases(chars) if "i" in self.flags else chars


def _without_space(pattern: str) -> str:
    """The pattern without white space but for that within classes."""
    kept: list[str] = []
    depth = 0
    escaped = False
    for char in pattern:
        if char in " \t\n\r" and depth == 0:
            continue
        kept.append(char)
        if escaped or char == "\\":
            escaped = not escaped
        elif char == "[":
            depth += 1
        elif char == "]" and depth:
            depth -= 1
    return "".join(kept)


# -- matching ----------------------------------------------------------------------------------------------------------


def _ways(node: _Node, length: int) -> int:
    """At most in how many ways a node can be tried at one place of a text of this length, up to `MAX_WAYS`."""
    ways = 1
    match node:
        case _Group(_, body):
            ways = _ways(body, length)
        case _Sequence(items):
            for item in items:
                ways = min(ways * _ways(item, length), MAX_WAYS)
        case _Choice(options):
            ways = sum(_ways(option, length) for option in options)
        case _Repeat(body, low, high, _):
            most = length if high is None else min(high, length)
            inner = _ways(body, length)
            ways = max(most - low, 0) + 1 if inner == 1 else inner ** min(most, 64) + 1
        case _Back():
            ways = length + 1
    return min(ways, MAX_WAYS)


def _python(node: _Node, flags: str) -> str:
    """The pattern as `re` writes it."""
    match node:
        case _Chars():
            # The set of no character, and sets by the code points of their characters.
            ranges = "".join(rf"\U{start:08x}-\U{end - 1:08x}" for start, end in node.pairs())
            return f"[{ranges}]" if ranges else r"(?!)"
        case _Edge("^"):
            return r"(?:\A|(?<=\n)(?!\Z))" if "m" in flags else r"\A"
        case _Edge():
            return r"(?:(?=\n)|\Z)" if "m" in flags else r"\Z"
        case _Back(group):
            # A group that has not matched counts as the empty text.
            reference = rf"(?i:\{group})" if "i" in flags else rf"(?:\{group})"
            return rf"(?({group}){reference})"
        case _Group(number, body):
            return f"({'?:' if number is None else ''}{_python(body, flags)})"
        case _Sequence(items):
            return "".join(_python(item, flags) for item in items)
        case _Choice(options):
            return f"(?:{'|'.join(_python(option, flags) for option in options)})"
        case _Repeat(body, low, high, lazy):
            count = f"{{{low},{'' if high is None else high}}}"
            return f"(?:{_python(body, flags)}){count}{'?' if lazy else ''}"


_Step = tuple[str, Any, Any]


class _Machine:
    """A backtracking matcher that remembers where it has failed.

    A program of steps: `chars`, `edge` and `back` must hold to go on; `split` tries one step, then another; `save`
    notes where a group begins or ends.
    """

    def __init__(self, node: _Node, groups: int, flags: str) -> None:
        self.groups, self.flags = groups, flags
        self.program: list[_Step] = []
        self.forgetful = False
        self.emit(node)
        self.add("match")

    def add(self, kind: str, a: Any = None, b: Any = None) -> int:
        if len(self.program) > _MAX_PROGRAM:
            raise PatternError("the pattern is too large")
        self.program.append((kind, a, b))
        return len(self.program) - 1

    def emit(self, node: _Node) -> None:
        match node:
            case _Chars():
                self.add("chars", node)
            case _Edge(sign):
                self.add("edge", sign)
            case _Back(group):
                # What a place of the pattern matches then hangs on what the groups hold.
                self.forgetful = True
                self.add("back", group)
            case _Group(None, body):
                self.emit(body)
            case _Group(int(number), body):
                self.add("save", 2 * number)
                self.emit(body)
                self.add("save", 2 * number + 1)
            case _Sequence(items):
                for item in items:
                    self.emit(item)
            case _Choice(options):
                ends = []
                for option in options[:-1]:
                    split = self.add("split")
                    self.emit(option)
                    ends.append(self.add("jump"))
                    self.program[split] = ("split", split + 1, len(self.program))
                self.emit(options[-1])
                for end in ends:
                    self.program[end] = ("jump", len(self.program), None)
            case _Repeat(body, low, high, lazy):
                for _ in range(low):
                    self.emit(body)
                splits = []
                for _ in range(1 if high is None else high - low):
                    splits.append(self.add("split"))
                    self.emit(body)
                if high is None:
                    self.add("jump", splits[0])
                for split in splits:
                    paths = (split + 1, len(self.program))
                    self.program[split] = ("split", *(reversed(paths) if lazy else paths))

    def search(self, text: str, start: int) -> Spans | None:
        failed: set[tuple[int, int]] = set()
        steps = 0
        for begin in range(start, len(text) + 1):
            saved: list[int | None] = [None] * (2 * self.groups + 2)
            # Where to go on after a failure: a step and a place, or what a save has overwritten.
            pending: list[tuple[int, Any]] = [(0, begin)]
            while pending:
                at, place = pending.pop()
                if at < 0:
                    saved[~at] = place
                    continue
                while True:
                    steps += 1
                    if steps > MAX_STEPS:
                        raise PatternError(f"the pattern needs more than {MAX_STEPS} steps on this text")
                    kind, a, b = self.program[at]
                    if kind == "split":
                        # Only here do paths part or meet again.
                        if not self.forgetful:
                            if (at, place) in failed:
                                break
                            failed.add((at, place))
                        pending.append((b, place))
                        at = a
                        continue
                    if kind == "jump":
                        at = a
                        continue
                    if kind == "match":
                        saved[:2] = begin, place
                        return _spans(saved)
                    if kind == "save":
                        pending.append((~a, saved[a]))
                        saved[a] = place
                    elif kind == "chars":
                        if place == len(text) or not a.holds(text[place]):
                            break
                        place += 1
                    elif kind == "edge":
                        if not self.edge(a, text, place):
                            break
                    else:
                        group = _spans(saved)[a]
                        part = "" if group is None else text[group[0] : group[1]]
                        if not self.equal(part, text[place : place + len(part)]):
                            break
                        place += len(part)
                    at += 1
        return None

    def edge(self, sign: str, text: str, place: int) -> bool:
        lines = "m" in self.flags
        if sign == "^":
            return place == 0 or (lines and text[place - 1] == "\n" and place < len(text))
        return place == len(text) or (lines and text[place] == "\n")

    def equal(self, a: str, b: str) -> bool:
        return a == b or ("i" in self.flags and (a.lower() == b.lower() or a.upper() == b.upper()))


def _spans(saved: list[int | None]) -> Spans:
    return [
        None if start is None or end is None else (start, end)
        for start, end in zip(saved[::2], saved[1::2], strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression, parsed; `groups` is the number of its groups."""

    tree: Any
    groups: int
    flags: str

    def find(self, text: str) -> Iterator[Spans]:
        """The matches from left to right, each as the spans of the whole and of the groups. Raises PatternError."""
        fast = _ways(self.tree, len(text)) * (len(text) + 1) < MAX_WAYS
        at = 0
        while at <= len(text):
            found = self._regex(text, at) if fast else self._machine().search(text, at)
            if found is None:
                return
            yield found
            start, end = found[0] or (at, at)
            at = end if end > start else end + 1

    def _machine(self) -> _Machine:
        return _machine(self)

    def _regex(self, text: str, at: int) -> Spans | None:
        match = _compiled(self).search(text, at)
        return match and [None if span == (-1, -1) else span for span in match.regs]

    def matches(self, text: str) -> bool:
        """Whether some part of the text matches."""
        return next(self.find(text), None) is not None


@lru_cache(256)
def _machine(pattern: Pattern) -> _Machine:
    return _Machine(pattern.tree, pattern.groups, pattern.flags)


@lru_cache(256)
def _compiled(pattern: Pattern) -> re.Pattern[str]:
    return re.compile(_python(pattern.tree, pattern.flags))


@lru_cache(256)
def compile_pattern(pattern: str, flags: str = "") -> Pattern:
    """A pattern with its flags: `s` `.` takes line ends, `m` `^` and `$` hold at each line, `i` case-blind, `x` white
    space does not count, `q` all characters stand for themselves. Raises PatternError."""
    for flag in flags:
        if flag not in "smixq":
            raise PatternError(f"unknown flag `{flag}`")
    parser = _Parser(pattern, flags)
    if "q" in flags:
        return Pattern(_Sequence(tuple(parser.cases(_single(char)) for char in pattern)), 0, flags)
    return Pattern(parser.parse(), parser.groups, flags)


def replace(text: str, pattern: Pattern, replacement: str) -> str:
    """The text with each match replaced. `$1` in the replacement is the first group, `$0` the match, `\\$` a dollar
    sign, `\\\\` a backslash. Raises PatternError for other uses of the two, and for a pattern that matches nothing
    at all."""
    parts = _replacement(replacement, pattern)
    out: list[str] = []
    done = 0
    for spans in _solid(text, pattern):
        start, end = spans[0] or (0, 0)
        out.append(text[done:start])
        for part in parts:
            span = (0, 0) if isinstance(part, str) or part > pattern.groups else spans[part]
            out.append(part if isinstance(part, str) else text[slice(*span)] if span else "")
        done = end
    return "".join([*out, text[done:]])


def split(text: str, pattern: Pattern) -> list[str]:
    """What stands between the matches. Raises PatternError for a pattern that matches nothing at all."""
    ends = [span for spans in _solid(text, pattern) if (span := spans[0]) is not None]
    starts = [0, *(end for _, end in ends)]
    return [text[a:b] for a, b in zip(starts, [*(start for start, _ in ends), len(text)], strict=True)]


def _solid(text: str, pattern: Pattern) -> Iterator[Spans]:
    if pattern.matches(""):
        raise PatternError("the pattern matches a text without characters")
    return pattern.find(text)


def _replacement(text: str, pattern: Pattern) -> list[str | int]:
    """The parts of a replacement: text, and the numbers of groups."""
    if "q" in pattern.flags:
        return [text]
    parts: list[str | int] = []
    at = 0
    while at < len(text):
        match = re.compile(r"[^\\$]+|\\([\\$])|\$([0-9]+)").match(text, at)
        if match is None:
            raise PatternError(
                "in a replacement `$` stands before the number of a group, `\\` before `$` or `\\`"
            )
        at = match.end()
        if match[2] is None:
            parts.append(match[1] or match[0])
            continue
        number = match[2]
        while len(number) > 1 and int(number) > pattern.groups:
            number = number[:-1]
        at = match.start(2) + len(number)
        parts.append(int(number))
    return parts
