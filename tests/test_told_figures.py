"""Figures that the README states of the shipped bundle and runs are those of their files.

Each row of `TOLD` is a piece of the README with its figures left open, and where they live. They
are compared as they are printed, so that another network, study or run fails here until the README
was brought up to date. Whatever else is a number in those sections stands in `OTHERS`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest

from ndcore.evolution import EvolutionRun, load_run
from ndcore.evolution.findings import findings_of
from ndcore.statistics.intervals import wilson
from tests.shipped import README, ROOT, RUNS, RUNS_FOLDER, document

TEXT = " ".join(README.split())
# `bench attack`, `bench explorer`, `bench detector` and `bench evolution --data` were run on the
# network of this hash: for another one run them anew, bring the README up to date, and put its
# hash here.
MEASURED_ON = "c3da7d35505dd7d7179805ccb7119485788d0c18bf9808fbfb270ddcececf714"
PLAIN = "study:attacks/one-pixel"
OURS, SINGLE = "repair-pair", "repair-turn"  # the frozen one, and the same without pairs
BASELINE, LATE = "pixel-outlier", "w1-top-late"


def judged(words: str, name: str) -> tuple[str, ...]:
    """A row of the table of scores."""
    found = f"study:detectors/{name}"
    return (
        words + " | {0.auroc:.3f} ({0.ends}) | {1.auroc:.3f} | {2.auroc:.3f} | {3:.1%} | {4:.1%} |",
        f"{found}/attacks/one-pixel",
        f"{found}/attacks/one-pixel/against/benign-misclassified",
        f"{found}/attacks/one-pixel/against/confidence-matched",
        f"{found}/tpr_at_fpr/0.05",
        f"{found}/realised_fpr/0.05",
    )


def evading(words: str, attack: str, proven: bool = True) -> tuple[str, ...]:
    """A row of the table of attackers who know the detector."""
    found = f"study:evasion/{attack}"
    bound = "{6.rate:.1%}" if proven else "no proof"
    return (
        f"| {words} | {{0.n:,}} | {{0.rate:.1%}} ({{0.percents}}) | {{1.rate:.1%}} "
        f"({{1.percents}}) of {{1.n}} | {{2.rate:.1%}} ({{2.percents}}) | {bound} | "
        "{3.auroc:.3f} | {4.auroc:.3f} ({4.ends}) | {5:,.0f} |",
        f"{found}/success",
        f"{found}/detected",
        f"{found}/evasion",
        f"study:detectors/{OURS}/attacks/{attack}",
        f"study:detectors/{BASELINE}/attacks/{attack}",
        f"{found}/queries_mean",
        *([f"{found}/bound"] if proven else []),
    )


def suited(attack: str) -> tuple[str, ...]:
    """A row of the table of which detector is for which attack."""
    found = f"study:families/rows/{attack}"
    return (
        f"| `{attack}` | {{0.n}} | {{0.rate:.1%}} | `{{1}}` {{2.rate:.1%}} ({{2.percents}}) | "
        "{3.rate:.1%} ({3.percents}) |",
        f"{found}/frozen",
        f"{found}/chosen",
        f"{found}/best",
        f"{found}/union",
    )


def other(attack: str) -> tuple[str, ...]:
    """A row of the table of attacks that it was not made for."""
    return (
        f"| `{attack}` | {{0}} | {{1.auroc:.3f}} ({{1.ends}}) | `{{2.name}}` {{2.auroc:.3f}} "
        "({2.ends}) |",
        f"study:attacks/{attack}/n",
        f"study:detectors/{OURS}/attacks/{attack}",
        f"best:{attack}",
    )


TOLD: tuple[tuple[str, ...], ...] = (
    # The shipped bundle
    (
        "Held-out accuracy: **{0.accuracy:.1%}** (n = {0.n:,}, 95% interval {0.percents})",
        "manifest:accuracy",
    ),
    (
        "distributions of all its {0:,} units over {1:,} training images",
        "counts:units",
        "manifest:distributions/images",
    ),
    (
        "a gallery of {0} verified one-pixel attacks: {1} of the {2} samples, and {3} of {4:,} "
        "correctly classified lossless images held out of training ({5.success_rate:.1%}, 95% "
        "interval {5.percents}; `fast`, {6:.0f} queries per success on average)",
        "counts:gallery",
        "manifest:gallery/samples/succeeded",
        "manifest:gallery/samples/attacked",
        "manifest:gallery/evaluation/succeeded",
        "manifest:gallery/evaluation/attacked",
        "manifest:gallery/evaluation",
        "manifest:gallery/evaluation/queries_mean",
    ),
    (
        "recipes.py`; {0} epochs, seed {1}.",
        "manifest:training/config/epochs",
        "manifest:training/config/seed",
    ),
    ("all {0:,} neurons with all ten classes", "counts:units"),
    # Divergence Detector
    ("`study detectors` compares {0} scores", "counts:detectors"),
    (
        "{0} successful one-pixel attacks against {1:,} benign images, {2} of them natural "
        "errors; thresholds from {3:,} others",
        f"{PLAIN}/n",
        "study:images/evaluation",
        "study:images/evaluation_misclassified",
        "study:images/calibration",
    ),
    judged("how far one repair turns the prediction", OURS),
    judged("the same without pairs", SINGLE),
    judged(f"best baseline, `{BASELINE}` (no network)", BASELINE),
    judged("next baseline, `logit-gap`", "logit-gap"),
    judged("Wasserstein divergence of the last third of the layers", LATE),
    (
        f"`{OURS}` was chosen among {{0}} on {{1}} dev images, by the attack that each catches "
        f"worst, before these were opened: {{2.rate:.0%}} of {{2.n}} decoys in their neighbours' "
        f"colours, where `{SINGLE}` catches {{3.rate:.0%}}.",
        "counts:candidates",
        "study:choice/images",
        f"study:choice/rows/{OURS}/caught/dev-decoy-inconspicuous",
        f"study:choice/rows/{SINGLE}/caught/dev-decoy-inconspicuous",
    ),
    (
        "its first suspect is the changed pixel in {0.rate:.1%} and the repaired label the true "
        "one in {1.rate:.1%} (n = {1.n})",
        "study:localisation/one-pixel/suspect_is_the_pixel_when_detected",
        "study:localisation/one-pixel/repaired_label_is_true_when_detected",
    ),
    (
        "tells correct images from attacks ({0.auroc:.3f}), but not the network's own natural "
        "errors ({1.auroc:.3f})",
        f"study:detectors/{LATE}/attacks/one-pixel/against/benign-correct",
        f"study:detectors/{LATE}/attacks/one-pixel/against/benign-misclassified",
    ),
    (
        f"flagged by `{OURS}` in {{0.count}} of {{0.n}} images ({{0.percents}}) and by "
        f"`{BASELINE}` in {{1.count}} ({{1.rate:.0%}}, {{1.whole}})",
        f"study:detectors/{OURS}/controls/random-pixel",
        f"study:detectors/{BASELINE}/controls/random-pixel",
    ),
    (
        "Against the {0.n} natural errors that baseline is better: {0.auroc:.3f} ({0.ends}), "
        f"`{OURS}` {{1.auroc:.3f}} ({{1.ends}})",
        f"study:detectors/{BASELINE}/attacks/one-pixel/against/benign-misclassified",
        f"study:detectors/{OURS}/attacks/one-pixel/against/benign-misclassified",
    ),
    evading("plain, `fast`", "one-pixel"),
    evading("colours within the neighbours' range", "inconspicuous"),
    evading("least suspicious of all flips of two searches", "least-divergent"),
    evading("differential evolution that hides", "stealthy-de"),
    evading("only through holes of the certificate", "holes"),
    evading("a second pixel as a decoy", "decoy", proven=False),
    evading("the same, chosen among many against the detector", "decoy-chosen", proven=False),
    evading("the same in the neighbours' colours", "decoy-inconspicuous", proven=False),
    (
        "By the rule `flip`, one pixel of the attackers' goes unnoticed on {0:.1%} of the images "
        "at most, where the proof allows {1.rate:.1%}; decoys do on up to {2.rate:.1%}.",
        "counts:flip_evasion",
        "study:evasion/holes/flip_bound",
        "study:evasion/decoy/flip_evasion",
    ),
    (
        "Counting an image only where every attack of one or two pixels on it is caught, "
        f"`{OURS}` catches {{0.rate:.1%}} ({{0.percents}}) of {{0.n}} (MEAD).",
        "study:mead/few-pixels",
    ),
    (
        "On {0} images an exhaustive search knows {1:,.0f} flips on average; where a weakened "
        "detector lets a tenth of them pass, the attackers find one in {2.rate:.0%} "
        "({2.percents}) of the images, where it lets a single one pass, in {3.rate:.0%} "
        "({3.percents}).",
        "study:self_test/n",
        "study:self_test/flips_mean",
        "study:self_test/passes_what_a_tenth_passes",
        "study:self_test/passes_what_one_passes",
    ),
    *map(other, ("one-pixel-de", "three-pixels", "five-pixels")),
    *map(suited, ("fgsm", "pgd", "deepfool", "cw")),
    (
        "their false alarms are {0.rate:.1%} ({0.percents}) together and {1.rate:.1%} "
        f"({{1.percents}}) of `{OURS}` alone",
        "study:families/false_alarms/union",
        "study:families/false_alarms/frozen",
    ),
    # Certificate, at the top and in its section
    (
        "For **{0.rate:.1%}** ({0.percents}) of {0.n} images that the shipped network gets right "
        "there is a proof that whoever changes one pixel, to whatever colour, leaves the label as "
        "it is or raises the alarm of the rule `flip`; for {1.rate:.1%} ({1.percents}) of "
        "{1.n} that one pixel is known to flip. The alarm is false on {2.rate:.1%} "
        "({2.percents}); of all {3.n}, {3.certified_accuracy:.1%} are both right and proven "
        "([certificate](#certificate)).",
        "proven:correct/certified",
        "broken:breakable/certified",
        "proven:correct/alarms",
        "proven:sound",
    ),
    ("| of {0} images drawn from the evaluation split | share (95% interval) | n |", "proven:n"),
    (
        "| certified, of those that the network gets right | {0.rate:.1%} ({0.percents}) | {0.n} |",
        "proven:correct/certified",
    ),
    (
        "| certified, of its gallery: a stored attack flips each | {0.rate:.1%} ({0.percents}) "
        "| {0.n} |",
        "broken:breakable/certified",
    ),
    (
        "| false alarms on those that it gets right | {0.rate:.1%} ({0.percents}) | {0.n} |",
        "proven:correct/alarms",
    ),
    (
        "| false alarms on those that it gets wrong | {0.rate:.1%} ({0.percents}) | {0.n} |",
        "proven:wrong/alarms",
    ),
    (
        "| right and certified ({1:.1%} are right) | {0.certified_accuracy:.1%} ({0.percents}) | "
        "{0.n} |",
        "proven:sound",
        "proven:accuracy",
    ),
    (
        "Of the {0.n} stored attacks of the gallery {0.caught} raise the alarm, among them all "
        "{0.on_certified} on certified ones, as the proof demands.",
        "broken:attacks",
    ),
    (
        "The study proves the same of {0} evaluation images: certified are {1.rate:.1%} "
        "({1.percents}) of {1.n} that the network gets right and {2.rate:.1%} ({2.percents}) of "
        "{2.n} that some attack of it broke; the alarm is false on {3.rate:.1%} ({3.percents}), "
        "right and certified are {4.rate:.1%} ({4.percents}), and of {5} attacks on certified "
        "images {6} broke the proof.",
        "study:certificate/n",
        "study:certificate/flip/correct",
        "study:certificate/flip/breakable",
        "study:certificate/flip/alarms/correct",
        "study:certificate/certified_accuracy",
        "counts:on_certified",
        "counts:violations",
    ),
    (
        "Of {0.n} images among {1} that the network gets right that is proven for {0.rate:.1%} "
        "({0.percents}); on the others the alarm is false. After a stored attack the label comes "
        "back from {2.rate:.1%} ({2.percents}) of {2.n}.",
        "pairs:two_pixels/correct/certified",
        "pairs:two_pixels/n",
        "pairs:two_pixels/attacks",
    ),
    # Training Evolution
    (
        "ship with the project: {0} epochs, rate {1:g} lowered after {2} and {3}, no augmentation",
        "runs:epochs",
        "runs:rate",
        "runs:lowered/0",
        "runs:lowered/1",
    ),
    (
        "trained on {0:,} CIFAR-10 images that had been through JPEG (quality 75), so had the "
        "{1:,} test images; the {2:,} held-out images are lossless. The last two columns are of "
        "{3} validation images, attacked by `fast` with at most {4} queries each",
        "runs:reference",
        "runs:test",
        "runs:evaluation",
        "runs:attacked",
        "runs:queries",
    ),
    ("All but {0} stay {1} to {2} points below", "runs:near", "runs:least", "runs:most"),
    (
        "{0} held, {1} did not hold, {2} could not be tested",
        "claims:held",
        "claims:did not hold",
        "claims:could not be tested",
    ),
)

# What else is a number there: settings, names and what a benchmark measured.
OTHERS = {
    "The shipped bundle": "10 512 75",
    "Certificate": "0.001 1,000 2 2,080 32,896 4 8",
    "Divergence Detector": "0.05 0.31 0.7 1,024 10,000 2 4 5 95",
    "Training Evolution": "0 0.05 0.992 0.999 1 1,000 10 100 16 2.5 20 2017 24 4 45 640",
}


def documents() -> dict[str, Any]:
    manifest, study = document("manifest.json"), document("study/study.json")
    baselines = [row for row in study["detectors"] if row["kind"] == "baseline"]
    proofs = study["certificate"]["attacks"]
    best = {}
    for attack in (row["name"] for row in study["attacks"]):
        row = max(baselines, key=lambda row: row["attacks"][attack]["auroc"])
        best[attack] = row["attacks"][attack] | {"name": row["name"]}
    return {
        "manifest": manifest,
        "study": study,
        "best": best,
        "counts": {
            "units": sum(layer["units"] for layer in manifest["layers"]),
            "gallery": len(document("gallery.json")),
            "detectors": len(study["detectors"]),
            "candidates": NUMBERS[len(study["choice"]["rows"])],
            "flip_evasion": max(
                row["flip_evasion"]["rate"]
                for row in study["evasion"].values()
                if row["pixels"] == 1
            ),
            "on_certified": sum(row["on_certified"] for row in proofs),
            "violations": NUMBERS[sum(row["violations"] for row in proofs)],
        },
        "proven": of_certificates("evaluation"),
        "broken": of_certificates("gallery"),
        "pairs": of_certificates("evaluation, two pixels"),
        "runs": of_runs(),
        "claims": findings_of([str(RUNS_FOLDER / name) for name in RUNS])["summary"],
    }


def of_certificates(name: str) -> dict[str, Any]:
    """The summary of a set of images, its certified accuracy as a rate."""
    found = document("certificates.json")["sets"][name]["summary"]
    key = "certified_accuracy"
    sound = {key: found[key], "ci95": found[f"{key}_ci95"], "n": found[f"{key}_n"]}
    attacks = found["attacks"] | {"ci95": [0.0, 1.0]}
    return found | {"sound": sound, "attacks": attacks}


@cache
def opened() -> dict[str, Any]:
    return documents()


@cache
def runs() -> dict[str, EvolutionRun]:
    return {name: load_run(RUNS_FOLDER / name) for name in RUNS}


def one(values: Iterator[Any]) -> Any:
    """The value that all runs share."""
    found = list(values)
    assert found.count(found[0]) == len(found), found
    return found[0]


NUMBERS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def of_runs() -> dict[str, Any]:
    each = list(runs().values())
    measured = [run.vulnerability for run in each]
    short = {
        name: 100 * (stated - run.result["test"]["accuracy"])
        for name, run in runs().items()
        if (stated := paper()[name]) is not None
    }
    near = min(short, key=lambda name: short[name])
    rest = [round(points) for name, points in short.items() if name != near]
    return {
        "epochs": one(len(run.epochs) for run in each),
        "rate": one(run.about["config"]["lr"] for run in each),
        "lowered": one(run.rate_lowered for run in each),
        "reference": one(run.about["reference"] for run in each),
        "test": one(run.result["test"]["n"] for run in each),
        "evaluation": one(run.result["evaluation"]["n"] for run in each),
        "attacked": one(found.config.images for found in measured if found),
        "queries": one(found.config.max_queries for found in measured if found),
        "near": near,
        "least": NUMBERS[min(rest)],
        "most": NUMBERS[max(rest)],
    }


@cache
def paper() -> dict[str, float | None]:
    rows = findings_of([str(RUNS_FOLDER / name) for name in RUNS])["accuracy"]
    return {row["network"]: row["paper"] for row in rows}


def value_at(place: str) -> Any:
    """`file:key/key`; a list of named rows is entered by name."""
    name, _, path = place.partition(":")
    found = opened()[name]
    for key in path.split("/"):
        if isinstance(found, (list, tuple)):
            rows = [row for row in found if isinstance(row, dict) and row["name"] == key]
            found = rows[0] if rows else found[int(key)]
        else:
            found = found[key]
    return with_interval(found) if isinstance(found, dict) else found


def with_interval(found: dict[str, Any]) -> SimpleNamespace:
    low, high = found["ci95"]
    return SimpleNamespace(
        **found,
        ends=f"{low:.3f}-{high:.3f}",
        percents=f"{100 * low:.1f}-{100 * high:.1f}%",
        whole=f"{100 * low:.0f}-{100 * high:.0f}%",
        count=round(found["rate"] * found["n"]) or "none" if "rate" in found else "",
    )


def told(row: tuple[str, ...]) -> str:
    pattern, *places = row
    return pattern.format(*map(value_at, places))


@pytest.mark.parametrize("row", TOLD, ids=lambda row: row[0][:48])
def test_the_readme_tells_what_the_file_holds(row: tuple[str, ...]) -> None:
    assert told(row) in TEXT


def test_another_value_would_be_noticed() -> None:
    """Each figure of the held-out accuracy, changed in its last printed place."""
    row = TOLD[0]
    accuracy = opened()["manifest"]["accuracy"]
    kept = dict(accuracy)
    low, high = kept["ci95"]
    changes: tuple[dict[str, Any], ...] = (
        {"accuracy": kept["accuracy"] + 0.001},
        {"n": kept["n"] + 1},
        {"ci95": [low, high + 0.001]},
    )
    try:
        for change in changes:
            accuracy.update(kept | change)
            assert told(row) not in TEXT
    finally:
        accuracy.update(kept)


def run_row(name: str) -> str:
    """A line of the README's table of recorded networks."""
    run, stated = runs()[name], paper()[name]
    measured = run.vulnerability
    assert measured is not None
    first, last = measured.epochs[0], measured.epochs[-1]
    assert last.auroc_ci95 is not None
    (low, high), (least, most) = last.flip_ci95, last.auroc_ci95
    cells = [name, "" if stated is None else f"{stated:.1%}"]
    for part in ("test", "evaluation"):
        found = with_interval(run.result[part])
        cells.append(f"{found.accuracy:.1%} ({found.percents})")
    cells.append(
        f"{first.flip_rate:.0%} -> {last.flip_rate:.0%} ({100 * low:.0f}-{100 * high:.0f}%)"
    )
    cells.append(f"{last.auroc:.2f} ({least:.2f}-{most:.2f})")
    return f"| {' | '.join(cells)} |"


