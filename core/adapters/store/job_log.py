"""The log lines of jobs."""

from __future__ import annotations

from core.adapters.store.part import Part, select
from core.adapters.store.tables import job_logs
from core.domain.jobs import LogLine

_LONGEST = 4000


class JobLog(Part):
    """Log lines, each of one job."""

    def log(self, job_id: int, message: str, level: str = "info") -> None:
        """Add a line to the job's log."""
        line = {"at": self._now, "level": level, "message": message[:_LONGEST]}
        self._insert(job_logs, job_id=job_id, **line)

    def log_once(self, job_id: int, message: str, level: str = "info") -> None:
        """Add a line unless the last one is the same: for what is retried."""
        last = self.lines(job_id, 1)
        if not last or last[0].message != message[:_LONGEST]:
            self.log(job_id, message, level)

    def lines(self, job_id: int, limit: int = 200) -> list[LogLine]:
        """The last lines of a job's log, oldest first."""
        query = select(LogLine, job_logs).where(job_logs.c.job_id == job_id)
        return self._all(LogLine, query.order_by(job_logs.c.id.desc()).limit(limit))[::-1]
