#!/app/.venv/bin/python
"""The command line in the console's image, where the project is copied and not installed."""

from console.cli import main

if __name__ == "__main__":
    main()
