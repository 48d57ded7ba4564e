# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Self-service: what a user may ask of the gateway. Every request is plain data, and touches the user's own source alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..apply.change import Options
from ..apply.gateway import Gateway
from ..errors import CommandFailed, InvalidData, StepFailed, Unavailable, VizgateError
from ..model import urls
from ..model.entities import UserData
from ..model.names import name_problem
from ..model.parse import parse_user, password_problem
from ..model.policy import Policy
from ..model.sources import SELF
from ..model.targets import HTTPS
from ..registry.store import Registry
from ..text import shown

RESTART_SECONDS = 30
"""How long an app that its owner restarts has until it answers."""
_SITE = ("backend_ca", "legacy_hashes_until", "links_per_user", "logins_per_user", "self_service", "url_style")
Request = Mapping[str, Any]
Answer = dict[str, Any]


def answer(gateway: Gateway, user: str, request: object) -> Answer:
    """Does what `request` asks for `user`, a mapping with the key `do`, and tells how it went.

    Returns `{problems: [text]}` for a request that is refused, `{unavailable: text}` where the gateway cannot do it now,
    and else what the request's own function says. Whatever is not done has changed nothing.
    """
    try:
        problem = name_problem("user", user)
        if problem:
            raise InvalidData([f"{problem}; self-service needs an account with such a name"])
        name = request.get("do") if isinstance(request, Mapping) else None
        if not isinstance(request, Mapping) or not isinstance(name, str) or name not in _REQUESTS:
            raise InvalidData([f"request {shown(name)} is not known; there are: {', '.join(_REQUESTS)}"])
        work, keys = _REQUESTS[name]
        for key, kind in keys.items():
            if not isinstance(request.get(key), kind):
                raise InvalidData([f"request '{name}': {key} {shown(request.get(key))} is no {_CALLED[kind]}"])
        for key in request.keys() - keys.keys() - {"do"}:
            raise InvalidData([f"request '{name}': unknown key {shown(key)}"])
        policy = gateway.registry.policy()
        if not policy.self_service:
            raise Unavailable("self-service is switched off on this gateway; ask its administrator")
        return work(gateway, user, request, policy)
    except InvalidData as error:
        return {"problems": error.problems}
    except (VizgateError, OSError) as error:
        return {"unavailable": str(error)}


def _show(gateway: Gateway, user: str, request: Request, policy: Policy) -> Answer:
    """The user's links and logins, whoever declares them, and what the site allows."""
    info: Any = gateway.info(user)
    site = {key: getattr(policy, key) for key in _SITE}
    site["url"] = urls.site(policy.url, policy.url_style, user)
    mine = info["users"][user]
    return {
        "user": user,
        "site": {**site, "allowed_hosts": policy.allowed_hosts, "allowed_ports": policy.allowed_ports},
        "sockets": gateway.paths.sockets(user),
        **({"ports": _known_range(gateway, user, policy)} if policy.port_range_start else {}),
        "serving": info["live"],
        "links": [urls.located(link, policy.url, policy.url_style, user) for link in mine["links"]],
        "logins": mine["logins"],
    }


def _known_range(gateway: Gateway, user: str, policy: Policy) -> dict[str, int] | None:
    """The user's port range; None for one who has not needed any yet."""
    ports = gateway.registry.ports(policy)
    return _range(ports.of(user)) if ports else None


def _range(ports: range | None) -> dict[str, int] | None:
    return {"first": ports.start, "last": ports.stop - 1} if ports else None


def _ports(gateway: Gateway, user: str, request: Request, policy: Policy) -> Answer:
    """The user's port range, which is assigned if need be, and which of their links lead to which ports of it."""
    with gateway.registry.user_lock(user):
        ports = gateway.ports(user)
    if ports is None:
        raise Unavailable("this gateway has no port ranges; you can use any port that the policy allows")
    info: Any = gateway.info(user)
    links = [link for link in info["users"][user]["links"] if link.get("port") in ports and not link["yields_to"]]
    return {
        "user": user,
        "ports": _range(ports),
        "links": [{key: link[key] for key in ("name", "port", "host", "quarantined")} for link in links],
    }


