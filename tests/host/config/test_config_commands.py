import json
from collections.abc import Sequence

import pytest
from click.testing import CliRunner, Result

from openclaw.cli.config_commands import PluginProblems, config_group
from openclaw.config.load import LoadedConfig
from openclaw.config.problem import ConfigProblem
from tests.host.config.conftest import Home

FILE = """{
  // kept by hand
  gateway: { port: 4000, auth: { token: "hunter2" }, bind: "lan" },
  agents: { list: [ { id: "a" } ] },
  plugins: { entries: { "voice-call": { enabled: true, config: { fromNumber: "+15550001234" } } } },
}"""


def no_problems(loaded: LoadedConfig) -> Sequence[ConfigProblem]:
    return ()


def wrong_carrier(loaded: LoadedConfig) -> Sequence[ConfigProblem]:
    path = "plugins.entries.voice-call.config.provider"
    return [
        ConfigProblem(path, "not one of the allowed values:", "twillio", ("twilio", "mock")),
        ConfigProblem("plugins.entries.old", "plugin not found: old", severity="warning"),
    ]


def run(home: Home, *arguments: str, check: PluginProblems = no_problems) -> Result:
    return CliRunner().invoke(config_group(check), arguments, env=home.env)


def test_file_prints_the_path(home: Home):
    assert run(home, "file").stdout == f"{home.state_dir}/openclaw.json\n"


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("gateway.port", "4000"),
        ("gateway.bind", "lan"),
        ("agents.list[0].id", "a"),
        ('plugins.entries["voice-call"].enabled', "true"),
        ("plugins.entries.voice-call.config.fromNumber", "+15550001234"),
        ("gateway.auth.token", "__OPENCLAW_REDACTED__"),
        ("gateway.auth", '{\n  "token": "__OPENCLAW_REDACTED__"\n}'),
    ],
)
def test_get_prints_scalars_bare_objects_as_json_and_no_secrets(home: Home, path: str, shown: str):
    home.write(FILE)
    result = run(home, "get", path)
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{shown}\n", "")


def test_get_of_an_absent_path(home: Home):
    home.write(FILE)
    result = run(home, "get", "gateway.tls")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Config path not found: gateway.tls\n"


def test_get_of_a_malformed_path_or_file(home: Home):
    home.write(FILE)
    result = run(home, "get", "gateway..x")
    assert result.exit_code == 1
    assert "gateway..x" in result.stderr
    home.write("{")
    result = run(home, "get", "gateway")
    assert result.exit_code == 1
    assert "<root>: JSON5 parse failed: unclosed object at 1:1" in result.stderr


def test_validate_a_good_file(home: Home):
    path = home.write(FILE)
    result = run(home, "validate")
    assert (result.exit_code, result.stdout) == (0, f"Config valid: {path}\n")
    as_json = run(home, "validate", "--json")
    assert json.loads(as_json.stdout) == {
        "valid": True,
        "path": str(path),
        "issues": [],
        "warnings": [],
    }


def test_validate_without_a_file(home: Home):
    result = run(home, "validate")
    assert result.exit_code == 0
    assert result.stderr == "There is no such file; defaults apply.\n"


def test_validate_names_each_problem_of_host_and_plugins(home: Home):
    path = home.write("{gateway: {port: 'x', auth: {token: 'hunter2'}}}")
    result = run(home, "validate", check=wrong_carrier)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        f"Config invalid at {path}:",
        '  x gateway.port: Invalid input: expected integer, received string "x"',
        (
            "  x plugins.entries.voice-call.config.provider: not one of the allowed values:"
            ' "twillio" (allowed: "twilio", "mock")'
        ),
        "  ! plugins.entries.old: plugin not found: old",
    ]


def test_validate_as_json(home: Home):
    path = home.write("{gateway: {prot: 1}}")
    result = run(home, "validate", "--json", check=wrong_carrier)
    assert result.exit_code == 1
    assert result.stderr == ""
    answer = json.loads(result.stdout)
    assert (answer["valid"], answer["path"]) == (False, str(path))
    assert answer["issues"][0] == {
        "path": "gateway.prot",
        "message": 'Unrecognized key: "prot"; did you mean "port"?',
    }
    assert [each["path"] for each in answer["warnings"]] == ["plugins.entries.old"]


