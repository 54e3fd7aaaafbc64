"""What users may do, by role: a table. Pure."""

from __future__ import annotations

import enum


class Role(enum.StrEnum):
    """Each may do what those before it may."""

    VIEWER = "viewer"  #: read pages and API
    RESPONDER = "responder"  #: act on incidents
    ADMIN = "admin"  #: reload the configuration

    def includes(self, needed: Role) -> bool:
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(needed)
