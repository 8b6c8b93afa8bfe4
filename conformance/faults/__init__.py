"""Deliberate defects: each clause proves that it can fail.

A fault is planted into the libraries of a process that judges nothing else, and has to turn its
clause red. Faults are patched in at the deepest seam that makes them look like a real regression.
"""

from .registry import Fault, fault, faults

__all__ = ["Fault", "fault", "faults"]
