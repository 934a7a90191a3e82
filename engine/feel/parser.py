"""A Pratt parser for FEEL: tokens to the syntax tree. FEEL's names depend on the scope, so no generator fits."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

from sancha.engine.feel import syntax as s
from sancha.engine.feel.lexer import KEYWORDS, FeelSyntaxError, Token, tokens
from sancha.engine.feel.operators import FUNCTIONS

#: How tightly each infix operator binds, loosest first.
BINDING = {
    "or": 1,
    "and": 2,
    "=": 4,
    "!=": 4,
    "<": 4,
    "<=": 4,
    ">": 4,
    ">=": 4,
    "between": 4,
    "in": 4,
    "+": 5,
    "-": 5,
    "*": 6,
    "/": 6,
    "**": 7,
}
COMPARISONS = ("<", "<=", ">", ">=", "=", "!=")
#: FEEL's minus binds more tightly than its power: -5 ** 2 is 25.
NEGATION = 8
#: Names, calls, paths and filters.
POSTFIX = 10
#: Deeper nesting is refused before it could exhaust the stack.
MAX_DEPTH = 100
_WORDS = {tuple(name.split()): name for name in FUNCTIONS}
_LONGEST = max(map(len, _WORDS))


def parse(text: str) -> s.Node:
    """The syntax tree of one expression. Raises FeelSyntaxError with code, message and span."""
    parser = _Parser(text)
    node = parser.expression(0)
    parser.end()
    parser.bounded(node)
    return node


def parse_tests(text: str) -> s.Node:
    """The syntax tree of a decision table's cell: `-`, tests separated by commas, or `not(tests)`.

    The result is AnyTest, Negated, or In with an operand named `?`.
    """
    parser = _Parser(text)
    whole = (0, len(text))
    if parser.peek().value == "-" and parser.peek(1).kind == "end":
        return s.AnyTest(whole)
    if parser.peek().value == "not" and parser.peek(1).value == "(":
        parser.take()
        parser.take()
        tests = parser.tests(")")
        parser.expect(")")
        parser.end()
        parser.bounded(*tests)
        return s.Negated(whole, tests)
    tests = parser.tests("")
    parser.end()
    parser.bounded(*tests)
    return s.In(whole, s.Name((0, 0), "?"), tests)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokens(text)
        self.at = 0
        self.depth = 0
        #: Whether the high end of a range is being read, where `[` closes the range.
        self.high_end = False

    # -- tokens -------------------------------------------------------------------------------------------

    def peek(self, ahead: int = 0) -> Token:
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    def take(self) -> Token:
        token = self.peek()
        self.at += 1
        return token

    def expect(self, value: str) -> Token:
        token = self.peek()
        if token.value != value or token.kind in ("text", "temporal"):
            raise self.unexpected(token, f"expected `{value}`")
        return self.take()

    def end(self) -> None:
        if self.peek().kind != "end":
            raise self.unexpected(self.peek(), "expected the end of the expression")

    def unexpected(self, token: Token, expected: str) -> FeelSyntaxError:
        if token.kind == "end":
            at = max(0, len(self.text.rstrip()) - 1)
            what = "the expression ends too early" if self.text.strip() else "the expression is empty"
            return FeelSyntaxError("E0102", f"{what}: {expected}", (at, at + 1))
        shown = self.text[token.start : token.end]
        help = _slip(self.tokens[self.at - 1] if self.at else None, token, self.peek(1))
        return FeelSyntaxError("E0102", f"unexpected `{shown}`: {expected}", (token.start, token.end), help)

    def bounded(self, *nodes: s.Node) -> None:
        """Refuses a tree too high to walk: brackets are counted as they open, chains such as `a + b + …` here."""
        if len(self.tokens) <= MAX_DEPTH:
            return
        pending = [(node, 1) for node in nodes]
        while pending:
            node, depth = pending.pop()
            if depth > MAX_DEPTH:
                raise FeelSyntaxError(
                    "E0104",
                    f"nested or chained more than {MAX_DEPTH} deep",
                    node.span,
                    "name a part as a decision",
                )
            for child in s.children(node):
                # A chain of `and` or of `or` is one condition of many parts, however long.
                flat = (
                    isinstance(node, s.Binary)
                    and isinstance(child, s.Binary)
                    and node.op == child.op in ("and", "or")
                )
                pending.append((child, depth if flat else depth + 1))

    # -- expressions --------------------------------------------------------------------------------------

    def expression(self, least: int) -> s.Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            token = self.peek()
            raise FeelSyntaxError(
                "E0104",
                f"nested more than {MAX_DEPTH} deep",
                (token.start, token.end),
                "name a part as a decision",
            )
        left = self.prefix()
        while True:
            token = self.peek()
            if token.kind not in ("operator", "keyword"):
                break
            binding = BINDING.get(token.value, 0)
            if binding <= least:
                break
            left = self.infix(left, token, binding)
        self.depth -= 1
        return left

    def inside(self, high_end: bool = False) -> s.Node:
        """An expression between brackets, or before a comma."""
        outside, self.high_end = self.high_end, high_end
        node = self.expression(0)
        self.high_end = outside
        return node

    def infix(self, left: s.Node, token: Token, binding: int) -> s.Node:
        self.take()
        op = token.value
        start = left.span[0]
        if op == "between":
            low = self.expression(binding)
            self.expect("and")
            high = self.expression(binding)
            return s.Between((start, high.span[1]), left, low, high)
        if op == "in":
            tests = self.in_tests()
            return s.In((start, self.tokens[self.at - 1].end), left, tests)
        if op in COMPARISONS:
            right = self.expression(binding)
            nxt = self.peek()
            if nxt.kind == "operator" and nxt.value in COMPARISONS:
                raise FeelSyntaxError(
                    "E0105",
                    "comparisons do not chain",
                    (nxt.start, nxt.end),
                    "write `x >= a and x <= b`, or `x in [a..b]`",
                )
            return s.Binary((start, right.span[1]), op, left, right)
        # FEEL's power associates to the left, as its grammar has it: 2 ** 3 ** 2 is 64.
        right = self.expression(binding)
        return s.Binary((start, right.span[1]), op, left, right)

    def prefix(self) -> s.Node:
        token = self.peek()
        if token.value == "-" and token.kind == "operator":
            self.take()
            operand = self.expression(NEGATION)
            return s.Unary((token.start, operand.span[1]), "-", operand)
        if token.kind == "keyword" and token.value == "if":
            return self.conditional()
        if token.kind == "keyword" and token.value in ("some", "every"):
            return self.quantified()
        return self.postfix(self.atom())

    def postfix(self, node: s.Node) -> s.Node:
        while True:
            token = self.peek()
            if token.kind != "operator":
                return node
            if token.value == ".":
                self.take()
                name = self.peek()
                if name.kind not in ("name", "keyword"):
                    raise self.unexpected(name, "expected a name after `.`")
                self.take()
                node = s.Path((node.span[0], name.end), node, name.value, (name.start, name.end))
            elif token.value == "[" and not self.high_end:
                self.take()
                condition = self.inside()
                close = self.expect("]")
                node = s.Filter((node.span[0], close.end), node, condition)
            else:
                return node

    def atom(self) -> s.Node:
        if (call := self.call()) is not None:
            return call
        token = self.take()
        span = (token.start, token.end)
        if token.kind == "number":
            return s.Literal(span, Decimal(token.value))
        if token.kind == "text":
            return s.Literal(span, token.value)
        if token.kind == "temporal":
            return s.Temporal(span, token.value)
        if token.kind == "keyword" and token.value in ("true", "false", "null"):
            return s.Literal(span, {"true": True, "false": False, "null": None}[token.value])
        if token.kind == "name" or token.value == "?":
            return s.Name(span, token.value)
        if token.kind == "operator" and token.value in ("(", "[", "]"):
            return self.bracketed(token)
        self.at -= 1
        raise self.unexpected(token, "expected a value")

    def bracketed(self, opening: Token) -> s.Node:
        """`(x)`, a list `[a, b]`, or a range with either bracket."""
        if opening.value == "[" and self.peek().value == "]" and self.peek().kind == "operator":
            return s.ListOf((opening.start, self.take().end), ())
        first = self.inside()
        if self.peek().value == ".." and self.peek().kind == "operator":
            self.take()
            high = self.inside(high_end=True)
            close = self.take()
            if close.kind != "operator" or close.value not in (")", "]", "["):
                self.at -= 1
                raise self.unexpected(close, "expected `]` or `)` to close the range")
            return s.Range((opening.start, close.end), first, high, opening.value == "[", close.value == "]")
        if opening.value == "(":
            close = self.expect(")")
            return _respan(first, (opening.start, close.end))
        if opening.value == "]":
            raise self.unexpected(self.peek(), "expected `..` of a range")
        items = [first]
        while self.peek().value == "," and self.peek().kind == "operator":
            self.take()
            items.append(self.inside())
        return s.ListOf((opening.start, self.expect("]").end), tuple(items))

    def conditional(self) -> s.Node:
        start = self.take().start
        condition = self.expression(0)
        self.expect("then")
        then = self.expression(0)
        self.expect("else")
        otherwise = self.expression(0)
        return s.If((start, otherwise.span[1]), condition, then, otherwise)

    def quantified(self) -> s.Node:
        token = self.take()
        bindings = []
        while True:
            name = self.take()
            if name.kind != "name":
                self.at -= 1
                raise self.unexpected(name, "expected a name for the item")
            self.expect("in")
            bindings.append((name.value, self.expression(BINDING["in"])))
            if self.peek().value != "," or self.peek().kind != "operator":
                break
            self.take()
        self.expect("satisfies")
        body = self.expression(0)
        return s.Quantified((token.start, body.span[1]), token.value, tuple(bindings), body)

    # -- calls --------------------------------------------------------------------------------------------

    def call(self) -> s.Node | None:
        """A call, if the next tokens are a name (of one or more words) and `(`."""
        for length in range(min(_LONGEST, len(self.tokens) - self.at - 1), 0, -1):
            words = self.tokens[self.at : self.at + length]
            follows = self.tokens[self.at + length]
            if follows.value != "(" or follows.kind != "operator":
                continue
            if any(w.kind not in ("name", "keyword") for w in words):
                continue
            key = tuple(w.value for w in words)
            if key in _WORDS or (length == 1 and words[0].kind == "name"):
                self.at += length + 1
                return self.arguments(" ".join(key), (words[0].start, words[-1].end))
        return None

    def arguments(self, function: str, name_span: s.Span) -> s.Node:
        arguments: list[s.Node] = []
        names: list[str] = []
        while not (self.peek().value == ")" and self.peek().kind == "operator"):
            if self.peek().kind == "name" and self.peek(1).value == ":" and self.peek(1).kind == "operator":
                names.append(self.take().value)
                self.take()
            elif names:
                raise self.unexpected(self.peek(), "expected `name:`, as the arguments before are named")
            arguments.append(self.inside())
            if self.peek().value != "," or self.peek().kind != "operator":
                break
            self.take()
        close = self.expect(")")
        if names and len(names) != len(arguments):
            raise FeelSyntaxError(
                "E0102", "either all arguments are named or none", (name_span[0], close.end)
            )
        return s.Call((name_span[0], close.end), function, tuple(arguments), tuple(names), name_span)

    # -- unary tests --------------------------------------------------------------------------------------

    def in_tests(self) -> tuple[s.Node, ...]:
        """What follows `in`: one test, or tests in parentheses; a range may open with `(` too."""
        token = self.peek()
        if token.value != "(" or token.kind != "operator":
            return (self.test(BINDING["in"]),)
        start, depth, outside = self.at, self.depth, self.high_end
        self.take()
        self.high_end = False
        tests = self.tests(")")
        self.high_end = outside
        if len(tests) == 1 and self.peek().value == "..":
            self.at, self.depth = start, depth
            return (self.expression(BINDING["in"]),)
        self.expect(")")
        return tests

    def tests(self, closing: str) -> tuple[s.Node, ...]:
        tests = [self.test(0)]
        while self.peek().value == "," and self.peek().kind == "operator":
            self.take()
            if closing == "" and self.peek().kind == "end":
                raise self.unexpected(self.peek(), "expected a test after `,`")
            tests.append(self.test(0))
        return tuple(tests)

    def test(self, least: int) -> s.Node:
        token = self.peek()
        if token.kind == "operator" and token.value in COMPARISONS:
            self.take()
            operand = self.expression(BINDING["in"])
            return s.Test((token.start, operand.span[1]), token.value, operand)
        return self.expression(least)


def _slip(before: Token | None, token: Token, after: Token) -> str | None:
    """A help line for what other languages, or a hasty hand, would write in this place."""
    last = before.value if before is not None and before.kind in ("operator", "keyword") else ""
    if token.value == "=" and last == "=":
        return "equality is written `=`"
    if token.value == ">" and last == "<":
        return "inequality is written `!=`"
    if token.value == "not" and token.kind == "keyword":
        return "write `not(…)`, with parentheses"
    if token.kind == "name" and token.value.lower() in KEYWORDS:
        return f"write `{token.value.lower()}`, in small letters"
    if before is None or last:
        return None
    if token.kind == "name" and before.kind == "number":
        return f"a number has no unit: write it in full, without `{token.value}`"
    if token.value == "," and before.kind == "number" and after.kind == "number":
        return "a number is written without separators: `1000000`"
    if token.kind == "name" and before.kind == "name":
        return "names are written without spaces: join the words with `_`"
    return None


def _respan(node: s.Node, span: s.Span) -> s.Node:
    """A parenthesised node keeps its meaning; its span takes in the parentheses."""
    return dataclasses.replace(node, span=span)
