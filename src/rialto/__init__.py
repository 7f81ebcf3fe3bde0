"""Rialto: find, match and show, three kinds of decision for a shop that sells and delivers, through one chain of steps.

Importing this package loads no engine; see `rialto.app` to put a system together, and `rialto --help`.
"""

__version__ = "0.1.0"
