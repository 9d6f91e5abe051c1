"""What a run has done."""
import collections
import threading


class Counters:
    def __init__(self):
        self.lock = threading.Lock()
        self.values = collections.Counter()

    def add(self, what, number=1):
        with self.lock:
            self.values[what] += number

    def table(self):
        with self.lock:
            width = max(map(len, self.values), default=0)
            return "\n".join(f"  {what:{width}}  {number:>16,}" for what, number in sorted(self.values.items()))
