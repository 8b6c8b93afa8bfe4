"""The commands that are more than a call and a print, one a module, with an ``add_to`` each.

What several share: `arguments` (options), `printing`. `reporting` is behind ``report`` and
``compare``, `proving` behind ``faults``, `interrupted` is what a run that is broken off says.
"""
