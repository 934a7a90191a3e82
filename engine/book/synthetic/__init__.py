"""A believable book of a branch network that never was: see `sancha.engine.book.synthesize`.

Everything is drawn as whole numbers from a bit stream (days, fen, codes of names), so that one seed gives
the same bytes on every machine, and no binary float comes near money.
"""
