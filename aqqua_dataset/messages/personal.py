"""What messages leave behind of one person: the ledger of what was said, and letters that lie in the outbox."""

from dataclasses import asdict
from typing import Any

from aqqua_dataset.config import Config
from aqqua_dataset.messages.mail import outbox_folder
from aqqua_dataset.messages.said import PEOPLE, Ledger
from aqqua_dataset.warehouse import Warehouse


def stored_messages(config: Config, person: str) -> dict[str, Any]:
    """The ledger of a person, by hashes, and the paths of their letters; empty where nothing was ever said."""
    warehouse = Warehouse(config.warehouse, config.storage.warehouse)
    if not warehouse.exists(_ledger(person)):
        return {}
    said = Ledger(warehouse, person).messages
    letters = [outbox_folder(config) / f"{message.key}.eml" for message in said]
    return {"said": [asdict(message) for message in said], "outbox": [str(file) for file in letters if file.exists()]}


def erase_messages(config: Config, person: str) -> list[str]:
    """Removes both; returns the paths that were removed."""
    letters = [*stored_messages(config, person).get("outbox", [])]
    for file in letters:
        Warehouse(str(outbox_folder(config))).remove(file.rpartition("/")[2])
    warehouse = Warehouse(config.warehouse, config.storage.warehouse)
    if warehouse.exists(_ledger(person)):
        warehouse.remove(_ledger(person))
        letters.append(warehouse.url(_ledger(person)))
    return letters


def _ledger(person: str) -> str:
    return f"{PEOPLE}/{person}.json"
