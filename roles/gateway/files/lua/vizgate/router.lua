-- Where a request goes: the link of its path or host name, for a visitor who may see it.
local authorize = require("vizgate.auth").authorize
local backend = require "vizgate.backend"
local config = require "vizgate.config"
local cookies_of_link = require("vizgate.cookies").of_link
local current = require("vizgate.cache").current
local drop_claims = require("vizgate.claims").drop
local get_entry = require("vizgate.entries").get
local host_owner = require("vizgate.hosts").owner
local is_foreign = require("vizgate.origin").is_foreign
local trusted_proxy = require "vizgate.trusted_proxy"
local visitor_of = require("vizgate.client").visitor

local SLASH = 47
local USER_BYTES = 32           -- of the longest user's name
local LINK_BYTES = 63           -- of the longest link's name

local _M = {}

-- The address of a link that had a name with capital letters before it was imported; nil for all other addresses.
local function moved_to(user, home, rest, path, written)
    local old, tail = rest:match("^([%w][%w._-]*)(.*)$")
    if not old or not old:find("%u") or #old > LINK_BYTES or not (tail == "" or tail:sub(1, 1) == "/") then
        return
    end
    local moved = (get_entry(user .. "/" .. old:gsub("%u", "^%0"):lower()) or ""):match("^moved (.*)$")
    local before = home .. "/" .. old
    if moved and path:sub(1, #before) == before then
        return home .. "/" .. moved .. (tail == "" and "/" or "") .. written:sub(#before + 1)
    end
end

-- The URI for a backend without a prefix. A websocket may come to the link's address without the slash at its end, as
-- browsers follow no redirect for one.
local function without_prefix(base, written)
    local rest = written:sub(#base + 1)
    return rest:byte() == SLASH and rest or "/" .. rest
end

-- An error page that names the link.
local function respond_502(link, base, target)
    local var = ngx.var
    var.vizgate_link, var.vizgate_base, var.vizgate_target = link, base, target
    return ngx.exit(502)
end

-- Finds the link of a request; every answer that is not the backend's is given here. Owner (where the host does not say
-- it) and link are taken from the URI as nginx normalised it; the backend gets the URI as the client wrote it. Where the
-- two do not begin alike (//, %2F, ..) the page does not exist. On a link's own host everything is that link's, `own`.
local function find_link(uri, written, user, own)
    local path, rest, home = written:match("^[^?]*"), uri:sub(2), ""
    if not config.suffix then
        user, rest = uri:match("^/([a-z_][a-z0-9_-]*)/(.*)$")
        user = user or uri:match("^/([a-z_][a-z0-9_-]*)$")
        home = "/" .. (user or "")
    end
    if not user or #user > USER_BYTES then
        return ngx.exit(404)
    end
    ngx.var.vizgate_user = user
    authorize(user)
    local status, moved
    if own then
        rest = own .. uri
    elseif path == home or path == home .. "/" then
        return ngx.exec("/-/index")
    elseif path == home .. "/_usage/" then
        return ngx.exec("/-/usage")
    else
        status, moved = rest and rest:match("^%-/status/(.*)$"), moved_to(user, home, rest or "", path, written)
    end
    if moved then
        return ngx.redirect(moved, 302)
    end
    local name, tail = (status or rest or ""):match("^([a-z0-9][a-z0-9._-]*)(.*)$")
    local cached = current()
    local entry = name and #name <= LINK_BYTES and get_entry(user .. "/" .. name)
    if not entry then
        return ngx.exit(404)
    end
    local mode, security, target, trusted, below_uid = entry:match("^(%a+)(%S*) (%S*) ?(%d*) ?(%d*)$")
    local tls, peer = security:match("^:(%a+):(.*)$")
    local base = own and "" or home .. "/" .. name
    local prefix = base .. "/"
    local quarantined = trusted ~= "" and backend.is_quarantined(target, trusted, below_uid)
    if status and tail == "" and tls and not quarantined then
        ngx.var.vizgate_target, ngx.var.vizgate_tls, ngx.var.vizgate_peer = target, tls, peer
        ngx.var.vizgate_uri = mode == "keep" and prefix or "/"
        return ngx.exec("/-/look")
    elseif status and tail == "" then
        return backend.report_status(target, mode == "keep" and prefix or "/", quarantined, "")
    end
    local is_bare = path == base and tail == ""
    if own and mode ~= "host" or mode == "host" and not config.suffix then
        return ngx.exit(404)
    elseif mode == "host" and not own and (is_bare or path:sub(1, #prefix) == prefix) then
        -- 307, as what a program sends is for the link as well
        local host = name .. "--" .. user .. config.suffix
        return ngx.redirect(config.scheme .. "://" .. host .. without_prefix(base, written), 307)
    elseif is_bare and ngx.var.vizgate_upgrade == "" then
        -- 302, not 301, which a browser would remember for ever
        return ngx.redirect(prefix .. written:sub(#prefix), 302)
    elseif not is_bare and (path:sub(1, #prefix) ~= prefix or tail:sub(1, 1) ~= "/") then
        return ngx.exit(404)
    elseif target:sub(1, 1) == ":" then
        return respond_502(name, base, "a host that has no address")
    elseif quarantined then
        return respond_502(name, base, "quarantined")
    end
    local link = {
        name = "/" .. user .. "/" .. name, user = user, link = name, base = base, target = target,
        keep = mode == "keep", tls = tls, peer = peer, passed = cached.passed[user] or {},
    }
    cached.links[own and own .. "--" .. user or link.name .. "/"] = link
    return link
end

-- Access phase of every request: a link that was found in this second and let the same credential pass, or a new search.
function _M.route()
    local var = ngx.var
    if config.is_proxied and var.vizgate_proxy == "1" then
        trusted_proxy.apply(var)
    end
    local uri, written = var.uri, var.request_uri
    -- what the log says, without the query, which is for the backend alone
    local path = (written:find("?", 1, true) or written:find("#", 1, true)) and written:match("^[^?#]*") or written
    var.vizgate_written = path
    local user, own
    if config.suffix then
        user, own = host_owner(var.http_host)
    end
    local origin, referer, site = var.http_origin, var.http_referer, var.http_sec_fetch_site
    if (origin or referer or site) and is_foreign(user or uri:match("^/([^/]*)"), var, origin, referer, site) then
        return ngx.exit(403)
    end
    local slash = own and 1 or uri:find("/", 2, true)
    if slash and not config.suffix then
        slash = uri:find("/", slash + 1, true)
    end
    local prefix = slash and uri:sub(1, slash)
    local link = prefix and current().links[own and own .. "--" .. user or user and "/" .. user .. prefix or prefix]
    local login = link and written:sub(1, slash) == prefix and link.passed[visitor_of(var)]
    if login then
        var.vizgate_user, var.vizgate_login = link.user, login
    else
        link = find_link(uri, written, user, own)
    end
    drop_claims()
    var.vizgate_link = link.link
    var.vizgate_base = link.base
    var.vizgate_target = link.target
    var.vizgate_uri = link.keep and written or without_prefix(link.base, written)
    local cookies = var.http_cookie
    if cookies then
        var.vizgate_cookies = cookies_of_link(cookies, link.name)
    end
    if link.tls then
        var.vizgate_tls, var.vizgate_peer = link.tls, link.peer
        return ngx.exec("@" .. link.tls)
    end
end

return _M