def test_validate_knows_the_rules_of_the_gateway(home: Home):
    home.write("{gateway: {bind: 'lan', auth: {mode: 'none'}}}")
    result = run(home, "validate")
    assert result.exit_code == 1
    assert "Refusing to bind gateway to lan without auth" in result.stderr


def test_validate_knows_what_the_agents_need(home: Home):
    home.write("{models: {providers: {scripted: {rulse: []}}}, agents: {defaults: 3}}")
    result = run(home, "validate")
    assert result.exit_code == 1
    assert result.stderr.count("agents.defaults") == 1
    assert "  x models.providers.scripted.rulse: " in result.stderr


def test_a_missing_variable_that_is_needed_is_said_once(home: Home):
    home.write("{gateway: {auth: {token: '${GONE}'}}, logging: {file: '${LOST}'}}")
    result = run(home, "validate")
    assert result.stderr.count("GONE is not set") == 1
    assert "  ! logging.file: environment variable LOST is not set" in result.stderr


def test_a_file_that_cannot_be_read_at_all_is_invalid(home: Home):
    home.write("{")
    result = run(home, "validate", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["issues"] == [
        {"path": "<root>", "message": "JSON5 parse failed: unclosed object at 1:1"}
    ]


def test_set_changes_the_value_and_keeps_the_rest(home: Home):
    path = home.write(FILE)
    result = run(home, "set", "gateway.port", "5000")
    assert result.stdout == "Updated gateway.port. Restart the gateway to apply.\n"
    assert path.read_text() == FILE.replace("4000", "5000")
    assert path.with_name("openclaw.json.bak").read_text() == FILE
    assert {each.stat().st_mode & 0o777 for each in home.state_dir.glob("openclaw.json*")} == {
        0o600
    }
    assert sorted(each.name for each in home.state_dir.iterdir()) == [
        "openclaw.json",
        "openclaw.json.bak",
    ]


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("+15550001234", "+15550001234"),
        ("15", 15),
        ("true", True),
        ("{a: [1]}", {"a": [1]}),
        ("plain words", "plain words"),
        ("${TOKEN}", "${TOKEN}"),
    ],
)
def test_set_reads_json5_else_text_and_numbers_with_a_plus_as_text(
    home: Home, value: str, stored: object
):
    result = run(home, "set", "plugins.entries.voice-call.config.x", value)
    assert result.exit_code == 0
    entry = home.load().config.plugins.entries["voice-call"]
    assert entry.config == {"x": stored}


def test_set_does_not_write_what_the_gateway_would_refuse(home: Home):
    path = home.write(FILE)
    result = run(home, "set", "gateway.port", "high")
    assert result.exit_code == 1
    assert 'gateway.port: Invalid input: expected integer, received string "high"' in result.stderr
    assert path.read_text() == FILE
    assert [each.name for each in home.state_dir.iterdir()] == ["openclaw.json"]


def test_set_can_repair_one_of_several_problems(home: Home):
    path = home.write("{gateway: {port: 'x', bind: 'moon'}}")
    assert run(home, "set", "gateway.port", "4000").exit_code == 0
    assert path.read_text() == "{gateway: {port: 4000, bind: 'moon'}}"


def test_set_strictly(home: Home):
    result = run(home, "set", "--strict-json", "gateway.bind", "lan")
    assert result.exit_code == 1
    assert "the value is not JSON" in result.stderr


def test_unset(home: Home):
    path = home.write(FILE)
    result = run(home, "unset", "gateway.bind")
    assert result.stdout == "Removed gateway.bind. Restart the gateway to apply.\n"
    assert "bind" not in path.read_text()
    again = run(home, "unset", "gateway.bind")
    assert (again.exit_code, again.stderr) == (1, "Config path not found: gateway.bind\n")
