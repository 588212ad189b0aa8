"""What a reader's program finds in a report: cells, images, links and text."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "img", "br", "link", "hr", "input"}


@dataclass
class Cell:
    classes: frozenset[str]
    text: str = ""


@dataclass
class Page:
    """A parsed report."""

    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)
    text: str = ""
    unclosed: list[str] = field(default_factory=list)

    @property
    def measured(self) -> list[str]:
        return [cell.text for cell in self.cells if "measured" in cell.classes]

    @property
    def images(self) -> list[str]:
        """The figures, decoded."""
        sources = [attributes["src"] or "" for tag, attributes in self.tags if tag == "img"]
        return [base64.b64decode(source.split(",", 1)[1]).decode() for source in sources]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()
        self.cell: Cell | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.page.tags.append((tag, attributes))
        if tag not in VOID:
            self.page.unclosed.append(tag)
        if tag == "td":
            self.cell = Cell(frozenset((attributes.get("class") or "").split()))
            self.page.cells.append(self.cell)

    def handle_endtag(self, tag: str) -> None:
        assert self.page.unclosed and self.page.unclosed[-1] == tag, f"</{tag}> closes {self.page.unclosed[-3:]}"
        self.page.unclosed.pop()
        if tag == "td":
            self.cell = None

    def handle_data(self, data: str) -> None:
        if self.page.unclosed and self.page.unclosed[-1] == "style":
            return
        self.page.text += data
        if self.cell is not None:
            self.cell.text = (self.cell.text + data).strip()


def parse(text: str) -> Page:
    """Parse a report; fails on a tag that is not closed in order."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert reader.page.unclosed == []
    return reader.page
