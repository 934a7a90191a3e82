"""Lines of business: GB/T 4754-2017 classes, how often they borrow, and what their firms are called."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from sancha.engine.book.synthetic.draw import Ints, Mask


class Industry(NamedTuple):
    """A class of industry.

    The weights say how often a firm or a person of it borrows; `kwh` is the electricity for each 10,000 yuan
    of revenue, `scale` the part of the size standard it falls under.
    """

    section: str
    code: str
    trade: str
    firm: int
    person: int
    kwh: int
    scale: str = "industry"
    restriction: str = "normal"


INDUSTRIES = (
    Industry("A", "0141", "果蔬种植", 6, 22, 60, "agriculture"),
    Industry("A", "0412", "水产养殖", 3, 14, 90, "agriculture"),
    Industry("B", "1019", "石料", 3, 0, 320, "industry", "hq_only"),
    Industry("C", "1353", "食品", 14, 5, 210),
    Industry("C", "1711", "纺织", 26, 4, 420),
    Industry("C", "1811", "服饰", 38, 12, 120),
    Industry("C", "1952", "鞋业", 44, 16, 150),
    Industry("C", "2110", "家具", 20, 8, 170),
    Industry("C", "2231", "纸品", 16, 3, 300),
    Industry("C", "2319", "印务", 18, 6, 230),
    Industry("C", "2927", "塑料制品", 30, 8, 380),
    Industry("C", "3011", "水泥制品", 3, 0, 700, "industry", "hq_only"),
    Industry("C", "3311", "金属结构", 20, 4, 260),
    Industry("C", "3360", "表面处理", 8, 1, 620, "industry", "capped"),
    Industry("C", "3443", "阀门", 34, 3, 240),
    Industry("C", "3484", "机械配件", 32, 6, 260),
    Industry("C", "3525", "模具", 22, 5, 280),
    Industry("C", "3670", "汽车零部件", 30, 2, 270),
    Industry("C", "3831", "电缆", 10, 0, 250),
    Industry("C", "3872", "照明电器", 16, 3, 160),
    Industry("D", "4430", "供热服务", 2, 0, 800),
    Industry("E", "4710", "建筑工程", 12, 0, 40, "construction", "capped"),
    Industry("E", "5011", "装饰工程", 16, 8, 25, "construction", "capped"),
    Industry("F", "5121", "粮油贸易", 10, 16, 15, "wholesale"),
    Industry("F", "5127", "酒类贸易", 12, 14, 12, "wholesale"),
    Industry("F", "5132", "服装贸易", 22, 26, 10, "wholesale"),
    Industry("F", "5164", "钢材贸易", 16, 6, 8, "wholesale"),
    Industry("F", "5165", "建材贸易", 26, 24, 12, "wholesale"),
    Industry("F", "5174", "五金贸易", 24, 22, 10, "wholesale"),
    Industry("F", "5175", "电气贸易", 18, 8, 10, "wholesale"),
    Industry("F", "5212", "超市", 6, 34, 70, "retail"),
    Industry("F", "5232", "服装店", 3, 36, 45, "retail"),
    Industry("F", "5251", "药房", 4, 10, 40, "retail"),
    Industry("F", "5292", "电子商务", 14, 16, 20, "retail"),
    Industry("G", "5431", "物流运输", 22, 22, 15, "transport"),
    Industry("G", "5990", "仓储", 5, 1, 60, "warehousing"),
    Industry("H", "6110", "酒店", 8, 6, 260, "hospitality"),
    Industry("H", "6210", "餐饮", 8, 40, 220, "hospitality"),
    Industry("I", "6513", "软件", 10, 1, 40, "software"),
    Industry("K", "7020", "物业服务", 5, 0, 90, "property"),
    Industry("L", "7111", "汽车租赁", 4, 3, 15, "leasing"),
    Industry("L", "7259", "广告传媒", 8, 4, 25, "leasing"),
    Industry("M", "7481", "工程技术", 5, 0, 30, "other"),
    Industry("N", "7820", "环卫服务", 3, 0, 45, "other"),
    Industry("O", "8111", "汽车维修", 4, 18, 90, "other"),
    Industry("P", "8391", "教育咨询", 3, 3, 50, "other"),
    Industry("R", "9011", "文化娱乐", 2, 4, 160, "other"),
)
TRADES = pa.array([i.trade for i in INDUSTRIES])
KWH: Ints = np.array([i.kwh for i in INDUSTRIES])
MANUFACTURING = np.array([i.section == "C" for i in INDUSTRIES])

# Lower bounds of the size standard (S23) for large, medium and small: staff, revenue and assets, money in
# units of 10,000 yuan. A size is held only if all its bounds are met; who holds none is micro.
_SIZES = {
    "agriculture": ((0, 20_000, 0), (0, 500, 0), (0, 50, 0)),
    "industry": ((1000, 40_000, 0), (300, 2_000, 0), (20, 300, 0)),
    "construction": ((0, 80_000, 80_000), (0, 6_000, 5_000), (0, 300, 300)),
    "wholesale": ((200, 40_000, 0), (20, 5_000, 0), (5, 1_000, 0)),
    "retail": ((300, 20_000, 0), (50, 500, 0), (10, 100, 0)),
    "transport": ((1000, 30_000, 0), (300, 3_000, 0), (20, 200, 0)),
    "warehousing": ((200, 30_000, 0), (100, 1_000, 0), (20, 100, 0)),
    "hospitality": ((300, 10_000, 0), (100, 2_000, 0), (10, 100, 0)),
    "software": ((300, 10_000, 0), (100, 1_000, 0), (10, 50, 0)),
    "property": ((1000, 5_000, 0), (300, 1_000, 0), (100, 500, 0)),
    "leasing": ((300, 0, 120_000), (100, 0, 8_000), (10, 0, 100)),
    "other": ((300, 0, 0), (100, 0, 0), (10, 0, 0)),
}
_BOUNDS = np.array([_SIZES[i.scale] for i in INDUSTRIES])


def size_class(industry: Ints, staff: Ints, revenue: Ints, assets: Ints) -> Ints:
    """0 large, 1 medium, 2 small, 3 micro, by the cascade of lower bounds; money in yuan."""
    figures = np.stack([staff * 10_000, revenue, assets], axis=1)
    met: Mask = figures[:, None, :] >= _BOUNDS[industry] * 10_000
    held: Mask = np.all(met, axis=2)
    return np.where(np.any(held, axis=1), np.argmax(held, axis=1), 3)
