import os
from pathlib import Path

import pytest

from openclaw.config.include import MAX_DEPTH
from tests.host.config.conftest import Home


def test_an_included_file_takes_the_place_of_the_object(home: Home):
    home.write('{gateway: {$include: "./parts/gateway.json5"}}')
    home.write("{port: 4000, bind: 'lan'}", "parts/gateway.json5")
    assert home.load().config.gateway.port == 4000


def test_keys_beside_the_include_win_and_includes_are_relative_to_their_file(home: Home):
    home.write('{gateway: {$include: "parts/a.json5", port: 5000}}')
    home.write('{$include: "./b.json5", auth: {mode: "token"}}', "parts/a.json5")
    home.write('{port: 4000, auth: {mode: "none", token: "t"}}', "parts/b.json5")
    gateway = home.load().config.gateway
    assert (gateway.port, gateway.auth.mode) == (5000, "token")
    assert home.load().access.token == "t"


def test_a_list_of_files_is_merged_in_order(home: Home):
    home.write('{plugins: {$include: ["./a.json5", "./b.json5"]}}')
    home.write('{allow: ["one"], enabled: false}', "a.json5")
    home.write('{allow: ["two"], enabled: true}', "b.json5")
    plugins = home.load().config.plugins
    assert (plugins.allow, plugins.enabled) == (("one", "two"), True)


def test_substitution_reaches_included_files(home: Home):
    home.write('{gateway: {auth: {$include: "./auth.json5"}}}')
    home.write('{token: "${TOK}"}', "auth.json5")
    assert home.with_env(TOK="abc").load().access.token == "abc"


@pytest.mark.parametrize("name", ["../secret.json5", "/etc/hostname", "parts/../../secret.json5"])
def test_an_include_cannot_leave_the_configuration_folder(home: Home, name: str):
    home.write(f'{{gateway: {{$include: "{name}"}}}}')
    (home.root / "secret.json5").write_text("{port: 1}")
    (line,) = home.lines()
    assert line.startswith(f"gateway: Include path escapes config directory: {name}")


def test_a_symbolic_link_is_no_way_out(home: Home):
    home.write('{gateway: {$include: "./link.json5"}}')
    outside = home.root / "secret.json5"
    outside.write_text("{port: 1}")
    os.symlink(outside, home.state_dir / "link.json5")
    (line,) = home.lines()
    assert "Include path escapes config directory: ./link.json5" in line


def test_a_missing_file_is_named_as_written_and_as_found(home: Home):
    home.write('{agents: {list: [{$include: "./x.json5"}]}}')
    (line,) = home.lines()
    resolved = home.state_dir.resolve() / "x.json5"
    assert line == (
        f"agents.list[0]: Failed to read include file: ./x.json5 (resolved: {resolved}): "
        "No such file or directory"
    )


def test_a_malformed_file_is_named_with_line_and_column(home: Home):
    home.write('{gateway: {$include: "./x.json5"}}')
    home.write("{port:\n}", "x.json5")
    (line,) = home.lines()
    assert "Failed to parse include file: ./x.json5" in line
    assert line.endswith("expected a value, found '}' at 2:1")


def test_a_circle_is_refused(home: Home):
    home.write('{gateway: {$include: "./a.json5"}}')
    home.write('{$include: "./b.json5"}', "a.json5")
    home.write('{$include: "./a.json5"}', "b.json5")
    assert home.lines() == [
        "gateway: Circular include detected: openclaw.json -> a.json5 -> b.json5 -> a.json5"
    ]


def _chain(home: Home, length: int) -> Path:
    for number in range(1, length):
        home.write(f'{{$include: "./{number + 1}.json5"}}', f"{number}.json5")
    home.write("{port: 4000}", f"{length}.json5")
    return home.write('{gateway: {$include: "./1.json5"}}')


def test_ten_levels_are_allowed_and_eleven_are_not(home: Home):
    _chain(home, MAX_DEPTH)
    assert home.load().config.gateway.port == 4000
    _chain(home, MAX_DEPTH + 1)
    assert home.lines() == ["gateway: includes are nested more than 10 deep at ./11.json5"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{gateway: {$include: 5}}", "gateway: $include must be a string or an array of strings"),
        (
            '{gateway: {$include: "./list.json5", port: 1}}',
            "gateway: an included file must hold an object when keys stand beside $include",
        ),
    ],
)
def test_wrong_includes(home: Home, text: str, message: str):
    home.write("[1]", "list.json5")
    home.write(text)
    assert home.lines() == [message]
