"""What the engines propose, step by step, and what they find on networks with known answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import softmax
from torch import nn

from ndcore.attacks import ENGINES, AttackConfig, AttackResult, attack_images
from ndcore.attacks.engines.de import GENERATIONS, POPULATION, differential_evolution
from ndcore.attacks.engines.exhaustive import exhaustive
from ndcore.attacks.engines.fast import STAGE_QUERIES, best_first
from ndcore.attacks.engines.search import Candidates, Problem, Search, corner_colours
from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_source
from tests.decisive_pixel import OneDecisivePixel

GREY = np.full((16, 16, 3), 100, np.uint8)


def problem(image: np.ndarray = GREY, **options: object) -> Problem:
    given = {"true": 0, "target": None, "pixels": 1, "order": lambda at: np.arange(len(at))}
    return Problem(image, **{**given, **options})


def drive(search: Search, answer, steps: int) -> list[Candidates]:
    """The first questions of a search, answered by answer(candidates) -> logits."""
    asked = [next(search)]
    while len(asked) < steps:
        asked.append(search.send(answer(asked[-1])))
    return asked


def to_the_end(search: Search, values) -> list[Candidates]:
    """All questions of a search whose answers are values(count), the logits of class 1."""
    asked = [next(search)]
    try:
        while True:
            asked.append(search.send(two_classes(values(len(asked[-1].positions)))))
    except StopIteration:
        return asked


def points_of(asked: list[Candidates]) -> list[tuple[int, ...]]:
    """(row, col, colour...) of every candidate."""
    return [
        (*at.tolist(), *colour.tolist())
        for question in asked
        for at, colour in zip(question.positions[:, 0], question.colours[:, 0], strict=True)
    ]


def two_classes(value: np.ndarray) -> np.ndarray:
    return np.stack([np.zeros_like(value), value], 1).astype(np.float32)


class Recorded:
    """The numbers of a generator, written down as they are drawn."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.drawn: list[np.ndarray] = []

    def __getattr__(self, name: str):
        def draw(*args: object, **options: object) -> np.ndarray:
            self.drawn.append(np.array(getattr(self.rng, name)(*args, **options)))
            return self.drawn[-1].copy()

        return draw


@pytest.mark.spec("AL-2")
def test_de_is_the_papers_procedure_on_a_recorded_random_stream() -> None:
    """A slow transcription of the paper, fed with the numbers that the engine drew."""
    stream = Recorded(4)

    def answer(asked: Candidates) -> np.ndarray:
        # Smooth in place and colour, so that about half of the children are fitter.
        at, colour = asked.positions[:, 0] / 16, asked.colours[:, 0] / 255
        return two_classes(np.sin(7 * at[:, 0] + 3 * colour[:, 1]) + at[:, 1] * colour[:, 0])

    asked = drive(differential_evolution(problem(), stream), answer, 6)
    rows, cols, colours, *draws = stream.drawn
    parents = np.concatenate([rows, cols, colours.reshape(POPULATION, 3)], 1)
    assert np.all((rows >= 0) & (rows < 16) & (cols >= 0) & (cols < 16))
    assert 110 < colours.mean() < 146
    assert 115 < colours.std() < 139
    replaced = 0
    fitness = None
    for generation, question in enumerate(asked):
        if generation == 0:
            members = parents
        else:
            members = np.empty_like(parents)
            for i in range(POPULATION):
                # Three different members, none of them the parent.
                chosen = np.argpartition(draws[generation - 1][i], 2)[:3]
                r1, r2, r3 = (int(r) + (int(r) >= i) for r in chosen)
                assert len({i, r1, r2, r3}) == 4
                members[i] = parents[r1] + 0.5 * (parents[r2] - parents[r3])
        for i in range(POPULATION):
            place = [min(max(int(np.floor(value)), 0), 15) for value in members[i, :2]]
            colour = [min(max(round(value), 0), 255) for value in members[i, 2:]]
            assert question.positions[i, 0].tolist() == place
            assert question.colours[i, 0].tolist() == colour
        found = softmax(answer(question).astype(np.float64), axis=1)[:, 0]
        if fitness is None:
            fitness = found
            continue
        for i in range(POPULATION):
            if found[i] < fitness[i]:
                parents[i], fitness[i] = members[i], found[i]
                replaced += 1
    assert replaced > POPULATION  # the comparison above had something to compare


@pytest.mark.spec("AL-2")
def test_de_ends_after_the_papers_generations() -> None:
    search = differential_evolution(problem(), np.random.default_rng(0))
    asked = to_the_end(search, lambda count: np.full(count, -1.0))
    assert len(asked) == GENERATIONS + 1


