"""All engines. A new one is a file beside this and its name in the list."""

from __future__ import annotations

from ndcore.attacks.engines.comparisons import COMPARISONS
from ndcore.attacks.engines.de import DE, DE_PAPER
from ndcore.attacks.engines.engine import Engine
from ndcore.attacks.engines.exhaustive import EXHAUSTIVE
from ndcore.attacks.engines.fast import FAST
from ndcore.attacks.engines.inconspicuous import INCONSPICUOUS
from ndcore.attacks.engines.white_box import GRADIENT

ENGINES: dict[str, Engine] = {
    engine.name: engine
    for engine in (FAST, GRADIENT, EXHAUSTIVE, DE, DE_PAPER, INCONSPICUOUS, *COMPARISONS)
}
