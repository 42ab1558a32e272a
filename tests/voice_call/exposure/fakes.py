"""Fake `ngrok` and `tailscale` commands that behave like the real ones, their failures included.

Each is a program in a folder that a test puts on PATH. What it does stands in a JSON file beside
it, and what was asked of it is written down there: a child gets no environment of the test's.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import cast

NGROK = """
import json, os, signal, subprocess, sys, time
from pathlib import Path

here = Path(__file__).parent
plan = json.loads((here / "ngrok.json").read_text())
journal = here / "ngrok.runs"
number = len(journal.read_text().splitlines()) if journal.exists() else 0
run = plan[min(number, len(plan) - 1)]
with journal.open("a") as out:
    environ = dict(os.environ)
    json.dump({"argv": sys.argv[1:], "env": environ, "pid": os.getpid()}, out)
    out.write("\\n")


def say(**fields):
    print(json.dumps({"t": "2026-01-01T00:00:00+0000", **fields}), flush=True)


def die(number, text):
    say(lvl="crit", msg="command failed", err=f"{text}\\r\\n\\r\\nERR_NGROK_{number}\\r\\n")
    for line in (text, "", f"ERR_NGROK_{number}"):
        print(f"ERROR:  {line}", file=sys.stderr, flush=True)
    sys.exit(1)


def wait_for(name):
    while not (here / name).exists():
        time.sleep(0.005)