@pytest.mark.spec("AL-2")
def test_exhaustive_asks_every_point_once() -> None:
    image = GREY[:4, :5]
    asked = to_the_end(exhaustive(problem(image), np.random.default_rng(0)), np.zeros)
    points = points_of(asked)
    assert len(points) == len(set(points)) == 4 * 5 * 8


def test_best_first_never_asks_twice_and_keeps_to_its_stage() -> None:
    rng = np.random.default_rng(1)
    search = best_first(problem(), np.random.default_rng(0))
    asked = to_the_end(search, lambda count: rng.normal(-1, 1, count))
    points = points_of(asked)
    assert len(points) == len(set(points)) == STAGE_QUERIES
    assert {value for point in points for value in point[2:]} == {0, 255}


def test_best_first_climbs_to_the_best_corner() -> None:
    """A slope over places and colours whose top is one corner of one pixel."""
    top, colour = np.array([11, 4]), np.array([255, 0, 255])
    image = np.full((32, 32, 3), 100, np.uint8)

    def answer(asked: Candidates) -> np.ndarray:
        far = np.abs(asked.positions[:, 0] - top).sum(1) / 64
        wrong = (asked.colours[:, 0] != colour).sum(1) / 3
        return two_classes(-far - wrong)

    search = best_first(problem(image), np.random.default_rng(0))
    points = points_of(drive(search, answer, 10))
    assert (11, 4, 255, 0, 255) in points
    assert len(points) <= 320


def test_corner_colours() -> None:
    assert corner_colours(1).tolist() == [[0], [255]]
    assert len({tuple(colour) for colour in corner_colours(3).tolist()}) == 8
    assert corner_colours(3)[0b101].tolist() == [255, 0, 255]


def test_margins_and_confidence() -> None:
    logits = np.array([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0]])
    assert problem(target=None).margins(logits).tolist() == [1.0, -3.0]
    assert problem(target=2).margins(logits).tolist() == [2.0, 2.0]
    assert problem(target=1).margins(logits).tolist() == [1.0, -2.0]
    assert problem(target=1).confidence(logits)[1] == pytest.approx(softmax(logits[1])[1])


def run_digits(bundle: Bundle, members: range, **options: object) -> list[AttackResult]:
    source = open_source("digits")
    rows = list(members)
    ids = [source.ids[i] for i in rows]
    config = AttackConfig(**options)
    return attack_images(bundle.model, source.pixels(rows), source.labels[rows], ids, config)


@pytest.mark.spec("AL-8")
def test_the_map_is_what_plain_forward_passes_say(digits_bundle: Bundle) -> None:
    result = next(
        row
        for row in run_digits(digits_bundle, range(30), engine="exhaustive")
        if row.success and not row.skipped
    )
    table = result.map
    assert table is not None
    assert table.complete
    assert table.logits.shape == (8, 8, 2, 10)
    assert result.queries == 8 * 8 * 2
    images = np.repeat(result.benign[None], 128, 0).reshape(8, 8, 2, 8, 8, 1)
    for row, col, index in np.ndindex(8, 8, 2):
        images[row, col, index, row, col] = table.colours[index]
    tensor = torch.from_numpy(images.reshape(128, 1, 8, 8).astype(np.float32) / 255)
    with torch.no_grad():
        logits = digits_bundle.model(tensor).numpy().reshape(8, 8, 2, 10)
    tolerance = np.where(table.confirmed, 1e-4, 0.5)
    assert (np.abs(table.logits - logits).max(-1) <= tolerance).all()
    flips = (logits.argmax(-1) != result.true).any(-1)
    assert np.array_equal(table.flips_to >= 0, flips)
    assert table.vulnerable_share == flips.mean()
    lowest = softmax(logits, axis=-1)[..., result.true].min(-1)
    assert np.abs(table.lowest - lowest).max() < 0.05
    reached = {label.label for label in table.reach() if label.reached}
    assert reached == set(logits.argmax(-1).ravel().tolist()) - {result.true}
    # The reported change is the clearest flip of the grid.
    change = result.pixels[0]
    others = np.delete(logits, result.true, -1).max(-1)
    margins = logits[..., result.true] - others
    assert margins[change.row, change.col].min() == pytest.approx(margins.min(), abs=0.1)


def test_a_stopped_map_says_how_far_it_came(digits_bundle: Bundle) -> None:
    result = run_digits(digits_bundle, range(1), engine="exhaustive", max_queries=50)[0]
    assert result.map is not None
    assert not result.map.complete
    assert result.map.evaluated.sum() == 50
    assert result.to_dict([str(d) for d in range(10)])["complete"] is False
    assert np.isnan(result.map.lowest).any()


