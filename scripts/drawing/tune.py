"""Eight beats of music for the dance, from sines and noise.

Owns sound. Everything wraps around at the end, so the loop has no click.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

RATE = 48_000
Sound = npt.NDArray[np.float64]
_CHORDS = (
    (57, 60, 64, 67),
    (53, 57, 60, 64),
    (48, 55, 60, 64),
    (55, 59, 62, 67),
)  # A minor 7, F major 7, C, G; MIDI numbers
_MELODY = (
    (0.0, 76),
    (0.75, 79),
    (1.5, 81),
    (2.0, 79),
    (2.75, 76),
    (3.5, 74),
    (4.0, 72),
    (4.75, 76),
    (5.5, 79),
    (6.0, 74),
    (6.75, 71),
    (7.5, 74),
)


def _hz(note: int) -> float:
    return float(440.0 * 2 ** ((note - 69) / 12))


def _time(seconds: float) -> Sound:
    return np.arange(int(seconds * RATE)) / RATE


def _kick() -> Sound:
    t = _time(0.30)
    return np.asarray(np.sin(2 * np.pi * (48 * t + 7.5 * (1 - np.exp(-t * 30)))) * np.exp(-t * 11))


def _clap(rng: np.random.Generator) -> Sound:
    t = _time(0.20)
    noise = np.diff(rng.standard_normal(len(t) + 1))
    return np.asarray(noise * (np.exp(-t * 26) + 0.6 * np.exp(-np.abs(t - 0.012) * 400)) * 0.35)


def _hat(rng: np.random.Generator, seconds: float) -> Sound:
    t = _time(0.12)
    return np.diff(rng.standard_normal(len(t) + 2), n=2) * np.exp(-t / seconds) * 0.12


def _pluck(note: int, seconds: float, bright: float = 1.0) -> Sound:
    t = _time(seconds)
    f = _hz(note)
    tone = sum(
        np.sin(2 * np.pi * f * k * t) * np.exp(-t * (3.5 + 2.5 * k)) * bright ** (k - 1) / k**1.3
        for k in range(1, 6)
    )
    return np.asarray(tone * np.minimum(1, t / 0.004) * np.minimum(1, (seconds - t) / 0.01))


def _bass(note: int, seconds: float) -> Sound:
    t = _time(seconds)
    f = _hz(note)
    tone = (
        np.sin(2 * np.pi * f * t)
        + 0.35 * np.sin(4 * np.pi * f * t)
        + 0.12 * np.sin(6 * np.pi * f * t)
    )
    return tone * np.minimum(1, t / 0.006) * np.exp(-t * 3) * np.minimum(1, (seconds - t) / 0.02)


def tune(beat: float) -> npt.NDArray[np.float32]:
    """Eight beats of ``beat`` seconds each: (samples, 2), at ``RATE``, peak 0.7."""
    rng = np.random.default_rng(11)
    out = np.zeros((round(8 * beat * RATE), 2))

    def add(at: float, sound: Sound, gain: float, pan: float = 0.0) -> None:
        where = (round(at * beat * RATE) + np.arange(len(sound))) % len(out)
        np.add.at(
            out,
            where,
            sound[:, None] * gain * np.array([np.sqrt((1 - pan) / 2), np.sqrt((1 + pan) / 2)]),
        )

    for b in range(8):
        add(b, _kick(), 0.95 if b % 2 == 0 else 0.55)
        if b % 2:
            add(b, _clap(rng), 0.8, 0.1)
        for half in (0.0, 0.5):
            add(b + half, _hat(rng, 0.05 if half else 0.02), 0.75, -0.25)
    for bar, chord in enumerate(_CHORDS):
        start = bar * 2.0
        root = chord[0] - 12 if chord[0] > 50 else chord[0]
        for at, note in ((0.0, root), (0.75, root), (1.5, root + 12)):
            add(start + at, _bass(note, 0.42), 0.5)
        for at in (0.5, 1.25):
            for k, note in enumerate(chord):
                add(start + at, _pluck(note, 0.8, 0.6), 0.16, -0.5 + k / 3)
    for at, note in _MELODY:
        add(at, _pluck(note, 1.1), 0.42, 0.2)
        add(at + 0.75, _pluck(note, 1.1, 0.5), 0.12, -0.6)  # its echo
    soft = np.tanh(out * 0.9)
    return np.asarray(soft / np.max(np.abs(soft)) * 0.7, np.float32)
