"""Negative controls at work: planting each fault, and telling which clauses turned red.

`warm` and `cold` are two ways to judge a planted fault, `pool` hands the work out, `outcome` says
what came of it, `matrix` reads all outcomes together, `store` keeps them between runs.
"""
