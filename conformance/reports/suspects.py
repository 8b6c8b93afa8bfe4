"""Which packages may have broken a clause."""

from conformance.baselines import BaselineChanges


def suspects(clause: str, changes: BaselineChanges | None) -> str:
    """The packages that moved since the clause held, as far as the baseline tells."""
    if changes is None:
        return ""
    if clause in changes.regressed:
        moved = ", ".join(changes.suspects)
        return moved or "no package moved since the baseline: the machine, or this suite"
    before = {each.id: each.verdict for each in changes.baseline.clauses}.get(clause)
    return f"none new: {before} in the baseline as well" if before and before.broken else ""
