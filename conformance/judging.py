"""How clauses judge: comparisons that say what was got, what was expected, and how far apart.

Every comparison notes its measured distance as evidence, whether it holds or not; the plugin
puts the evidence into the case's record.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import torch

from conformance.compat import Unavailable
from conformance.redacting import redacted

Number = float | int | str | bool
Tensors = Mapping[str, torch.Tensor]
One = TypeVar("One")
Other = TypeVar("Other")

COPIES = ".modules_to_save."  # in the names of trained copies of whole modules

_SHOWN = 3
_evidence: dict[str, Number] = {}
_samples: dict[str, Sequence[float]] = {}


class Violation(AssertionError):
    """A clause does not hold; the message states what, got and expected."""

    def __init__(self, what: str, got: object, expected: object) -> None:
        super().__init__(f"{what}\n  got:      {got}\n  expected: {expected}")
        self.what = what
        self.got = got
        self.expected = expected


def note(**evidence: Number) -> None:
    """Keep numbers and short strings as evidence of the current case."""
    _evidence.update(evidence)


def note_most(name: str, value: float) -> None:
    """Keep the largest value noted under ``name`` in the current case."""
    _evidence[name] = max(value, float(_evidence.get(name, value)))


def note_count(name: str) -> None:
    """Count one more ``name`` in the current case."""
    _evidence[name] = int(_evidence.get(name, 0)) + 1


def note_samples(samples: Mapping[str, Sequence[float]]) -> None:
    """Keep what the current case's figures are made of."""
    _samples.update(samples)


def collect_samples() -> dict[str, list[float]]:
    """The samples noted since the last call."""
    collected = {name: list(values) for name, values in _samples.items()}
    _samples.clear()
    return collected


def collect_evidence() -> dict[str, Number]:
    """The evidence noted since the last call."""
    collected = dict(_evidence)
    _evidence.clear()
    return collected


# ---- exact comparisons ----------------------------------------------------------------------


def require(holds: bool, what: str, got: object, expected: object) -> None:
    """Raise `Violation` unless ``holds``."""
    if not holds:
        raise Violation(what, got, expected)


def equal(what: str, got: object, expected: object) -> None:
    """Require plain equality."""
    require(bool(got == expected), what, got, expected)


def empty(what: str, found: Collection[object]) -> None:
    """Require that nothing was found; shows the first few of what was."""
    require(not found, what, f"{len(found)}: {_first(map(str, found))}", "none")


def identical(what: str, got: Tensors, expected: Tensors) -> None:
    """Require the same names and, under each, the same dtype, shape and bits.

    Notes ``compared`` (the number of tensors) and, when some differ, the largest difference.
    Raises `Violation` when there is nothing to compare: silence is not a pass.
    """
    require(bool(expected), f"{what}: nothing to compare", sorted(got), "at least one tensor")
    same_names(what, got, expected)
    different = [name for name, tensor in expected.items() if not same_bits(got[name], tensor)]
    note(compared=len(expected), different=len(different))
    if different:
        worst = max(different, key=lambda name: distance(got[name], expected[name]))
        measured = distance(got[worst], expected[worst])
        note(largest_difference=measured)
        raise Violation(
            what,
            f"{len(different)} of {len(expected)} tensors differ: {_first(different)}; "
            f"by up to {measured:.6g} in {worst} "
            f"({describe(got[worst])} against {describe(expected[worst])})",
            "bit-identical tensors",
        )


def same_names(what: str, got: Iterable[str], expected: Iterable[str]) -> None:
    """Require the same set of names; shows what is missing and what is too much."""
    missing, extra = sorted(set(expected) - set(got)), sorted(set(got) - set(expected))
    require(
        not missing and not extra,
        f"{what}: the names differ",
        f"{len(missing)} missing ({_first(missing)}), {len(extra)} too many ({_first(extra)})",
        f"exactly {len(set(expected))} names",
    )


def changed(what: str, before: Tensors, after: Tensors) -> None:
    """Require that every tensor of ``before`` has other bits in ``after``."""
    require(bool(before), f"{what}: nothing to compare", "no tensors", "at least one")
    still = [name for name, tensor in before.items() if same_bits(tensor, after[name])]
    note(moved=len(before) - len(still))
    empty(f"{what}: tensors that did not change", still)


