"""Derives what delivered metadata mean: one interpreter per concern, verbatim kept beside.

An interpreter reads inputs from ``Work``, sets harmonised columns, raises flags and rejects rows.
It never drops a row and never guesses silently.
"""
