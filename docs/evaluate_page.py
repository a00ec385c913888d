"""Takes the pictures of the evaluation page, docs/evaluate-light.png and -dark.png: `python docs/evaluate_page.py`.

Needs Chromium. Each picture holds the hash of the page that it shows, by which a test tells that it is out of date.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

from PIL import Image, PngImagePlugin

from logitloss.evaluate import Report, score
from logitloss.evaluate.display import figures, page

ROOT = Path(__file__).parents[1]
PICTURES = {"light": ROOT / "docs" / "evaluate-light.png", "dark": ROOT / "docs" / "evaluate-dark.png"}
SIZE = 1122, 2130  # pixels: from the headline to the table of the groups
COLOURS = 256
KEY = "logitloss page"
BROWSERS = "chromium", "chromium-browser", "google-chrome"


def report() -> Report:
    """The flights, as the page of the documentation scores them."""
    flights = score(ROOT / "examples" / "flights.parquet", logits="logit", labels="late", by="carrier", cluster="day")
    return replace(flights, sources=("examples/flights.parquet",))


def html() -> str:
    """The page that the pictures show."""
    return page.whole(report(), "Late arrivals of flights from New York, 2013")


def digest(text: str) -> str:
    """The hash of a page without the coordinates in its figures and the version, and of what draws the figures."""
    words = re.sub(r"<svg.*?</svg>|logitloss \d[^ \"]*", "", text, flags=re.DOTALL)
    return hashlib.sha256(words.encode() + Path(figures.__file__).read_bytes()).hexdigest()


def of(picture: Path) -> str:
    """The hash that a picture holds."""
    with Image.open(picture) as image:
        return image.text[KEY]


def main() -> None:
    """Take both pictures."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise SystemExit(f"needs one of {', '.join(BROWSERS)}")
    text = html()
    metadata = PngImagePlugin.PngInfo()
    metadata.add_text(KEY, digest(text))
    with tempfile.TemporaryDirectory() as folder:
        source, taken = Path(folder, "page.html"), Path(folder, "page.png")
        source.write_text(text)
        for theme, picture in PICTURES.items():
            command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
            command += [f"--window-size={SIZE[0]},{SIZE[1]}", f"--screenshot={taken}"]
            command += ["--blink-settings=preferredColorScheme=" + ("0" if theme == "dark" else "1"), source.as_uri()]
            subprocess.run(command, check=True, capture_output=True, timeout=120)
            with Image.open(taken) as image:
                image.convert("RGB").quantize(COLOURS).save(picture, optimize=True, pnginfo=metadata)
            print(picture.relative_to(ROOT), picture.stat().st_size)


if __name__ == "__main__":
    main()
