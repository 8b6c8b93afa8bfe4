"""What a run did to trainings on purpose, in a sentence."""

from conformance.records import Record

from .groups import clean


def tried(record: Record) -> str:
    """What was done to trainings on purpose, and how often each of it got what."""
    told = (
        f"{what} {sum(got.values())} ({', '.join(f'{name} {n}' for name, n in got.items())})"
        for what, got in record.tried.items()
    )
    return clean("; ".join(told))
