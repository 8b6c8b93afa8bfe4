"""Comparisons see what they are there to see, and say it."""

import math

import pytest
import torch

from conformance import judging
from conformance.judging import Violation

ONE = {"a": torch.ones(3), "b": torch.zeros(2, 2)}


def altered(**changes: torch.Tensor) -> dict[str, torch.Tensor]:
    return {**{name: tensor.clone() for name, tensor in ONE.items()}, **changes}


def test_identical_holds_and_counts() -> None:
    judging.collect_evidence()
    judging.identical("x", altered(), ONE)
    assert judging.collect_evidence() == {"compared": 2, "different": 0}


@pytest.mark.parametrize(
    "other",
    [
        altered(a=torch.nextafter(torch.ones(3), torch.full((3,), 2.0))),
        altered(a=torch.ones(3, dtype=torch.float64)),
        altered(a=torch.ones(1, 3)),
        altered(b=-torch.zeros(2, 2)),
        altered(c=torch.ones(1)),
        {"a": torch.ones(3)},
    ],
)
def test_identical_sees_the_least_difference(other: dict[str, torch.Tensor]) -> None:
    with pytest.raises(Violation, match="got:"):
        judging.identical("x", other, ONE)


def test_nan_is_the_same_nan() -> None:
    judging.identical("x", {"a": torch.tensor(math.nan)}, {"a": torch.tensor(math.nan)})


def test_nothing_to_compare_is_no_pass() -> None:
    with pytest.raises(Violation, match="nothing to compare"):
        judging.identical("x", {}, {})
    with pytest.raises(Violation, match="nothing to compare"):
        judging.changed("x", {}, {})


def test_changed_names_what_stayed() -> None:
    with pytest.raises(Violation, match="1: b"):
        judging.changed("x", ONE, altered(a=torch.zeros(3)))


def test_close_notes_the_largest_distance() -> None:
    judging.collect_evidence()
    judging.close("x", 2.0, 2.0, 0.1)
    judging.close("x", 2.1, 2.0, 0.1)
    judging.close("x", 2.0, 2.0, 0.1)
    assert judging.collect_evidence()["distance"] == pytest.approx(0.05)
    with pytest.raises(Violation):
        judging.close("x", float("nan"), 2.0, 0.1)


def test_close_tensors_takes_masks_too() -> None:
    mask = {"mask": torch.tensor([True, False, True])}
    judging.close_tensors("x", mask, mask, 0.0)
    with pytest.raises(judging.Violation, match="distance 1 in mask"):
        judging.close_tensors("x", {"mask": torch.zeros(3, dtype=torch.bool)}, mask, 0.1)


def test_close_tensors_measures_copies_of_modules_by_themselves() -> None:
    """A trained copy of a head is larger by far than the adapter, which must not hide behind it."""
    expected = {"head.modules_to_save.default.weight": torch.full((9,), 1e3), "lora_B": ONE["a"]}
    judging.close_tensors("x", {**expected, "lora_B": ONE["a"] + 1e-7}, expected, 1e-6)
    with pytest.raises(Violation, match=r"distance .* in lora_B"):
        judging.close_tensors("x", {**expected, "lora_B": ONE["a"] * 1.001}, expected, 1e-4)


def test_close_tensors_of_nothing_is_no_comparison() -> None:
    """Where there is nothing to compare, nothing was shown."""
    with pytest.raises(Violation, match="nothing"):
        judging.close_tensors("x", {}, {}, 1.0)


def test_close_tensors_measures_against_all_together() -> None:
    noise = altered(b=torch.full((2, 2), 1e-9))
    judging.close_tensors("x", noise, ONE, 1e-6)
    with pytest.raises(Violation, match="distance"):
        judging.close_tensors("x", altered(a=torch.full((3,), 1.001)), ONE, 1e-4)


def test_same_names_the_place() -> None:
    with pytest.raises(Violation, match=r"x at a\[1\]\.b"):
        judging.same("x", {"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]})


def test_refused_wants_the_kind_and_the_words() -> None:
    def raising() -> None:
        raise KeyError("no such thing")

    judging.refused("x", raising, error=KeyError, says="NO SUCH")
    for expected in ({"error": ValueError, "says": ""}, {"error": KeyError, "says": "other"}):
        with pytest.raises(Violation):
            judging.refused("x", raising, **expected)
    with pytest.raises(Violation, match="no error"):
        judging.refused("x", lambda: None, error=KeyError, says="")
