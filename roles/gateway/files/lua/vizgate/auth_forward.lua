-- Sign-in by a service of the administrator's, which says of every request who the visitor is.
local accounts = require "vizgate.accounts"
local config = require "vizgate.config"
local get_entry = require("vizgate.entries").get
local listeners = require "vizgate.listeners"
local service = require "vizgate.sign_in_service"

local _M = {}

-- The account that listens at an address of this host now: an earlier answer says nothing about a new connection.
local function listener_now(place)
    return listeners.owner(place, true)
end

-- Whether the service was started by the administrator. While it is away, every account of this host could listen in its
-- place.
local function is_administrators_service()
    local is_local, uid = service.listener(config.sign_in.place, listener_now)
    return not is_local or accounts.is_administrators(uid)
end
_M.is_administrators_service = is_administrators_service

-- The service's answer about the request at hand: a status, and the visitor's name; nothing where there is none. Asked by a
-- socket for the same reason as the password checker, and for every request, as it may go by their addresses.
local function ask()
    local var, sign_in = ngx.var, config.sign_in
    local scheme, host = sign_in.site:match("^(%a+)://([^/]+)")
    -- not the Host that the client gives: services have rules for hosts
    local headers = {
        Host = host, Connection = "close", Accept = "*/*",
        Cookie = var.http_cookie, Authorization = var.http_authorization,
        ["X-Original-Method"] = var.request_method, ["X-Original-URI"] = var.request_uri,
        ["X-Original-URL"] = scheme .. "://" .. host .. var.request_uri,
        ["X-Forwarded-Method"] = var.request_method, ["X-Forwarded-Proto"] = scheme, ["X-Forwarded-Host"] = host,
        ["X-Forwarded-Uri"] = var.request_uri, ["X-Forwarded-For"] = var.remote_addr, ["X-Real-IP"] = var.remote_addr,
    }
    local lines = { "GET " .. sign_in.path .. " HTTP/1.1" }
    for name, value in pairs(headers) do
        if value:find("%c") then
            return "401"
        end
        lines[#lines + 1] = name .. ": " .. value
    end
    local request = table.concat(lines, "\r\n") .. "\r\n\r\n"
    return service.ask(sign_in.place, request, sign_in.header, is_administrators_service)
end

local function is_success(status)
    return status and status:sub(1, 1) == "2"
end

-- Whether a visitor of this name may see the user's pages: the user may, and so may the names of the user's logins.
local function is_authorized(user, visitor)
    local name, short = service.names(visitor, config.sign_in.domain)
    for login in ((name and get_entry(user .. "/") or ""):match(" .*") or ""):gmatch("%S+") do
        if login == name or login == short then
            return true
        end
    end
    return name and short == user
end

-- Whether a person waits for a page in a window of its own. The sign-in page is of no use to other requests.
local function wants_html_page()
    local var = ngx.var
    if var.request_method ~= "GET" or var.http_upgrade then
        return false
    elseif var.http_sec_fetch_mode then
        return var.http_sec_fetch_mode == "navigate" and var.http_sec_fetch_dest == "document"
    end
    return (var.http_accept or ""):find("text/html", 1, true) and not var.http_x_requested_with
end

-- Lets a request through whose visitor may see the user's pages; answers all others.
function _M.authorize(user)
    local sign_in = config.sign_in
    local status, name = ask()
    local is_known = is_success(status) and name
    if is_known and is_authorized(user, name) then
        ngx.var.vizgate_login = name
        return
    elseif status == "403" or is_known then
        ngx.var.vizgate_problem = "stranger"
        return ngx.exit(403)
    elseif status ~= "401" then
        ngx.log(ngx.ERR, "the sign-in service at ", sign_in.place, " answers ", status or "nothing",
            " without a name, or is not root's")
        return ngx.exit(503)
    end
    local written = ngx.var.request_uri
    if sign_in.page ~= "" and wants_html_page() and written:find("^/[^/\\]") then
        local whole = sign_in.page:find("^%a+://") and sign_in.site or ""
        ngx.header["Cache-Control"] = "no-store"
        return ngx.redirect(sign_in.page .. ngx.escape_uri(whole .. written), 302)
    end
    return ngx.exit(401)
end

-- Whether the visitor may see the user's pages. The service knows the visitor anywhere.
function _M.has_visited(user)
    local status, name = ask()
    return is_success(status) and name and is_authorized(user, name)
end

return _M
