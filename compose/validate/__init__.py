"""Checks of what nothing on a developer's machine runs: images, manifests and workflows."""
