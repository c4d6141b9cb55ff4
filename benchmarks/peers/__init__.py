"""What a data engineer would use today instead of the assets to bring the same files into DuckDB.

Each module is a program of its own, run by the interpreter that `environments` gives, and prints what `outcome` says.
"""
