"""The pictures of the report, as PNG files."""

import matplotlib
matplotlib.use("Agg")
import common
import measure
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, LogLocator, NullLocator

# Ours blue and green, pgvector red, libraries grey to brown, embedded purple.
COLOURS = {
    "ours hnsw": "#0b5fa5", "ours hnsw, heap": "#6aaed6", "ours ivfrabitq": "#12803c", "ours ivfrabitq, heap": "#74c476",
    "ours ivfpq": "#1aa7a0", "ours ivfpq, heap": "#5cc4c0", "ours ivfflat": "#8fd0cb", "ours exact": "#08306b",
    "pgvector hnsw": "#c0161c", "pgvector ivfflat": "#f08070",
    "hnswlib": "#222222", "usearch": "#777777", "faiss hnsw": "#8c510a", "faiss ivfpq": "#c98b2b",
    "faiss ivfflat": "#dfb877", "faiss flat": "#a5937c",
    "ours hnsw, filter columns and btrees": "#0b3d91", "ours exact plan": "#6b8fb5", "pgvector exact plan": "#d9a3a3", "table alone": "#aaaaaa",
    "chroma": "#7b3fa0", "milvus lite": "#a06cc4", "qdrant local": "#c59ad8", "lancedb": "#d36ba8",
}
PEERS = ("#e6550d", "#fd8d3c", "#b15928")
TICKS = (.5, .8, .9, .95, .99, .999)


def colour(name):
    base = name.split(", filter")[0].split(", iterative")[0]
    if "iterative" in name and base == "ours hnsw":
        return "#12803c"
    return COLOURS.get(name) or COLOURS.get(base) or PEERS[sum(map(ord, name)) % len(PEERS)]


def style(name):
    return dict(color=colour(name), lw=2.2 if name.startswith("ours") else 1.5,
                ls="-" if name.startswith(("ours", "pgvector")) else (0, (4, 1.5)), marker="o", ms=3.5,
                zorder=3 if name.startswith("ours") else 2)


def ran(stage):
    return {n: c for n, c in stage["contestants"].items() if "not_run" not in c}


def figure(width=8.6, height=5):
    fig, ax = plt.subplots(figsize=(width, height), dpi=110)
    tidy(ax)
    return fig, ax


def tidy(ax):
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.grid(True, which="major", color="#e4e4e4", lw=.8)
    ax.set_axisbelow(True)


def save(fig, path):
    fig.tight_layout()
    fig.savefig(path)
    plt.close(fig)
    return path


def plain(x, _=None):
    if x >= 1e6:
        return f"{x / 1e6:g}M"
    return f"{x / 1e3:g}k" if x >= 1e3 else f"{x:g}"


def log_axis(axis):
    axis.set_major_formatter(FuncFormatter(plain))
    axis.set_minor_formatter(FuncFormatter(lambda *_: ""))
    low, high = axis.get_view_interval()
    if axis.get_scale() == "log" and high < 300 * low:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))


def error_scale(ax, values):
    """x is recall, spread so that .9, .99 and .999 are equally far apart."""
    least = min([v for v in values if v > .3], default=.5)
    ticks = [t for t in TICKS if t >= least * .9]
    ax.set_xlim(spread(max(min(least, .85), .3)) - .05, spread(1) + .02)
    ax.xaxis.set_major_locator(FixedLocator([spread(t) for t in ticks] + [spread(1)]))
    ax.xaxis.set_major_formatter(FixedFormatter([f"{t:g}" for t in ticks] + ["1"]))
    ax.xaxis.set_minor_locator(NullLocator())


def spread(recall):
    return -np.log10(np.maximum(1 - np.asarray(recall), 3e-4))


