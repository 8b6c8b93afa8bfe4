"""Trainings in two or more processes: a warm parent forks the ranks of each scenario."""

from .pool import Pool, RanksHung, RanksLost

__all__ = ["Pool", "RanksHung", "RanksLost"]
