"""A believable book of a branch network that never was: see `sancha.engine.book.synthesize`.

Everything is drawn as whole numbers from a bit stream (days, fen, codes of names): one seed gives the
same values on every machine, the same bytes with the same version of pyarrow, and no binary float comes near money.
"""
