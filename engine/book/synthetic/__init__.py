"""A believable book of a branch network that never was: see `sancha.engine.book.synthesize`.

Everything is drawn as whole numbers from a bit stream (days, fen, codes of names). So one seed gives the same
values on every machine, and with the same version of pyarrow the same bytes; no binary float is near money.
"""
