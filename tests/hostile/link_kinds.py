"""Links from strangers: for every page its names, what is put there, and whole links."""

from __future__ import annotations

MARK = "zq9"
VALUES = (
    "",
    "\0",
    "x" * 60_000,
    "\u202e\ufeff\ud7ff",
    f"<script>{MARK}</script>",
    f'"><img src=x onerror={MARK}>',
    f"![{MARK}](http://127.0.0.1:9/x.png)",
    f"[log in, {MARK}](http://127.0.0.1:9)",
    f"http://127.0.0.1:9/{MARK} www.{MARK}.xy a@{MARK}.xy",
    f"**{MARK}** :red[{MARK}] :material/{MARK}: $\\href{{javascript:x}}{{{MARK}}}$",
    f"`` `{MARK}` ` [{MARK}](http://127.0.0.1:9) `",
    f"# {MARK}\n\n> {MARK}\n\n| {MARK} |\n|---|\n\n- {MARK}",
    "../../../../etc/passwd",
    "nan",
    "-" + "9" * 400,
    "٣²",
    "os:system",
    "__class__",
)
NAMES = {
    "Home.py": "bundle pair story job",
    "pages/1_Attack_Lab.py": (
        "bundle images source engine pixels target then budget epsilon seed way job pair filter "
        "screen hand several"
    ),
    "pages/2_Activation_Explorer.py": (
        "bundle pair layers classes reduction sort minus order with off marks closer unit"
    ),
    "pages/3_Divergence_Detector.py": (
        "bundle pair detector judge alpha detector_tab triage triage_images job"
    ),
    "pages/4_Training_Evolution.py": (
        "run against part metric variant layer unit epoch clusters levels scale"
    ),
}
WHOLE: dict[str, tuple[dict[str, str | list[str]], ...]] = {
    "pages/1_Attack_Lab.py": (
        {"images": "digits:0-999999999"},
        {"images": "digits:999999999-0"},
        {"images": "digits:0," * 3000},
        {"images": ",".join(f"digits:{at}" for at in range(900))},
        {"images": ":,:,:,-,-1--3"},
        {"images": ["digits:0", "digits:1", "<b>"]},
        {"seed": ["0", "1", "2"]},
        {"engine": "pgd", "epsilon": "1e9"},
        {"engine": "fast", "then": "de", "pixels": "5", "target": "3", "budget": "9" * 15},
        {"way": "hand", "images": "digits:0", "hand": "99.99.ff0000"},
        {"way": "hand", "images": "digits:0", "hand": "1.1.ff0000~" * 500},
        {f"k{at}": str(at) for at in range(2000)},
    ),
    "pages/2_Activation_Explorer.py": (
        {"layers": ["dense_1"] * 2000},
        {"classes": ["3"] * 2000},
        {"marks": "dense_1:" + ",".join(map(str, range(4000)))},
        {"marks": "dense_1:²,٣,99999999999;x:1;;;:::"},
        {"with": ";" * 5000},
        {"with": "digits:1;digits:1;digits:2~1.1.ff~x;/etc/passwd"},
        {"off": "benign," * 2000},
        {"pair": "digits:3~99999.99999.ff"},
        {"pair": "digits:3~1.1.ff~1.1.00"},
        {"pair": "digits:3" + "~1.1.00" * 6},
        {"pair": "digits:3~-1.0.00"},
        {"pair": "digits:" + "9" * 20 + "~1.1.00"},
        {"pair": "a/../../../../../etc/passwd~1.1.00"},
        {"pair": "digits:٣~1.1.00"},
        {"pair": "digits:1_0"},
        {"pair": "~" * 5000},
    ),
    "pages/3_Divergence_Detector.py": (
        {"pair": "digits:3~99999.1.00"},
        {"detector": "__init__"},
        {"detector": ["wasserstein", "<b>"]},
        {"judge": "digits", "judge_image": "9" * 30},
        {"detector_tab": "Many images", "triage_images": "../../x"},
    ),
    "pages/4_Training_Evolution.py": (
        {"run": "own", "against": "own"},
        {"run": "../bundles/digits-cnn"},
        {"run": "own/evolution"},
        {"run": "own", "part": "Neuron", "layer": "conv9", "unit": "9" * 11, "epoch": "-5"},
        {"run": "own", "part": "Neuron", "unit": "nan", "epoch": "nan"},
        {"run": "own", "part": "Layer", "epoch": "1e9", "clusters": "²"},
    ),
}


def links(page: str) -> list[dict[str, str | list[str]]]:
    """All of a page."""
    one: list[dict[str, str | list[str]]] = [
        {name: value} for name in NAMES[page].split() for value in VALUES
    ]
    return [*one, *WHOLE.get(page, ())]