def labels(ax, ends, log=True):
    """Names at the right, moved apart: [(y, name)]."""
    if not ends:
        return
    low, high = ax.get_ylim()
    forward = np.log10 if log else (lambda v: v)
    low, high = forward(low), forward(high)
    gap, at = (high - low) * .042, high + (high - low) * .05
    ordered = sorted(ends, key=lambda e: -e[0])
    places = []
    for y, name in ordered:
        at = min(forward(y), at - gap)
        places.append([at, y, name])
    # Pushed below the axis: all of them up.
    short = max(0, low - places[-1][0])
    for i in range(len(places) - 1, -1, -1):
        floor = low if i == len(places) - 1 else places[i + 1][0] + gap
        if short:
            places[i][0] = max(places[i][0], floor)
    for at, y, name in places:
        share = (at - low) / (high - low)
        ax.annotate(name, xy=(1.0, share), xytext=(8, 0), textcoords="offset points", xycoords="axes fraction",
                    color=colour(name), fontsize=8.5, va="center", fontweight="bold" if name.startswith("ours") else None)


def recall_qps(stage, path, at="at10", cores=False):
    fig, ax = figure(9.2, 5.4)
    ends, recalls = [], []
    for name, c in ran(stage).items():
        points = [p for p in c.get(at, []) if p["recall"] > .3 and (not cores or "cores" in p)]
        if not points:
            continue
        x = [p["recall"] for p in points]
        y = [p["cores"]["qps"] if cores else p["cpu_qps"] for p in points]
        ax.plot(spread(x), y, **style(name))
        recalls += x
        ends.append((y[-1], name))
    if not ends:
        plt.close(fig)
        return None
    ax.set_yscale("log")
    log_axis(ax.yaxis)
    error_scale(ax, recalls)
    labels(ax, ends)
    clients = max((p["cores"]["clients"] for c in ran(stage).values() for p in c.get(at, []) if "cores" in p), default=1)
    ax.set_xlabel(f"recall@{at[2:]}")
    ax.set_ylabel("queries a second" if cores else "queries a second of CPU time, client and server")
    ax.set_title(f"{title(stage)}: " + (f"{clients} clients on {clients} cores" if cores else "one client on one core"),
                 loc="left", fontsize=11)
    return save(fig, path)


def title(stage):
    rows = f"{stage['rows']:,} × {stage['dims']}" if "rows" in stage else f"{stage['dims']} dimensions"
    return f"{stage['dataset'].split(':')[0]}, {rows}"


def bars(ax, values, name, form=plain):
    """Horizontal bars with their value written at the end: [(name, value)]; a
    logarithmic scale where the least would vanish beside the greatest."""
    values = [(n, v) for n, v in values if v]
    log = values and max(v for _, v in values) > 60 * min(v for _, v in values)
    ax.grid(False)
    for i, (n, v) in enumerate(values):
        ax.barh(i, v, color=colour(n), height=.72)
        ax.annotate(form(v), (v, i), xytext=(3, 0), textcoords="offset points", va="center", fontsize=8)
    ax.set_yticks(range(len(values)), [n for n, _ in values], fontsize=8.5)
    ax.invert_yaxis()
    ax.margins(x=.16)
    if log:
        ax.set_xscale("log")
    log_axis(ax.xaxis)
    ax.tick_params(axis="x", labelsize=8)
    ax.set_title(name + (" (log)" if log else ""), loc="left", fontsize=10)


def three(v):
    return f"{v:,.0f}" if v >= 100 else f"{v:.3g}"


def builds(stage, path):
    """Seconds, index and memory of the build by the most processes."""
    found = {}
    for name, c in ran(stage).items():
        b = c["build"].get(max(c["build"], key=int, default=None)) if c.get("build") else None
        if b:
            found[name] = b
    if not found:
        return None
    fig, axes = plt.subplots(1, 3, figsize=(12.5, .32 * len(found) + 1.2), dpi=110)
    by = max((int(n) for c in ran(stage).values() for n in c.get("build", {})), default=1)
    for ax, (key, name, unit) in zip(axes, (("seconds", f"build, seconds by {by} processes", 1),
                                            ("bytes", "index, MB", 1e6), ("peak_bytes", "peak memory of the build, MB", 1e6))):
        tidy(ax)
        bars(ax, sorted(((n, b[key] / unit) for n, b in found.items() if b.get(key)), key=lambda e: e[1]), name, three)
    fig.suptitle(title(stage), x=.01, ha="left", fontsize=11)
    return save(fig, path)


