from pathlib import Path

import pytest

from openclaw.config.paths import config_path, default_port, expand, state_dir
from openclaw.errors import ConfigError


def test_the_default_place_is_in_the_home_folder():
    env = {"HOME": "/home/u"}
    assert state_dir(env) == Path("/home/u/.openclaw")
    assert config_path(env) == Path("/home/u/.openclaw/openclaw.json")
    assert default_port(env) == 18789


def test_openclaw_home_wins_over_home():
    env = {"HOME": "/home/u", "OPENCLAW_HOME": "/srv/claw"}
    assert state_dir(env) == Path("/srv/claw/.openclaw")


def test_the_file_follows_the_state_folder_unless_it_is_named_itself():
    env = {"HOME": "/home/u", "OPENCLAW_STATE_DIR": "/var/claw"}
    assert config_path(env) == Path("/var/claw/openclaw.json")
    env["OPENCLAW_CONFIG_PATH"] = "/etc/claw.json5"
    assert config_path(env) == Path("/etc/claw.json5")
    assert state_dir(env) == Path("/var/claw")


def test_a_tilde_means_the_home_of_this_environment():
    env = {"HOME": "/home/u", "OPENCLAW_CONFIG_PATH": "~/c.json"}
    assert config_path(env) == Path("/home/u/c.json")
    assert expand("~", env) == Path("/home/u")
    assert expand("~other/x", env) == Path("~other/x")


@pytest.mark.parametrize("env", [{}, {"OPENCLAW_PROFILE": "dev"}])
def test_a_profile_has_its_own_folder_and_dev_its_own_port(env: dict[str, str]):
    env = {"HOME": "/home/u", **env}
    assert state_dir(env, "dev") == Path("/home/u/.openclaw-dev")
    assert default_port(env, "dev") == 19001
    assert state_dir(env, "work") == Path("/home/u/.openclaw-work")
    assert default_port(env, "work") == 18789
    assert state_dir(env, "default") == Path("/home/u/.openclaw")


def test_a_profile_cannot_leave_the_home_folder():
    with pytest.raises(ConfigError, match=r'--profile: expected letters.* "\.\./\.\./etc"'):
        state_dir({"HOME": "/home/u"}, "../../etc")
