import re


class ImportFailed(Exception):
    """Something the user has to change; the message says what.  The user and
    password of an address are left out of it."""

    def __init__(self, message):
        super().__init__(without_password(message))


def without_password(text):
    return re.sub(r"://[^/@\s]*@", "://", text)
