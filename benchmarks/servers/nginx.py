"""nginx that decides nothing and gives one and the same answer: what HTTP itself costs on this core."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from benchmarks import estate
from benchmarks.peers import Missing
from benchmarks.servers import Server, free_port

NAME = "nginx, a constant"
_CONFIG = """\
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  default_type application/json;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{ return 200 '{answer}'; }}
  }}
}}
"""


def server(folder: Path, answer: bytes) -> Server:
    """The server that gives `answer`. Raises `Missing`."""
    binary = shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
    if binary is None:
        raise Missing("`nginx` is not on the PATH; on Debian and Ubuntu: apt-get install nginx-light")
    port = free_port()
    config = folder / "nginx.conf"
    # An answer of JSON has neither single quotes nor dollars in it; a backslash would be one of nginx's.
    text = answer.decode().replace("\\", "\\\\")
    config.write_text(_CONFIG.format(folder=folder, port=port, answer=text))
    told = subprocess.run([binary, "-v"], capture_output=True, text=True, check=True).stderr
    return Server(
        NAME,
        told.partition("/")[2].split()[0],
        [binary, "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log")],
        f"http://127.0.0.1:{port}/decide",
        lambda question: json.dumps(estate.request(question)).encode(),
        lambda answer: True,
    )
