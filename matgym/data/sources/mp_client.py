"""mp-api, the client of Materials Project, with bounds and without noise.

mp-api writes the requests and reads the answers. matgym's `Client` sends them, because mp-api sets no bounds: it asks
for the heartbeat without a timeout, waits for as long as Retry-After says, does not repeat an answer that breaks off,
and writes addresses into its errors. The models of emmet are not used, because they reject a document when server and
client are of different releases.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from io import BytesIO
from typing import Any, Final, Literal, TypeAlias, TypeVar
from warnings import catch_warnings, simplefilter

from matgym.data.sources.http import Client, redacted
from matgym.data.sources.properties import at
from matgym.errors import FetchError, MatgymError, MissingExtraError

NAME: Final = "Materials Project"
ENDPOINT: Final = "https://api.materialsproject.org"
PAGES: Final = "https://next-gen.materialsproject.org"

KEYS: Final = ("MP_API_KEY", "PMG_MAPI_KEY")
"""Environment variables that may hold the key; the first that is set counts."""

KEY_LENGTH: Final = 32

GNOME: Final = "gnome_r2scan_statics"
"""Name that Materials Project gives to the calculations of GNoME, which have a licence of their own."""

Collection: TypeAlias = Literal["summary", "thermo"]
"""A collection of documents: materials, or their energies in each mixing scheme."""

_Result = TypeVar("_Result")


@dataclass
class MpApi:
    """mp-api for one server. The key comes from the environment.

    Attributes:
        url: address of the interface, without a slash at the end.
        client: what sends the requests; the key is added.
    """

    url: str
    client: Client = field(default_factory=lambda: Client(NAME))

    @cached_property
    def heartbeat(self) -> tuple[str, list[str]]:
        """Release of the data, and names of the calculations that are restricted. It needs neither key nor mp-api.

        Raises:
            FetchError: if the server cannot be asked.
        """
        answer = self.client.get(f"{self.url}/heartbeat")
        release, restricted = at(answer, "db_version"), at(answer, "access_controlled_batch_ids")
        if not isinstance(release, str):
            raise FetchError(
                f"{NAME} names no release of its data: {self.url} is not its address, or it has changed its schema"
            )
        return release, restricted if isinstance(restricted, list) else []

    def count(self, conditions: Mapping[str, Any]) -> int:
        """Return the number of materials that meet the conditions of a search.

        Raises:
            FetchError: if the server cannot be asked.
        """
        criteria = _criteria(conditions)
        return int(self._asked(lambda: self._rester("summary").count(criteria)))

    def search(
        self, collection: Collection, fields: Sequence[str], rows: int, **conditions: Any
    ) -> list[dict[str, Any]]:
        """Return one answer to a search; each row has the text `material_id`.

        Args:
            collection: what is searched.
            fields: fields of a row.
            rows: most rows.
            **conditions: further arguments of mp-api's `search`.

        Raises:
            FetchError: if the server cannot be asked.
        """
        # Without `num_chunks`, mp-api may download a whole collection from another host.
        options = {**conditions, "fields": list(fields), "chunk_size": rows, "num_chunks": 1}
        found = self._asked(lambda: self._rester(collection).search(**options))
        if not isinstance(found, list) or not all(isinstance(at(row, "material_id"), str) for row in found):
            raise FetchError(f"{NAME} answers with rows without material_id: it has changed its schema")
        return found

    def fields(self, collection: Collection) -> list[str]:
        """Return the names of the fields of a collection."""
        return sorted(self._rester(collection).available_fields)

    def _rester(self, collection: Collection) -> Any:
        """Return mp-api's client of a collection."""
        if collection not in self._resters:
            self._resters[collection] = self._asked(lambda: self._new_rester(collection))
        return self._resters[collection]

    @cached_property
    def _resters(self) -> dict[str, Any]:
        return {}

    def _new_rester(self, collection: Collection) -> Any:
        from mp_api.client.routes.materials.summary import SummaryRester
        from mp_api.client.routes.materials.thermo import ThermoRester
        from requests import Session

        key, heartbeat = key_of_environment(), self.heartbeat
        session = Session()
        carrier = _Carrier(replace(self.client, headers={**self.client.headers, "X-API-KEY": key}))
        session.mount("http://", carrier)
        session.mount("https://", carrier)
        kind = {"summary": SummaryRester, "thermo": ThermoRester}[collection]
        # mp-api would ask for the heartbeat once more, without a timeout, and would make a JSON schema of all documents
        # for each field of each request, which takes most of its time.
        names = list(kind.document_model.model_fields)
        parts = {
            "_get_heartbeat_info": staticmethod(lambda _: heartbeat),
            "available_fields": property(lambda _: names),
        }
        bounded = type(kind.__name__, (kind,), parts)
        return bounded(
            api_key=key, endpoint=f"{self.url}/", session=session, use_document_model=False, mute_progress_bars=True
        )

    @staticmethod
    def _asked(call: Callable[[], _Result]) -> _Result:
        """Return the result of a call of mp-api, without its warnings, and with one sentence for its errors."""
        key = key_of_environment()
        with catch_warnings():
            simplefilter("ignore")
            try:
                from mp_api.client import MPRestError
            except ImportError:
                raise MissingExtraError("mp-api", "mp") from None
            try:
                return call()
            except MatgymError:
                raise
            except json.JSONDecodeError as error:
                problem = (
                    f"the answer of {NAME} is not valid JSON: {error}: the address is not that of its data, or it is "
                    "out of order"
                )
            except MPRestError as error:
                problem = f"mp-api cannot ask {NAME}: {error}"
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                problem = (
                    f"mp-api cannot read the answer of {NAME} ({error!r:.80}): it may have changed its schema, so "
                    "install the newest mp-api"
                )
        raise FetchError(redacted(" ".join(problem.split()), [key]))


@dataclass(frozen=True)
class _Carrier:
    """What a session of requests sends its requests with: matgym's client.

    Attributes:
        client: the client, with the key.
    """

    client: Client

    def send(self, request: Any, **_: Any) -> Any:
        """Return the answer to a request.

        Raises:
            FetchError: if there is none.
        """
        from requests import Response

        response = Response()
        response.status_code, response.url, response.request = 200, request.url, request
        response.encoding = "utf-8"
        response.raw = BytesIO(self.client.answer("GET", request.url).content)
        return response

    def close(self) -> None:
        """Close nothing: the connections are shared."""


def key_of_environment() -> str:
    """Return the key.

    Raises:
        FetchError: if there is none, or it cannot be one. The text does not hold it.
    """
    name = next((each for each in KEYS if os.environ.get(each, "").strip()), None)
    if name is None:
        raise FetchError(f"{NAME} asks for a key: copy yours from {PAGES}/api and set {KEYS[0]} to it")
    key = os.environ[name].strip()
    if len(key) != KEY_LENGTH or not (key.isascii() and key.isalnum()):
        raise FetchError(
            f"{name} is no key of {NAME}, which has {KEY_LENGTH} letters and digits: copy yours from {PAGES}/api"
        )
    return key


def _criteria(conditions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the conditions of a search as mp-api's `count` takes them: as they are sent."""
    sent: dict[str, Any] = {"deprecated": conditions["deprecated"], "_limit": 1, "_fields": "material_id"}
    for name in ("formula", "elements", "material_ids"):
        if name in conditions:
            sent[name] = ",".join(conditions[name])
    if "num_sites" in conditions:
        sent["nsites_min"], sent["nsites_max"] = conditions["num_sites"]
    return sent | ({} if conditions["include_gnome"] else {"batch_id_not_eq": GNOME})