def same_bits(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether dtype, shape and every bit agree (NaN equals the same NaN, 0.0 is not -0.0)."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return torch.equal(_bits(one), _bits(other))


def same(what: str, got: object, expected: object, path: str = "") -> None:
    """Require two nested structures (mappings, sequences, tensors, plain values) to be the same."""
    where = f"{what}{' at ' + path if path else ''}"
    if isinstance(expected, Mapping) and isinstance(got, Mapping):
        same_names(where, map(str, got), map(str, expected))
        for key, value in expected.items():
            same(what, got[key], value, f"{path}.{key}" if path else str(key))
    elif isinstance(expected, (list, tuple)) and isinstance(got, (list, tuple)):
        equal(f"{where}: length", len(got), len(expected))
        for index, value in enumerate(expected):
            same(what, got[index], value, f"{path}[{index}]")
    elif isinstance(expected, torch.Tensor) and isinstance(got, torch.Tensor):
        identical(where, {"value": got}, {"value": expected})
    else:
        require(got == expected or _both_nan(got, expected), where, got, expected)


def paired(what: str, got: Sequence[One], expected: Sequence[Other]) -> list[tuple[One, Other]]:
    """Both sequences side by side; requires them to be of the same length."""
    equal(f"{what}: how many", len(got), len(expected))
    return list(zip(got, expected, strict=True))


# ---- with a tolerance -----------------------------------------------------------------------


def close(what: str, got: float, expected: float, tolerance: float, name: str = "distance") -> None:
    """Require ``|got - expected| <= tolerance * max(1, |expected|)``; notes the distance."""
    measured = abs(got - expected) / max(1.0, abs(expected))
    note_most(name, measured)
    require(
        measured <= tolerance,
        what,
        f"{got!r} (distance {measured:.3g})",
        f"{expected!r} within {tolerance:.1g}",
    )


def close_tensors(what: str, got: Tensors, expected: Tensors, tolerance: float) -> None:
    """Require each tensor to lie within ``tolerance`` of the expected ones, in relation to them.

    The measure is the norm of the difference over the norm of all expected tensors together, so
    that a tensor that is zero but for rounding cannot raise an alarm. Copies of whole modules are
    measured by themselves: they, and their gradients, are larger by far than an adapter. Notes
    ``distance``.
    """
    same_names(what, got, expected)
    require(bool(expected), what, "nothing", "tensors to compare")
    for copies in (False, True):
        alike = {name: t for name, t in expected.items() if (COPIES in name) is copies}
        if alike:
            _close_together(what, got, alike, tolerance)


def _close_together(what: str, got: Tensors, expected: Tensors, tolerance: float) -> None:
    scale = norm(expected)
    apart = {
        name: _norm(got[name].cpu().double() - tensor.cpu().double()) / max(scale, 1e-12)
        for name, tensor in expected.items()
    }
    worst = max(apart, key=lambda name: apart[name])
    note_most("distance", apart[worst])
    require(
        apart[worst] <= tolerance,
        what,
        f"distance {apart[worst]:.3g} in {worst}",
        f"at most {tolerance:.1g} of the norm {scale:.4g}",
    )


def norm(tensors: Tensors) -> float:
    """The Euclidean norm of all tensors together, in double precision."""
    return float(sum(_norm(tensor) ** 2 for tensor in tensors.values()) ** 0.5)


def distance(one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest absolute difference; infinite when dtype or shape differ."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return float("inf")
    if not one.numel():
        return 0.0
    return float((one.cpu().double() - other.cpu().double()).abs().max())


# ---- refusals -------------------------------------------------------------------------------


def refused(what: str, call: Callable[[], Any], *, error: type[BaseException], says: str) -> None:
    """Require that ``call`` raises ``error`` with ``says`` in its message (any letter case).

    Notes the error's type and first line. A quiet success is a `Violation`; `Unavailable` passes.
    """
    try:
        result = call()
    except error as raised:
        first_line = (str(raised).splitlines() or [""])[0]
        note(error=type(raised).__name__, message=redacted(first_line)[:200])
        require(
            says.lower() in str(raised).lower(),
            f"{what}: the message",
            f"{type(raised).__name__}: {first_line}",
            f"a message with {says!r}",
        )
        return
    except Unavailable:
        raise
    except Exception as raised:
        raise Violation(what, f"{type(raised).__name__}: {raised}", error.__name__) from raised
    raise Violation(what, f"no error (returned {type(result).__name__})", error.__name__)


# ---- helpers --------------------------------------------------------------------------------


def describe(tensor: torch.Tensor) -> str:
    """Dtype and shape, for messages."""
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def _both_nan(one: object, other: object) -> bool:
    return all(isinstance(value, float) and math.isnan(value) for value in (one, other))


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)


def _norm(tensor: torch.Tensor) -> float:
    return float(tensor.detach().double().norm())


def _first(names: Iterable[str]) -> str:
    names = list(names)
    more = f", … {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
