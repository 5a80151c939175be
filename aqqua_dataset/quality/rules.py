"""How a rule over a whole contribution is written, and how its answer becomes a mark on rows.

A rule is a function ``rule(connection, contribution) -> str``. ``connection`` has the view ``core`` (all harmonised
rows of the contribution, columns as in schemas/tables.yaml) and the view ``shards`` (the index of its stored images,
``image_id``, ``width_px`` ...). The function may register small tables of its own and returns a query whose columns
are columns of ``core``: every row of ``core`` that equals one of the answer's rows in all of those columns (null
equals null) gets the flag the rule is registered for. A query that returns ``contribution_id`` alone marks every row.
"""

from collections.abc import Callable

import duckdb

from aqqua_dataset.registry.models import Contribution

Rule = Callable[[duckdb.DuckDBPyConnection, Contribution], str]
