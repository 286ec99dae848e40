"""The privileged side of aitune-tui: the only code that runs as root.

Standard library alone, Python 3.9 and later. It is shipped as one root-owned zipapp; the rest of
the project may import `knobs`, `messages`, `kernelfs` and `plan` from it, so that what is planned
without rights and what is written with them is the same code.
"""

VERSION = "0.1.0"
