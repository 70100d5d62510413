class BuildFailed(Exception):
    """Something the user has to change; the message says what."""
