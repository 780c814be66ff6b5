"""Knows the one kind of failure that a person can mend."""


class FwlensError(Exception):
    """One fault that a user can mend: its text is a whole sentence with the place and the way out.

    The command line prints the text on stderr and exits with 1; nothing else catches it.
    """
