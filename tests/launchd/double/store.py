"""The store of disabled labels: one for each user, one for the system. It outlives bootout, the
plist's deletion and a reboot; no verb removes an entry."""
from __future__ import annotations

import os
import plistlib
from typing import Optional


class Store:
    """disabled.UID.plist or disabled.plist: label => bool, true: disabled."""

    def __init__(self, folder: str, uid: Optional[int]):
        self.path = os.path.join(folder, "disabled.plist" if uid is None else f"disabled.{uid}.plist")
        self.entries = {}
        if os.path.exists(self.path):
            with open(self.path, "rb") as file:
                self.entries = plistlib.load(file)

    def set(self, label: str, disabled: bool) -> None:
        """Writes an entry."""
        self.entries[label] = disabled
        temporary = self.path + ".new"
        with open(temporary, "wb") as file:
            plistlib.dump(self.entries, file)
        os.rename(temporary, self.path)

    def disabled(self, label: str, default: bool) -> bool:
        """The store wins over the plist's `Disabled`."""
        return self.entries.get(label, default)