def latencies(stage, path, target=.95):
    """p50, p95 and p99 at the first setting with the target recall."""
    rows = []
    for name, c in ran(stage).items():
        p = next((p for p in c.get("at10", []) if p["recall"] >= target and "p99" in p), None)
        if p:
            rows.append((p["p50"], p["p95"], p["p99"], f"{name} ({p['recall']:.3f})", name))
    if not rows:
        return None
    rows.sort()
    fig, ax = figure(8.6, .3 * len(rows) + 1.3)
    for i, (p50, p95, p99, label, name) in enumerate(rows):
        ax.plot([p50, p99], [i, i], color=colour(name), lw=1.5, alpha=.6)
        for value, marker, size in ((p50, "o", 6), (p95, "|", 9), (p99, ">", 5)):
            ax.plot(value, i, marker, color=colour(name), ms=size, mew=2)
    ax.set_xscale("log")
    log_axis(ax.xaxis)
    ax.set_yticks(range(len(rows)), [r[3] for r in rows], fontsize=8.5)
    ax.invert_yaxis()
    ax.set_xlabel("ms a query, one client: ● median, | 95 %, ▸ 99 %")
    ax.set_title(f"{title(stage)}: latency at the first setting with recall@10 {target:g} (its own in brackets)",
                 loc="left", fontsize=10)
    return save(fig, path)


def writes(stage, path):
    found = ran(stage)
    panels = [
        ("INSERT, rows a second, 1 client", lambda c: c["steady"]["rows_s"]),
        ("INSERT, rows a second, 4 clients", lambda c: c["clients"]["rows_s"]),
        ("WAL bytes a row (with the table's)", lambda c: c["steady"]["wal_bytes"]),
        ("VACUUM of a tenth deleted, seconds", lambda c: c["delete"]["vacuum_seconds"])]
    fig, axes = plt.subplots(2, 2, figsize=(10.5, .62 * len(found) + 1.6), dpi=110)
    for ax, (name, value) in zip(axes.flat, panels):
        tidy(ax)
        bars(ax, [(n, value(c)) for n, c in found.items()], name, three)
    fig.suptitle(f"A living index on {title(stage)}", x=.01, ha="left", fontsize=11)
    return save(fig, path)


def cold(stage, path):
    found = ran(stage)
    fig, ax = figure(8.6, .55 * len(found) + 1.3)
    for i, (name, c) in enumerate(found.items()):
        for j, when in enumerate(("dropped", "kept")):
            at = i + (j - .5) * .38
            ax.barh(at, c[when]["p50"], height=.34, color=colour(name), alpha=1 if when == "dropped" else .5)
            ax.plot([c[when]["p50"], c[when]["p99"]], [at, at], color="#555", lw=1)
            ax.annotate(f"{c[when]['p50']:.2g} ms, page cache {when}", (c[when]["p99"], at), xytext=(5, 0),
                        textcoords="offset points", va="center", fontsize=8)
    ax.set_xscale("log")
    log_axis(ax.xaxis)
    ax.margins(x=.3)
    ax.set_yticks(range(len(found)), [f"{n} (recall {c['recall']:.3f})" for n, c in found.items()], fontsize=8.5)
    ax.invert_yaxis()
    ax.set_xlabel("ms a query: median, line to 99 %")
    buffers = max((c["shared_buffers"] for c in found.values()), default=0) / 1e6
    ax.set_title(f"{title(stage)}: shared_buffers {buffers:.0f} MB", loc="left", fontsize=11)
    return save(fig, path)


