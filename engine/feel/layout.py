"""The layout of expressions: one form of spacing, and one way to break a text that does not fit its line.

What is written stays: parentheses that only make a text clearer, the digits of a number, the escapes of a text.
`printer.py` writes a tree, which has lost these; here the tokens of the text itself are set anew.
"""

from __future__ import annotations

import dataclasses
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Sequence

from sancha.engine.feel import syntax as s
from sancha.engine.feel.lexer import Token, tokens
from sancha.engine.feel.parser import BINDING, COMPARISONS, parse, parse_tests

INDENT = "  "
_VALUES = ("true", "false", "null")
#: Operators of one precedence, whose chains break as a whole.
_CHAINS = (("and",), ("or",), ("+", "-"), ("*", "/"))


def width_of(text: str) -> int:
    """Columns on a terminal and in an editor: Chinese characters take two."""
    return len(text) + sum(unicodedata.east_asian_width(char) in "WF" for char in text if char > "\u0fff")


def has_comment(text: str) -> bool:
    """Whether there is a comment in the text. Raises FeelSyntaxError where it is not FEEL."""
    at = 0
    for token in tokens(text):
        if text[at : token.start].strip():
            return True
        at = token.end
    return False


def lay_out(text: str, width: int) -> list[str]:
    """An expression on one line of at most `width` columns, or on several that are indented by its structure.

    The lines depend on the tokens alone, not on how they stood; text without a place to break stays on one line.
    Comments are lost: ask `has_comment` before. Raises FeelSyntaxError where the text is not FEEL.
    """
    tree = parse(text)
    return _Layout(text, tree).lines(tree, width)


def lay_out_cell(text: str) -> str:
    """A cell of a decision table, in one form of spacing. Raises FeelSyntaxError."""
    tree = parse_tests(text)
    return _Layout(text, tree).flat((0, len(text)))


class _Layout:
    def __init__(self, text: str, tree: s.Node) -> None:
        self.text = text
        self.tokens = tokens(text)[:-1]
        self.starts = [token.start for token in self.tokens]
        calls = {node.name_span[1] for node in s.walk(tree) if isinstance(node, s.Call)}
        self.spaced = _spaced(self.tokens, calls)

    def flat(self, span: s.Span) -> str:
        """The tokens of a span on one line."""
        first, last = self.within(span)
        parts: list[str] = []
        for token, space in zip(self.tokens[first:last], self.spaced[first:last], strict=True):
            parts += [" "] if space and parts else []
            written = self.text[token.start : token.end]
            parts.append(f'@"{token.value}"' if token.kind == "temporal" else written)
        return "".join(parts)

    def within(self, span: s.Span) -> tuple[int, int]:
        """The first token of a span, and the one after its last."""
        return bisect_left(self.starts, span[0]), bisect_left(self.starts, span[1])

    def lines(self, node: s.Node, width: int) -> list[str]:
        flat = self.flat(node.span)
        if width_of(flat) <= width:
            return [flat]
        return self.broken(node, width)

    def broken(self, node: s.Node, width: int) -> list[str]:
        """The lines of a node that does not fit."""
        if (inner := self.bare(node)) is not None:
            return ["(", *_indented(self.lines(inner, width - 2)), ")"]
        match node:
            case s.Binary() if (ops := next((c for c in _CHAINS if node.op in c), None)) is not None:
                return self.chain(node, ops, width)
            case s.Binary() if node.op in COMPARISONS:
                left = self.lines(node.left, width)
                right = _hung(f"{node.op} ", self.lines(node.right, width - 5))
                if left[-1] in (")", "]"):
                    return [*left[:-1], f"{left[-1]} {right[0]}", *right[1:]]
                return [*left, *_indented(right)]
            case s.In() if self.text[node.operand.span[1] : node.tests[0].span[0]].rstrip().endswith("("):
                head = self.flat((node.span[0], node.tests[0].span[0]))
                return [head, *_indented(self.filled(node.tests, width - 2)), ")"]
            case s.Quantified():
                return [*self.bindings(node, width), *_indented(self.lines(node.body, width - 2))]
            case s.If():
                return [
                    *_hung("if ", self.lines(node.condition, width - 3)),
                    *_hung("then ", self.lines(node.then, width - 5)),
                    *self.otherwise(node.otherwise, width),
                ]
            case s.Call() if node.arguments:
                out = [self.flat((node.span[0], node.name_span[1])) + "("]
                names = [f"{name}: " for name in node.names] or [""] * len(node.arguments)
                for i, (name, argument) in enumerate(zip(names, node.arguments, strict=True)):
                    part = _hung(name, self.lines(argument, width - 3 - len(name)))
                    part[-1] += "," if i < len(names) - 1 else ""
                    out += _indented(part)
                return [*out, ")"]
            case s.Filter():
                base = self.lines(node.base, width - 1)
                return [*base[:-1], base[-1] + "[", *_indented(self.lines(node.condition, width - 2)), "]"]
            case s.Path():
                base = self.lines(node.base, width)
                return [*base[:-1], f"{base[-1]}.{node.name}"]
            case s.ListOf() if node.items:
                return ["[", *_indented(self.filled(node.items, width - 2)), "]"]
        return [self.flat(node.span)]

    def bindings(self, node: s.Quantified, width: int) -> list[str]:
        """`some v in visits satisfies`, with a long list over several lines."""
        head = self.flat((node.span[0], node.body.span[0]))
        if width_of(head) <= width or len(node.bindings) > 1:
            return [head]
        source = node.bindings[0][1]
        word = self.flat((node.span[0], source.span[0]))
        out = _hung(f"{word} ", self.lines(source, max(0, width - len(word) - 12)))
        return [*out[:-1], f"{out[-1]} satisfies"]

    def otherwise(self, node: s.Node, width: int) -> list[str]:
        """`else`, and in a cascade the next `if` on its line, broken like the first."""
        if isinstance(node, s.If) and self.bare(node) is None:
            part = self.broken(node, width - 5)
            return [f"else {part[0]}", *part[1:]]
        return _hung("else ", self.lines(node, width - 5))

    def chain(self, node: s.Binary, ops: tuple[str, ...], width: int) -> list[str]:
        """Operands below each other; conditions are aligned, terms after the first are indented."""
        parts: list[tuple[str, s.Node]] = []
        first: s.Node = node
        while isinstance(first, s.Binary) and first.op in ops and (not parts or self.bare(first) is None):
            parts.insert(0, (first.op, first.right))
            first = first.left
        rest = [
            line
            for op, part in parts
            for line in _hung(f"{op} ", self.lines(part, width - len(op) - 1 - (BINDING[op] > 2) * 2))
        ]
        head = self.lines(first, width)
        return [*head, *(rest if ops in (("and",), ("or",)) else _indented(rest))]

    def filled(self, nodes: Sequence[s.Node], width: int) -> list[str]:
        """Values separated by commas, as many on a line as fit."""
        lines = [""]
        for i, node in enumerate(nodes):
            part = self.flat(node.span) + ("," if i < len(nodes) - 1 else "")
            if lines[-1] and width_of(f"{lines[-1]} {part}") > width:
                lines.append(part)
            else:
                lines[-1] = f"{lines[-1]} {part}".lstrip()
        return lines

    def bare(self, node: s.Node) -> s.Node | None:
        """The node without the parentheses around it; None where there are none."""
        if isinstance(node, s.Range):
            return None
        at, end = self.within(node.span)
        first = next(s.children(node), None) if isinstance(node, _INFIX) else None
        opens = self.tokens[at].value == "(" and self.tokens[at].kind == "operator"
        if not opens or (first is not None and first.span[0] == node.span[0]):
            return None
        return dataclasses.replace(node, span=(self.tokens[at + 1].start, self.tokens[end - 2].end))


