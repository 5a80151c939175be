"""Everything that imports Dagster, and nothing else: an asset reads, calls one domain function, reports.

The domain never imports this package. No module here may use ``from __future__ import annotations``:
Dagster reads the annotations of its parameters at run time.
"""
