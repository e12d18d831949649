"""The bundle and the data of `study detectors`, as a worker opens them."""

from __future__ import annotations

from dataclasses import dataclass

from ndcore.bundles.bundle import Bundle, load_bundle
from ndcore.bundles.images import open_for
from ndcore.cli.selection import default_data
from ndcore.data.sources import ImageSource
from ndcore.scale.crew import Crew
from ndcore.study.measured.elsewhere import Elsewhere, Place
from ndcore.study.measured.measurements import Measurer


@dataclass(frozen=True)
class _Studied:
    bundle: str
    data: str | None

    def __call__(self) -> tuple[Bundle, ImageSource]:
        bundle = load_bundle(self.bundle)
        return bundle, open_for(bundle, self.data or default_data(bundle))


def shared_study(crew: Crew, bundle: str, data: str | None, measurer: Measurer) -> Elsewhere:
    """Who does a part of the study of a bundle, on its data or those that were named."""
    folder = measurer.folder.resolve()
    return Elsewhere(crew, Place(_Studied(bundle, data), folder, measurer.drawn, measurer.known_as))
