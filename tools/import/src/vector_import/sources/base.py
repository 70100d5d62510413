"""What a source is: one collection of records, read in an order that stays."""

import dataclasses
import os
import time

from ..errors import ImportFailed


@dataclasses.dataclass
class Record:
    """vector: an array of float32, or {index from 0: weight} of a sparse one.
    text: the document, where the system keeps one; metadata: a dict as JSON has
    it, or with dates and times."""
    id: object
    vector: object
    text: str = None
    metadata: dict = dataclasses.field(default_factory=dict)


class Source:
    """collection, count (None if it is not known), dimensions, metric ("l2",
    "cosine", "ip" or "l1"), sparse, id_type ("bigint", "text" or "uuid"), has_text."""

    collection = None
    count = None
    dimensions = None
    metric = "l2"
    sparse = False
    id_type = "bigint"
    has_text = False
    # what a reader should know about these vectors
    note = None

    def read(self, after, batch):
        """Lists of about batch Records, each with a token, from after the token
        of an earlier list, or from the start for None.  A token is what JSON
        holds."""
        raise NotImplementedError

    def close(self):
        pass


class Rows(Source):
    """A file whose records have numbers: a token is how many were read.
    Subclasses have part(start, end)."""

    def read(self, after, batch):
        for start in range(after or 0, self.count, batch):
            end = min(start + batch, self.count)
            yield end, self.part(start, end)


def one_of(what, found, wanted, location):
    """The collection or vector that is meant: the one asked for, or the only one."""
    found = list(found)
    if wanted is not None:
        if wanted not in found:
            raise ImportFailed(f"{location} has no {what} {wanted!r}; there are: {', '.join(map(repr, found)) or 'none'}")
        return wanted
    if len(found) != 1:
        raise ImportFailed(f"{location} has {len(found)} {what}s; say which by --{what}: {', '.join(map(repr, found))}")
    return found[0]


def need_file(path):
    if not os.path.isfile(path):
        raise ImportFailed(f"there is no file {path}")
    return path


def need_folder(path):
    if not os.path.isdir(path):
        raise ImportFailed(f"there is no folder {path}")
    return path


def id_type(ids):
    """The type of a column that holds such ids."""
    return "bigint" if all(isinstance(i, int) and not isinstance(i, bool) and -2**63 <= i < 2**63 for i in ids) else "text"


class Api:
    """An HTTP API that is asked again when it is busy; a key is in headers only."""

    TRIES = 6
    FIRST_PAUSE = 0.5			# seconds; then twice as long each time

    def __init__(self, url, headers):
        import httpx
        self.httpx = httpx
        self.client = httpx.Client(base_url=url, headers=headers, timeout=60)

    def get(self, path, params=None):
        return self.ask("GET", path, params=params)

    def ask(self, method, path, **kwargs):
        pause = self.FIRST_PAUSE
        for left in reversed(range(self.TRIES)):
            try:
                answer = self.client.request(method, path, **kwargs)
            except self.httpx.TransportError as e:
                if not left:
                    raise ImportFailed(f"{self.client.base_url}: {e}") from e
            else:
                if answer.status_code < 400:
                    return answer.json()
                if (answer.status_code != 429 and answer.status_code < 500) or not left:
                    raise ImportFailed(f"{self.client.base_url}{path} answered {answer.status_code}: {answer.text[:300]}")
                try:
                    pause = max(pause, min(60, float(answer.headers.get("retry-after", 0))))
                except ValueError:
                    pass
            time.sleep(pause)
            pause *= 2
        raise AssertionError

    def close(self):
        self.client.close()
