import hashlib

import pytest

from openclaw.config.load import LoadedConfig
from tests.host.config.conftest import Home


def test_without_a_file_the_defaults_hold(home: Home):
    loaded = home.load()
    assert not loaded.exists
    assert loaded.path == home.state_dir / "openclaw.json"
    assert (loaded.config.gateway.port, loaded.config.gateway.bind) == (18789, "loopback")
    assert loaded.config.gateway.mode == "local"
    assert (loaded.hash, loaded.warnings) == ("", ())


def test_what_the_file_says_is_typed(home: Home):
    text = """{
      gateway: { port: 4000, bind: "custom", customBindHost: "10.1.1.1",
                 trustedProxies: ["10.0.0.0/8"],
                 controlUi: { allowedOrigins: ["*"], basePath: "/x" } },
      agents: { defaults: { model: "openai/gpt-4o-mini", timeoutSeconds: 30 },
                list: [ { id: "a" }, { id: "b", default: true,
                          model: { primary: "x/y", fallbacks: ["z/w"] } } ] },
      models: { providers: { openai: { baseUrl: "http://127.0.0.1:9/v1", apiKey: "sk" } } },
      session: { scope: "global" }, logging: { level: "debug" },
    }"""
    home.write(text)
    loaded = home.load()
    config = loaded.config
    assert config.gateway.custom_bind_host == "10.1.1.1"
    assert config.agents.default_id() == "b"
    assert config.agents.model("b").fallbacks == ("z/w",)
    assert config.agents.model("a").primary == "openai/gpt-4o-mini"
    assert config.models.providers["openai"].base_url == "http://127.0.0.1:9/v1"
    assert (config.session.scope, config.logging.level) == ("global", "debug")
    assert loaded.hash == hashlib.sha256(text.encode()).hexdigest()


def test_newer_files_list_agents_by_id(home: Home):
    home.write("{agents: {entries: {main: {}, phone: {default: true, model: 'a/b'}}}}")
    agents = home.load().config.agents
    assert (agents.default_id(), agents.model("phone").primary) == ("phone", "a/b")
    assert agents.model("main").primary is None


def test_the_sections_of_other_hosts_are_left_alone(home: Home):
    home.write(
        "{$schema: 'x', meta: {lastTouchedAt: 1}, channels: {telegram: {botToken: '${NOT_SET}'}},"
        " wizard: 5, session: {dmScope: 'main'}, gateway: {tailscale: {mode: 'off'}, nodes: {}},"
        " agents: {defaults: {compaction: {mode: 'safeguard'}}}, logging: {redactSensitive: 'off'}}"
    )
    loaded = home.load()
    assert loaded.warnings == ()
    assert loaded.parsed["wizard"] == 5
    assert loaded.resolved["channels"] == {"telegram": {"botToken": "${NOT_SET}"}}


@pytest.mark.scenario("F78")
@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{gateway: {prot: 1}}", 'gateway.prot: Unrecognized key: "prot"; did you mean "port"?'),
        ("{gateway: {zzz: 1}}", 'gateway.zzz: Unrecognized key: "zzz"'),
        (
            "{gateway: {auth: {Token: 'x'}}}",
            'gateway.auth.Token: Unrecognized key: "Token"; did you mean "token"?',
        ),
        (
            "{plugins: {entries: {x: {enable: true}}}}",
            'plugins.entries.x.enable: Unrecognized key: "enable"; did you mean "enabled"?',
        ),
        (
            "{messages: {tts: {providr: 'openai'}}}",
            'messages.tts.providr: Unrecognized key: "providr"; did you mean "provider"?',
        ),
        (
            "{tts: {providers: {elevenlabs: {voiceSettings: {stabilty: 1}}}}}",
            (
                "tts.providers.elevenlabs.voiceSettings.stabilty:"
                ' Unrecognized key: "stabilty"; did you mean "stability"?'
            ),
        ),
    ],
)
def test_an_unknown_key_of_ours_is_named_with_its_path_and_what_was_meant(
    home: Home, text: str, line: str
):
    home.write(text)
    assert home.lines() == [line]


