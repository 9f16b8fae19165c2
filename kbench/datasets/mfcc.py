"""Mel-frequency cepstral coefficients of speech, as FlexConv computes them (section 6).

The details are the defaults of torchaudio: frames of 200 samples, 100 apart and centred on them
with reflected ends, a periodic Hann window, power spectra, 64 triangular mel bands (HTK's scale) of
0 to 8 kHz without normalisation by their area, the logarithm of energy + 1e-6, an orthonormal
DCT-II, of which the first 20 coefficients are kept.

Shapes: N clips, T samples, L frames.
"""

import math

import torch
from torch import Tensor

SAMPLE_RATE = 16_000
FRAME = 200
HOP = 100
NUM_BANDS = 64
NUM_COEFFICIENTS = 20
FLOOR = 1e-6


def compute_mfcc(clips: Tensor) -> Tensor:
    """Map clips (N, T), float32 in -1 to 1 at 16 kHz, to (N, 20, L), L = 1 + T // 100."""
    window = torch.hann_window(FRAME, periodic=True)
    spectrum = torch.stft(
        clips, FRAME, HOP, window=window, center=True, pad_mode="reflect", return_complex=True
    )
    power = spectrum.abs().square()  # (N, 101, L)
    energies = mel_bands().T.to(torch.float32) @ power  # (N, 64, L)
    return cosine_transform().to(torch.float32) @ torch.log(energies + FLOOR)


def mel_bands() -> Tensor:
    """Return the weight of each frequency in each band, (101, 64), float64.

    Band b rises from corner b to 1 at corner b + 1 and falls to corner b + 2; the 66 corners are
    equally spaced on the scale 2595 log10(1 + f / 700).
    """
    highest = SAMPLE_RATE / 2
    frequencies = torch.linspace(0, highest, FRAME // 2 + 1, dtype=torch.float64)
    top = 2595 * math.log10(1 + highest / 700)
    mels = torch.linspace(0, top, NUM_BANDS + 2, dtype=torch.float64)
    corners = 700 * (10 ** (mels / 2595) - 1)
    widths = corners.diff()
    offsets = corners - frequencies[:, None]  # (101, 66)
    rising = -offsets[:, :-2] / widths[:-1]
    falling = offsets[:, 2:] / widths[1:]
    return torch.minimum(rising, falling).clamp(min=0)


def cosine_transform() -> Tensor:
    """Return the first 20 rows of the orthonormal DCT-II of 64 values, (20, 64), float64."""
    places = torch.arange(NUM_BANDS, dtype=torch.float64) + 0.5
    orders = torch.arange(NUM_COEFFICIENTS, dtype=torch.float64)[:, None]
    rows = torch.cos(math.pi / NUM_BANDS * places * orders) * math.sqrt(2 / NUM_BANDS)
    rows[0] *= math.sqrt(0.5)
    return rows
