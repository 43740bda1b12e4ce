"""The debugger: stepping, running, breakpoints, time travel."""

from aarch64sim.debug.debugger import Debugger
from aarch64sim.debug.phase import Phase
from aarch64sim.debug.points import Watchpoint
from aarch64sim.debug.reverse import Write
from aarch64sim.debug.stops import HistoryError, StepRecord, Stop

__all__ = ["Debugger", "HistoryError", "Phase", "StepRecord", "Stop", "Watchpoint", "Write"]
