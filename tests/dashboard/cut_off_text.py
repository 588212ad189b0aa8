"""Finds every text of a widget that its place is too small for."""

from __future__ import annotations

from collections.abc import Iterator

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

Flag = QtCore.Qt.TextFlag
Metric = QtWidgets.QStyle.PixelMetric
SubElement = QtWidgets.QStyle.SubElement
PLENTY = 100_000
SLACK_PX = 1  # of heights, which font metrics round up
ROUNDS = 8
might_be_rich = (
    QtCore.Qt if hasattr(QtCore.Qt, "mightBeRichText") else QtGui.Qt
).mightBeRichText  # as the binding has it


def cut_off_text(widget: QtWidgets.QWidget) -> list[str]:
    """Name every text in `widget` (shown, or sized) that does not fit: "QLabel 'Residual': 70x18 in 52x18".

    Looks at labels (wrapped and rich ones too), buttons, check boxes, group titles, tabs, headers and items of views,
    combo boxes, spin boxes, read-only fields and progress bars. A widget that paints its texts itself may name those
    that do not fit by a method `cut_off_texts() -> list[str]`. What scrolls into sight counts as fitting.
    """
    if not widget.isVisible():
        widget.grab()  # lays out what was never shown
    for _ in range(ROUNDS):  # a part that grew makes what it is in grow with the next round
        QtWidgets.QApplication.sendPostedEvents(None, QtCore.QEvent.Type.LayoutRequest)
    found = []
    for part in [widget, *widget.findChildren(QtWidgets.QWidget)]:
        if part is widget or part.isVisibleTo(widget):
            found += [f"{type(part).__name__} {text!r}: {why}" for text, why in _faults(part)]
            found += [f"{type(part).__name__} {text!r}" for text in getattr(part, "cut_off_texts", list)()]
    return found


Fault = tuple[str, str]


def _faults(part: QtWidgets.QWidget) -> Iterator[Fault]:
    if isinstance(part, QtWidgets.QLabel):
        yield from _label(part)
    elif isinstance(part, QtWidgets.QAbstractButton):
        yield from _button(part)
    elif isinstance(part, QtWidgets.QGroupBox):
        yield from _unless_it_fits(part, part.title(), _size(part, part.title()), part.rect().adjusted(8, 0, -8, 0))
    elif isinstance(part, QtWidgets.QTabBar):
        yield from _tabs(part)
    elif isinstance(part, QtWidgets.QHeaderView):
        yield from _header(part)
    elif isinstance(part, QtWidgets.QAbstractItemView):
        yield from _items(part)
    elif isinstance(part, QtWidgets.QComboBox):
        yield from _combo(part)
    elif isinstance(part, QtWidgets.QLineEdit):
        yield from _field(part)
    elif isinstance(part, QtWidgets.QProgressBar) and part.isTextVisible():
        yield from _unless_it_fits(part, part.text(), _size(part, part.text()), part.contentsRect())


def _size(part: QtWidgets.QWidget, text: str, width: int | None = None) -> QtCore.QSize:
    """Return what `text` takes in the font of `part`, wrapped at `width` if there is one; & marks a key."""
    text = text.replace("&&", "\0").replace("&", "").replace("\0", "&")
    flags = Flag.TextExpandTabs if width is None else Flag.TextExpandTabs | Flag.TextWordWrap
    room = QtCore.QRect(0, 0, PLENTY if width is None else width, PLENTY)
    return part.fontMetrics().boundingRect(room, int(_plain(flags)), text).size()


def _plain(flags: object) -> int:
    return int(getattr(flags, "value", flags))


def _started(option: QtWidgets.QStyleOption, part: QtWidgets.QWidget) -> QtWidgets.QStyleOption:
    """Fill what every option has; `initStyleOption` is closed for widgets that Qt itself made."""
    option.initFrom(part)
    return option


def _is_short(needs: QtCore.QSize, room: QtCore.QRect) -> bool:
    return bool(needs.width() > room.width() or needs.height() > room.height() + SLACK_PX)


