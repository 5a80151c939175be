"""What was said to whom, known by its content: nothing is said twice, whatever happens between sending and noting."""

import datetime as dt
from dataclasses import asdict, dataclass, replace
from typing import Literal

from aqqua_dataset.nightly.state import short
from aqqua_dataset.warehouse import Warehouse

PEOPLE = "messages/people"

#: As in ``mail``; ``intended`` stands while a message is being sent, and after a kill in that moment.
State = Literal["intended", "sent", "refused", "doubtful"]


@dataclass(frozen=True)
class Said:
    """One message: its key (the Message-ID before the @), the news in it, what became of it and why.

    Attributes:
        to: hash of the address, so that a corrected one is tried.
    """

    key: str
    at: str
    state: State
    items: tuple[str, ...]
    to: str
    told: str = ""


class Ledger:
    """What was said to one person."""

    def __init__(self, warehouse: Warehouse, person: str, folder: str = PEOPLE) -> None:
        """Reads it; a message that was being sent when a run was killed is doubtful from then on."""
        self._warehouse, self._path = warehouse, f"{folder}/{person}.json"
        stored = warehouse.read_json(self._path) or []
        self.messages = [Said(**{**told, "items": tuple(told["items"])}) for told in stored]
        if any(m.state == "intended" for m in self.messages):
            why = "the run ended while it was being sent"
            self.messages = [
                replace(m, state="doubtful", told=why) if m.state == "intended" else m for m in self.messages
            ]
            self._save()

    def told(self, address: str) -> set[str]:
        """Hashes of the news that aren't told again; what an address refused is told to another one."""
        to = short(address)
        return {i for m in self.messages if m.state != "refused" or m.to == to for i in m.items}

    def intend(self, key: str, items: list[str], address: str, now: dt.datetime) -> None:
        """Notes a message before it is sent."""
        self.messages.append(Said(key, f"{now:%Y-%m-%dT%H:%M:%SZ}", "intended", tuple(sorted(items)), short(address)))
        self._save()

    def settle(self, key: str, state: Literal["sent", "refused", "doubtful", "later"], told: str) -> None:
        """Notes what became of it; one that surely didn't leave is forgotten, so that it is sent the next time."""
        *before, last = self.messages
        assert last.key == key
        self.messages = before if state == "later" else [*before, replace(last, state=state, told=told)]
        self._save()

    def again(self) -> int:
        """Forgets messages that are doubtful or were refused, so that their news are told anew; returns how many."""
        kept = [m for m in self.messages if m.state == "sent"]
        gone = len(self.messages) - len(kept)
        if gone:
            self.messages = kept
            self._save()
        return gone

    def _save(self) -> None:
        self._warehouse.write_json(self._path, [asdict(m) for m in self.messages])


def people_written_to(warehouse: Warehouse, folder: str = PEOPLE) -> list[str]:
    """Who has a ledger."""
    return [n.removesuffix(".json") for n in warehouse.names(folder) if n.endswith(".json")]
