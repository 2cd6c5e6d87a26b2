"""Where the middle of a pattern or a tube is, and how it is turned; and images brought to one place and scale."""

from typing import Final

import numpy as np

from matgym.typing import FloatArray

ANGLES: Final = 360
"""Angles of polar coordinates; a choice of ours."""


def inversion_centre(images: FloatArray, off_centre: float) -> FloatArray:
    """Return the (B, 2) rows and columns about which (B, H, W) images are most symmetric under inversion.

    The correlation of an image with its inverse, by FFT, has its maximum at twice the centre.

    Args:
        images: the images.
        off_centre: largest distance of the centre from the middle, as a share of the width.
    """
    from scipy.fft import irfft2, rfft2

    height, width = images.shape[1:]
    spectrum = rfft2(images.astype(np.float32), s=(2 * height, 2 * width))
    correlation = irfft2(spectrum * spectrum, s=(2 * height, 2 * width))  # at the sum of two places
    centres = np.empty((len(images), 2))
    reach = [int(np.ceil(2.0 * off_centre * size)) for size in (height, width)]
    window = correlation[:, height - 1 - reach[0] : height + reach[0], width - 1 - reach[1] : width + reach[1]]
    flat = window.reshape(len(images), -1).argmax(axis=1)
    peaks = np.stack(np.unravel_index(flat, window.shape[1:]), axis=1)
    rows = np.arange(len(images))
    for axis in range(2):
        inner = np.clip(peaks, 1, np.array(window.shape[1:]) - 2)
        step = np.eye(2, dtype=np.int64)[axis]
        before, at, after = (window[(rows, *(inner + sign * step).T)] for sign in (-1, 0, 1))
        centres[:, axis] = inner[:, axis] + vertex(before, at, after)
    return np.asarray(0.5 * (centres + np.array([height - 1 - reach[0], width - 1 - reach[1]])))


def mirror_offset(profiles: FloatArray, off_centre: float) -> FloatArray:
    """Return the (B,) distance from the middle at which (B, X) profiles are most symmetric, points.

    Args:
        profiles: the profiles; their means are subtracted.
        off_centre: largest distance, as a share of the length.
    """
    flat = profiles - profiles.mean(axis=1, keepdims=True)
    centres = inversion_centre(np.repeat(flat[:, None], 3, axis=1), off_centre)
    return np.asarray(centres[:, 1] - 0.5 * (profiles.shape[1] - 1))


def long_axis_deg(images: FloatArray, low: float, high: float, centres: FloatArray | None = None) -> FloatArray:
    """Return the (B,) direction in which the intensity of (B, H, W) images lies, degrees from columns towards rows.

    It is half the phase of the second moment Σ I exp(2iφ) over a ring. An isotropic background does not change it.

    Args:
        images: the images.
        low: inner radius of the ring, pixels.
        high: outer radius of the ring, pixels.
        centres: (B, 2) rows and columns of the centres. Default: the places of zero frequency in `fftshift`.
    """
    height, width = images.shape[1:]
    if centres is None:
        centres = np.tile([float(height // 2), float(width // 2)], (len(images), 1))
    down = np.arange(height)[:, None] - centres[:, :1, None]
    across = np.arange(width) - centres[:, 1:, None]
    squared = down**2 + across**2
    ring = images * ((squared >= low**2) & (squared <= high**2)) / np.maximum(squared, 1.0)
    return np.asarray(
        0.5
        * np.degrees(
            np.arctan2((ring * 2.0 * across * down).sum(axis=(1, 2)), (ring * (across**2 - down**2)).sum(axis=(1, 2)))
        )
    )


def mirror_axis_deg(
    images: FloatArray, centres: FloatArray, near_deg: FloatArray, radii: FloatArray, within_deg: float
) -> FloatArray:
    """Return the (B,) axes about which (B, H, W) images are most symmetric, degrees from columns towards rows.

    In polar coordinates a mirror image is a reversal of the angle, and the correlation of an image with it, by FFT, has
    its maximum at twice the axis.

    Args:
        images: the images.
        centres: (B, 2) rows and columns of the centres.
        near_deg: (B,) approximate axes, degrees.
        radii: (R,) radii that are compared, pixels.
        within_deg: largest distance from the approximate axes, degrees.
    """
    from scipy.fft import irfft, rfft

    angles = np.radians(near_deg)[:, None] + 2.0 * np.pi * np.arange(ANGLES) / ANGLES
    columns = centres[:, 1, None, None] + radii[:, None] * np.cos(angles)[:, None]
    rows = centres[:, 0, None, None] + radii[:, None] * np.sin(angles)[:, None]
    polar = _interpolated(images, rows, columns)  # (B, R, ANGLES)
    spectrum = rfft(polar - polar.mean(axis=2, keepdims=True), axis=2)
    correlation = irfft((spectrum**2 * radii[:, None]).sum(axis=1), ANGLES, axis=1)  # at the sum of two angles
    reach = int(2.0 * within_deg * ANGLES / 360.0)
    window = np.roll(correlation, reach, axis=1)[:, : 2 * reach + 1]
    peak = np.clip(window.argmax(axis=1), 1, 2 * reach - 1)
    every = np.arange(len(images))
    exact = peak + vertex(window[every, peak - 1], window[every, peak], window[every, peak + 1])
    return np.asarray(near_deg + (exact - reach) * 180.0 / ANGLES)


def resampled(images: FloatArray, centres: FloatArray, turns_deg: FloatArray, every: float, pixels: int) -> FloatArray:
    """Return (B, pixels, pixels) images around a centre, turned and scaled, by bilinear interpolation.

    Args:
        images: (B, H, W) images.
        centres: (B, 2) rows and columns that become the middle.
        turns_deg: (B,) directions, from columns towards rows, that become horizontal.
        every: width of a new pixel in old ones.
        pixels: number of new rows and columns.

    Returns:
        The images; they are zero outside the old ones.
    """
    turn = np.radians(turns_deg)[:, None, None]
    place = every * (np.arange(pixels) - (pixels - 1) / 2.0)
    across, down = place[None, None, :], place[None, :, None]
    columns = centres[:, 1, None, None] + across * np.cos(turn) - down * np.sin(turn)
    rows = centres[:, 0, None, None] + across * np.sin(turn) + down * np.cos(turn)
    return _interpolated(images, rows, columns)


def _interpolated(images: FloatArray, rows: FloatArray, columns: FloatArray) -> FloatArray:
    """Return (B, N, M) values of (B, H, W) images at places between pixels; zero outside."""
    import torch

    height, width = images.shape[1:]
    places = np.stack([2.0 * columns / (width - 1) - 1.0, 2.0 * rows / (height - 1) - 1.0], axis=-1)
    found = torch.nn.functional.grid_sample(
        torch.from_numpy(images.astype(np.float32))[:, None],
        torch.from_numpy(places.astype(np.float32)),
        align_corners=True,
    )
    return np.asarray(found[:, 0].numpy(), dtype=np.float64)


def vertex(before: FloatArray, at: FloatArray, after: FloatArray) -> FloatArray:
    """Return the place of the maximum of a parabola through three points, from -0.5 to 0.5 of their distance."""
    curvature = before - 2.0 * at + after
    return np.asarray(
        np.clip(0.5 * (before - after) / np.where(curvature < 0.0, curvature, -1.0), -0.5, 0.5), dtype=np.float64
    )
