"""Every method of quantizing that Transformers lists is judged, or named with a reason."""

from conformance import compat
from conformance.scenarios.quantizations import NOT_COVERED, QUANTIZATIONS, UNKNOWN, uncovered


def test_every_method_of_the_installed_transformers_is_accounted_for() -> None:
    listed = compat.quantizers()
    assert listed
    unknown = [name for name, reason in uncovered(listed).items() if reason == UNKNOWN]
    assert unknown == []


def test_none_is_both_judged_and_not() -> None:
    used = {each.config for each in QUANTIZATIONS.values()}
    listed = compat.quantizers()
    assert not [name for name in NOT_COVERED if listed.get(name) in used]


def test_one_that_a_later_release_brings_is_named() -> None:
    found = uncovered({"quanto": "QuantoConfig", "brand-new": "BrandNewConfig"})
    assert found == {**NOT_COVERED, "brand-new": UNKNOWN}
