"""Reference pages generated from the programs, and the Sphinx configuration of the site.

It imports every program and is imported by none.
"""
