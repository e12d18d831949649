"""A model that can only be called is attacked, repaired, judged and certified as any other."""

from __future__ import annotations

import json
import re
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import softmax
from torch import nn

from ndcore.attacks import AttackConfig, attack_images
from ndcore.bundles.build import BuildConfig, build
from ndcore.bundles.bundle import Bundle, load_bundle
from ndcore.certificate import certify
from ndcore.cli import main
from ndcore.data.catalog import open_source
from ndcore.data.sources import ImageSource
from ndcore.data.splits import positions
from ndcore.detectors.by_repair import RepairDetector
from ndcore.detectors.repair import repair
from ndcore.errors import BadRequestError, BundleError, StoppedError
from ndcore.networks.brought.opening import Wishes, adapt_model, open_images
from ndcore.networks.called import function
from ndcore.networks.called.function import Called, to_pixels
from ndcore.networks.evaluator import Evaluator
from ndcore.networks.form import Form, adapted
from ndcore.networks.forward import to_images
from ndcore.networks.registry import model_spec
from ndcore.networks.stoppable import stoppable
from tests.own import called

PLACE = Path(called.__file__).resolve()


def built(kind: str, **options: object) -> dict:
    spec, source = open_images(model_spec(f"{PLACE}:{kind}"), "digits", Wishes(**options))
    return build(BuildConfig("mine", spec.name, gallery=2, gallery_images=6), source, spec=spec)


def evaluation(bundle: Bundle) -> tuple[ImageSource, list[int]]:
    source = open_source("digits")
    return source, positions(source, bundle.splits["evaluation"])


@pytest.mark.spec("OM-5")
@pytest.mark.parametrize("kind", called.FINE)
def test_it_is_right_at_every_step(kind: str, empty_cache: Path) -> None:
    options = {"output": "probability"} if kind == "with_labels" else {}
    manifest = built(kind, **options)
    bundle = load_bundle("mine")
    assert bundle.weight_hash == manifest["weight_hash"]
    assert bundle.shape == (8, 8, 1)
    assert len(bundle.layers) == 1
    assert "can only be asked" in bundle.limit

    source, members = evaluation(bundle)
    pixels, labels = source.pixels(members), source.labels[members]
    told = getattr(called, kind if kind in ("forest", "certain") else "nearest")
    own = told(pixels)
    reading = bundle.read(pixels)
    assert np.isfinite(reading.logits).all()
    assert manifest["accuracy"]["accuracy"] == pytest.approx((own.argmax(1) == labels).mean())
    if kind != "scores":
        np.testing.assert_allclose(reading.probabilities, own, atol=1e-6)
        values = reading.values("probabilities", "value")
        np.testing.assert_allclose(values, own, atol=1e-6)
        held = bundle.distributions("probabilities", "value")
        reference = positions(source, bundle.splits["reference"])
        zeros = told(source.pixels(reference)) == 0
        of_class = source.labels[reference]
        wanted = [zeros[of_class == label].sum(0) for label in range(10)]
        np.testing.assert_array_equal(held.counts[..., 0], wanted)

    right = np.flatnonzero(own.argmax(1) == labels)[:3]
    config = AttackConfig("exhaustive")
    for result in attack_images(
        bundle.model, pixels[right], labels[right], ["a", "b", "c"], config
    ):
        after = told(result.attacked[None])[0]
        assert result.success == (after.argmax() != result.true)
    for engine in ("pgd", "gradient"):
        with pytest.raises(BadRequestError, match="can only be called, so there is no gradient"):
            attack_images(
                bundle.model, pixels[right], labels[right], [*"abc"], AttackConfig(engine)
            )


