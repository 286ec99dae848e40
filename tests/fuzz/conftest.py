"""A helper with an open trial over a made-up kernel."""

from __future__ import annotations

from tests.unit.helper.conftest import bench, places

__all__ = ["bench", "places"]