#: Nodes that begin with an operand, which may have parentheses of its own.
_INFIX = s.Binary | s.Between | s.In | s.Path | s.Filter | s.InstanceOf | s.Invoke


def _indented(lines: Iterable[str]) -> list[str]:
    return [INDENT + line for line in lines]


def _hung(head: str, lines: list[str]) -> list[str]:
    """The lines after a word; those that go on are indented below it, unless they are by themselves."""
    below = lines[1:]
    return [head + lines[0], *(_indented(below) if head and below and below[0][0] != " " else below)]


def _spaced(found: Sequence[Token], calls: set[int]) -> list[bool]:
    """Whether a space stands before each token. `calls`: where the names of functions end."""
    out: list[bool] = []
    #: For each open bracket, whether the two dots of a range have been seen in it.
    ranges: list[bool] = []
    operand = True  # whether the next token begins an operand
    glued = True  # whether nothing stands between the token before and the next
    before: Token | None = None
    for token in found:
        value = token.value if token.kind == "operator" else ""
        called = before is not None and (before.end in calls or before.value == "not")
        calling = value == "(" and called
        opens = value in ("(", "[", "]") and (operand or calling)
        if (
            opens
            and value == "]"
            and before is not None
            and before.value == "["
            and before.kind == "operator"
        ):
            opens = False  # of an empty list
        filters = value == "[" and not operand and not (ranges and ranges[-1])
        closes = value in (")", "]", "[") and not opens and not filters
        tight = closes or filters or calling or value in (",", ":", ".", "..")
        out.append(not (glued or tight))
        if value == "..":
            ranges[-1:] = [True]
        if opens or filters:
            ranges.append(False)
        elif closes and ranges:
            ranges.pop()
        minus = value == "-" and operand
        glued = opens or filters or minus or value in (".", "..")
        if token.kind == "keyword" and not (before is not None and before.value == "."):
            operand = token.value not in _VALUES
        else:
            operand = token.kind == "operator" and not closes and value != "?"
        before = token
    return out
