"""Text to tokens. One pass, offsets kept; a character that cannot begin a token is an error with its place."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

KEYWORDS = frozenset(
    "and or in if then else some every satisfies between true false null not for return".split()
)
#: Longer texts are a defect of the file, not a policy.
MAX_LENGTH = 100_000
#: Numbers of more places before or after the point are a slip of the pen.
MAX_PLACES = 100


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is number, text, name, keyword, temporal, operator or end. `value` is the text without quotes."""

    kind: str
    value: str
    start: int
    end: int


class FeelSyntaxError(Exception):
    """A text that is not FEEL; `span` is the place, `code` the error code."""

    def __init__(self, code: str, message: str, span: tuple[int, int], help: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.span, self.help = code, message, span, help


_TOKEN = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*|/\*.*?\*/)
  | (?P<number>(?:[0-9]+(?:\.(?!\.)[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
  | (?P<temporal>@\s*"(?:[^"\\]|\\.)*")
  | (?P<text>"(?:[^"\\]|\\.)*")
  | (?P<name>[^\W\d]\w*)
  | (?P<operator>\*\*|<=|>=|!=|\.\.|/(?!\*)|[-+*<>=()\[\],.:?])
    """,
    re.X | re.S,
)
#: FEEL's names, wider than identifiers: most of Unicode may begin one (DMN 1.5, 10.3.1.2, grammar rules 28 and 29).
_START = (
    "A-Za-z_\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d\u2070-\u218f"
    "\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_FULL = re.compile(
    rf"""
    (?P<space>[\s\u180e\u200b\ufeff]+|//[^\n-\r]*|/\*.*?\*/)
  | (?P<number>(?:[0-9]+(?:\.(?!\.)[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
  | (?P<temporal>@\s*"(?:[^"\\]|\\.)*")
  | (?P<text>"(?:[^"\\]|\\.)*")
  | (?P<name>[{_START}][{_START}0-9\u00b7\u0300-\u036f\u203f\u2040]*)
  | (?P<operator>\*\*|<=|>=|!=|->|\.\.|/(?!\*)|[-+*<>=()\[\]{{}},.:?'’])
    """,
    re.X | re.S,
)
#: What the full language adds to the keywords. Unlike in the strict language, names may contain keywords.
FULL_KEYWORDS = KEYWORDS | {"function", "external", "instance"}
#: decimal128 has exponents of four digits; a number beyond its bounds is null.
_MAX_EXPONENT = 9999
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{6}|.)", re.S)
#: Half a character of UTF-16: no text holds one.
_SURROGATE = re.compile("[\ud800-\udfff]")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "'": "'"}
#: What other keyboards and other languages write, and how it is written here.
_FOREIGN = {
    "，": ",",
    "、": ",",
    "（": "(",
    "）": ")",
    "［": "[",
    "］": "]",
    "【": "[",
    "】": "]",
    "“": '"',
    "”": '"',
    "„": '"',
    "＂": '"',
    "‘": '"',
    "’": '"',
    "'": '"',
    "`": '"',
    "「": '"',
    "」": '"',
    "＝": "=",
    "＜": "<",
    "＞": ">",
    "：": ":",
    "。": ".",
    "．": ".",
    "≥": ">=",
    "≤": "<=",
    "≠": "!=",
    "＋": "+",
    "－": "-",
    "−": "-",
    "–": "-",
    "—": "-",
    "＊": "*",
    "×": "*",
    "·": "*",
    "／": "/",
    "÷": "/",
    "^": "**",
    "&": "and",
    "|": "or",
    "∧": "and",
    "∨": "or",
    "!": "not(…)",
    "！": "not(…)",
    "¬": "not(…)",
    "∈": "in",
}
_SIGNS = {
    ";": "write `,` between values, `and` between conditions",
    "；": "write `,` between values, `and` between conditions",
    "%": "write 20% as 0.2",
    "％": "write 20% as 0.2",
    "‰": "write 5‰ as 0.005",
    "¥": "write an amount as a bare number",
    "￥": "write an amount as a bare number",
    "$": "write an amount as a bare number",
    "{": "a list is written `[a, b]`",
    "#": "a comment is written `/* … */`",
}


def tokens(text: str, full: bool = False) -> list[Token]:
    """The tokens of a text, closed by one of kind `end`. `full`: of the full language. Raises FeelSyntaxError."""
    pattern, keywords = (_FULL, FULL_KEYWORDS) if full else (_TOKEN, KEYWORDS)
    if len(text) > MAX_LENGTH:
        raise FeelSyntaxError("E0104", f"an expression of {len(text)} characters is too long", (0, 1))
    if (half := _SURROGATE.search(text)) is not None:
        raise _stray(text, half.start())
    out: list[Token] = []
    at = 0
    while at < len(text):
        match = pattern.match(text, at)
        if match is None:
            raise _stray(text, at)
        kind = str(match.lastgroup)
        if kind == "space":
            at = match.end()
            continue
        value = match[0]
        if kind == "text":
            value = _unescape(value[1:-1], match.start() + 1, full)
        elif kind == "temporal":
            value = value[value.index('"') + 1 : -1]
        elif kind == "name" and value in keywords:
            kind = "keyword"
        elif kind == "number" and not _moderate(value, _MAX_EXPONENT if full else MAX_PLACES):
            raise FeelSyntaxError(
                "E0104",
                f"a number of more than {_MAX_EXPONENT if full else MAX_PLACES} places",
                match.span(),
                "write it without an exponent",
            )
        out.append(Token(kind, value, match.start(), match.end()))
        at = match.end()
    out.append(Token("end", "", len(text), len(text)))
    return out


def pieces(text: str) -> Iterator[tuple[str, str]]:
    """All parts of a text of either language with their kind, as an editor colours them; nothing is an error here.

    Kinds are those of tokens, `space`, `comment`, and `error` for what begins no token.
    """
    at = 0
    while at < len(text):
        match = _FULL.match(text, at)
        if match is None:
            yield "error", text[at]
            at += 1
            continue
        kind, value = str(match.lastgroup), match[0]
        if kind == "space" and value.startswith("/"):
            kind = "comment"
        elif kind == "name" and value in FULL_KEYWORDS | KEYWORDS:
            kind = "keyword"
        yield kind, value
        at = match.end()


def line_comments(text: str) -> Iterator[tuple[int, int]]:
    """The spans of comments that begin with `//` and go on to the end of the line."""
    at = 0
    while (match := _TOKEN.match(text, at)) is not None and match.end() > at:
        if match[0].startswith("//"):
            yield match.span()
        at = match.end()


def _moderate(number: str, places: int) -> bool:
    mantissa, _, exponent = number.lower().partition("e")
    return len(mantissa) <= places and len(exponent) <= 5 and abs(int(exponent or 0)) <= places


def _stray(text: str, at: int) -> FeelSyntaxError:
    char = text[at]
    if char == '"' or text.startswith('@"', at):
        return FeelSyntaxError("E0103", "a text that is not closed", (at, len(text)), 'close it with `"`')
    if text.startswith("/*", at):
        return FeelSyntaxError("E0103", "a comment that is not closed", (at, len(text)), "close it with `*/`")
    if char in _FOREIGN:
        help: str | None = f"write `{_FOREIGN[char]}` instead"
        if _FOREIGN[char] == '"':
            help = 'a text is written in straight double quotes: `"…"`'
        # `&&` and `||` are one slip, not two.
        end = at + 2 if text[at : at + 2] in ("&&", "||") else at + 1
        return FeelSyntaxError("E0101", f"unexpected character `{text[at:end]}`", (at, end), help)
    if char.isdecimal():
        help = f"write `{unicodedata.decimal(char)}`, with the digits 0 to 9"
        return FeelSyntaxError("E0101", f"unexpected character `{char}`", (at, at + 1), help)
    shown = char if char.isprintable() else f"U+{ord(char):04X}"
    return FeelSyntaxError("E0101", f"unexpected character `{shown}`", (at, at + 1), _SIGNS.get(char))


def _unescape(text: str, start: int, full: bool) -> str:
    def one(match: re.Match[str]) -> str:
        body = match[1]
        if body in _ESCAPES:
            return _ESCAPES[body]
        if len(body) > 1 and int(body[1:], 16) <= 0x10FFFF:
            return chr(int(body[1:], 16))
        if full:
            return match[0]  # the standard names no other escapes: a backslash stands for itself
        raise FeelSyntaxError(
            "E0103", f"unknown escape `\\{body}` in a text", (start + match.start(), start + match.end())
        )

    # Beyond the first 65,536 characters, escapes name the two halves that UTF-16 has.
    plain = _PAIR.sub(
        lambda m: m[0].encode("utf-16", "surrogatepass").decode("utf-16"), _ESCAPE.sub(one, text)
    )
    if _SURROGATE.search(plain):
        raise FeelSyntaxError("E0103", "an escape for half a character", (start, start + len(text)))
    return plain
