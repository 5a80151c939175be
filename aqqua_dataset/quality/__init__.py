"""Quality tests that need more than one row: a whole contribution, its events, or its stored images.

Tests of a single row are made where the value is interpreted (``harmonise``). Those here run once all rows of a
contribution are harmonised. A rule says which rows fail as a query in DuckDB (see ``rules``), so nothing is held in
memory; ``stage`` turns the answers into the final flags of every image.
"""