def _unless_it_fits(part: QtWidgets.QWidget, text: str, needs: QtCore.QSize, room: QtCore.QRect) -> Iterator[Fault]:
    if not text.strip():
        return
    if _is_short(needs, room):
        yield text, f"{needs.width()}x{needs.height()} in {room.width()}x{room.height()}"
        return
    for ancestor, there in _ancestors(part, room):
        if not ancestor.rect().contains(there):
            yield text, f"reaches out of its {type(ancestor).__name__}"
            return


def _ancestors(part: QtWidgets.QWidget, room: QtCore.QRect) -> Iterator[tuple[QtWidgets.QWidget, QtCore.QRect]]:
    """Yield what clips `part`, up to its window or to what scrolls, with `room` in its coordinates."""
    there, inner = room & part.rect(), part
    while not inner.isWindow() and (outer := inner.parentWidget()) is not None:
        there = there.translated(inner.pos())
        if isinstance(outer.parentWidget(), QtWidgets.QAbstractScrollArea):
            return
        yield outer, there
        inner = outer


def _label(label: QtWidgets.QLabel) -> Iterator[Fault]:
    text = label.text()
    room = label.contentsRect().adjusted(label.margin(), label.margin(), -label.margin(), -label.margin())
    rich = label.textFormat() == QtCore.Qt.TextFormat.RichText or (
        label.textFormat() == QtCore.Qt.TextFormat.AutoText and might_be_rich(text)
    )
    if rich:
        document = QtGui.QTextDocument()
        document.setDefaultFont(label.font())
        document.setDocumentMargin(0)
        document.setHtml(text)
        document.setTextWidth(room.width() if label.wordWrap() else -1)
        needs = document.size().toSize()
        text = document.toPlainText()
    else:
        needs = _size(label, text, room.width() if label.wordWrap() else None)
    yield from _unless_it_fits(label, text, needs, room)


