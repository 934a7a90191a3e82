"""A Pratt parser for FEEL: tokens to the syntax tree. FEEL's names depend on the scope, so no generator fits."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import cache, lru_cache
from itertools import pairwise

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


def parse_dmn(text: str, names: Iterable[str] = (), keys: Iterable[str] = ()) -> s.Node:
    """The syntax tree of an expression of the full language. Raises FeelSyntaxError.

    `names` are those in scope, `keys` those of contexts, which may follow a point or stand in a filter: of names with
    spaces or symbols the longest that fits the text is read, as the standard has it. A run of words that is no known
    name is read as one.
    """
    parser = _FullParser(text, names, keys)
    node = parser.expression(0)
    parser.end()
    parser.bounded(node)
    return node


def parse_dmn_source(text: str, names: Iterable[str] = (), keys: Iterable[str] = ()) -> s.Node:
    """The syntax tree of what a boxed iterator goes through: of an expression, or of `1..3`."""
    parser = _FullParser(text, names, keys)
    node = parser.source()
    parser.end()
    parser.bounded(node)
    return node


def parse_dmn_tests(text: str, names: Iterable[str] = (), keys: Iterable[str] = ()) -> s.Node:
    """The syntax tree of a cell of a DMN model's table: AnyTest, Negated, or In with an operand named `?`."""
    parser = _FullParser(text, names, keys)
    return _cell(parser, (0, len(text)))


def parse_type(text: str, names: Iterable[str] = ()) -> s.TypeName:
    """A type as the full language writes it: `list<number>`, `tApplicant`; `names` are those of the model's types."""
    parser = _FullParser(text, names)
    node = parser.type_name()
    parser.end()
    return node


def _cell(parser: _FullParser, whole: s.Span) -> s.Node:
    if parser.peek().value == "-" and parser.peek(1).kind == "end":
        return s.AnyTest(whole)
    if parser.peek().value == "not" and parser.peek(1).value == "(":
        # `not(a, b)` negates tests; `not(a) and b` is an expression.
        start = parser.at
        try:
            parser.at += 2
            tests = parser.tests(")")
            parser.expect(")")
            parser.end()
            parser.bounded(*tests)
            return s.Negated(whole, tests)
        except FeelSyntaxError:
            parser.at, parser.depth, parser.high_end = start, 0, False
    tests = parser.tests("")
    parser.end()
    parser.bounded(*tests)
    return s.In(whole, s.Name((0, 0), "?"), tests)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = self.read(text)
        self.at = 0
        self.depth = 0
        #: Whether the high end of a range is being read, where `[` closes the range.
        self.high_end = False

    #: Whether `a = b = c` is read, as `(a = b) = c`.
    chains = False

    def read(self, text: str) -> list[Token]:
        return tokens(text)

    # -- tokens -------------------------------------------------------------------------------------------

    def peek(self, ahead: int = 0) -> Token:
        at = self.at + ahead
        return self.tokens[at] if at < len(self.tokens) else self.tokens[-1]

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
            if nxt.kind == "operator" and nxt.value in COMPARISONS and not self.chains:
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


#: A name as the parser compares it: the values of its tokens.
_Words = tuple[str, ...]
#: Kinds of tokens that names of the full language are made of.
_NAME_KINDS = ("name", "keyword", "number")
_NAME_SYMBOLS = frozenset("./-'’+*?")
#: Signs that may begin an expression, and words that go on after one.
_OPENING = frozenset({"-", "(", "[", "{", "?", *COMPARISONS})
_FOLLOWING = frozenset({*BINDING, "then", "else", "return", "satisfies", "instance"})
#: Names of more than one token that the language itself has.
_STANDARD_NAMES = (
    "date and time",
    "days and time duration",
    "years and months duration",
    "time offset",
    "start included",
    "end included",
)


