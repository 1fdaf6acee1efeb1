"""Run the stand-in: `python -m compose.data_api --port 8010`."""

from __future__ import annotations

import sys

import uvicorn

from compose.data_api.app import create_app
from compose.data_api.cursors import StateError
from compose.data_api.folder import FolderError
from compose.data_api.options import parse


def main() -> None:
    """Serve until interrupted.

    Raises:
        SystemExit: the options, the folder or the file of cursors cannot be used.
    """
    options = parse(sys.argv[1:])
    try:
        app = create_app(options)
    except (FolderError, StateError) as error:
        sys.exit(str(error))
    uvicorn.run(app, host=options.host, port=options.port, log_level="info")


if __name__ == "__main__":
    main()
