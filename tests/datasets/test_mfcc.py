"""Coefficients against the literal sums of FlexConv, section 6."""

import math

import numpy as np
import pytest
import torch
from scipy.fft import dct
from scipy.signal import get_window

from kbench.datasets.mfcc import compute_mfcc, cosine_transform, mel_bands


def mel(frequency):
    return 2595 * math.log10(1 + frequency / 700)


def literal_bands():
    """Triangles on the mel scale, one corner after the other."""
    corners = [700 * (10 ** (k * mel(8000) / 65 / 2595) - 1) for k in range(66)]
    bands = np.zeros((101, 64))
    for b in range(64):
        low, peak, high = corners[b : b + 3]
        for k in range(101):
            f = 80 * k
            if low <= f <= peak:
                bands[k, b] = (f - low) / (peak - low)
            elif peak < f <= high:
                bands[k, b] = (high - f) / (high - peak)
    return bands


def literal_mfcc(clip):
    """A frame at a time, its spectrum as a sum of sines and cosines."""
    padded = np.pad(clip, 100, mode="reflect")
    window = get_window("hann", 200, fftbins=True)
    k, n = np.arange(101)[:, None], np.arange(200)
    cosines, sines = np.cos(2 * np.pi * k * n / 200), np.sin(2 * np.pi * k * n / 200)
    columns = []
    for start in range(0, len(clip) + 1, 100):
        frame = padded[start : start + 200] * window
        power = (cosines @ frame) ** 2 + (sines @ frame) ** 2
        energies = power @ literal_bands()
        columns.append(dct(np.log(energies + 1e-6), type=2, norm="ortho")[:20])
    return np.stack(columns, axis=1)


@pytest.fixture
def clips():
    generator = np.random.default_rng(0)
    time = np.arange(1000) / 16_000
    tones = [np.sin(2 * np.pi * f * time) for f in (300, 2500)]
    return np.stack([*tones, generator.uniform(-1, 1, 1000), np.zeros(1000)]).astype(np.float32)


def test_coefficients_are_the_literal_sums(clips):
    found = compute_mfcc(torch.from_numpy(clips)).numpy()
    expected = np.stack([literal_mfcc(clip.astype(np.float64)) for clip in clips])
    # Logarithms of energies down to 1e-6, of sums in float32 that are off by about 1e-8.
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.05)
    # Noise has no empty band: there float32 is exact to its rounding.
    np.testing.assert_allclose(found[2], expected[2], rtol=1e-4, atol=1e-3)


def test_a_second_has_161_frames_of_20_coefficients():
    # FlexConv, section 6: 20 x 161, where the paper's text says 101.
    assert compute_mfcc(torch.zeros(2, 16_000)).shape == (2, 20, 161)


def test_silence_is_the_logarithm_of_the_floor():
    found = compute_mfcc(torch.zeros(1, 400))
    expected = torch.zeros(1, 20, 5)
    # An orthonormal transform of 64 equal values has one coefficient, sqrt(64) times the value.
    expected[:, 0] = 8 * math.log(1e-6)
    # 64 terms of 13.8 in float32.
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


def test_bands_are_triangles_between_corners_on_the_mel_scale():
    np.testing.assert_allclose(mel_bands().numpy(), literal_bands(), rtol=0, atol=1e-12)


def test_transform_is_orthonormal():
    rows = cosine_transform()
    torch.testing.assert_close(rows @ rows.T, torch.eye(20, dtype=torch.float64))
