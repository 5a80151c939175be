"""From thousands of plankton image contributions to one citable, attributable, revocable dataset."""

__version__ = "0.1.0"
