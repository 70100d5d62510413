#!/usr/bin/env python3
"""make bench: run the stages of a profile, keep what each found, write the report.

    bench/bench.sh [--profile quick|full|scale|check] [--stages NAME...] ...

Every stage runs in a process of its own on two servers of its own, and its
figures go to a file in the run's folder.  Started again with the same name, a
run goes on with the stages that have no figures yet.
"""

import argparse
import importlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
for room in (HERE.parent / "data", HERE.parent / "hnsw", HERE.parent, HERE):
    sys.path.insert(0, str(room))
import common
import plan
from contestants import CORES, EMBEDDED, EVERYBODY, EXACT, LIBRARIES, OURS, PGVECTOR
from env import Env, cleanup, commit, machine, now, settings
from measure import say

import sets

RUNS = common.CACHE / "runs"
FORMAT = 1
GROUPS = {"ours": [*OURS, EXACT], "pgvector": list(PGVECTOR), "library": list(LIBRARIES), "embedded": list(EMBEDDED)}


def arguments():
    arg = argparse.ArgumentParser(prog="bench/bench.sh", description="Measure vector search side by side")
    arg.add_argument("--profile", default="full", choices=plan.PROFILES)
    arg.add_argument("--stages", nargs="+", metavar="NAME", help="only these (see --list)")
    arg.add_argument("--list", action="store_true", help="list the profile's stages and contestants, and end")
    arg.add_argument("--contestants", metavar="A,B", help=f"only these of {', '.join(EVERYBODY)}, or the groups "
                     f"{', '.join(GROUPS)}; where a name has a comma, separate by ';'")
    arg.add_argument("--without", metavar="A,B", help="all but these; \"embedded\" and \"library\" are all of them")
    arg.add_argument("--rows", type=int, help="rows of the sentences in the full profile (default 300000)")
    arg.add_argument("--peer", action="append", default=[], metavar="DSN",
                     help="another server of the dialect, as 'host=... dbname=...'; may be repeated")
    arg.add_argument("--peer-name", action="append", default=[], help="what to call it (in the order of --peer)")
    arg.add_argument("--peer-index", action="append", default=[], metavar="DDL",
                     help="its index, as what follows USING, on column v; {lists} stands for the number of lists "
                     "(default hnsw (v vector_l2_ops) WITH (m = 16, ef_construction = 200))")
    arg.add_argument("--peer-knob", action="append", default=[], metavar="SETTING=A,B,...",
                     help="the setting to sweep, and its values (default hnsw.ef_search=10,20,...)")
    arg.add_argument("--postgres", default="18", help="PostgreSQL's major version of both servers, 17 or 18")
    arg.add_argument("--run", metavar="NAME", help="the run's name, to go on with it (default: profile and commit, "
                     "or the time where the run is short)")
    arg.add_argument("--again", action="store_true", help="forget what the named stages found, and measure anew")
    arg.add_argument("--minutes", type=float, help="start no stage after this time; the next call goes on")
    arg.add_argument("--cpu", type=int, default=1 % CORES, help="the CPU of one-client measurements")
    common.data_argument(arg)
    arg.add_argument("--one-stage", type=pathlib.Path, help=argparse.SUPPRESS)
    return arg.parse_args()


def peers(arg):
    out = {}
    for i, dsn in enumerate(arg.peer):
        def nth(values):
            return values[i] if i < len(values) else None
        knob = nth(arg.peer_knob)
        if knob:
            name, values = knob.split("=", 1)
            if not re.fullmatch(r"[\w.]+", name):
                sys.exit(f"--peer-knob: no setting's name: {name}")
            knob = (name, [float(v) if "." in v else int(v) for v in values.split(",")])
        out[nth(arg.peer_name) or f"peer {i + 1}"] = dict(dsn=dsn, ddl=nth(arg.peer_index), knob=knob)
    return out


def stages(arg):
    make = plan.PROFILES[arg.profile]
    all_ = make(arg.rows) if arg.profile == "full" else make()
    known = [s.name for s in all_]
    for name in arg.stages or []:
        if name not in known:
            sys.exit(f"no stage {name}: one of {', '.join(known)}")
    return [s for s in all_ if not arg.stages or s.name in arg.stages]


def names_of(arg):
    everybody = [*EVERYBODY, *peers(arg)]

    def read(text):
        names = [n.strip() for n in text.split(";" if ";" in text else ",")]
        names = [n for name in names for n in GROUPS.get(name, [name])]
        for name in names:
            if name not in everybody:
                sys.exit(f"no contestant {name}: one of {', '.join([*everybody, *GROUPS])}")
        return names
    names = read(arg.contestants) if arg.contestants else everybody
    without = read(arg.without) if arg.without else []
    return [n for n in names if n not in without]


