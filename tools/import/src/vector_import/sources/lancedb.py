"""LanceDB: a folder of tables.  A token is how many rows were read."""

import lancedb

from . import base
from .parquet import describe, records


class Source(base.Rows):
    metric = "l2"

    def __init__(self, location, collection, vector):
        base.need_folder(location)
        db = lancedb.connect(location)
        listed = db.list_tables() if hasattr(db, "list_tables") else db.table_names()
        self.collection = base.one_of("collection", getattr(listed, "tables", listed), collection, location)
        self.table = db.open_table(self.collection)
        self.count = self.table.count_rows()
        self.vector, self.key, self.id_type, self.dimensions = describe(self.table.schema, vector, self.collection)
        if self.dimensions is None and self.count:
            self.dimensions = len(self.table.search().limit(1).to_arrow()[self.vector][0].as_py())

    def part(self, start, end):
        found = self.table.search().offset(start).limit(end - start).to_arrow()
        return records(found, self.vector, self.key, start)
