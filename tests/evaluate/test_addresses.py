"""Files at addresses: file://, and s3:// and gs:// where a server that plays them is installed.

pip install 'moto[server]' gcp-storage-emulator
"""

import contextlib
import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import numpy as np
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet
import pytest

from logitloss.evaluate import InputError, score
from logitloss.evaluate.input.sources import _fits

COLUMNS = {"logits": "x", "labels": "z", "by": ["key"]}
NAMES = ["day=1/a.parquet", "day=1/b.parquet", "day=2/a.parquet"]


def table(seed):
    r = np.random.default_rng(seed)
    return pa.table({"x": r.normal(size=300), "z": r.random(300) < 0.4, "key": r.choice(["a", "b"], 300)})


def error(*args, **kwargs):
    with pytest.raises(InputError) as caught:
        score(*args, **{**COLUMNS, **kwargs})
    return str(caught.value)


def check(address, options, state, change):
    """Score what lies in a folder at an address, by all the ways in which it can be named."""
    want = score([table(i) for i in range(3)], **COLUMNS)
    assert score(address + options, **COLUMNS) == want
    assert score(f"{address}/day=*/*.parquet{options}", **COLUMNS) == want
    each = [f"{address}/{name}{options}" for name in NAMES]
    report = score(each, **COLUMNS, state=state)
    assert report == want
    public = [address.replace("anonymous@", "") + f"/{name}" for name in NAMES]
    assert list(report.sources) == public
    assert list(score(f"{address}/**/*.parquet{options}", **COLUMNS).sources) == public
    assert score(address + options, **{**COLUMNS, "by": ["day"]}).groups[1].key == ("2",)
    assert score(f"{address}/day=*/a.parquet{options}", **COLUMNS).overall.rows == 600
    assert error(f"{address}/none.parquet{options}").endswith(
        "/none.parquet: there is no such file or folder; check the path"
    )
    assert error(f"{address}/day=3*/a.parquet{options}").endswith(
        "/day=3*/a.parquet: matches no file; check the pattern"
    )
    assert score(each, **COLUMNS, state=state) == want  # from the state
    change(NAMES[2], table(3))
    assert error(each, state=state).startswith(f"{public[2]}: changed since ")


def test_a_local_address(tmp_path):
    def put(name, rows):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pa.parquet.write_table(rows, path)

    for i, name in enumerate(NAMES):
        put(name, table(i))
    check(f"file://{tmp_path}/data", "", tmp_path / "state", put)


def test_an_error_does_not_tell_the_password():
    text = error("s3://me:secret@bucket/a.parquet?scheme=nothing&region=here")
    assert text.startswith("s3://bucket/a.parquet: cannot be opened: ")
    assert "secret" not in text


@pytest.mark.parametrize(
    ("path", "pattern", "fits"),
    [
        ("b/day=1/a", "b/day=*/a", True),
        ("b/x/y/a", "b/*/a", False),
        ("b/x/y/a", "b/**/a", True),
        ("b/a", "b/**/a", True),
        ("b/a/c", "b/a", False),
        ("b", "b/a", False),
        ("b/A", "b/a", False),
    ],
)
def test_a_star_ends_at_a_slash(path, pattern, fits):
    assert _fits(path.split("/"), pattern.split("/")) == fits


@contextlib.contextmanager
def server(module, *command):
    """A server that listens on a free port of this machine."""
    if importlib.util.find_spec(module.split(".")[0]) is None:
        pytest.skip(f"needs {module.split('.')[0]}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [one.format(port=port) for one in command]
    with subprocess.Popen(
        [sys.executable, "-m", module, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            limit = time.monotonic() + 60
            while True:
                assert process.poll() is None
                assert time.monotonic() < limit
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.1)
            yield f"127.0.0.1:{port}"
        finally:
            process.kill()


def test_s3(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with server("moto.server", "-H", "127.0.0.1", "-p", "{port}") as host:
        files = pyarrow.fs.S3FileSystem(
            access_key="me", secret_key="secret", endpoint_override=host, scheme="http", allow_bucket_creation=True
        )
        files.create_dir("bucket")

        def put(name, rows):
            pa.parquet.write_table(rows, f"bucket/data/{name}", filesystem=files)

        for i, name in enumerate(NAMES):
            put(name, table(i))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        check("s3://bucket/data", "", tmp_path / "state", put)


def test_gs(tmp_path):
    command = "start", "--host", "127.0.0.1", "--port", "{port}", "--in-memory", "--default-bucket", "bucket"
    with server("gcp_storage_emulator", *command) as host:

        def put(name, rows):
            content = pa.BufferOutputStream()
            pa.parquet.write_table(rows, content)
            address = f"http://{host}/upload/storage/v1/b/bucket/o?uploadType=media&name="
            body = content.getvalue().to_pybytes()
            request = urllib.request.Request(address + urllib.parse.quote(f"data/{name}", safe=""), body, method="POST")
            urllib.request.urlopen(request).close()

        for i, name in enumerate(NAMES):
            put(name, table(i))
        options = f"?endpoint_override={host}&scheme=http&retry_limit_seconds=5"
        check("gs://anonymous@bucket/data", options, tmp_path / "state", put)
