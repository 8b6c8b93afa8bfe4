"""What a bisection starts from: the releases to walk, and the companions to hold beside them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from conformance.options import UsageError
from conformance.records import SUPPORTED as SUPPORTED_VERSIONS
from conformance.records.stack import version as installed_version

from .matrixfile import SUPPORTED, pinned, read
from .releases import releases
from .stack import COMPANIONS

HELD = (*COMPANIONS, "bitsandbytes")


@dataclass(frozen=True, slots=True)
class Range:
    """The releases of a package to look among; ends that are `None` are to be found."""

    package: str
    good: str | None = None
    bad: str | None = None
    pre: bool = False

    def ends(self, line: Sequence[str]) -> tuple[str | None, str | None]:
        """The two ends as the line spells them."""
        return _spelled(self.good, line), _spelled(self.bad, line)

    def installed(self, line: Sequence[str]) -> str | None:
        """The installed release, if the line has it."""
        found = installed_version(self.package)
        return found if found in line else None


@cache
def line_of(span: Range, ask: Callable[..., tuple[Version, ...]] = releases) -> tuple[str, ...]:
    """The releases of a range, from the end that conforms to the one that does not.

    That is oldest first, but for a range whose good end is the newer one. Without ends it is every
    release that this project supports. Raises `UsageError` for an end that no index offers here.
    """
    pre = span.pre or any(Version(end).is_prerelease for end in _given(span))
    offered = ask(span.package, pre=pre)
    good, bad = (_offered(span.package, end, offered) for end in (span.good, span.bad))
    supported = SpecifierSet(SUPPORTED_VERSIONS.get(span.package, ""))
    if good and bad and good == bad:
        raise UsageError(f"{span.package} {good} is given as both ends")
    low, high = (bad, good) if good and bad and good > bad else (good, bad)
    line = [
        str(each)
        for each in offered
        if (low is None or each >= low)
        and (high is None or each <= high)
        and (each in (low, high) or supported.contains(each, prereleases=True))
    ]
    if not line:
        raise UsageError(f"no index offers a release of {span.package} that is supported")
    return tuple(reversed(line) if good and bad and good > bad else line)


def held(package: str, given: Sequence[str]) -> dict[str, str]:
    """The companions to hold: what is installed, but for what is given as ``name==version``."""
    found = {name: installed_version(name) for name in HELD}
    found |= dict(map(_exact, given))
    if canonicalize_name(package) in dict(map(_exact, given)):
        raise UsageError(f"{package} is what is bisected, it cannot be held")
    found.pop(canonicalize_name(package), None)
    return {name: Version(version).public for name, version in found.items() if version}


def fitting(package: str, release: str) -> dict[str, str]:
    """The companions of a release's time: those of the supported stack nearest below it."""
    best: dict[str, str] = {}
    for row in read(SUPPORTED):
        own = pinned(row, package)
        if own is None or (best and own > Version(release)):
            continue
        pins = {name: pinned(row, name) for name in HELD if name != package}
        best = {name: str(version) for name, version in pins.items() if version}
    return best


def _given(span: Range) -> list[str]:
    ends = [end for end in (span.good, span.bad) if end is not None]
    for end in ends:
        try:
            Version(end)
        except InvalidVersion:
            raise UsageError(f"{end!r} is not a version") from None
    return ends


def _offered(package: str, end: str | None, offered: Sequence[Version]) -> Version | None:
    if end is None:
        return None
    version = Version(end)
    if version in offered:
        return version
    newer = [each for each in offered if each > version]
    near = [*[each for each in offered if each < version][-2:], *newer[:2]]
    raise UsageError(
        f"no index offers {package} {end} for this Python, or it was yanked; "
        f"nearest are {', '.join(map(str, near)) or 'none'}"
    )


def _spelled(end: str | None, line: Sequence[str]) -> str | None:
    return None if end is None else next(each for each in line if Version(each) == Version(end))


def _exact(spec: str) -> tuple[str, str]:
    try:
        found = Requirement(spec)
        (only,) = found.specifier
        if only.operator == "==":
            return canonicalize_name(found.name), str(Version(only.version))
    except (InvalidRequirement, InvalidVersion, ValueError):
        pass
    raise UsageError(f"--with {spec!r} is not of the form name==version")
