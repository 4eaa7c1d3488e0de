"""The user's signing keys, looked up when they are first needed."""

from __future__ import annotations

import os

from emberkeep.errors import StoreProblem
from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.trust.signatures import SigningKey


@final
class OwnKeys:
    """The user's signing keys, looked up when they are first needed.

    Args:
        config_dir: the folder that has them.
        names: of the keys to sign with, separated by commas.
        given: a private key from the environment, in place of a file.
    """

    def __init__(self, config_dir: str | None, names: str, given: str | None) -> None:
        self._config_dir = config_dir
        self._names = [name.strip() for name in names.split(",") if name.strip()]
        self._given = given
        self._public: set[str] = set()
        self._loaded: dict[str, tuple[object, SigningKey]] = {}
        self._paths: dict[str, str] = {}  # of the files of keys to sign with

    def __contains__(self, public: str) -> bool:
        """Whether a public key is one of the user's own; one that was retired is not."""
        if public not in self._public:
            from emberkeep.trust.signatures import load_key, own_keys

            found = [key for key in own_keys(self._config_dir) if not isinstance(key, str)]
            if self._given:
                found += [key for key in [load_key(None, "", self._given)] if key is not None]
            self._public.update(key.public for key in found)
        return public in self._public

    def to_sign(self) -> list[SigningKey]:
        """The keys to sign with: as a rule one, two while one follows the other.

        Raises:
            StoreProblem: there is none, or one cannot be used.
        """
        if self._given:
            return [self._to_sign("the environment")]
        # One that was taken back has gone from among several; one that never was is a mistake.
        left = [name for name in self._names if not self._is_retired(name)]
        return [self._to_sign(name) for name in left or self._names]

    def _is_retired(self, name: str) -> bool:
        from emberkeep.trust.signatures import RETIRED, SUFFIX, key_path

        if self._config_dir is None or len(self._names) == 1:
            return False
        path = key_path(self._config_dir, name)
        return os.path.exists(path.removesuffix(SUFFIX) + RETIRED) and not os.path.exists(path)

    def _to_sign(self, name: str) -> SigningKey:
        from emberkeep.trust.signatures import key_path, load_key

        version = None
        if not self._given and self._config_dir is not None:
            path = self._paths.get(name)
            if path is None:
                path = self._paths[name] = key_path(self._config_dir, name)
            try:
                facts = os.stat(path)
                version = (facts.st_ino, facts.st_mtime_ns)
            except OSError:
                pass  # loading it says what is wrong
        if name not in self._loaded or self._loaded[name][0] != version:
            key = load_key(self._config_dir, name, self._given)
            if key is None:
                raise StoreProblem(
                    f"There is no key {name!r} to sign with, and nothing unsigned is shared. "
                    "Make one: emberkeep key generate"
                )
            self._loaded[name] = (version, key)
        return self._loaded[name][1]
