"""Compares what a query gave with the truth, as far as its plan and settings promise."""

import collections
import math

APPROXIMATE = ("hnsw", "ivfflat", "ivfpq", "ivfrabitq")
MEGABYTE = {"kB": 1 / 1024, "MB": 1}


PRINTED = 300                   # characters of a line that are printed


def shortened(text):
    """What is printed of a text, its beginning and its end: the file of a failed case has it whole."""
    lines = str(text).splitlines()
    cut = [line if len(line) <= PRINTED else f"{line[:PRINTED]}... ({len(line)} characters)" for line in lines]
    if len(cut) > 30:
        cut[10:-20] = [f"... ({len(lines)} lines)"]
    return "\n".join(cut)


class Failure(Exception):
    """kind: what has to stay the same while a case shrinks."""

    def __init__(self, kind, text):
        super().__init__(f"{kind}: {text}")
        self.kind = kind


class Plan:
    """What a plan's nodes say."""

    def __init__(self, tree, methods):
        self.kinds = set()
        self.methods = set()
        self._walk(tree, methods)

    def _walk(self, node, methods):
        kind, index = node["Node Type"], node.get("Index Name")
        if kind == "Custom Scan":
            self.kinds.add("exact scan" if node.get("Custom Plan Provider") == "VectorExactScan" else "merge of partitions")
        elif "Index" in kind:
            am = methods.get(index, "?")
            self.methods.add(am)
            part = " by filter" if "Index Cond" in node and "<<" not in node["Index Cond"] else ""
            how = "order" if "Order By" in node else "sphere" if "<<" in node.get("Index Cond", "") else "condition"
            self.kinds.add(f"{kind.lower()} {am} {how}{part if how == 'order' else ''}")
        elif kind in ("Seq Scan", "Sort", "Incremental Sort", "Gather", "Gather Merge", "Merge Append", "Append", "Memoize",
                      "Materialize", "LockRows", "WindowAgg", "Nested Loop"):
            self.kinds.add(kind.lower())
        for child in node.get("Plans", ()):
            self._walk(child, methods)

    @property
    def approximate(self):
        return self.methods & set(APPROXIMATE)


def same(a, b):
    return a == b or (isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b))


def same_similarity(a, b):
    """Distances that similarities are equal of, such as 2 - distance, which is rounded."""
    return same(a, b) or (a is not None and b is not None and any(c - a == c - b for c in (1, 2, 2.5)))


def key(d):
    """Sorts as PostgreSQL does: NaN after all numbers, null last."""
    if d is None:
        return (2, 0.0)
    return (1, 0.0) if math.isnan(d) else (0, d)


def similarity_key(d):
    """The same for a descending order of what falls as the distance rises."""
    return (-1, 0.0) if d is not None and math.isnan(d) else key(d)


def setting(query, name, default):
    return query.settings.get(name, default)


class Promise:
    """What a scan by approximate indexes with these settings has to give."""

    def __init__(self, query, plan, count):
        self.ordered = True
        self.every = True           # all rows, when asked for that many
        self.exact = True           # the nearest ones
        self.mode = "exact method"
        for am in plan.approximate:
            mode = setting(query, f"{am}.iterative_scan", "strict_order")
            self.mode = mode
            if mode == "relaxed_order":
                self.ordered = False
            if am == "hnsw":
                work_mem = setting(query, "work_mem", "4MB")
                memory = int(work_mem[:-2]) * MEGABYTE[work_mem[-2:]] * int(setting(query, "hnsw.scan_mem_multiplier", "1"))
                enough = memory >= 4 and int(setting(query, "hnsw.max_scan_tuples", "20000")) >= count
                # what is not set may come of the index's own ef_search or target_recall
                whole = enough and int(setting(query, "hnsw.ef_search", "0")) >= count
                self.exact &= whole and mode != "off"
                self.every &= enough and (mode == "relaxed_order" or whole and mode != "off")
            else:
                lists = int(setting(query, f"{am}.max_probes", "32768")) >= 32768
                all_lists = lists and setting(query, f"{am}.probes", "0") == "32768" \
                    and float(setting(query, "ivf.target_recall", "0")) in (0, 1)
                all_lists &= "ivf.target_recall" not in query.settings
                rerank = am == "ivfflat" or int(setting(query, f"{am}.rerank", "0")) >= count
                self.exact &= all_lists and rerank
                self.every &= lists and mode == "relaxed_order" or all_lists and rerank
        # What is beyond a bound ends a scan, and a row inside may lie behind it.
        self.every &= self.exact or not query.bounded


