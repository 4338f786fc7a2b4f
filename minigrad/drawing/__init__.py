"""A graph as a picture and as text.

nodes -> `flow` (what there is to show, as plain data) -> where asked for, `transforms` (less of it, or some with emphasis;
`rolling` draws like steps once) -> `plan` (which nodes get a box, in which frames; `folds` finds what
is drawn as one box, `steps` the time steps) -> `diagram` (boxes and arrows) -> a layout -> a writer (`svg`, `dot`, `text`).
The layout of our own, `layered`, lays out blocks from the inside: `blocks` is the tree of them, `templates` the inside of
one, by its `layers`, their `ordering` and the `coordinates` in a `grid`. Every stage takes plain data and gives plain data,
so that another transform, layout or writer fits in between. `events` records besides what the engine did, in order;
`explanation` and `description` put it into words, and `stepper` into a page that goes through it event by event.
"""

from minigrad.drawing.events import Record as Record
from minigrad.drawing.events import record as record
from minigrad.drawing.explanation import explain as explain
from minigrad.drawing.picture import Drawing as Drawing
from minigrad.drawing.picture import draw as draw
from minigrad.drawing.text import listing as listing
