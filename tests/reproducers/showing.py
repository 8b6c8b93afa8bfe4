"""What shows scripts at work."""

from collections.abc import Callable
from typing import Any

from conformance.reproducers.trying import Tried

Show = Callable[[dict[str, Any]], Tried]
