"""Tests of the stand-in for the data API."""
