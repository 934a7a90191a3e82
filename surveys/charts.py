"""Charts as inline SVG, one row each.

Colours come from the style sheet of the page; shapes carry plain ones of their own, so that a row also stands
outside the page. Every chart has a text alternative.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from markupsafe import Markup

WIDTH = 320
_POINTS = ("#b2553a", "#dfa58c", "#cfcfc8", "#7fb2b0", "#1d6f72")


def _svg(height: int, alternative: str, *shapes: str) -> Markup:
    return Markup(
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(alternative, quote=True)}">'
        f"{''.join(shapes)}</svg>"
    )


def diverging_extent(rows: Sequence[Sequence[float]]) -> tuple[float, float]:
    """How far bars reach to the left and right of the middle of the neutral answers, in shares."""
    known = [r for r in rows if not math.isnan(r[0])]
    left = max((r[0] + r[1] + r[2] / 2 for r in known), default=0.5)
    right = max((r[2] / 2 + r[3] + r[4] for r in known), default=0.5)
    return math.ceil(left * 10) / 10, math.ceil(right * 10) / 10


def diverging_bar(shares: Sequence[float], extent: tuple[float, float], alternative: str) -> Markup:
    """A stacked bar of the five points, centred on the middle of the neutral ones."""
    left, right = extent
    unit = WIDTH / (left + right)
    middle = left * unit
    shapes = []
    if not math.isnan(shares[0]):
        x = middle - (shares[0] + shares[1] + shares[2] / 2) * unit
        for point, (share, colour) in enumerate(zip(shares, _POINTS, strict=True), start=1):
            width = share * unit
            shapes.append(
                f'<rect class="point-{point}" x="{x:.1f}" y="3" width="{width:.1f}" height="14"'
                f' fill="{colour}"/>'
            )
            if width >= 24:
                shapes.append(
                    f'<text class="on-{point}" x="{x + width / 2:.1f}" y="13.5" font-size="9.5"'
                    f' text-anchor="middle">{share * 100:.0f}</text>'
                )
            x += width
    line = f'<line class="axis" x1="{middle:.1f}" x2="{middle:.1f}" y1="0" y2="20" stroke="#888"/>'
    return _svg(20, alternative, line, *shapes)


def dumbbell(opinion: float, low: float, high: float, practice: float, band: str, alternative: str) -> Markup:
    """Opinion (hollow, with its interval) and practice (filled) on one scale of 0 to 100 %."""
    x0, span = 8, WIDTH - 16

    def at(share: float) -> float:
        return x0 + share * span

    shapes = [
        f'<line class="grid" x1="{at(t):.1f}" x2="{at(t):.1f}" y1="2" y2="20" stroke="#ddd"/>'
        for t in (0, 0.25, 0.5, 0.75, 1)
    ]
    if not math.isnan(opinion):
        shapes.append(
            f'<line class="interval" x1="{at(low):.1f}" x2="{at(high):.1f}" y1="11" y2="11" stroke="#999"'
            ' stroke-width="1.5"/>'
        )
        if not math.isnan(practice):
            shapes.append(
                f'<line class="gap {band}" x1="{at(opinion):.1f}" x2="{at(practice):.1f}" y1="11" y2="11"'
                ' stroke="#666" stroke-width="4"/>'
            )
        shapes.append(
            f'<circle class="opinion {band}" cx="{at(opinion):.1f}" cy="11" r="5" fill="#fff" stroke="#444"'
            ' stroke-width="2"/>'
        )
    if not math.isnan(practice):
        shapes.append(f'<circle class="practice {band}" cx="{at(practice):.1f}" cy="11" r="5" fill="#444"/>')
    return _svg(22, alternative, *shapes)


def share_bar(share: float, low: float, high: float, most: float, alternative: str) -> Markup:
    """A bar from 0 to `share` with its interval, on a scale that ends at `most`."""
    unit = WIDTH / most if most else 0.0
    if math.isnan(share):
        return _svg(18, alternative)
    return _svg(
        18,
        alternative,
        f'<rect class="share" x="0" y="3" width="{share * unit:.1f}" height="12" fill="#7fb2b0"/>',
        f'<path class="interval" d="M{low * unit:.1f} 9H{high * unit:.1f}'
        f'M{low * unit:.1f} 6v6M{high * unit:.1f} 6v6"'
        ' stroke="#444" stroke-width="1.5" fill="none"/>',
    )