def compare(query, plan, truth, result, statistics):
    """Raises Failure where a promise is broken."""
    if query.promise in ("rows", "exact", "exact unordered") and plan.approximate:
        raise Failure("approximate plan", f"{plan.kinds}")
    if query.promise == "rows" or query.promise == "rows unless approximate" and not (approximate_methods(query, plan) or plan.methods - {"btree"}):
        return compare_rows(truth, result)
    if query.promise == "rows unless approximate":
        return None
    if query.promise == "groups":
        return compare_groups(query, plan, truth, result)
    expected = collections.defaultdict(dict)
    for k, number, d in truth:
        expected[k][number] = d
    found = collections.defaultdict(list)
    for row in result:
        found[row[0]].append(row[1:])
    for k in found.keys() - expected.keys():
        raise Failure("row too many", f"key {k}: {found[k][:5]}")
    approximate = approximate_methods(query, plan)
    for k, rows in expected.items():
        if approximate:
            promise = Promise(query, plan, max(len(truth), statistics.rows))
            if "sparse_inverted" in approximate:
                promise.exact = promise.every = False
        else:
            promise = None
        compare_nearest(query, promise, plan, rows, found.get(k, []), statistics)


def approximate_methods(query, plan):
    """Those whose answers may lack rows."""
    if "sparse_inverted" in plan.methods and "sparse_inverted.drop_ratio" in query.settings:
        return plan.approximate | {"sparse_inverted"}
    return plan.approximate


def compare_groups(query, plan, truth, result):
    """Rows (group, id, distance): not more than limit groups, nor than each rows of one."""
    expected = {row[1]: (row[0], row[2]) for row in truth}
    best, found = collections.defaultdict(list), collections.defaultdict(list)
    for group, number, d in result:
        if number not in expected:
            raise Failure("row too many", f"id {number} does not pass the conditions")
        if expected[number][0] != group or not same(expected[number][1], d):
            raise Failure("distance", f"id {number}: {(group, d)!r} instead of {expected[number]!r}")
        found[group].append(d)
    if len({row[1] for row in result}) < len(result):
        raise Failure("row twice", "in groups")
    if len(found) > query.limit or any(len(rows) > query.each for rows in found.values()):
        raise Failure("limit", f"{len(found)} groups, {max(map(len, found.values()))} rows of one")
    if approximate_methods(query, plan):
        return
    by_index = bool(plan.methods - {"btree"})
    for group, _, d in truth:
        if not by_index or key(d)[0] == 0:
            best[group].append(d)
    for rows in best.values():
        rows.sort(key=key)
    for group, rows in found.items():
        rows = [d for d in rows if not by_index or key(d)[0] == 0]
        if not same_list(sorted(rows, key=key), best[group][:query.each]):
            raise Failure("not the nearest", f"group {group}: {rows[:5]} instead of {best[group][:5]}")
    nearest = sorted((rows[0] for rows in best.values() if rows), key=key)[:query.limit]
    first = sorted((best[group][0] for group in found if best[group]), key=key)
    if not same_list(first, nearest):
        raise Failure("not the nearest", f"groups that begin with {first} instead of {nearest}")


def same_list(a, b):
    return len(a) == len(b) and all(map(same, a, b))


