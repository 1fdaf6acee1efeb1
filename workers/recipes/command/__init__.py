"""The recipe `command`: a program of the team's own, in a process of its own.

The program reads the training rows as Parquet, the dataset as JSON and a seed, and writes
`model.onnx`; see docs/how-to/recipe-command.md. It never gets held-out rows.
"""

from workers.recipes.command.fit import fit, fit_spooled

__all__ = ["fit", "fit_spooled"]
