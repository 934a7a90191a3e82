"""Layout of a decision requirements diagram: layers by dependency, few crossings, lines that pass between the shapes.

The method is Sugiyama's: each shape stands above all that it requires, a line that spans several layers passes through
a gap kept free in each of them, and each layer is put in the order that its neighbours suggest. The top of the diagram
holds what nothing else requires, as the standard draws it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

#: The free space between two shapes of a layer and between two layers, in the units of the diagram.
GAP = 40
LAYER_GAP = 120
#: The space kept free for a line that passes through a layer.
_LANE = 16
_ROUNDS = 12


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle; `x` and `y` are its top left corner."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the shapes stand, and the points of each line from the required shape to the one that requires it."""

    shapes: Mapping[str, Box]
    lines: Mapping[tuple[str, str], tuple[tuple[float, float], ...]]

    @property
    def size(self) -> tuple[float, float]:
        right = [b.x + b.width for b in self.shapes.values()]
        right += [x for points in self.lines.values() for x, _ in points]
        return max(right, default=0.0) + GAP, max(
            (b.y + b.height for b in self.shapes.values()), default=0.0
        ) + GAP


def layout(sizes: Mapping[str, tuple[float, float]], edges: Sequence[tuple[str, str]]) -> Layout:
    """The layout of shapes of given width and height. An edge is (required, requiring); there are no circles.

    Parts that nothing connects stand side by side.
    """
    shapes: dict[str, Box] = {}
    lines: dict[tuple[str, str], tuple[tuple[float, float], ...]] = {}
    right = 0.0
    for part in _components(sizes, edges):
        found = _connected(
            {n: size for n, size in sizes.items() if n in part}, [e for e in edges if e[0] in part]
        )
        shapes |= {n: Box(b.x + right, b.y, b.width, b.height) for n, b in found.shapes.items()}
        lines |= {edge: tuple((x + right, y) for x, y in points) for edge, points in found.lines.items()}
        right += found.size[0]
    return Layout(shapes, lines)


def _components(sizes: Mapping[str, tuple[float, float]], edges: Sequence[tuple[str, str]]) -> list[set[str]]:
    """The connected parts, the largest first."""
    part = {n: {n} for n in sizes}
    for low, high in edges:
        if part[low] is not part[high]:
            joined = part[low] | part[high]
            for n in joined:
                part[n] = joined
    found = list({id(members): members for members in part.values()}.values())
    return sorted(found, key=lambda members: -len(members))


