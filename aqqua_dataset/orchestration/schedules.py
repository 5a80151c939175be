"""A night's jobs: each at its hour of Europe/Berlin, running from the first start on."""

import dagster as dg


def every_day(name: str, job_name: str, hour: int, description: str) -> dg.ScheduleDefinition:
    """A schedule that starts a job with its defaults at an hour, 0 to 23."""
    return dg.ScheduleDefinition(
        name=name, job_name=job_name, cron_schedule=f"0 {hour} * * *", execution_timezone="Europe/Berlin",
        default_status=dg.DefaultScheduleStatus.RUNNING, description=description,
    )  # fmt: skip
