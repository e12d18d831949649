"""What the document of a study must look like, whoever made it, before a page draws from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ndcore.errors import UnreadableError
from ndcore.storage.schema import (
    HASH,
    SHARE,
    Check,
    many,
    number,
    or_null,
    record,
    require,
    row,
    switch,
    table,
    text,
    whole,
)

MOST_JSON = 32 << 20  # bytes
MOST_SCORES = 256 << 20  # bytes of `study.npz` or `desk.npz`, unpacked
MOST_ROWS = 1000
MOST_DEPTH = 12
NUMBER = or_null(number())
ENDS = row(NUMBER, NUMBER)
NAME, WORDS = text(200), text(2000)
RATE = record({"rate": or_null(SHARE), "ci95": ENDS, "n": whole()})
# Whatever else a study tells, what has one of these names is of this kind, wherever it stands.
KNOWN: Mapping[str, Check] = {
    "rate": or_null(SHARE),
    "ci95": ENDS,
    "band": ENDS,
    "n": whole(),
    "attacked": or_null(whole()),
    "auroc": NUMBER,
    "queries_mean": NUMBER,
    "flips_mean": NUMBER,
    "alpha": number(),
    "name": NAME,
    "chosen": NAME,
    "about": WORDS,
}


def _or_count(check: Check) -> Check:
    """Of a class the number of its calibration images stands among its rows."""
    return lambda value, at: (whole() if isinstance(value, int) else check)(value, at)


_AGAINST = record({"auroc": NUMBER, "ci95": ENDS, "n": whole()})
_ATTACK = record(
    {
        "n": whole(),
        "auroc": NUMBER,
        "ci95": ENDS,
        "against": record(
            dict.fromkeys(
                ("benign-correct", "benign-misclassified", "confidence-matched"), _AGAINST
            )
        ),
        "aupr": NUMBER,
        "fpr_at_95_tpr": NUMBER,
        "tpr_at_fpr": table(NUMBER, most=MOST_ROWS),
        "tpr_ci95": table(ENDS, most=MOST_ROWS),
        "per_class": table(RATE, most=MOST_ROWS),
    }
)
_BAND = record({"rate": or_null(SHARE), "band": ENDS, "n": whole(), "inside": switch})
_DETECTOR = record(
    {
        "name": NAME,
        "kind": NAME,
        "about": WORDS,
        "frozen": switch,
        "realised_fpr": table(NUMBER, most=MOST_ROWS),
        "false_alarms": record(
            {
                "pooled": table(_BAND, most=MOST_ROWS),
                "per_class": table(table(_or_count(_BAND)), most=MOST_ROWS),
            }
        ),
        "attacks": table(_ATTACK, most=MOST_ROWS),
    },
    {"controls": table(RATE, most=MOST_ROWS)},
)
_LISTS = record(dict.fromkeys(("all", "correct", "misclassified"), many(NUMBER, most=MOST_ROWS)))
_EVASION = record(
    {"success": or_null(RATE), "detected": RATE, "evasion": or_null(RATE), "queries_mean": NUMBER},
    dict.fromkeys(("bound", "flip_bound", "by_flip", "flip_evasion"), or_null(RATE)),
)
_FAMILY = record(
    {"name": NAME, "n": whole(), "chosen": NAME} | dict.fromkeys(("frozen", "best", "union"), RATE)
)
_SHARES = record({"correct": RATE})
_LEVEL = record({"alpha": number(), "alarms": record({"all": RATE}), "certified": _SHARES})
_KEPT = record(
    {"name": NAME, "caught_by_flip": RATE, "on_certified": whole(), "violations": whole()}
)
_STUDY = record(
    {
        "weight_hash": HASH,
        "images": record(
            dict.fromkeys(("calibration", "evaluation", "evaluation_misclassified"), whole())
        ),
        "attacks": many(record({"name": NAME, "about": WORDS, "n": whole()}), most=MOST_ROWS),
        "detectors": many(_DETECTOR, least=1, most=MOST_ROWS),
    },
    {
        "layers": table(record({"layers": many(NAME), "attacks": table(_LISTS)}), most=MOST_ROWS),
        "regimes": table(table(RATE), most=MOST_ROWS),
        "localisation": table(or_null(table(or_null(RATE))), most=MOST_ROWS),
        "evasion": table(_EVASION, most=MOST_ROWS),
        "choice": or_null(record({"chosen": NAME})),
        "families": or_null(
            record(
                {
                    "about": WORDS,
                    "false_alarms": table(RATE, most=MOST_ROWS),
                    "rows": many(_FAMILY, most=MOST_ROWS),
                }
            )
        ),
        "certificate": or_null(
            record(
                {
                    "n": whole(),
                    "flip": record({"correct": RATE, "alarms": record({"all": RATE})}),
                    "per_class": table(RATE, most=MOST_ROWS),
                    "curves": table(many(_LEVEL), most=MOST_ROWS),
                    "attacks": many(_KEPT, most=MOST_ROWS),
                }
            )
        ),
        "mead": or_null(table(RATE)),
        "self_test": or_null(
            record(
                {"n": whole(), "flips_mean": NUMBER}
                | dict.fromkeys(("passes_what_a_tenth_passes", "passes_what_one_passes"), RATE)
            )
        ),
    },
)


def require_study(document: Any, file: str) -> None:
    """Refuse a document from which no page could draw.

    Raises:
        UnreadableError: with the file and the place in it.
    """
    require(_STUDY, document, file)
    _by_name(document, file, MOST_DEPTH)
    attacks = [each["name"] for each in document["attacks"] if each["n"]]
    for at, detector in enumerate(document["detectors"]):
        if missing := [name for name in attacks if name not in detector["attacks"]]:
            raise UnreadableError(f"{file}.detectors[{at}].attacks.{missing[0][:40]} is missing")


def _by_name(value: Any, at: str, depth: int) -> None:
    """Check what is known by its name, wherever it stands."""
    if not depth:
        raise UnreadableError(f"{at[:200]} is too deep")
    if isinstance(value, dict):
        for name, each in value.items():
            if name in KNOWN:
                KNOWN[name](each, f"{at}.{name}")
            _by_name(each, f"{at}.{name[:40]}", depth - 1)
    elif isinstance(value, list):
        for place, each in enumerate(value):
            _by_name(each, f"{at}[{place}]", depth - 1)
