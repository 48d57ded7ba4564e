-- Which page a request comes from: all users share one origin, so browsers alone do not keep their pages apart.
local config = require "vizgate.config"

local _M = {}

-- The scheme by which the browser has asked.
local function scheme_of(var)
    return config.is_proxied and var.vizgate_scheme or var.scheme
end
_M.scheme_of = scheme_of

-- The gateway's origin as this request's browser sees it, and the public one: behind something that takes the encryption off,
-- the public address has another scheme than the connection.
local function origins(var)
    local authority = "://" .. (var.http_host or "")
    return scheme_of(var) .. authority, config.scheme .. authority
end
_M.origins = origins

-- Of a Referer what stands after the origin, if that is the gateway's own; "/" where a page says no more, or nothing.
local function referer_path(referer, own, public)
    if not referer or referer == "" then
        return "/"
    end
    local rest = referer:sub(1, #own) == own and referer:sub(#own + 1)
        or referer:sub(1, #public) == public and referer:sub(#public + 1)
    return rest and rest:sub(1, 1) == "/" and rest
end
_M.referer_path = referer_path

-- Whether the answer takes the place of the whole page, with its address visible. Unencrypted, browsers say less, and a
-- frame looks the same.
local function is_navigation(var, site)
    local method = ngx.req.get_method()
    if method ~= "GET" and method ~= "HEAD" or var.http_upgrade then
        return false
    elseif site then
        return var.http_sec_fetch_mode == "navigate" and var.http_sec_fetch_dest == "document"
    end
    return var.http_upgrade_insecure_requests == "1"
end

-- Whether a script has asked. A script could write any Referer, and in a worker made of a blob it has none to show, so
-- nothing is won by insisting on it. Pictures, styles, frames and forms need no script. Only a script opens a websocket, and
-- no browser sends a Referer with that.
local function is_scripted(var)
    local mode, dest = var.http_sec_fetch_mode, var.http_sec_fetch_dest or ""
    return mode == "websocket" or dest == "empty" and mode ~= "no-cors"
        or dest == "script" or dest:find("work", 1, true)
end

-- Whether the browser says that a request comes from a page that is not the user's own, or the page hides where it comes from.
-- A user with a host name has an origin, and browsers keep origins apart.
function _M.is_foreign(user, var, origin, referer, site)
    local own, public = origins(var)
    if origin and origin ~= own and origin ~= public then
        return true
    end
    local page = referer_path(referer, own, public)
    local near = page and (not site or site == "same-origin" or site == "none")
    if near and (config.suffix or page:match("^/([^/?]*)") == user) or is_navigation(var, site) then
        return false
    elseif near and page == "/" then
        return site == "same-origin" and not is_scripted(var)
    end
    return true
end

return _M