@pytest.mark.parametrize("name", RUNS)
def test_the_readme_tells_of_a_run_what_was_recorded(name: str) -> None:
    assert run_row(name) in README


def test_whether_batch_norm_helps_against_one_pixel_stays_open() -> None:
    assert (
        "of the five pairs with and without it the intervals at epoch 45 lie apart in lenet-w alone"
    ) in TEXT
    ends = {}
    for name, run in runs().items():
        assert run.vulnerability is not None
        last = run.vulnerability.epochs[-1]
        ends[name] = wilson(last.flipped, last.attacked)
    pairs = [(name, f"{name}-bn") for name in RUNS if f"{name}-bn" in RUNS]
    assert len(pairs) == 5
    apart = [a for a, b in pairs if ends[a][1] < ends[b][0] or ends[b][1] < ends[a][0]]
    assert apart == ["lenet-w"]


def test_what_is_in_units_of_the_activations_shrinks_with_them() -> None:
    assert (
        "where these shrink, as in most layers of nin-bn, it falls while the network gets more "
        "accurate"
    ) in TEXT
    run = runs()["nin-bn"]
    falls = [
        values[:, -1] < values[:, 0]
        for values in (run.macro("discriminability", "normalised"), run.macro("density"))
    ]
    assert (falls[0] & falls[1]).mean() > 0.5
    errors = run.curves["validation_top1_error"]
    assert errors[-1] < errors[0]