def _connected(sizes: Mapping[str, tuple[float, float]], edges: Sequence[tuple[str, str]]) -> Layout:
    layer = _layers(sizes, edges)
    rows: list[list[str]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for shape in sizes:
        rows[layer[shape]].append(shape)
    width = {shape: size[0] for shape, size in sizes.items()}
    chains: dict[tuple[str, str], list[str]] = {}
    for low, high in edges:
        lanes = [f"{low}\0{high}\0{level}" for level in range(layer[low] + 1, layer[high])]
        for level, lane in enumerate(lanes, layer[low] + 1):
            rows[level].append(lane)
            width[lane] = _LANE
        chains[low, high] = [low, *lanes, high]
    steps = [pair for chain in chains.values() for pair in pairwise(chain)]
    above: dict[str, list[str]] = {n: [] for n in width}
    below: dict[str, list[str]] = {n: [] for n in width}
    for low, high in steps:
        above[low].append(high)
        below[high].append(low)
    _order(rows, above, below)
    centre = _across(rows, width, above, below)
    return _placed(rows, sizes, centre, chains)


def _layers(sizes: Mapping[str, tuple[float, float]], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """0 for what requires nothing; what is required by one layer only moves up to just below it."""
    needs: dict[str, list[str]] = {n: [] for n in sizes}
    users: dict[str, list[str]] = {n: [] for n in sizes}
    for low, high in edges:
        needs[high].append(low)
        users[low].append(high)
    layer: dict[str, int] = {}

    def depth(shape: str) -> int:
        if shape not in layer:
            layer[shape] = max((depth(n) + 1 for n in needs[shape]), default=0)
        return layer[shape]

    for shape in sizes:
        depth(shape)
    for shape in sorted(sizes, key=lambda n: -layer[n]):
        if users[shape]:
            layer[shape] = min(layer[u] for u in users[shape]) - 1
    return layer


def _order(rows: list[list[str]], above: Mapping[str, list[str]], below: Mapping[str, list[str]]) -> None:
    """Orders each layer by the mean places of its neighbours, up and down; keeps the order of fewest crossings."""
    best, fewest = [list(row) for row in rows], _crossings(rows, above)
    for turn in range(_ROUNDS):
        upward = turn % 2 == 0
        neighbours = below if upward else above
        levels = range(1, len(rows)) if upward else range(len(rows) - 2, -1, -1)
        for level in levels:
            place = {n: i for i, n in enumerate(rows[level - 1 if upward else level + 1])}
            own = {n: i for i, n in enumerate(rows[level])}

            def mean(n: str, place: dict[str, int] = place, own: dict[str, int] = own) -> float:
                found = [place[m] for m in neighbours[n] if m in place]  # noqa: B023
                return sum(found) / len(found) if found else own[n]

            rows[level].sort(key=mean)
        if (count := _crossings(rows, above)) < fewest:
            best, fewest = [list(row) for row in rows], count
    rows[:] = best


def _crossings(rows: list[list[str]], above: Mapping[str, list[str]]) -> int:
    total = 0
    for low, high in pairwise(rows):
        place = {n: i for i, n in enumerate(high)}
        ends = [place[m] for n in low for m in sorted(above[n], key=lambda m: place[m])]
        total += sum(a > b for i, a in enumerate(ends) for b in ends[i + 1 :])
    return total


def _across(
    rows: list[list[str]],
    width: Mapping[str, float],
    above: Mapping[str, list[str]],
    below: Mapping[str, list[str]],
) -> dict[str, float]:
    """The centre of each shape: near those of its neighbours, in the order of its layer, with room between."""
    centre: dict[str, float] = {}
    for row in rows:
        x = 0.0
        for n in row:
            centre[n] = x + width[n] / 2
            x += width[n] + GAP
    for turn in range(_ROUNDS):
        for row in rows if turn % 2 else reversed(rows):
            wanted = []
            for n in row:
                found = [centre[m] for m in (*above[n], *below[n])]
                wanted.append(sum(found) / len(found) if found else centre[n])
            for n, x in zip(row, _apart(wanted, [width[n] for n in row]), strict=True):
                centre[n] = x
    left = min((centre[n] - width[n] / 2 for n in centre), default=0.0)
    return {n: x - left + GAP for n, x in centre.items()}


def _apart(wanted: list[float], widths: list[float]) -> list[float]:
    """The places nearest to those wanted (least squares) with a gap between neighbours, by pooling those that touch."""
    offsets, total = [], 0.0
    for i, w in enumerate(widths):
        total += (widths[i - 1] + w) / 2 + GAP if i else 0.0
        offsets.append(total)
    pools: list[tuple[float, int]] = []  # mean, members
    for target, offset in zip(wanted, offsets, strict=True):
        mean, count = target - offset, 1
        while pools and pools[-1][0] > mean:
            other, members = pools.pop()
            mean = (mean * count + other * members) / (count + members)
            count += members
        pools.append((mean, count))
    means = [mean for mean, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


def _placed(
    rows: list[list[str]],
    sizes: Mapping[str, tuple[float, float]],
    centre: Mapping[str, float],
    chains: Mapping[tuple[str, str], list[str]],
) -> Layout:
    shapes: dict[str, Box] = {}
    bands: dict[str, tuple[float, float]] = {}
    y = float(GAP)
    for row in reversed(rows):
        height = max((sizes[n][1] for n in row if n in sizes), default=0.0)
        for n in row:
            bands[n] = (y, y + height)
            if n in sizes:
                w, h = sizes[n]
                shapes[n] = Box(round(centre[n] - w / 2), round(y + (height - h) / 2), w, h)
        y += height + LAYER_GAP
    lines = {}
    for (low, high), chain in chains.items():
        a, b = shapes[low], shapes[high]
        points = [(a.x + a.width / 2, a.y)]
        if a.y > bands[low][0]:
            points.append((a.x + a.width / 2, bands[low][0]))
        for lane in chain[1:-1]:
            points += [(round(centre[lane]), bands[lane][1]), (round(centre[lane]), bands[lane][0])]
        if b.y + b.height < bands[high][1]:
            points.append((b.x + b.width / 2, bands[high][1]))
        lines[low, high] = (*points, (b.x + b.width / 2, b.y + b.height))
    return Layout(shapes, lines)
