"""Knows the one kind of failure that a person can mend, and how words of strangers are made fit to be told."""

from typing import Final

FORMULA: Final = r"(^|;)(\s*[=+\-@\uff1d\uff0b\uff0d\uff20])"
"""What a spreadsheet takes for the beginning of a formula (https://owasp.org/www-community/attacks/CSV_Injection), in
two groups between which a quote belongs. Where the comma is for decimals, cells are split at semicolons too."""


class FwlensError(Exception):
    """One fault that a user can mend: its text is a whole sentence with the place and the way out.

    The command line prints the text on stderr and exits with 1, or with 2 where it is about what was typed.
    """


def plain(text: str) -> str:
    """A text of a stranger (a path, a server's words) in which nothing moves a cursor or hides: what cannot be printed
    is shown as the replacement character."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def one_line(text: str) -> str:
    """The same in one line, where what cannot be printed, as an end of line, is a space."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
