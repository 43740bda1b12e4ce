"""The parts of a StepLab by their names, for code: `lab.machine`, `lab.timeline`.

Invariant: each is the part of its view; asked for twice, it is the same.
"""

from __future__ import annotations

from collections.abc import Callable

from widgets.panel.parts import Part


class NamedParts:
    """Mixed into a panel with the views of `widgets.panel.views`."""

    part: Callable[[str], Part]

    @property
    def machine(self) -> Part:
        """The software-step machine."""
        return self.part("machine")

    @property
    def timeline(self) -> Part:
        """The timeline of the last step. Called, it gives a figure: `lab.timeline()`, `lab.timeline(1, 3)`."""
        return self.part("timeline")

    @property
    def registers(self) -> Part:
        """All registers, as GET_ONE_REG shows them."""
        return self.part("registers")

    @property
    def bits(self) -> Part:
        """Registers bit by bit."""
        return self.part("bits")

    @property
    def memory(self) -> Part:
        """Memory, 64 bytes."""
        return self.part("memory")

    @property
    def console(self) -> Part:
        """What the UART has sent."""
        return self.part("console")

    @property
    def exits(self) -> Part:
        """The returns of KVM_RUN in the last step."""
        return self.part("exits")

    @property
    def changes(self) -> Part:
        """The two live SS bits, and the registers that have changed."""
        return self.part("changes")

    @property
    def events(self) -> Part:
        """The event log."""
        return self.part("log")