def test_a_likely_slip_in_a_shared_section_is_a_warning(home: Home):
    home.write(
        "{agents: {defaults: {timeoutSecond: 5}, list: [{id: 'a', modle: 'x'}]}, gatway: {}}"
    )
    assert sorted(each.render() for each in home.load().warnings) == [
        (
            'agents.defaults.timeoutSecond: Unrecognized key: "timeoutSecond";'
            ' did you mean "timeoutSeconds"?'
        ),
        'agents.list[0].modle: Unrecognized key: "modle"; did you mean "model"?',
        'gatway: Unrecognized key: "gatway"; did you mean "gateway"?',
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "{gateway: {port: '18789'}}",
            'gateway.port: Invalid input: expected integer, received string "18789"',
        ),
        ("{gateway: {port: 70000}}", "gateway.port: must be <= 65535, received 70000"),
        (
            "{gateway: {port: true}}",
            "gateway.port: Invalid input: expected integer, received boolean true",
        ),
        ("{gateway: []}", "gateway: Invalid input: expected object, received array"),
        ("{gateway: null}", "gateway: Invalid input: expected object, received null"),
        (
            "{gateway: {bind: 'lann'}}",
            (
                'gateway.bind: Invalid input: not one of the allowed values: "lann"'
                ' (allowed: "loopback", "lan", "tailnet", "auto", "custom")'
            ),
        ),
        (
            "{gateway: {trustedProxies: ['10.0.0.0/8', 'nonsense']}}",
            (
                "gateway.trustedProxies[1]: Invalid input:"
                ' expected an IP address or a network such as 10.0.0.0/8, received "nonsense"'
            ),
        ),
        (
            "{gateway: {remote: {url: 'http://x'}}}",
            (
                "gateway.remote.url: Invalid input:"
                ' expected a URL that begins with ws:// or wss://, received "http://x"'
            ),
        ),
        (
            "{plugins: {allow: 'a'}}",
            "plugins.allow: Invalid input: expected array, received string",
        ),
        (
            "{plugins: {entries: {x: {config: 'y'}}}}",
            "plugins.entries.x.config: Invalid input: expected object, received string",
        ),
        (
            "{agents: {defaults: {model: 5}}}",
            "agents.defaults.model: Invalid input: expected object, received integer",
        ),
        (
            "{messages: {tts: {openai: {speed: 9}}}}",
            "messages.tts.openai.speed: must be <= 4.0, received 9",
        ),
        ("{models: {providers: {p: {models: [{}]}}}}", "models.providers.p.models[0].id: Required"),
        ("{agents: {list: [{id: ''}]}}", "agents.list[0].id: must not be empty"),
        ("[]", "<root>: the configuration must be an object, like {gateway: {}}"),
        ("{gateway: {port: }}", "<root>: JSON5 parse failed: expected a value, found '}' at 1:18"),
    ],
)
def test_a_wrong_value_is_named_with_path_value_and_what_is_allowed(
    home: Home, text: str, line: str
):
    home.write(text)
    assert home.lines() == [line]


def test_all_problems_are_told_at_once(home: Home):
    home.write("{gateway: {port: 'x', bind: 'y', bogus: 1}, session: {scope: 'z'}}")
    assert {each.path for each in home.problems()} == {
        "gateway.port",
        "gateway.bind",
        "gateway.bogus",
        "session.scope",
    }


def test_an_inspected_file_shows_its_problems_its_content_and_its_valid_sections(home: Home):
    home.write("{gateway: {port: 'x', bind: 'lan'}, plugins: {deny: ['a']}}")
    loaded = home.inspect()
    assert [each.path for each in loaded.problems] == ["gateway.port"]
    assert loaded.parsed["gateway"] == {"port": "x", "bind": "lan"}
    assert loaded.config.plugins.deny == ("a",)
    assert loaded.config.gateway.bind == "loopback"