def test_one_pixel_flips_more_in_the_end_and_the_detector_hardly_notices() -> None:
    assert (
        "In all but lenet-w-bn and nin-bn one pixel flips more images after 45 epochs than after "
        "the first"
    ) in TEXT
    for name, run in runs().items():
        assert run.vulnerability is not None
        first, *_, last = run.vulnerability.epochs
        assert (first.flip_rate < last.flip_rate) == (name not in ("lenet-w-bn", "nin-bn"))
        assert last.auroc is not None
        assert last.auroc < 0.65


@pytest.mark.parametrize("heading", OTHERS)
def test_every_other_number_of_a_section_is_known(heading: str) -> None:
    section = README[README.index(f"## {heading}\n") :].removeprefix(f"## {heading}")
    section = re.sub(r"```.*?```", "", section.partition("\n## ")[0], flags=re.S)
    left = " ".join(section.split())
    for piece in [*map(told, TOLD), *map(run_row, RUNS)]:
        left = left.replace(" ".join(piece.split()), "")
    numbers = set(re.findall(r"(?<![\w.])\d[\d,]*(?:\.\d+)?", left))
    assert {number.rstrip(",") for number in numbers} == set(OTHERS[heading].split())


def test_benchmarks_were_measured_on_this_network() -> None:
    assert opened()["manifest"]["weight_hash"] == MEASURED_ON