def filtered(stage, path):
    """Latency and recall by selectivity, random and correlated."""
    import goals
    found = {n: goals.cells_at(stage, n)[1] for n in ran(stage)}
    if not found:
        return None
    fig, axes = plt.subplots(2, 2, figsize=(11.5, 7), dpi=110, sharex=True)
    for column, (kind, name) in enumerate((("u", "random rows pass"), ("c", "rows that lie together pass"))):
        top, bottom = axes[0][column], axes[1][column]
        for way, cells in found.items():
            points = sorted((share, cell) for (k, share), cell in cells.items() if k in (kind, "all"))
            x = [100 * p[0] for p in points]
            look = {**style(way), "ls": ":" if "exact" in way else "-" if "columns" in way else (0, (4, 1.5))}
            if "forced" in way:
                look.update(alpha=.45, marker="x")
            top.plot(x, [p[1]["p50"] for p in points], label=way, **look)
            bottom.plot(x, [p[1]["recall"] for p in points], label=way, **look)
        for ax in (top, bottom):
            tidy(ax)
            ax.set_xscale("log")
            ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g} %"))
        top.set_yscale("log")
        log_axis(top.yaxis)
        top.set_title(name, loc="left", fontsize=10)
        bottom.axhline(.95, color="#999", lw=1, ls=":")
        bottom.set_ylim(0, 1.03)
        bottom.set_xlabel("share of the rows that pass the filter")
    axes[0][0].set_ylabel("median ms a query")
    axes[1][0].set_ylabel("recall@10")
    axes[1][0].legend(fontsize=8, loc="lower left", frameon=False)
    fig.suptitle(f"Filters on {title(stage)}: for each the least ef_search with recall .95 everywhere, else the best",
                 x=.01, ha="left", fontsize=11)
    return save(fig, path)


def growth(stage, path):
    found = ran(stage)
    panels = (("cpu_ms", f"CPU ms a query at recall {stage['target']}", 1), ("build_seconds", "build by one process, seconds", 1),
              ("peak_bytes", "peak memory of the build, MB", 1e6))
    fig, axes = plt.subplots(1, 3, figsize=(13.5, 4.4), dpi=110)
    for ax, (key, name, unit) in zip(axes, panels):
        tidy(ax)
        for n, c in found.items():
            points = [(s["rows"], s[key] / unit) for s in c["sizes"] if s.get(key)]
            if points:
                e = c["exponents"].get(key)
                ax.plot(*zip(*points), label=n + (f", rows^{e:.2f}" if e is not None else ""), **style(n))
        ax.set_xscale("log")
        ax.set_yscale("log")
        sizes = sorted({s["rows"] for c in found.values() for s in c["sizes"]})
        ax.xaxis.set_major_locator(FixedLocator(sizes))
        ax.xaxis.set_major_formatter(FuncFormatter(plain))
        ax.xaxis.set_minor_locator(NullLocator())
        log_axis(ax.yaxis)
        ax.set_xlabel("rows")
        ax.set_title(name, loc="left", fontsize=10)
        ax.legend(fontsize=7.5, frameon=False)
    fig.suptitle(title(stage), x=.01, ha="left", fontsize=11)
    return save(fig, path)


def draw(result, folder):
    """{stage: [(caption, path)]}"""
    out = {}
    for name, stage in result["stages"].items():
        def here(part, name=name):
            return folder / f"{name}-{part}.png"
        made = []
        if stage["kind"] == "search":
            made = [("Recall against speed, the 10 nearest. Up and to the right is better.",
                     recall_qps(stage, here("recall-qps"))),
                    ("The same by one client for each core.", recall_qps(stage, here("recall-qps-cores"), cores=True)),
                    ("Recall against speed, the 100 nearest.", recall_qps(stage, here("recall-qps-100"), "at100")),
                    ("Latency.", latencies(stage, here("latency"))),
                    ("Builds. pgvector's hnsw build by several processes reserves all of maintenance_work_mem at once.", builds(stage, here("build")))]
        elif ran(stage):
            draw_one = dict(writes=writes, cold=cold, filtered=filtered, growth=growth)[stage["kind"]]
            made = [("", draw_one(stage, here(stage["kind"])))]
        out[name] = [(caption, path) for caption, path in made if path]
    return out