def test_port_flag_over_environment_over_file(home: Home):
    home.write("{gateway: {port: 4000}}")
    assert home.load().config.gateway.port == 4000
    home = home.with_env(OPENCLAW_GATEWAY_PORT="5000")
    assert home.load().config.gateway.port == 5000
    assert home.load({"gateway.port": 6000}).config.gateway.port == 6000
    home = home.with_env(OPENCLAW_GATEWAY_PORT="0")
    assert home.lines() == ['OPENCLAW_GATEWAY_PORT: expected a port from 1 to 65535, received "0"']


def test_a_value_from_the_command_line_is_checked_like_one_of_the_file(home: Home):
    home.write("{}")
    assert home.load({"gateway.bind": "lan"}).config.gateway.bind == "lan"
    with pytest.raises(Exception, match=r'gateway\.bind: .* "moon"'):
        home.load({"gateway.bind": "moon"})


def _token(home: Home) -> str | None:
    return home.load().access.token


def test_variables_process_then_working_directory_then_state_folder_then_file(home: Home):
    home.write('{gateway: {auth: {token: "${TOK}"}}, env: {TOK: "inline", vars: {TOK: "vars"}}}')
    assert _token(home) == "vars"
    home.write("TOK=state", ".env")
    assert _token(home) == "state"
    (home.cwd / ".env").write_text("TOK=cwd")
    assert _token(home) == "cwd"
    assert _token(home.with_env(TOK="process")) == "process"


def test_a_missing_variable_is_a_warning_and_its_value_counts_as_missing(home: Home):
    home.write('{gateway: {auth: {token: "${NOPE}"}}, logging: {file: "${ALSO}/x"}}')
    loaded = home.load()
    assert [each.path for each in loaded.warnings] == ["gateway.auth.token", "logging.file"]
    assert loaded.access.token is None
    assert loaded.config.logging.file == "${ALSO}/x"


def test_the_file_wins_over_the_environment_for_secrets(home: Home):
    home = home.with_env(OPENCLAW_GATEWAY_TOKEN="env")
    assert _token(home) == "env"
    home.write("{gateway: {auth: {token: 'file'}}}")
    assert _token(home) == "file"


def test_a_plugin_block_is_passed_on_as_it_is(home: Home):
    home.write(
        '{plugins: {entries: {"voice-call": {enabled: true, config:'
        ' {anything: ["${X}", 1], fromNumber: "${GONE}"}}}}}'
    )
    loaded = home.with_env(X="x").load()
    assert loaded.plugin_config("voice-call") == {"anything": ["x", 1], "fromNumber": "${GONE}"}
    assert loaded.plugin_config("other") == {}
    (missing,) = loaded.unresolved("plugins.entries.voice-call.config")
    assert missing.path == "plugins.entries.voice-call.config.fromNumber"
    assert loaded.unresolved("plugins.entries.voice") == ()


def _speech(loaded: LoadedConfig) -> tuple[object, ...]:
    speech = loaded.speech
    providers = speech.providers
    assert providers is not None
    assert providers.openai is not None
    return speech.provider, providers.openai.voice, providers.openai.model


def test_both_shapes_of_speech_are_read_and_the_newer_one_wins(home: Home):
    home.write("{messages: {tts: {provider: 'openai', openai: {voice: 'alloy', model: 'm'}}}}")
    assert _speech(home.load()) == ("openai", "alloy", "m")
    home.write(
        "{messages: {tts: {provider: 'edge', openai: {voice: 'alloy', model: 'm'}}},"
        " tts: {provider: 'openai', providers: {openai: {voice: 'nova'}, google: {apiKey: 'g'}}}}"
    )
    assert _speech(home.load()) == ("openai", "nova", "m")


def test_a_file_that_is_not_text_is_refused(home: Home):
    home.write("").write_bytes(b"{a: '\xff'}")
    (line,) = home.lines()
    assert line.endswith("openclaw.json is not UTF-8 at byte 5")


def test_a_file_beyond_all_measure_is_refused(home: Home):
    home.write(" " * (2 * 1024 * 1024 + 1))
    (line,) = home.lines()
    assert line.endswith("larger than 2097152 bytes")
