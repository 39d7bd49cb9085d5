"""Runs a command and measures all of its processes (Linux)."""

import ctypes
import os
import subprocess
import threading
import time

PAGE = os.sysconf("SC_PAGE_SIZE")
PR_SET_CHILD_SUBREAPER = 36


def resident(session: int) -> int:
    """Bytes that the processes of a session have in memory. Pages that they share count for each."""
    total = 0
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat") as stat:
                # The name may hold spaces; the session and the resident pages are fields 6 and 24.
                fields = stat.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session:
            total += int(fields[21]) * PAGE
    return total


class Sampler(threading.Thread):
    """The most that was resident at once, looked at every 20 ms."""

    def __init__(self, session: int):
        super().__init__(daemon=True)
        self.session, self.peak, self.over = session, 0, threading.Event()

    def run(self):
        while not self.over.wait(0.02):
            self.peak = max(self.peak, resident(self.session))


def run(command: list[str], directory: str, log: str) -> dict:
    """Wall and CPU seconds and peak memory of the command with all that it starts, and its last line of output."""
    # What the command leaves behind, as PySpark may leave its JVM, becomes a child of this process and is waited for.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with open(log, "w") as errors:
        started = time.perf_counter()
        child = subprocess.Popen(
            command, cwd=directory, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
        )
        sampler = Sampler(child.pid)
        sampler.start()
        output = child.stdout.read()
        cpu, code, largest = 0.0, None, 0
        while True:
            try:
                pid, status, used = os.wait4(-1, 0)
            except ChildProcessError:
                break
            cpu += used.ru_utime + used.ru_stime
            largest = max(largest, used.ru_maxrss * 1024)
            if pid == child.pid:
                code = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - started
    child.returncode = code
    sampler.over.set()
    sampler.join()
    if code != 0:
        raise SystemExit(f"{command} ended with {code}:\n{open(log).read()[-3000:]}")
    # A process alone has an exact figure; of several, the sum at one moment counts.
    peak = max(sampler.peak, largest)
    return {"wall": wall, "cpu": cpu, "peak": peak / 2**20, "output": output.strip().splitlines()[-1]}
