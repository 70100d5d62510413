"""What a stage is told, and where it runs."""

import dataclasses
import os
import pathlib
import platform
import subprocess
import time

import common
import numpy as np
from contestants import CORES, EVERYBODY
from measure import Effort

import sets


@dataclasses.dataclass
class Env:
    dataset_name: str
    rows: int | None = None
    queries: int = 1000
    names: tuple = tuple(EVERYBODY)
    peers: dict = dataclasses.field(default_factory=dict)
    data: pathlib.Path = common.DATA
    cpu: int = 1 % CORES
    effort: Effort = dataclasses.field(default_factory=Effort)

    def dataset(self):
        return sets.dataset(self.dataset_name, self.data, self.rows, self.queries)

    def more_rows(self, used):
        return sets.more_rows(self.dataset_name, self.data, used, self.queries)

    def stored(self, rows):
        """The rows as a file, for processes of their own."""
        kept = sets.kept(self.dataset_name, len(rows))
        if kept:
            return kept
        path = common.CACHE / f"rows-{os.getpid()}.npy"
        np.save(path, rows)
        return path

    def only(self, names):
        """Those of the names that take part, in the order given."""
        return [n for n in names if n in self.names]

    def servers(self, names):
        """The names, and whatever peers were given by --peer."""
        return self.only(names) + [p for p in self.peers if p in self.names]


def cleanup():
    """Files of this process, and of those that were stopped."""
    for path in common.CACHE.glob("rows-*.npy"):
        pid = path.stem.split("-")[1]
        if int(pid) == os.getpid() or not os.path.isdir(f"/proc/{pid}"):
            path.unlink(missing_ok=True)


def machine():
    memory = next(int(line.split()[1]) for line in open("/proc/meminfo") if line.startswith("MemTotal"))
    return dict(cpu=common.cpu_name(), cores=CORES, memory_gb=round(memory / 1e6, 1), kernel=platform.release(),
                system=system(), load=common.load())


def system():
    try:
        return next(line.split("=", 1)[1].strip().strip('"') for line in open("/etc/os-release")
                    if line.startswith("PRETTY_NAME"))
    except (OSError, StopIteration):
        return platform.system()


def commit():
    def git(*words):
        done = subprocess.run(["git", "-C", common.ROOT, "-c", "safe.directory=*", *words], capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""
    name = git("rev-parse", "--short=10", "HEAD") or "unknown"
    return name + ("-changed" if git("status", "--porcelain", "--", "src", "sql") else "")


def now():
    return time.strftime("%Y-%m-%d %H:%M:%S")


SETTINGS = ("shared_buffers", "maintenance_work_mem", "work_mem", "max_wal_size", "checkpoint_timeout", "fsync",
            "autovacuum", "full_page_writes", "max_parallel_workers", "huge_pages_status")


def settings():
    """What the servers at hand are set to."""
    out = {}
    for variable in ("OURS", "PEER"):
        if os.environ.get(variable):
            with common.connect(os.environ[variable]) as conn:
                out[variable] = {name: common.one(conn, "SELECT current_setting(%s, true)", name) for name in SETTINGS}
    return out
