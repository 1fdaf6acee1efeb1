"""A person without a mouse: Tab, Enter, arrows, letters and Ctrl+K reach all of a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

_MOST_TABS = 60
"""How far away something may be: the pages have some 30 places for the focus."""

_IDLE = "[data-testid=stApp][data-test-script-state=notRunning]"

_FOCUSED = """() => {
    const e = document.activeElement
    const is_part = e && !['BODY', 'MAIN'].includes(e.tagName)  // not a whole page's words
    return is_part ? `${e.ariaLabel || ''} ${e.innerText || ''}` : ''
}"""


class Keyboard:
    """The keys of one tab. It waits for what a person would wait for, and points at nothing."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def titled(self, title: str) -> None:
        """Wait for the page of that title to be drawn."""
        self._page.get_by_role("heading", level=1, name=title, exact=True).wait_for()
        self._page.locator(_IDLE).wait_for()

    def press(self, *keys: str) -> None:
        """Press these keys one after the other."""
        for key in keys:
            self._page.keyboard.press(key)

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self._page.keyboard.type(text)

    def focused(self) -> str:
        """The words of what has the focus; empty if nothing has."""
        return str(self._page.evaluate(_FOCUSED))

    def reach(self, words: str) -> None:
        """Press Tab until what has the focus carries these words."""
        passed = []
        for _ in range(_MOST_TABS):
            self.press("Tab")
            if words in (here := self.focused()):
                return
            passed.append(here.strip()[:40])
        raise AssertionError(f"{words!r} cannot be reached by keyboard, only {passed}")

    def keep(self, words: str) -> None:
        """Go back to what had the focus: Streamlit takes it from a tab whose page is half drawn."""
        if words not in self.focused():
            self.reach(words)

    def sees(self, words: str, within: int = 30_000) -> None:
        """Wait, so many milliseconds at most, until the page shows these words."""
        self._page.get_by_text(words).first.wait_for(timeout=within)

    def push(self, words: str, within: int = 30_000) -> None:
        """Reach a button or a link, once it can be used, and press Enter."""
        self._usable(words).first.wait_for(timeout=within)
        self.reach(words)
        self.press("Enter")

    def _usable(self, words: str) -> Locator:
        return self._page.locator(":is(button:not(:disabled), a)", has_text=words)

    def dialog(self) -> None:
        """Wait for a dialog, which has the focus: no Tab leads out of it."""
        dialog = self._page.get_by_role("dialog")
        dialog.wait_for()
        for _ in range(3):
            self.press("Tab")
            assert dialog.evaluate("d => d.contains(document.activeElement)"), self.focused()

    def go_to(self, target: str) -> None:
        """Press the shortcut on a drawn page and type at once, as a person does who knows it."""
        self._page.get_by_role("textbox", name="Search or go to").first.wait_for()
        self._page.locator(_IDLE).wait_for()
        self.shortcut()
        self.type(target)
        self.press("Enter")

    def shortcut(self) -> None:
        """Press Ctrl+K, once the page's script for it has run."""
        self._page.wait_for_function("window.driftdeskGoTo === true")
        self.press("Control+k")
