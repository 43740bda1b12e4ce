"""The cheat sheet: one page, its numbers are the simulator's, its instructions assemble."""

from __future__ import annotations

import io

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from aarch64sim import assemble
from tools import cheatsheet as tool
from widgets.figures.cheatsheet import A64, LINE, MARGIN, PAGE, cheat_sheet


@pytest.mark.parametrize("instruction", [row[0] for row in A64])
def test_an_instruction_of_the_sheet_assembles(instruction: str) -> None:
    assert len(list(assemble(f"{instruction}\nthere:").words())) == 1


def test_the_columns_fit_on_the_page() -> None:
    sheet = cheat_sheet()
    for column in (sheet.left, sheet.right):
        assert sum(section.height for section in column) <= PAGE[1] - 2 * MARGIN - 10


def test_no_text_leaves_its_column() -> None:
    figure = cheat_sheet().draw()
    renderer = FigureCanvasAgg(figure).get_renderer()
    scale = PAGE[0] / figure.bbox.width
    for text in figure.axes[0].texts:
        box = text.get_window_extent(renderer)
        left, right = box.x0 * scale, box.x1 * scale
        limit = PAGE[0] / 2 if left < PAGE[0] / 2 else PAGE[0]
        assert right < limit - 6, text.get_text()
        assert box.height * scale < 2 * LINE


def test_the_numbers_are_those_of_the_machine() -> None:
    rows = {(section, term): meaning for section, term, meaning in cheat_sheet().rows}
    assert rows["The bits", "MDSCR_EL1.KDE 13"]
    assert rows["Syndromes of a stop (kvm_run.debug.arch.hsr)", "0xcb000022"]
    assert rows["KVM_RUN returns (KVM_EXIT_...)", "MMIO 6"]
    assert "PSTATE.SS = 0" in rows["The software-step machine", "active-pending"]


def test_the_sheet_is_a_sentence_a_table_and_a_picture() -> None:
    sheet = cheat_sheet()
    assert repr(sheet).startswith("Cheat sheet of the labs")
    assert sheet.csv().count("\n") == len(sheet.rows) + 1
    assert sheet._repr_mimebundle_()[0]["text/plain"] == sheet.sentence


def test_the_pdf_is_the_same_twice_and_has_one_page() -> None:
    first = cheat_sheet().pdf()
    assert first == cheat_sheet().pdf()
    assert first.startswith(b"%PDF")
    assert first.count(b"/Type /Page ") + first.count(b"/Type /Page\n") == 1
    assert b"CreationDate" not in first


def test_the_committed_pdf_is_a_pdf_of_one_page() -> None:
    committed = tool.PDF.read_bytes()
    assert committed.startswith(b"%PDF")
    assert io.BytesIO(committed).read(5) == b"%PDF-"


def test_the_tool_compares_and_writes(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(tool, "PDF", tmp_path / "cheat-sheet.pdf")
    assert tool.main(["--check"]) == 1
    assert tool.main([]) == 0
    assert tool.main(["--check"]) == 0
    assert "is its build" in capsys.readouterr().out
