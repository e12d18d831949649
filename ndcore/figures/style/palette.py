"""What a colour means, on every page, in every figure and in the browser: the one table.

| colour | says |
|---|---|
| `BENIGN`, ink of the theme | the untouched image; a thing that was chosen |
| `ATTACKED` | the attacked image, and what speaks for an attack |
| `class_colours` | a class |
| `instance_colours`, by theme | an image beside the current pair |
| `cluster_colours` | a group of alike neurons or patches |
| `method_colours` | a detector, measure or engine among others |
| `TRAINING`, `VALIDATION` | images that a network learned from, or did not |
| `RUNS` | a recorded run beside another |
| `RISE`, `FALL` | a number that grew, or fell |
| `RAISES`, `LOWERS` | what adds to a neuron, or takes from it; more for the first, or the second |
| `APART` | a neuron apart from its layer |
| `ACCENT` | what a picture is about where none of these says it; what has the focus |
| `MUTED` | what one compares with: before, chance, thresholds, grids |
| `FRAME` | white on black around places of an image, visible on any colour |

No other file names a colour. Colours of different meanings are different colours, and those that
meet in one picture are told apart without red or green cones too. Marks and lines have a contrast
of 3 : 1 to both pages or a tone for each; areas of the class colours are told by their width.
In CIFAR-10 the order of the classes gives cat (3) orange and dog (5) purple.
"""

from __future__ import annotations

from collections.abc import Sequence

ATTACKED = "#e5202b"
BENIGN = {"light": "#14181f", "dark": "#f4f6fa"}
MUTED = "#8792a2"
ACCENT = "#5b78e5"
TRAINING, VALIDATION = "#6450e6", "#1e9664"
RUNS = ("#6e645a", "#4664d2")
RISE, FALL = "#c06000", "#2a80c8"
RAISES, LOWERS = "#cc8448", "#249ccc"
APART = "#c2185b"
FRAME = ("#000000", "#ffffff")  # from outside to inside
CLEAR = "rgba(0,0,0,0)"
INK = "currentcolor"  # of the text around markup

# The pages' own colours, as `.streamlit/config.toml` has them.
PAGES = {
    "light": {
        "page": "#ffffff",
        "soft": "#f4f6fa",
        "ink": "#1b2330",
        "faint": "#566173",
        "line": "#d9dfe9",
    },
    "dark": {
        "page": "#0f141d",
        "soft": "#182030",
        "ink": "#e6eaf2",
        "faint": "#a3aec0",
        "line": "#2b364a",
    },
}
# No meanings: what a pixel is set to, by the corners of the colour cube.
CORNERS = {
    "#000000": "black",
    "#ff0000": "red",
    "#00ff00": "green",
    "#ffff00": "yellow",
    "#0000ff": "blue",
    "#ff00ff": "magenta",
    "#00ffff": "cyan",
    "#ffffff": "white",
}

_CLASSES = (
    "#4896f2",  # blue
    "#903b09",  # rust
    "#f2c230",  # yellow
    "#f08c1a",  # orange
    "#2e9e4f",  # green
    "#8e56d9",  # purple
    "#69bb49",  # lime
    "#948570",  # taupe
    "#30c0d2",  # teal
    "#fe77ae",  # pink
)

# The same hues in two tones, for dots on a white and on a dark page. Each list was searched for the
# largest least distance in Lab under full vision, deuteranopia and protanopia, red and ink
# included: 21 on the light page, 31 on the dark one.
_INSTANCES = {
    "light": ("#0046fa", "#462800", "#1ea0a0", "#78146e", "#3c96dc", "#5a0aa0", "#5aa06e"),
    "dark": ("#8282fa", "#fae614", "#3caa8c", "#a03c96", "#78c8fa", "#8c0afa", "#dcf096"),
}
# Searched likewise among the colours that stand out from both pages: 22 between clusters,
# 20 between methods.
_CLUSTERS = (
    "#008cfa",
    "#fa5a00",
    "#6e3cfa",
    "#aa4650",
    "#78968c",
    "#aa1ebe",
    "#d2785a",
    "#646482",
    "#a082c8",
    "#be3214",
)
_METHODS = (
    "#5096d2",
    "#969600",
    "#5046fa",
    "#50a078",
    "#78643c",
    "#5a648c",
    "#786400",
    "#3c6e64",
)


def class_colours(n: int) -> list[str]:
    """`n` colours in class order as #rrggbb; they repeat after the tenth."""
    return _repeated(_CLASSES, n)


def distinct_colours(labels: Sequence[int], n: int) -> list[str]:
    """Colours of some of `n` classes, each its own unless one before it has that already.

    Args:
        labels: their positions; the first ten get ten colours.
        n: how many classes there are.
    """
    own, found = class_colours(n), []
    for label in labels:
        free = [colour for colour in (own[label], *_CLASSES) if colour not in found]
        found.append(free[0] if free else own[label])
    return found


def instance_colours(n: int, theme: str) -> list[str]:
    """`n` colours for the instances after the current pair; they repeat after the seventh.

    Args:
        n: how many.
        theme: `light` or `dark`; the tone stands out from that theme's background.
    """
    return _repeated(_INSTANCES[theme], n)


def cluster_colours(n: int) -> list[str]:
    """`n` colours of groups in their order; they repeat after the tenth."""
    return _repeated(_CLUSTERS, n)


def method_colours(n: int) -> list[str]:
    """`n` colours of methods in the order of the legend; they repeat after the eighth."""
    return _repeated(_METHODS, n)


def _repeated(colours: tuple[str, ...], n: int) -> list[str]:
    return [colours[index % len(colours)] for index in range(n)]


def rgba(colour: str, alpha: float) -> str:
    """A #rrggbb colour with an opacity, as CSS and plotly read it."""
    red, green, blue = channels(colour)
    return f"rgba({red}, {green}, {blue}, {alpha:g})"


def channels(colour: str) -> tuple[int, int, int]:
    """Red, green and blue of a #rrggbb colour, 0 to 255."""
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue
