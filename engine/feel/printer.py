"""The syntax tree as text, with as few parentheses as it needs: `parse(to_text(tree))` is the tree again.

One pair is printed that is not needed: around a lone unary test, `x in (< 5)`, which is easier to read so.
"""

from __future__ import annotations

import re
from decimal import Decimal

from sancha.engine.feel import syntax as s
from sancha.engine.feel.lexer import FULL_KEYWORDS
from sancha.engine.feel.parser import BINDING, COMPARISONS, NEGATION, POSTFIX

_BETWEEN = BINDING["between"]
_IN = BINDING["in"]
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
#: `days between (` would be read as the function of that name.
_FUNCTION_WORD = re.compile(r"(?<!\.)\b(?:days|months|years|seconds)$")
#: The forms that stand bare after `in`.
_PLAIN = (s.Literal, s.Temporal, s.Name, s.Path, s.Call, s.Filter, s.ListOf, s.Range)


def to_text(node: s.Node) -> str:
    """An expression as text."""
    return _text(node, 0, True)


def cell_to_text(node: s.Node) -> str:
    """A cell of a decision table as text: what `parse_tests` reads."""
    match node:
        case s.AnyTest():
            return "-"
        case s.Negated():
            return f"not({_tests(node.tests)})"
        case s.In():
            text = _tests(node.tests)
            # A cell that begins with `not(` is a negation as a whole.
            if text.startswith("not("):
                text = ", ".join([f"({to_text(node.tests[0])})", *map(to_text, node.tests[1:])])
            return text
    raise TypeError(type(node).__name__)


def _text(node: s.Node, least: int, closed: bool) -> str:
    """The node as an operand that binds at least so tightly. `closed`: no operator follows for it to take."""
    if isinstance(node, s.Test):
        return f"({_bare(node, True)})"  # a range with one end, as a value
    takes_all = isinstance(node, s.If | s.Quantified | s.For | s.Function)
    fits = closed and least < POSTFIX if takes_all else _tightness(node) >= least
    return _bare(node, closed) if fits else f"({_bare(node, True)})"


def _tightness(node: s.Node) -> int:
    match node:
        case s.Binary():
            return BINDING[node.op]
        case s.Between():
            return _BETWEEN
        case s.In():
            return _IN
        case s.Unary():
            return NEGATION
        case s.Literal(value=Decimal() as value) if value.is_signed():
            return NEGATION
        case _:
            return POSTFIX


def _bare(node: s.Node, closed: bool) -> str:
    match node:
        case s.Literal():
            return _literal(node.value)
        case s.Temporal():
            return f'@"{node.text}"'
        case s.Name():
            return node.name
        case s.Path():
            return f"{_text(node.base, POSTFIX, False)}.{node.name}"
        case s.Filter():
            return f"{_text(node.base, POSTFIX, False)}[{to_text(node.condition)}]"
        case s.Unary():
            return f"-{_text(node.operand, NEGATION, closed)}"
        case s.Binary():
            return _binary(node, closed)
        case s.Between():
            return _between(node, closed)
        case s.In():
            return f"{_text(node.operand, _IN, False)} in {_in_tests(node.tests)}"
        case s.Range():
            low, high = to_text(node.low), to_text(node.high)
            if _filters(node.high):  # at the high end of a range, `[` would close it
                high = f"({high})"
            return f"{'[' if node.low_closed else '('}{low}..{high}{']' if node.high_closed else ')'}"
        case s.Test():
            return f"{node.op} {_text(node.operand, _IN + 1, closed)}"
        case s.If():
            return f"if {to_text(node.condition)} then {to_text(node.then)} else {to_text(node.otherwise)}"
        case s.Quantified():
            return f"{node.kind} {_bindings(node.bindings)} satisfies {to_text(node.body)}"
        case s.Call():
            names = [f"{name}: " for name in node.names] or [""] * len(node.arguments)
            arguments = [name + to_text(a) for name, a in zip(names, node.arguments, strict=True)]
            return f"{node.function}({', '.join(arguments)})"
        case s.ListOf():
            return f"[{', '.join(map(to_text, node.items))}]"
    return _full(node)


