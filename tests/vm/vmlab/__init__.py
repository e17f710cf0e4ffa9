# SPDX-License-Identifier: GPL-2.0-or-later
"""The VM lab: real P2PDMA in an emulated machine.  README.md in the folder above."""


class LabError(Exception):
    """What keeps the lab from working; the text says the way out."""