def _button(button: QtWidgets.QAbstractButton) -> Iterator[Fault]:
    style, room = button.style(), button.rect()
    if isinstance(button, QtWidgets.QPushButton):
        option = _started(QtWidgets.QStyleOptionButton(), button)
        room = style.subElementRect(SubElement.SE_PushButtonContents, option, button)
    elif isinstance(button, QtWidgets.QCheckBox | QtWidgets.QRadioButton):
        option = _started(QtWidgets.QStyleOptionButton(), button)
        is_box = isinstance(button, QtWidgets.QCheckBox)
        element = SubElement.SE_CheckBoxContents if is_box else SubElement.SE_RadioButtonContents
        room = style.subElementRect(element, option, button)
    elif isinstance(button, QtWidgets.QToolButton):
        if button.toolButtonStyle() == QtCore.Qt.ToolButtonStyle.ToolButtonIconOnly and not button.icon().isNull():
            return
        # Padding of a style sheet is told by nothing but the hint: of the text, two spaces, the frame and an icon.
        spaces = QtCore.QSize(2 * button.fontMetrics().horizontalAdvance(" "), 0)
        frame = button.sizeHint() - _size(button, button.text()) - spaces
        room = QtCore.QRect(frame.width() // 2, frame.height() // 2, 0, 0)
        room.setSize(button.size() - frame)
    if not button.icon().isNull() and not isinstance(button, QtWidgets.QToolButton):
        room = room.adjusted(button.iconSize().width() + 4, 0, 0, 0)
    yield from _unless_it_fits(button, button.text(), _size(button, button.text()), room)


def _tabs(bar: QtWidgets.QTabBar) -> Iterator[Fault]:
    for place in range(bar.count()):
        if not bar.isTabVisible(place):
            continue
        option = _started(QtWidgets.QStyleOptionTab(), bar)
        option.rect, option.text, option.shape = bar.tabRect(place), bar.tabText(place), bar.shape()
        room = bar.style().subElementRect(SubElement.SE_TabBarTabText, option, bar)
        needs, text = _size(bar, bar.tabText(place)), bar.tabText(place)
        room.setHeight(bar.tabRect(place).height())  # a style may keep less for the text than it draws on
        if _is_short(needs, room) or not bar.rect().contains(bar.tabRect(place)):
            yield text, f"{needs.width()}x{needs.height()} in {room.width()}x{room.height()}"


def _header(header: QtWidgets.QHeaderView) -> Iterator[Fault]:
    flat = header.orientation() == QtCore.Qt.Orientation.Horizontal
    for section in range(header.count()):
        text = str(header.model().headerData(section, header.orientation()) or "")
        if header.isSectionHidden(section) or not text:
            continue
        option = _started(QtWidgets.QStyleOptionHeader(), header)
        option.text, option.orientation = text, header.orientation()
        if header.isSortIndicatorShown() and header.sortIndicatorSection() == section:
            option.sortIndicator = QtWidgets.QStyleOptionHeader.SortIndicator.SortDown
        section_size = QtWidgets.QStyle.ContentsType.CT_HeaderSection
        needs = header.style().sizeFromContents(section_size, option, QtCore.QSize(), header)
        along, room = header.sectionSize(section), header.viewport().size()
        have = QtCore.QSize(along, room.height()) if flat else QtCore.QSize(room.width(), along)
        if needs.width() > have.width() or needs.height() > have.height():
            yield text, f"{needs.width()}x{needs.height()} in {have.width()}x{have.height()}"


def _items(view: QtWidgets.QAbstractItemView) -> Iterator[Fault]:
    for index in _indexes(view, view.rootIndex()):
        text, room = str(index.data() or ""), view.visualRect(index)
        if not text or not room.intersects(view.viewport().rect()):
            continue
        needs = view.sizeHintForIndex(index)
        if needs.width() > room.width() and getattr(view, "wordWrap", bool)():
            margin = 2 * (view.style().pixelMetric(Metric.PM_FocusFrameHMargin, None, view) + 1)
            needs = _size(view, text, room.width() - margin) + QtCore.QSize(margin, 0)
        if _is_short(needs, room):
            yield text, f"{needs.width()}x{needs.height()} in {room.width()}x{room.height()}"


def _indexes(view: QtWidgets.QAbstractItemView, parent: QtCore.QModelIndex) -> Iterator[QtCore.QModelIndex]:
    model = view.model()
    if model is None:
        return
    for row in range(model.rowCount(parent)):
        for column in range(model.columnCount(parent)):
            index = model.index(row, column, parent)
            yield index
            if isinstance(view, QtWidgets.QTreeView) and column == 0:
                yield from _indexes(view, index)


def _combo(combo: QtWidgets.QComboBox) -> Iterator[Fault]:
    option = _started(QtWidgets.QStyleOptionComboBox(), combo)
    option.frame = combo.hasFrame()
    control, edit = QtWidgets.QStyle.ComplexControl.CC_ComboBox, QtWidgets.QStyle.SubControl.SC_ComboBoxEditField
    room = combo.style().subControlRect(control, option, edit, combo)
    yield from _unless_it_fits(combo, combo.currentText(), _size(combo, combo.currentText()), room)


def _field(field: QtWidgets.QLineEdit) -> Iterator[Fault]:
    in_spin_box = isinstance(field.parentWidget(), QtWidgets.QAbstractSpinBox)
    text = field.text() if field.isReadOnly() or in_spin_box else field.placeholderText()
    if not text or (text == field.placeholderText() and field.text()):
        return
    option = _started(QtWidgets.QStyleOptionFrame(), field)
    option.rect = field.contentsRect()
    option.lineWidth = field.style().pixelMetric(Metric.PM_DefaultFrameWidth, option, field) if field.hasFrame() else 0
    room = field.style().subElementRect(SubElement.SE_LineEditContents, option, field).adjusted(2, 0, -2, 0)
    needs = QtCore.QSize(field.fontMetrics().horizontalAdvance(text), field.fontMetrics().height())
    yield from _unless_it_fits(field, text, needs, room)
