"""The study of detectors: which score tells attacked images from benign ones, and how surely."""

from __future__ import annotations

from ndcore.study.run import StudyConfig, run_study
from ndcore.study.saved import SavedStudy, load_study

__all__ = ["SavedStudy", "StudyConfig", "load_study", "run_study"]
