"""The paper's claims on recordings with planted values: held, did not hold, could not be tested."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from ndcore.cli import main
from ndcore.errors import RunError
from ndcore.evolution import EvolutionRun, load_run
from ndcore.evolution.averages import UnitAverage
from ndcore.evolution.findings import (
    FINDINGS,
    HOW_FIXED,
    Finding,
    FindingResult,
    accuracy_table,
    check_findings,
    findings_of,
)
from ndcore.evolution.findings.accuracy import FIGURE_4, difference
from ndcore.evolution.findings.series import overfitting, rank_correlation, settled_at
from ndcore.evolution.store import write_arrays
from ndcore.networks.deep_view import NETWORKS
from tests.planted_runs import EPOCHS, changed, plant

E = np.arange(1, EPOCHS + 1)
UP = np.linspace(1, 2, EPOCHS)
DOWN = UP[::-1]
DIP = np.where(E == 1, 2.0, np.where(E <= 5, 1.0, UP))
D, P = "discriminability", "density"

Runs = Callable[[str], EvolutionRun]


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """A calm run of any network, written once."""
    folder, opened = tmp_path_factory.mktemp("planted"), {}

    def run(network: str) -> EvolutionRun:
        if network not in opened:
            opened[network] = load_run(plant(folder / network, network))
        return opened[network]

    return run


def judged(id: str, *runs: EvolutionRun) -> FindingResult:
    (finding,) = (each for each in FINDINGS if each.id == id)
    (result,) = check_findings({run.model: run for run in runs}, (finding,))
    assert result.sentence.endswith(".")
    json.dumps(result.to_dict(), allow_nan=False)
    return result


def verdict(id: str, *runs: EvolutionRun) -> str:
    return judged(id, *runs).verdict


HELD, NOT, UNTESTED = "held", "did not hold", "could not be tested"


def fell(at: int = 30, by: float = 0.9) -> np.ndarray:
    return np.where(at < E, by, 1.0)


def rising_loss(lowest: int) -> dict[str, np.ndarray]:
    return {"validation_loss": 1 + 0.02 * np.abs(E - lowest)}


@pytest.mark.spec("DV-22")
@pytest.mark.parametrize(("id", "network"), [("DV-22a", "shallow"), ("DV-22b", "lenet-sig4")])
def test_a_block_of_layers_falls_once_the_rate_is_lowered(
    calm: Runs, id: str, network: str
) -> None:
    run = calm(network)
    block = changed(run, {(D, "conv2"): fell(), (D, "relu2"): fell()})
    found = judged(id, block)
    assert found.verdict == HELD
    assert found.figures["after_epoch"] == 30
    assert found.figures["block"] == ["conv2", "relu2"]
    assert found.figures["change"]["conv2"] == pytest.approx(-0.1, abs=1e-3)
    apart = changed(run, {(D, "conv1"): fell(), (D, "relu3"): fell()})
    assert verdict(id, apart) == NOT
    assert verdict(id, run) == NOT
    assert verdict(id, changed(run, {(D, "*"): fell(by=0.995)})) == NOT
    steady = replace(
        run, about=run.about | {"config": run.about["config"] | {"rates": [[1.0, 1.0, 0.0]]}}
    )
    assert "not lowered" in judged(id, steady).sentence
    assert verdict(id, steady) == UNTESTED


@pytest.mark.spec("DV-22")
def test_errors_fall_once_the_rate_is_lowered(calm: Runs) -> None:
    lenet, shallow = calm("lenet"), calm("shallow")
    found = judged("DV-22c", lenet, shallow)
    assert found.verdict == HELD
    assert "nin" in found.missing
    seen = found.figures["lenet"]["validation"]
    before = lenet.curves["validation_top1_error"][25:30].mean()
    after = lenet.curves["validation_top1_error"][30:35].mean()
    assert seen["change"] == pytest.approx(after - before)
    assert seen["ci95"][0] < seen["change"] < seen["ci95"][1]
    worse = changed(lenet, curves={"validation_top1_error": UP / 4})
    assert verdict("DV-22c", worse, shallow) == NOT


@pytest.mark.spec("DV-23")
def test_units_of_lenet_w_are_dead(calm: Runs) -> None:
    run = calm("lenet-w")
    active = np.full((8, EPOCHS), 0.3)
    active[:4, 40:] = 0
    found = judged("DV-23a", changed(run, {("active", "relu2"): active}))
    assert (found.verdict, found.figures["dead"], found.figures["units"]) == (HELD, 4, 8)
    assert found.figures["images"] == 640
    active[0, -1] = 0.1
    assert verdict("DV-23a", changed(run, {("active", "relu2"): active})) == NOT


@pytest.mark.spec("DV-23")
def test_units_of_lenet_w_keep_steady_and_degenerate(calm: Runs) -> None:
    run = calm("lenet-w")
    still = {(D, name): np.tile(np.where(E == 1, 2.0, 1.0), (8, 1)) for name in ("conv2", "relu2")}
    assert verdict("DV-23b", changed(run, still)) == HELD
    still[D, "conv2"][:4] = UP
    assert verdict("DV-23b", changed(run, still)) == NOT, "half is not most"
    found = judged("DV-23c", changed(run, {(D, "*"): DIP}))
    assert found.verdict == HELD
    assert found.figures["median_change"] == pytest.approx(-0.5)
    assert verdict("DV-23c", run) == NOT


@pytest.mark.spec("DV-24")
def test_lenet_w_is_too_sparse_and_lenet_d_too_dense(calm: Runs) -> None:
    wide, deep = calm("lenet-w"), calm("lenet-d")
    found = judged("DV-24a", changed(wide, {(P, "relu2"): np.full(EPOCHS, 0.01)}))
    assert found.verdict == HELD
    assert found.figures["too_sparse"] == ["relu2"]
    assert verdict("DV-24a", wide) == NOT
    dense = changed(deep, {(P, "*"): np.full(EPOCHS, 0.6)})
    assert verdict("DV-24b", dense) == HELD
    convolutions = {(P, f"conv{n}"): np.full(EPOCHS, 0.6) for n in range(1, 18)}
    found = judged("DV-24b", changed(deep, convolutions))
    assert found.figures["too_dense"] == 17
    assert found.verdict == NOT, "17 of 35 is not most"


@pytest.mark.spec("DV-24")
def test_density_warns_of_the_networks_that_overfit_and_of_no_others(calm: Runs) -> None:
    sparse = {(P, "relu2"): np.where(E >= 4, 0.01, 0.2)}
    late = {(P, "relu2"): np.where(E >= 11, 0.01, 0.2)}
    fitting = [calm(name) for name in ("lenet", "lenet-bn", "lenet-sig1", "lenet-sig4")]
    others = [calm(name) for name in ("lenet-w", "lenet-w-bn", "lenet-d", "shallow")]

    def over(values: dict[tuple[str, str], np.ndarray], lowest: int) -> list[EvolutionRun]:
        return [changed(run, values, rising_loss(lowest)) for run in others]

    found = judged("DV-24c", *over(sparse, 35), *fitting)
    assert found.verdict == HELD
    assert found.figures["difference"] == 1
    wide = found.figures["networks"]["lenet-w"]
    assert (wide["warned_at"], wide["early"], wide["lowest_validation_loss_at"]) == (4, True, 35)
    assert not found.figures["networks"]["lenet"]["overfits"]
    everywhere = [changed(run, sparse) for run in fitting]
    assert verdict("DV-24c", *over(sparse, 35), *everywhere) == NOT, "warns of all alike"
    assert verdict("DV-24c", *over(late, 35), *fitting) == NOT, "too late"
    assert verdict("DV-24c", *over(sparse, 3), *fitting) == NOT, "after the loss"
    assert verdict("DV-24c", *over({}, 20), *fitting) == NOT, "never warned"
    for runs in (fitting, over(sparse, 35)):
        assert "nothing to tell apart" in judged("DV-24c", *runs).sentence


@pytest.mark.spec("DV-24")
def test_nin_is_moderate(calm: Runs) -> None:
    run = calm("nin")
    assert verdict("DV-24d", run) == HELD
    assert verdict("DV-24d", changed(run, {(P, "relu5"): np.full(EPOCHS, 0.7)})) == NOT
    assert verdict("DV-24d", changed(run, {(D, "*"): DOWN})) == NOT


@pytest.mark.spec("DV-25")
def test_an_inner_layer_of_lenet_d_stands_still(calm: Runs) -> None:
    run = calm("lenet-d")
    flat = np.where((E >= 27) & (E <= 33), 1.6, UP)
    found = judged("DV-25a", changed(run, {(D, "relu9"): flat}))
    assert (found.verdict, found.figures["still"]) == (HELD, ["relu9"])
    assert verdict("DV-25a", changed(run, {(D, run.layers[-1].name): flat})) == NOT
    assert verdict("DV-25a", run) == NOT
    short = load_run(plant(run.folder.parent.parent / "short", "lenet-d", recorded=25, planned=25))
    assert "ends before epoch 33" in judged("DV-25a", short).sentence


@pytest.mark.spec("DV-25")
@pytest.mark.parametrize(("id", "shaky"), [("DV-25b", "lenet-d"), ("DV-25c", "shallow")])
def test_layers_are_less_stable_than_those_of_lenet(calm: Runs, id: str, shaky: str) -> None:
    jumping = UP * np.where(E % 2, 0.9, 1.1)
    lenet, other = calm("lenet"), calm(shaky)
    assert verdict(id, changed(other, {(D, "*"): jumping}), lenet) == HELD
    assert verdict(id, other, changed(lenet, {(D, "*"): jumping})) == NOT
    assert verdict(id, other) == UNTESTED


@pytest.mark.spec("DV-26")
def test_batch_norm_ties_density_to_discriminability(calm: Runs) -> None:
    normed, plain = calm("lenet-bn"), calm("lenet")
    dips = changed(normed, {(D, "*"): DIP, (P, "*"): DIP / 4})
    found = judged("DV-26a", dips)
    assert found.verdict == HELD
    assert found.figures["lenet-bn"]["of"] == len(normed.layers)
    assert verdict("DV-26a", normed) == NOT
    assert verdict("DV-26a", dips, calm("shallow-bn")) == NOT, "every recorded network"
    assert verdict("DV-26b", dips) == HELD
    assert verdict("DV-26b", changed(dips, {(P, "*"): 1 - DIP / 4})) == NOT
    assert "declines at first" in judged("DV-26b", normed).sentence
    other = changed(plain, {(P, "*"): DOWN / 4})
    found = judged("DV-26c", dips, other)
    assert found.verdict == HELD
    assert found.figures["pairs"] == 4
    assert found.figures["median_with"] == pytest.approx(1)
    assert found.figures["median_without"] == pytest.approx(-1)
    tied = changed(plain, {(P, "*"): UP / 4})
    assert verdict("DV-26c", dips, tied) == NOT, "no more than without"
    assert "with and without" in judged("DV-26c", dips).sentence


@pytest.mark.spec("DV-26")
def test_batch_norm_fills_what_was_too_sparse(calm: Runs) -> None:
    normed, plain = calm("lenet-w-bn"), calm("lenet-w")
    assert verdict("DV-26d", changed(normed, {(P, "relu2"): UP / 5}), plain) == HELD
    assert verdict("DV-26d", changed(normed, {(P, "relu2"): UP / 20}), plain) == NOT
    assert verdict("DV-26d", changed(normed, {(P, "relu2"): DOWN}), plain) == NOT


@pytest.mark.spec("DV-27")
def test_sigmoids_saturate(calm: Runs) -> None:
    sig1, sig4, normed = calm("lenet-sig1"), calm("lenet-sig4"), calm("lenet-sig4-bn")
    at_once, later = np.where(E >= 2, 1.0, 0.1), np.where(E >= 20, 1.0, 0.1)
    fast, slow = ({(D, "sig4"): values} for values in (at_once, later))
    assert verdict("DV-27b", changed(sig1, {(D, "sig1"): at_once}), changed(sig4, slow)) == HELD
    assert verdict("DV-27b", changed(sig1, {(D, "sig1"): later}), changed(sig4, fast)) == NOT
    assert verdict("DV-27b", changed(sig1, {(D, "sig1"): later}), changed(sig4, slow)) == NOT
    found = judged("DV-27c", changed(sig4, fast))
    assert (found.verdict, found.figures["settled_at"]) == (HELD, 2)
    assert verdict("DV-27c", changed(sig4, slow)) == NOT
    weak, strong = ({(D, "conv4"): 1 + rise * UP} for rise in (0.1, 5))
    three = [calm("lenet"), changed(sig4, weak), changed(normed, strong)]
    assert verdict("DV-27d", *three) == HELD
    assert verdict("DV-27d", three[0], changed(sig4, strong), changed(normed, weak)) == NOT
    assert verdict("DV-27d", *three[1:]) == UNTESTED
    full = {("saturation", "sig4"): np.full(EPOCHS, 0.75)}
    assert judged("DV-27e", changed(sig4, full)).figures["saturation"] == pytest.approx(0.75)
    assert verdict("DV-27e", changed(sig4, full)) == HELD
    assert verdict("DV-27e", sig4) == NOT
    assert verdict("DV-27f", changed(sig4, fast), changed(normed, slow)) == HELD
    assert verdict("DV-27f", changed(sig4, slow), changed(normed, fast)) == NOT


@pytest.mark.spec("DV-27")
def test_a_batch_norm_is_worth_two_points(calm: Runs) -> None:
    sig4, normed = (calm(name) for name in ("lenet-sig4", "lenet-sig4-bn"))
    assert verdict("DV-27g", changed(sig4, share=0.80), changed(normed, share=0.83)) == HELD
    assert verdict("DV-27g", changed(sig4, share=0.80), changed(normed, share=0.815)) == NOT


@pytest.mark.spec("DV-28")
def test_class_units(calm: Runs, tmp_path: Path) -> None:
    lenet = calm("lenet")
    found = judged("DV-28a", lenet)
    assert (found.verdict, found.figures["n"], found.figures["share"]) == (HELD, 50, 1)
    wrong = np.tile(np.arange(10)[:, None], (1, 20))
    wrong[:, 2:] = (wrong[:, 2:] + 1) % 10
    mixed = load_run(plant(tmp_path / "mixed", "lenet", labels={"conv5": wrong}))
    assert judged("DV-28a", mixed).figures["share"] == pytest.approx(0.4)
    assert verdict("DV-28a", mixed) == NOT
    shallow = load_run(plant(tmp_path / "shallow", "shallow", labels={"conv4": wrong}))
    found = judged("DV-28b", lenet, shallow)
    assert found.verdict == HELD
    assert found.figures["shallow"]["cat"]["top_5"] == ["cat", "cat", "deer", "deer", "deer"]
    assert found.figures["difference"] == pytest.approx(0.9)
    assert verdict("DV-28b", lenet, calm("shallow")) == NOT
    (lenet.folder / "detail-045.npz").rename(tmp_path / "detail")
    without = load_run(lenet.folder)
    assert without.detailed == ()
    (tmp_path / "detail").rename(lenet.folder / "detail-045.npz")
    assert "no patches of its last epoch" in judged("DV-28a", without).sentence


@pytest.mark.spec("DV-28")
def test_lenet_d_is_premature(calm: Runs, tmp_path: Path) -> None:
    found = judged("DV-28c", calm("lenet-d"))
    assert (found.verdict, found.figures["pure"]) == (HELD, 8)
    spread = np.tile(np.arange(20) % 10, (8, 1))
    mixed = load_run(plant(tmp_path / "mixed", "lenet-d", labels={"conv15": spread}))
    assert judged("DV-28c", mixed).figures["median_share"] == pytest.approx(0.2)
    assert verdict("DV-28c", mixed) == NOT


def pictured(monkeypatch: pytest.MonkeyPatch, planted: dict[str, list[np.ndarray | None]]) -> None:
    """Average pictures of any layer, by network; None = nothing drives the unit."""

    def kept(run: EvolutionRun, layer: str, epoch: int) -> list[UnitAverage]:
        assert epoch == EPOCHS
        return [UnitAverage(image, 0.5) for image in planted[run.model]]

    monkeypatch.setattr("ndcore.evolution.findings.class_units.kept_averages", kept)


def noise(count: int, seed: int, share: float = 1.0) -> list[np.ndarray]:
    """Pictures that differ in this share of their contrast."""
    rng = np.random.default_rng(seed)
    common, own = rng.normal(size=(5, 5, 3)), rng.normal(size=(count, 5, 5, 3))
    mixed = share * own + (1 - share) * common
    return list(np.clip(128 + 30 * mixed, 0, 255).astype(np.uint8))


@pytest.mark.parametrize(
    ("id", "networks"),
    [("DV-28d", ("lenet", "shallow")), ("DV-23d", ("lenet", "lenet-w"))],
)
def test_pictures_of_one_network_are_more_diverse(
    calm: Runs, monkeypatch: pytest.MonkeyPatch, id: str, networks: tuple[str, str]
) -> None:
    runs = [calm(network) for network in networks]
    diverse, alike = noise(16, 0), noise(16, 1, 0.3)
    pictured(monkeypatch, dict(zip(networks, (diverse, [*alike, None]), strict=True)))
    found = judged(id, *runs)
    assert found.verdict == HELD
    assert found.figures[networks[1]]["units"] == 16
    pictured(monkeypatch, dict(zip(networks, (diverse, noise(16, 2)), strict=True)))
    assert verdict(id, *runs) == NOT
    pictured(monkeypatch, dict(zip(networks, (diverse, [None, alike[0]]), strict=True)))
    assert "fewer than two pictures" in judged(id, *runs).sentence


@pytest.mark.spec("DV-28")
def test_a_unit_of_one_network_looks_like_one_of_another(
    calm: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    lenet, shallow = calm("lenet"), calm("shallow")
    first, second = noise(8, 0), noise(8, 1)
    pictured(monkeypatch, {"lenet": first, "shallow": second})
    assert verdict("DV-28e", lenet, shallow) == NOT
    pictured(monkeypatch, {"lenet": [None, *first], "shallow": [*second, first[2]]})
    found = judged("DV-28e", lenet, shallow)
    assert (found.verdict, found.figures["units"]) == (HELD, {"lenet": 3, "shallow": 8})
    assert found.figures["correlation"] == pytest.approx(1)
    pictured(monkeypatch, {"lenet": first, "shallow": [each[1:] for each in second]})
    assert "differ in size" in judged("DV-28e", lenet, shallow).sentence


@pytest.mark.spec("DV-28")
def test_the_bird_unit_of_shallow_ignores_the_background(
    calm: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    lenet, shallow = calm("lenet"), calm("shallow")
    whole = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    middle = np.full_like(whole, 128)
    middle[2:6, 2:6] = whole[2:6, 2:6]
    pictured(monkeypatch, {"lenet": [whole] * 10, "shallow": [middle] * 10})
    found = judged("DV-28f", lenet, shallow)
    assert found.verdict == HELD
    assert found.figures["contrast"]["shallow"] == 0
    pictured(monkeypatch, {"lenet": [middle] * 10, "shallow": [whole] * 10})
    assert verdict("DV-28f", lenet, shallow) == NOT
    pictured(monkeypatch, {"lenet": [whole] * 10, "shallow": [None] * 10})
    assert "nothing drives the bird unit" in judged("DV-28f", lenet, shallow).sentence.lower()


@pytest.mark.spec("DV-29")
@pytest.mark.parametrize(
    ("id", "better", "worse"),
    [
        ("DV-27a", "lenet", "lenet-sig1"),
        ("DV-29a", "lenet", "shallow"),
        ("DV-29b", "lenet", "lenet-w"),
        ("DV-29c", "lenet", "lenet-d"),
        ("DV-29f", "lenet-w-bn", "lenet-w"),
        ("DV-29g", "nin", "lenet"),
    ],
)
def test_one_network_is_more_accurate(calm: Runs, id: str, better: str, worse: str) -> None:
    first, second = calm(better), calm(worse)
    found = judged(id, changed(first, share=0.83), changed(second, share=0.78))
    assert found.verdict == HELD
    assert found.figures["difference"] == pytest.approx(0.05)
    low, high = found.figures["ci95"]
    assert 0.035 < low < 0.05 < high < 0.065
    stated = [(NETWORKS[name].paper_accuracy or 0) / 100 for name in (better, worse)]
    assert found.figures["paper"]["difference"] == pytest.approx(stated[0] - stated[1])
    assert (found.figures["paper"]["ci95"][0] > 0) == (id != "DV-29c"), "0.53 points are chance"
    assert verdict(id, changed(first, share=0.785), changed(second, share=0.78)) == NOT
    assert verdict(id, changed(first, share=0.70), changed(second, share=0.78)) == NOT
    unfinished = replace(first, result={})
    assert "after training is not recorded" in judged(id, unfinished, second).sentence


@pytest.mark.spec("DV-29")
@pytest.mark.parametrize(("id", "network"), [("DV-29d", "lenet-w"), ("DV-29e", "lenet-d")])
def test_wide_and_deep_networks_overfit(calm: Runs, id: str, network: str) -> None:
    run = calm(network)
    found = judged(id, changed(run, curves=rising_loss(30)))
    assert (found.verdict, found.figures["lowest_at"]) == (HELD, 30)
    assert verdict(id, run) == NOT
    both = rising_loss(30) | {"train_loss": 1 + 0.02 * np.abs(E - 30)}
    assert verdict(id, changed(run, curves=both)) == NOT, "training is worse as well"


@pytest.mark.spec("DV-30")
def test_discriminability_grows(calm: Runs) -> None:
    lenet, shallow = calm("lenet"), calm("shallow")
    assert verdict("DV-30a", lenet, shallow) == HELD
    assert verdict("DV-30a", lenet, changed(shallow, {(D, "*"): DOWN})) == NOT
    assert verdict("DV-30a", lenet, changed(shallow, {(D, "*"): np.ones(EPOCHS)})) == NOT
    units = UP * np.linspace(1, 1.2, 8)[:, None]
    better = changed(lenet, {(D, "conv1"): 1.5 * units})
    plain = changed(shallow, {(D, "conv1"): units})
    found = judged("DV-30b", better, plain)
    assert found.verdict == HELD
    assert found.figures["lenet"]["units"] == 8
    assert verdict("DV-30b", changed(lenet, {(D, "conv1"): units}), plain) == NOT
    deeper = changed(lenet, {(D, layer.name): 1 + layer.number * UP for layer in lenet.layers})
    assert judged("DV-30c", deeper).figures["lenet"]["growth_with_depth"] == pytest.approx(1)
    assert verdict("DV-30c", deeper) == HELD
    assert verdict("DV-30c", deeper, shallow) == NOT


@pytest.mark.spec("DV-30")
def test_neurons_start_even_and_converge(calm: Runs, tmp_path: Path) -> None:
    def run(name: str, first: float, last: float) -> EvolutionRun:
        return load_run(plant(tmp_path / name, "lenet", between=(first, last)))

    learned = run("learned", 0.01, 0.2)
    found = judged("DV-30d", learned)
    assert (found.verdict, found.missing[:1]) == (HELD, ("shallow",))
    counts = found.figures["lenet"]
    assert counts["both"] == counts["units"] == sum(layer.units for layer in learned.layers)
    restless = UP * np.where(E % 2, 0.5, 1.5)
    assert verdict("DV-30d", changed(learned, {(D, "*"): restless})) == NOT, "it never settles"
    assert judged("DV-30d", run("known", 0.15, 0.2)).figures["lenet"]["even"] == 0
    assert verdict("DV-30d", run("dead", 0, 0)) == NOT, "what never varies learned nothing"
    old = judged("DV-30d", calm("shallow"), calm("nin"))
    assert old.verdict == UNTESTED
    assert "Recorded without epoch 0: shallow, nin." in old.sentence
    both = judged("DV-30d", learned, calm("shallow"))
    assert both.verdict == HELD
    assert both.sentence.endswith("Recorded without epoch 0: shallow.")


@pytest.mark.spec("DV-28")
def test_facets_of_lenet_d_are_pure(calm: Runs, tmp_path: Path) -> None:
    run = load_run(plant(tmp_path / "deep", "lenet-d"))
    told = judged("DV-28g", run)
    assert told.verdict == UNTESTED
    assert "evolve lenet-d --facets conv15 --data .data" in told.sentence
    units = run.layer("conv15").units
    counts = np.zeros((units, 10, 10), np.uint16)
    counts[:, 0] = 30  # the facet of the highest patch: as mixed as can be, and left out
    counts[:, 1, :2] = 40, 40
    counts[:, 2, 5:] = 20
    path = run.folder / "facets-32-045.npz"
    assert run.layer("conv15").number == 32
    write_arrays(path, {"counts": counts, "highest": np.zeros(units, np.uint8)})
    found = judged("DV-28g", run)
    assert (found.figures["pure"], found.figures["facets"]) == (units, 2 * units)
    assert found.figures["share_of_patches"] == pytest.approx(80 / 180)
    assert found.verdict == NOT
    counts[:, 2, 5:] = 4
    write_arrays(path, {"counts": counts, "highest": np.zeros(units, np.uint8)})
    assert verdict("DV-28g", run) == HELD
    path.write_bytes(b"no")
    assert "damaged" in judged("DV-28g", run).sentence


@pytest.mark.parametrize("finding", FINDINGS, ids=lambda finding: finding.id)
def test_what_is_not_recorded_is_named(finding: Finding) -> None:
    (result,) = check_findings({}, (finding,))
    assert result.verdict == UNTESTED
    assert result.missing == finding.networks
    assert result.sentence == f"Not recorded: {', '.join(finding.networks)}."
    assert set(finding.networks) <= set(FIGURE_4)
    assert finding.theme in {f"DV-{number}" for number in range(22, 31)}


def test_every_theme_has_findings_and_no_id_is_twice() -> None:
    ids = [finding.id for finding in FINDINGS]
    assert len(set(ids)) == len(ids)
    assert {finding.theme for finding in FINDINGS} == {f"DV-{n}" for n in range(22, 31)}
    for finding in FINDINGS:
        assert finding.claim.endswith(".")
        assert not finding.rule.endswith(".")


def test_a_short_or_unfinished_recording_is_not_judged(calm: Runs, tmp_path: Path) -> None:
    half = load_run(plant(tmp_path / "half", "lenet", recorded=30))
    assert judged("DV-30c", half).sentence == (
        "The recording of lenet has 30 of 45 epochs; not recorded: shallow."
    )
    short = load_run(plant(tmp_path / "short", "lenet", recorded=8, planned=8))
    assert "has 8 epochs, fewer than 20" in judged("DV-30c", short).sentence
    (finding,) = (each for each in FINDINGS if each.id == "DV-30c")
    whole = calm("lenet")
    (result,) = check_findings({"a": short, "b": whole, "c": whole}, (finding,))
    assert result.recordings == {"lenet": "b"}
    (result,) = check_findings({"b": whole, "lenet": whole}, (finding,))
    assert result.recordings == {"lenet": "lenet"}


def test_a_damaged_recording_could_not_be_tested(tmp_path: Path) -> None:
    run = load_run(plant(tmp_path, "lenet"))
    (run.folder / "detail-045.npz").write_bytes(b"no")
    found = judged("DV-28a", run)
    assert (found.verdict, found.figures) == (UNTESTED, {})
    assert "damaged" in found.sentence


@pytest.mark.spec("DV-21")
def test_accuracies_stand_beside_the_papers(calm: Runs, tmp_path: Path) -> None:
    going = load_run(plant(tmp_path / "again", "lenet", recorded=2, share=None))
    rows = accuracy_table({"lenet": calm("lenet"), "lenet-again": going, "nin": calm("nin")})
    assert [row.network for row in rows if row.run is None] == [
        name for name in FIGURE_4 if name not in ("lenet", "nin")
    ]
    found = {row.run: row for row in rows}
    lenet = found["lenet"]
    assert lenet.paper == 0.8024
    assert lenet.test is not None
    assert (lenet.test.accuracy, lenet.test.n, lenet.test.images) == (0.8, 10_000, "test")
    assert lenet.evaluation is not None
    assert (lenet.evaluation.accuracy, lenet.evaluation.lossless) == (0.5, 100)
    assert lenet.test.ci95 == pytest.approx((0.7920, 0.8077), abs=1e-4)
    assert (lenet.epochs, lenet.seed, lenet.data) == (45, 0, "folder")
    assert lenet.recipe == (
        "SGD, rate 0.01 lowered after epochs 30 and 40, momentum 0.9, weight decay 0.0001, "
        "batch 100, 45 epochs"
    )
    assert (found["lenet-again"].test, found["lenet-again"].epochs) == (None, 2)
    assert "weight decay 0.0005" in (found["nin"].recipe or "")


def test_statistics(rng: np.random.Generator) -> None:
    a, b = rng.random(30), rng.integers(0, 4, 30)
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a, b).statistic)
    assert rank_correlation(a, np.ones(30)) == 0
    assert settled_at(np.array([0.1, 0.5, 0.95, 1.0]), np.arange(1, 5)) == 3
    # Newcombe 1998, table II, example (a): 56/70 against 48/80, method 10.
    assert difference((56, 70), (48, 80)) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)


def test_overfitting_needs_a_loss_that_rises(calm: Runs) -> None:
    run = calm("lenet")
    assert overfitting(run)[0] is False
    happens, lowest, rise = overfitting(changed(run, curves=rising_loss(25)))
    assert (happens, lowest) == (True, 25)
    assert rise == pytest.approx((1 + 0.02 * 19) / (1 + 0.02 * 2 / 3) - 1)


def test_evolve_findings_on_the_command_line(
    empty_cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evolve", "--findings", "--json", "-"]) == 0
    nothing = json.loads(capsys.readouterr().out)
    assert nothing["summary"] == {HELD: 0, NOT: 0, UNTESTED: len(FINDINGS)}
    assert len(nothing["missing"]) == len(FIGURE_4) == 12
    plant(empty_cache / "runs" / "lenet", "lenet")
    plant(empty_cache / "runs" / "shallow", "shallow", share=0.75)
    damaged = plant(empty_cache / "runs" / "nin", "nin", recorded=1)
    (damaged / "evolution" / "epoch-001.npz").write_bytes(b"no")
    assert main(["evolve", "--findings", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads(json.dumps(findings_of()))
    verdicts = {row["id"]: row["verdict"] for row in found["findings"]}
    assert verdicts["DV-29a"] == HELD
    assert verdicts["DV-22a"] == NOT
    assert verdicts["DV-29b"] == UNTESTED
    assert [row["run"] for row in found["unread"]] == ["nin"]
    commands = [row["command"] for row in found["missing"]]
    assert "python -m ndcore train lenet-w --data .data --epochs 45 --record" in commands
    assert not any("train lenet " in command for command in commands)
    assert main(["evolve", "lenet", "--findings", "--json", "-"]) == 0
    named = json.loads(capsys.readouterr().out)
    told = {row["id"]: row["sentence"] for row in named["findings"]}
    assert told["DV-29a"] == "Not among the runs that were named: shallow."
    commands = [row["command"] for row in named["missing"]]
    assert len(commands) == 10, "what is recorded and was not named is not to be recorded again"
    assert not any(f"train {name} " in line for name in ("lenet", "shallow") for line in commands)
    assert main(["evolve", "--findings"]) == 0
    text = capsys.readouterr().out
    assert HOW_FIXED in text
    assert "+ DV-29a held: lenet, deeper and wider, is more accurate than shallow. (4.1.1)" in text
    assert "? DV-29b could not be tested" in text
    assert (
        "lenet           80.24  80.00 (79.20-80.77) on 10,000 test images, none lossless; 50.00"
        in text
    )
    assert "on 100 held-out images, lossless; 45 epochs recorded on an image folder, seed 0" in text
    assert commands[0] in text
    assert main(["evolve", "--findings", "shallow", "--json", "-"]) == 0
    one = json.loads(capsys.readouterr().out)
    assert {row["run"] for row in one["accuracy"]} == {None, "shallow"}
    for arguments, told in (
        (["evolve"], "evolve takes one RUN, got 0"),
        (["evolve", "lenet", "shallow"], "evolve takes one RUN, got 2"),
        (["evolve", "--findings", "nin"], "damaged"),
    ):
        assert main(arguments) == 2
        line = capsys.readouterr().err
        assert told in line
        assert line.count("\n") == 1
    with pytest.raises(RunError):
        findings_of(["nothing"])
