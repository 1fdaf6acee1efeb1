"""Release notes and image digests; needs only the standard library.

python3 compose/release.py notes 0.2.0            print the changelog section of that version
python3 compose/release.py images PREFIX FOLDER   print a kustomize component with the digests
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class NotReadyError(Exception):
    """The release cannot be created; the message says what to do first."""


def notes(changelog: str, project: str, version: str) -> str:
    """The changelog section of a version.

    Raises:
        NotReadyError: the project has another version, or the section is missing or empty.
    """
    own = tomllib.loads(project)["project"]["version"]
    if own != version:
        raise NotReadyError(f"The tag says {version} and pyproject.toml {own}: make them the same.")
    sections = re.split(r"^## ", changelog, flags=re.MULTILINE)[1:]
    for section in sections:
        head, _, body = section.partition("\n")
        if re.fullmatch(rf"\[?{re.escape(version)}\]?( - \d{{4}}-\d{{2}}-\d{{2}})?", head.strip()):
            if not body.strip():
                raise NotReadyError(f"CHANGELOG.md says nothing under {version}.")
            return body.strip() + "\n"
    raise NotReadyError(
        f"CHANGELOG.md has no section for {version}: give Unreleased that name and the day."
    )


def component(prefix: str, digests: dict[str, str]) -> str:
    """A kustomize component that pins the images of one release by digest.

    Raises:
        NotReadyError: a digest is malformed.
    """
    text = """\
# The images of one release by digest: list it under components in an overlay.
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
images:
"""
    for target, digest in sorted(digests.items()):
        if not _DIGEST.fullmatch(digest):
            raise NotReadyError(f"{digest!r} is not a digest of the image {target}.")
        image = f"{{name: driftdesk-{target}, newName: {prefix}-{target}, digest: {digest}}}"
        text += f"  - {image}\n"
    return text


def main(arguments: list[str]) -> int:
    """Print the notes or the component; returns the exit code."""
    try:
        match arguments:
            case ["notes", version]:
                changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
                project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
                sys.stdout.write(notes(changelog, project, version))
            case ["images", prefix, folder]:
                files = [file for file in Path(folder).iterdir() if file.is_file()]
                digests = {file.name: file.read_text(encoding="utf-8").strip() for file in files}
                sys.stdout.write(component(prefix, digests))
            case _:
                sys.stderr.write(f"{__doc__}\n")
                return 2
    except NotReadyError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