@pytest.mark.spec("AL-2")
def test_fast_finds_what_exhaustive_finds_with_few_queries(digits_bundle: Bundle) -> None:
    everything = run_digits(digits_bundle, range(120), engine="exhaustive")
    quick = run_digits(digits_bundle, range(120), engine="fast")
    broken = {row.id for row in everything if row.success}
    found = {row.id for row in quick if row.success}
    assert broken
    assert found == broken  # 128 points in all: fast sees every one within its stage
    spent = [row.queries for row in quick if row.success]
    assert np.mean(spent) < 100


@pytest.mark.spec("AL-3")
@pytest.mark.parametrize("engine", ["fast", "exhaustive"])
def test_more_pixels_never_find_less(digits_bundle: Bundle, engine: str) -> None:
    found = []
    for pixels in (1, 3, 5):
        rows = run_digits(digits_bundle, range(40), engine=engine, pixels=pixels, max_queries=5000)
        found.append({row.id for row in rows if row.success})
        assert all(len(row.pixels) <= pixels for row in rows)
    assert found[0] <= found[1] <= found[2]
    assert len(found[2]) > len(found[0])


def test_a_fallback_goes_on_where_fast_gave_up() -> None:
    class Needle(nn.Module):
        """Fooled only by one exact colour that is no corner, or by one corner far from hints."""

        def __init__(self) -> None:
            super().__init__()
            self.zero = nn.Parameter(torch.zeros(1))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            red, green, blue = (images[:, c, 30, 29] for c in range(3))
            hit = ((red > 0.9) & (green < 0.1) & (blue > 0.9)).float()
            return torch.stack([1 - 2 * hit + self.zero, hit], 1)

    image = np.full((32, 32, 3), 100, np.uint8)

    def run(then: str) -> AttackResult:
        config = AttackConfig("fast", then=then)
        return attack_images(Needle(), image[None], [0], ["a"], config)[0]

    assert not run("").success
    result = run("exhaustive")
    assert result.success
    assert result.found_by == "exhaustive"
    assert result.pixels[0].after == (255, 0, 255)
    assert result.queries == STAGE_QUERIES + 8192
    assert result.forwards == 8192  # the points that fast saw are remembered


@pytest.mark.parametrize("pixels", [1, 3])
def test_a_search_may_repeat_itself(
    digits_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, pixels: int
) -> None:
    def stubborn(problem: Problem, rng: np.random.Generator) -> Search:
        places = np.zeros((5, problem.pixels, 2), np.int64)
        colours = np.full((5, problem.pixels, problem.image.shape[2]), 100, np.uint8)
        while True:
            yield Candidates(places, colours, "again", problem.image)

    monkeypatch.setitem(ENGINES, "de", replace(ENGINES["de"], search=stubborn))
    source = open_source("digits")
    image, label = source.pixels([0]), digits_bundle.read(source.pixels([0])).predicted
    config = AttackConfig("de", pixels=pixels, max_queries=20)
    result = attack_images(digits_bundle.model, image, label, ["digits:0"], config)[0]
    assert result.queries == 20, "the budget counts what was shown to the model"
    assert result.forwards == 1, "what is remembered is not computed again"


def test_a_hit_must_hold_in_the_plain_model() -> None:
    class Moody(OneDecisivePixel):
        """Answers a lone image otherwise than one in a batch, as a screening pass might."""

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            logits = super().forward(images)
            return logits if len(images) > 1 else -logits.abs() * torch.tensor([-1.0, 1.0])

    config = AttackConfig("fast", precision="float32")
    result = attack_images(Moody(5, 9), GREY[None], [0], ["a"], config)[0]
    assert not result.success
    assert result.predicted_after == 0


def test_results_do_not_depend_on_the_screen(digits_bundle: Bundle) -> None:
    auto = run_digits(digits_bundle, range(60), engine="exhaustive")
    exact = run_digits(digits_bundle, range(60), engine="exhaustive", precision="float32")
    assert [row.success for row in auto] == [row.success for row in exact]
    for first, second in zip(auto, exact, strict=True):
        if first.map is not None and second.map is not None:
            assert np.array_equal(first.map.flips_to >= 0, second.map.flips_to >= 0)
    assert all(row.precision == "float32" for row in exact)


def test_first_hit_and_paid() -> None:
    result = attack_images(
        OneDecisivePixel(5, 9), GREY[None], [0], ["a"], AttackConfig("fast", seed=3)
    )[0]
    assert result.success
    assert result.first_hit is not None
    assert result.first_hit <= result.queries <= result.first_hit + 64
    assert replace(result, success=False).distances["l0"] == 1
