"""What counts of the text-to-speech settings that stand in several places and shapes. Pure."""

from collections.abc import Mapping
from typing import Final

from openclaw.config.model_tts import newer_shape
from openclaw.config.tree import Tree, deep_merge, is_tree, subtree

NEWER_NAMES: Final[Mapping[str, Mapping[str, str]]] = {
    "openai": {"voice": "speakerVoice"},
    "elevenlabs": {"voiceId": "speakerVoiceId"},
}
"""By vendor: keys that were renamed, so that one value may stand under two names."""


def host_tts_settings(host_config: Tree, *over: Tree) -> Tree:
    """The host's settings with a plugin's blocks over them, raw and in the newer shape.

    From below: `messages.tts`, the top-level `tts`, the chosen persona's voice, then `over` in its
    order. Objects are merged key by key; any other value replaces the one below, also when it is
    zero, false, empty or null. Within one block the newer shape wins over the older one; across
    blocks the order alone decides, whichever shape and names each of them uses.
    """
    host = _merged(subtree(host_config, "messages", "tts"), subtree(host_config, "tts"))
    all_layers = _merged(host, *over)
    persona = all_layers.get("persona")
    voice = subtree(all_layers, "personas", persona if isinstance(persona, str) else "")
    wanted = {key: voice[key] for key in ("provider", "providers") if key in voice}
    return _merged(host, wanted, *over)


def _merged(*layers: Tree) -> Tree:
    merged: object = {}
    for layer in layers:
        merged = deep_merge(merged, _with_newer_names(newer_shape(layer)))
    assert is_tree(merged)
    return merged


def _with_newer_names(block: Tree) -> Tree:
    providers = block.get("providers")
    if not is_tree(providers):
        return block
    return {
        **block,
        "providers": {
            vendor: _renamed(settings, NEWER_NAMES.get(vendor, {}))
            if is_tree(settings)
            else settings
            for vendor, settings in providers.items()
        },
    }


def _renamed(settings: Tree, names: Mapping[str, str]) -> Tree:
    renamed = {names.get(key, key): value for key, value in settings.items()}
    # Where a block has both names, the newer one wins, wherever it stands.
    return {**renamed, **{key: settings[key] for key in names.values() if key in settings}}
