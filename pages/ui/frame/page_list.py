"""The pages in the order of the sidebar: the one list that Home, links and tests read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        path: of its script, from the project's folder.
        name: short, for links and the sidebar.
        icon: Material icon.
        question: what it answers.
        about: what one does there.
    """

    path: str
    name: str
    icon: str
    question: str
    about: str


LAB = Page(
    "pages/1_Attack_Lab.py",
    "Attack Lab",
    ":material/bolt:",
    "Can one pixel fool this network?",
    "Run the one-pixel attack live on real images, watch the search, keep the pixel.",
)
EXPLORER = Page(
    "pages/2_Activation_Explorer.py",
    "Activation Explorer",
    ":material/neurology:",
    "What happened inside?",
    "Every neuron's activation distribution per class, with the benign and the attacked "
    "image as dots.",
)
DETECTOR = Page(
    "pages/3_Divergence_Detector.py",
    "Divergence Detector",
    ":material/troubleshoot:",
    "Could it have been noticed?",
    "How far an image lies from the class it is taken for, with a threshold fixed beforehand.",
)
EVOLUTION = Page(
    "pages/4_Training_Evolution.py",
    "Training Evolution",
    ":material/timeline:",
    "How did it come to see so?",
    "A network while it learns: how well its layers and neurons tell the classes apart, epoch "
    "by epoch.",
)
GRAPH = Page(
    "pages/5_Concept_Graph.py",
    "Concept Graph",
    ":material/account_tree:",
    "Which neurons carry a class?",
    "A class as a graph: the neurons that count for it, what drives them, and which of them an "
    "attack makes use of.",
)
TOPOLOGY = Page(
    "pages/6_Topology.py",
    "Topology",
    ":material/hub:",
    "What shape do the images take?",
    "A layer's answers as a graph of clusters: where classes part, and where attacked images go.",
)
PAGES = (LAB, EXPLORER, DETECTOR, EVOLUTION, GRAPH, TOPOLOGY)
