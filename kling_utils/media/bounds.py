"""What strangers may start at once, and have kept: every figure with its reason, and the turns that hold them.

They hold for all visitors of this process together and are shared fairly by the visitor's id, never by a network address: behind a
platform all visitors share one. They are meant for 2 cores and 2 GB, where a page with its libraries takes about 250 MB.
"""

from __future__ import annotations

from kling_utils.media.turns import Lane, Slots, Turns

# -- at once

PICTURE_MEMORY = 560_000_000
"""Bytes of pictures that are decoded at once, over all threads: one of the largest that is opened, or many usual ones of 50 MB."""
LOOKS = 4
"""Short runs of ffmpeg (probes, thumbnails) at once. One takes 0.1 to 0.5 s and up to 130 MB; they never wait for long runs."""
LOOK_MEMORY = 950_000_000
"""Bytes of address space of one look, of which ffmpeg maps 700 MB without using them. A file of 200 kB can name twelve million samples,
for which ffmpeg takes 1.3 GB before it says a word."""
MAKING, LONG_RUNS = 2, 3
"""Repairs, exports, recordings and previews of the page at once, and long runs of ffmpeg in all: what the jobs convert and look into
has one left. A run uses all cores, and up to 400 MB for a 4K clip: more of them at once end no earlier."""
NICE = 10
"""Niceness of a long run: the page and short looks go first."""
FETCHES, FETCHES_EACH = 8, 2
"""Downloads from addresses at once, in all and for a visitor. A dead address holds one for up to 120 s."""
CALLS, CALLS_EACH = 4, 1
"""Free calls to the provider from the page at once (balance, health panel), in all and for a visitor. A host that hangs holds one."""
QUEUE, QUEUE_EACH = 100, 8
"""Asks of one kind that wait, in all and for a visitor: one session of the page has at most three."""
SHORT_WAIT, LONG_WAIT = 30.0, 1800.0
"""Seconds that a look and a long run wait for their turn before "busy" is said. A long one says that it waits, and can be stopped."""
EVENTS, EVENTS_EACH = 500, 24
"""Events of the page under way, in all and those of a visitor that wait for a lane. Gradio begins none beyond the first figure: one
that only waits counts as well, and a page that follows a job is one. Its usual 40 are taken by 40 pages."""
FETCH_WAIT = 150.0
"""Seconds that a check waits for a download, its turn included: a download ends after 120 s."""
SHOWS = 6
"""Looks at the store for open pages at once: they take milliseconds, and a second where a preview has to be made."""

# -- waiting

DRAFTS_WAITING, DRAFTS_WAITING_EACH = 30, 2
"""Drafts of a hosted page that wait, in all and for a visitor. A draft takes 5 to 30 s: 30 of them are at most 15 minutes."""
KEY_JOBS_WAITING, KEY_JOBS_WAITING_EACH = 200, 20
"""Jobs with a visitor's key that are not sent yet, in all and for a visitor. A key may be invented, and each job keeps two files."""
BALANCES, BALANCES_EACH, BALANCES_SECONDS = 60, 6, 60.0
"""Balance calls within so many seconds, in all and for a visitor: each new key is asked about, and keys can be made up."""

# -- kept

FILE = 200_000_000
"""Bytes of one input, whether uploaded or fetched: twice what a provider takes, so that a larger one can be repaired."""
UPLOADS_IN_REQUEST = 2
"""Files in one upload: the form has two inputs."""
UPLOAD_BYTES = 210_000_000
"""Bytes of one upload: a file of 200 MB, the most that the page takes, and its form."""
UPLOADING, UPLOADING_EACH = 24, 4
"""Uploads under way, in all and for a visitor: they take 5 GB of disk at most."""
UPLOAD_WAIT, UPLOAD_RATE = 60.0, 10_000.0
"""Seconds that an upload may take, and bytes a second for which it may take longer: one that drips would hold its place for good."""
KEPT_EACH, KEPT = 1_000_000_000, 10_000_000_000
"""Bytes of uploads that are kept for a visitor and in all; beyond, the ones that were not used for longest go first."""
JOBS_EACH, JOBS = 3_000_000_000, 20_000_000_000
"""Bytes of the jobs of a visitor and of all visitors: 50 long clips of the largest size. Beyond, their oldest drafts go first; what was
paid for stays, and a new job finds no room."""
FETCHED_EACH, FETCHED = 600_000_000, 4_000_000_000
"""The same for what was fetched from addresses: three clips of the largest size for a visitor."""
FITTED_EACH, FITTED = 600_000_000, 4_000_000_000
"""The same for repaired files of visitors: three pairs of the largest that a provider takes."""
COPIES_EACH, COPIES = 1_000_000_000, 10_000_000_000
"""Bytes of what the page made for a visitor and for all: copies, trims, previews, recordings. As many as of the uploads they come from."""
UNREACHABLE_FOR = 45.0
"""Seconds for which an address that failed is not asked again, whoever asks; longer than ``SHORT_WAIT``."""

# -- the turns

pictures = Slots(Turns(PICTURE_MEMORY, "other pictures"), patience=SHORT_WAIT)
looks = Slots(Turns(LOOKS, "other clips", each=LOOKS - 1), patience=SHORT_WAIT)
long_runs = Slots(Turns(LONG_RUNS, "other clips"), patience=LONG_WAIT)

checking = Lane(
    "check", Turns(LOOKS, "other checks", each=LOOKS // 2, queue=QUEUE, queue_each=QUEUE_EACH)
)
"""Checks and submits of the page: files are measured, nothing is fetched."""
making = Lane("make", Turns(MAKING, "other clips", queue=QUEUE, queue_each=QUEUE_EACH))
"""Repairs, exports, recordings, previews and thumbnails of the page."""
fetching = Lane(
    "fetch",
    Turns(FETCHES, "other downloads", each=FETCHES_EACH, queue=QUEUE, queue_each=QUEUE_EACH),
)
"""Downloads from addresses that visitors gave."""
calling = Lane(
    "call", Turns(CALLS, "other keys", each=CALLS_EACH, queue=QUEUE, queue_each=QUEUE_EACH)
)
"""Free calls to the provider."""
examining = Lane(
    "examine", Turns(1, "the same question of others", queue=QUEUE, queue_each=QUEUE_EACH)
)
"""The health panel: one at a time, since each tries every way to publish a file."""
showing = Lane("show", Turns(SHOWS, "other pages", each=SHOWS // 2))
"""What is seen of a job that is open."""
