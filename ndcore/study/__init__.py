"""The study of detectors: which score tells attacked images from benign ones, and how surely.

Who runs one imports `ndcore.study.run`: it brings in every detector that is compared, which takes
a second, and those who read a finished study should not wait for them.
"""

from __future__ import annotations

from ndcore.storage.places import study_dir
from ndcore.study.saved import SavedStudy, find_study, load_study

__all__ = ["SavedStudy", "find_study", "load_study", "study_dir"]
