"""Connected components in SQL, out of core: what belongs together when pairs of things do."""

import duckdb


def connect_components(connection: duckdb.DuckDBPyConnection, edges: str, components: str) -> None:
    """Makes the table ``components`` (node, component): of each node of ``edges`` the smallest node it is joined to.

    Every node takes the smallest label among its neighbours and then the label of that label, until nothing changes:
    for long chains the number of rounds grows with the logarithm of their length.

    Args:
        connection: the session that holds ``edges``.
        edges: a table with columns ``a`` and ``b`` of one type that can be ordered; an edge from a node to itself
            makes a component of one.
        components: the table to make; it doesn't depend on the order of the edges.
    """
    connection.execute(
        f"""create or replace temp table {components} as
            select node, node as component from (select a as node from {edges} union select b from {edges})"""
    )
    changed = True
    while changed:
        connection.execute(
            f"""create or replace temp table labels_before as from {components};
            create or replace temp table {components} as
            with seen as (
                select a as node, component from {edges} join labels_before on b = node
                union all select b, component from {edges} join labels_before on a = node
                union all from labels_before
            ), smallest as (
                select node, min(component) as component from seen group by node
            )
            select smallest.node, further.component
            from smallest join labels_before as further on further.node = smallest.component"""
        )
        [(changed,)] = connection.sql(
            f"""select count(*) > 0 from {components} as now join labels_before as old using (node)
                where now.component <> old.component"""
        ).fetchall()
    connection.execute("drop table labels_before")
