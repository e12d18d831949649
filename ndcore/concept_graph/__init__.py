"""A class as a graph of its units: what drives what on the way to the class's logit.

What is here to be drawn (all frozen, all pure numbers; see `graph` for every field):

- `ConceptGraph`: one class, set of images or single image. `levels` has a row per observed layer
  in the order of the network, each with how many units it has, how many are drawn and which share
  of the class's influence those carry; `nodes` and `edges` are what is drawn; `carried` is the
  header's number. `gaps` are sentences on layers between which no edges can be drawn.
- `Node`: a `Unit` (layer, number) with its `importance` in every kind that is known, the
  `influence` that passes through it (0 to 1, a whole layer sums to 1) and the `patches` of images
  that drive it most (key of the image, box in pixels, activation).
- `Edge`: `source` drives `target`. `influence` is signed, -1 to 1: the mean over the images of what
  the source adds to the target at the target's strongest position, as a share of all that is added
  and taken there. `share` is how much of the class's influence runs along it (0 to 1; width),
  `stability` in which share of the folds it is among the target's five strongest (dashed below
  `STABLE`), `count` in which share of the images it is among the five strongest (Summit's count).
- `DifferenceGraph`: two such graphs and what differs: `NodeChange` (a node) and `EdgeChange` (an
  edge), each with its `Change`: `first`, `second`, `difference`, `z` (difference over its standard
  error between folds) and `clear` (|z| >= `CLEAR`; grey where not).

What cannot be said is NaN in the numbers and null in the JSON, never 0.

Reference: Hohman, Park, Robinson & Chau 2020, "Summit: Scaling deep learning interpretability by
visualizing activation and attribution summarizations"; the exact contributions, the signs, the
folds and the directed power sum are this project's.
"""

from ndcore.concept_graph.graph import (
    CLEAR,
    COUNT,
    GRADIENT,
    HELD,
    IMPORTANCE,
    INFLUENCE,
    STABLE,
    Change,
    ConceptGraph,
    DifferenceGraph,
    Edge,
    EdgeChange,
    Level,
    Node,
    NodeChange,
    Patch,
    Unit,
)

__all__ = [
    "CLEAR",
    "COUNT",
    "GRADIENT",
    "HELD",
    "IMPORTANCE",
    "INFLUENCE",
    "STABLE",
    "Change",
    "ConceptGraph",
    "DifferenceGraph",
    "Edge",
    "EdgeChange",
    "Level",
    "Node",
    "NodeChange",
    "Patch",
    "Unit",
]
