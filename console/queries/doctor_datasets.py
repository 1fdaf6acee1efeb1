"""The doctor's checks of a desk with several datasets: their files, settings and roles. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from console.queries.doctor_rules import Finding, bad, ok, warn
from core.domain.fleet import KnownDataset


def files(usable: Collection[str], problems: Mapping[str, str], folder: str = "") -> list[Finding]:
    """The dataset files; `problems` are by file name, `folder` says why it cannot be read."""
    found = [bad("Datasets", folder, "Check DATASETS, the folder of the dataset files.")] * bool(
        folder
    )
    if usable:
        found.append(ok("Datasets", f"{', '.join(usable)}."))
    elif not folder:
        todo = "Write a file there: driftdesk dataset init data.csv -o FOLDER/NAME.toml"
        found.append(bad("Datasets", "None can be used.", todo))
    todo = "Correct the file. Until then that dataset does nothing; the others go on."
    return found + [bad(f"Dataset file {name}", why, todo) for name, why in problems.items()]


def settings(usable: Collection[str], model_name: str, default: str) -> Iterator[Finding]:
    """The settings that mean something else, or nothing, where there are several datasets."""
    if model_name and len(usable) > 1:
        says = f"Every dataset would have the one model {model_name} in MLflow."
        yield bad("MODEL_NAME", says, "Unset it: each model is named like its dataset.")
    if default and default not in usable:
        says = f"There is no dataset {default} that can be used."
        named = ", ".join(usable) or "a dataset"
        yield bad("DEFAULT_DATASET", says, f"Set it to one of these, or to nothing: {named}.")


def roles(usable: Collection[str], given: Collection[str]) -> Iterator[Finding]:
    """Roles for datasets that are not there: often a name with a mistake in it."""
    if unknown := sorted(set(given) - set(usable)):
        says = f"There are roles for {', '.join(unknown)}, which cannot be used or is not there."
        todo = "Correct the name in AUTH_ROLES_FILE or AUTH_ROLE_MAP, or add its dataset file."
        yield warn("Roles", says, todo)


def disabled(names: Collection[str], known: Mapping[str, KnownDataset]) -> Iterator[Finding]:
    """The datasets that a person has disabled."""
    for name in names:
        of = known.get(name)
        if of and of.is_disabled:
            says = f"{of.disabled_by} disabled it: {of.reason}"
            yield warn(f"{name}: Dataset", says, f"driftdesk dataset enable {name}")
