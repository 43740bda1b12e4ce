"""The stages of one KVM_RUN as data: who does what, in which order, and where it stands in the drawing.

Invariant: the stages and the arrows between them are the same for every kernel.
"""

from __future__ import annotations

from dataclasses import dataclass

from aarch64sim.events import What

SIZE = (772.0, 470.0)
LIFT = 86.0  # points below the stages, for the strip of who runs when


@dataclass(frozen=True, slots=True)
class Box:
    """One stage: who does it, what it says, where it stands, and the events that belong to it."""

    name: str
    who: str  # userspace | kernel | guest
    text: tuple[str, ...]
    at: tuple[float, float]
    events: tuple[What, ...] = ()
    size: tuple[float, float] = (150.0, 42.0)


BOXES = (
    Box("call", "userspace", ("calls KVM_RUN,", "and waits"), (92, 280)),
    Box(
        "complete",
        "kernel",
        ("completes the access", "userspace answered"),
        (296, 280),
        (What.COMPLETE_MMIO,),
    ),
    Box(
        "arm",
        "kernel",
        ("arms the step: MDSCR_EL1.SS", "and SPSR_EL2.SS := 1"),
        (296, 204),
        (What.ARM,),
        (180.0, 42.0),
    ),
    Box("adjust", "kernel", ("applies what was", "deferred to the entry"), (296, 128)),
    Box("enter", "kernel", ("ERET",), (296, 48), (What.ENTER,), (150.0, 34.0)),
    Box(
        "guest",
        "guest",
        ("runs, until an", "exception to EL2"),
        (688, 48),
        (What.RETIRE, What.EXCEPTION, What.STEP_EXCEPTION, What.INTERRUPT),
        (140.0, 42.0),
    ),
    Box("away", "kernel", ("puts the host's", "step state away"), (512, 128)),
    Box(
        "handle",
        "kernel",
        ("handles the exit:", "emulates, maps, decides"),
        (512, 204),
        (What.FAULT_IN, What.EMULATE, What.INJECT),
        (160.0, 42.0),
    ),
    Box(
        "return",
        "kernel",
        ("KVM_RUN returns",),
        (512, 280),
        (What.USERSPACE_EXIT, What.FAKE_DEBUG_EXIT),
    ),
    Box(
        "answer",
        "userspace",
        ("is the device, or", "tells the debugger"),
        (92, 204),
        (What.MMIO_READ, What.MMIO_WRITE, What.STOP),
    ),
)
# From, to, start, end, bend, label, place of the label.
ARROWS = (
    ("call", "complete", (167, 280), (221, 280), 0.0, "", (0, 0)),
    ("complete", "arm", (296, 259), (296, 225), 0.0, "", (0, 0)),
    # Without an entry: a signal waits (EINTR), or a kernel fakes the step.
    ("complete", "return", (371, 280), (437, 280), 0.0, "no entry", (404, 284)),
    ("arm", "adjust", (296, 183), (296, 149), 0.0, "", (0, 0)),
    ("adjust", "enter", (296, 107), (296, 65), 0.0, "", (0, 0)),
    ("enter", "guest", (371, 48), (618, 48), 0.0, "into the guest", (480, 54)),
    ("guest", "away", (688, 69), (587, 128), 0.3, "", (0, 0)),
    ("away", "handle", (512, 149), (512, 183), 0.0, "", (0, 0)),
    ("handle", "arm", (432, 204), (386, 204), 0.0, "again", (410, 209)),
    ("handle", "return", (512, 225), (512, 259), 0.0, "to userspace", (518, 234)),
    ("return", "answer", (0, 0), (0, 0), 0.0, "", (0, 0)),
    ("answer", "call", (92, 225), (92, 259), 0.0, "", (0, 0)),
)
# Who: left, bottom, width, height of its ground, and where its name stands.
GROUNDS = (
    ("userspace", 6, 172, 172, 166, (92, 352)),
    ("kernel, at EL2", 192, 14, 414, 324, (404, 352)),
    ("guest", 612, 14, 154, 92, (690, 118)),
)


@dataclass(frozen=True, slots=True)
class Flag:
    """A note at a stage. `kind`: plain, right or wrong."""

    stage: str
    text: str
    kind: str = "plain"


def way(source: str, target: str, *, without_entry: bool = False) -> list[str]:
    """The shortest way from one stage to another along the arrows.

    A KVM_RUN that enters no guest goes from completion to its return; any other does not.
    """
    ways = [[source]]
    for way in ways:
        for start, end, *_ in ARROWS:
            shortcut = (start, end) == ("complete", "return")
            if start == way[-1] and end not in way and (without_entry or not shortcut):
                if end == target:
                    return [*way, end]
                ways.append([*way, end])
    return []
