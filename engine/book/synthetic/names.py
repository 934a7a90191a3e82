"""Names of people and firms, and valid unified social credit codes. All are made up."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from sancha.engine.book.synthetic.columns import fixed_width, joined
from sancha.engine.book.synthetic.draw import Ints, Stream

#: GB 32100-2015: the signs of a unified social credit code, by value.
USCC_SIGNS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
#: GB 11714-1997: the signs of an organisation code, by value, and the weights of its first eight.
_ORG_SIGNS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ORG_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
# 3399xx is no division of GB/T 2260: no code made here belongs to a real firm.
_DIVISIONS = (339901, 339902, 339903, 339904, 339905, 339906)

CITIES = pa.array(["临江", "海州", "云堰", "青屿", "桐岭", "南汐"])

_SURNAMES = pa.array(list("陈林黄张李王吴叶郑徐周金胡朱潘杨蔡夏刘项谢何孙缪戴方邵郭余章孔应卢诸葛柳尤汤倪翁"))
_GIVEN = pa.array(
    list("建国志强伟明海燕秀珍丽华小平永康国荣文斌晓东春生少峰雪梅庆丰德胜美芳立新光耀一鸣思远佳怡浩宇子涵欣")
)
_TRADE = pa.array(list("金鑫瑞恒泰盛隆昌兴达源通华联宏远博凯正德嘉禾新力东升永固荣顺诚信利佳美锦"))
_TRADE_TWO = pa.array(list("益和润业丰凯达茂晟岳翔辉腾骏捷邦维尚泽霖川杰铭宇航驰峰锐卓越康乐安宁平祥"))


def people(stream: Stream, size: int, variety: Ints | None = None) -> pa.Array:
    """Names of people. Where `variety` is given, different values within a file give different surnames."""
    surname = stream.below(len(_SURNAMES), size)
    return people_of(surname if variety is None else surname + variety, stream.hashes(size))


def people_of(surname: Ints, word: Ints) -> pa.Array:
    """The name of each pair of numbers: the surname by the first, the given name by the second."""
    first = _GIVEN.take(pa.array(word % len(_GIVEN)))
    second = _GIVEN.take(pa.array(word // 64 % len(_GIVEN)))
    single = word // 8192 % 10 < 2
    surnames = _SURNAMES.take(pa.array(surname % len(_SURNAMES)))
    empty = pa.array([""], pa.string()).take(pa.array(np.zeros(len(word), dtype=np.int64)))
    mask = pa.array(single)
    return joined(surnames, first, pa.compute.if_else(mask, empty, second))


def firms(word: Ints, trade: pa.Array, ending: str, place: Ints | None = None) -> pa.Array:
    """Names of firms: place, trade name by the number, line of trade, ending (`有限公司`)."""
    city = CITIES.take(pa.array((word // 5 if place is None else place) % len(CITIES)))
    first = _TRADE.take(pa.array(word % len(_TRADE)))
    second = _TRADE_TWO.take(pa.array(word // 37 % len(_TRADE_TWO)))
    return joined(city, first, second, trade, ending)


def credit_codes(kind: Ints, division: Ints, serial: Ints) -> pa.Array:
    """Unified social credit codes with valid check signs, for kinds 1 company, 2 sole trader, 3 other.

    The serial number, below 31 ** 6, makes the organisation code: two numbers never share a code.
    """
    size = len(serial)
    values = np.zeros((size, 18), dtype=np.int64)
    values[:, 0] = 9
    values[:, 1] = kind
    area = np.array(_DIVISIONS)[division % len(_DIVISIONS)]
    for place in range(7, 1, -1):
        values[:, place] = area % 10
        area = area // 10
    values[:, 8] = USCC_SIGNS.index("M")
    values[:, 9] = USCC_SIGNS.index("A")
    rest = serial.copy()
    for place in range(15, 9, -1):
        values[:, place] = rest % 31
        rest //= 31
    signs = np.frombuffer(USCC_SIGNS.encode(), dtype=np.uint8)
    org_value = np.array([_ORG_SIGNS.index(s) for s in USCC_SIGNS])
    org_check = (11 - (org_value[values[:, 8:16]] * np.array(_ORG_WEIGHTS)).sum(axis=1) % 11) % 11
    values[:, 16] = np.where(org_check == 10, USCC_SIGNS.index("X"), org_check)
    weights = np.array([pow(3, i, 31) for i in range(17)])
    values[:, 17] = (31 - (values[:, :17] * weights).sum(axis=1) % 31) % 31
    return fixed_width(signs[values])


def credit_code_check(code: str) -> str:
    """The eighteenth sign of a unified social credit code, from its first seventeen."""
    total = sum(USCC_SIGNS.index(sign) * pow(3, i, 31) for i, sign in enumerate(code[:17]))
    return USCC_SIGNS[(31 - total % 31) % 31]
