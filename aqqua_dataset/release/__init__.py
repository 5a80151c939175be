"""Turns everything permitted into one citable dataset: gate, shards, tables, records, cards."""
