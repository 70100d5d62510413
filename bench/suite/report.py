"""One self-contained HTML file from a result: goals, pictures, tables; and the
same as Markdown beside it, for RESULTS.md.
"""

import base64
from pathlib import Path

import common
import goals
import jinja2
import measure
import plots

TEMPLATE = Path(__file__).with_name("report.html.j2")


def write(result, folder):
    pictures = plots.draw(result, folder)
    result["goals"] = goals.judge(result["stages"])
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["picture"] = lambda path: base64.b64encode(Path(path).read_bytes()).decode()
    html = environment.from_string(TEMPLATE.read_text()).render(
        result=result, about=result["about"], pictures=pictures, goals=result["goals"],
        tables={name: TABLES[s["kind"]](s) for name, s in result["stages"].items()},
        versions=versions(result), not_run=not_run(result), summary=summary(result["goals"]))
    (folder / "report.html").write_text(html)
    (folder / "report.md").write_text(markdown(result, pictures))


def markdown(result, pictures):
    about = result["about"]
    machine = about["machine"]
    out = [f"{about['date']}, commit {about['commit']}, `make bench` profile {about['profile']}; {machine['cpu']}, "
           f"{machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']}.", "",
           *lines(["goal (issue)", "wanted", "where", "measured", ""], [
               [f"{g['text']} ({g['issue']})", g["goal"], g["where"], g["shown"],
                "not measured" if g["value"] is None else "met" if g["met"] else f"**not met**, {g['by']:.0%} of the way"]
               for g in result["goals"]])]
    why = dict.fromkeys((g["text"], g["why"]) for g in result["goals"] if g["why"])
    if why:
        out += ["", "What stands in the way, by profile:", "", *(f"- {text}: {reason}" for text, reason in why)]
    for name, stage in result["stages"].items():
        out += ["", f"### {name}", f"{stage['dataset']}, started {stage['started']}, took {stage['seconds']} s; load "
                f"{stage['load'][0]} before, {stage['load'][1]} after.", ""]
        out += [f"![{name}: {caption}]({Path(path).name})" for caption, path in pictures[name]]
        out += ["", *lines(*TABLES[stage["kind"]](stage))]
    lost = not_run(result)
    if lost:
        out += ["", "Not run: " + "; ".join(f"{name} ({where}): {why}" for name, why, where in lost)]
    return "\n".join(out) + "\n"


def lines(header, rows):
    def cells(row):
        return "| " + " | ".join(str(c).replace("|", "\\|") for c in row) + " |"
    return [cells(header), "|" + "---|" * len(header), *(cells(r) for r in rows)]


def versions(result):
    out = {}
    for stage in result["stages"].values():
        for name, c in stage["contestants"].items():
            if "version" in c:
                out.setdefault(name, c["version"])
    return out


def not_run(result):
    out = {}
    for stage, s in result["stages"].items():
        for name, c in s["contestants"].items():
            if "not_run" in c:
                out.setdefault((name, c["not_run"]), []).append(stage)
    return [(name, why, ", ".join(where)) for (name, why), where in out.items()]


def summary(rows):
    """(met, not met, not measured), by goal: met where it is so everywhere."""
    by_goal = {}
    for r in rows:
        by_goal.setdefault(r["key"], []).append(r)
    measured = {k: v for k, v in by_goal.items() if v[0]["value"] is not None}
    met = sum(all(r["met"] for r in v) for v in measured.values())
    return met, len(measured) - met, len(by_goal) - len(measured)


# -- tables: (header, rows) --------------------------------------------------

def number(x, digits=3):
    if x is None or x != x:
        return ""
    return f"{x:,.0f}" if abs(x) >= 100 else f"{x:.{digits}g}"


def speed(wall, cpu, mark):
    """Queries a second by the clock, and of CPU time."""
    return f"{'more recall: ' if mark else ''}{number(1e3 / wall)} ({number(1e3 / cpu)})"


