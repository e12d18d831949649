"""Named errors. The text of each is the one sentence that a user reads."""

from __future__ import annotations


class NeuralDivergenceError(Exception):
    """Base of every error that is the user's to read; its text is one clear sentence."""


class BadImageError(NeuralDivergenceError):
    """The bytes given as an image cannot be used as one."""


class BadRequestError(NeuralDivergenceError):
    """An option, class, layer or engine that does not exist, or a value out of range."""


class BundleError(NeuralDivergenceError):
    """A bundle is missing, half written, corrupt or belongs to other weights."""


class DataError(NeuralDivergenceError):
    """An image source is missing or unreadable; the sentence says how to get it."""


class RunError(NeuralDivergenceError):
    """The recording of a training run is missing, damaged or of another version."""


class UnreadableError(NeuralDivergenceError):
    """A file is missing, damaged, or not what belongs there; the sentence names its place in it."""


class StoppedError(NeuralDivergenceError):
    """The user stopped the work."""


def line_of(error: BaseException) -> str:
    """The first line of what foreign code complains of; "" where it says nothing."""
    return (str(error).strip().splitlines() or [""])[0]