def _history(gateway: Gateway, user: str, request: Request, policy: Policy) -> Answer:
    """The last changes of the user's links and logins, whoever made them, newest last."""
    lines = [line for log in gateway.registry.history(user).values() for line in log]
    lines.sort(key=lambda line: line["at"])
    return {"lines": lines[-max(1, min(request["lines"], 10_000)) :]}


def _log(gateway: Gateway, user: str, request: Request, policy: Policy) -> Answer:
    """The last requests to the user's pages, or those since the `cursor` of an earlier answer; of one link, if it is given, and then
    also the last that got no link, but concern this one.

    Lines from before somebody else had the name are not theirs.
    """
    from ..logs import access_log as log  # of all requests, this one alone needs it

    link, cursor = request["link"], request["cursor"]
    problem = name_problem("link", link) if link else None
    if problem:
        raise InvalidData([problem])
    since = log.seconds(gateway.registry.closed(user))
    lines = log.Lines(user, link, since, max(1, min(request["lines"], 10_000)))
    with log.opened(gateway.paths.access_log) as parts:
        if cursor:
            cursor, complete = log.forwards(parts, cursor, lines)
        else:
            complete = log.backwards(parts, lines)
            lines.found.reverse()
            lines.concerning.reverse()
            cursor = log.end(parts)
    return {"lines": lines.found, "concerning": lines.concerning, "cursor": cursor, "complete": complete}


def _change(gateway: Gateway, user: str, changed: Callable[[dict[str, list[Any]]], None]) -> Answer:
    """Declares what `changed` makes of the user's own data (in plain types), and insists on its being served."""

    def declaration(registry: Registry) -> dict[str, UserData]:
        data = registry.sources(user).get(SELF, UserData()).as_json()
        data.setdefault("moving", [])
        changed(data)
        found, problems = parse_user(data, stored=True)
        if problems:
            raise InvalidData(problem.text for problem in problems)
        return {user: found}

    with gateway.registry.user_lock(user):
        outcome = gateway.declare(SELF, declaration, Options(diff=False, require_live=True))
    return {"plan": outcome.plan}


def _find(items: list[Any], what: str, name: str) -> Any:
    for item in items:
        if item["name"] == name:
            return item
    names = ", ".join(item["name"] for item in items)
    raise InvalidData([f"you have no {what} {shown(name)} of your own; your own {what}s: {names or 'none'}"])


def _refuse_another(items: list[Any], what: str, name: object, limit: int) -> None:
    if any(item["name"] == name for item in items):
        raise InvalidData(
            [
                f"{what} {shown(name)}: you already have a {what} with this name;"
                " change or remove it, or choose another name"
            ]
        )
    if len(items) >= limit:
        raise InvalidData(
            [f"{what} {shown(name)}: you have {len(items)}, and the site's limit is {limit}; remove one first"]
        )


def _add(gateway: Gateway, user: str, request: Request, policy: Policy) -> Answer:
    link = {key: value for key, value in request["link"].items() if value is not None}

    def add(data: dict[str, list[Any]]) -> None:
        _refuse_another(data["links"], "link", link.get("name"), policy.links_per_user)
        data["links"].append(link)

    return _change(gateway, user, add)


def _edit(gateway: Gateway, user: str, request: Request, policy: Policy) -> Answer:
    def edit(data: dict[str, list[Any]]) -> None:
        link = _find(data["links"], "link", request["name"])
        coming = {**link, **_other_target(request["link"])}
        data["links"].remove(link)
        data["links"].append({key: value for key, value in coming.items() if value is not None})

    return _change(gateway, user, edit)


