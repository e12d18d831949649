"""ONNX files, run by onnxruntime on the processor."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ndcore.errors import BadRequestError, line_of
from ndcore.networks.called.function import Called

SUFFIX = ".onnx"
# What a pixel becomes: floats in [0, 1], as in every model here; bytes stay bytes.
TAKEN = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
}
COLOURS = (1, 3)


class _Session:
    """One input of images and all outputs of an ONNX file."""

    def __init__(self, path: Path, session: Any) -> None:
        self._session = session
        inputs = session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type not in TAKEN:
            told = ", ".join(f"{each.name} {each.type} {each.shape}" for each in inputs)
            raise BadRequestError(
                f"'{path}' must take one batch of images (N, C, H, W) or (N, H, W, C), of floats "
                f"or bytes, but takes {told}: call it from a function, --model file.py:function"
            )
        self._name, self._type = inputs[0].name, TAKEN[inputs[0].type]
        batch, *sides = (side if isinstance(side, int) else None for side in inputs[0].shape)
        self._batch = batch
        self._last = sides[0] not in COLOURS and sides[2] in COLOURS
        height, width, channels = sides if self._last else (*sides[1:], sides[0])
        self.shape = (height, width, channels) if height and width and channels in COLOURS else None
        self._outputs = [each.name for each in session.get_outputs()]

    def __call__(self, pixels: NDArray[np.uint8]) -> dict[str, Any] | Any:
        images = pixels if self._last else pixels.transpose(0, 3, 1, 2)
        if self._type is not np.uint8:
            images = (images.astype(np.float32) / np.float32(255)).astype(self._type)
        size = self._batch or len(images)
        parts = [self._run(images[at : at + size]) for at in range(0, len(images), size)]
        whole = {
            name: np.concatenate([part[name] for part in parts])
            for name in parts[0]
            if isinstance(parts[0][name], np.ndarray) and parts[0][name].dtype.kind in "fiub"
        }
        return next(iter(whole.values())) if len(whole) == 1 else whole

    def _run(self, images: NDArray[Any]) -> dict[str, Any]:
        count = len(images)
        if self._batch and count < self._batch:  # a fixed batch is filled up
            images = np.concatenate([images, np.repeat(images[-1:], self._batch - count, 0)])
        found = self._session.run(self._outputs, {self._name: np.ascontiguousarray(images)})
        return {
            name: part[:count] if isinstance(part, np.ndarray) and part.ndim else part
            for name, part in zip(self._outputs, found, strict=True)
        }


def onnx_model(name: str) -> Called:
    """The model in an ONNX file.

    Its input is one batch of images, floats in [0, 1] or bytes, channels first or last.

    Raises:
        BadRequestError: onnxruntime is not installed, cannot read the file, or it takes no images.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise BadRequestError(
            f"'{name}' is run by onnxruntime: pip install -r requirements-onnx.txt"
        ) from error
    path = Path(name)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # what is wrong comes as an exception
    try:
        content = path.read_bytes()
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # whatever its many readers raise
        raise BadRequestError(
            f"'{name}' is no ONNX file that can be run: {line_of(error)}"
        ) from error
    answer = _Session(path, session)
    return Called(answer, f"'{name}'", answer.shape, hashlib.sha256(content).hexdigest())
