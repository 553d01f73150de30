"""Facts about the page behind a real reverse proxy, with TLS in front and under a path."""

from __future__ import annotations

import datetime
import ipaddress
import json
import shutil
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from page_fakes import Running, serving

from boneage.ui.launch import LaunchError, LaunchOptions, check

NGINX = shutil.which("nginx") or ("/usr/sbin/nginx" if Path("/usr/sbin/nginx").exists() else None)
needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed (apt-get install nginx-light)")
CONFIG = """
daemon off; pid {folder}/pid; error_log {folder}/errors.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
    client_max_body_size 64m;
    location /boneage/ {{
      proxy_pass {page};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_buffering off;
      proxy_read_timeout 600s;
    }}
  }}
}}
"""


def make_certificate(folder: Path) -> ssl.SSLContext:
    """Write a certificate of 127.0.0.1 for an hour; return what trusts it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(secret)
    return ssl.create_default_context(cafile=str(folder / "cert.pem"))


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ssl.SSLContext, Running]]:
    """The page behind nginx, which shows it with TLS under /boneage/."""
    folder = tmp_path_factory.mktemp("nginx")
    trust = make_certificate(folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with serving(tmp_path_factory.mktemp("page"), "/boneage") as running:
        origin = "http://" + running.url.partition("://")[2].split("/")[0] + "/"
        (folder / "nginx.conf").write_text(CONFIG.format(folder=folder, port=port, page=origin))
        proxy = subprocess.Popen([str(NGINX), "-c", str(folder / "nginx.conf"), "-e", str(folder / "errors.log")])
        try:
            for _ in range(100):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            yield f"https://127.0.0.1:{port}/boneage/", trust, running
        finally:
            proxy.terminate()
            proxy.wait(20)


@needs_nginx
def test_page_and_downloads_stand_under_the_proxys_address(behind) -> None:
    url, trust, running = behind
    with urllib.request.urlopen(url, context=trust, timeout=30) as answer:
        page = answer.read().decode()
    assert answer.headers["content-security-policy"]
    with urllib.request.urlopen(f"{url}config", context=trust, timeout=30) as answer:
        assert json.load(answer)["root"] == url.rstrip("/")
    assert f'"root":"{url.rstrip("/")}"' in page.replace('": "', '":"')
    made = running.services.downloads.write("report.csv", "a,b\n", "visit")
    with urllib.request.urlopen(f"{url}gradio_api/file={made}", context=trust, timeout=30) as answer:
        assert (answer.read(), answer.headers["cache-control"]) == (b"a,b\n", "no-store")


@needs_nginx
def test_uploads_event_streams_and_the_api_work_through_the_proxy(behind, hand: Path, tmp_path: Path) -> None:
    url, _, running = behind
    client = Client(url, verbose=False, ssl_verify=False)
    answer = client.predict(file=handle_file(str(hand)), sex="male", api_name="/predict")
    direct = running.services.service.cascade().estimate(hand, "male").to_json()
    assert {name: answer[name] for name in direct} == direct
    kept = client.predict(reader_age_months=90, consent=True, key=answer["key"], api_name="/flag")
    assert (running.services.flags.folder / "images" / kept["saved"]).is_file()
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"not an image")
    with pytest.raises(AppError, match="bad.png"):
        client.predict(file=handle_file(str(bad)), sex="male", api_name="/predict")


@pytest.mark.parametrize("wrong", ["boneage", "ftp://hospital.example/boneage"])
def test_a_root_path_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(LaunchError, match=r"--root-path wants a path such as /boneage"):
        check(LaunchOptions(root_path=wrong))
    check(LaunchOptions(root_path="/boneage"))
