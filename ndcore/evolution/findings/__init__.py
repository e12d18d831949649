"""What Zhong et al. 2017 found in their case studies, checked in numbers on recorded runs.

Every claim has its statistic and its rule here, fixed before a run was looked at. `DV-22` ...
`DV-30` are themes, a letter tells the claims of one theme apart.

Reference: Zhong et al. 2017, "Evolutionary visual analysis of deep neural networks", section 4.
"""

from __future__ import annotations

from ndcore.evolution.findings.accuracy import (
    AccuracyRow,
    accuracy_of,
    accuracy_table,
    told_data,
    told_files,
    train_command,
)
from ndcore.evolution.findings.check import FINDINGS, NOT_RECORDED, check_findings
from ndcore.evolution.findings.finding import VERDICTS, Finding, FindingResult
from ndcore.evolution.findings.report import HOW_FIXED, findings_document, findings_of, open_runs

__all__ = [
    "FINDINGS",
    "HOW_FIXED",
    "NOT_RECORDED",
    "VERDICTS",
    "AccuracyRow",
    "Finding",
    "FindingResult",
    "accuracy_of",
    "accuracy_table",
    "check_findings",
    "findings_document",
    "findings_of",
    "open_runs",
    "told_data",
    "told_files",
    "train_command",
]
