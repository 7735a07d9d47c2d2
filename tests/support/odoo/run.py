"""Odoo's command line, from the packages that PYTHONPATH names: `run.py -c FILE …` is a server, `run.py shell …` a shell."""

import odoo.cli

odoo.cli.main()