def one_stage(arg):
    """In a process of its own: measure, and write the figures."""
    stage = stages(arg)[0]
    names = [n for n in names_of(arg) if stage.names is None or n in stage.names or n in peers(arg)]
    env = Env(stage.dataset, stage.rows, stage.queries, tuple(names), peers(arg), arg.data, arg.cpu, stage.effort)
    started, load = time.time(), common.load()
    date = now()
    try:
        figures = importlib.import_module(stage.module).run(env, **stage.options)
    finally:
        cleanup()
    figures.update(stage=stage.name, kind=stage.module, started=date, seconds=round(time.time() - started),
                   load=[load, common.load()], settings=settings())
    write(arg.one_stage, figures)


def write(path, value):
    part = path.with_suffix(".part")
    part.write_text(json.dumps(value, indent=1) + "\n")
    part.rename(path)


def start_stage(arg, stage, path, extra):
    """0 if it found its figures."""
    command = [sys.executable, str(HERE / "run.py"), *sys.argv[1:], "--stages", stage.name, "--one-stage", str(path)]
    if not os.environ.get("OURS"):
        options = [word for s in (*stage.settings, *extra) for word in ("-s", s)]
        if stage.names and not set(stage.names) & set(PGVECTOR):
            options.append("-p")
        command = [str(HERE.parent / "servers.sh"), "-v", arg.postgres, *options, *command]
    log = path.with_suffix(".log")
    with log.open("w") as out:
        # A group of its own, to be stopped as a whole: it has servers in it.
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   errors="replace", start_new_session=True)
        try:
            for line in process.stdout:
                out.write(line)
                out.flush()
                print("    " + line, end="", flush=True)
            return process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            raise


def small_buffers(stage, found, data):
    """For a cold stage: buffers of a tenth of the index, the same for both
    servers, as a setting.  Its size is known from a search of the data set, or
    taken to be that of the values."""
    per_row = []
    for figures in found.values():
        if figures.get("kind") == "search" and figures["dataset"] == stage.dataset:
            for name in ("ours hnsw", "pgvector hnsw"):
                for build in figures["contestants"].get(name, {}).get("build", {}).values():
                    per_row.append(build["bytes"] / figures["rows"])
    if not per_row:
        rows, _ = sets.dataset(stage.dataset, data, 1, 1)
        per_row = [4 * rows.shape[1]]
    return (f"shared_buffers={max(1, round(min(per_row) * stage.rows / 10 / 1e6))}MB",)


def main():
    arg = arguments()
    if arg.one_stage:
        return one_stage(arg)
    chosen = stages(arg)
    if arg.list:
        for s in chosen:
            why = sets.present(s.dataset, arg.data)
            print(f"{s.name:20} {s.dataset} {s.rows or ''}{' (not here: ' + why + ')' if why else ''}")
        print("contestants: " + ", ".join(names_of(arg)))
        return 0
    # Long runs go on where they stopped; short ones begin anew.
    which = commit() if arg.profile in ("full", "scale") else time.strftime("%Y%m%d-%H%M%S")
    folder = RUNS / (arg.run or f"{arg.profile}-{which}")
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "about.json").exists():
        write(folder / "about.json", dict(format=FORMAT, profile=arg.profile, commit=commit(), date=now(),
                                          machine=machine()))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped; the next call goes on"))
    started, failed = time.time(), []
    for stage in chosen:
        path = folder / f"{stage.name}.json"
        if arg.again:
            path.unlink(missing_ok=True)
        if path.exists():
            say(f"{stage.name}: done before")
            continue
        why = sets.present(stage.dataset, arg.data)
        if why:
            if not stage.optional:
                say(f"{stage.name}: not run: {why}")
                failed.append(f"{stage.name} ({why})")
            continue
        if arg.minutes and time.time() - started > arg.minutes * 60:
            say(f"{stage.name}: no time left")
            failed.append(f"{stage.name} (no time left)")
            continue
        found = collect(folder)["stages"]
        extra = small_buffers(stage, found, arg.data) if stage.module == "cold" else ()
        say(f"{stage.name}")
        status = start_stage(arg, stage, path, extra)
        if status or not path.exists():
            failed.append(f"{stage.name} (exit status {status})")
            say(f"{stage.name}: failed, see {path.with_suffix('.log')}")
    import report
    result = collect(folder)
    result["missing"] = failed
    report.write(result, folder)
    write(folder / "result.json", result)
    say(f"{folder / 'result.json'}, {folder / 'report.html'}")
    if failed:
        say("not measured: " + "; ".join(failed))
    return 1 if failed else 0


def collect(folder):
    about = json.loads((folder / "about.json").read_text())
    found = {}
    for path in sorted(folder.glob("*.json"), key=lambda p: p.stat().st_mtime):
        if path.name not in ("about.json", "result.json"):
            found[path.stem] = json.loads(path.read_text())
    return dict(about=about, stages=found)


if __name__ == "__main__":
    sys.exit(main())
