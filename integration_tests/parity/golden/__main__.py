"""Writes the layouts of all programs, or of the families named on the command line."""

import json
import sys

from integration_tests.parity.golden import FOLDER, layout
from integration_tests.parity.programs import families

for family, programs in families().items():
    if not sys.argv[1:] or family in sys.argv[1:]:
        layouts = {program.name: layout(program) for program in programs}
        (FOLDER / f"{family}.json").write_text(json.dumps(layouts, indent=1, sort_keys=True) + "\n")
        print(f"{family}: {len(layouts)} layouts")
