"""`topology` and its benchmark on the command line."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest

from benchmarks import topology as benchmark
from ndcore.bundles.bundle import Bundle, load_bundle
from ndcore.cli import main


def answer(capsys: pytest.CaptureFixture[str], *typed: str) -> Any:
    assert main(["topology", *typed, "--json", "-"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.spec("TA-1")
def test_the_document_is_the_contract(
    digits_bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    layer = "dense_1"
    found = answer(
        capsys, "--bundle", "digits-cnn", "--layer", layer, "--source", "digits", "--split", "all",
        "--n", "400", "--intervals", "10", "--between", "3", "8", "--stability",
        "digits:0",
    )  # fmt: skip
    assert (found["bundle"], found["layer"], found["images"]) == ("digits-cnn", layer, 400)
    assert found["parameters"]["intervals"] == 10
    assert found["parameters"]["epsilon"] > 0
    assert found["nodes"]
    for node in found["nodes"]:
        assert node["size"] == len(node["images"]) == sum(node["classes"].values())
        assert set(node["classes"]) <= set(digits_bundle.classes)
    sizes = [node["size"] for node in found["nodes"]]
    for edge in found["edges"]:
        either = sizes[edge["from"]] + sizes[edge["to"]] - edge["shared"]
        assert edge["jaccard"] == pytest.approx(edge["shared"] / either)
        assert 0 <= edge["stability"] <= 1
    (placed,) = found["placed"]
    assert placed["file"] == "digits:0"
    assert isinstance(found["branches"], list)
    again = answer(
        capsys, "--bundle", "digits-cnn", "--layer", layer, "--source", "digits", "--split", "all",
        "--n", "400", "--intervals", "10",
    )  # fmt: skip
    assert again["nodes"] == found["nodes"], "the same draw, the same graph"


@pytest.mark.usefixtures("digits_bundle")
def test_epsilon_can_be_typed_and_what_is_wrong_is_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    usual = ["--bundle", "digits-cnn", "--layer", "dense_1", "--source", "digits", "--n", "60"]
    typed = answer(capsys, *usual, "--epsilon", "3.5", "--preset", "topoact")
    assert typed["parameters"] == {
        "lens": "norm", "intervals": 40, "overlap": 0.2, "epsilon": 3.5, "min_samples": 5,
    }  # fmt: skip
    for wrong in (
        ["--layer", "moon"],
        ["--overlap", "2"],
        ["--share", "7"],
        ["--between", "3", "moon"],
        ["--min-samples", "99"],
    ):
        assert main(["topology", *usual, *wrong]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.usefixtures("digits_bundle")
def test_an_image_and_a_cluster_are_told_with_what_they_hold(
    capsys: pytest.CaptureFixture[str],
) -> None:
    usual = [
        "digits:0", "--bundle", "digits-cnn", "--layer", "dense_1", "--source", "digits",
        "--split", "all", "--n", "400", "--intervals", "10", "--cluster", "0",
    ]  # fmt: skip
    node = answer(capsys, *usual)["nodes"][0]
    assert main(["topology", *usual]) == 0
    told = capsys.readouterr().out
    most = max(node["classes"].values())
    name = next(name for name, count in node["classes"].items() if count == most)
    assert f"cluster 0 ({node['size']} images, {most / node['size']:.0%} {name}): " in told
    assert set(node["images"]) <= {line.strip() for line in told.splitlines()}
    assert re.search(r"digits:0: (in no cluster; .*)?cluster \d+ \(\d+ images, ", told)
    assert "node" not in told
    assert main(["topology", *usual[:-1], "9999"]) == 2
    assert "there is no cluster 9999" in capsys.readouterr().err


@pytest.mark.usefixtures("twin")
def test_shipped_vectors_are_taken_where_no_image_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    usual = ["--bundle", "twin", "--layer", "dense_1"]
    first = answer(capsys, *usual, "--source", "digits", "--n", "120", "--ship")
    assert (load_bundle("twin").folder / "topology").is_dir()
    again = answer(capsys, *usual)
    assert again["nodes"] == first["nodes"]
    counts = [each["attacked"] for each in again["attacked"]]
    assert counts == sorted(counts, reverse=True)
    assert main(["topology", *usual]) == 0
    told = capsys.readouterr().out
    assert re.search(
        r"Of \d+ attacked images \d+% \(.*\) lie in a cluster of dense_1; of benign ones, "
        r".* of \d+ that the network takes rightly, and .* of \d+ that it errs on",
        told,
    )


@pytest.mark.spec("TA-2")
def test_a_change_is_measured_against_zen_mapper(digits_bundle: Bundle) -> None:
    found = benchmark.run(digits_bundle, 400)
    rows = {(row["what"], row["against"]): row for row in found["rows"]}
    assert rows["mapper graph", "zen-mapper"]["ratio"] > 0
    assert rows["mapper graph", "bare DBSCAN"]["ratio"] > 0
    limit = next(row for row in found["rows"] if row["against"] == "the limit of 1 s")
    assert limit["ratio"] == limit["value"]
    assert np.isfinite([row["value"] for row in found["rows"]]).all()
