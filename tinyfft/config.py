"""The public name of tinyfft.runs.config."""

from tinyfft.runs.config import Config, ConfigError, load_config, parse_config, to_toml

__all__ = ["Config", "ConfigError", "load_config", "parse_config", "to_toml"]
