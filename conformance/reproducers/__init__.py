"""Stand-alone scripts that show what failed with the libraries alone, tried before handed out."""

from .handing_out import FOLDER, hand_out

__all__ = ["FOLDER", "hand_out"]
