"""The small project on which every system is tried: an installed library, modules, data, and one computation.

The library, `abacus`, lies outside the project, as if installed.  It says when the true code has run (a line in a file), and
where a system is to be killed in the middle of writing; nothing that belongs to a project could do so without being part of it.
"""

from __future__ import annotations

LIBRARY = '''
import os
import signal

FACTOR = 2
TICKS = "{ticks}"
_real = {name: getattr(os, name) for name in ("fsync", "replace", "rename")}


def tick():
    """Note that the true code has run; arm the death of its process if that is asked for."""
    with open(TICKS, "a") as file:
        file.write("ran\\n")
    if os.path.exists(TICKS + ".kill"):
        for name in _real:
            setattr(os, name, _die)


def write(path, text):
    """Write a file as scripts do; where death is armed, half of it."""
    with open(path, "w") as file:
        armed = os.fsync is _die
        file.write(text[: len(text) // 2] if armed else text)
        file.flush()
        if armed:
            _die()


def _die(*_, **__):
    os.remove(TICKS + ".kill")
    os.kill(os.getpid(), signal.SIGKILL)
'''
INSTALLED = {
    "abacus.py": LIBRARY,
    "abacus-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: abacus\nVersion: 1.0\n",
}
INSTALLED |= {"abacus-1.0.dist-info/RECORD": "abacus.py,,\n", "abacus-1.0.dist-info/INSTALLER": "pip\n"}

MODEL = '''
import os

import abacus
from parts import deep, kinds, named

SCALE = 3.0


def total(numbers, offset=0.5):
    """Add up."""
    value = sum(numbers) * SCALE + offset
    return (deep.gain(value) + kinds.all_of(value) + getattr(named, "chosen")()) * abacus.FACTOR * environment()


def environment():
    return float(os.environ.get("STALENESS_GAIN", "1"))


def unrelated(value):
    return value + 1
'''
DEEP = """
def gain(value):
    return value * 1.25
"""
KINDS = """
def traced(function):
    def wrapped(value):
        return function(value) + 10
    return wrapped


class Base:
    def weight(self):
        return 1

    def weighted(self, value):
        return value * self.weight()


class Child(Base):
    def weight(self):
        return 7


@traced
def decorated(value):
    return value / 4


def power_of(exponent):
    return lambda value: value**exponent * 0.125


squared = power_of(2)


def all_of(value):
    return Child().weighted(value) + decorated(value) + squared(value)
"""
NAMED = """
def chosen():
    return 20
"""
PLUGIN = """
def extra():
    return 100
"""
FILES = {
    "parts/__init__.py": "",
    "parts/model.py": MODEL,
    "parts/deep.py": DEEP,
    "parts/kinds.py": KINDS,
    "parts/named.py": NAMED,
    "parts/plugin.py": PLUGIN,
    "data/numbers.txt": "1\n2\n3\n",
    "data/many/one.txt": "5\n",
    "chapter.md": "# How much is it?\n\nThis much.\n",
}
# What the entry computes, the same in every system's own frame: numbers, many, steps, seed and device are given to it.
BODY = """\
abacus.tick()
# Steps are added up.
value = model.total(numbers + many) * steps + seed + len(device)
"""
DYNAMIC = 'value += importlib.import_module("parts." + "plugin").extra()\n'
PARAMETERS = {"steps": 2, "seed": 0, "device": "cpu"}
