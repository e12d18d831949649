"""DV-29: what width and depth do to accuracy, and where they lead to overfitting."""

from __future__ import annotations

from ndcore.evolution.findings.accuracy import better
from ndcore.evolution.findings.finding import Finding, Outcome, Runs
from ndcore.evolution.findings.series import OVERFIT, overfitting


def _overfits(network: str, id: str, stated: int) -> Finding:
    def check(runs: Runs) -> Outcome:
        run = runs[network]
        happens, lowest, rise = overfitting(run)
        images = int(run.about["validation"])
        figures = {
            "lowest_at": lowest,
            "rise": rise,
            "paper_epoch": stated,
            "validation_images": images,
        }
        return Outcome(
            happens,
            figures,
            f"{network}: the validation loss (n = {images:,}) is lowest at epoch {lowest} and ends "
            f"{100 * rise:+.1f}% from there; the paper saw overfitting after epoch {stated}.",
        )

    return Finding(
        id=id,
        section="4.1.2",
        claim=f"{network} overfits (in the paper after epoch {stated}).",
        networks=(network,),
        statistic="validation loss at the end against its lowest, means over 3 epochs",
        rule=f"it ends at least {100 * OVERFIT:g}% above its lowest while the training loss is "
        "lower than there",
        check=check,
    )


FINDINGS = (
    better(
        "DV-29a",
        "4.1.1",
        "lenet, deeper and wider, is more accurate than shallow.",
        "lenet",
        "shallow",
    ),
    better(
        "DV-29b",
        "4.1.2",
        "The much wider lenet-w is less accurate than lenet.",
        "lenet",
        "lenet-w",
    ),
    better(
        "DV-29c",
        "4.1.2",
        "The much deeper lenet-d is less accurate than lenet.",
        "lenet",
        "lenet-d",
    ),
    _overfits("lenet-w", "DV-29d", 40),
    _overfits("lenet-d", "DV-29e", 28),
    better(
        "DV-29f",
        "4.2.1",
        "A batch norm after layer4 (lenet-w-bn) makes lenet-w more accurate.",
        "lenet-w-bn",
        "lenet-w",
    ),
    better(
        "DV-29g",
        "4.1.2",
        "nin, whose 1x1 filters hold back the receptive field, is more accurate than lenet.",
        "nin",
        "lenet",
    ),
)
