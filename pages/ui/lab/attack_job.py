"""Attacks in the background: one job per batch, whose results stay while the job is known."""

from __future__ import annotations

import numpy as np
import streamlit as st

from ndcore.attacks import AttackConfig
from ndcore.bundles.bundle import Bundle
from ndcore.data.batch import Choice
from ndcore.jobs import Job
from ndcore.legible.plurals import counted
from ndcore.settings import settings
from ndcore.tasks.attack import AttackJob
from pages.ui.elements.class_matrix import forget_cell
from pages.ui.frame.job_bar import submit_on
from pages.ui.frame.link import remember
from pages.ui.lab.batch import CELL, ROW

KIND = "job"  # in links, since before there were jobs of other kinds


def start(bundle: Bundle, choice: Choice, config: AttackConfig) -> None:
    """Queue the attack and look at the page again."""
    work = AttackJob(choice, config)
    most = settings().job_queries
    if work.queries > most:
        st.error(
            f"This may take {work.queries:,} queries; this server allows {most:,}. Choose fewer "
            "images or pixels, or a smaller budget."
        )
        return
    # What was picked in the last attack's results.
    forget_cell(CELL)
    remember(ROW, "")
    label = f"attack on {counted(len(choice.ids), 'image')}"
    submit_on(KIND, bundle.name, work, bundle, label=label)


def is_about(job: Job, choice: Choice) -> bool:
    """Whether exactly these images were to be attacked by a job that began."""
    mine: Choice | None = job.result and job.result.choice
    if mine is None:
        return False
    return mine.names == choice.names and np.array_equal(mine.pixels, choice.pixels)
