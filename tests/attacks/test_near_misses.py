"""What an attack that failed shows: how near it came to its goal, never farther than it began."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from ndcore.attacks import AttackConfig, AttackResult, attack_images
from ndcore.cli.text import attack_text
from ndcore.errors import BadRequestError

IMAGE = np.full((6, 6, 3), 100, np.uint8)
CLASSES = ("cat", "dog", "ship")


class Means(nn.Module):
    """Three logits that are linear in the brightest and the darkest value of each channel."""

    def __init__(self, base: list[float], bright: list[float], dark: list[float]) -> None:
        super().__init__()
        self.base = nn.Parameter(torch.tensor(base))
        self.bright, self.dark = torch.tensor(bright), torch.tensor(dark)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        bright = images.amax((1, 2, 3)) - 100 / 255
        dark = 100 / 255 - images.amin((1, 2, 3))
        return self.base + bright[:, None] * self.bright + dark[:, None] * self.dark


def attacked(model: nn.Module, engine: str = "fast", **options: object) -> AttackResult:
    config = AttackConfig(engine, **{"max_queries": 64, "precision": "float32"} | options)
    return attack_images(model.eval(), IMAGE[None], [0], ["a"], config)[0]


def told(result: AttackResult) -> str:
    row = result.to_dict(CLASSES)
    summary = {"attacked": 1, "succeeded": 0}
    return attack_text({"results": [row], "summary": summary}).splitlines()[0]


# Bright pixels make a dog of it, dark ones a little more of a ship; the ship is never reached.
DOG = Means([4.0, 0.0, -3.0], [0.0, 9.0, -1.0], [0.0, 0.0, 2.0])


@pytest.mark.parametrize("engine", ["fast", "exhaustive", "de"])
def test_with_a_target_the_nearest_miss_is_nearest_to_the_target(engine: str) -> None:
    result = attacked(DOG, engine, target=2)
    assert not result.success
    before, after = result.probabilities_before[2], result.probabilities_after[2]
    assert after > before
    assert after == pytest.approx(max(best for _, best in result.history), rel=1e-4)
    assert result.pixels[0].after != (255, 255, 255), "that is a dog"
    row = result.to_dict(CLASSES)
    assert (row["target"], row["target_confidence_after"]) == ("ship", pytest.approx(after))
    assert "ship not reached; nearest to it: 0.1% -> " in told(result)


@pytest.mark.parametrize("target", [None, 2])
@pytest.mark.parametrize("engine", ["fast", "exhaustive", "de", "pgd"])
def test_nothing_is_nearer_than_the_untouched_image(engine: str, target: int | None) -> None:
    sure = Means([4.0, 0.0, -3.0], [6.0, 0.0, -1.0], [6.0, 0.0, -1.0])
    result = attacked(sure, engine, target=target)
    assert not result.success
    assert result.pixels == ()
    assert np.array_equal(result.attacked, result.benign)
    assert told(result).endswith("nothing tried came nearer")


def test_a_stopped_attack_names_its_target() -> None:
    result = replace(attacked(DOG, target=2), stopped=True)
    assert told(result).startswith("a: stopped after 64 queries, ship not reached")


@pytest.mark.parametrize("engine", ["fast", "exhaustive", "de"])
def test_a_tie_is_decided_as_the_prediction_is(engine: str) -> None:
    class Tie(nn.Module):
        """Equal logits once a pixel is bright: the prediction is the lower class."""

        def __init__(self) -> None:
            super().__init__()
            self.zero = nn.Parameter(torch.zeros(1))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            lit = images[:, 0].amax((1, 2)).floor() * 5
            return torch.stack([lit, torch.full_like(lit, 5.0)], 1) + 0 * self.zero

    def run(true: int) -> AttackResult:
        config = AttackConfig(engine, max_queries=400)
        return attack_images(Tie().eval(), IMAGE[None], [true], ["a"], config)[0]

    result = run(1)
    assert result.success
    assert result.predicted_after == 0
    assert result.first_hit is not None
    assert result.map is None or result.map.vulnerable_share > 0
    assert run(0).skipped


class Spread(nn.Module):
    """Divides by the image's own spread: no number for a flat image."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head((images / images.std((1, 2, 3), keepdim=True)).mean((2, 3)))


def test_an_image_without_a_prediction_is_not_attacked() -> None:
    with pytest.raises(BadRequestError, match="no numbers for image 'flat'"):
        attack_images(Spread().eval(), IMAGE[None], [0], ["flat"], AttackConfig())


def test_a_candidate_without_a_prediction_is_no_success() -> None:
    class Brittle(Means):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            found = super().forward(images)
            return torch.where(images.amax((1, 2, 3))[:, None] > 0.9, found * torch.nan, found)

    result = attacked(Brittle([4.0, 0.0, -3.0], [0.0] * 3, [0.0, 1.0, 0.0]), "exhaustive")
    assert not result.success
    assert np.isfinite(result.probabilities_after).all()
    assert np.isfinite([best for _, best in result.history]).all()


MODEL = DOG.eval()
PAIR = np.stack([IMAGE, IMAGE])


@pytest.mark.parametrize(
    ("pixels", "labels", "ids", "why"),
    [
        (PAIR, [7, 0], ["a", "b"], "label 7 is no class: use 0 to 2"),
        (PAIR, [0], ["a", "b"], "2 images need as many labels and ids, not 1 and 2"),
        (PAIR, [0, 0], ["a"], "2 images need"),
        (PAIR.transpose(0, 3, 1, 2), [0, 0], ["a", "b"], "must be uint8"),
        (PAIR.astype(np.float32) / 255, [0, 0], ["a", "b"], "must be uint8"),
        (PAIR.astype(np.int64), [0, 0], ["a", "b"], "must be uint8"),
        (PAIR[0], [0, 0], ["a", "b"], "must be uint8"),
    ],
)
def test_what_is_no_batch_of_images_is_refused(
    pixels: np.ndarray, labels: list[int], ids: list[str], why: str
) -> None:
    with pytest.raises(BadRequestError, match=why):
        attack_images(MODEL, pixels, labels, ids, AttackConfig())


def test_weights_written_through_data_are_seen() -> None:
    def net() -> nn.Module:
        layers = [nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten()]
        return nn.Sequential(*layers, nn.Linear(8 * 36, 3)).eval()

    model, config = net(), AttackConfig("exhaustive", precision="float32")

    def worst() -> float:
        label = int(model(torch.from_numpy(IMAGE[None]).permute(0, 3, 1, 2) / 255).argmax())
        table = attack_images(model, IMAGE[None], [label], ["a"], config)[0].map
        assert table is not None
        images = np.repeat(IMAGE[None], 8, 0)
        images[:, 2, 3] = table.colours
        plain = model(torch.from_numpy(images).permute(0, 3, 1, 2) / 255).detach().numpy()
        return float(np.abs(table.logits[2, 3] - plain).max())

    assert worst() < 1e-3
    for weight in model.parameters():
        weight.data.copy_(torch.randn_like(weight))
    assert worst() < 1e-3
