"""What the heat map of Training Evolution shows."""

from __future__ import annotations

from dataclasses import dataclass

from streamlit.delta_generator import DeltaGenerator

from pages.ui.frame.link import choice

METRICS = {"discriminability": "Discriminability", "density": "Density"}
VARIANTS = {"normalised": "normalised", "paper": "as in the paper"}
COLOURS = {"local": "each layer its own", "global": "one for all layers"}
DIGITS = {"none": "none", "discriminability": "discriminability", "density": "density"}
ABOUT_METRIC = (
    "Discriminability: how far apart a neuron's activations of two classes lie, the mean over "
    "all pairs of classes. Density: its mean activation over the image, cut to 0-1, the mean over "
    "images. A layer's value is the mean over its neurons."
)
ABOUT_VARIANT = (
    "The paper's distance is the root of a sum over samples, so it grows with the size of a "
    "layer's map; normalised is the root of a mean, so that layers and runs can be compared."
)

ABOUT_DIGITS = "Left out where the page is too narrow for them; point at a cell for its numbers."


@dataclass(frozen=True)
class View:
    """What the heat map shows.

    Attributes:
        metric: `discriminability` or `density`.
        variant: of discriminability, `normalised` or `paper`.
        local: each layer has a colour scale of its own.
        digits: what stands in the cells: `none` or a metric.
    """

    metric: str
    variant: str
    local: bool
    digits: str

    def name(self, metric: str = "") -> str:
        """The metric in words, with its variant where it has one."""
        metric = metric or self.metric
        return metric if metric == "density" else f"{metric} ({VARIANTS[self.variant]})"


def view_controls(row: DeltaGenerator) -> View:
    """Switches of the metric and, behind a button, of variant, colours and digits."""

    def switched(
        place: DeltaGenerator, label: str, names: dict[str, str], name: str, about: str = ""
    ) -> str:
        return choice(
            place.segmented_control,
            label,
            list(names),
            key=f"evo_{name}",
            name=name,
            format_func=names.get,
            help=about or None,
        )

    metric = switched(row, "Colour shows", METRICS, "metric", ABOUT_METRIC)
    more = row.popover("More", icon=":material/tune:")
    return View(
        metric=metric,
        variant=switched(more, "Discriminability", VARIANTS, "variant", ABOUT_VARIANT),
        local=switched(more, "Colour scale", COLOURS, "colours") == "local",
        digits=switched(more, "Digits in the cells", DIGITS, "digits", ABOUT_DIGITS),
    )