def compare_numbers(query, rows, expected, distances):
    """The numbers behind distances are those of their window function, where all rows
    have been found: how many are nearer, or how many distances."""
    if query.numbered == "row_number":
        numbers = sorted(row[2] for row in rows)
        if numbers != list(range(query.offset + 1, query.offset + 1 + len(numbers))):
            raise Failure("numbers", f"{numbers[:10]}")
        return
    for row in rows:
        nearer = [d for d in distances if key(d) < key(expected[row[0]])]
        if query.numbered == "dense_rank":
            nearer = {key(d) for d in nearer}
        if row[2] != 1 + len(nearer):
            raise Failure("numbers", f"id {row[0]} is number {row[2]}, and {len(nearer)} are nearer")


def compare_rows(truth, result):
    def countable(rows):
        return collections.Counter(tuple("NaN" if isinstance(x, float) and math.isnan(x) else x for x in row) for row in rows)
    a, b = countable(truth), countable(result)
    if a != b:
        missing, extra = list((a - b).elements()), list((b - a).elements())
        raise Failure("rows differ", f"{len(missing)} missing {missing[:5]}, {len(extra)} too many {extra[:5]}")


def compare_nearest(query, promise, plan, expected, rows, statistics):
    ids = [row[0] for row in rows]
    twice = [n for n, c in collections.Counter(ids).items() if c > 1]
    if twice:
        raise Failure("row twice", f"{twice[:10]}")
    for n in ids:
        if n not in expected:
            raise Failure("row too many", f"id {n} does not pass the conditions")
    for row in rows:
        if len(row) > 1 and not same(row[1], expected[row[0]]):
            raise Failure("distance", f"id {row[0]}: {row[1]!r} instead of {expected[row[0]]!r}")
    found = [expected[n] for n in ids]
    members, unordered = query.promise == "members", query.promise.endswith(" unordered")
    by, alike = (similarity_key, same_similarity) if query.nan_first else (key, same)
    if query.limit is not None and len(rows) > query.limit and not query.ties:
        raise Failure("limit", f"{len(rows)} rows")
    by_index = bool(plan.methods - {"btree"}) and not query.promise.startswith("exact")
    if not members and not unordered and (promise is None or promise.ordered):
        for i in range(1, len(found)):
            # An index has what would be first in a sort by similarity last, or not at all.
            if query.nan_first and by_index and found[i] is not None and math.isnan(found[i]):
                continue
            if by(found[i]) < by(found[i - 1]) and not alike(found[i], found[i - 1]):
                raise Failure("order", f"place {i}: id {ids[i]} with {found[i]!r} after {found[i - 1]!r}")
    best = sorted(expected.values(), key=by)
    # An index by distance has no rows without one; the exact ways have them at the end.
    indexed = best
    if by_index:
        indexed = [d for d in best if d is not None and not math.isnan(d)]
    if members:
        wanted, least = best, indexed
        enough = len(least)
    else:
        end = None if query.limit is None else query.offset + query.limit
        wanted, least = best[query.offset:end], indexed[query.offset:end]
        # The last row of an approximate answer may have no ties where that of the sort has.
        enough = len(least)
        if query.ties:
            wanted += [d for d in best[end:] if same(d, wanted[-1])]
            least += [d for d in indexed[end:] if same(d, least[-1])]
    if by_index and query.nan_first:
        # Zero vectors would be first in a sort; of a null value, all distances are null.
        found = [d for d in found if d is not None and not math.isnan(d)]
        wanted = least
    got = sorted(found, key=by)
    statistics.found(plan, promise, query, len(rows), len(least))
    if promise is None or promise.exact:
        if not all(alike(a, b) for a, b in zip(got, wanted)) or not len(least) <= len(got) <= len(wanted):
            place = next((i for i, (a, b) in enumerate(zip(got, wanted)) if not alike(a, b)), min(len(got), len(wanted)))
            raise Failure("not the nearest", f"{len(got)} rows, {len(least)} expected; place {place}: "
                                             f"{got[place:place + 3]} instead of {wanted[place:place + 3]}")
        if query.numbered and len(rows) <= 300:
            compare_numbers(query, rows, expected, best)
    elif promise.every and len(got) < enough:
        lost = [n for n in expected if n not in set(ids) and key(expected[n])[0] == 0]
        raise Failure("rows not reached", f"{len(got)} of {enough}; not found: {lost[:10]}")
