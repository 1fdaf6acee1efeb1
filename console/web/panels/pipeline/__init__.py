"""Panels of the Pipeline page."""
