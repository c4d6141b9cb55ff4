"""Daily reports, computed from the vendors' tables and the brand's own files.

Each has a table, a plot in Dagster's UI, and a page in the folder of the day. They run by themselves when all inputs
of a day are in.
"""
