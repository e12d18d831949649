"""What is asked of a model once, at every door: files, answers, classes, code and cost."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import ndcore
from ndcore.bundles.build import BuildConfig, build
from ndcore.bundles.bundle import load_bundle
from ndcore.cli import main
from ndcore.errors import BadRequestError, BundleError, DataError
from ndcore.networks.brought.opening import Wishes, open_images
from ndcore.networks.registry import model_spec
from tests.own import kinds

KINDS = Path(kinds.__file__).resolve()


def built(name: str, folder: Path, wishes: Wishes | None = None) -> dict:
    spec, source = open_images(model_spec(name), folder, wishes or Wishes())
    return build(BuildConfig("mine", spec.name, gallery=0), source, spec=spec)


def some_pixels() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (3, 12, 12, 3)).astype(np.uint8)


def plain_logits(module: nn.Module, pixels: np.ndarray) -> np.ndarray:
    images = torch.from_numpy(pixels.astype(np.float32) / 255).permute(0, 3, 1, 2).contiguous()
    with torch.no_grad():
        return module(images).numpy()


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("suffix", ["pt", "pt2"])
def test_files_of_a_whole_network_are_models(
    suffix: str, folder: Path, empty_cache: Path, tmp_path: Path
) -> None:
    model, path = kinds.sequential().eval(), tmp_path / f"net.{suffix}"
    if suffix == "pt":
        torch.jit.script(model).save(str(path))
    else:
        batch = torch.export.Dim("batch")
        torch.export.save(
            torch.export.export(model, (torch.zeros(2, 3, 12, 12),), dynamic_shapes=({0: batch},)),
            path,
        )
    told = built(str(path), folder)
    assert told["layers"] == [{"name": "logits", "units": 3, "reductions": ["value"]}]
    assert any("`logits`, is the only layer" in row["remedy"] for row in told["findings"])
    bundle, pixels = load_bundle("mine"), some_pixels()
    own = plain_logits(model, pixels)
    np.testing.assert_allclose(bundle.read(pixels).logits, own, atol=5e-3)


class Pickled:
    """What runs code as it is unpickled: here it leaves a file."""

    def __init__(self, ran: Path) -> None:
        self.ran = ran

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.ran,)


def test_nothing_in_an_exported_file_is_unpickled(tmp_path: Path) -> None:
    whole, altered, ran = (tmp_path / name for name in ("net.pt2", "altered.pt2", "ran"))
    torch.export.save(
        torch.export.export(kinds.sequential().eval(), (torch.zeros(2, 3, 12, 12),)), whole
    )
    code = io.BytesIO()
    torch.save(Pickled(ran), code)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(altered, "w") as target:
        for name in source.namelist():
            foreign = "sample_inputs" in name
            target.writestr(name, code.getvalue() if foreign else source.read(name))
        assert any("sample_inputs" in name for name in source.namelist())
    assert model_spec(str(whole)).build()
    with pytest.raises(BadRequestError, match="is no file of torch"):
        model_spec(str(altered))
    assert not ran.exists()


def test_a_file_of_weights_alone_is_no_model(tmp_path: Path) -> None:
    torch.save(kinds.sequential().state_dict(), tmp_path / "w.pt")
    with pytest.raises(BadRequestError, match="weights alone go to --weights"):
        model_spec(str(tmp_path / "w.pt"))
    with pytest.raises(BadRequestError, match="does not exist"):
        model_spec(str(tmp_path / "nothing.pt2"))


def test_the_logits_can_be_named(folder: Path, empty_cache: Path) -> None:
    name = f"{KINDS}:two_heads"
    bundles = []
    for output in ("0", "1"):
        built(name, folder, Wishes(output=output))
        bundles.append(load_bundle("mine").read(some_pixels()).logits)
    np.testing.assert_allclose(bundles[0], -bundles[1], atol=1e-5)
    with pytest.raises(BadRequestError, match=r"no logits '2': it has 0, 1"):
        built(name, folder, Wishes(output="2"))


def test_what_a_model_tells_apart_may_be_more_than_the_folder_holds(
    folder: Path, empty_cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = tmp_path / "names.txt"
    names.write_text("ship\nfrog\ncat\ndog\n")
    model = ["--model", f"{KINDS}:four_outputs", "--data", str(folder), "--classes", str(names)]
    assert main(["build", "mine", *model, "--gallery-images", "2", "--json", "-"]) == 0
    accuracy = json.loads(capsys.readouterr().out)["accuracy"]
    assert set(accuracy["per_class"]) == {"cat", "dog", "ship"}
    bundle, source = load_bundle("mine"), ndcore.open_data(folder)
    assert bundle.classes == ("ship", "frog", "cat", "dog")
    members = [source.keys().index(key) for key in bundle.splits["evaluation"]]
    own = plain_logits(kinds.REFUSED["four-outputs"][0]().eval(), source.pixels(members))
    places = np.array([2, 3, 0])[source.labels[members]]
    assert accuracy["accuracy"] == pytest.approx((own.argmax(1) == places).mean())
    assert main(["evaluate", "--bundle", "mine", "--data", str(folder), "--json", "-"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["per_class"] == accuracy["per_class"]
    held = bundle.distributions(bundle.layers[0], "max")
    assert held.n[1] == 0
    assert (held.n[[0, 2, 3]] > 0).all()
    verdicts = ndcore.load_detector(bundle).detect(some_pixels())
    assert all(0 < verdict.p_value <= 1 for verdict in verdicts)

    for text, why in (("cat\ndog\n", "'ship' of the data is not"), ("cat\ncat\n", "twice")):
        names.write_text(text)
        assert main(["build", "mine", *model]) == 2
        assert why in capsys.readouterr().err


def test_a_bundle_notices_that_the_code_of_its_model_was_edited(
    folder: Path, empty_cache: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own.py"
    text = (
        "import torch\nfrom torch import nn\n"
        "def make():\n    torch.manual_seed(0)\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(400, 3))\n"
    )
    own.write_text(text)
    hashes = [built(f"{own}:make", folder)["weight_hash"]]
    own.write_text(text + "# a comment\n")
    assert load_bundle("mine").weight_hash == hashes[0]
    own.write_text(text.replace("nn.ReLU()", "nn.Sigmoid()"))
    with pytest.raises(BundleError, match="answers in another way now; build the bundle again"):
        load_bundle("mine")
    # What was kept of the same weights with other code is not mistaken for this one's.
    hashes.append(built(f"{own}:make", folder)["weight_hash"])
    assert hashes[0] != hashes[1]
    assert load_bundle("mine").weight_hash == hashes[1]


def test_the_size_is_that_of_the_images_or_asked_for(folder: Path, tmp_path: Path) -> None:
    name = f"{KINDS}:plain"
    assert open_images(model_spec(name), folder, Wishes())[1].shape == (12, 12, 3)
    assert open_images(model_spec(name), folder, Wishes(size=(8, 10)))[1].shape == (8, 10, 3)
    for i, side in enumerate((9, 9, 7)):
        (tmp_path / "a").mkdir(exist_ok=True)
        Image.new("RGB", (side, 9)).save(tmp_path / "a" / f"{i}.png")
    with pytest.raises(DataError, match=r"9x9 \(a/0.png\) and 7x9 \(a/2.png\): .* --size H W"):
        open_images(model_spec(name), tmp_path, Wishes())
    assert open_images(model_spec(name), tmp_path, Wishes(size=(9, 9)))[1].shape == (9, 9, 3)


def test_a_grey_model_gets_grey_images(folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "grey.py"
    own.write_text(
        "from torch import nn\ndef make():\n"
        "    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(),\n"
        "        nn.Linear(4, 3))\n"
    )
    spec, source = open_images(model_spec(f"{own}:make"), folder, Wishes())
    assert spec.shape == source.shape == (12, 12, 1)


def test_python_users_get_the_same_answers_from_any_module() -> None:
    model = ndcore.adapt_model(kinds.Softmax(), some_pixels())
    own = plain_logits(kinds.Softmax().eval(), some_pixels())
    images = torch.from_numpy(some_pixels() / np.float32(255)).permute(0, 3, 1, 2)
    np.testing.assert_allclose(model(images).softmax(1).detach().numpy(), own, atol=1e-6)
    with pytest.raises(BadRequestError, match="in another way each time"):
        ndcore.adapt_model(kinds.AlwaysDropping(), some_pixels())


def test_eval_mode_is_told_where_it_matters(folder: Path) -> None:
    for kind, matters in (("dropout", True), ("function", False)):
        spec, _ = open_images(model_spec(f"{KINDS}:{kind}"), folder, Wishes())
        told = [finding.what for finding in spec.findings or ()]
        assert ("the model is put into eval mode" in told) == matters


def test_check_tells_everything_in_sentences(
    folder: Path, empty_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["check", f"{KINDS}:softmax", "--data", str(folder), "--json", "-"]
    assert main(asked) == 0
    found = json.loads(capsys.readouterr().out)
    assert all(set(row) == {"what", "stops", "remedy"} for row in found["findings"])
    told = [row["what"] for row in found["findings"]]
    assert "the model answers with probabilities" in told
    assert any(what.startswith("48 images of 3 classes: 30 reference") for what in told)
    estimate = found["estimate"]
    made = built(f"{KINDS}:softmax", folder)
    bundle = load_bundle("mine")
    size = sum(path.stat().st_size for path in bundle.folder.rglob("*")) / 1e6
    assert made["images"] == 30
    assert size / 4 < estimate["bundle_mb"] + 0.05 < 4 * size + 0.1
    assert estimate["memory_mb"] > 50

    assert main(["check", f"{KINDS}:four_outputs", "--data", str(folder), "--json", "-"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["findings"][0]["stops"]
    assert found["estimate"] is None
    assert main(["check", f"{KINDS}:plain", "--size", "12", "12"]) == 0
    assert "MB on disk" in capsys.readouterr().out
    assert main(["check", f"{KINDS}:plain"]) == 1
    assert "give --data, or --size H W" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x = 1\n", "module 'my net.py' has no attribute 'make'"),
        ("def make(:\n", "invalid syntax (my net.py, line 1)"),
        ("from . import other\n", "attempted relative import with no known parent package"),
        ("import sys\nraise OSError(f'in {__name__}')\n", "in my net.py"),
    ],
)
def test_what_is_wrong_with_a_file_names_the_file(text: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "my net.py").write_text(text)
    with pytest.raises(BadRequestError) as raised:
        model_spec(f"{tmp_path / 'my net.py'}:make")
    assert str(raised.value).endswith(f"my net.py:make': {why}")
