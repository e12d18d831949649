"""Background jobs for a shared server: fair queues, progress, stop, deadline, kept results."""

from ndcore.jobs.job import Job
from ndcore.jobs.manager import JobManager

__all__ = ["Job", "JobManager"]
