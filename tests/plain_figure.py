"""A Plotly figure as lists and numbers."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import plotly.graph_objects as go


def plain(value: Any) -> Any:
    """A figure as lists and numbers; plotly packs arrays into bytes."""
    if isinstance(value, go.Figure):
        return plain(value.to_dict())
    if isinstance(value, dict) and "bdata" in value:
        packed = np.frombuffer(base64.b64decode(value["bdata"]), value["dtype"])
        shape = str(value.get("shape", len(packed))).split(",")
        return packed.reshape([int(side) for side in shape]).tolist()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value
