"""Parquet.  A token is how many rows were read."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import ImportFailed
from . import base


def describe(schema, vector, where):
    """The column of vectors, that of keys or None, the keys' type, and the
    number of dimensions if the type says it."""
    lists = [f.name for f in schema if (pa.types.is_list(f.type) or pa.types.is_fixed_size_list(f.type)
                                        or pa.types.is_large_list(f.type)) and pa.types.is_floating(f.type.value_type)]
    vector = base.one_of("vector", lists, vector, where)
    type = schema.field(vector).type
    key = next((n for n in ("id", "_id", "key") if n in schema.names), None)
    id_type = "bigint"
    if key and not pa.types.is_integer(schema.field(key).type):
        if not (pa.types.is_string(schema.field(key).type) or pa.types.is_large_string(schema.field(key).type)):
            key = None
        else:
            id_type = "text"
    return vector, key, id_type, type.list_size if pa.types.is_fixed_size_list(type) else None


def records(table, vector, key, start):
    vectors = table[vector].to_pylist()
    rest = table.select([n for n in table.column_names if n not in (vector, key)]).to_pylist()
    keys = table[key].to_pylist() if key else range(start, start + len(vectors))
    return [base.Record(k, None if v is None else np.asarray(v, np.float32), None, m) for k, v, m in zip(keys, vectors, rest)]


class Source(base.Source):
    def __init__(self, location, collection, vector):
        base.need_file(location)
        try:
            self.file = pq.ParquetFile(location)
        except pa.ArrowInvalid as e:
            raise ImportFailed(f"{location}: {e}") from e
        self.vector, self.key, self.id_type, self.dimensions = describe(self.file.schema_arrow, vector, location)
        self.count = self.file.metadata.num_rows
        if self.dimensions is None and self.count:
            self.dimensions = len(next(self.file.iter_batches(1, columns=[self.vector]))[0][0].as_py())

    def read(self, after, batch):
        at = 0
        for group in range(self.file.num_row_groups):
            rows = self.file.metadata.row_group(group).num_rows
            if at + rows <= (after or 0):
                at += rows
                continue
            for part in self.file.iter_batches(batch, row_groups=[group]):
                skip = min(part.num_rows, max(0, (after or 0) - at))
                if skip < part.num_rows:
                    yield at + part.num_rows, records(pa.Table.from_batches([part.slice(skip)]), self.vector, self.key, at + skip)
                at += part.num_rows

    def close(self):
        self.file.close()
