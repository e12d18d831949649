"""Values as bytes and back, without running what the bytes say: plain values, arrays, and the
dataclasses and named tuples of this project."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from importlib import import_module
from typing import Any

import numpy as np

PACKAGES = ("ndcore", "pages")  # whose dataclasses and named tuples are made
_LENGTH = struct.Struct(">Q")
_PLAIN = (bool, int, float, str, type(None))


class TreeError(ValueError):
    """The value or the bytes are none of these."""


def encode(value: Any) -> bytes:
    """None, truth values, numbers, texts, bytes, lists, tuples, dictionaries, numpy arrays and
    numbers, and dataclasses and named tuples of `PACKAGES`, in each other.

    Raises:
        TreeError: anything else.
    """
    blocks = _Blocks()
    head = json.dumps(_packed(value, blocks)).encode()
    return b"".join([_LENGTH.pack(len(head)), head, *blocks.parts])


def decode(data: bytes) -> Any:
    """What `encode` was given; arrays are copies that can be written to.

    Raises:
        TreeError: the bytes are no such value, or of a class that is no longer there.
    """
    try:
        (length,) = _LENGTH.unpack_from(data)
        start = _LENGTH.size + length
        return _unpacked(json.loads(data[_LENGTH.size : start]), memoryview(data)[start:])
    except TreeError:
        raise
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise TreeError(f"no stored value: {error}") from error


class _Blocks:
    """What is not text, one after another."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self._length = 0

    def put(self, data: bytes) -> list[int]:
        """Where the data begins, and its length."""
        place = [self._length, len(data)]
        self.parts.append(data)
        self._length += len(data)
        return place


def _packed(value: Any, blocks: _Blocks) -> Any:
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is list:
        return [_packed(each, blocks) for each in value]
    if kind is tuple:
        return {"tuple": [_packed(each, blocks) for each in value]}
    if kind is dict:
        rows = [[_packed(key, blocks), _packed(each, blocks)] for key, each in value.items()]
        return {"dict": rows}
    if kind is bytes:
        return {"bytes": blocks.put(value)}
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufcSU":
        held = np.ascontiguousarray(value)
        named = "array" if isinstance(value, np.ndarray) else "number"
        return {named: blocks.put(held.tobytes()), "type": value.dtype.str, "shape": value.shape}
    names = _names(kind)
    if names is not None and kind.__module__.partition(".")[0] in PACKAGES:
        held_fields = {name: _packed(getattr(value, name), blocks) for name in names}
        return {"class": f"{kind.__module__}:{kind.__qualname__}", "fields": held_fields}
    raise TreeError(f"a value of {kind.__module__}.{kind.__qualname__} is not stored")


def _names(kind: type) -> tuple[str, ...] | None:
    """What a dataclass or a named tuple is made of; None of any other kind."""
    if is_dataclass(kind):
        return tuple(field.name for field in fields(kind) if field.init)
    return getattr(kind, "_fields", None) if issubclass(kind, tuple) else None


def _unpacked(held: Any, blocks: memoryview) -> Any:
    if isinstance(held, list):
        return [_unpacked(each, blocks) for each in held]
    if not isinstance(held, dict):
        return held
    for name, make in _MAKERS.items():
        if name in held:
            return make(held, blocks)
    raise TreeError("no stored value")


def _bytes_of(place: list[int], blocks: memoryview) -> bytes:
    begin, length = place
    found = bytes(blocks[begin : begin + length])
    if begin < 0 or len(found) != length:
        raise TreeError("the stored value was cut off")
    return found


def _array(held: Any, blocks: memoryview) -> Any:
    kind = np.dtype(held["type"])
    if kind.hasobject:
        raise TreeError("no stored array")
    data = _bytes_of(held["array" if "array" in held else "number"], blocks)
    found = np.frombuffer(data, kind).reshape(held["shape"])
    return found.copy() if "array" in held else found[()]


def _instance(held: Any, blocks: memoryview) -> Any:
    module, _, name = held["class"].partition(":")
    if module.partition(".")[0] not in PACKAGES:
        raise TreeError(f"'{module}' is no module of this project")
    try:
        kind = getattr(import_module(module), name)
    except ImportError as error:
        raise TreeError(f"there is no {held['class']} any longer") from error
    if not isinstance(kind, type) or _names(kind) is None:
        raise TreeError(f"{held['class']} is no dataclass and no named tuple")
    return kind(**{key: _unpacked(each, blocks) for key, each in held["fields"].items()})


_MAKERS: dict[str, Callable[[Any, memoryview], Any]] = {
    "tuple": lambda held, blocks: tuple(_unpacked(each, blocks) for each in held["tuple"]),
    "dict": lambda held, blocks: {
        _unpacked(key, blocks): _unpacked(each, blocks) for key, each in held["dict"]
    },
    "bytes": lambda held, blocks: _bytes_of(held["bytes"], blocks),
    "array": _array,
    "number": _array,
    "class": _instance,
}
