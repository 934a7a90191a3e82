"""Functions on lists (DMN 1.5, 10.3.4.4) and `sort` (10.3.4.9).

Items are equal if they are of one kind and FEEL's `=` says so, or if both are null. The functions on numbers and on
comparable items (`sum`, `min`, …) give null for a list with an item of another kind, null included. Those that the
standard also gives as `sum(n1, …, nN)` have a second row. The other functions take lists as they are: a list within
a list is an item.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import reduce
from typing import Any

from sancha.engine.feel import values
from sancha.engine.feel.builtins.numbers import finite, integer
from sancha.engine.feel.builtins.registry import FeelError, builtin
from sancha.engine.feel.kinds import applied
from sancha.engine.run import runtime

List = list[Any]
#: Values that are equal for Python, within one class, where they are equal for FEEL.
_PLAIN = (str, bool, Decimal, values.Date, values.DaysTimeDuration, values.YearsMonthsDuration)

_ORDERED = (
    "number | string | date | time | date and time | days and time duration | years and months duration"
)

# -- aggregates --------------------------------------------------------------------------------------------------------


@builtin("count(list: list)", example=("count([1, 2, null])", "3"))
def count(list_: List) -> Decimal:
    """How many items there are."""
    return Decimal(len(list_))


@builtin("min(list: list)", example=("min([1, 2, 3])", "1"))
def min_(list_: List) -> Any:
    """The smallest item: of numbers, strings, dates, times or durations. Null for an empty list."""
    return _extreme(list_, -1)


@builtin(f"min(c1...: {_ORDERED})", example=('min("a", "b")', '"a"'))
def min_of(*items: Any) -> Any:
    """The smallest of the arguments."""
    return _extreme(_given(items), -1)


@builtin("max(list: list)", example=("max([1, 2, 3])", "3"))
def max_(list_: List) -> Any:
    """The largest item: of numbers, strings, dates, times or durations. Null for an empty list."""
    return _extreme(list_, 1)


@builtin(f"max(c1...: {_ORDERED})", example=('max("a", "b")', '"b"'))
def max_of(*items: Any) -> Any:
    """The largest of the arguments."""
    return _extreme(_given(items), 1)


@builtin("sum(list: list)", example=("sum([1, 2, 3])", "6"))
def sum_(list_: List) -> Decimal | None:
    """The sum of the numbers, added from the first to the last; null for an empty list."""
    return _sum(_numbers(list_))


@builtin("sum(n1...: number)", example=("sum(1, 2, 3)", "6"))
def sum_of(*items: Any) -> Decimal | None:
    """The sum of the arguments."""
    return _sum(_numbers(_given(items)))


@builtin("product(list: list)", example=("product([2, 3, 4])", "24"))
def product(list_: List) -> Decimal | None:
    """The product of the numbers; null for an empty list."""
    return _product(_numbers(list_))


@builtin("product(n1...: number)", example=("product(2, 3, 4)", "24"))
def product_of(*items: Any) -> Decimal | None:
    """The product of the arguments."""
    return _product(_numbers(_given(items)))


@builtin("mean(list: list)", example=("mean([1, 2, 6])", "3"))
def mean(list_: List) -> Decimal | None:
    """The arithmetic mean of the numbers; null for an empty list."""
    return _mean(_numbers(list_))


@builtin("mean(n1...: number)", example=("mean(1, 2, 6)", "3"))
def mean_of(*items: Any) -> Decimal | None:
    """The arithmetic mean of the arguments."""
    return _mean(_numbers(_given(items)))


@builtin("median(list: list)", example=("median([6, 1, 2, 3])", "2.5"))
def median(list_: List) -> Decimal | None:
    """The number in the middle when sorted, or the mean of the two; null for an empty list."""
    return _median(_numbers(list_))


@builtin("median(n1...: number)", example=("median(8, 2, 5, 3, 4)", "4"))
def median_of(*items: Any) -> Decimal | None:
    """The median of the arguments."""
    return _median(_numbers(_given(items)))


@builtin("stddev(list: list)", example=("decimal(stddev([2, 4, 7, 5]), 4)", "2.0817"))
def stddev(list_: List) -> Decimal | None:
    """The standard deviation of a sample of numbers; null for less than two."""
    return _stddev(_numbers(list_))


@builtin("stddev(n1...: number)", example=("stddev(47, 47)", "0"))
def stddev_of(*items: Any) -> Decimal | None:
    """The standard deviation of a sample, the arguments."""
    return _stddev(_numbers(_given(items)))


@builtin("mode(list: list)", example=("mode([6, 1, 9, 6, 1])", "[1, 6]"))
def mode(list_: List) -> List:
    """The numbers that occur most often, in ascending order."""
    return _mode(_numbers(list_))


@builtin("mode(n1...: number)", example=("mode(6, 3, 9, 6, 6)", "[6]"))
def mode_of(*items: Any) -> List:
    """The most frequent of the arguments, in ascending order."""
    return _mode(_numbers(_given(items)))


@builtin("all(list: list)", example=("all([true, null, false])", "false"))
def all_(list_: List) -> bool | None:
    """False if an item is false, true if all are true or there is none; otherwise null."""
    return _decide(list_, False)


@builtin("all(b1...: boolean | null)", example=("all(true, true)", "true"))
def all_of(*items: Any) -> bool | None:
    """False if an argument is false, true if all are true; otherwise null."""
    return _decide(_given(items), False)


@builtin("any(list: list)", example=("any([false, null, true])", "true"))
def any_(list_: List) -> bool | None:
    """True if an item is true, false if all are false or there is none; otherwise null."""
    return _decide(list_, True)


@builtin("any(b1...: boolean | null)", example=("any(false, false)", "false"))
def any_of(*items: Any) -> bool | None:
    """True if an argument is true, false if all are false; otherwise null."""
    return _decide(_given(items), True)


# -- parts and changes -------------------------------------------------------------------------------------------------


@builtin("list contains(list: list, element: any)", example=("list contains([1, 2, 3], 2)", "true"))
def list_contains(list_: List, element: Any) -> bool:
    """Whether an item is equal to the element; null is an element like others."""
    return any(_same(item, element) for item in list_)


@builtin(
    "list replace(list: list, position: number, newItem: any)",
    example=("list replace([2, 4, 7, 8], 3, 6)", "[2, 4, 6, 8]"),
)
def list_replace(list_: List, position: Decimal, new_item: Any) -> List:
    """The list with another item at the position; -1 is the last."""
    at = _index(list_, position)
    return [*list_[:at], new_item, *list_[at + 1 :]]


@builtin(
    "list replace(list: list, match: function, newItem: any)",
    example=("list replace([2, 4, 7, 8], function(item, newItem) item < newItem, 5)", "[5, 5, 7, 8]"),
)
def list_replace_matching(list_: List, match: values.Function, new_item: Any) -> List:
    """The list with another item in the place of each for which `match(item, newItem)` is true."""
    matches = _predicate(match, "match")
    return [new_item if matches(item, new_item) else item for item in list_]


@builtin(
    "sublist(list: list, start position: number, length?: number | null)",
    example=("sublist([4, 5, 6], -2, 1)", "[5]"),
)
def sublist(list_: List, start: Decimal, length: Decimal | None) -> List:
    """The items from a position on, all or so many; -1 is the last. Null if the list has less."""
    at = _index(list_, start)
    if length is None:
        return list_[at:]
    items = integer(length, "length")
    if not 1 <= items <= len(list_) - at:
        raise FeelError(f"there are not {items} items from position {start} on, in a list of {len(list_)}")
    return list_[at : at + items]


@builtin("append(list: list, item...: any)", example=("append([1], 2, 3)", "[1, 2, 3]"))
def append(list_: List, *items: Any) -> List:
    """The list with the items at its end."""
    return [*list_, *items]


@builtin("concatenate(list...: list)", example=("concatenate([1, 2], [3])", "[1, 2, 3]"))
def concatenate(*lists: List) -> List:
    """The items of all lists, one list after the other."""
    return [item for part in _given(lists) for item in part]


@builtin(
    "insert before(list: list, position: number, newItem: any)",
    example=("insert before([1, 3], 1, 2)", "[2, 1, 3]"),
)
def insert_before(list_: List, position: Decimal, new_item: Any) -> List:
    """The list with a new item before that of the position; -1 is the last."""
    at = _index(list_, position)
    return [*list_[:at], new_item, *list_[at:]]


@builtin("remove(list: list, position: number)", example=("remove([1, 2, 3], 2)", "[1, 3]"))
def remove(list_: List, position: Decimal) -> List:
    """The list without the item of the position; -1 is the last."""
    at = _index(list_, position)
    return [*list_[:at], *list_[at + 1 :]]


@builtin("reverse(list: list)", example=("reverse([1, 2, 3])", "[3, 2, 1]"))
def reverse(list_: List) -> List:
    """The items from the last to the first."""
    return list_[::-1]


@builtin("index of(list: list, match: any)", example=("index of([1, 2, 3, 2], 2)", "[2, 4]"))
def index_of(list_: List, match: Any) -> List:
    """The positions of the items that are equal to the match, from 1."""
    return [Decimal(at) for at, item in enumerate(list_, 1) if _same(item, match)]


@builtin("union(list...: list)", example=("union([1, 2], [2, 3])", "[1, 2, 3]"))
def union(*lists: List) -> List:
    """The items of all lists without repetitions."""
    return _distinct(item for part in _given(lists) for item in part)


@builtin("distinct values(list: list)", example=("distinct values([1, 2, 3, 2, 1])", "[1, 2, 3]"))
def distinct_values(list_: List) -> List:
    """The items without repetitions, each where it stands first."""
    return _distinct(list_)


@builtin("flatten(list: list)", example=("flatten([[1, 2], [[3]], 4])", "[1, 2, 3, 4]"))
def flatten(list_: List) -> List:
    """The items of the lists within lists, to any depth, as one list."""
    flat: List = []
    pending = list_[::-1]
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending.extend(reversed(item))
        else:
            flat.append(item)
    return flat


@builtin(
    "sort(list: list, precedes: function)", example=("sort([3, 1, 2], function(x, y) x < y)", "[1, 2, 3]")
)
def sort(list_: List, precedes: values.Function) -> List:
    """The items so that none comes after one that it precedes; otherwise in the order that they had."""
    before = _predicate(precedes, "precedes")

    class Key:
        __slots__ = ("item",)

        def __init__(self, item: Any) -> None:
            self.item = item

        def __lt__(self, other: Key) -> bool:
            return before(self.item, other.item)

    return sorted(list_, key=Key)


# -- what they share ---------------------------------------------------------------------------------------------------


def _given(items: Sequence[Any]) -> List:
    if not items:
        raise FeelError("an argument is needed")
    return list(items)


def _numbers(items: List) -> list[Decimal]:
    for item in items:
        if not isinstance(item, Decimal):
            raise FeelError(f"the list holds a {values.kind_of(item)}, not only numbers")
    return items


def _sum(numbers: list[Decimal]) -> Decimal | None:
    return finite(reduce(runtime.ADD, numbers)) if numbers else None


def _product(numbers: list[Decimal]) -> Decimal | None:
    return finite(reduce(runtime.MULTIPLY, numbers)) if numbers else None


def _mean(numbers: list[Decimal]) -> Decimal | None:
    total = _sum(numbers)
    return None if total is None else finite(runtime.DIVIDE(total, len(numbers)))


def _median(numbers: list[Decimal]) -> Decimal | None:
    middle = sorted(numbers)[(len(numbers) - 1) // 2 : len(numbers) // 2 + 1]
    return _mean(middle)


def _stddev(numbers: list[Decimal]) -> Decimal | None:
    center = _mean(numbers)
    if center is None or len(numbers) < 2:
        return None
    distances = [runtime.SUBTRACT(n, center) for n in numbers]
    squares = reduce(runtime.ADD, [runtime.MULTIPLY(d, d) for d in distances])
    return finite(runtime.CONTEXT.sqrt(runtime.DIVIDE(squares, len(numbers) - 1)))


def _mode(numbers: list[Decimal]) -> List:
    counts: dict[Decimal, int] = {}
    for n in numbers:
        counts[n] = counts.get(n, 0) + 1
    most = max(counts.values(), default=0)
    return sorted(n for n, times in counts.items() if times == most)


def _decide(items: List, decisive: bool) -> bool | None:
    for item in items:
        if item is not None and not isinstance(item, bool):
            raise FeelError(f"the list holds a {values.kind_of(item)}, not only booleans")
    if decisive in items:
        return decisive
    return None if None in items else not decisive


def _extreme(items: List, sign: int) -> Any:
    if not items:
        return None
    found = items[0]
    for item in items:
        order = values.order(item, found)
        if order is None:
            raise FeelError(f"a {values.kind_of(item)} and a {values.kind_of(found)} have no order")
        if order == sign:
            found = item
    return found


def _same(a: Any, b: Any) -> bool:
    return values.equal(a, b) is True


def _distinct(items: Iterable[Any]) -> List:
    plain: set[Any] = set()
    others: List = []
    found: List = []
    for item in items:
        if isinstance(item, _PLAIN):
            # Python holds true for 1, FEEL does not.
            key = (type(item), item)
            new = key not in plain
            plain.add(key)
        else:
            new = not any(_same(item, other) for other in others)
            if new:
                others.append(item)
        if new:
            found.append(item)
    return found


def _index(items: List, position: Decimal) -> int:
    at = integer(position, "position")
    if at == 0 or abs(at) > len(items):
        raise FeelError(f"position {position} is not in a list of {len(items)}")
    return at - 1 if at > 0 else len(items) + at


def _predicate(function: values.Function, name: str) -> Callable[[Any, Any], bool]:
    if len(function.parameters) != 2:
        raise FeelError(f"{name} must take two arguments, not {len(function.parameters)}")

    def holds(a: Any, b: Any) -> bool:
        answer = applied(function, a, b)
        if not isinstance(answer, bool):
            raise FeelError(f"{name} gave a {values.kind_of(answer)}, not a boolean")
        return answer

    return holds