def of_search(s):
    header = ["", "build s", "index MB", "peak MB", *(f"QPS (of CPU time) at recall@10 {t}" for t in (.9, .95, .99)), "most recall",
              "p50, p95, p99 ms at .95"]
    rows = []
    for name, c in s["contestants"].items():
        if "not_run" in c:
            continue
        best = {}
        for n, b in sorted(c["build"].items(), key=lambda i: int(i[0])):
            best = b or best
        seconds = " / ".join(f"{number(b['seconds'])} ({n})" for n, b in c["build"].items() if b)
        points = c.get("at10", [])
        qps = []
        for target in (.9, .95, .99):
            values, mark = measure.at_recall(target, points)
            qps.append(speed(*common.median(values), mark) if values else "–")
        at = next((p for p in points if p["recall"] >= .95 and "p50" in p), None)
        rows.append([name, seconds, *(number(best[k] / 1e6) if best.get(k) else "" for k in ("bytes", "peak_bytes")), *qps,
                     f"{points[-1]['recall']:.4f}" if points else "",
                     ", ".join(number(at[k]) for k in ("p50", "p95", "p99")) if at else ""])
    return header, rows


def of_writes(s):
    header = ["", "rows/s, 1 client", "rows/s, 4 clients", "WAL bytes a row", "after a checkpoint", "COPY rows/s",
              "DELETE s", "VACUUM s", "recall: built, inserted, deleted"]
    rows = []
    for name, c in s["contestants"].items():
        if "not_run" not in c:
            rows.append([name, number(c["steady"]["rows_s"]), number(c["clients"]["rows_s"]),
                         number(c["steady"]["wal_bytes"]), number(c["checkpointed"]["wal_bytes"]),
                         number(c["copy"]["rows_s"]) if "copy" in c else "", number(c["delete"]["delete_seconds"]),
                         number(c["delete"]["vacuum_seconds"]),
                         ", ".join(f"{x['recall']:.4f}" for x in c.get("search", {}).values())])
    return header, rows


def of_cold(s):
    header = ["", "setting", "recall@10", "index MB", "buffers MB", "dropped: p50, p95 ms", "kB read a query", "kept: p50, p95 ms",
              "kB read a query"]
    rows = []
    for name, c in s["contestants"].items():
        if "not_run" not in c:
            rows.append([name, " ".join(map(str, c["point"])), f"{c['recall']:.4f}", number(c["bytes"] / 1e6),
                         number(c["shared_buffers"] / 1e6), *(x for when in ("dropped", "kept") for x in (
                             f"{number(c[when]['p50'])}, {number(c[when]['p95'])}",
                             number(c[when]["read_bytes"] / 1e3)))])
    return header, rows


def of_filtered(s):
    header = ["", "rows that pass", "ef_search", "plan", "recall@10", "all rows", "p50 ms", "p95 ms"]
    rows = []
    for name, c in s["contestants"].items():
        if "not_run" not in c:
            for (column, share), cell in goals.cells_at(s, name)[1].items():
                kind = dict(u="random", c="correlated", all="no filter")[column]
                rows.append([name, f"{share:.2%}, {kind}" if column != "all" else kind, cell["ef"] or "", cell["plan"],
                             f"{cell['recall']:.4f}", f"{cell['full']:.0%}", number(cell["p50"]), number(cell["p95"])])
    return header, rows


def of_growth(s):
    header = ["", "rows", "build s", "build CPU s", "peak MB", "index MB", f"ms at recall {s['target']}", "CPU ms"]
    rows = []
    for name, c in s["contestants"].items():
        for x in c["sizes"]:
            rows.append([name, f"{x['rows']:,}", number(x["build_seconds"]), number(x["build_cpu_seconds"]),
                         number(x["peak_bytes"] / 1e6) if x["peak_bytes"] else "", number(x["bytes"] / 1e6),
                         (("more recall: " if x["mark"] else "") + number(x["ms"])) if x["ms"] else "not reached",
                         number(x["cpu_ms"])])
        if c["sizes"]:
            e = c["exponents"]
            rows.append([f"{name}, rows^e", "e =", *(f"{e[k]:.2f}" if k and e.get(k) is not None else "" for k in (
                "build_seconds", None, "peak_bytes", "bytes", "ms", "cpu_ms"))])
    return header, rows


TABLES = dict(search=of_search, writes=of_writes, cold=of_cold, filtered=of_filtered, growth=of_growth)
