"""Two networks side by side, as text."""

from __future__ import annotations

from typing import Any

from ndcore.figures.lab.two_networks import judge_words, row_words, sides_words
from ndcore.legible.plurals import counted


def comparison_text(document: dict[str, Any]) -> str:
    """A line per question, with the answer of each network and the gap."""
    first, second = document["bundles"]
    told = [
        f"{counted(document['images_compared'], 'image')}, {document['known_to_both']:,} known to "
        f"both; engine {document['engine']}, seed {document['seed']}",
        f"{'':46}{first:26}{second:26}second less first",
    ]
    for row in document["rows"]:
        words = row_words(row, document)
        told.append(f"{words.question:46}{words.first:26}{words.second:26}{words.gap}".rstrip())
    told += [sides_words(document), judge_words(document)]
    return "\n".join(told)
