"""The documentation's own code: reference pages made from the programs, and the site's hooks.

It reads every program and is read by none, so it stands above them all.
"""