def test_the_shipped_certificates_are_of_this_network_and_break_no_proof() -> None:
    found = document("certificates.json")
    assert found["weight_hash"] == opened()["manifest"]["weight_hash"]
    right = opened()["manifest"]["classes"]
    for name, each in found["sets"].items():
        rows, summary = each["images"], each["summary"]
        assert summary["n"] == len(rows) == len({row["key"] for row in rows}), name
        assert summary["certified"] == sum(row["certified"] for row in rows)
        assert summary["holes"] == sum(row["holes"] for row in rows)
        correct = [row["certified"] for row in rows if row["predicted"] == row["true"]]
        assert {row["true"] for row in rows} <= set(right)
        assert summary["correct"]["certified"]["n"] == len(correct)
        assert round(summary["correct"]["certified"]["rate"] * len(correct)) == sum(correct)
        attacks = summary["attacks"]
        assert attacks["violations"] == 0
        assert attacks["on_certified"] <= attacks["caught"] <= attacks["n"]
        two = summary.get("two_pixels")
        assert two is None or two["attacks"]["violations"] == 0


def texts_of(tree: ast.AST) -> Iterator[str]:
    """Texts that are shown: all but docstrings."""
    nodes = list(ast.walk(tree))
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and id(node) not in docstrings:
            yield str(node.value)


def test_pages_hold_no_figure_of_the_bundle_but_read_it() -> None:
    manifest, counts = opened()["manifest"], opened()["counts"]
    accuracy = manifest["accuracy"]
    attacked = manifest["gallery"]["evaluation"]
    figures = {f"{accuracy['accuracy']:.1%}", f"{attacked['success_rate']:.1%}"}
    for number in (
        accuracy["n"],
        attacked["attacked"],
        attacked["succeeded"],
        manifest["distributions"]["images"],
        counts["units"],
        counts["gallery"],
    ):
        figures |= {str(number), f"{number:,}"}
    stated = re.compile(rf"(?<![\w.,])({'|'.join(map(re.escape, figures))})(?![\w.,]\d)")
    files = [ROOT / "Home.py", *(ROOT / "pages").rglob("*.py"), *(ROOT / "ndcore").rglob("*.py")]
    assert len(files) > 100
    for path in files:
        for text in texts_of(ast.parse(path.read_text())):
            assert not stated.search(text), f"{path}: {text}"
