"""Starts trytond, on a recent SQLite where the package pysqlite3 is installed.

Tryton checks the unique key of a bulk of sales with one clause per sale. Before 3.46 SQLite's parser has a stack of
fixed depth and refuses such a statement from about 90 sales on ("parser stack overflow"); PostgreSQL and later versions
of SQLite do not.

usage: serve.py ARGUMENTS-OF-TRYTOND
"""

import sys

try:
    import pysqlite3
    sys.modules['sqlite3'] = pysqlite3
except ImportError:
    pass

from trytond.cli import main  # noqa: E402

sys.exit(main())
