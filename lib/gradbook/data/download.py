"""Published files, fetched from whichever mirror serves them unaltered."""

from pathlib import Path
from urllib.parse import urlsplit

from gradbook.data.source import Download
from gradbook.errors import RunError
from gradbook.files import atomic_write


def is_intact(wanted: Download, folder: Path) -> bool:
    """Return whether the published file lies in the folder, byte for byte."""
    import pooch

    path = folder / wanted.file
    return path.exists() and pooch.file_hash(str(path)) == wanted.sha256


def download(wanted: Download, folder: Path) -> Path:
    """Fetch a published file, with a progress bar; a file that is there intact stays as it is.

    Returns:
        Its path.

    Raises:
        RunError: no mirror served it; the message has the reason for each.
    """
    import pooch
    import requests
    from tqdm import tqdm

    target, reasons = folder / wanted.file, []
    if is_intact(wanted, folder):
        return target
    for url in wanted.mirrors:
        bar = tqdm(desc=wanted.file, total=wanted.bytes, unit="B", unit_scale=True, leave=False)
        try:
            with bar, atomic_write(target) as file:
                pooch.HTTPDownloader(progressbar=bar, chunk_size=2**16, timeout=(10, 60))(url, file, None)
                if pooch.file_hash(file.name) != wanted.sha256:
                    raise ValueError("other bytes than published")
            return target
        except requests.HTTPError as error:
            reason = f"HTTP {error.response.status_code}"
        except requests.RequestException as error:
            reason = type(error).__name__
        except ValueError as error:
            reason = str(error)
        reasons.append(f"{urlsplit(url).hostname}: {reason}")
    raise RunError(f"{wanted.file} from {'; '.join(reasons)}")