class _FullParser(_Parser):
    """The full language: names of several words, contexts, functions, iteration, types, ranges as values."""

    chains = True

    def __init__(self, text: str, names: Iterable[str], keys: Iterable[str] = ()) -> None:
        super().__init__(text)
        words, spellings, most = _learnt(frozenset(names))
        after, spelled, longest = _learnt(frozenset(keys))
        self.most = max(most, longest)
        #: How names with signs are written, by their tokens: `a - b` is the name `a-b` where that is in scope.
        self.spellings: dict[_Words, str] = {**spelled, **spellings}
        #: The names in scope, innermost last.
        self.scopes: list[set[_Words] | frozenset[_Words]] = [words]
        #: Keys of contexts, which may follow a point or stand in a filter.
        self.keys: set[_Words] = {*words, *after, *map(_words, _STANDARD_NAMES)}
        self.builtins = _builtin_words()
        self.in_filter = 0

    def read(self, text: str) -> list[Token]:
        return tokens(text, full=True)

    # -- names --------------------------------------------------------------------------------------------

    def is_operator(self, value: str, ahead: int = 0) -> bool:
        token = self.peek(ahead)
        return token.kind == "operator" and token.value == value

    def is_keyword(self, value: str) -> bool:
        return self.peek().kind == "keyword" and self.peek().value == value

    @contextmanager
    def scope(self, *names: str) -> Iterator[set[_Words]]:
        """Names that are visible in the block."""
        visible = {self.learn(name) for name in names}
        self.scopes.append(visible)
        yield visible
        self.scopes.pop()

    def longest(self, *known: set[_Words] | frozenset[_Words]) -> int:
        """How many tokens the longest known name takes that begins here; 0 for none."""
        length = 0
        while length < self.most:
            token = self.peek(length)
            if not (token.kind in _NAME_KINDS or (token.kind == "operator" and token.value in _NAME_SYMBOLS)):
                break
            length += 1
        words = tuple([token.value for token in self.tokens[self.at : self.at + length]])
        for n in range(length, 0, -1):
            for names in known:
                if words[:n] in names:
                    return n
        return 0

    def learn(self, name: str) -> _Words:
        """A name as the parser compares it; how those with signs are spelled is kept."""
        words = _words(name)
        self.most = max(self.most, len(words))
        if not _NAME_SYMBOLS.isdisjoint(words):
            self.spellings.setdefault(words, _spelled(name))
        return words

    def run(self) -> int:
        """How many tokens stand here that can only be one name, as words without a sign between them."""
        length = 0
        while self.peek(length).kind == "name" or (length and self.peek(length).kind == "number"):
            length += 1
        return length

    def named(self, length: int) -> tuple[str, s.Span]:
        """Takes so many tokens as a name: its text, with single spaces, and its place."""
        found = self.tokens[self.at : self.at + length]
        self.at += length
        span = found[0].start, found[-1].end
        words = tuple(token.value for token in found)
        if words in self.spellings:
            return self.spellings[words], span
        gaps = [" " if after.start > before.end else "" for before, after in pairwise(found)]
        return "".join(map(str.__add__, words, [*gaps, ""])), span

    def until(self, *ends: str) -> int:
        """How many tokens of a new name stand before one of `ends`; 0 where that is no name."""
        length = 0
        while True:
            token = self.peek(length)
            if length and token.kind in ("operator", "keyword") and token.value in ends:
                return length
            symbol = token.kind == "operator" and token.value in _NAME_SYMBOLS
            if not (token.kind in _NAME_KINDS or (symbol and length)) or (
                not length and token.kind == "number"
            ):
                return 0
            length += 1

    # -- expressions --------------------------------------------------------------------------------------

    def expression(self, least: int) -> s.Node:
        token = self.peek()
        if least == 0 and token.kind == "operator" and token.value in COMPARISONS:
            self.take()
            operand = super().expression(BINDING["in"])  # a range with one end, as a value
            return s.Test((token.start, operand.span[1]), token.value, operand)
        return super().expression(least)

    def prefix(self) -> s.Node:
        token = self.peek()
        number = self.peek(1)
        if self.is_operator("-") and number.kind == "number" and number.start == token.end:
            # A literal has its sign (grammar rule 35): `-1 instance of number` asks about -1.
            self.take()
            self.take()
            return self.postfix(s.Literal((token.start, number.end), Decimal(f"-{number.value}")))
        if token.kind == "keyword" and token.value == "for":
            return self.iteration()
        if token.kind == "keyword" and token.value == "function" and self.is_operator("(", 1):
            return self.function()
        return super().prefix()

    def postfix(self, node: s.Node) -> s.Node:
        while True:
            if self.is_operator("."):
                self.take()
                name, span = self.key_after_point()
                node = s.Path((node.span[0], span[1]), node, name, span)
            elif self.is_operator("[") and not (self.high_end and self.closes_range()):
                self.take()
                self.in_filter += 1
                condition = self.inside()
                self.in_filter -= 1
                close = self.expect("]")
                node = s.Filter((node.span[0], close.end), node, condition)
            elif self.is_operator("("):
                self.take()
                call = self.arguments("", node.span)
                assert isinstance(call, s.Call)
                if isinstance(node, s.Name):
                    node = s.Call(call.span, node.name, call.arguments, call.names, node.span)
                else:
                    node = s.Invoke(call.span, node, call.arguments, call.names)
            elif self.is_keyword("instance"):
                self.take()
                word = self.take()
                if word.value != "of":
                    self.at -= 1
                    raise self.unexpected(word, "expected `of`")
                type_ = self.type_name()
                return s.InstanceOf((node.span[0], type_.span[1]), node, type_)
            else:
                return node

    def closes_range(self) -> bool:
        """Whether the `[` here closes a range: no filter can follow, or no `]` before the end of what encloses it."""
        after = self.peek(1)
        if after.kind == "operator" and after.value not in _OPENING:
            return True
        if after.kind == "keyword" and after.value in _FOLLOWING:
            return True
        depth = 0
        for token in self.tokens[self.at + 1 :]:
            if token.kind != "operator":
                continue
            if token.value in "([{":
                depth += 1
            elif token.value in ")]}":
                if depth == 0:
                    return token.value != "]"
                depth -= 1
        return True

    def key_after_point(self) -> tuple[str, s.Span]:
        length = self.longest(self.keys) or self.run()
        if not length and self.peek().kind == "keyword":
            self.at += 1
            length = 1 + self.run()
            self.at -= 1
        if not length:
            raise self.unexpected(self.peek(), "expected a name after `.`")
        return self.named(length)

    def atom(self) -> s.Node:
        token = self.peek()
        if token.kind == "operator" and token.value == "{":
            return self.context()
        if token.kind in ("name", "keyword"):
            literal = token.kind == "keyword" and token.value in ("true", "false", "null")
            visible = [*self.scopes, self.keys] if self.in_filter else self.scopes
            known = self.longest(*visible)
            standard = self.longest(self.builtins)
            if standard > known and (
                standard == 1 or self.is_operator("(", standard) or token.kind == "name"
            ):
                known = standard
            if not known and not literal:
                known = self.run()
            if known and not (literal and known == 1):
                name, span = self.named(known)
                return s.Name(span, name)
        if token.kind == "name" or (token.kind == "keyword" and token.value == "not"):
            self.take()
            return s.Name((token.start, token.end), token.value)
        if token.kind == "number" and self.peek(1).start == token.end:
            # `2nd rate`: no name of the standard begins with a digit, those of models do.
            known = self.longest(*self.scopes)
            if known > 1:
                name, span = self.named(known)
                return s.Name(span, name)
        return super().atom()

    def context(self) -> s.Node:
        start = self.take().start
        entries: list[tuple[str, s.Node]] = []
        with self.scope() as visible:
            while not self.is_operator("}"):
                if self.peek().kind == "text":
                    key = self.take().value
                else:
                    length = self.until(":")
                    if not length:
                        raise self.unexpected(self.peek(), "expected a key")
                    key, _ = self.named(length)
                self.expect(":")
                if any(key == known for known, _ in entries):
                    token = self.tokens[self.at - 2]
                    raise FeelSyntaxError("E0102", f"the key `{key}` stands twice", (token.start, token.end))
                entries.append((key, self.inside()))
                if words := self.learn(key):
                    visible.add(words)
                    self.keys.add(words)
                if not self.is_operator(","):
                    break
                self.take()
                if self.is_operator("}"):
                    raise self.unexpected(self.peek(), "expected a key after `,`")
        return s.Context((start, self.expect("}").end), tuple(entries))

    def function(self) -> s.Node:
        start = self.take().start
        self.take()
        parameters: list[tuple[str, s.TypeName | None]] = []
        while not self.is_operator(")"):
            length = self.until(":", ",", ")")
            if not length:
                raise self.unexpected(self.peek(), "expected the name of a parameter")
            name, _ = self.named(length)
            type_ = None
            if self.is_operator(":"):
                self.take()
                type_ = self.type_name()
            parameters.append((name, type_))
            if not self.is_operator(","):
                break
            self.take()
            if self.is_operator(")"):
                raise self.unexpected(self.peek(), "expected the name of a parameter after `,`")
        self.expect(")")
        external = self.is_keyword("external")
        if external:
            self.take()
        with self.scope(*(name for name, _ in parameters)):
            body = self.expression(0)
        return s.Function((start, body.span[1]), tuple(parameters), body, external)

    def iteration(self) -> s.Node:
        start = self.take().start
        bindings: list[tuple[str, s.Node]] = []
        with self.scope("partial") as visible:
            self.bindings(bindings, visible)
            self.expect("return")
            body = self.expression(0)
        return s.For((start, body.span[1]), tuple(bindings), body)

    def quantified(self) -> s.Node:
        token = self.take()
        bindings: list[tuple[str, s.Node]] = []
        with self.scope() as visible:
            self.bindings(bindings, visible)
            self.expect("satisfies")
            body = self.expression(0)
        return s.Quantified((token.start, body.span[1]), token.value, tuple(bindings), body)

    def source(self) -> s.Node:
        """What `in` goes through: a list or range, or `1..3`, which may go down."""
        low = self.expression(0)
        if not self.is_operator(".."):
            return low
        self.take()
        high = self.expression(0)
        return s.Steps((low.span[0], high.span[1]), low, high)

    def bindings(self, found: list[tuple[str, s.Node]], visible: set[_Words]) -> None:
        """`x in xs, y in 1..3`; each name is visible in what follows it."""
        while True:
            length = self.until("in")
            if not length:
                raise self.unexpected(self.peek(), "expected a name for the item")
            name, _ = self.named(length)
            self.expect("in")
            source = self.source()
            found.append((name, source))
            visible.add(self.learn(name))
            if not self.is_operator(","):
                return
            self.take()

    # -- calls --------------------------------------------------------------------------------------------

    def call(self) -> s.Node | None:
        return None  # a call is a name and what follows it

    def arguments(self, function: str, name_span: s.Span) -> s.Node:
        arguments: list[s.Node] = []
        names: list[str] = []
        while not self.is_operator(")"):
            if length := self.until(":"):
                names.append(self.named(length)[0])
                self.take()
            elif names:
                raise self.unexpected(self.peek(), "expected `name:`, as the arguments before are named")
            arguments.append(self.inside())
            if not self.is_operator(","):
                break
            self.take()
            if self.is_operator(")"):
                raise self.unexpected(self.peek(), "expected an argument after `,`")
        close = self.expect(")")
        if names and len(names) != len(arguments):
            raise FeelSyntaxError(
                "E0102", "either all arguments are named or none", (name_span[0], close.end)
            )
        return s.Call((name_span[0], close.end), function, tuple(arguments), tuple(names), name_span)

    # -- types --------------------------------------------------------------------------------------------

    def type_name(self) -> s.TypeName:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise FeelSyntaxError("E0104", f"nested more than {MAX_DEPTH} deep", self.peek_span())
        known = {
            ("date", "and", "time"),
            ("days", "and", "time", "duration"),
            ("years", "and", "months", "duration"),
        }
        length = self.longest(known, self.keys, *self.scopes) or self.run()
        while length and self.is_operator(".", length) and self.peek(length + 1).kind == "name":
            start, self.at = self.at, self.at + length + 1
            more, self.at = self.longest(self.keys, *self.scopes) or self.run(), start
            length += 1 + more
        if not length and self.peek().kind == "keyword" and self.peek().value in ("function", "null"):
            length = 1
        if not length:
            raise self.unexpected(self.peek(), "expected a type")
        name, span = self.named(length)
        parameters: list[s.TypeName] = []
        names: list[str] = []
        result = None
        end = span[1]
        if self.is_operator("<") and name in ("list", "range", "context", "function"):
            self.take()
            while not self.is_operator(">"):
                if name == "context":
                    key = self.until(":")
                    if not key:
                        raise self.unexpected(self.peek(), "expected a key")
                    names.append(self.named(key)[0])
                    self.take()
                parameters.append(self.type_name())
                if not self.is_operator(","):
                    break
                self.take()
            end = self.expect(">").end
        if name == "function" and self.is_operator("->"):
            self.take()
            result = self.type_name()
            end = result.span[1]
        self.depth -= 1
        return s.TypeName((span[0], end), name, tuple(parameters), tuple(names), result)

    def peek_span(self) -> s.Span:
        return self.peek().start, self.peek().end


@lru_cache(maxsize=65_536)
def _words(name: str) -> _Words:
    """The values of the tokens of a name; a name that cannot be written is no words."""
    try:
        found = tokens(name, full=True)[:-1]
    except FeelSyntaxError:
        return ()
    return tuple(token.value for token in found)


def _spelled(text: str) -> str:
    """A name as written, with single spaces between its words."""
    return " ".join(text.split())


@lru_cache(maxsize=256)
def _learnt(names: frozenset[str]) -> tuple[frozenset[_Words], dict[_Words, str], int]:
    """Names as the parser compares them, the spellings of those with signs, and the most tokens that a name has."""
    words = {name: _words(name) for name in names}
    spellings = {w: _spelled(name) for name, w in words.items() if not _NAME_SYMBOLS.isdisjoint(w)}
    standard = {*_builtin_words(), *map(_words, _STANDARD_NAMES)}
    return frozenset(words.values()), spellings, max(map(len, (*words.values(), *standard)))


@cache
def _builtin_words() -> frozenset[_Words]:
    from sancha.engine.feel import builtins  # fills the table, and needs the values

    return frozenset(tuple(name.split()) for name in builtins.names())


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
