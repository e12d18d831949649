"""What a study chooses on dev images, how long it takes, and who is best for which attack."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_source
from ndcore.detectors.repair import Repairs
from ndcore.detectors.scoring.detector import Measured, Union
from ndcore.detectors.scoring.scores import RepairScore
from ndcore.steps import no_step
from ndcore.study.candidates import choose
from ndcore.study.config import MOST, StudyConfig, amounts
from ndcore.study.document import StudySet
from ndcore.study.families import OWN, best_for, family_union
from ndcore.study.measured.adversaries import ADVERSARIES
from ndcore.study.measured.estimate import Estimate, estimate
from ndcore.study.measured.image_sets import FAMILIES, benign_set
from ndcore.study.measured.measurements import Measurer


@pytest.fixture
def measurer(digits_bundle: Bundle, tmp_path: Path) -> Measurer:
    return Measurer(digits_bundle, open_source("digits"), tmp_path, 10, 0, no_step)


@pytest.fixture
def dev(measurer: Measurer) -> StudySet:
    """Benign images of which none turns anywhere."""
    images = benign_set(measurer.bundle, open_source("digits"), "dev", 60)
    measured = measurer.measure(images, repairs=False)
    return StudySet(images, planted(measured, np.zeros(60), np.zeros(60)))


def planted(measured: Measured, alone: np.ndarray, pair: np.ndarray) -> Measured:
    """The same images with repairs that lower log-odds of 4 by so much."""
    features = measured.features
    n = len(features)
    features = replace(features, logits=np.tile(features.logits[:1], (n, 1)))
    drop = np.zeros((n, 8, 8), np.float32)
    drop[:, 2, 3] = alone
    predicted = features.predicted
    label = np.where(drop > 4, -1, predicted[:, None, None]).astype(np.int16)
    repairs = Repairs(
        log_odds=np.full(n, 4, np.float32),
        drop=drop,
        label=label,
        predicted=predicted,
        exact=np.ones((n, 8, 8), bool),
        pair=np.zeros((n, 2, 2), np.int16),
        pair_drop=pair.astype(np.float32),
        pair_flips=pair > 4,
    )
    return Measured(features, repairs)


@pytest.mark.spec("CE-7")
def test_who_alone_sees_decoys_is_chosen(measurer: Measurer, dev: StudySet) -> None:
    def attacked(alone: float, pair: float) -> StudySet:
        n = len(dev.images)
        return StudySet(
            dev.images, planted(dev.measured, np.full(n, alone), np.full(n, max(alone, pair)))
        )

    plain, decoys = attacked(9, 9), attacked(0, 9)
    name, about = choose(measurer.reference, dev, {"plain": plain})
    assert name == "repair-turn", "of equals the first"
    name, about = choose(measurer.reference, dev, {"plain": plain, "decoy": decoys})
    assert name == about["chosen"] == "repair-pair"
    rows = {row["name"]: row for row in about["rows"]}
    assert rows["repair-turn"]["caught"]["decoy"]["rate"] == 0
    assert rows["repair-pair"]["caught"]["decoy"]["rate"] == 1
    # A handful of successes decides nothing where others are many.
    few = StudySet(decoys.images.take(range(5)), planted(dev.measured, np.zeros(60), np.zeros(60)))
    few = StudySet(few.images, Measured(*_first(few.measured, 5)))
    name, _ = choose(measurer.reference, dev, {"plain": plain, "few": few})
    assert name == "repair-turn"


def _first(measured: Measured, n: int) -> tuple[object, object]:
    return tuple(  # type: ignore[return-value]
        type(part)(**{key: value[:n] for key, value in vars(part).items()})
        for part in (measured.features, measured.repairs)
    )


def test_a_union_shares_its_false_alarms(measurer: Measurer, dev: StudySet) -> None:
    rng = np.random.default_rng(0)
    benign = StudySet(dev.images, planted(dev.measured, rng.random(60), rng.random(60)))
    members = [RepairScore("repair-turn"), RepairScore("repair-pair")]
    union = Union("u", "", "", "ours", members, (0.8, 0.2))
    union.prepare(measurer.reference, benign.measured)
    turned = planted(dev.measured, np.full(60, 9.0), np.zeros(60))
    tails = union._tails
    each = [
        tail(member.score(turned)) + np.log(part)
        for member, tail, part in zip(members, tails, (0.8, 0.2), strict=True)
    ]
    assert union.score(turned) == pytest.approx(np.maximum(*each))
    # The bound of a union is that of its best member, on the union's scale.
    most, holes = np.full((1, 10), -6.0), np.zeros((1, 10), bool)
    low = members[0].bound(most, holes)
    both = [tail(low) + np.log(part) for tail, part in zip(tails, (0.8, 0.2), strict=True)]
    assert union.bound(most, holes) == pytest.approx(np.maximum(*both))
    blind = Union("b", "", "", "ours", [RepairScore("repair-lost")])
    blind.prepare(measurer.reference, benign.measured)
    assert (blind.bound(most, holes) == -np.inf).all()


def test_the_best_for_each_kind_shares_what_the_frozen_one_leaves(dev: StudySet) -> None:
    detectors = [RepairScore("repair-turn"), *_two()]
    chosen = best_for(dev, {"fgsm": dev, "pgd": dev}, detectors)
    assert chosen == {"fgsm": "1-max-softmax", "pgd": "1-max-softmax"}, "no repair, first of equals"
    union = family_union(detectors[0], chosen, detectors)
    assert [member.name for member in union.members] == ["repair-turn", "1-max-softmax"]
    assert np.exp(union._weights) == pytest.approx([OWN, 1 - OWN])
    assert [m.name for m in family_union(detectors[0], {}, detectors).members] == ["repair-turn"]


def _two() -> list[object]:
    from ndcore.detectors.scoring.baselines import baseline_detectors

    return baseline_detectors()[:2]


def test_the_time_is_told_before_it_begins(measurer: Measurer) -> None:
    told = Estimate({"repairs": (3000, 2.0), "queries": (10_000, 0.001)}, cores=2)
    assert told.seconds == pytest.approx(1.1 * 6010)
    assert told.text.startswith("about 55 minutes on 2 quiet cores (110 of one processor: 3,000")
    images = benign_set(measurer.bundle, open_source("digits"), "dev", 1)
    kinds = [*FAMILIES, *ADVERSARIES]
    few = amounts(StudyConfig(n=10))
    assert few == {"dev": 20, "calibration": 40, "evaluation": 10, "control": 10, "self-test": 10}
    assert amounts(StudyConfig()) == MOST
    small = estimate(measurer, images, kinds, few, 10).pieces
    whole = estimate(measurer, images, kinds, MOST, None).pieces
    for what, (count, each) in whole.items():
        assert each > 0
        assert count > small[what][0] > 0
    assert whole["the same in float32"][0] == MOST["evaluation"]