def _full(node: s.Node) -> str:
    """What only the full language has."""
    match node:
        case s.Context():
            return "{" + ", ".join(f"{_key(key)}: {to_text(entry)}" for key, entry in node.entries) + "}"
        case s.For():
            return f"for {_bindings(node.bindings)} return {to_text(node.body)}"
        case s.Function():
            parameters = ", ".join(
                name if kind is None else f"{name}: {_type(kind)}" for name, kind in node.parameters
            )
            return f"function({parameters}) {'external ' if node.external else ''}{to_text(node.body)}"
        case s.Invoke():
            names = [f"{name}: " for name in node.names] or [""] * len(node.arguments)
            arguments = [name + to_text(a) for name, a in zip(names, node.arguments, strict=True)]
            return f"{_text(node.function, POSTFIX, False)}({', '.join(arguments)})"
        case s.InstanceOf():
            return f"{_text(node.operand, POSTFIX, False)} instance of {_type(node.type)}"
        case s.Located():
            return to_text(node.body)
    raise TypeError(type(node).__name__)


def _bindings(bindings: tuple[tuple[str, s.Node], ...]) -> str:
    return ", ".join(f"{name} in {_source(source)}" for name, source in bindings)


def _source(node: s.Node) -> str:
    if isinstance(node, s.Steps):
        return f"{_text(node.low, _IN + 1, False)}..{_text(node.high, _IN + 1, False)}"
    return _text(node, _IN + 1, True)


def _key(key: str) -> str:
    """A key of a context: bare where it is plainly a name."""
    return key if key.isidentifier() and key not in FULL_KEYWORDS else _literal(key)


def _type(node: s.TypeName) -> str:
    parts = [_type(part) for part in node.parameters]
    if node.names:
        parts = [f"{name}: {part}" for name, part in zip(node.names, parts, strict=True)]
    inside = f"<{', '.join(parts)}>" if parts or node.name == "function" else ""
    return f"{node.name}{inside}{f'->{_type(node.result)}' if node.result else ''}"


def _filters(node: s.Node) -> bool:
    return any(isinstance(part, s.Filter) for part in s.walk(node))


def _binary(node: s.Binary, closed: bool) -> str:
    binding = BINDING[node.op]
    if node.op in ("and", "or"):  # a chain may be long
        first, *middle, last = s.operands(node)
        parts = [_text(first, binding, False), *(_text(part, binding + 1, False) for part in middle)]
        return f" {node.op} ".join([*parts, _text(last, binding + 1, closed)])
    chained = node.op in COMPARISONS and isinstance(node.left, s.Binary) and node.left.op in COMPARISONS
    left = _text(node.left, binding + chained, False)
    return f"{left} {node.op} {_text(node.right, binding + 1, closed)}"


def _between(node: s.Between, closed: bool) -> str:
    operand = _text(node.operand, _BETWEEN, False)
    low = _text(node.low, _BETWEEN + 1, False)
    if low.startswith("(") and _FUNCTION_WORD.search(operand):
        operand = f"({operand})"
    return f"{operand} between {low} and {_text(node.high, _BETWEEN + 1, closed)}"


def _in_tests(tests: tuple[s.Node, ...]) -> str:
    if len(tests) == 1 and isinstance(tests[0], _PLAIN):
        text = to_text(tests[0])
        if isinstance(tests[0], s.Range) or not text.startswith(("(", "-")):
            return text
    return f"({_tests(tests)})"


def _tests(tests: tuple[s.Node, ...]) -> str:
    return ", ".join(_bare(t, True) if isinstance(t, s.Test) else to_text(t) for t in tests)


def _literal(value: Decimal | str | bool | None) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return '"' + "".join(_ESCAPES.get(char, char) for char in value) + '"'
    plain = f"{value:f}"
    return plain if len(plain) <= 40 else str(value)
