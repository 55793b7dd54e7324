"""The parts of compare.py: what runs where, what is measured of it, and how it is told."""


class Failed(Exception):
    """A measurement that can't be made, with a text that says why."""


class Missing(Failed):
    """A program is not there."""
