"""What a real browser makes of a page: Chromium without a window, where it is installed."""

import html
import json
import re
import shutil
import subprocess

CHROMIUM = shutil.which("chromium")

_MEASURE = """<script>
addEventListener("load", () => parent.postMessage(JSON.stringify({
  images: [...document.images].map(image => image.complete && image.naturalWidth > 0),
  overflow: document.documentElement.scrollWidth - innerWidth,
  dark: matchMedia("(prefers-color-scheme: dark)").matches,
  background: getComputedStyle(document.body).backgroundColor,
  banner: document.querySelector("[role=alert]")?.innerText ?? "",
}), "*"));
</script>"""

_FRAME = """<!doctype html><pre id="found"></pre><script>
addEventListener("message", event => { document.getElementById("found").textContent = event.data; });
</script><iframe src="page.html" style="width: WIDTHpx; height: 900px; border: 0"></iframe>"""


def look_at(page, folder, *, width, dark=False):
    """Open the text of a page in a frame of that width; what was measured there, and what the console said."""
    (folder / "page.html").write_text(page + _MEASURE, encoding="utf-8")
    (folder / "frame.html").write_text(_FRAME.replace("WIDTH", str(width)), encoding="utf-8")
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        "--window-size=1400,1000",
    ]
    command += [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=10000", "--dump-dom"]
    command += ["--blink-settings=preferredColorScheme=0"] if dark else ["--blink-settings=preferredColorScheme=1"]
    done = subprocess.run(
        [*command, f"file://{folder / 'frame.html'}"], capture_output=True, text=True, timeout=120, check=True
    )
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    return json.loads(html.unescape(found[1])), [line for line in done.stderr.splitlines() if "CONSOLE" in line]
