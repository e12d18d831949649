"""Shards over processes and a Dask cluster: the same bytes, a lost worker, what cannot work."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from joblib.externals.loky import BrokenProcessPool

from ndcore.activations.distributions import count_distributions
from ndcore.bundles.bundle import Bundle, load_bundle
from ndcore.cli import command_parser, main
from ndcore.cli.shards import images
from ndcore.cli.shards.study import shared_study
from ndcore.data.catalog import open_source
from ndcore.errors import BadRequestError
from ndcore.evolution.recording.recorder import RecordConfig, Recorder
from ndcore.networks.registry import model_spec
from ndcore.scale import crew
from ndcore.scale.crew import Crew, shards_of
from ndcore.scale.network import counted
from ndcore.scale.network.counted import count_shared
from ndcore.scale.network.shared import Opened, Shared
from ndcore.steps import no_step
from ndcore.study.desk import dev_attack
from ndcore.study.measured import elsewhere
from ndcore.study.measured.image_sets import FAMILIES, benign_set
from ndcore.study.measured.measurements import Measurer
from ndcore.training.loop import train
from ndcore.training.recipes import recipe

ATTACK = ["attack", "--bundle", "digits-cnn", "--source", "digits", "--n", "40"]
ATTACK += ["--engine", "fast", "--max-queries", "40", "--out"]
CERTIFY = ["certify", "--bundle", "digits-cnn", "--source", "digits", "--n", "9"]
CERTIFY += ["--pixels", "2", "--block", "4", "--json"]
BUILD = ["build", "shared", "--model", "digits-cnn", "--gallery", "5", "--gallery-images", "40"]


@pytest.fixture(scope="session")
def scheduler(digits_cache: Path) -> Iterator[str]:
    """Address of a Dask scheduler with two workers of one thread each, on loopback."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        silence_logs=50,
        env={"ND_CACHE": str(digits_cache)},
    ) as running:
        yield running.scheduler_address


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recorded training of two epochs."""
    folder = tmp_path_factory.mktemp("cache") / "runs" / "lenet-digits"
    train(
        model_spec("lenet-digits"),
        open_source("digits"),
        replace(recipe("lenet-digits"), epochs=2),
        folder,
        recorder=Recorder(folder, RecordConfig(per_class=16, pool=100, top=5, top_last=5)),
    )
    return folder


@dataclass(frozen=True)
class KilledOnce:
    """Work whose worker is killed the first time that the shard that begins with 16 is its turn."""

    been: str
    work: Callable[[Sequence[int]], list[int]]

    def __call__(self, shard: Sequence[int]) -> list[int]:
        if shard[0] == 16 and not Path(self.been).exists():
            Path(self.been).write_text("")
            os.kill(os.getpid(), signal.SIGKILL)
        return self.work(shard)


def tenfold(shard: Sequence[int]) -> list[int]:
    return [10 * at for at in shard]


def contents(folder: Path) -> dict[str, bytes]:
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}
    assert found
    return found


def test_a_position_is_in_the_same_shard_whatever_is_left() -> None:
    assert [len(shard) for shard in shards_of(range(40), 16)] == [16, 16, 8]
    assert shards_of([39, 0, 17, 16], 16) == [[0], [16, 17], [39]]
    assert shards_of([], 16) == []


@pytest.mark.spec("LB-4")
def test_a_lost_process_costs_its_shard(tmp_path: Path) -> None:
    shards = shards_of(range(40), 8)
    work = KilledOnce(str(tmp_path / "been"), tenfold)
    assert list(Crew(2).in_order(work, shards)) == tenfold(range(40))
    assert (tmp_path / "been").exists()


HELD: list[np.ndarray] = []


def growing(shard: Sequence[int]) -> list[int]:
    """Work after which a process is 400 MB larger."""
    HELD.append(np.ones(50_000_000))
    time.sleep(1.1)  # joblib looks at memory once a second
    return [os.getpid()] * len(shard)


def test_a_process_that_has_grown_is_replaced_in_silence() -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = list(Crew(2).in_order(growing, shards_of(range(6), 1)))
    assert len(set(found)) > 2
    assert told == []


def test_workers_that_are_lost_again_and_again_are_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Deadly(Executor):
        """Does two shards and loses the worker of any other."""

        def submit(self, _alone: object, _work: object, shard: list[int]) -> Future[list[int]]:
            future: Future[list[int]] = Future()
            asked.append(shard)
            if shard[0] < 16:
                future.set_result(tenfold(shard))
            else:
                future.set_exception(BrokenProcessPool())
            return future

    asked: list[list[int]] = []
    monkeypatch.setattr(Crew, "_executor", lambda _: nullcontext(Deadly()))
    found = Crew(2).parts(tenfold, shards_of(range(24), 8))
    assert sorted([next(found), next(found)])[1] == (1, tenfold(range(8, 16)))
    with pytest.raises(BadRequestError, match="lost 3 times in a row"):
        next(found)
    assert asked[3:] == [list(range(16, 24))] * 3


@pytest.mark.spec("LB-4")
def test_an_attack_gives_the_same_bytes_whoever_makes_it(
    digits_bundle: Bundle, tmp_path: Path, scheduler: str
) -> None:
    ways = {
        "one": ("--workers", "1"),
        "two": ("--workers", "2"),
        "dask": ("--scheduler", scheduler),
    }
    for name, way in ways.items():
        assert main([*ATTACK, str(tmp_path / name), *way]) == 0
    one, two, dask = (contents(tmp_path / name) for name in ways)
    assert one == two == dask


@pytest.mark.spec("LB-4")
def test_a_killed_dask_worker_changes_nothing(
    digits_bundle: Bundle, tmp_path: Path, scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main([*ATTACK, str(tmp_path / "one"), "--workers", "1"]) == 0
    whole = images._Attack
    monkeypatch.setattr(
        images, "_Attack", lambda *of: KilledOnce(str(tmp_path / "been"), whole(*of))
    )
    assert main([*ATTACK, str(tmp_path / "dask"), "--scheduler", scheduler]) == 0
    assert (tmp_path / "been").exists()
    assert contents(tmp_path / "one") == contents(tmp_path / "dask")


@pytest.mark.spec("LB-4")
def test_an_interrupted_attack_goes_on_with_other_workers(
    digits_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheduler: str
) -> None:
    done = []

    def interrupted(*of: object) -> Callable[[Sequence[int]], list[object]]:
        def work(shard: Sequence[int]) -> list[object]:
            if shard[0] == 32:
                raise KeyboardInterrupt
            done.append(shard)
            return whole(*of)(shard)

        return work

    whole = images._Attack
    assert main([*ATTACK, str(tmp_path / "whole"), "--workers", "1"]) == 0
    with monkeypatch.context() as patch:
        patch.setattr(images, "_Attack", interrupted)
        assert main([*ATTACK, str(tmp_path / "parts"), "--workers", "1"]) == 130
    assert len(done) == 2
    assert len(list((tmp_path / "parts" / ".unfinished").glob("[0-9]*"))) == 32
    assert main([*ATTACK, str(tmp_path / "parts"), "--scheduler", scheduler]) == 0
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


@pytest.mark.spec("LB-4")
def test_certificates_are_the_same_bytes(
    digits_bundle: Bundle, tmp_path: Path, scheduler: str
) -> None:
    one, dask = tmp_path / "one.json", tmp_path / "dask.json"
    assert main([*CERTIFY, str(one), "--workers", "1"]) == 0
    assert main([*CERTIFY, str(dask), "--scheduler", scheduler]) == 0
    assert one.read_bytes() == dask.read_bytes()


@pytest.mark.spec("LB-4")
def test_histograms_and_gallery_are_the_same_bytes(
    digits_bundle: Bundle, digits_cache: Path, scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counted, "COUNTED", 100)
    folder = digits_cache / "bundles" / "shared"
    built = []
    for way in (["--workers", "1"], ["--scheduler", scheduler]):
        assert main([*BUILD, *way]) == 0
        built.append(contents(folder))
        shutil.rmtree(folder)
    one, dask = built
    assert {"distributions.npz", "gallery.json", "manifest.json"} <= set(one)
    assert one == dask


def test_counts_in_shards_are_those_of_one_pass(
    digits_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counted, "COUNTED", 64)
    source = open_source("digits")
    members = list(range(0, 600, 2))
    opens = partial(_opened, "digits-cnn")
    shared = Shared.of(Crew(), opens, digits_bundle.model, source)
    more = (digits_bundle.model, digits_bundle.layers, source, members)
    whole, parts = count_distributions(*more), count_shared(shared, *more)
    assert whole.keys() == parts.keys()
    for key, found in whole.items():
        assert np.array_equal(parts[key].n, found.n)
        np.testing.assert_allclose(parts[key].lo, found.lo, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(parts[key].hi, found.hi, rtol=1e-5, atol=1e-6)
        # A value on an edge may fall on its other side in another batch.
        moved = np.abs(parts[key].counts.astype(int) - found.counts).sum() / 2
        assert moved <= 0.001 * found.counts.sum()


def _opened(name: str) -> Opened:
    return load_bundle(name).model, open_source("digits")


@pytest.mark.spec("LB-4")
def test_vulnerability_is_the_same_whoever_measures_it(
    recorded: Path, capsys: pytest.CaptureFixture[str], scheduler: str
) -> None:
    found = []
    for way in (["--workers", "1"], ["--scheduler", scheduler]):
        command = ["evolve", str(recorded), "--vulnerability", "--images", "20", "--json", "-"]
        assert main([*command, *way]) == 0
        rows = json.loads(capsys.readouterr().out)["vulnerability"]["epochs"]
        found.append([row | {"seconds": 0} for row in rows])
        (recorded / "evolution" / "vulnerability.json").unlink()
    one, dask = found
    assert [row["epoch"] for row in one] == [1, 2]
    assert one == dask


@pytest.mark.spec("LB-4")
def test_a_study_measures_and_attacks_the_same_whoever_does_it(
    digits_bundle: Bundle, tmp_path: Path, scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "POOL", 8)
    source, made = open_source("digits"), []
    family = replace(FAMILIES[0], images=24)
    for name, who in (("one", Crew()), ("dask", Crew(scheduler=scheduler))):
        measurer = Measurer(digits_bundle, source, tmp_path / name, 10, 0, no_step)
        measurer.elsewhere = shared_study(who, "digits-cnn", None, measurer)
        images = benign_set(digits_bundle, source, "evaluation", 40)
        measurer.measure(images, proven=True)
        measurer.measure(dev_attack(measurer, images, family))
        made.append(contents(tmp_path / name))
    one, dask = made
    assert {"evaluation-proofs-000032.npz", "dev-one-pixel-images.npz"} <= set(one)
    assert one == dask


@pytest.mark.spec("LB-4")
def test_pieces_that_workers_leave_elsewhere_are_one_line(
    digits_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_source("digits")
    measurer = Measurer(digits_bundle, source, tmp_path, 10, 0, no_step)
    measurer.elsewhere = shared_study(Crew(), "digits-cnn", None, measurer)
    monkeypatch.setattr(Measurer, "make", lambda *_: None)
    with pytest.raises(BadRequestError, match="give --out on a disk that all share"):
        measurer.measure(benign_set(digits_bundle, source, "dev", 3), repairs=False)


def test_a_worker_with_other_images_is_told(digits_bundle: Bundle) -> None:
    options = command_parser().parse_args(["certify", "digits:1", "--bundle", "digits-cnn"])
    chosen = images.ChosenImages(json.dumps(vars(options)), "of others")
    with pytest.raises(BadRequestError, match="a worker has another 'digits-cnn', or other images"):
        list(Crew().parts(images._Certify(chosen), [[0]]))


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--workers", "0"], "workers must be 1 to 512, got 0"),
        (["--workers", "2", "--scheduler", "tcp://127.0.0.1:9"], "give --workers or it"),
        (["--scheduler", "tcp://127.0.0.1:9"], "no Dask scheduler at 'tcp://127.0.0.1:9'"),
        (["--scheduler", "nowhere"], "no Dask scheduler at 'nowhere'"),
    ],
)
def test_what_cannot_work_is_one_line(
    digits_bundle: Bundle,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    more: list[str],
    told: str,
) -> None:
    monkeypatch.setattr(crew, "REACHED_WITHIN_S", 2)
    assert main([*ATTACK, str(tmp_path / "out"), *more]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line


def test_workers_of_another_version_are_told(
    scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ndcore

    monkeypatch.setattr(ndcore, "__version__", "0.0.0")
    with pytest.raises(BadRequestError, match=r"has ndcore .*, this process 0\.0\.0"):
        list(Crew(scheduler=scheduler).parts(tenfold, [[0]]))
