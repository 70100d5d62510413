"""A throwaway PostgreSQL server that may be killed and started again.

It listens on a Unix socket in a temporary folder of its own, runs as another user
where this process is root's, and ends with this process.
"""

import ctypes
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time

import psycopg2

SETTINGS = {
    "fsync": "off",
    "listen_addresses": "",
    "shared_buffers": "64MB",
    "max_prepared_transactions": "10",
    "autovacuum": "off",
    "log_min_messages": "warning",
    "log_error_verbosity": "verbose",
    "max_parallel_workers": "4",
    "max_worker_processes": "8",
    "restart_after_crash": "off",
    "session_preload_libraries": "vector",
}
BAD_LINE = re.compile(r"TRAP: |runtime error: |ERROR: AddressSanitizer|PANIC: |terminated by signal")
PR_SET_PDEATHSIG = 1


class NotStarted(Exception):
    pass


class Server:
    def __init__(self, bin_dir, user, tmp, settings=(), port=5432):
        self.bin = bin_dir
        self.dir = tempfile.mkdtemp(prefix="vector-generate.", dir=tmp)
        self.port = port
        self.settings = dict(SETTINGS, unix_socket_directories=self.dir, port=str(port))
        self.settings.update(settings)
        self.who = pwd.getpwnam(user) if os.getuid() == 0 else None
        self.process = None
        self.log_seen = 0
        self.on_purpose = 0
        if self.who:
            os.chown(self.dir, self.who.pw_uid, self.who.pw_gid)
        self.log = os.path.join(self.dir, "log")

    def command(self, *args, **options):
        """Run a program of the server as its user."""
        return subprocess.run([os.path.join(self.bin, args[0]), *args[1:]], check=True, cwd="/",
                              preexec_fn=self._become, stdout=subprocess.DEVNULL, **options)

    def _become(self):
        os.setsid()
        if self.who:
            os.initgroups(self.who.pw_name, self.who.pw_gid)
            os.setgid(self.who.pw_gid)
            os.setuid(self.who.pw_uid)
        os.environ["HOME"] = "/nonexistent"
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)

    def create(self):
        self.command("initdb", "-D", self.dir + "/data", "-U", "postgres", "-A", "trust",
                     "-E", "UTF8", "--no-locale", "--no-sync")

    def copy_of(self, primary):
        """Make this a standby of another one."""
        self.command("pg_basebackup", "-D", self.dir + "/data", "-h", primary.dir, "-p", str(primary.port),
                     "-U", "postgres", "-R", "-c", "fast", "--no-sync")

    def start(self):
        args = [os.path.join(self.bin, "postgres"), "-D", self.dir + "/data"]
        for name, value in self.settings.items():
            args += ["-c", f"{name}={value}"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd="/", preexec_fn=self._become)
        deadline = time.monotonic() + 120
        while True:
            try:
                self.connect("postgres").close()
                return
            except psycopg2.OperationalError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise NotStarted("the server did not start:\n" + self.tail())
                time.sleep(0.02)

    def connect(self, database):
        conn = psycopg2.connect(host=self.dir, port=self.port, user="postgres", dbname=database)
        conn.autocommit = True
        return conn

    def crash(self):
        """As by kill -9 of all processes: nothing that is only in memory survives.
        An immediate shutdown sends SIGQUIT, whose handlers write nothing."""
        self._end(signal.SIGQUIT)
        self.on_purpose += 1
        self.start()

    def ends(self, seconds):
        """Does the server end by itself within this time?"""
        if self.process is not None:
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                pass
        return not self.alive()

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        if self.process is not None:
            self._end(signal.SIGINT)

    def _end(self, how):
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                self.process.wait()
        self.process = None

    def complaints(self):
        """Lines new in the log that tell of a failed assertion, a sanitizer's finding
        or a crash."""
        try:
            with open(self.log, "rb") as log:
                log.seek(self.log_seen)
                text = log.read().decode(errors="replace")
                self.log_seen = log.tell()
        except FileNotFoundError:
            return []
        return [line for line in text.splitlines() if BAD_LINE.search(line)]

    def tail(self, lines=30):
        try:
            with open(self.log, "rb") as log:
                return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return ""

    def remove(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)