@pytest.mark.spec("OM-5")
@pytest.mark.parametrize("kind", called.REFUSED)
def test_what_is_no_model_is_refused_in_one_sentence(
    kind: str, empty_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (["build", "mine", "--model"], ["train"], ["check"]):
        status = main([*command, f"{PLACE}:{kind}", "--data", "digits"])
        out, err = capsys.readouterr()
        assert status == (1 if command[0] == "check" and not err else 2)
        told = err or out
        assert re.search(called.REFUSED[kind], told), told
        assert not err or err.count("\n") == 1


def test_it_cannot_be_trained_and_says_so(
    empty_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", f"{PLACE}:forest", "--data", "digits"]) == 2
    assert "has no weights to train: `build` takes it as it is" in capsys.readouterr().err


def test_all_commands_work_on_it(empty_cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name, data = f"{PLACE}:forest", ["--data", "digits"]
    assert main(["check", name, *data, "--json", "-"]) == 0
    told = json.loads(capsys.readouterr().out)
    whats = [row["what"] for row in told["findings"]]
    assert "the model answers with probabilities" in whats
    assert "no part of the model can be observed from outside" in whats
    assert main(["build", "mine", "--model", name, *data, "--json", "-"]) == 0
    built = json.loads(capsys.readouterr().out)
    assert built["images"] > 1000
    assert any("which images the network was trained on" in f["what"] for f in built["findings"])
    bundle = load_bundle("mine")
    assert {"repair-turn", "wasserstein", "logit-gap", "median-squeeze"} <= {*bundle.calibrations}
    assert "energy" not in bundle.calibrations  # the same of all probabilities
    for command in (
        ["layers", name, *data],
        ["evaluate", "--bundle", "mine", *data],
        ["attack", "--bundle", "mine", "--source", "digits", "--n", "3", "--engine", "fast"],
        ["detect", "--bundle", "mine", "digits:5", "digits:7"],
        ["detect", "--bundle", "mine", "digits:5", "--detector", "median-squeeze"],
        ["certify", "--bundle", "mine", "digits:5"],
        ["distributions", "--bundle", "mine", "--layer", "probabilities"],
        ["detect", "--bundle", "mine", "digits:5", "--case-file", str(empty_cache / "case.html")],
    ):
        assert main([*command, "--json", "-"]) == 0, command
        assert json.loads(capsys.readouterr().out)
    page = (empty_cache / "case.html").read_text()
    assert "probabilities" in page


@pytest.mark.spec("OM-5")
def test_a_study_leaves_out_what_needs_a_gradient(
    empty_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    built("nearest")
    study = ["study", "detectors", "--bundle", "mine", "--data", "digits", "--n", "10"]
    assert main(study) == 0
    assert "fgsm, pgd, deepfool, cw: left out, as the model gives no gradient" in (
        capsys.readouterr().out
    )


def test_probabilities_of_nothing_stay_defined_and_ties_stay_ties() -> None:
    rows = np.array([[1, 1e-60, 1e-80, 0, 0], [0.5, 0.5, 0, 0, 0], [0, 0, 0, 0.2, 0.8]])
    model = adapted(Called(lambda _: rows, "rows"), Form(probabilities=True, closed=True)).eval()
    logits = model(torch.zeros(3, 1, 2, 2)).numpy()
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()
    first, second, third = logits
    assert first[0] > first[1] > first[2] > first[3] == first[4]
    assert second[0] == second[1]
    np.testing.assert_allclose(second[0] - np.log(0.5), 0, atol=1e-6)
    np.testing.assert_allclose(third[4] - third[3], np.log(4), atol=1e-6)


def test_a_slow_function_is_asked_for_fewer_images_and_hears_a_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(function, "perf_counter", lambda: 0.02 * sum(asked))

    def predict(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        asked.append(len(images))
        return images[:, 0, 0, 0], images[:, 0, :2, 0] / 1.0

    pixels = np.arange(400).astype(np.uint8).reshape(100, 1, 4, 1)
    model = Called(predict, "predict")
    for _ in range(2):
        first, second = model(to_images(pixels))
        np.testing.assert_array_equal(first, pixels[:, 0, 0, 0])
        np.testing.assert_array_equal(second, pixels[:, 0, :2, 0])
    assert asked[0] == 100
    assert max(asked[1:]) <= 25
    asked.clear()
    with pytest.raises(StoppedError), stoppable(lambda: len(asked) >= 2):
        model(to_images(pixels))
    assert len(asked) == 2


def test_every_pixel_arrives_as_it_is_in_the_file() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 8, 32, 1).repeat(3, 3)
    pixels[..., 1] += 7
    np.testing.assert_array_equal(to_pixels(to_images(pixels)), pixels)


def test_a_bundle_notices_another_classifier(empty_cache: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    text = (
        "import numpy as np\n"
        "W = np.random.default_rng(0).normal(size=(64, 10)) / 100\n"
        "def predict(images):\n    return images.reshape(len(images), -1) @ W\n"
    )
    own.write_text(text)
    spec, source = open_images(model_spec(f"{own}:predict"), "digits", Wishes())
    made = build(BuildConfig("mine", spec.name, gallery=0), source, spec=spec)
    own.write_text(text + "# a comment\n")
    assert load_bundle("mine").weight_hash == made["weight_hash"]
    own.write_text(text.replace("rng(0)", "rng(1)"))
    with pytest.raises(BundleError, match="answers in another way now; build the bundle again"):
        load_bundle("mine")
    own.unlink()
    with pytest.raises(BundleError, match="cannot be opened: cannot import model factory"):
        load_bundle("mine")


def same_as_torch(bundle: Bundle, model: nn.Module) -> None:
    """A called twin of the bundle's model is attacked, repaired and certified alike."""
    source, members = evaluation(bundle)
    pixels, labels = source.pixels(members[:6]), source.labels[members[:6]]
    ids = [source.ids[i] for i in members[:6]]
    twin = Evaluator(model, bundle.shape)
    assert twin.precision == "float32"
    assert not twin.incremental
    shares = softmax(twin.plain(pixels), axis=1)
    np.testing.assert_allclose(shares, bundle.read(pixels).probabilities, atol=1e-4)

    config = AttackConfig("exhaustive", precision="float32")
    ours, theirs = (
        attack_images(each, pixels, labels, ids, config) for each in (bundle.model, model)
    )
    for one, other in zip(ours, theirs, strict=True):
        assert (one.success, one.skipped) == (other.success, other.skipped)
        assert one.queries == other.queries
        assert (one.map is None) == (other.map is None)
        if one.map is not None and other.map is not None:
            np.testing.assert_allclose(one.map.margins, other.map.margins, atol=1e-2)

    own = Evaluator(bundle.model, bundle.shape, "float32")
    first, second = repair(own, pixels), repair(twin, pixels)
    np.testing.assert_allclose(first.drop, second.drop, atol=1e-2)
    np.testing.assert_array_equal(first.predicted, second.predicted)
    proofs = [[p.certified for p in certify(each, pixels)] for each in (bundle.model, model)]
    assert proofs[0] == proofs[1]


@pytest.mark.spec("OM-5")
def test_a_function_around_the_network_gives_its_results(digits_bundle: Bundle) -> None:
    source, members = evaluation(digits_bundle)

    def predict(images: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return digits_bundle.model(to_images(images)).double().softmax(1).numpy()

    pixels = source.pixels(members[:4])
    same_as_torch(digits_bundle, adapt_model(predict, pixels, 10))


def exported(model: nn.Module, path: Path, batch: int | None = None) -> Path:
    """An ONNX file of a network of 8x8 grey images, for any number of them or for `batch`."""
    axes = {} if batch else {name: {0: "n"} for name in ("images", "logits")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an exporter that needs no further package
        torch.onnx.export(
            model,
            (torch.zeros(batch or 2, 1, 8, 8),),
            str(path),
            dynamo=False,
            input_names=["images"],
            output_names=["logits"],
            dynamic_axes=axes,
        )
    return path


@pytest.mark.spec("OM-5")
def test_an_onnx_file_gives_the_results_of_the_network(
    digits_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = exported(digits_bundle.model, tmp_path / "net.onnx")
    spec, source = open_images(model_spec(str(path)), "digits", Wishes())
    assert spec.shape == (8, 8, 1)
    with torch.no_grad():
        same_as_torch(digits_bundle, spec.build().eval())
    monkeypatch.setenv("ND_CACHE", str(tmp_path / "cache"))
    manifest = build(BuildConfig("net", spec.name, gallery=0), source, spec=spec)
    bundle = load_bundle("net")
    assert bundle.layers == ("logits",)
    members = positions(source, bundle.splits["evaluation"])
    pixels = source.pixels(members)
    own = digits_bundle.read(pixels).logits
    np.testing.assert_allclose(bundle.read(pixels).logits, own, atol=1e-3)
    labels = source.labels[members]
    assert manifest["accuracy"]["accuracy"] == pytest.approx((own.argmax(1) == labels).mean())
    # The repair judges as that of the network does, by the same calibration images.
    ours, theirs = RepairDetector(bundle), RepairDetector(digits_bundle)
    held = source.pixels(positions(source, bundle.splits["calibration"]))
    calibration = bundle.calibrations["repair-turn"]
    first, second = theirs.see(held[:20]), ours.see(held[:20])
    np.testing.assert_allclose(ours.score(second), calibration.scores[:20], atol=1e-3)
    np.testing.assert_allclose(theirs.score(first), ours.score(second), atol=2e-2)

    exported(torch.nn.Sequential(digits_bundle.model, nn.Softmax(1)), path)
    with pytest.raises(BundleError, match="answers in another way now"):
        load_bundle("net")


def test_onnx_files_of_other_forms(
    digits_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, pixels = digits_bundle.model, open_source("digits").pixels(range(7))
    with torch.no_grad():
        own = model(to_images(pixels)).numpy()
    fixed = model_spec(str(exported(model, tmp_path / "fixed.onnx", batch=3))).build()
    np.testing.assert_allclose(fixed(to_images(pixels)), own, atol=1e-4)

    class BytesLast(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return model(images.permute(0, 3, 1, 2).float() / 255)

    path = tmp_path / "last.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            BytesLast(), (torch.zeros(2, 8, 8, 1, dtype=torch.uint8),), str(path), dynamo=False
        )
    last = model_spec(str(path))
    assert last.shape == (8, 8, 1)
    np.testing.assert_allclose(last.build()(to_images(pixels)), own, atol=1e-4)

    (tmp_path / "bad.onnx").write_bytes(b"hello")
    for name, why in (("bad.onnx", "is no ONNX file that can be run"), ("none.onnx", "not exist")):
        with pytest.raises(BadRequestError, match=why):
            model_spec(str(tmp_path / name))
    flat = nn.Sequential(nn.Linear(64, 10))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(flat, (torch.zeros(2, 64),), str(path), dynamo=False)
    with pytest.raises(BadRequestError, match="must take one batch of images"):
        model_spec(str(path))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(BadRequestError, match=r"pip install -r requirements-onnx\.txt"):
        model_spec(str(path))
