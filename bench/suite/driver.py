"""The C client (driver.c) from Python: compiles it once, runs it, talks to it."""

import hashlib
import pathlib
import struct
import subprocess
import tempfile

import common
import numpy as np

SOURCE = pathlib.Path(__file__).with_name("driver.c")


def program():
    """The compiled client, in the cache; made anew when its source changes."""
    name = common.CACHE / ("driver-" + hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:12])
    if not name.exists():
        include = subprocess.run(["pg_config", "--includedir"], check=True, capture_output=True, text=True).stdout.strip()
        part = name.with_suffix(".part")
        subprocess.run(["gcc", "-O2", "-pthread", f"-I{include}", str(SOURCE), "-o", str(part), "-lpq"], check=True)
        part.rename(name)
    return name


class Driver:
    """Connections that run one prepared statement; see driver.c."""

    def __init__(self, dsn, clients=1):
        self.clients = clients
        self.process = subprocess.Popen([program(), dsn, str(clients)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.answer()
        self.pids = [int(p) for p in self.command("pids").split()]

    def answer(self):
        line = self.process.stdout.readline().decode(errors="replace").strip()
        if not line.startswith("ok"):
            raise RuntimeError(line.removeprefix("error ") or "the client ended")
        return line[2:].strip()

    def command(self, line):
        self.process.stdin.write(" ".join(line.split("\n")).encode() + b"\n")
        self.process.stdin.flush()
        return self.answer()

    def sql(self, sql):
        self.command("sql " + sql)

    def prepare(self, sql):
        self.command("prepare " + sql)

    def load(self, statements):
        """statements: a list of tuples of binary parameters."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(struct.pack("=ii", len(statements), len(statements[0])))
            for statement in statements:
                for value in statement:
                    file.write(struct.pack("=i", len(value)) + value)
            file.flush()
            self.command("load " + file.name)

    def run(self, first, count, k):
        """(ns of the whole, ns of each, ids [count, k])"""
        self.command(f"run {first} {count} {k}")
        whole = struct.unpack("=q", self.read(8))[0]
        each = np.frombuffer(self.read(8 * count), np.int64)
        return whole, each, np.frombuffer(self.read(4 * count * k), np.int32).reshape(count, k)

    def read(self, size):
        data = self.process.stdout.read(size)
        if len(data) != size:
            raise RuntimeError("the client ended")
        return data

    def close(self):
        self.process.stdin.close()
        self.process.wait()
