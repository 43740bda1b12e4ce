"""The cheat sheet: one page with the states, the bits, the syndromes, the exits and the A64 of the labs.

Invariant: every number on it is asked from the simulator when the page is made; no table repeats one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from aarch64sim.arch import syndrome, sysregs
from aarch64sim.arch.step import StepState, step_state
from aarch64sim.kvm import ExitReason
from aarch64sim.kvm.vcpu import FAKE_STEP_HSR
from aarch64sim.vmm.start import default_start
from widgets.figures.figure import Figure, mpl_writer
from widgets.models.drawing import Drawing

PAGE = (842.0, 595.0)  # A4, landscape, in points
MARGIN, GAP, LINE, TITLE, SPACE = 20.0, 16.0, 10.5, 17.0, 5.0
SIZE = 7.3


@dataclass(frozen=True)
class Section:
    """A heading and its rows: a term (drawn as code) and what it means; a row without a term is a sentence."""

    title: str
    rows: tuple[tuple[str, str], ...]
    indent: float = 92.0  # points from the term to its meaning

    @property
    def height(self) -> float:
        """Points."""
        return TITLE + LINE * len(self.rows) + SPACE


def _bit(mask: int) -> int:
    return mask.bit_length() - 1


def _states() -> Section:
    """The three rows that the eight combinations of the bits come down to."""
    found: dict[StepState, list[tuple[int, bool, int]]] = {}
    for bits in ((m, e, s) for m in (0, 1) for e in (False, True) for s in (0, 1)):
        state = step_state(mdscr_ss=bits[0], pstate_ss=bits[2], enabled=bits[1])
        found.setdefault(state, []).append(bits)
    meanings = {
        StepState.INACTIVE: "everything else: instructions run without a stop",
        StepState.ACTIVE_NOT_PENDING: "one instruction may run",
        StepState.ACTIVE_PENDING: "stop before the next instruction",
    }
    rows = []
    for state, meaning in meanings.items():
        (mdscr, _, pstate), *others = found[state]
        values = "" if others else f"MDSCR_EL1.SS = {mdscr}, possible, PSTATE.SS = {pstate}: "
        rows.append((str(state), values + meaning))
    return Section("The software-step machine", tuple(rows))


_POSSIBLE = Section(
    "Where stepping is possible",
    (
        ("", "The debug target level is EL2 if MDCR_EL2.TDE or HCR_EL2.TGE is 1, else EL1."),
        ("below it", "yes; KDE and D do not count"),
        ("at it", "only with MDSCR_EL1.KDE = 1 and PSTATE.D = 0"),
        ("above it", "no"),
        ("OS Lock set", "nowhere"),
    ),
    62.0,
)
_SS = Section(
    "What happens to SS",
    (
        ("completion", "PSTATE.SS := 0 (SSAdvance)"),
        ("exception", "saves PSTATE.SS in SPSR_ELx, then SS := 0 and D := 1"),
        ("  saves 1", "abort, undefined, trap, interrupt: the step is still owed"),
        ("  saves 0", "SVC, HVC, SMC that is executed: the call has completed"),
        ("ERET", "PSTATE.SS := SPSR.SS if stepping was impossible before and is"),
        ("", "possible after it; else SS := 0. Nothing else can set SS to 1."),
        ("a skip (KVM)", "PC += 4, SS := 0, BTYPE := 0, but only after SS has been armed"),
    ),
    62.0,
)


def _bits() -> Section:
    places = (
        ("MDSCR_EL1.SS", _bit(sysregs.MDSCR_SS), "software step on"),
        ("MDSCR_EL1.KDE", _bit(sysregs.MDSCR_KDE), "debug exceptions at the target level, too"),
        (
            "MDSCR_EL1.MDE",
            _bit(sysregs.MDSCR_MDE),
            "breakpoints and watchpoints; no part in stepping",
        ),
        ("MDCR_EL2.TDE", _bit(sysregs.MDCR_TDE), "debug exceptions go to EL2"),
        (
            "MDCR_EL2.TDA",
            _bit(sysregs.MDCR_TDA),
            "the guest's accesses to debug registers are trapped",
        ),
        ("PSTATE.SS", "21", "1: one instruction may run; 0: it has run"),
        ("PSTATE.D", "9", "masks debug exceptions at the debug target level"),
        ("PSTATE.BTYPE", "11:10", "how an indirect branch came here"),
    )
    return Section("The bits", tuple((f"{n:14}{at:>5}", text) for n, at, text in places), 98.0)


def _syndromes() -> Section:
    def step(*, stepped: bool, exclusive: bool = False) -> str:
        iss = syndrome.software_step(stepped=stepped, exclusive=exclusive)
        return f"{syndrome.esr(syndrome.EC.SOFTWARE_STEP, iss):#x}"

    return Section(
        "Syndromes of a stop (kvm_run.debug.arch.hsr)",
        (
            (step(stepped=True), "the CPU has stepped an instruction (ISV = 1)"),
            (step(stepped=False), "nothing stepped since the ERET: the kernel has skipped"),
            (step(stepped=True, exclusive=True), "a load-exclusive was stepped (EX = 1)"),
            (f"{FAKE_STEP_HSR:#x}", "faked by Linux 4.15 to 4.20"),
        ),
        62.0,
    )


def _abort() -> Section:
    classes = syndrome.EC
    return Section(
        "ESR_EL2 of a data abort",
        (
            (f"EC    31:26  {int(classes.DATA_ABORT):#x}", "data abort from a lower level"),
            (f"ISV   {_bit(syndrome.ISV)}", "1: the fields down to AR are valid"),
            ("SAS   23:22", "0 byte, 1 halfword, 2 word, 3 doubleword"),
            ("SSE   21", "the load extends the sign"),
            ("SRT   20:16", "the register; 31 is the zero register"),
            ("SF    15", "1: X register, 0: W register"),
            (f"WnR   {_bit(syndrome.WNR)}", "1: store"),
            ("DFSC  5:0", "0b0001LL translation, 0b0011LL permission"),
            (
                "",
                "IPA = HPFAR_EL2 (page) and FAR_EL2[11:0]. ISV = 0: pairs, writeback, exclusives,",
            ),
            ("", "atomics, SIMD. KVM_RUN fails with ENOSYS, or KVM_EXIT_ARM_NISV."),
        ),
        84.0,
    )


def _exits() -> Section:
    meaning = {
        ExitReason.DEBUG: "a step, a breakpoint, a watchpoint: see hsr",
        ExitReason.MMIO: "an access waits for userspace; PC is its address; not done yet",
        ExitReason.INTR: "with EINTR: a signal was pending",
        ExitReason.SYSTEM_EVENT: "PSCI: shut down, reset",
        ExitReason.ARM_NISV: "an access that KVM cannot decode, if userspace asked for it",
    }
    rows = [(f"{reason.name:13}{int(reason):3}", text) for reason, text in meaning.items()]
    return Section("KVM_RUN returns (KVM_EXIT_...)", tuple(rows), 84.0)


_ORDER = Section(
    "KVM_RUN, step by step",
    (
        ("1", "complete the access that userspace has answered"),
        ("2", "immediate_exit or a signal: return EINTR"),
        ("3", "arm: MDSCR_EL1.SS := 1, SPSR_EL2.SS := 1 unless a step is pending"),
        ("4", "apply a pending skip: PC += 4, SPSR_EL2.SS := 0"),
        ("5", "ERET; the guest runs; an exception to EL2"),
        ("6", "put the guest's own debug registers back; remember a pending step"),
        ("7", "handle the exit: enter again, or return to userspace"),
    ),
    14.0,
)
_KVM = Section(
    "What userspace calls",
    (
        ("KVM_SET_GUEST_DEBUG", "ENABLE 1, SINGLESTEP 2, USE_SW_BP 1<<16, USE_HW 1<<17"),
        ("KVM_GET_ONE_REG", "the guest's registers; PSTATE with the guest's own SS"),
        ("KVM_SET_VCPU_EVENTS", "ext_dabt_pending: answer an access with an abort"),
        ("KVM_IRQ_LINE", "raise or lower the guest's interrupt"),
    ),
    92.0,
)
A64 = (
    ("mov x0, #0x41", "x0 = 0x41"),
    ("add x1, x1, #1", "x1 = x1 + 1"),
    ("orr x1, x1, #0x200000", "x1 = x1 or bit 21"),
    ("str w0, [x19]", "store 4 bytes of x0 at x19; strb 1, strh 2, str x 8"),
    ("ldr w2, [x19, #0x18]", "load 4 bytes from x19 + 0x18; the upper half is 0"),
    ("ldrsb x2, [x19]", "load a byte, extend its sign to 64 bits"),
    ("str x1, [x21], #8", "store, then x21 = x21 + 8 (writeback)"),
    ("ldp w1, w2, [x21]", "load a pair"),
    ("b.eq there", "branch to the label there if Z; b, bl: always"),
    ("mrs x1, mdscr_el1", "read a system register; msr mdscr_el1, x1 writes it"),
    ("msr daifclr, #2", "interrupts may come; daifset masks them"),
    ("isb", "what was written to system registers counts from here"),
    ("svc #0", "call the kernel (EL1); hvc #0 the hypervisor; smc #0 firmware"),
    ("eret", "return: PC = ELR, PSTATE = SPSR"),
    ("brk #0", "breakpoint"),
)


def _a64() -> Section:
    return Section("The A64 of the labs", A64, 98.0)


def _start() -> Section:
    start = default_start().registers
    return Section(
        "Every guest starts with",
        (
            ("x19, x20", f"UART {start['x19']:#x}, exit device {start['x20']:#x}"),
            ("x21, x24", f"RAM {start['x21']:#x}, {start['x24']:#x}"),
            ("pc, pstate", f"{start['pc']:#x}, {start['pstate']:#x} (EL1h, DAIF masked)"),
            (
                "vbar_el1",
                f"{start['vbar_el1']:#x}; +0x200 exceptions, +0x280 IRQ from EL1, +0x400 from EL0",
            ),
        ),
        52.0,
    )


@dataclass(frozen=True, repr=False)
class CheatSheet(Figure):
    """One page, in two columns."""

    left: tuple[Section, ...] = field(
        default_factory=lambda: (_states(), _POSSIBLE, _SS, _bits(), _syndromes(), _abort())
    )
    right: tuple[Section, ...] = field(
        default_factory=lambda: (_ORDER, _exits(), _KVM, _a64(), _start())
    )
    name = "cheat-sheet"

    @property
    def sections(self) -> tuple[Section, ...]:
        """All sections, in reading order."""
        return self.left + self.right

    @property
    def sentence(self) -> str:
        titles = "; ".join(section.title for section in self.sections)
        return f"Cheat sheet of the labs, one page, as a table below. Its sections: {titles}."

    @property
    def header(self) -> tuple[str, ...]:
        return ("section", "term", "meaning")

    @property
    def rows(self) -> list[tuple[str, ...]]:
        return [
            (section.title, " ".join(term.split()), meaning)
            for section in self.sections
            for term, meaning in section.rows
        ]

    def drawing(self) -> Drawing:
        drawing = Drawing(PAGE)
        title = "Stepping an AArch64 guest under KVM: the cheat sheet"
        drawing.text(MARGIN, PAGE[1] - MARGIN, title, 11.5, bold=True)
        width = (PAGE[0] - 2 * MARGIN - GAP) / 2
        for number, column in enumerate((self.left, self.right)):
            y = PAGE[1] - MARGIN - 16
            for section in column:
                _draw(drawing, section, MARGIN + number * (width + GAP), y, width)
                y -= section.height
        return drawing

    def pdf(self) -> bytes:
        """The page as PDF, the same bytes every time."""
        return bytes(mpl_writer().to_pdf(self.draw(), "Cheat sheet"))


def _draw(drawing: Drawing, section: Section, x: float, top: float, width: float) -> None:
    drawing.box(x, top - TITLE + 4, width, TITLE - 4, fill="here-fill")
    drawing.text(x + 4, top - TITLE / 2 + 2, section.title, 8.2, bold=True)
    for number, (term, meaning) in enumerate(section.rows):
        y = top - TITLE - LINE * (number + 0.5) + 1.5
        if term:
            drawing.text(x + 4, y, term, SIZE - 0.5, mono=True)
        drawing.text(x + 4 + (section.indent if term else 0), y, meaning, SIZE)


def cheat_sheet() -> CheatSheet:
    """The cheat sheet, to be shown in a notebook; `cheat_sheet().pdf()` is labs/cheat-sheet.pdf."""
    return CheatSheet()