def _other_target(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The changes; a new socket takes host and port along, and the other way round; either takes what is https's with it."""
    gone: Iterable[str] = ()
    if changes.get("socket") is not None:
        gone = ("host", "port")
    elif changes.get("host") is not None or changes.get("port") is not None:
        gone = ("socket",)
    if changes.get("socket") is not None or changes.get("scheme", HTTPS) != HTTPS:
        gone = (*gone, "scheme", "verify")
    return {**dict.fromkeys(gone), **changes}


def _remove(gateway: Gateway, user: str, request: Request, policy: Policy) -> Answer:
    return _change(gateway, user, lambda data: data["links"].remove(_find(data["links"], "link", request["name"])))


def _hashed(request: Request) -> dict[str, str]:
    """The login of a request. Hashing takes a tenth of a second, and nobody else should wait for it."""
    from ..host import passwords  # most requests have none

    problem = name_problem("login", request["name"]) or password_problem(request["password"])
    if problem:
        raise InvalidData([problem])
    return {"name": request["name"], "password_hash": passwords.hash_password(request["password"])}


def _add_login(gateway: Gateway, user: str, request: Request, policy: Policy) -> Answer:
    login = _hashed(request)

    def add(data: dict[str, list[Any]]) -> None:
        _refuse_another(data["logins"], "login", login["name"], policy.logins_per_user)
        data["logins"].append(login)

    return _change(gateway, user, add)


def _change_login(gateway: Gateway, user: str, request: Request, policy: Policy) -> Answer:
    login = _hashed(request)
    return _change(gateway, user, lambda data: _find(data["logins"], "login", login["name"]).update(login))


def _remove_login(gateway: Gateway, user: str, request: Request, policy: Policy) -> Answer:
    return _change(gateway, user, lambda data: data["logins"].remove(_find(data["logins"], "login", request["name"])))


def _move(gateway: Gateway, user: str, request: Request, policy: Policy) -> Answer:
    """Marks all the user's own links as inventory's from the moment that it declares them."""

    def move(data: dict[str, list[Any]]) -> None:
        data["moving"] = [link["name"] for link in data["links"]]

    return _change(gateway, user, move)


def _apps(gateway: Gateway, user: str, request: Request, policy: Policy) -> Answer:
    """The user's apps, and their releases."""
    from ..apps import owner_requests  # of all requests, those about apps alone need it
    from ..apps.deployer import Deployer
    from ..apps.releases import Settings

    return {"apps": owner_requests.apps_of(Deployer(gateway, Settings()), user)}


def _restart_app(gateway: Gateway, user: str, request: Request, policy: Policy) -> Answer:
    """Restarts one of the user's apps, and waits until it answers."""
    from ..apps import owner_requests  # as above
    from ..apps.deployer import Deployer
    from ..apps.releases import Settings

    deployer = Deployer(gateway, Settings(health_seconds=RESTART_SECONDS))
    try:
        release = owner_requests.restart(deployer, user, request["name"])
    except (StepFailed, CommandFailed) as error:
        raise Unavailable(f"app {shown(request['name'])}: {error}") from None
    return {"release": release.number}


def _app_log(gateway: Gateway, user: str, request: Request, policy: Policy) -> Answer:
    """Where the log of one of the user's apps is, or of the making of its releases: root does not open it."""
    from ..apps import owner_requests  # as above
    from ..apps.deployer import Deployer
    from ..apps.releases import Settings

    deployer = Deployer(gateway, Settings())
    return {"path": owner_requests.log(deployer, user, request["name"], build=request["which"] == "build")}


_CALLED: dict[type, str] = {str: "text", int: "number", dict: "mapping"}
_Work = Callable[[Gateway, str, Request, Policy], Answer]
_REQUESTS: dict[str, tuple[_Work, dict[str, type]]] = {
    "show": (_show, {}),
    "history": (_history, {"lines": int}),
    "add": (_add, {"link": dict}),
    "edit": (_edit, {"name": str, "link": dict}),
    "remove": (_remove, {"name": str}),
    "add_login": (_add_login, {"name": str, "password": str}),
    "change_login": (_change_login, {"name": str, "password": str}),
    "remove_login": (_remove_login, {"name": str}),
    "move": (_move, {}),
    "ports": (_ports, {}),
    "log": (_log, {"lines": int, "link": str, "cursor": str}),
    "apps": (_apps, {}),
    "restart_app": (_restart_app, {"name": str}),
    "app_log": (_app_log, {"name": str, "which": str}),
}