if run.get("ignore_term"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if run.get("grandchild"):
    child = subprocess.Popen(["/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done"])
    (here / "grandchild").write_text(str(child.pid))
options = dict(zip(sys.argv[3::2], sys.argv[4::2]))
if run.get("old") and "--url" in options:
    print("ERROR:  unknown flag: --url", file=sys.stderr)
    sys.exit(1)
for line in run.get("garbage", ()):
    print(line, flush=True)
if run.get("flood"):
    sys.stdout.write("x" * run["flood"])
    print(flush=True)
say(lvl="info", msg="open config file", path="/etc/ngrok.yml", err="<nil>")
token = os.environ.get("NGROK_AUTHTOKEN")
if run.get("needs_token") and not token:
    die(4018, "authentication failed: Usage of ngrok requires a verified account and authtoken.")
if run.get("bad_token"):
    text = "The authtoken you specified does not look like a proper ngrok tunnel authtoken."
    die(105, f"authentication failed: {text}\\r\\nYour authtoken: {token}")
if run.get("taken"):
    die(334, f"failed to start tunnel: The endpoint '{options.get('--url')}' is already online.")
if "exit" in run:
    print("ngrok: something broke", file=sys.stderr)
    sys.exit(run["exit"])
if run.get("mute"):
    wait_for("never")
if "slow_until" in run:
    wait_for(run["slow_until"])
say(lvl="info", msg="starting web service", obj="web", addr="127.0.0.1:4040", allow_hosts=[])
say(lvl="info", msg="client session established", obj="tunnels.session")
url = run.get("url") or options.get("--url", "https://abcd-1234.ngrok-free.app")
say(lvl="info", msg="started tunnel", obj="tunnels", name="command_line", addr=sys.argv[2], url=url)
if "session_lost" in run:
    wait_for(run["session_lost"])
    say(lvl="eror", msg="session closed, starting reconnect loop", err="read: connection reset")
    wait_for(run["session_found"])
    say(lvl="info", msg="client session established", obj="tunnels.session")
wait_for(f"end-{number + 1}")
print("ERROR:  the tunnel session ended", file=sys.stderr)
print(f"panic: token {token} and more", file=sys.stderr)
sys.exit(9)
"""

TAILSCALE = """
import json, os, sys, time
from pathlib import Path

here = Path(__file__).parent
file = here / "tailscale.json"
state = json.loads(file.read_text())
args = sys.argv[1:]
with (here / "tailscale.runs").open("a") as out:
    json.dump(args, out)
    out.write("\\n")


def fail(text, code=1):
    print(text, file=sys.stderr)
    sys.exit(code)


def save():
    (here / "tailscale.new").write_text(json.dumps(state))
    os.replace(here / "tailscale.new", file)


if state.get("hang"):
    time.sleep(600)
if state.get("down"):
    fail("failed to connect to local tailscaled; it doesn't appear to be running "
         "(sudo systemctl start tailscaled ?)")
dns = state["dns"].rstrip(".")
if args == ["status", "--json"]:
    print("Warning: client version differs from tailscaled server version", file=sys.stderr)
    if "status_text" in state:
        print(state["status_text"])
    else:
        own = {"ID": "nTest1CNTRL", "DNSName": state["dns"], "TailscaleIPs": ["100.101.102.103"]}
        shown = {"Version": "1.90.6", "BackendState": state["backend"], "Self": own, "Peer": None}
        print(json.dumps(shown, indent=None if state.get("compact") else 2))
    sys.exit(0)
if args == ["serve", "status", "--json"]:
    if state.get("no_routes_json"):
        print("No serve config")
        sys.exit(0)
    web = {
        place: {"Handlers": {path: {"Proxy": to} for path, to in routes.items()}}
        for place, routes in state["routes"].items()
    }
    print(json.dumps({"TCP": {}, "Web": web, "AllowFunnel": state["funnel"]}) if web else "null")
    sys.exit(0)
mode, rest, flags = args[0], [], {}
words = iter(args[1:])
for word in words:
    name, _, value = word.partition("=")
    if name in ("--bg", "--yes"):
        flags[name] = True
    elif name in ("--https", "--set-path"):
        flags[name] = value or next(words)
    else:
        rest.append(word)
assert mode in ("serve", "funnel") and len(rest) == 1, args
if state.get("denied"):
    fail("error: Access denied: serve config denied\\n\\nUse 'sudo tailscale " + " ".join(args)
         + "' .\\nTo not require root, use 'sudo tailscale set --operator=$USER' once.")
place = f"{dns}:{flags['--https']}"
off = rest == ["off"]
refused = state.get("not_enabled") == mode
if refused and (mode == "funnel" or not off):
    print(f"\\n{mode.title()} is not enabled on your tailnet.\\nTo enable, visit:", flush=True)
    print(f"\\n         https://login.tailscale.com/f/{mode}?node=nTest1CNTRL\\n", flush=True)
    if state.get("waits_for_enable"):
        time.sleep(600)
    sys.exit(0)
if state.get("conflicts"):
    state["conflicts"] -= 1
    save()
    fail("Another client is changing the serve config; please try again.\\netag mismatch")
if not off and place in state.get("tcp", ()):
    fail('want to serve "https" but port is already serving "tcp" for "machine"')
routes = state["routes"].setdefault(place, {})
path = flags["--set-path"]
if off:
    if path not in routes:
        fail("error: failed to remove web serve: handler does not exist\\n\\n"
             f"try `tailscale {mode} --help` for usage info")
    del routes[path]
    if not routes:
        del state["routes"][place]
        state["funnel"].pop(place, None)
else:
    assert flags.keys() >= {"--bg", "--yes"}, args
    if not state.get("forgets"):
        routes[path] = rest[0]
    if mode == "funnel":
        state["funnel"][place] = True
    else:
        state["funnel"].pop(place, None)
    print(f"Available on the internet:\\n\\nhttps://{dns}{path}\\n|-- proxy {rest[0]}")
if not state["routes"].get(place, True):
    del state["routes"][place]
save()
"""


class FakePrograms:
    """A folder with the two programs; `path` is what PATH is to be."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def path(self) -> str:
        return f"{self.folder}:/usr/bin:/bin"

    def ngrok(self, *runs: dict[str, object]) -> None:
        """What the first run does, the second, ...; the last also stands for all that follow."""
        (self.folder / "ngrok.json").write_text(json.dumps(runs or ({},)), encoding="utf-8")
        self._install("ngrok", NGROK)

    def tailscale(self, **changes: object) -> None:
        """A machine that is signed in and may do everything, but for these changes."""
        state: dict[str, object] = {
            "backend": "Running",
            "dns": "box.tail1234.ts.net.",
            "routes": {},
            "funnel": {},
            **changes,
        }
        (self.folder / "tailscale.json").write_text(json.dumps(state), encoding="utf-8")
        self._install("tailscale", TAILSCALE)

    def alter(self, **changes: object) -> None:
        """Change Tailscale while it runs."""
        state = self._state() | changes
        new = self.folder / "tailscale.altered"
        new.write_text(json.dumps(state), encoding="utf-8")
        new.replace(self.folder / "tailscale.json")

    def signal(self, name: str) -> None:
        """Let a fake that waits for this go on; `end-1` ends the first run of ngrok."""
        (self.folder / name).touch()

    @property
    def runs(self) -> list[dict[str, object]]:
        """The runs of ngrok: `argv`, `env`, `pid`."""
        return [cast("dict[str, object]", each) for each in self._lines("ngrok.runs")]

    @property
    def commands(self) -> list[list[str]]:
        """The commands that tailscale was given."""
        return [cast("list[str]", each) for each in self._lines("tailscale.runs")]

    @property
    def routes(self) -> dict[str, dict[str, str]]:
        """`host:port` to path to target."""
        return cast("dict[str, dict[str, str]]", self._state()["routes"])

    @property
    def funnel(self) -> dict[str, bool]:
        return cast("dict[str, bool]", self._state()["funnel"])

    def _state(self) -> dict[str, object]:
        text = (self.folder / "tailscale.json").read_text(encoding="utf-8")
        return cast("dict[str, object]", json.loads(text))

    def _lines(self, name: str) -> list[object]:
        file = self.folder / name
        if not file.exists():
            return []
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]

    def _install(self, name: str, source: str) -> None:
        program = self.folder / name
        program.write_text(f"#!{sys.executable} -IS\n{source}", encoding="utf-8")
        program.chmod(0o755)
